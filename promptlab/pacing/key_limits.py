"""What a key may do, pure: the plan's figures and this machine's share; may a request be sent now; what headers teach.

A send is allowed when the send `requests` places before it is older than a window and its guard. This is a sliding
log with one look-up instead of a count: each send is that far from the one `requests` places before it, so no span
of a window and its guard holds more than `requests` of them, whatever kind of window the server keeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

__all__ = [
    "DAY_S",
    "Delay",
    "Facts",
    "Figures",
    "Headers",
    "KeyLimits",
    "Lease",
    "Lessons",
    "Quota",
    "effective",
    "forecast",
    "judge",
    "taught",
    "with_hold",
    "with_quota",
]

DAY_S = 86_400.0

#: The guard absorbs arrivals in another order than the sends: a window and a sixtieth, 98.4 % of the plan's rate
#: (measured against fixed, sliding, first-request and bucket servers). After a 429 it is a fortieth for a while.
_GUARD = 1 / 60
_WIDER_GUARD = 1 / 40
#: How long a limit read from headers counts: runs side by side share it, tomorrow's run starts afresh.
_LEARNED_S = 600.0
#: How long a used-up quota without a time holds before one request may ask again.
_UNKNOWN_QUOTA_S = 900.0
#: A 429 widens the guard for this many windows.
_WIDER_WINDOWS = 15
#: A hold longer than this is a mistake in a header.
_LONGEST_HOLD_S = DAY_S
#: A limit above this is junk.
_LARGEST_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """A plan's figures for a whole key: `requests` in any `window_s` seconds, jobs at once, requests in 24 hours.

    None means no limit. `share` (0 < share ≤ 1) is this machine's part of each. `named` says that someone chose the
    plan: response headers may then only tighten it; otherwise they set it (guide, Rate Limits). The daily figure of
    a plan that was not named is a guess and is not enforced. Raises ValueError for figures that make no sense.
    """

    requests: int | None = None
    window_s: float = 60.0
    concurrent: int | None = None
    daily: int | None = None
    share: float = 1.0
    named: bool = True

    def __post_init__(self) -> None:
        for name in ("requests", "concurrent", "daily"):
            figure = getattr(self, name)
            if figure is not None and figure < 1:
                raise ValueError(f"{name} is {figure}; it has to be at least 1, or left out for no limit")
        if not (math.isfinite(self.window_s) and self.window_s > 0):
            raise ValueError(f"window_s is {self.window_s}; it has to be a number of seconds above 0")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; it has to be above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Figures:
    """Limits as this machine applies them: at most `requests` sends in any `span_s` seconds."""

    requests: int | None
    window_s: float
    guard_s: float
    concurrent: int | None
    daily: int | None

    @property
    def span_s(self) -> float:
        """The window and its guard."""
        return self.window_s + self.guard_s

    @classmethod
    def of(cls, limits: KeyLimits, *, wider: bool = False) -> Figures:
        """This machine's share. A share below one request a window is one request in a longer window."""
        window, requests = limits.window_s, _part(limits.requests, limits.share)
        if limits.requests is not None and limits.requests * limits.share < 1:
            window = limits.window_s / (limits.requests * limits.share)
        guard = window * (_WIDER_GUARD if wider else _GUARD)
        return cls(requests, window, guard, _part(limits.concurrent, limits.share), _part(limits.daily, limits.share))


def _part(figure: int | None, share: float) -> int | None:
    # The tiny addition is for shares like 0.29, which times 100 is 28.999999999999996.
    return None if figure is None else max(1, math.floor(figure * share + 1e-9))


def forecast(limits: KeyLimits, requests: int, seconds_each: float) -> float:
    """The seconds until the last of `requests` is answered, from nothing sent yet, `seconds_each` an answer.

    Whole days are counted for a daily limit: 1,001 requests at 1,000 a day take a day and one answer.
    """
    if requests <= 0:
        return 0.0
    figures = Figures.of(limits)
    days = (requests - 1) // figures.daily if figures.daily else 0
    rest = requests - days * (figures.daily or 0)
    return days * DAY_S + _start_of(rest - 1, figures, seconds_each) + seconds_each


def _start_of(index: int, figures: Figures, seconds_each: float) -> float:
    """When request `index` (0-based) can start.

    start[k] is the later of start[k - requests] + span and start[k - concurrent] + seconds_each: the most costly way to
    walk back from k in steps of the two sizes. All but fewer than one round of the steps are of the slower kind.
    """
    steps = [(size, cost) for size, cost in _steps(figures, seconds_each) if size is not None]
    if not steps:
        return 0.0
    steps.sort(key=lambda step: step[1] / step[0])
    size, cost = steps[-1]
    if len(steps) == 1:
        return (index // size) * cost
    other_size, other_cost = steps[0]
    most = min(index // other_size, size)
    return max(((index - k * other_size) // size) * cost + k * other_cost for k in range(most + 1))


def _steps(figures: Figures, seconds_each: float) -> tuple[tuple[int | None, float], tuple[int | None, float]]:
    return (figures.requests, figures.span_s), (figures.concurrent, seconds_each)


# --- may a request be sent now? -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to send one request: `number` counts a key's sends, `sent` is epoch seconds. Give it back by release."""

    number: int
    sent: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Not now: ask again after at most `seconds`."""

    seconds: float
    reason: Literal["rate", "concurrency", "hold"]


@dataclass(frozen=True, slots=True)
class Quota:
    """The daily quota is used up; `until` (epoch seconds) says when it resets, None if not known."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Headers:
    """What a response said: `reset` in epoch seconds. Nothing in it is trusted."""

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the server's answers have taught about a key; every time is epoch seconds, 0 is never."""

    hold_set: float = 0.0
    hold_until: float = 0.0
    quota_set: float = 0.0
    quota_until: float | None = None
    quota_daily: int | None = None  # the plan's figure then: a changed plan has its quota afresh
    told_limit: int = 0  # X-RateLimit-Limit, 0 for none
    told_set: float = 0.0
    others: int = 0  # requests in the server's window that this machine did not send
    others_until: float = 0.0
    counts_down: int = 0  # 1 once Remaining was above 0: a server that always says 0 is not believed

    @property
    def latest(self) -> float:
        """The latest moment that anything was learned at."""
        return max(self.hold_set, self.quota_set, self.told_set)

    def shifted(self, seconds: float) -> Lessons:
        """The same lessons on a clock that was set back: their ages stay. A quota's end is the server's own time."""
        return replace(
            self,
            hold_set=self.hold_set - seconds,
            hold_until=self.hold_until - seconds,
            quota_set=self.quota_set - seconds,
            told_set=self.told_set - seconds,
            others_until=self.others_until - seconds,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What the log of sends says: when the send `requests` and `daily` places back was, and how many leases are out."""

    slot: float | None = None
    day_slot: float | None = None
    leases: int = 0


def effective(limits: KeyLimits, plans: Mapping[int, KeyLimits], lessons: Lessons, now: float) -> Figures:
    """The figures that hold now: the limits given, what headers said in the last minutes, and this machine's share."""
    limits = _learned(limits, plans, lessons, now)
    wider = lessons.hold_set > 0 and now < lessons.hold_set + _WIDER_WINDOWS * limits.window_s
    figures = Figures.of(limits, wider=wider)
    if figures.requests is None or limits.requests is None or now >= lessons.others_until:
        return figures
    return replace(figures, requests=max(0, min(figures.requests, limits.requests - lessons.others)))


def _learned(limits: KeyLimits, plans: Mapping[int, KeyLimits], lessons: Lessons, now: float) -> KeyLimits:
    fresh = lessons.told_limit > 0 and now < lessons.told_set + _LEARNED_S
    if limits.named:
        return _tightened(limits, plans.get(lessons.told_limit), lessons.told_limit) if fresh else limits
    if not fresh:
        return replace(limits, daily=None)
    if exact := plans.get(lessons.told_limit):
        return replace(exact, share=limits.share, named=False)
    below = [figure for figure in plans if figure < lessons.told_limit]
    nearest = plans[max(below)] if below else limits
    return replace(limits, requests=lessons.told_limit, concurrent=nearest.concurrent, daily=None)


def _tightened(limits: KeyLimits, told: KeyLimits | None, requests: int) -> KeyLimits:
    """A named plan under a server that allows fewer requests; `told` is the plan with exactly that many, if any.

    Someone named the wrong plan: its jobs at once are the other plan's too, or most of them would be refused.
    """
    if limits.requests is not None and requests >= limits.requests:
        return limits
    concurrent = limits.concurrent
    if told is not None and told.concurrent is not None and limits.requests is not None:
        concurrent = told.concurrent if concurrent is None else min(concurrent, told.concurrent)
    return replace(limits, requests=requests, concurrent=concurrent)


def judge(limits: KeyLimits, figures: Figures, lessons: Lessons, facts: Facts, now: float) -> Delay | Quota | None:
    """None if a request may be sent now. The quota is checked first: waiting for anything else would be useless."""
    if quota := _quota(limits, figures, lessons, facts, now):
        return quota
    if now < lessons.hold_until:
        return Delay(lessons.hold_until - now, "hold")
    if figures.requests == 0:
        return Delay(lessons.others_until - now, "rate")
    if figures.requests is not None and facts.slot is not None and now < facts.slot + figures.span_s:
        return Delay(facts.slot + figures.span_s - now, "rate")
    if figures.concurrent is not None and facts.leases >= figures.concurrent:
        return Delay(1.0, "concurrency")
    return None


def _quota(limits: KeyLimits, figures: Figures, lessons: Lessons, facts: Facts, now: float) -> Quota | None:
    told = lessons.quota_set > 0 and not (limits.named and limits.daily != lessons.quota_daily)
    if told:
        if lessons.quota_until is None and now < lessons.quota_set + _UNKNOWN_QUOTA_S:
            return Quota(None)
        if lessons.quota_until is not None and now < lessons.quota_until:
            return Quota(lessons.quota_until)
    if figures.daily is None or facts.day_slot is None or now >= facts.day_slot + DAY_S:
        return None
    if told and facts.day_slot < _day_began(lessons, now):
        return None
    return Quota(facts.day_slot + DAY_S)


def _day_began(lessons: Lessons, now: float) -> float:
    """When the quota last opened: sends before it no longer count.

    A quota that opened on a quarter of an hour opens then every day (midnight somewhere); any other is rolling.
    """
    opened = lessons.quota_until
    if opened is None:
        return 0.0
    by_the_clock = min(opened % 900, -opened % 900) <= 5
    return opened + (now - opened) // DAY_S * DAY_S if by_the_clock else opened


def with_hold(lessons: Lessons, until: float, now: float) -> Lessons:
    """Everyone waits until then; a hold is never shortened."""
    return replace(lessons, hold_set=now, hold_until=max(lessons.hold_until, min(until, now + _LONGEST_HOLD_S)))


def with_quota(lessons: Lessons, until: float | None, daily: int | None, now: float) -> Lessons:
    """The server says that the day's quota is used up, under a plan of `daily` requests."""
    return replace(lessons, quota_set=now, quota_until=until, quota_daily=daily)


def taught(limits: KeyLimits, lessons: Lessons, headers: Headers, ours: Callable[[int], int], now: float) -> Lessons:
    """The lessons after one more response; the same object when there is nothing new.

    `ours(used)` counts this machine's own sends that the server can have counted, or any number ≥ `used` when they
    explain all of them. If the server has counted more, someone else shares the key: their sends take places until
    the reset, a window at most, or until the next response tells better.
    """
    limit = _figure(headers.limit)
    if limit and (limit != lessons.told_limit or now > lessons.told_set + _LEARNED_S / 10):
        lessons = replace(lessons, told_limit=limit, told_set=now)
    remaining = _figure(headers.remaining)
    if remaining is None:
        return lessons
    if remaining and not lessons.counts_down:
        lessons = replace(lessons, counts_down=1)
    plan = lessons.told_limit if (limit or not limits.named) else limits.requests
    if not plan or not lessons.counts_down or (limits.named and limits.requests and plan > limits.requests):
        return lessons  # the server counts something else than we do
    used = plan - remaining
    others = max(0, used - ours(used)) if used > 0 else 0
    if not others:
        return replace(lessons, others=0, others_until=0.0) if lessons.others else lessons
    ends = now + limits.window_s
    if headers.reset is not None and now < headers.reset < ends:
        ends = headers.reset
    return replace(lessons, others=others, others_until=ends)


def _figure(value: float | None) -> int | None:
    """A plausible count, or None: -1, NaN and absurdly large ones are junk. (0 is a count, but never a limit.)"""
    if value is None or not 0 <= value <= _LARGEST_LIMIT:
        return None
    return int(value)
