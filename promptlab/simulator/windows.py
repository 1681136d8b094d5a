"""The ways servers count a request rate, as small machines over a clock that is handed in."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Bucket", "FirstRequest", "Fixed", "Sliding", "Verdict", "Window", "make_window"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one request met: whether it may pass, what is left, and (epoch seconds) when more is there."""

    allowed: bool
    remaining: int
    reset: float

    def wait(self, now: float) -> int:
        """Whole seconds for Retry-After, at least 1."""
        return max(1, math.ceil(self.reset - now))


class Window(Protocol):
    """Counts requests; `take` counts one if it may pass, `look` only checks."""

    def take(self, now: float) -> Verdict: ...
    def look(self, now: float) -> Verdict: ...


@dataclass(slots=True)
class Fixed:
    """Windows on the clock: every minute starts again for everyone."""

    limit: int
    seconds: float
    _start: float = -math.inf
    _used: int = 0

    def look(self, now: float) -> Verdict:
        """The state at `now`."""
        start = math.floor(now / self.seconds) * self.seconds
        if start != self._start:
            self._start, self._used = start, 0
        return Verdict(self._used < self.limit, self.limit - self._used, self._start + self.seconds)

    def take(self, now: float) -> Verdict:
        """Count one."""
        before = self.look(now)
        self._used += before.allowed
        return Verdict(before.allowed, self.limit - self._used, before.reset)


@dataclass(slots=True)
class FirstRequest:
    """A window opens with the first request after the last one closed."""

    limit: int
    seconds: float
    _start: float = -math.inf
    _used: int = 0

    def look(self, now: float) -> Verdict:
        """The state at `now`."""
        if now >= self._start + self.seconds:
            return Verdict(True, self.limit, now + self.seconds)
        return Verdict(self._used < self.limit, self.limit - self._used, self._start + self.seconds)

    def take(self, now: float) -> Verdict:
        """Count one."""
        if now >= self._start + self.seconds:
            self._start, self._used = now, 0
        before = self.look(now)
        self._used += before.allowed
        return Verdict(before.allowed, self.limit - self._used, before.reset)


@dataclass(slots=True)
class Sliding:
    """The last `seconds` count, whenever they began."""

    limit: int
    seconds: float
    _times: deque[float]

    def look(self, now: float) -> Verdict:
        """The state at `now`; the reset is when the oldest counted request leaves."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        reset = (self._times[0] if self._times else now) + self.seconds
        return Verdict(len(self._times) < self.limit, self.limit - len(self._times), reset)

    def take(self, now: float) -> Verdict:
        """Count one."""
        if (before := self.look(now)).allowed:
            self._times.append(now)
        after = self.look(now)
        return Verdict(before.allowed, after.remaining, after.reset)


@dataclass(slots=True)
class Bucket:
    """A bucket of `limit` tokens that fills at limit / seconds."""

    limit: int
    seconds: float
    _tokens: float
    _at: float = -math.inf

    def look(self, now: float) -> Verdict:
        """The state at `now`; the reset is when a token is there, or when the bucket is full."""
        rate = self.limit / self.seconds
        if now > self._at:
            grown = self.limit if self._at == -math.inf else self._tokens + (now - self._at) * rate
            self._tokens, self._at = min(float(self.limit), grown), now
        allowed = self._tokens >= 1 - 1e-9
        short = self.limit - self._tokens if allowed else 1 - self._tokens
        return Verdict(allowed, int(self._tokens + 1e-9), now + short / rate)

    def take(self, now: float) -> Verdict:
        """Count one."""
        before = self.look(now)
        if before.allowed:
            self._tokens -= 1
        after = self.look(now)
        return Verdict(before.allowed, after.remaining, after.reset)


def make_window(kind: str, limit: int, seconds: float) -> Window:
    """A window of the kind `fixed`, `sliding`, `first_request` or `bucket`."""
    if kind == "fixed":
        return Fixed(limit, seconds)
    if kind == "first_request":
        return FirstRequest(limit, seconds)
    if kind == "sliding":
        return Sliding(limit, seconds, deque())
    if kind == "bucket":
        return Bucket(limit, seconds, float(limit))
    raise ValueError(f"there is no window {kind!r}; there are fixed, sliding, first_request and bucket")
