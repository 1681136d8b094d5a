"""What one key may do: the windows of its rate limit, its concurrency and its credits."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from promptlab.simulator.responses import ApiRefusal
from promptlab.simulator.settings import SimulatorSettings

__all__ = ["Account", "Bucket", "FirstRequest", "Fixed", "Sliding", "Verdict", "Window", "make_window", "rate_headers"]


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


_NO_LIMIT = 1_000_000
_DAY_S = 86_400


def rate_headers(limit: int | None, verdict: Verdict) -> dict[str, str]:
    """The guide's three headers; Reset in epoch seconds."""
    return {
        "X-RateLimit-Limit": str(limit if limit is not None else _NO_LIMIT),
        "X-RateLimit-Remaining": str(max(0, verdict.remaining)),
        "X-RateLimit-Reset": str(math.ceil(verdict.reset)),
    }


class Account:
    """The limits of a plan as they stand for one key."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.plan = settings.limits
        self.credits = settings.credits
        self.active = 0
        self._seconds = settings.window_s
        self._window: Window | None = None
        if (limit := self.plan.requests_per_minute) is not None:
            self._window = make_window(settings.window, limit, settings.window_s)
        self._day, self._today = -1, 0

    def headers(self, now: float) -> dict[str, str]:
        """The rate headers as they stand."""
        verdict = self._window.look(now) if self._window else Verdict(True, _NO_LIMIT - 1, now + self._seconds)
        return rate_headers(self.plan.requests_per_minute, verdict)

    def take_request(self, now: float) -> None:
        """Count one request, or ApiRefusal 429 with Retry-After."""
        if self._window is None:
            return
        verdict = self._window.take(now)
        if not verdict.allowed:
            wait = verdict.wait(now)
            raise ApiRefusal(
                429, "rate_limit_exceeded", f"Rate limit exceeded. Retry after {wait} seconds.", "rate_limit_error",
                {"Retry-After": str(wait)},
            )  # fmt: skip

    def admit(self, now: float, price: float) -> None:
        """Take a job's slot, its place in the day and its credits, or ApiRefusal 429 or 402 and nothing taken."""
        if self.plan.concurrent is not None and self.active >= self.plan.concurrent:
            raise ApiRefusal(
                429, "concurrency_limit_exceeded", f"At most {self.plan.concurrent} jobs can run at once.",
                "rate_limit_error", {"Retry-After": "1"},
            )  # fmt: skip
        day = int(now // _DAY_S)
        if day != self._day:
            self._day, self._today = day, 0
        if self.plan.daily is not None and self._today >= self.plan.daily:
            wait = math.ceil((day + 1) * _DAY_S - now)
            raise ApiRefusal(
                429, "daily_quota_exceeded", f"Daily limit of {self.plan.daily} reached. Retry after {wait} seconds.",
                "rate_limit_error", {"Retry-After": str(wait)},
            )  # fmt: skip
        if self.credits is not None:
            if self.credits < price:
                raise ApiRefusal(
                    402, "insufficient_credits", f"This request costs {price:g} credits; {self.credits:g} are left.",
                    "billing_error",
                )  # fmt: skip
            self.credits -= price
        self._today += 1
        self.active += 1

    def leave(self, price: float, *, done: bool) -> None:
        """Give the slot back; where the work was not done, also its credits and its place in the day."""
        self.active -= 1
        if not done:
            self._today -= 1
            if self.credits is not None:
                self.credits += price
