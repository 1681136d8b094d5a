"""Whether a vote can be trusted: side bias, agreement between voters, and how few votes hold up the result."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from operator import mul

from promptlab.stats.davidson import Worths, fit, scores
from promptlab.stats.proportions import Interval, wilson
from promptlab.stats.votes import Vote

_RIVALS = 3  # those behind the leader that are tried; further ones lie further behind

__all__ = ["Agreement", "Fragility", "agreement", "fragility", "side_bias"]


def side_bias(votes: Iterable[Vote]) -> tuple[int, int, Interval]:
    """Decided votes for the left picture, all decided votes, and the interval of their share (Wilson)."""
    seen = Counter(vote.outcome for vote in votes)
    left, decided = seen["left"], seen["left"] + seen["right"]
    return left, decided, wilson(left, decided)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two voters said the same of the same pair: `share` of `pairs` of votes, and Krippendorff's alpha.

    Alpha is 1 where all agree and 0 where they agree as often as by chance; None where everyone always said the same.
    """

    pairs: int
    share: float
    alpha: float | None


def agreement(votes: Iterable[Vote]) -> Agreement | None:
    """Between different voters, on pairs that several of them saw; None where there are none."""
    seen: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for vote in votes:
        first, second = sorted((vote.left, vote.right))
        answer = vote.winner or "tie"
        seen[vote.scene, first, second].setdefault(vote.voter, answer)
    units = [list(answers.values()) for answers in seen.values() if len(answers) > 1]
    if not units:
        return None
    pairs = sum(len(unit) * (len(unit) - 1) // 2 for unit in units)
    same = sum(n * (n - 1) // 2 for unit in units for n in Counter(unit).values())
    return Agreement(pairs, same / pairs, _alpha(units))


def _alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal data (Content Analysis, 4th edition, chapter 12)."""
    total = sum(map(len, units))
    counts = Counter(answer for unit in units for answer in unit)
    expected = 1.0 - sum(n * (n - 1) for n in counts.values()) / (total * (total - 1))
    if expected == 0.0:
        return None
    observed = sum(
        (len(unit) * len(unit) - sum(n * n for n in Counter(unit).values())) / (len(unit) - 1) for unit in units
    )
    return 1.0 - observed / total / expected


@dataclass(frozen=True, slots=True)
class Fragility:
    """The fewest votes found whose removal changes the leader, and who would lead then."""

    votes: int
    rival: str


def fragility(worths: Worths, votes: Sequence[Vote]) -> Fragility | None:
    """How few votes hold the leader up: those of most influence are taken away until another variant leads.

    Votes go in the order of their influence on the gap to a rival (Broderick, Giordano and Meager, "An automatic
    finite-sample robustness metric", 2020), and the model is fitted again without them, so the number is reached;
    another choice of votes might need fewer. None where no removal does it.
    """
    order = sorted(range(len(worths.variants)), key=lambda i: (-worths.log_worths[i], i))
    if len(order) < 2 or (worths.log_nu is not None and math.isinf(worths.log_nu)):
        return None
    kinds: dict[Hashable, list[Vote]] = defaultdict(list)  # votes that say the same have the same influence
    for vote in votes:
        kinds[_kind(vote)].append(vote)
    influence = scores(worths, (same[0] for same in kinds.values()), _kind)
    found: Fragility | None = None
    for rival in order[1 : 1 + _RIVALS]:
        row = [a - b for a, b in zip(worths.inverse[order[0]], worths.inverse[rival], strict=True)]
        pull = {kind: sum(map(mul, row, score)) for kind, score in influence.items()}
        by_pull = sorted((kind for kind in pull if pull[kind] > 0), key=pull.__getitem__, reverse=True)
        helpful = [vote for kind in by_pull for vote in kinds[kind]]
        found = _fewest(worths, votes, helpful[: found.votes - 1 if found else None]) or found
    return found


def _kind(vote: Vote) -> Hashable:
    return vote.left, vote.right, vote.outcome


def _fewest(worths: Worths, votes: Sequence[Vote], helpful: Sequence[Vote]) -> Fragility | None:
    """The smallest number of the most helpful votes without which another variant leads, by bisection."""

    def leader_without(number: int) -> str:
        gone = Counter(map(id, helpful[:number]))
        left = [vote for vote in votes if not gone[id(vote)]]
        again = fit(left, worths.variants)
        best = max(again.log_worths)
        first = worths.log_worths.index(max(worths.log_worths))
        if again.log_worths[first] >= best - 1e-9:
            return worths.variants[first]
        return again.variants[again.log_worths.index(best)]

    leader = worths.variants[worths.log_worths.index(max(worths.log_worths))]
    low, high = 0, len(helpful)
    if not helpful or leader_without(high) == leader:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if leader_without(middle) == leader:
            low = middle
        else:
            high = middle
    return Fragility(high, leader_without(high))
