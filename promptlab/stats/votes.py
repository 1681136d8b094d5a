"""Votes as data: who, in which scene, saw which two variants, and preferred which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Outcome", "Tally", "Vote", "best_and_worst", "best_of", "groups", "tally", "variants_of"]

Outcome = Literal["left", "right", "tie", "bad"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One comparison of two variants. `scene` is the matched cell: the same values of all other axes, the same seed.

    `bad` is "both bad": a tie for the ranking, and counted on its own.
    """

    scene: str
    voter: str
    left: str
    right: str
    outcome: Outcome

    @property
    def winner(self) -> str | None:
        """The variant that was preferred; None for a tie."""
        return self.left if self.outcome == "left" else self.right if self.outcome == "right" else None


def best_of(scene: str, voter: str, best: str, others: Iterable[str]) -> list[Vote]:
    """A pick of one among several, as its comparisons.

    They are one ballot, not so many independent wins: intervals are clustered by scene, which keeps them together.
    """
    return [Vote(scene, voter, best, other, "left") for other in others]


def best_and_worst(scene: str, voter: str, best: str, worst: str, others: Sequence[str]) -> list[Vote]:
    """Best and worst of a set: the best beats all others, and the worst loses to all others (best-worst scaling)."""
    rest = [other for other in others if other not in (best, worst)]
    return [*best_of(scene, voter, best, [*rest, worst]), *(Vote(scene, voter, each, worst, "left") for each in rest)]


@dataclass(frozen=True, slots=True)
class Tally:
    """How two variants did against each other; `bad` is among the `ties`."""

    wins: int = 0
    losses: int = 0
    ties: int = 0
    bad: int = 0

    @property
    def decided(self) -> int:
        """Votes that preferred one."""
        return self.wins + self.losses


def tally(votes: Iterable[Vote]) -> dict[tuple[str, str], Tally]:
    """(variant, other) → the tally from the first's view; both directions of each pair that met."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for vote in votes:
        counts[vote.left, vote.right, vote.outcome] += 1
    found: dict[tuple[str, str], Tally] = {}
    for a, b in {pair for left, right, _ in counts for pair in ((left, right), (right, left))}:
        bad = counts[a, b, "bad"] + counts[b, a, "bad"]
        found[a, b] = Tally(
            counts[a, b, "left"] + counts[b, a, "right"],
            counts[a, b, "right"] + counts[b, a, "left"],
            counts[a, b, "tie"] + counts[b, a, "tie"] + bad,
            bad,
        )
    return found


def variants_of(votes: Iterable[Vote]) -> list[str]:
    """Every variant that was voted on, in order of appearance."""
    return list(dict.fromkeys(name for vote in votes for name in (vote.left, vote.right)))


def groups(variants: Sequence[str], tallies: Mapping[tuple[str, str], Tally]) -> list[list[str]]:
    """Variants in groups that never met each other: what stands in two of them can't be compared (Ford 1957)."""
    group = {name: [name] for name in variants}
    for a, b in tallies:
        if group[a] is not group[b]:
            group[a].extend(group[b])
            for name in group[b]:
                group[name] = group[a]
    order = {name: at for at, name in enumerate(variants)}
    unique = {id(each): each for each in group.values()}
    return sorted((sorted(each, key=order.__getitem__) for each in unique.values()), key=lambda each: order[each[0]])
