"""Proportions and their differences: one, two unpaired, two paired."""

from __future__ import annotations

import math
from typing import NamedTuple

from promptlab.stats.distributions import binomial_tail, normal_quantile

__all__ = ["Interval", "mcnemar_exact", "mcnemar_midp", "newcombe", "newcombe_paired", "wilson"]


class Interval(NamedTuple):
    """Both ends of an interval."""

    low: float
    high: float


def wilson(successes: float, trials: float, level: float = 0.95) -> Interval:
    """The score interval of a proportion (Wilson 1927); the whole range where nothing was tried.

    With clustered data, give the effective numbers (divided by the design effect): they need not be whole.
    """
    if trials <= 0:
        return Interval(0.0, 1.0)
    z = normal_quantile((1 + level) / 2)
    p = successes / trials
    middle = p + z * z / (2 * trials)
    reach = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes <= 0 else max(0.0, (middle - reach) / scale)  # exactly, not by a rounding error
    high = 1.0 if successes >= trials else min(1.0, (middle + reach) / scale)
    return Interval(low, high)


def newcombe(a: float, n: float, b: float, m: float, level: float = 0.95) -> Interval:
    """The difference a/n − b/m of independent proportions: the hybrid score method (Newcombe 1998, method 10)."""
    return _hybrid(a / n, wilson(a, n, level), b / m, wilson(b, m, level), 0.0)


def newcombe_paired(both: int, first: int, second: int, neither: int, level: float = 0.95) -> Interval:
    """The difference of paired proportions, first − second: method 10 of Newcombe's paper on paired data (1998).

    Of each pair: both yes, only the first, only the second, neither.
    """
    n = both + first + second + neither
    p1, p2 = (both + first) / n, (both + second) / n
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    phi = 0.0
    if product > 0:
        numerator: float = both * neither - first * second
        if numerator > 0:  # a continuity correction, as that paper has it
            numerator = max(numerator - n / 2, 0)
        phi = numerator / math.sqrt(product)
    return _hybrid(p1, wilson(both + first, n, level), p2, wilson(both + second, n, level), phi)


def _hybrid(p1: float, first: Interval, p2: float, second: Interval, phi: float) -> Interval:
    """Both ends from the distances of the single intervals' ends, with correlation phi."""
    gap = p1 - p2
    down1, up1, down2, up2 = p1 - first.low, first.high - p1, p2 - second.low, second.high - p2
    low = down1 * down1 - 2 * phi * down1 * up2 + up2 * up2
    high = up1 * up1 - 2 * phi * up1 * down2 + down2 * down2
    return Interval(max(-1.0, gap - math.sqrt(max(low, 0.0))), min(1.0, gap + math.sqrt(max(high, 0.0))))


def mcnemar_exact(first: int, second: int) -> float:
    """The two-sided exact p-value of "both are as often alone": only pairs that differ count."""
    n = first + second
    return 1.0 if n == 0 else min(1.0, 2 * binomial_tail(max(first, second), n))


def mcnemar_midp(first: int, second: int) -> float:
    """The mid-p version, which is less conservative (Fagerland, Lydersen and Laake, BMC Med Res Methodol 13, 2013)."""
    n = first + second
    if n == 0:
        return 1.0
    point = float(math.comb(n, first) / 2**n)
    return 1.0 - point / 2 if first == second else mcnemar_exact(first, second) - point
