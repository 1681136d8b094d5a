"""What a key may do: the plan's figures, a machine's share of them, and how long a number of requests takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["DAY_S", "Figures", "Limits", "forecast"]

DAY_S = 86_400.0

#: The guard absorbs arrivals in another order than the sends: a window and a sixtieth, 98.4 % of the plan's rate
#: (measured against fixed, sliding, first-request and bucket servers). After a 429 it is a fortieth for a while.
_GUARD = 1 / 60
_WIDER_GUARD = 1 / 40


@dataclass(frozen=True, slots=True)
class Limits:
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
    def of(cls, limits: Limits, *, wider: bool = False) -> Figures:
        """This machine's share. A share below one request a window is one request in a longer window."""
        window, requests = limits.window_s, _part(limits.requests, limits.share)
        if limits.requests is not None and limits.requests * limits.share < 1:
            window = limits.window_s / (limits.requests * limits.share)
        guard = window * (_WIDER_GUARD if wider else _GUARD)
        return cls(requests, window, guard, _part(limits.concurrent, limits.share), _part(limits.daily, limits.share))


def _part(figure: int | None, share: float) -> int | None:
    # The tiny addition is for shares like 0.29, which times 100 is 28.999999999999996.
    return None if figure is None else max(1, math.floor(figure * share + 1e-9))


def forecast(limits: Limits, requests: int, seconds_each: float) -> float:
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
