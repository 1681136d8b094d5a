"""The product of the axes as a stream: conditional axes multiply only where they apply, skipped cells never appear.

A cell is a tuple with one `Choice` per axis, in an order where every axis comes after those its `when` names. An axis
that does not apply is there as its `absent` choice, so that positions are fixed and the inner loops need no lookups.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from promptlab.model import Axis, Matcher, Value

from .identity import ID_LENGTH, fragment

__all__ = ["Cell", "Choice", "Space", "Test", "groups", "matches"]


@dataclass(slots=True, eq=False, frozen=True)
class Choice:
    """One value of an axis as the inner loops want it; `index` is -1 and `fragment` empty where the axis is absent."""

    index: int
    id: str
    value: Value | None
    fragment: str
    used: Any  # what the log keeps as the value: its text, or its fields


Cell = tuple[Choice, ...]

#: A compiled matcher: (position in the cell, accepted indices), all of which must hold.
Test = tuple[tuple[int, frozenset[int]], ...]


class Space:
    """The cells of some axes, with `when` and `skip` applied. Cheap to make; iterate as often as you like."""

    def __init__(self, axes: Sequence[Axis], skip: Sequence[Matcher] = ()) -> None:
        self.axes = _after_their_conditions(axes)
        self.position = {axis.name: place for place, axis in enumerate(self.axes)}
        self.shown = tuple(self.position[axis.name] for axis in axes)  # the experiment's own order
        self.choices = tuple(
            tuple(
                Choice(index, value.id, value, fragment(axis.name, value.id), _used(axis, value))
                for index, value in enumerate(axis.values)
            )
            for axis in self.axes
        )
        self.absent = tuple(Choice(-1, "", None, "", None) for _ in self.axes)
        self.by_name = tuple(self.position[name] for name in sorted(self.position))
        self._names = tuple(axis.name for axis in self.axes)
        self.whens = tuple(None if axis.when is None else self.test(axis.when) for axis in self.axes)
        #: Every axis applies to every cell: the loops need not look.
        self.unconditional = all(when is None for when in self.whens)
        self.skip = tuple(skip)
        self.skips = tuple(self.test(matcher) for matcher in skip)

    def test(self, matcher: Matcher) -> Test:
        """A matcher by position and index; an axis or id that is not here can never match."""
        return tuple(
            (
                self.position.get(name, 0),
                frozenset(c.index for c in self.choices[self.position[name]] if c.id in ids)
                if name in self.position
                else frozenset(),
            )
            for name, ids in matcher.items()
        )

    def size(self) -> int:
        """The number of cells if every axis always applied and nothing were skipped."""
        total = 1
        for choices in self.choices:
            total *= len(choices)
        return total

    def cells(self) -> Iterator[Cell]:
        """Every cell, the last axis fastest."""
        stream: Iterable[Cell] = ((),)
        for place, choices in enumerate(self.choices):
            stream = _extend(stream, choices, self.absent[place], self.whens[place], self._skips_at(place))
        return iter(stream)

    def near(self, baseline: Mapping[str, str], changes: int = 1) -> Iterator[tuple[Cell, int]]:
        """The cells with at most `changes` differences from the baseline, each with how many it has.

        An axis that the baseline omits is crossed in full; one that does not apply differs in nothing.
        """
        stream: Iterable[tuple[Cell, int]] = (((), 0),)
        for place, axis in enumerate(self.axes):
            stream = _extend_near(
                stream,
                (self.choices[place], self.absent[place], self.whens[place], self._skips_at(place)),
                baseline.get(axis.name),
                changes,
            )
        return iter(stream)

    def _skips_at(self, place: int) -> tuple[Test, ...]:
        """The skips whose last axis is at this place: tested as early as possible, they prune whole branches."""
        return tuple(test for test in self.skips if max((at for at, _ in test), default=-1) == place)

    def axes_of(self, cell: Cell) -> dict[str, str]:
        """axis → value id in the experiment's order, absent axes left out."""
        return {self._names[at]: cell[at].id for at in self.shown if cell[at].index >= 0}

    def canonical(self, cell: Cell) -> str:
        """The canonical JSON of a cell's {axis: value id}; its hash is the variant id."""
        return "{" + "".join([cell[at].fragment for at in self.by_name])[:-1] + "}"

    def id_of(self, cell: Cell) -> str:
        """The variant id of a cell."""
        return sha256(self.canonical(cell).encode()).hexdigest()[:ID_LENGTH]

    def used(self, cell: Cell) -> dict[str, Any]:
        """axis → the value used (its text, or its fields), in the experiment's order."""
        return {self._names[at]: cell[at].used for at in self.shown if cell[at].index >= 0}

    def find(self, axes: Mapping[str, str]) -> Cell:
        """The cell of these value ids (absent where not named), whether or not `when` and `skip` allow it."""
        cell = []
        for axis, choices, absent in zip(self.axes, self.choices, self.absent, strict=True):
            wanted = axes.get(axis.name)
            cell.append(next((choice for choice in choices if choice.id == wanted), absent))
        return tuple(cell)


def matches(cell: Cell, test: Test) -> bool:
    """Whether a cell satisfies a compiled matcher."""
    return all(cell[at].index in accepted for at, accepted in test)


def _extend(
    stream: Iterable[Cell], choices: Sequence[Choice], absent: Choice, when: Test | None, skips: Sequence[Test]
) -> Iterator[Cell]:
    tails = [(choice,) for choice in choices]
    nothing = [(absent,)]
    for head in stream:
        for tail in tails if when is None or matches(head, when) else nothing:
            cell = head + tail
            if skips and any(matches(cell, test) for test in skips):
                continue
            yield cell


def _extend_near(
    stream: Iterable[tuple[Cell, int]],
    level: tuple[Sequence[Choice], Choice, Test | None, Sequence[Test]],
    wanted: str | None,
    changes: int,
) -> Iterator[tuple[Cell, int]]:
    choices, absent, when, skips = level
    for head, distance in stream:
        for choice in choices if when is None or matches(head, when) else (absent,):
            further = distance + (wanted is not None and choice.index >= 0 and choice.id != wanted)
            cell = (*head, choice)
            if further <= changes and not any(matches(cell, test) for test in skips):
                yield cell, further


def groups(axes: Sequence[Axis], together: Iterable[Iterable[str]]) -> list[list[Axis]]:
    """The axes in groups that depend on each other by `when` or are named `together`; the groups just multiply."""
    known = {axis.name for axis in axes}
    parent = {name: name for name in known}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    conditions = ((axis.name, *axis.when) for axis in axes if axis.when is not None)
    for names in itertools.chain(conditions, together):
        tied = [name for name in names if name in known]
        for other in tied[1:]:
            parent[root(other)] = root(tied[0])
    found: dict[str, list[Axis]] = {}
    for axis in axes:
        found.setdefault(root(axis.name), []).append(axis)
    return list(found.values())


def _used(axis: Axis, value: Value) -> Any:
    """The value as the log keeps it; an inline prompt's text is the template's, so its id says more."""
    if axis.kind == "prompt":
        return value.id
    return dict(value.fields) if value.fields else value.text


def _after_their_conditions(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes in an order where each follows those its `when` names, as near to the given order as can be.

    A cycle is left as it stands (`checks` reports it before any cell is asked for).
    """
    ordered: list[Axis] = []
    waiting = list(axes)
    names = {axis.name for axis in axes}
    while waiting:
        placed = {axis.name for axis in ordered}
        ready = next((a for a in waiting if a.when is None or not (set(a.when) & names) - placed), waiting[0])
        ordered.append(ready)
        waiting.remove(ready)
    return tuple(ordered)
