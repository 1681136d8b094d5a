"""How many votes or scenes it takes: the power of a comparison of two variants, one vote per matched scene.

Exact: the sum over all outcomes of the chance that the interval of the closed vote leaves out "equal".
"""

from __future__ import annotations

import math
from functools import lru_cache

from promptlab.stats.davidson import PSEUDO, SHRUNKEN, trust_in_model
from promptlab.stats.distributions import binomial_tail, t_quantile

__all__ = ["power", "scenes_needed", "smallest_gap"]

POWER = 0.8  # the usual chance to find a gap that is there
_MOST = 200_000


def power(scenes: int, chance: float, ties: float = 0.0, level: float = 0.95) -> float:
    """The chance that so many scenes, one vote each, tell two variants apart.

    `chance` is the preferred one's among decided votes, `ties` the share of votes that decide nothing.
    """
    spread = 4 * math.sqrt(scenes * ties * (1 - ties))
    middle = scenes * (1 - ties)
    total = weight = 0.0
    for n in range(max(0, math.floor(middle - spread)), min(scenes, math.ceil(middle + spread)) + 1):
        of_n = _mass(n, scenes, 1 - ties)
        weight += of_n
        least = _least_wins(n, level)
        if least is not None and of_n:
            total += of_n * (binomial_tail(least, n, chance) + binomial_tail(least, n, 1 - chance))
    return total / weight


def _mass(k: int, n: int, p: float) -> float:
    """P(X = k) of the binomial distribution."""
    if p in (0.0, 1.0):
        return float(k == n * p)
    log_ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log_ways + k * math.log(p) + (n - k) * math.log1p(-p))


@lru_cache(maxsize=4096)
def _least_wins(n: int, level: float) -> int | None:
    """The fewest wins of n decided votes whose interval is above "equal"; None where none is."""
    if n < 5 or not _is_apart(n, n, level):
        return None
    low, high = n // 2, n  # not apart at half, apart at n
    while high - low > 1:
        middle = (low + high) // 2
        if _is_apart(middle, n, level):
            high = middle
        else:
            low = middle
    return high


def _is_apart(wins: int, n: int, level: float) -> bool:
    """Whether the vote's own interval (Davidson's model, clustered, t) leaves out "equal": in closed form for two.

    With half a pseudo-win and -loss each, the gap solves p = expit(gap) with scores of wins and losses; this is what
    `ranking.rank` computes for two variants with one vote per scene.
    """
    gap = _gap(wins, n, PSEUDO)
    p = _expit(gap)
    meat = wins * (1 - p) ** 2 + (n - wins) * p**2
    robust = meat * n / (n - 1) / _information(gap, n) ** 2
    least = trust_in_model(p) / _information(_gap(wins, n, SHRUNKEN), n)
    return gap > t_quantile((1 + level) / 2, n - 1) * math.sqrt(max(robust, least))


def _information(gap: float, n: int) -> float:
    """About the gap: of the votes, and of the pseudo-votes of either variant (each sees half the gap)."""
    p, half = _expit(gap), _expit(gap / 2)
    return n * p * (1 - p) + 2 * PSEUDO * half * (1 - half) / 2


def _gap(wins: int, n: int, pseudo: float) -> float:
    """The fitted gap of log-worths: votes against pseudo-votes, by Newton from the plain log-odds."""
    gap = math.log((wins + pseudo) / (n - wins + pseudo))
    for _ in range(50):
        p, half = _expit(gap), _expit(gap / 2)
        slope = wins - n * p + pseudo * (1 - 2 * half)
        step = slope / (n * p * (1 - p) + 2 * pseudo * half * (1 - half) / 2)
        gap += step
        if abs(step) < 1e-12:
            break
    return gap


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def scenes_needed(chance: float, ties: float = 0.0, level: float = 0.95, wanted: float = POWER) -> int | None:
    """The fewest scenes that find a gap of this size with the wanted power; None beyond 200,000."""
    low, high = 1, 8
    while power(high, chance, ties, level) < wanted:
        low, high = high, high * 2
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, chance, ties, level) < wanted:
            low = middle
        else:
            high = middle
    return high


def smallest_gap(scenes: int, ties: float = 0.0, level: float = 0.95, wanted: float = POWER) -> float | None:
    """The smallest chance among decided votes that so many scenes can find; None where even 100:0 can't be."""
    if power(scenes, 1.0 - 1e-9, ties, level) < wanted:
        return None
    low, high = 0.5, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        if power(scenes, middle, ties, level) < wanted:
            low = middle
        else:
            high = middle
    return high
