"""Which axis is a grid's rows, which its columns, and what stands in a cell. Pure.

A grid without an axis for its rows has a row per matched scene: everything but the columns is the same in it. With one,
a cell holds whatever fits its row, its column and the filter; seeds may be the rows or the columns like any axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from promptlab.compare.grid import Column, VariantRows, column_of, shared_axes

__all__ = [
    "ALL",
    "FEW",
    "SEED",
    "VARIANT",
    "CellsPage",
    "Heading",
    "Layout",
    "choose_layout",
    "cut_cells",
    "default_axis",
]

SEED: Final = "seed"
ALL: Final = "all"  # as rows: every scene; as columns: one column
VARIANT: Final = "variant"  # as columns: whole variants
FEW: Final = 8  # an axis of more values makes rows, not columns
_FIRST: Final = ("prompt", "template")

_Shared = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """`rows` is an axis, `seed` or `all`; `columns` an axis, `seed`, `variant` or `all`; `scrub` what is held at one
    value that a reader slides along: an axis, `seed`, or None."""

    rows: str
    columns: str
    scrub: str | None = None

    @property
    def axis(self) -> str | None:
        """The axis of the columns; None where they are none."""
        return None if self.columns in (SEED, VARIANT, ALL) else self.columns


@dataclass(frozen=True, slots=True)
class Heading:
    """What a row has in common: values of axes, and the seed where seeds are the rows."""

    axes: Mapping[str, str]
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class CellsPage:
    """The rows and columns of one page; `cells[row][column]` are variants, and the seed that they are shown for."""

    rows: tuple[Heading, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[tuple[tuple[VariantRows, ...], int | None], ...], ...]
    total_rows: int
    total_columns: int


def default_axis(axes: Mapping[str, Sequence[str]], baseline: Iterable[str] = ()) -> str | None:
    """The axis that is worth comparing first: the baseline's, else prompts or templates, else the one of fewest values.

    An axis of one value is never compared; where all are, there is none.
    """
    sizes = {axis: len(values) for axis, values in axes.items() if len(values) > 1}
    named = next((axis for axis in (*baseline, *_FIRST) if axis in sizes), None)
    return named or min(sizes, key=lambda axis: sizes[axis], default=None)


def choose_layout(
    axes: Mapping[str, Sequence[str]],
    seeds: int,
    *,
    baseline: Iterable[str] = (),
    rows: str | None = None,
    columns: str | None = None,
    scrub: str | None = None,
) -> Layout:
    """The layout that is asked for; what is not asked for, or is not there, is chosen. `seeds` is how many there are.

    An axis of more than eight values becomes the rows, and the next best one the columns. A grid of two axes slides
    along what is left, unless `scrub` is `none`.
    """
    known = {*axes, *([SEED] if seeds else [])}
    rows = rows if rows in known or rows == ALL else None
    columns = columns if columns in known or columns in (VARIANT, ALL) else None
    if rows is not None and rows == columns:
        rows = None
    if columns is None:
        rows, columns = _compared({axis: axes[axis] for axis in axes if axis != rows}, seeds, list(baseline), rows)
    if rows is None or columns == VARIANT:
        rows = ALL
    free = [axis for axis, values in axes.items() if len(values) > 1 and axis not in (rows, columns)]
    if seeds > 1 and SEED not in (rows, columns):
        free.append(SEED)
    if scrub is None and rows in axes:
        scrub = next(iter(free), None)
    return Layout(rows, columns, scrub if scrub in free and columns != VARIANT else None)


def _compared(
    axes: Mapping[str, Sequence[str]], seeds: int, baseline: list[str], rows: str | None
) -> tuple[str | None, str]:
    """Rows and columns where nobody asked for columns."""
    compared = default_axis(axes, baseline)
    if compared is None:
        return (rows, SEED) if seeds > 1 and rows != SEED else (rows, VARIANT if rows in (None, ALL) else ALL)
    if len(axes[compared]) <= FEW or rows is not None:
        return rows, compared
    others = {axis: values for axis, values in axes.items() if axis != compared and len(values) <= FEW}
    return compared, default_axis(others, baseline) or (SEED if seeds > 1 else ALL)


def cut_cells(
    variants: Iterable[VariantRows],
    frame: Iterable[VariantRows],
    layout: Layout,
    seeds: Sequence[int],
    *,
    held_seed: int | None,
    order: Mapping[str, Sequence[str]],
    lines: slice,
    columns: slice,
) -> CellsPage:
    """The cells of one page. Rows and columns are those of `frame`, in the order of the axes' values, so that they stay
    where they are when `variants` are other ones of them."""
    rows: dict[_Shared, None] = {}
    shown: dict[str, Column] = {}
    for variant in frame:
        rows.setdefault(_shared(variant, layout))
        column = _column(variant, layout)
        shown.setdefault(column.key, column)
    headings = [(shared, seed) for shared in _sorted(rows, order.get(layout.rows, ())) for seed in
                (seeds if layout.rows == SEED else [None])]  # fmt: skip
    every: list[tuple[Column, str, int | None]]
    if layout.columns == SEED:
        every = [(Column(f"seed {seed}", str(seed), str(seed)), "", seed) for seed in seeds]
    else:
        place = {value: number for number, value in enumerate(order.get(layout.columns, ()))}
        ordered = sorted(shown.values(), key=lambda column: place.get(column.value or "", len(place)))
        every = [(column, column.key, None) for column in ordered]
    members: dict[tuple[_Shared, str], list[VariantRows]] = {}
    for variant in variants:
        key = "" if layout.columns == SEED else _column(variant, layout).key
        members.setdefault((_shared(variant, layout), key), []).append(variant)
    cells = tuple(
        tuple((tuple(members.get((shared, key), ())), _first(row_seed, column_seed, held_seed))
              for _, key, column_seed in every[columns])
        for shared, row_seed in headings[lines]
    )  # fmt: skip
    return CellsPage(
        tuple(Heading(dict(shared), seed) for shared, seed in headings[lines]),
        tuple(column for column, _, _ in every[columns]),
        cells,
        len(headings),
        len(every),
    )


def _shared(variant: VariantRows, layout: Layout) -> _Shared:
    """What a row's variants agree in."""
    if layout.rows == SEED:
        return ()
    if layout.rows != ALL:
        return tuple((axis, value) for axis, value in variant.axes.items() if axis == layout.rows)
    if layout.columns in (ALL, SEED):
        return tuple(pair for pair in variant.axes.items() if pair[0] != layout.scrub)
    return tuple(pair for pair in shared_axes(variant.axes, layout.axis) if pair[0] != layout.scrub)


def _column(variant: VariantRows, layout: Layout) -> Column:
    if layout.columns in (SEED, ALL):
        return Column("", None, "image")
    return column_of(variant.id, variant.axes, layout.axis)


def _sorted(rows: Iterable[_Shared], order: Sequence[str]) -> list[_Shared]:
    """Rows of one axis as its values stand; all others as their variants come."""
    place = {value: number for number, value in enumerate(order)}
    found = list(rows)
    return sorted(found, key=lambda shared: place.get(shared[0][1] if shared else "", len(place))) if place else found


def _first(*seeds: int | None) -> int | None:
    return next((seed for seed in seeds if seed is not None), None)
