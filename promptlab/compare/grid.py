"""Variants side by side: rows of the log become a grid in which only what may be compared is in one line.

A line holds generations that agree in every axis but the compared one, and in seed and draw. Without a seed nothing
ties two generations together: such lines are shown in the order of their draws, and never called matched.

A run may have a hundred thousand lines. `cut_page` says from its variants alone which rows a page needs, and
`build_grid` lays out the rows that were read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Column", "Grid", "Line", "Page", "Piece", "VariantRows", "axes_of", "build_grid", "column_of", "cut_page",
    "shared_axes",
]  # fmt: skip

Row = Mapping[str, Any]
Axes = tuple[tuple[str, str], ...]
_Key = tuple[Axes, int | None, int]


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
    more: tuple[int, ...] = ()  # generations of each cell that are not among its rows; empty: none of any


@dataclass(frozen=True, slots=True)
class Grid:
    """The lines and columns of one page; `by` is the compared axis, None for whole variants."""

    by: str | None
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def matched_lines(self) -> int:
        """How many of the lines compare like with like."""
        return sum(line.matched for line in self.lines)


@dataclass(frozen=True, slots=True)
class VariantRows:
    """A variant of a run, with how many generations it has there."""

    id: str
    axes: Mapping[str, str]
    rows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one variant that a page shows: from `start` to before `stop`, in the order of the plan."""

    variant_id: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Page:
    """What to read for a page, and what it is a part of."""

    columns: tuple[Column, ...]
    pieces: tuple[Piece, ...]
    total_columns: int
    total_lines: int


def axes_of(variants: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """Axis → its value ids, both in the order in which the variants first show them."""
    axes: dict[str, dict[str, None]] = {}
    for variant in variants:
        for axis, value in variant.items():
            if axis not in axes:
                axes[axis] = {}
            axes[axis][value] = None
    return {axis: list(values) for axis, values in axes.items()}


def cut_page(variants: Iterable[VariantRows], by: str | None, *, lines: slice, columns: slice) -> Page:
    """The rows of these variants that stand in `lines` and `columns` of their grid.

    Variants that share all axes but `by` form a group, which has as many lines as its longest variant has rows: the
    n-th rows of all of them are one line wherever the variants have the same seeds and draws. Where they don't, each
    row still is on exactly one page. Groups and columns stand in the order in which the variants come.
    """
    found: dict[str, Column] = {}
    groups: dict[Axes, dict[str, VariantRows]] = {}
    for variant in variants:
        key = _column_key(variant.id, variant.axes, by)
        if key not in found:
            found[key] = column_of(variant.id, variant.axes, by)
        groups.setdefault(shared_axes(variant.axes, by), {})[key] = variant
    shown = tuple(found.values())[columns]
    pieces: list[Piece] = []
    total = 0
    for group in groups.values():
        start, stop = max(lines.start - total, 0), lines.stop - total
        total += max([variant.rows for variant in group.values()])
        if stop <= 0 or start >= total:
            continue
        chosen = [group[column.key] for column in shown if column.key in group]
        pieces += [Piece(each.id, start, min(stop, each.rows)) for each in chosen if start < each.rows]
    return Page(shown, tuple(pieces), len(found), total)


def build_grid(rows: Iterable[Row], by: str | None, columns: Sequence[Column] | None = None) -> Grid:
    """Lay rows out: one column a value of the axis `by` (None: a whole variant), one line per matched cell.

    A row (a generation or an image) has `variant_id`, `axes` (a mapping or its JSON text: axis → value id), `seed`
    (None: unseeded) and `draw`; everything else in it is carried along. Lines stand in the order in which the rows
    come, so pass them in the order of the plan; so do the columns, where they are not given.
    """
    found = {column.key: column for column in columns or ()}
    cells: dict[_Key, dict[str, list[Row]]] = {}
    for row in rows:
        axes = json.loads(row["axes"]) if isinstance(row["axes"], str) else row["axes"] or {}
        column = column_of(str(row["variant_id"]), axes, by)
        if columns is None:
            found.setdefault(column.key, column)
        key = (shared_axes(axes, by), row.get("seed"), int(row.get("draw") or 0))
        cells.setdefault(key, {}).setdefault(column.key, []).append(row)
    shown = tuple(found.values())
    return Grid(by, shown, tuple(_line(key, cells[key], shown) for key in cells))


def column_of(variant_id: str, axes: Mapping[str, str], by: str | None) -> Column:
    """The column that a variant stands in."""
    key = _column_key(variant_id, axes, by)
    if by is None:
        name = ", ".join(f"{axis} {value}" for axis, value in axes.items())
        return Column(key, variant_id, name or "the one variant")
    value = axes.get(by)
    return Column(key, value, "not used" if value is None else value)


def _column_key(variant_id: str, axes: Mapping[str, str], by: str | None) -> str:
    if by is None:
        return variant_id
    return f"={axes[by]}" if by in axes else ""


def shared_axes(axes: Mapping[str, str], by: str | None) -> Axes:
    """What the generations of a line agree in, besides seed and draw."""
    return () if by is None else tuple([pair for pair in axes.items() if pair[0] != by])


def _line(key: _Key, cells: Mapping[str, Sequence[Row]], columns: Sequence[Column]) -> Line:
    shared, seed, draw = key
    return Line(
        axes=dict(shared),
        seed=seed,
        draw=draw,
        matched=seed is not None and len(cells) > 1,
        cells=tuple(tuple(cells.get(column.key, ())) for column in columns),
    )
