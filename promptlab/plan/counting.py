"""How many cells there are, without walking through them.

Axes that no `when`, `skip` or filter ties together just multiply, so only each tied group is enumerated: a product of
10¹² is counted at once. A group that is itself too large gets its upper bound, and the count says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from promptlab.model import Axis, Matcher

from .product import Space, groups, matches

__all__ = ["ENUMERABLE", "Tally", "Weight", "tally"]

#: Up to here a product is walked through; beyond, it is bounded or drawn from (SPEC.md: about 10⁶).
ENUMERABLE = 1 << 20


@dataclass(frozen=True, slots=True)
class Weight:
    """What a cell counts for (its images a call): a function of the values of `axes`, never above `most`."""

    axes: frozenset[str]
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
    singles = [{name: ids} for matcher in keep for name, ids in matcher.items()]
    weighed: frozenset[str] = weigh.axes if weigh else frozenset()
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
    space = Space(axes, skip)
    bound = _upper_bound(axes, baseline)
    if bound > ENUMERABLE:
        return _Part(bound, 0, bound * (1 if weigh is None else weigh.most), 0, False)
    kept = [space.test(matcher) for matcher in keep]
    cells = [0, 0]
    weights = [0, 0]
    stream = ((cell, 0) for cell in space.cells()) if baseline is None else space.near(baseline)
    for cell, distance in stream:
        if all(matches(cell, test) for test in kept):
            cells[distance] += 1
            weights[distance] += 1 if weigh is None else weigh.of(space.axes_of(cell))
    return _Part(cells[0], cells[1], weights[0], weights[1], True)


def _count_axis(axis: Axis, baseline: Mapping[str, str] | None) -> _Part:
    size = len(axis.values)
    if baseline is None or axis.name not in baseline:
        return _Part(size, 0, size, 0, True)
    same = sum(value.id == baseline[axis.name] for value in axis.values)
    return _Part(same, size - same, same, size - same, True)


def _upper_bound(axes: Sequence[Axis], baseline: Mapping[str, str] | None) -> int:
    """How many cells the group has at most: all of them, or the crossed axes times the single changes."""
    crossed, changes = 1, 1
    for axis in axes:
        if baseline is None or axis.name not in baseline:
            crossed *= len(axis.values)
        else:
            changes += len(axis.values) - 1
    return crossed * changes
