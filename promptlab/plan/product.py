"""The product of the axes as a stream, and what its cells are called.

Conditional axes multiply only where they apply, and skipped cells never appear.

A cell is a tuple with one `Choice` per axis, in an order where every axis comes after those its `when` names. An axis
that does not apply is there as its `absent` choice, so that positions are fixed and the inner loops need no lookups.

A matcher is compiled to a `Test` of positions and indices. Many at once are looked up by value, so that a thousand of
them cost a plan nothing: skips are merged first (a thousand that differ in one id are one matcher with a thousand ids),
and what is left is a number for each value whose bits say which matchers accept it; the bits that survive an `and` over
a cell's values are the matchers that hold. Overrides can't be merged; each is found by the axis on which it accepts the
fewest values.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

from promptlab.errors import InputError
from promptlab.model import Axis, Matcher, Value

from .identity import ID_LENGTH, LONGEST_NAME, OPEN, UNSET, Pattern, Slugs, fitted, fragment

__all__ = ["LARGE", "Cell", "Choice", "Masks", "Namer", "Space", "Test", "by_pivot", "groups", "matches", "merged"]

#: From this many values on, an axis' choices are made when they are asked for: a file of rows is not held twice.
LARGE = 10_000
MEMO = 2_000_000  # choices remembered as what some skips leave of an axis


class Choice:
    """One value of an axis as the inner loops want it; `index` is -1 and `fragment` empty where the axis is absent.

    `used` is what the log keeps as the value: its text, or its fields.
    """

    __slots__ = ("fragment", "id", "index", "used", "value")

    def __init__(self, index: int, id: str, value: Value | None, fragment: str, used: Any) -> None:
        self.index = index
        self.id = id
        self.value = value
        self.fragment = fragment
        self.used = used


class _Passing(Choice):
    """A choice of a large axis: it is made again each time, so it is equal to another one by its value."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self.value is other.value and self.index == other.index

    def __hash__(self) -> int:
        return self.index


class _Choices(Sequence[Choice]):
    """The choices of a large axis, each made when it is asked for."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis

    def __len__(self) -> int:
        return len(self._axis.values)

    def __getitem__(self, index: Any) -> Any:
        value = self._axis.values[index]
        return _Passing(index, value.id, value, fragment(self._axis.name, value.id), _used(self._axis, value))

    def __iter__(self) -> Iterator[Choice]:
        axis, name = self._axis, self._axis.name
        for index, value in enumerate(axis.values):
            yield _Passing(index, value.id, value, fragment(name, value.id), _used(axis, value))


Cell = tuple[Choice, ...]
#: A compiled matcher: (position in the cell, accepted indices), all of which must hold.
Test = tuple[tuple[int, frozenset[int]], ...]


def _choices(axis: Axis) -> Sequence[Choice]:
    if len(axis.values) >= LARGE:
        return _Choices(axis)
    return tuple(
        Choice(index, value.id, value, fragment(axis.name, value.id), _used(axis, value))
        for index, value in enumerate(axis.values)
    )


class Space:
    """The cells of some axes, with `when` and `skip` applied. Cheap to make; iterate as often as you like."""

    def __init__(self, axes: Sequence[Axis], skip: Sequence[Matcher] = ()) -> None:
        self.axes = _after_their_conditions(axes)
        self.position = {axis.name: place for place, axis in enumerate(self.axes)}
        self.shown = tuple(self.position[axis.name] for axis in axes)  # the experiment's own order
        self.choices = tuple(map(_choices, self.axes))
        self.absent = tuple(Choice(-1, "", None, "", None) for _ in self.axes)
        self.by_name = tuple(self.position[name] for name in sorted(self.position))
        self._names = tuple(axis.name for axis in self.axes)
        self._indices: dict[str, dict[str, int]] = {}
        self.whens = tuple(None if axis.when is None else self.test(axis.when) for axis in self.axes)
        self.skip = tuple(skip)

    def indices(self, name: str) -> Mapping[str, int]:
        """Value id → its place on an axis; empty for an axis that is not here."""
        found = self._indices.get(name)
        if found is None:
            values = self.axes[self.position[name]].values if name in self.position else ()
            found = self._indices[name] = {value.id: index for index, value in enumerate(values)}
        return found

    def test(self, matcher: Matcher) -> Test:
        """A matcher by position and index; an axis or id that is not here can never match."""
        tests = []
        for name, ids in matcher.items():
            known = self.indices(name)
            tests.append((self.position.get(name, 0), frozenset(known[id_] for id_ in ids if id_ in known)))
        return tuple(tests)

    @cached_property
    def skips(self) -> tuple[Test, ...]:
        """The skips, merged and compiled; those that can't match are left out."""
        sizes = {axis.name: len(axis.values) for axis in self.axes}
        tests = map(self.test, merged(self.skip, sizes))
        return tuple(test for test in tests if all(accepted for _, accepted in test))

    @cached_property
    def _skip_masks(self) -> Masks:
        return Masks(self.skips, [len(axis.values) for axis in self.axes])

    def skipped(self, cell: Cell) -> bool:
        """Whether some skip matches a cell."""
        live = self._skip_masks.every
        for at, table in self._skip_masks.tables.items():
            live &= table[cell[at].index]
        return live != 0

    def size(self) -> int:
        """The number of cells if every axis always applied and nothing were skipped."""
        total = 1
        for choices in self.choices:
            total *= len(choices)
        return total

    def cells(self) -> Iterator[Cell]:
        """Every cell, the last axis fastest."""
        stream: Iterable[Cell] = ((),)
        for place in range(len(self.choices)):
            stream = _extend(stream, self._level(place))
        return iter(stream)

    def near(self, baseline: Mapping[str, str], changes: int = 1) -> Iterator[tuple[Cell, int]]:
        """The cells with at most `changes` differences from the baseline, each with how many it has.

        An axis that the baseline omits is crossed in full; one that does not apply differs in nothing.
        """
        stream: Iterable[tuple[Cell, int]] = (((), 0),)
        for place, axis in enumerate(self.axes):
            stream = _extend_near(stream, self._level(place), baseline.get(axis.name), changes)
        return iter(stream)

    def _level(self, place: int) -> _Level:
        """An axis with its condition and the skips whose last axis it is: tested as early as possible, they prune."""
        skips = [test for test in self.skips if max(at for at, _ in test) == place]
        masks = Masks(skips, [len(choices) for choices in self.choices]) if skips else None
        return _Level(self.choices[place], self.absent[place], self.whens[place], place, masks)

    def axes_of(self, cell: Cell) -> dict[str, str]:
        """axis → value id in the experiment's order, absent axes left out."""
        return {self._names[at]: cell[at].id for at in self.shown if cell[at].index >= 0}

    def canonical(self, cell: Cell) -> str:
        """The canonical JSON of a cell's {axis: value id}; its hash is the variant id."""
        return "{" + ",".join(filter(None, [cell[at].fragment for at in self.by_name])) + "}"

    def id_of(self, cell: Cell) -> str:
        """The variant id of a cell."""
        return sha256(self.canonical(cell).encode()).hexdigest()[:ID_LENGTH]

    def used(self, cell: Cell) -> dict[str, Any]:
        """axis → the value used (its text, or its fields), in the experiment's order."""
        return {self._names[at]: cell[at].used for at in self.shown if cell[at].index >= 0}

    def values(self) -> dict[str, dict[str, Any]]:
        """axis → value id → its fields, or its text: what `--where` and `--variant` are resolved against."""
        return {
            self._names[at]: {value.id: value.fields or value.text for value in self.axes[at].values}
            for at in self.shown
        }

    def find(self, axes: Mapping[str, str]) -> Cell:
        """The cell of these value ids (absent where not named), whether or not `when` and `skip` allow it."""
        cell = []
        for axis, choices, absent in zip(self.axes, self.choices, self.absent, strict=True):
            index = self.indices(axis.name).get(axes[axis.name]) if axis.name in axes else None
            cell.append(absent if index is None else choices[index])
        return tuple(cell)


def matches(cell: Cell, test: Test) -> bool:
    """Whether a cell satisfies a compiled matcher."""
    return all(cell[at].index in accepted for at, accepted in test)


def merged(matchers: Iterable[Matcher], sizes: Mapping[str, int]) -> tuple[Matcher, ...]:
    """Matchers that accept the same cells between them; those that differ in one axis' ids alone become one.

    `sizes` has the number of values of each axis: the largest axis of a matcher is the one that is merged over.
    """
    found: dict[tuple[str, frozenset[tuple[str, frozenset[str]]]], set[str]] = {}
    for matcher in matchers:
        if matcher:
            widest = max(matcher, key=lambda name: (sizes.get(name, 0), name))
            rest = frozenset((name, ids) for name, ids in matcher.items() if name != widest)
            found.setdefault((widest, rest), set()).update(matcher[widest])
    return tuple({**dict(rest), widest: frozenset(ids)} for (widest, rest), ids in found.items())


class Masks:
    """For every value of the axes that some matchers name, the matchers that it fits (bit i: the i-th)."""

    def __init__(self, tests: Sequence[Test], sizes: Sequence[int]) -> None:
        """`sizes` are the numbers of values by position; an absent axis (index -1) fits no matcher that names it."""
        self.every = (1 << len(tests)) - 1
        named: dict[int, int] = {}
        for number, test in enumerate(tests):
            for at, _ in test:
                named[at] = named.get(at, 0) | 1 << number
        self.tables = {at: [self.every & ~bits] * (sizes[at] + 1) for at, bits in named.items()}
        for number, test in enumerate(tests):
            bit = 1 << number
            for at, accepted in test:
                table = self.tables[at]
                for index in accepted:
                    table[index] |= bit


def by_pivot(tests: Sequence[Test]) -> dict[int, dict[int, list[tuple[int, Test]]]]:
    """position → value index → the tests to try where a cell has that value: (number, what else must hold)."""
    found: dict[int, dict[int, list[tuple[int, Test]]]] = {}
    for number, test in enumerate(tests):
        if not test:
            continue
        pivot = min(test, key=lambda part: len(part[1]))
        rest = tuple(part for part in test if part is not pivot)
        table = found.setdefault(pivot[0], {})
        for index in pivot[1]:
            table.setdefault(index, []).append((number, rest))
    return found


class _Level:
    """One axis of the product: which of its choices come after a head."""

    def __init__(
        self, choices: Sequence[Choice], absent: Choice, when: Test | None, place: int, masks: Masks | None
    ) -> None:
        self.choices, self.when = choices, when
        self.nothing: Sequence[Choice] = (absent,)
        self.every = 0 if masks is None else masks.every
        tables = {} if masks is None else masks.tables
        self._before = [(at, table) for at, table in tables.items() if at != place]
        self._own = tables.get(place, [])
        self._left: dict[int, Sequence[Choice]] = {}

    def after(self, head: Cell) -> Sequence[Choice]:
        """The choices that `when` and the skips leave after a head."""
        if self.when is not None and not matches(head, self.when):
            return self.nothing  # a skip that names this axis does not match where it is absent
        live = self.every
        for at, table in self._before:
            live &= table[head[at].index]
            if not live:
                return self.choices
        if not live:
            return self.choices
        found = self._left.get(live)
        return self._without(live) if found is None else found

    def _without(self, live: int) -> Sequence[Choice]:
        """The choices that none of the live skips takes; made once for heads that leave the same skips alive."""
        if len(self._left) * len(self.choices) > MEMO:
            self._left.clear()
        own = self._own
        found = self._left[live] = [choice for choice in self.choices if not live & own[choice.index]]
        return found


def _extend(stream: Iterable[Cell], level: _Level) -> Iterator[Cell]:
    if level.when is None and not level.every and isinstance(level.choices, tuple):
        tails = [(choice,) for choice in level.choices]  # every head has them all: adding tuples is the fastest
        for head in stream:
            for tail in tails:
                yield head + tail
        return
    for head in stream:
        for choice in level.after(head):
            yield (*head, choice)


def _extend_near(
    stream: Iterable[tuple[Cell, int]], level: _Level, wanted: str | None, changes: int
) -> Iterator[tuple[Cell, int]]:
    for head, distance in stream:
        for choice in level.after(head):
            further = distance + (wanted is not None and choice.index >= 0 and choice.id != wanted)
            if further <= changes:
                yield (*head, choice), further


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
    return value.fields or value.text


def _after_their_conditions(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes in an order where each follows those its `when` names, as near to the given order as can be."""
    ordered: list[Axis] = []
    waiting = list(axes)
    names = {axis.name for axis in axes}
    while waiting:
        placed = {axis.name for axis in ordered}
        ready = next((a for a in waiting if a.when is None or not (set(a.when) & names) - placed), None)
        if ready is None:
            raise InputError(
                f"the `when` of '{waiting[0].name}' depends on '{waiting[0].name}' itself", code="when-cycle"
            )
        ordered.append(ready)
        waiting.remove(ready)
    return tuple(ordered)


# --- what cells are called ----------------------------------------------------------------------------------------

#: A head (a cell without its last axis), its value ids, the values used, the canonical JSON before and after the last
#: axis, and what its file names begin with.
_Shared = tuple[Cell, dict[str, str], dict[str, Any], str, str, str]


class Namer:
    """What variants and their images are called; `certain` when no two requests can share a file name.

    Cells come in the order of the product, so that most differ from the one before in the last axis alone. What they
    share is put together once (`_begin`).
    """

    def __init__(self, space: Space, pattern: Pattern | None, repeats: Mapping[str, int]) -> None:
        """`repeats` is how many seeds and draws a variant has, and whether seeds come from a parameter (then 2)."""
        made = [Slugs(value.id for value in axis.values) for axis in space.axes]
        #: Position → the slugs of a large axis, made when asked for; those of all others are in `_slugs`.
        self._large = {at: slugs for at, slugs in enumerate(made) if len(space.choices[at]) >= LARGE}
        self._slugs: dict[Choice, str] = dict.fromkeys(space.absent, "")
        for at, slugs in enumerate(made):
            if at not in self._large:
                self._slugs.update((choice, slugs.of(choice.id)) for choice in space.choices[at])
        self._space = space
        self._parts = None if pattern is None else [self._part(part) for part in pattern.parts]
        needed = {axis.name for axis in space.axes if len(axis.values) > 1 or axis.when is not None}
        needed |= {name for name, times in repeats.items() if times > 1}
        self.certain = pattern is None or (needed <= set(pattern.fields) and pattern.separated())
        self.has_position = pattern is None or "position" in pattern.fields
        self._last = len(space.axes) - 1
        self._last_name = space.axes[-1].name if space.axes else ""
        self._shared: _Shared = ((), {}, {}, "", "", "")  # in one, so that threads never see half of another head

    def of(self, cell: Cell) -> tuple[str, dict[str, str], dict[str, Any], str]:
        """A cell's variant id, its value ids, the values used, and what its default file names begin with."""
        space = self._space
        if not cell or (last := cell[-1]).index < 0:
            id_ = space.id_of(cell)
            return id_, space.axes_of(cell), space.used(cell), fitted(self._joined(cell), id_) or "image"
        head, axes, used, before, after, name = self._shared
        if not axes or cell[:-1] != head:
            self._shared = _, axes, used, before, after, name = self._begin(cell)
        axes, used = axes.copy(), used.copy()
        axes[self._last_name] = last.id
        used[self._last_name] = last.used
        variant_id = sha256(f"{before}{last.fragment}{after}".encode()).hexdigest()[:ID_LENGTH]
        name += self.slug(self._last, last)
        return variant_id, axes, used, name if len(name) * 4 <= LONGEST_NAME else fitted(name, variant_id)

    def _begin(self, cell: Cell) -> _Shared:
        """What all cells share that differ from this one in the last axis alone."""
        space = self._space
        place = space.by_name.index(self._last)
        fragments = [cell[at].fragment for at in space.by_name]
        before = "{" + "".join(f"{text}," for text in fragments[:place] if text)
        after = "".join(f",{text}" for text in fragments[place + 1 :] if text) + "}"
        name = self._joined(cell[:-1])
        return cell[:-1], space.axes_of(cell), space.used(cell), before, after, f"{name}_" if name else ""

    def _joined(self, cell: Cell) -> str:
        """The slugs of a cell in the product's order: an axis follows those its `when` names, so no two read alike."""
        return "_".join(filter(None, map(self.slug, range(len(cell)), cell)))

    def slug(self, at: int, choice: Choice) -> str:
        """The slug of one value; empty for an axis that does not apply."""
        slugs = self._large.get(at)
        return self._slugs[choice] if slugs is None or choice.index < 0 else slugs.of(choice.id)

    def _part(self, part: str | tuple[str]) -> str | tuple[int] | tuple[str]:
        if isinstance(part, str):
            return part
        return (self._space.position[part[0]],) if part[0] in self._space.position else part

    def name(self, variant: str, cell: Cell, variant_id: str, seed: int | None, draw: int) -> str:
        """The name of one request's images; `variant` is what `of` gave."""
        if self._parts is None:
            seed_part = "" if seed is None else f"_s{seed}"
            draw_part = f"_d{draw}" if draw else ""
            return f"{variant}{seed_part}{draw_part}_{{position}}.{{ext}}"
        text = "".join(
            [part if isinstance(part, str) else self._fill(part[0], cell, seed, draw) for part in self._parts]
        )
        return text if len(text) < 60 else "/".join(fitted(component, variant_id) for component in text.split("/"))

    def _fill(self, part: int | str, cell: Cell, seed: int | None, draw: int) -> str:
        if isinstance(part, int):
            return self.slug(part, cell[part]) or UNSET
        if part in OPEN:
            return f"{{{part}}}"
        value = seed if part == "seed" else draw
        return UNSET if value is None else str(value)
