"""Whether a design leaves pairs to compare: two variants that differ in one axis alone."""

from __future__ import annotations

from promptlab.model import Design

from .counting import ENUMERABLE
from .product import Cell, Space, groups

__all__ = ["PairWatch"]

KEPT = 200_000  # cells remembered an axis; a design that has shown no pair by then is not judged


class PairWatch:
    """Looks at the variants one by one until every axis with two values has shown a pair, which is soon."""

    def __init__(self, space: Space, design: Design) -> None:
        self._space = space
        several = [at for at, choices in enumerate(space.choices) if len(choices) > 1]
        if design.kind != "sample":
            several = [at for at in several if not _surely_paired(space, at)]
        self.open: dict[int, set[int]] = {at: set() for at in several}
        self._given_up = False

    def see(self, cell: Cell) -> None:
        """Take one variant into account."""
        paired = []
        for at, seen in self.open.items():
            if cell[at].index < 0:
                continue
            rest = hash(cell[:at] + cell[at + 1 :])
            if rest in seen:
                paired.append(at)
            seen.add(rest)
            if len(seen) > KEPT:
                self._given_up = True
        for at in paired:
            del self.open[at]
        if self._given_up:
            self.open.clear()

    def without(self) -> list[str]:
        """The axes that showed no pair."""
        return [self._space.axes[at].name for at in sorted(self.open)]


def _surely_paired(space: Space, at: int) -> bool:
    """Whether an axis has a pair whatever the other axes do, or too many cells to find out."""
    name = space.axes[at].name
    group = next(
        g for g in groups(space.axes, [matcher.keys() for matcher in space.skip]) if any(a.name == name for a in g)
    )
    if len(group) == 1:
        return True
    names = {axis.name for axis in group}
    part = Space(group, [matcher for matcher in space.skip if matcher.keys() <= names])
    if part.size() > ENUMERABLE:
        return True
    place, seen = part.position[name], set()
    for cell in part.cells():
        if cell[place].index < 0:
            continue
        rest = hash(cell[:place] + cell[place + 1 :])
        if rest in seen:
            return True
        seen.add(rest)
    return False
