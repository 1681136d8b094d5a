"""How long to wait: every form in which a server says it, in order of trust (pure).

retry-after-ms > Retry-After (seconds, float or HTTP date) > X-RateLimit-Reset (epoch seconds or milliseconds, a
delta, "6m0s", ISO 8601) > "Retry after N seconds" in the message. Absolute times count from the response's own Date,
so that a clock that is wrong on either side does no harm. Junk is ignored, never obeyed.

X-RateLimit-Reset is on *every* answer (guide, Rate Limits): it says when the window ends, not that anyone should
wait for it. It counts only where the rate is what refused: on a 429, or with nothing remaining.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeAlias

__all__ = ["RateInfo", "Wait", "WaitSource", "backoff", "parse_duration", "parse_wait", "rate_headers", "server_time"]

WaitSource: TypeAlias = Literal["retry-after-ms", "retry-after", "reset", "message", "backoff"]

LONGEST = 32 * 86_400.0  # a month: the longest quota window there is; beyond it a figure is junk
_NEAR = 5.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{1,9})?")
_COUNT = re.compile(r"\s*(\d{1,9})(?:\.0+)?\s*(?:[,;].*)?\Z", re.ASCII)
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)
_IN_MESSAGE = re.compile(
    r"(?:retry|try again|again|available|wait|reset\w*)\W{0,3}(?:after|in|for|for another)?\W{0,3}"
    r"(?:about |at least )?(?:(?P<compound>(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+)\b"
    r"|(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?)\b)",
    re.IGNORECASE | re.ASCII,
)
_RESETS = ("x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-images", "ratelimit-reset")
_LIMITS = ("x-ratelimit-limit", "x-ratelimit-limit-requests", "x-ratelimit-limit-images", "ratelimit-limit")
_REMAINING = (
    "x-ratelimit-remaining",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-images",
    "ratelimit-remaining",
)
_RATE = frozenset((*_LIMITS, *_REMAINING, *_RESETS))


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds to wait from now, and where the figure is from."""

    seconds: float
    source: WaitSource


@dataclass(frozen=True, slots=True)
class RateInfo:
    """What the rate headers say: requests a window, requests left, and when it resets (epoch seconds, our clock)."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


def parse_wait(headers: Mapping[str, str], message: str | None, now: float, *, limited: bool = False) -> Wait | None:
    """The wait that a response asks for, or None. `headers` have lower-case names; `now` is epoch seconds.

    `limited`: the response is a 429.
    """
    there = server_time(headers, now)
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None and milliseconds / 1000 <= LONGEST:
        return Wait(milliseconds / 1000, "retry-after-ms")
    told = _retry_after(headers["retry-after"], there) if "retry-after" in headers else None
    if told is not None:
        return Wait(told, "retry-after")
    resets = [seconds for text in _present(headers, _RESETS) if (seconds := _reset(text, there)) is not None]
    if resets and 0 < max(resets) <= _reset_counts_up_to(headers, limited):
        return Wait(max(resets), "reset")
    said = _in_message(message)
    return None if said is None else Wait(said, "message")


def _reset_counts_up_to(headers: Mapping[str, str], limited: bool) -> float:
    """How far away a reset may be and still be waited for; 0 where the rate is not what refused."""
    left = [count for text in _present(headers, _REMAINING) if (count := _count(text)) is not None]
    if 0 in left:
        return LONGEST
    if not limited:
        return 0.0
    # With requests left it is another limit that refused, such as jobs at once: that one opens sooner.
    return _NEAR if left else LONGEST


def rate_headers(headers: Mapping[str, str], now: float) -> RateInfo:
    """The rate limit as the headers tell it; -1, 0 as a limit, and anything unreadable are ignored."""
    if not _RATE.intersection(headers):
        return RateInfo()  # most servers say nothing of it
    limit = next((n for text in _present(headers, _LIMITS) if (n := _count(text))), None)
    remaining = next((n for text in _present(headers, _REMAINING) if (n := _count(text)) is not None), None)
    if limit is not None and remaining is not None and remaining > limit:
        remaining = None
    told = _present(headers, _RESETS)
    there = server_time(headers, now) if told else now
    reset = next((s for text in told if (s := _reset(text, there)) is not None), None)
    return RateInfo(limit, remaining, None if reset is None else now + reset)


def backoff(attempt: int, random: Callable[[], float], *, base: float = 1.0, cap: float = 60.0) -> Wait:
    """Exponential back-off with full jitter after the `attempt`-th send (1-based); `random` gives 0..1.

    Full jitter spreads retries best (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    return Wait(random() * min(cap, base * 2.0 ** min(max(attempt, 1) - 1, 16)), "backoff")


def server_time(headers: Mapping[str, str], now: float) -> float:
    """The server's clock by the response's Date header, or ours where there is none."""
    date = _http_date(headers["date"]) if "date" in headers else None
    return now if date is None else date


def parse_duration(text: str) -> float | None:
    """Seconds of `6m0s`, `1.5s`, `12ms`, `1h2m3s`; None for anything else."""
    compact = text.strip().lower()
    if not _DURATION.fullmatch(compact):
        return None
    return _sane(sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(compact)))


def _retry_after(text: str, there: float) -> float | None:
    """Seconds of a Retry-After: a number, or a date measured against the server's own clock."""
    number = _number(text)
    if number is not None:
        return _sane(number)
    date = _http_date(text)
    return parse_duration(text) if date is None else _sane(max(0.0, date - there))


def _present(headers: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    """The values of those headers that are there: most answers have one spelling of each, or none."""
    return [headers[name] for name in names if name in headers]


def _reset(text: str, there: float) -> float | None:
    """Seconds until a reset: a delta, an epoch in s or ms, a duration or an ISO 8601 time."""
    number = _number(text)
    if number is not None:
        if number < LONGEST:
            return number
        epoch = number / 1000 if number >= 1e11 else number
        return _sane(max(0.0, epoch - there)) if epoch >= 1e9 else None
    seconds = parse_duration(text)
    if seconds is not None:
        return seconds
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return None if moment.tzinfo is None else _sane(max(0.0, moment.timestamp() - there))


def _in_message(message: str | None) -> float | None:
    match = _IN_MESSAGE.search((message or "")[:2000])
    if match is None:
        return None
    if match["compound"]:
        return parse_duration(match["compound"])
    unit = match["unit"].lower()
    return _sane(float(match["number"]) * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]])


@lru_cache(maxsize=16)  # every answer of one second carries the same Date
def _http_date(text: str) -> float | None:
    """Epoch seconds of an HTTP date (RFC 9110 5.6.7), or None."""
    if not re.search(r"[A-Za-z]{3}", text) or len(text) > 64:
        return None
    from email.utils import parsedate_to_datetime  # only ever needed once a server sends dates

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def _number(text: str) -> float | None:
    """A plain non-negative number, or None: no signs, no NaN, no underscores."""
    stripped = text.strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) and stripped.isascii() else None


def _count(text: str) -> int | None:
    """The first whole number of a limit header (`30` or `30, 30;w=60`), or None."""
    match = _COUNT.match(text)
    return int(match[1]) if match else None


def _sane(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and 0 <= seconds <= LONGEST else None
