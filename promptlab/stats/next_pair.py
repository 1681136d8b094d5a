"""Which pair to show next: for finding the best, or for ranking all.

Finding the best: top-two Thompson sampling (Russo, Operations Research 68, 2020), with a fifth of the pairs balanced,
so that every variant stays measured. Ranking all: the pair that has met least.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from operator import mul
from typing import Literal

from promptlab.stats.davidson import Worths
from promptlab.stats.linear import square_root
from promptlab.stats.votes import Tally

__all__ = ["Goal", "next_pair"]

Goal = Literal["best", "rank"]
_BALANCED = 0.2
_TRIES = 100


def next_pair(
    goal: Goal, worths: Worths, tallies: Mapping[tuple[str, str], Tally], source: random.Random
) -> tuple[str, str]:
    """Two variants to compare, in no order that says anything: sides are the caller's to draw."""
    names = worths.variants
    if len(names) < 2:
        raise ValueError("two variants at least")
    if goal == "rank" or len(names) == 2 or source.random() < _BALANCED:
        return _least_met(names, tallies, source)
    size = len(names)
    root = square_root([row[:size] for row in worths.inverse[:size]])
    first = _best_of_a_draw(worths, root, source)
    for _ in range(_TRIES):
        second = _best_of_a_draw(worths, root, source)
        if second != first:
            return names[first], names[second]
    others = [i for i in range(size) if i != first]  # the first is sure to be best: against its next rival
    return names[first], names[max(others, key=worths.log_worths.__getitem__)]


def _best_of_a_draw(worths: Worths, root: Sequence[Sequence[float]], source: random.Random) -> int:
    z = [source.gauss(0.0, 1.0) for _ in root]
    drawn = [worth + sum(map(mul, row, z)) for worth, row in zip(worths.log_worths, root, strict=True)]
    return drawn.index(max(drawn))


def _least_met(
    names: Sequence[str], tallies: Mapping[tuple[str, str], Tally], source: random.Random
) -> tuple[str, str]:
    """One of the pairs with the fewest votes; chance breaks ties."""
    fewest: int | None = None
    found: list[tuple[str, str]] = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            met = tallies.get((first, second), Tally())
            number = met.decided + met.ties
            if fewest is None or number < fewest:
                fewest, found = number, []
            if number == fewest:
                found.append((first, second))
    return source.choice(found)
