"""Paired scores: one difference per scene, its size with an interval, and tests that a skewed score can't fool.

Images of one call (n > 1) and of one scene are averaged before they come here: scenes are what is independent.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from promptlab.stats.distributions import binomial_tail, normal_cdf, normal_quantile, t_quantile
from promptlab.stats.proportions import Interval

__all__ = ["PairedDifference", "bca", "compare_paired", "hodges_lehmann", "sign_test", "t_interval", "wilcoxon"]

_T_UP_TO = 30  # scenes: beyond, the bootstrap follows a skewed score better
_BOOTSTRAP_UP_TO = 500  # scenes: beyond, both intervals are the same, and the bootstrap is slow
_RESAMPLES = 2000
_EXACT_UP_TO = 50  # differences: beyond, the normal approximation of Wilcoxon's statistic is as good


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """What the first variant scores more than the second, over scenes. `shift` is Hodges and Lehmann's median."""

    scenes: int
    mean: float
    mean_interval: Interval | None
    shift: float
    shift_interval: Interval | None
    higher: int
    lower: int
    p_wilcoxon: float
    p_sign: float


def compare_paired(differences: Sequence[float], *, level: float = 0.95, seed: str | int = 0) -> PairedDifference:
    """Every figure of a paired comparison; intervals from five scenes on. ValueError without a difference."""
    if not differences:
        raise ValueError("no scene has a score of both")
    n = len(differences)
    enough = n >= 5
    mean_of = _mean_interval if enough else None
    shift, interval = hodges_lehmann(differences, level)
    higher, lower = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    return PairedDifference(
        n, math.fsum(differences) / n, mean_of(differences, level, seed) if mean_of else None, shift,
        interval if enough else None, higher, lower, wilcoxon(differences), sign_test(higher, lower),
    )  # fmt: skip


def _mean_interval(differences: Sequence[float], level: float, seed: str | int) -> Interval:
    if _T_UP_TO < len(differences) <= _BOOTSTRAP_UP_TO:
        return bca(differences, level=level, seed=seed)
    return t_interval(differences, level)


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's interval of a mean; two values at least."""
    n = len(values)
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    reach = t_quantile((1 + level) / 2, n - 1) * error
    return Interval(mean - reach, mean + reach)


def bca(values: Sequence[float], *, level: float = 0.95, seed: str | int = 0) -> Interval:
    """The bootstrap interval of a mean, bias-corrected and accelerated (Efron, JASA 82, 1987)."""
    n, total = len(values), math.fsum(values)
    mean = total / n
    if all(value == values[0] for value in values):
        return Interval(mean, mean)
    source = random.Random(f"promptlab bootstrap {seed}")  # noqa: S311  (a simulation, not a secret)
    means = sorted(math.fsum(source.choices(values, k=n)) / n for _ in range(_RESAMPLES))
    below = sum(each < mean for each in means) + sum(each == mean for each in means) / 2
    bias = normal_quantile(min(max(below / len(means), 0.5 / len(means)), 1 - 0.5 / len(means)))
    gaps = [mean - (total - value) / (n - 1) for value in values]  # the jackknife's influence
    cubes, squares = math.fsum(gap**3 for gap in gaps), math.fsum(gap**2 for gap in gaps)
    bend = cubes / (6 * squares**1.5)

    def end(p: float) -> float:
        z = bias + normal_quantile(p)
        at = normal_cdf(bias + z / (1 - bend * z))
        return means[min(len(means) - 1, max(0, round(at * len(means) - 0.5)))]

    return Interval(end((1 - level) / 2), end((1 + level) / 2))


def sign_test(higher: int, lower: int) -> float:
    """The two-sided exact p-value of "as often higher as lower"."""
    n = higher + lower
    return 1.0 if n == 0 else min(1.0, 2 * binomial_tail(max(higher, lower), n))


def wilcoxon(differences: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; zeros are left out, ties get their mean rank."""
    values = [value for value in differences if value != 0.0]
    n = len(values)
    if n == 0:
        return 1.0
    ranks, ties = _ranks([abs(value) for value in values])
    plus = sum(rank for rank, value in zip(ranks, values, strict=True) if value > 0)
    if n <= _EXACT_UP_TO and not ties:
        return _exact_p(n, int(min(plus, n * (n + 1) / 2 - plus)))
    mean = n * (n + 1) / 4
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    if variance <= 0:
        return 1.0
    z = max(abs(plus - mean) - 0.5, 0.0) / math.sqrt(variance)  # with the continuity correction
    return min(1.0, 2 * (1 - normal_cdf(z)))


def _ranks(values: Sequence[float]) -> tuple[list[float], int]:
    """Mean ranks, and Σ(t³ − t) over groups of equal values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, start = [0.0] * len(values), 0, 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for at in order[start:end]:
            ranks[at] = (start + 1 + end) / 2
        ties += (end - start) ** 3 - (end - start)
        start = end
    return ranks, ties


@lru_cache(maxsize=64)
def _signed_rank_tails(n: int) -> tuple[Fraction, ...]:
    """P(W ≤ w) of the signed-rank statistic of n differences, for every w."""
    ways = [1]
    for rank in range(1, n + 1):
        ways = [
            (ways[w] if w < len(ways) else 0) + (ways[w - rank] if w >= rank else 0) for w in range(len(ways) + rank)
        ]
    return tuple(Fraction(total, 2**n) for total in accumulate(ways))


def _exact_p(n: int, smaller: int) -> float:
    return min(1.0, float(2 * _signed_rank_tails(n)[smaller]))


def hodges_lehmann(differences: Sequence[float], level: float = 0.95) -> tuple[float, Interval | None]:
    """The median of all pairwise means (Walsh averages), and the interval that belongs to Wilcoxon's test.

    None for an interval where so few differences can't reach the level: below six for 95 %.
    """
    values = sorted(differences)
    n = len(values)
    pairs = n * (n + 1) // 2
    shift = (_walsh(values, (pairs - 1) // 2) + _walsh(values, pairs // 2)) / 2
    cut = _cut(n, level)
    if cut is None:
        return shift, None
    return shift, Interval(_walsh(values, cut), _walsh(values, pairs - 1 - cut))


def _cut(n: int, level: float) -> int | None:
    """How many Walsh averages lie outside the interval on each side."""
    alpha = (1 - level) / 2
    if n <= _EXACT_UP_TO:
        cut = sum(tail <= alpha for tail in _signed_rank_tails(n))
    else:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        cut = math.floor(n * (n + 1) / 4 - normal_quantile(1 - alpha) * spread)
    return cut if cut > 0 else None


def _walsh(values: Sequence[float], index: int) -> float:
    """The Walsh average at an index of their order, without making all of them: bisection over counts."""
    low, high = values[0], values[-1]
    while low < high:
        middle = low + (high - low) / 2
        if _count(values, lambda mean, at=middle: mean <= at) > index:  # type: ignore[misc]
            if middle == high:
                break
            high = middle
        else:
            low = math.nextafter(middle, math.inf)
    return high


def _count(values: Sequence[float], fits: Callable[[float], bool]) -> int:
    """How many means of two (i ≤ j) of the sorted values fit a bound: two pointers, one pass."""
    found, end = 0, len(values) - 1
    for start, value in enumerate(values):
        while end >= start and not fits((value + values[end]) / 2):
            end -= 1
        if end < start:
            break
        found += end - start + 1
    return found
