"""Confidence sequences: intervals that hold however often one looks, for while people are still voting.

An ordinary interval, looked at after every vote, declares a winner between equals in about half of all cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from promptlab.stats.distributions import log_beta
from promptlab.stats.proportions import Interval

__all__ = ["boundary", "mixture_sequence"]

_A = _B = 2.0  # the mixture's prior: a chance near a half, but not exactly
_TUNED_TO = 50  # clusters at which the asymptotic boundary is narrowest


def mixture_sequence(wins: int, losses: int, level: float = 0.95) -> Interval:
    """The chance to win of two variants, from decided votes: the beta-binomial mixture's confidence sequence.

    All chances whose mixture likelihood ratio stays below 1/(1 − level) (Robbins 1970; Howard, Ramdas, McAuliffe and
    Sekhon, Annals of Statistics 49, 2021): by Ville's inequality the truth ever leaves it with at most 1 − level.
    """
    threshold = -math.log(1 - level)
    evidence = log_beta(_A + wins, _B + losses) - log_beta(_A, _B)

    def is_outside(p: float) -> bool:
        likelihood = (wins * math.log(p) if wins else 0.0) + (losses * math.log1p(-p) if losses else 0.0)
        return evidence - likelihood >= threshold

    n = wins + losses
    best = wins / n if n else 0.5
    return Interval(
        0.0 if losses == n else _edge(0.0, best, is_outside),
        1.0 if wins == n else _edge(1.0, best, is_outside),
    )


def _edge(outside: float, inside: float, is_outside: Callable[[float], bool]) -> float:
    """The border between a value outside and one inside, by bisection."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if 0.0 < middle < 1.0 and not is_outside(middle):
            inside = middle
        else:
            outside = middle
    return inside


def boundary(clusters: int, alpha: float = 0.05) -> float:
    """How many standard errors an estimate from so many independent clusters may be off, at any time.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (Annals of Statistics 52,
    2024, theorem 2.2), in units of the standard error: it takes the place of the quantile of t.
    """
    log_alpha = math.log(alpha)
    rho2 = (-2 * log_alpha + math.log(-2 * log_alpha) + 1) / _TUNED_TO
    n = max(clusters, 1)
    return math.sqrt(2 * (n * rho2 + 1) / (n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha))
