"""Which cells of the product a design keeps, each as a stream in the order of the product, and how many there are.

A sample must be stable: an experiment that gains a value keeps most of what was already paid for. So nothing is drawn
by index: each axis' value is drawn by rendezvous hashing (Thaler and Ravishankar 1998), whose choice only changes where
the new value wins, and repeats are passed over. That keeps as much as taking the cells with the smallest keyed hash
(10 of 11 when a ten-value axis gains one) and needs no walk through the product. Only a sample so large that drawing
costs more than walking takes the smallest hashes, and an axis of more than 1,024 values is drawn from in three steps
(`_Tree`), since asking each of ten thousand values for each draw would take half a minute.

Cells are counted without walking through them. Axes that no `when`, `skip` or filter ties together just multiply, so
only each tied group is looked at: a product of 10¹² is counted at once. In a group, values that every matcher treats
alike are one value that counts for many, so that it is walked through by kinds of values: twenty thousand rows of which
a skip names one are two. A group that is itself too large gets its upper bound, and the count says so.
"""

from __future__ import annotations

import hashlib
import math
import sys
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from promptlab.errors import InputError, Problem
from promptlab.model import Axis, Design, Matcher, Value

from .product import Cell, Choice, Space, groups, matches, merged

__all__ = [
    "ENUMERABLE",
    "All",
    "Chosen",
    "OneFactor",
    "Rendezvous",
    "Smallest",
    "Tally",
    "Weight",
    "choose",
    "tally",
    "upper_bound",
]

#: Up to here a product is walked through; beyond, it is bounded or drawn from (SPEC.md: about 10⁶).
ENUMERABLE = 1 << 20
EXPENSIVE = 1e8  # weights: a few seconds, as long as walking through a million cells
PATIENCE = 10_000  # failed draws before a product too large to count is taken for nearly empty
BLOCK = 64  # draws whose weights come out of one hash
LARGE_AXIS = 1024  # values that are asked one by one for each draw
FANOUT = 32  # branches of a tree, and twigs of a branch


class Chosen(Protocol):
    """What a design chose."""

    def cells(self) -> Iterator[Cell]:
        """The chosen cells, in the order of the product."""
        ...

    def has(self, cell: Cell) -> bool:
        """Whether a cell that `when` and `skip` allow is among them."""
        ...


def choose(design: Design, space: Space, baseline: Mapping[str, str] | None) -> Chosen:
    """Apply a design to a space; choosing a sample walks the product or draws from it, the others cost nothing."""
    if design.kind == "one_factor":
        return OneFactor(space, baseline or {})
    if design.kind == "sample" and design.sample is not None:
        tied = groups(space.axes, [matcher.keys() for matcher in space.skip])
        if any(len(group) > 1 and upper_bound(group) > ENUMERABLE for group in tied):
            return Rendezvous(space, design)  # too large to walk through, however little the skips leave
        available = tally(space.axes, space.skip).cells
        if available <= design.sample:
            return All(space)
        if available <= ENUMERABLE and _drawing_work(space, design.sample, available) > EXPENSIVE:
            return Smallest(space, design.sample, design.seed)
        return Rendezvous(space, design)
    return All(space)


def _drawing_work(space: Space, wanted: int, available: int) -> float:
    """Hash weights that drawing needs: the draws until `wanted` differ (coupon collector), each over all values."""
    draws = space.size() * math.log(available / (available - wanted))
    return draws * sum(len(choices) for choices in space.choices)


class All:
    """Every cell."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def cells(self) -> Iterator[Cell]:
        return self.space.cells()

    def has(self, cell: Cell) -> bool:
        return True


class OneFactor:
    """The baseline and each single change from it; axes that the baseline omits are crossed in full."""

    def __init__(self, space: Space, baseline: Mapping[str, str]) -> None:
        self.space = space
        self.baseline = baseline

    def cells(self) -> Iterator[Cell]:
        return (cell for cell, _ in self.space.near(self.baseline))

    def changes(self, cell: Cell) -> list[str]:
        """The axes in which a cell differs from the baseline."""
        return [
            axis.name
            for axis, choice in zip(self.space.axes, cell, strict=True)
            if choice.index >= 0 and self.baseline.get(axis.name, choice.id) != choice.id
        ]

    def has(self, cell: Cell) -> bool:
        return len(self.changes(cell)) <= 1


class Smallest:
    """The n cells with the smallest hash of their variant id, keyed by the seed: exact, 8 bytes a cell."""

    def __init__(self, space: Space, number: int, seed: int) -> None:
        self.space = space
        self._key = str(seed).encode()[:64]
        self._hashes = array("Q", map(self._hash, space.cells()))
        self._bound = _nth_smallest(self._hashes, number)

    def _hash(self, cell: Cell) -> int:
        digest = hashlib.blake2b(self.space.id_of(cell).encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big")

    def cells(self) -> Iterator[Cell]:
        bound = self._bound
        return (cell for cell, weight in zip(self.space.cells(), self._hashes, strict=True) if weight <= bound)

    def has(self, cell: Cell) -> bool:
        return self._hash(cell) <= self._bound


def _nth_smallest(numbers: array[int], n: int) -> int:
    """The n-th smallest of uniform 64-bit numbers, without sorting them all: only the bucket that holds it."""
    if n <= 0:
        return -1
    counts = [0] * 65536
    for number in numbers:
        counts[number >> 48] += 1
    before = 0
    for bucket, count in enumerate(counts):
        if before + count >= n:
            return sorted(number for number in numbers if number >> 48 == bucket)[n - before - 1]
        before += count
    return (1 << 64) - 1


class Rendezvous:
    """n different cells of a product too large to walk through; draw k depends on the seed, k and the values alone.

    Axes that a `when` ties together are drawn as one, so that every cell is equally likely. A draw that is skipped or
    was drawn before is passed over.
    """

    def __init__(self, space: Space, design: Design) -> None:
        self.space = space
        self._parts = [_Group(space, [axis.name for axis in group]) for group in groups(space.axes, ())]
        self._absent = space.absent
        wanted = design.sample or 0
        picked: set[int] = set()
        for tried, rank in enumerate(self._draws(design.seed)):
            if rank not in picked and self._allowed(rank):
                picked.add(rank)
            if len(picked) >= wanted:
                break
            if tried > 200 * len(picked) + PATIENCE:
                raise InputError(_too_few(design, len(picked)))
        self._picked = array("Q", sorted(picked)) if space.size() < 1 << 64 else sorted(picked)
        self._known: set[int] | None = None

    def _draws(self, seed: int) -> Iterator[int]:
        block = 0
        while True:
            columns = [part.winners(seed, block) for part in self._parts]
            for drawn in zip(*columns, strict=True):
                rank = 0
                for part, digit in zip(self._parts, drawn, strict=True):
                    rank = rank * len(part.options) + digit
                yield rank
            block += 1

    def _allowed(self, rank: int) -> bool:
        return not self.space.skips or not self.space.skipped(self._cell(rank))

    def _cell(self, rank: int) -> Cell:
        cell = list(self._absent)
        for part in reversed(self._parts):
            rank, digit = divmod(rank, len(part.options))
            for at, choice in zip(part.positions, part.options[digit], strict=True):
                cell[at] = choice
        return tuple(cell)

    def cells(self) -> Iterator[Cell]:
        return map(self._cell, self._picked)

    def has(self, cell: Cell) -> bool:
        if self._known is None:
            self._known = set(self._picked)
        return self._rank(cell) in self._known

    def _rank(self, cell: Cell) -> int:
        rank = 0
        for part in self._parts:
            rank = rank * len(part.options) + part.options.index(tuple(cell[at] for at in part.positions))
        return rank


class _Group:
    """Axes drawn as one: its options are their cells, each with a name that no other axis or value can move."""

    def __init__(self, space: Space, names: Sequence[str]) -> None:
        part = Space([axis for axis in space.axes if axis.name in names])
        self.positions = [space.position[axis.name] for axis in part.axes]
        local = list(part.cells())
        self.names = [part.canonical(cell).encode() for cell in local]
        self.options: list[Cell] = [
            tuple(_same(space, at, choice) for at, choice in zip(self.positions, cell, strict=True)) for cell in local
        ]
        self._tree = _Tree(self.names) if len(self.names) > LARGE_AXIS else None

    def winners(self, seed: int, block: int) -> list[int]:
        """For each draw of a block, the option whose weight is the smallest."""
        if len(self.options) == 1:
            return [0] * BLOCK
        if self._tree is not None:
            return self._tree.winners(seed, block)
        start = f"{seed} {block} ".encode()
        weights = [_weights(start + name) for name in self.names]
        return [column.index(min(column)) for column in zip(*weights, strict=True)]


class _Tree:
    """Rendezvous hashing in three steps, for many names: a branch, a twig of it, and one of the twig's names.

    A name's place in the tree is the hash of the name. A branch or twig is as likely as it has names, by weighted
    rendezvous (Wang and Ravishankar 1998: the smallest exponential variate over its weight wins), so that every name is
    equally likely, and a name more takes draws for itself and, one in some thousand, inside its branch and its twig.
    """

    def __init__(self, names: Sequence[bytes]) -> None:
        self._branches: list[list[list[tuple[bytes, int]]]] = [[[] for _ in range(FANOUT)] for _ in range(FANOUT)]
        for index, name in enumerate(names):
            place = int.from_bytes(hashlib.blake2b(name, digest_size=2).digest(), "big")
            self._branches[place % FANOUT][place // FANOUT % FANOUT].append((name, index))
        self._twigs = [[float(len(twig)) for twig in branch] for branch in self._branches]
        self._sizes = [sum(sizes) for sizes in self._twigs]

    def winners(self, seed: int, block: int) -> list[int]:
        """For each draw of a block, the name that wins."""
        return [self._winner(f"{seed} {block} {draw} ".encode()) for draw in range(BLOCK)]

    def _winner(self, start: bytes) -> int:
        branch = _weighted(start, self._sizes)
        twig = _weighted(start + b"%d " % branch, self._twigs[branch])
        draw = hashlib.blake2b(start, digest_size=16)

        def weight(named: tuple[bytes, int]) -> bytes:
            hash_ = draw.copy()
            hash_.update(named[0])
            return hash_.digest()

        return min(self._branches[branch][twig], key=weight)[1]


def _weighted(text: bytes, weights: Sequence[float]) -> int:
    """The place of the smallest exponential variate over its weight; a place without weight never wins."""
    log = math.log
    variates = [
        -log((number + 0.5) / 2.0**64) / weight if weight else math.inf
        for number, weight in zip(_weights(text, len(weights)), weights, strict=True)
    ]
    return variates.index(min(variates))


def _same(space: Space, at: int, choice: Choice) -> Choice:
    """The space's own choice for one of a sub-space, so that cells compare by identity."""
    return space.choices[at][choice.index] if choice.index >= 0 else space.absent[at]


def _weights(text: bytes, number: int = BLOCK) -> array[int]:
    weights = array("Q", hashlib.shake_128(text).digest(8 * number))
    if sys.byteorder == "big":  # the same sample on every machine
        weights.byteswap()
    return weights


def _too_few(design: Design, found: int) -> Problem:
    place = design.place
    return Problem(
        "sample-too-few",
        f"only {found:,} of {design.sample:,} variants could be drawn, since skip leaves almost none; "
        "write fewer, or narrow the axes instead of skipping",
        *(() if place is None else (place.path, place.line, place.column)),
    )


# --- counting -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weight:
    """What a cell counts for (its images a call): a function of the values of some axes, never above `most`.

    `kinds` has for each of these axes what tells its values apart: those of one kind weigh the same.
    """

    kinds: Mapping[str, Sequence[Hashable]]
    of: Callable[[Mapping[str, str]], int]
    most: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cells, and the sum of their weights; upper bounds where `exact` is False.

    Of a design around a baseline, `near` are those among them with exactly one difference from it.
    """

    cells: int
    weight: int
    near: int = 0
    near_weight: int = 0
    exact: bool = True

    def times(self, other: Tally) -> Tally:
        """The tally of two independent groups: one difference in all means one in either and none in the other."""
        same, same_weight = self.cells - self.near, self.weight - self.near_weight
        near = same * other.near + self.near * (other.cells - other.near)
        near_weight = same_weight * other.near_weight + self.near_weight * (other.weight - other.near_weight)
        cells = same * (other.cells - other.near) + near
        weight = same_weight * (other.weight - other.near_weight) + near_weight
        return Tally(cells, weight, near, near_weight, self.exact and other.exact)


def tally(
    axes: Sequence[Axis],
    skip: Sequence[Matcher] = (),
    *,
    keep: Sequence[Matcher] = (),
    baseline: Mapping[str, str] | None = None,
    weigh: Weight | None = None,
) -> Tally:
    """Count the cells that no `skip` and every `keep` matches.

    With a `baseline`, only the cells with at most one difference from it. `weigh` gives each cell a weight (its images
    a call) from the axes it names; without, every cell weighs 1.
    """
    skip = merged(skip, {axis.name: len(axis.values) for axis in axes})
    singles = [{name: ids} for matcher in keep for name, ids in matcher.items()]
    weighed: frozenset[str] = frozenset(weigh.kinds) if weigh else frozenset()
    total = Tally(1, 1)
    weight_found = False
    for group in groups(axes, [*(m.keys() for m in skip), weighed]):
        names = {axis.name for axis in group}
        counts_weight = weigh if weigh and weighed & names else None
        weight_found = weight_found or counts_weight is not None
        part = _count_group(
            group,
            [matcher for matcher in skip if set(matcher) <= names],
            [single for single in singles if set(single) <= names],
            None if baseline is None else {axis: value for axis, value in baseline.items() if axis in names},
            counts_weight,
        )
        total = total.times(part)
    if any(name not in {axis.name for axis in axes} for single in singles for name in single):
        return Tally(0, 0)
    return total if weight_found or weigh is None else replace(total, weight=total.weight * weigh.of({}))


def _count_group(
    axes: Sequence[Axis],
    skip: Sequence[Matcher],
    keep: Sequence[Matcher],
    baseline: Mapping[str, str] | None,
    weigh: Weight | None,
) -> Tally:
    if len(axes) == 1 and not skip and not keep and weigh is None:
        return _count_axis(axes[0], baseline)
    kinds = _Kinds.of(axes, [*skip, *keep], baseline, weigh)
    space = Space(kinds.axes, [kinds.reduced(matcher) for matcher in skip])
    if upper_bound(kinds.axes, baseline) > ENUMERABLE:
        bound = upper_bound(axes, baseline)
        return Tally(bound, bound * (1 if weigh is None else weigh.most), exact=False)
    kept = [space.test(kinds.reduced(matcher)) for matcher in keep]
    cells = [0, 0]
    weights = [0, 0]
    counts = [kinds.counts[axis.name] for axis in space.axes]
    stream = ((cell, 0) for cell in space.cells()) if baseline is None else space.near(baseline)
    for cell, distance in stream:
        if all(matches(cell, test) for test in kept):
            times = math.prod([count[choice.index] for count, choice in zip(counts, cell, strict=True)])
            cells[distance] += times
            weights[distance] += times * (1 if weigh is None else weigh.of(space.axes_of(cell)))
    return Tally(sum(cells), sum(weights), cells[1], weights[1])


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Axes with one value for each kind; `counts` says for how many it stands (1 at the end, for an absent axis)."""

    axes: list[Axis] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        axes: Sequence[Axis],
        matchers: Sequence[Matcher],
        baseline: Mapping[str, str] | None,
        weigh: Weight | None,
    ) -> _Kinds:
        """Values are of one kind where each matcher, `when`, baseline and weight treats them alike."""
        kinds = cls()
        every = [*matchers, *(axis.when for axis in axes if axis.when is not None)]
        if baseline is not None:
            every.append({name: frozenset((id_,)) for name, id_ in baseline.items()})
        for axis in axes:
            told = _told_apart(matcher[axis.name] for matcher in every if axis.name in matcher)
            weights = weigh.kinds.get(axis.name) if weigh else None
            found: dict[Hashable, tuple[Value, int]] = {}
            for index, value in enumerate(axis.values):
                kind = (told.get(value.id), weights[index] if weights else None)
                first, count = found.get(kind, (value, 0))
                found[kind] = (first, count + 1)
            kinds.axes.append(replace(axis, values=tuple(value for value, _ in found.values())))
            kinds.counts[axis.name] = [*(count for _, count in found.values()), 1]
        return kinds

    def reduced(self, matcher: Matcher) -> Matcher:
        """A matcher on the values that are left."""
        return {
            axis.name: frozenset(value.id for value in axis.values if value.id in matcher[axis.name])
            for axis in self.axes
            if axis.name in matcher
        }


def _told_apart(accepted: Iterable[frozenset[str]]) -> dict[str, tuple[int, ...]]:
    """id → which of some sets of ids hold it; ids that none holds are not there."""
    found: dict[str, list[int]] = {}
    for number, ids in enumerate(accepted):
        for id_ in ids:
            found.setdefault(id_, []).append(number)
    return {id_: tuple(numbers) for id_, numbers in found.items()}


def _count_axis(axis: Axis, baseline: Mapping[str, str] | None) -> Tally:
    size = len(axis.values)
    if baseline is None or axis.name not in baseline:
        return Tally(size, size)
    same = sum(value.id == baseline[axis.name] for value in axis.values)
    return Tally(size, size, size - same, size - same)


def upper_bound(axes: Sequence[Axis], baseline: Mapping[str, str] | None = None) -> int:
    """How many cells the axes have at most: all of them, or the crossed axes times the single changes."""
    crossed, changes = 1, 1
    for axis in axes:
        if baseline is None or axis.name not in baseline:
            crossed *= len(axis.values)
        else:
            changes += len(axis.values) - 1
    return crossed * changes
