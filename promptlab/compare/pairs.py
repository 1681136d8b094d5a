"""Two things compared cell by cell: what is said to be compared, and which generations stand against each other.

A *pair* is a cell that both sides have: the same values of all other axes, the same seed and draw. What only one side
has is counted, never shown as if it were comparable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Entry", "Matching", "Pair", "PairCell", "asked_values", "default_pair", "match"]


#: What the two sides of a pair share: their other axis values, seed, draw, and anything else that has to be equal.
#: Plain tuples here, since a page matches tens of thousands; the first part may be a number that stands for the values.
Key = tuple[Any, ...]
#: One generation of a side, as far as matching needs it: its cell, its rowid, its status.
Entry = tuple[Key, int, str]


class PairCell(NamedTuple):
    """A cell as it is shown: the values of all axes that the sides share, seed and draw."""

    axes: tuple[tuple[str, str], ...]
    seed: int | None
    draw: int


class Pair(NamedTuple):
    """Two generations of one cell."""

    cell: Key
    left: Entry
    right: Entry

    @property
    def matched(self) -> bool:
        """Whether a seed ties the two together."""
        return self.cell[1] is not None


@dataclass(frozen=True, slots=True)
class Matching:
    """The pairs that both sides have images of, in the order of the left side's plan, and what has no partner.

    `left_only` and `right_only` count cells that the other side does not have; `missing` counts, by status, cells
    that both have where one or both brought no image: missing data, which may depend on what is compared.
    """

    pairs: tuple[Pair, ...]
    left_only: int
    right_only: int
    missing: Mapping[str, int]

    @property
    def matched(self) -> int:
        """Pairs of the same seed."""
        return sum(pair.matched for pair in self.pairs)


def match(left: Iterable[Entry], right: Iterable[Entry]) -> Matching:
    """Put the generations of two sides against each other, cell by cell.

    Of several generations of one cell (a run that was repeated), the first that has an image counts.
    """
    lefts, rights = _with_image(left), _with_image(right)
    pairs: list[Pair] = []
    missing: dict[str, int] = {}
    for cell, one in lefts.items():
        other = rights.get(cell)
        if other is None:
            continue
        if one[2] == other[2] == "completed":
            pairs.append(Pair(cell, one, other))
        else:
            status = one[2] if one[2] != "completed" else other[2]
            missing[status] = missing.get(status, 0) + 1
    return Matching(
        tuple(pairs),
        left_only=sum(cell not in rights for cell in lefts),
        right_only=sum(cell not in lefts for cell in rights),
        missing=missing,
    )


def _with_image(entries: Iterable[Entry]) -> dict[Key, Entry]:
    """Cell → its generation: the first that was completed, else the first."""
    found: dict[Key, Entry] = {}
    for entry in entries:
        known = found.setdefault(entry[0], entry)
        if known[2] != "completed" and entry[2] == "completed":
            found[entry[0]] = entry
    return found


def asked_values(text: str, values: Collection[str]) -> tuple[str, str] | None:
    """The two values of `film..ink`; None where the text is not two values of this axis.

    A value may have dots in it, so each place of `..` is tried.
    """
    at = text.find("..")
    while at >= 0:
        one, other = text[:at], text[at + 2 :]
        if one in values and other in values:
            return one, other
        at = text.find("..", at + 1)
    return None


def default_pair(values: Sequence[str]) -> tuple[str, str] | None:
    """The first two of several values; None where there is nothing to compare."""
    return (values[0], values[1]) if len(values) > 1 else None
