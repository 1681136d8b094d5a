"""Variants side by side: rows of the log become a grid in which only what may be compared is in one line.

A line holds generations that agree in every axis but the compared one, and in seed and draw. Without a seed nothing
ties two generations together: such lines are shown in the order of their draws, and never called matched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Column", "Grid", "Line", "axes_of", "build_grid", "default_axis"]

Row = Mapping[str, Any]
_Key = tuple[tuple[tuple[str, str], ...], int | None, int]


@dataclass(frozen=True, slots=True)
class Column:
    """One value of the compared axis (`value` None: variants the axis does not apply to), or one whole variant."""

    key: str
    value: str | None
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """Generations that may be compared: `axes` are the values they share, `cells` has one tuple of rows a column."""

    axes: Mapping[str, str]
    seed: int | None
    draw: int
    matched: bool
    cells: tuple[tuple[Row, ...], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """`by` is the compared axis, None for whole variants; `total_*` count what `lines` and `columns` are a part of."""

    by: str | None
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    total_columns: int
    total_lines: int

    @property
    def matched_lines(self) -> int:
        """How many of the lines shown compare like with like."""
        return sum(line.matched for line in self.lines)


def axes_of(variants: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """Axis → its value ids, both in the order in which the variants first show them."""
    axes: dict[str, list[str]] = {}
    for variant in variants:
        for axis, value in variant.items():
            values = axes.setdefault(axis, [])
            if value not in values:
                values.append(value)
    return axes


def default_axis(axes: Mapping[str, Sequence[str]]) -> str | None:
    """The axis that is worth comparing first: the first with more than one value."""
    return next((axis for axis, values in axes.items() if len(values) > 1), None)


def build_grid(
    rows: Iterable[Row],
    by: str | None,
    *,
    lines: slice = slice(0, 200),
    columns: slice = slice(0, 24),
) -> Grid:
    """Lay rows out: one column a value of the axis `by` (None: a whole variant), one line per matched cell.

    A row (a generation or an image) has `variant_id`, `axes` (a mapping or its JSON text: axis → value id), `seed`
    (None: unseeded) and `draw`; everything else in it is carried along. Columns and lines stand in the order in which
    the rows come, so pass them in the order of the plan; `lines` and `columns` cut the page that is wanted.
    """
    found: dict[str, Column] = {}
    cells: dict[_Key, dict[str, list[Row]]] = {}
    parsed: dict[str, Mapping[str, str]] = {}
    for row in rows:
        axes = _axes(row, parsed)
        column = _column(row, axes, by)
        found.setdefault(column.key, column)
        seed, draw = row.get("seed"), int(row.get("draw") or 0)
        shared = tuple((axis, value) for axis, value in axes.items() if by is not None and axis != by)
        cells.setdefault((shared, seed, draw), {}).setdefault(column.key, []).append(row)
    shown = tuple(found.values())[columns]
    return Grid(
        by=by,
        columns=shown,
        lines=tuple(_line(key, cells[key], shown) for key in list(cells)[lines]),
        total_columns=len(found),
        total_lines=len(cells),
    )


def _line(key: _Key, cells: Mapping[str, Sequence[Row]], columns: Sequence[Column]) -> Line:
    shared, seed, draw = key
    return Line(
        axes=dict(shared),
        seed=seed,
        draw=draw,
        matched=seed is not None and len(cells) > 1,
        cells=tuple(tuple(cells.get(column.key, ())) for column in columns),
    )


def _column(row: Row, axes: Mapping[str, str], by: str | None) -> Column:
    if by is None:
        name = ", ".join(f"{axis} {value}" for axis, value in axes.items())
        return Column(str(row["variant_id"]), str(row["variant_id"]), name or "the one variant")
    value = axes.get(by)
    return Column(f"={value}" if value is not None else "", value, "not used" if value is None else value)


def _axes(row: Row, parsed: dict[str, Mapping[str, str]]) -> Mapping[str, str]:
    """The row's axes; a JSON text is parsed once a variant."""
    axes = row["axes"]
    if not isinstance(axes, str):
        return axes or {}
    if axes not in parsed:
        parsed[axes] = json.loads(axes)
    return parsed[axes]
