"""What a run has, line by line: only ids, so that a run of 200,000 requests fits into memory while a report is made.

A line is a matched cell, as on the comparison pages: generations that agree in every axis but the compared one, in
seed and in draw. Which lines a report shows is decided by their place in the plan alone, never by what came out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from promptlab.compare import axes_of, default_axis, shared_axes
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.spec.matcher import Where, matches, resolve

__all__ = ["LineKey", "Overview", "choose_lines", "overview", "spread"]

T = TypeVar("T")
LineKey = tuple[tuple[tuple[str, str], ...], int | None, int]
_VARIANTS = """
SELECT v.id, v.axes FROM (
  SELECT variant_id, min(sequence) AS first FROM generations WHERE run_id = ?1 GROUP BY variant_id) s
JOIN variants v ON v.experiment = ?2 AND v.id = s.variant_id ORDER BY s.first
"""
_ROWS = "SELECT variant_id, seed, draw, id, status FROM generations WHERE run_id = ? ORDER BY sequence, id"


@dataclass(frozen=True, slots=True)
class Overview:
    """The lines of a run in the order of its plan: line → value of `by` ("" without one) → ids of its generations.

    `states` counts the generations by value and status. `values` are those of `by` in the order of the plan.
    """

    by: str | None
    axes: Mapping[str, Sequence[str]]
    values: Sequence[str]
    lines: Mapping[LineKey, Mapping[str, Sequence[str]]]
    states: Mapping[str, Mapping[str, int]]
    narrowed: bool

    @property
    def generations(self) -> int:
        """How many there are in all lines."""
        return sum(count for states in self.states.values() for count in states.values())


def overview(log: Log, run_id: str, experiment: str, by: str | None, where: Where = ()) -> Overview:
    """Read it; InputError where `by` is not an axis of the run, or `where` leaves nothing.

    Without `by` the first axis with several values is compared; where there is none, `by` is None.
    """
    variants: dict[str, Mapping[str, str]] = {
        id_: json.loads(axes) for id_, axes in log.rows(_VARIANTS, (run_id, experiment))
    }
    axes = axes_of(variants.values())
    if by is not None and by not in axes:
        known = ", ".join(axes) or "none"
        raise InputError(f"run {run_id} has no axis {by!r}; its axes are {known}", code="unknown-axis")
    matchers = resolve(where, log.axis_values(run_id)) if where else ()
    fitting = {id_: each for id_, each in variants.items() if all(matches(matcher, each) for matcher in matchers)}
    if not fitting:
        raise InputError(f"--where matches nothing of run {run_id}", code="no-such-image")
    axes = axes_of(fitting.values())
    by = by or default_axis(axes)
    lines: dict[LineKey, dict[str, list[str]]] = {}
    states: dict[str, dict[str, int]] = {}
    shared = {id_: (shared_axes(each, by), each.get(by, "") if by else "") for id_, each in fitting.items()}
    for variant_id, seed, draw, generation_id, status in log.rows(_ROWS, (run_id,)):
        if variant_id in shared:
            group, value = shared[variant_id]
            lines.setdefault((group, seed, draw), {}).setdefault(value, []).append(generation_id)
            counts = states.setdefault(value, {})
            counts[status] = counts.get(status, 0) + 1
    values = tuple(dict.fromkeys(value for _, value in shared.values()))
    return Overview(by, axes, values, lines, states, narrowed=bool(where))


def choose_lines(lines: Iterable[LineKey], most: int) -> list[LineKey]:
    """At most `most` lines, evenly over the groups that share their axes, and over the seeds within them.

    With more groups than places every n-th group is shown, each with another of its seeds; else the groups take turns.
    """
    groups: dict[object, list[LineKey]] = {}
    for line in lines:
        groups.setdefault(line[0], []).append(line)
    found = list(groups.values())
    if most <= 0:
        return []
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
