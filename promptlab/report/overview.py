"""What a run has, line by line: only ids, so that a run of 200,000 requests fits into memory while a report is made.

A line is a scene (compare/scenes.py): generations that agree in every axis but the compared one, in seed and in draw.
Which lines a report shows is decided by their place in the plan alone, never by what came out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from promptlab.compare import axes_of, default_axis
from promptlab.compare.baseline import baseline_of
from promptlab.compare.scenes import cell_status, check_axis, chosen_variants, place_of, variants_of_run
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.spec.matcher import Where

__all__ = ["LineKey", "Overview", "choose_lines", "overview", "spread"]

T = TypeVar("T")
LineKey = tuple[tuple[tuple[str, str], ...], int | None, int]
_ROWS = "SELECT variant_id, seed, draw, id, status, error_code FROM generations WHERE run_id = ? ORDER BY sequence, id"


@dataclass(frozen=True, slots=True)
class Overview:
    """The lines of a run in the order of its plan: line → value of `by` ("" without one) → ids of its generations.

    `states` counts the generations by value and status. `values` are those of `by` in the order of the plan.
    """

    by: str | None
    values: Sequence[str]
    lines: Mapping[LineKey, Mapping[str, Sequence[str]]]
    states: Mapping[str, Mapping[str, int]]


def overview(log: Log, run_id: str, by: str | None, where: Where = (), *, compared: bool = True) -> Overview:
    """Read it; InputError where `by` is not an axis of the run, or nothing is left.

    Without `by` the axis that the grid compares is taken. Where no axis has several values, or nothing is to be
    `compared`, `by` is None and every line has one column. Variants that `by` does not apply to are left out.
    """
    every = variants_of_run(log, run_id)
    check_axis(every, by, run_id)
    fitting = chosen_variants(log, run_id, every, where)
    if not fitting:
        raise InputError(f"run {run_id} has nothing to show" + (" that --where matches" if where else ""))
    if by is None and compared:
        by = default_axis(axes_of(fitting.values()), baseline_of(log, run_id))
    places = {id_: _place(id_, axes, by) for id_, axes in fitting.items()}
    lines: dict[LineKey, dict[str, list[str]]] = {}
    states: dict[str, dict[str, int]] = {}
    for variant_id, seed, draw, generation_id, status, error_code in log.rows(_ROWS, (run_id,)):
        place = places.get(variant_id)
        if place is not None:
            value, group = place
            lines.setdefault((group, seed, draw), {}).setdefault(value, []).append(generation_id)
            counts, state = states.setdefault(value, {}), cell_status(status, error_code)
            counts[state] = counts.get(state, 0) + 1
    values = tuple(dict.fromkeys(place[0] for place in places.values() if place is not None))
    return Overview(by, values, lines, states)


def _place(variant_id: str, axes: Mapping[str, str], by: str | None) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    return place_of(variant_id, axes, by) if by is not None else ("", tuple(axes.items()))


def choose_lines(lines: Iterable[LineKey], most: int) -> list[LineKey]:
    """At most `most` lines, evenly over the groups that share their axes, and over the seeds within them.

    With more groups than places every n-th group is shown, each with another of its seeds; else the groups take turns.
    """
    groups: dict[object, list[LineKey]] = {}
    for line in lines:
        groups.setdefault(line[0], []).append(line)
    found = list(groups.values())
    if len(found) >= most:
        return [group[number % len(group)] for number, group in enumerate(spread(found, most))]
    chosen: list[LineKey] = []
    for turn in range(max(map(len, found), default=0)):
        of_turn = [group[turn] for group in found if turn < len(group)]
        chosen += spread(of_turn, most - len(chosen))
    order = {line: number for number, line in enumerate(line for group in found for line in group)}
    return sorted(chosen, key=order.__getitem__)


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items at even distances, the first one included."""
    if most <= 0:
        return []
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]
