"""While people vote: who leads, and whether that can be said already, however often one looks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptlab.stats.davidson import MIN_SCENES, clustered, fit
from promptlab.stats.proportions import Interval
from promptlab.stats.ranking import Difference
from promptlab.stats.sequences import boundary, mixture_sequence
from promptlab.stats.votes import Vote, variants_of

__all__ = ["Live", "live"]

_WARM_UP = 2 * MIN_SCENES  # scenes before the asymptotic boundary may speak


@dataclass(frozen=True, slots=True)
class Live:
    """The leader so far, its differences to the others; `winner` is the leader once all of them leave out "equal"."""

    leader: str
    differences: tuple[Difference, ...]
    winner: str | None
    votes: int
    scenes: int


def live(votes: Iterable[Vote], variants: Sequence[str] | None = None, *, level: float = 0.95) -> Live | None:
    """How an open vote stands; None before the first vote.

    Two variants, one vote per scene: the exact mixture sequence of the decided votes. Otherwise the asymptotic
    boundary on the scenes' sums, at 2α/k for each comparison: a variant is named only where it is apart from all
    others, so that between equals any of k is ever named with at most k · α/k.
    """
    votes = list(votes)
    if not votes:
        return None
    names = list(variants) if variants is not None else variants_of(votes)
    scenes = len({vote.scene for vote in votes})
    if len(names) == 2 and scenes == len(votes):
        return _two(votes, names, scenes, level)
    worths = fit(votes, names)
    order = sorted(range(len(names)), key=lambda i: (-worths.log_worths[i], i))
    leader = names[order[0]]
    covariance = clustered(worths, votes) if scenes >= _WARM_UP else None
    reach = boundary(scenes, 2 * (1 - level) / len(names)) if covariance else math.inf
    differences = []
    for i in order[1:]:
        gap = worths.log_worths[order[0]] - worths.log_worths[i]
        chance = _expit(gap)
        if covariance is None:
            differences.append(Difference(leader, names[i], chance))
            continue
        error = reach * covariance.error_between(order[0], i)
        differences.append(Difference(leader, names[i], chance, _expit(gap - error), _expit(gap + error)))
    winner = leader if differences and all(each.apart for each in differences) else None
    return Live(leader, tuple(differences), winner, len(votes), scenes)


def _two(votes: Sequence[Vote], names: Sequence[str], scenes: int, level: float) -> Live:
    first, second = names
    wins = sum(vote.winner == first for vote in votes)
    losses = sum(vote.winner == second for vote in votes)
    chance = wins / (wins + losses) if wins + losses else 0.5
    interval = mixture_sequence(wins, losses, level)
    if losses > wins:
        first, second, chance = second, first, 1 - chance
        interval = Interval(1 - interval.high, 1 - interval.low)
    difference = Difference(first, second, chance, *interval)
    return Live(first, (difference,), first if difference.apart else None, len(votes), scenes)


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
