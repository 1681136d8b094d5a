"""How many cells there are, without walking through them.

Axes that no `when`, `skip` or filter ties together just multiply, so only each tied group is looked at: a product of
10¹² is counted at once. In a group, values that every matcher treats alike are one value that counts for many, so that
it is walked through by kinds of values: twenty thousand rows of which a skip names one are two. A group that is itself
too large gets its upper bound, and the count says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promptlab.model import Axis, Matcher, Value

from .matching import merged
from .product import Space, groups, matches

__all__ = ["ENUMERABLE", "Tally", "Weight", "tally", "upper_bound"]

#: Up to here a product is walked through; beyond, it is bounded or drawn from (SPEC.md: about 10⁶).
ENUMERABLE = 1 << 20


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
    """How many cells, and the sum of their weights; upper bounds where `exact` is False."""

    cells: int
    weight: int
    exact: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """One group: cells (and weight) with no difference from the baseline, and with exactly one."""

    same: int
    near: int
    same_weight: int
    near_weight: int
    exact: bool


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
    total = _Part(1, 0, 1, 0, True)
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
        total = _multiply(total, part)
    unknown = any(name not in {axis.name for axis in axes} for single in singles for name in single)
    factor = 0 if unknown else 1 if weight_found or weigh is None else weigh.of({})
    return Tally(
        (total.same + total.near) * (not unknown), (total.same_weight + total.near_weight) * factor, total.exact
    )


def _multiply(a: _Part, b: _Part) -> _Part:
    """Two independent groups: one difference in all means one in either and none in the other."""
    return _Part(
        a.same * b.same,
        a.same * b.near + a.near * b.same,
        a.same_weight * b.same_weight,
        a.same_weight * b.near_weight + a.near_weight * b.same_weight,
        a.exact and b.exact,
    )


def _count_group(
    axes: Sequence[Axis],
    skip: Sequence[Matcher],
    keep: Sequence[Matcher],
    baseline: Mapping[str, str] | None,
    weigh: Weight | None,
) -> _Part:
    if len(axes) == 1 and not skip and not keep and weigh is None:
        return _count_axis(axes[0], baseline)
    kinds = _Kinds.of(axes, [*skip, *keep], baseline, weigh)
    space = Space(kinds.axes, [kinds.reduced(matcher) for matcher in skip])
    if upper_bound(kinds.axes, baseline) > ENUMERABLE:
        bound = upper_bound(axes, baseline)
        return _Part(bound, 0, bound * (1 if weigh is None else weigh.most), 0, False)
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
    return _Part(cells[0], cells[1], weights[0], weights[1], True)


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


def _count_axis(axis: Axis, baseline: Mapping[str, str] | None) -> _Part:
    size = len(axis.values)
    if baseline is None or axis.name not in baseline:
        return _Part(size, 0, size, 0, True)
    same = sum(value.id == baseline[axis.name] for value in axis.values)
    return _Part(same, size - same, same, size - same, True)


def upper_bound(axes: Sequence[Axis], baseline: Mapping[str, str] | None = None) -> int:
    """How many cells the axes have at most: all of them, or the crossed axes times the single changes."""
    crossed, changes = 1, 1
    for axis in axes:
        if baseline is None or axis.name not in baseline:
            crossed *= len(axis.values)
        else:
            changes += len(axis.values) - 1
    return crossed * changes
