"""A page of the side-by-side grid, read from the log: what it costs does not grow with the run.

A run of a few variants with many rows each is cut at its variants: their row counts come from an index, and only the
rows of the page are read. Where a row is a matched scene, `compare.cut_page` says which rows those are; where rows or
columns are an axis or the seeds, `compare.cut_cells` does (`grid_cells`). A run of more variants than can be looked
through is cut along its plan (`grid_stretch`). Plain functions over a connection.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.browse import grid_cells, grid_stretch
from promptlab.browse.experiment_facts import ExperimentFacts
from promptlab.browse.grid_rows import Extent, read_variant, with_images
from promptlab.browse.page_data import Row
from promptlab.compare import Grid, Layout, VariantRows, axes_of, build_grid, choose_layout, cut_page
from promptlab.compare.layout import ALL, SEED, VARIANT

__all__ = ["SideBySide", "Wanted", "side_by_side"]

_VARIANTS = 10_000  # more than these are not looked through for one page
_SAMPLE = 1_000  # a run of fewer rows is counted from the rows themselves
_SUMMED = 20_000  # from here on, the log's sums say sooner how many rows each variant has
_COLUMNS = 24
_CELLS = 200
_PAGE_BYTES = 350_000  # of the cells; the rest of a page is below 100 kB
_CELL_BYTES = 1_500  # links, thumbnail, buttons
_SEEDS_FROM, _SEED_ROWS = 20, 500  # variants that are asked for their seeds, and rows: they all have the same


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader asks for: rows, columns, what to slide along, values that others are held to, and which page."""

    by: str | None = None  # the columns: an axis, "seed", "variant" for whole variants; None: what is worth comparing
    rows: str | None = None  # an axis, "seed", or "all" for a row per matched scene
    scrub: str | None = None  # an axis or "seed" that is held at one value; "none"
    only: Mapping[str, str] = field(default_factory=dict)  # axis → value; "seed" → a seed
    page: int = 1
    across: int = 1  # page of the columns
    size: int = 60  # lines of a page, at most
    prompts: bool = False  # whether each picture comes with its prompt
    facts: ExperimentFacts = field(default_factory=ExperimentFacts)


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A page of a run's grid; the rows in its cells are generations with an `images` list."""

    run: Row
    grid: Grid
    layout: Layout
    axes: Mapping[str, Sequence[str]]  # axis → value ids of the whole run; of a huge run, those that were met
    seeds: Sequence[int]
    only: Mapping[str, str]  # the filter in force, with what is slid along
    simulated: bool
    page: int
    pages: int | None  # None: not counted
    more: bool  # whether there is a next page
    across_pages: int
    total_columns: int
    total_lines: int | None  # None: not counted
    first_line: int = 1
    stretch: tuple[int, int, int | None] | None = None  # a huge run: from and to which generation, of how many that fit

    @property
    def held(self) -> str | None:
        """The value that the scrubbed axis is held at."""
        return self.only.get(self.layout.scrub) if self.layout.scrub else None

    @property
    def scenes(self) -> bool:
        """Whether a row is a matched scene, with its seed and draw."""
        return self.layout.rows == ALL and self.layout.columns not in (SEED, ALL) and SEED not in self.only


def side_by_side(connection: sqlite3.Connection, run: Row, wanted: Wanted) -> SideBySide:
    """A page of a run as a grid. An unknown axis or value of the query narrows nothing, or finds nothing."""
    extent = Extent.of(connection, run)
    variants = _variants(connection, extent)
    if variants is None:
        return _by_stretch(connection, run, extent, wanted)
    axes = axes_of(variant.axes for variant in variants)
    ordered = _in_file_order(axes, wanted.facts.order)
    if any(axes[axis] != ordered[axis] for axis in axes):
        variants.sort(key=_place_of(ordered))
    seeds = _seeds(connection, extent, variants)
    layout, only = _choose(ordered, seeds, wanted)
    found = SideBySide(
        run,
        Grid(layout.axis, (), ()),
        layout,
        ordered,
        seeds,
        only,
        bool(run["simulated"]),
        wanted.page,
        1,
        False,
        1,
        0,
        0,
    )
    matching = [each for each in variants if _fits(each, only)]
    return (_scenes if found.scenes else _cells)(connection, extent, found, variants, matching, wanted)


def _choose(axes: Mapping[str, Sequence[str]], seeds: Sequence[int], wanted: Wanted) -> tuple[Layout, dict[str, str]]:
    """The layout, and the filter without what says nothing; what is slid along is held at its baseline or first."""
    rest = {axis: values for axis, values in axes.items() if axis not in wanted.only or axis == wanted.scrub}
    layout = choose_layout(
        axes if wanted.by or wanted.rows else rest or axes,
        len(seeds), baseline=wanted.facts.baseline, rows=wanted.rows, columns=wanted.by, scrub=wanted.scrub,
    )  # fmt: skip
    known = {*axes, *([SEED] if seeds else [])} - {layout.rows, layout.columns}
    only = {axis: value for axis, value in wanted.only.items() if axis in known}
    if layout.scrub == SEED:
        only.setdefault(SEED, str(seeds[0]))
    elif layout.scrub is not None:
        values, first = axes[layout.scrub], wanted.facts.baseline.get(layout.scrub, "")
        only.setdefault(layout.scrub, first if first in values else values[0])
    return layout, only


def _fits(variant: VariantRows, only: Mapping[str, str]) -> bool:
    return all(variant.axes.get(axis) == value for axis, value in only.items() if axis != SEED)


def _in_file_order(axes: dict[str, list[str]], order: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The axes and their values as the experiment's file has them; what it does not have comes last."""
    found = {}
    for axis in [*(axis for axis in order if axis in axes), *(axis for axis in axes if axis not in order)]:
        place = {value: number for number, value in enumerate(order.get(axis, ()))}
        found[axis] = sorted(axes[axis], key=lambda value: place.get(value, len(place)))
    return found


def _place_of(axes: Mapping[str, Sequence[str]]) -> Any:
    places = {axis: {value: number for number, value in enumerate(values)} for axis, values in axes.items()}
    return lambda variant: tuple([place.get(variant.axes.get(axis), -1) for axis, place in places.items()])


def _shape(
    connection: sqlite3.Connection, extent: Extent, columns: int, wanted: Wanted, in_cell: int = 1
) -> tuple[int, int]:
    """How many columns and lines a page has, so that it stays small whatever its prompts are like."""
    each = _CELL_BYTES
    if wanted.prompts:
        samples = [extent.rows * place // 5 for place in range(5)]
        sql = """
            SELECT max(n * (? + 2 * length(CAST(prompt AS BLOB)) + ifnull(length(CAST(negative_prompt AS BLOB)), 0)
              + 2 * (SELECT ifnull(max(length(CAST(i.revised_prompt AS BLOB))), 0) FROM images i
                WHERE i.generation_id = s.id)))
            FROM (SELECT id, n, prompt, negative_prompt FROM generations WHERE run_id = ? AND sequence >= ?
              ORDER BY sequence LIMIT 8) s
        """
        each = max(connection.execute(sql, (each, extent.run_id, at)).fetchone()[0] or 1 for at in samples)
    else:
        sql = "SELECT n FROM generations WHERE run_id = ? ORDER BY sequence LIMIT 1"
        row = connection.execute(sql, (extent.run_id,)).fetchone()
        each *= max(1, row[0]) if row else 1
    cells = max(1, min(_CELLS, _PAGE_BYTES // each) // in_cell)
    across = max(1, min(_COLUMNS, cells, columns))
    return across, max(1, min(wanted.size, cells // across))


# --- cut at the variants ------------------------------------------------------------------------------------------


def _variants(connection: sqlite3.Connection, extent: Extent) -> list[VariantRows] | None:
    """The run's variants in the order of its plan, with their counts; None where there are too many to look through.

    The index of (experiment, variant_id) is in the order of the rows and holds nothing else, so that counting a run
    there reads none of them; where two runs wrote at once, the rows must be asked whose they are.
    """
    if extent.settled and extent.rows > _SUMMED:
        return _summed(connection, extent)
    if extent.alone and extent.rows > _SAMPLE:
        found = "experiment = ? AND rowid BETWEEN ? AND ?"
        values: tuple[Any, ...] = (extent.experiment, extent.first, extent.last)
    else:
        found, values = "run_id = ?", (extent.run_id,)
    sql = f"""
        SELECT c.variant_id, v.axes, c.rows FROM (
          SELECT variant_id, count(*) AS rows, min(rowid) AS first FROM generations WHERE {found}
          GROUP BY variant_id LIMIT {_VARIANTS + 1}
        ) c LEFT JOIN variants v ON v.experiment = ? AND v.id = c.variant_id ORDER BY c.first
    """
    return _counted(connection.execute(sql, (*values, extent.experiment)).fetchall())


def _summed(connection: sqlite3.Connection, extent: Extent) -> list[VariantRows] | None:
    """The same from the log's sums, which have few rows where a run has many."""
    sql = f"""
        SELECT c.variant_id, v.axes, c.rows FROM (
          SELECT variant_id, sum(generations + cached) AS rows FROM variant_parts WHERE run_id = ?1
          GROUP BY variant_id LIMIT {_VARIANTS + 1}
        ) c LEFT JOIN variants v ON v.experiment = ?2 AND v.id = c.variant_id
        ORDER BY (SELECT g.rowid FROM generations g WHERE g.experiment = ?2 AND g.variant_id = c.variant_id
          AND g.rowid >= ?3 ORDER BY g.rowid LIMIT 1)
    """
    return _counted(connection.execute(sql, (extent.run_id, extent.experiment, extent.first)).fetchall())


def _counted(rows: Sequence[tuple[str, str | None, int]]) -> list[VariantRows] | None:
    """Variants with their axes and counts; None for too many."""
    if len(rows) > _VARIANTS:
        return None
    every = json.loads(f"[{','.join(axes or '{}' for _, axes, _ in rows)}]")  # at once: a quarter of the time
    return [VariantRows(id_, axes, count) for (id_, _, count), axes in zip(rows, every, strict=True)]


def _seeds(connection: sqlite3.Connection, extent: Extent, variants: Sequence[VariantRows]) -> list[int]:
    """The run's seeds in the order of their repeats, from some of its variants: they all have the same."""
    most = max(variants, key=lambda variant: variant.rows, default=None)
    seeds: dict[int, None] = {}
    read = 0
    for each in [*([most] if most else []), *variants[:: max(1, len(variants) // _SEEDS_FROM)]]:
        if read < _SEED_ROWS:
            seeds |= dict.fromkeys(read_variant(connection, extent, each.id, "seed"))
            read += each.rows
    return [seed for seed in seeds if seed is not None]


def _scenes(
    connection: sqlite3.Connection,
    extent: Extent,
    found: SideBySide,
    variants: Sequence[VariantRows],
    matching: Sequence[VariantRows],
    wanted: Wanted,
) -> SideBySide:
    """A line per matched scene."""
    by = found.layout.axis
    total = len(matching if by is None else {each.axes.get(by) for each in matching})
    width, height = _shape(connection, extent, total, wanted)
    page = cut_page(
        matching, by,
        lines=slice((wanted.page - 1) * height, wanted.page * height),
        columns=slice((wanted.across - 1) * width, wanted.across * width),
    )  # fmt: skip
    known = {variant.id: variant.axes for variant in matching}
    rows: list[Row] = []
    for piece in page.pieces:
        rows += grid_cells.read_piece(connection, extent, piece)
    for row in rows:
        row["axes"] = known[row["variant_id"]]
    grid = build_grid(with_images(connection, rows), by, page.columns)
    return _paged(found, grid, wanted, (width, height), page.total_columns, page.total_lines)


def _cells(
    connection: sqlite3.Connection,
    extent: Extent,
    found: SideBySide,
    variants: Sequence[VariantRows],
    matching: Sequence[VariantRows],
    wanted: Wanted,
) -> SideBySide:
    """A line per value of an axis, or per seed, or per scene held at one seed."""
    scrubbed = {axis: value for axis, value in found.only.items() if axis != found.layout.scrub}
    frame = [each for each in variants if _fits(each, scrubbed)]
    lines, columns = grid_cells.count_cells(frame, found.layout, found.seeds)
    fitting = sum(each.rows for each in matching) / (len(found.seeds) if SEED in found.only and found.seeds else 1)
    each = math.ceil(min(grid_cells.IN_CELL, fitting / max(1, lines * columns)))
    width, height = _shape(connection, extent, columns, wanted, max(1, each))
    page = grid_cells.read_page(
        connection, extent, found.layout, matching, frame, found.seeds,
        held_seed=_as_seed(found.only.get(SEED)),
        order=found.axes,
        lines=slice((wanted.page - 1) * height, wanted.page * height),
        columns=slice((wanted.across - 1) * width, wanted.across * width),
    )  # fmt: skip
    return _paged(found, page.grid, wanted, (width, height), page.total_columns, page.total_rows)


def _as_seed(text: str | None) -> int | None:
    """A seed of the address; one that is none fits nothing."""
    if text is None:
        return None
    return int(text) if text.lstrip("-").isdecimal() and text.isascii() and len(text) < 20 else -1


def _paged(
    found: SideBySide, grid: Grid, wanted: Wanted, shape: tuple[int, int], columns: int, lines: int
) -> SideBySide:
    width, height = shape
    pages = math.ceil(lines / height)
    return replace(
        found,
        grid=grid,
        pages=pages,
        more=wanted.page < pages,
        across_pages=math.ceil(columns / width),
        total_columns=columns,
        total_lines=lines,
        first_line=(wanted.page - 1) * height + 1,
    )


# --- cut along the plan -------------------------------------------------------------------------------------------


def _by_stretch(connection: sqlite3.Connection, run: Row, extent: Extent, wanted: Wanted) -> SideBySide:
    """A huge run: its rows are its scenes, along its plan."""
    axes = _in_file_order(grid_stretch.sampled_axes(connection, extent), wanted.facts.order)
    seeds = grid_stretch.sampled_seeds(connection, extent)
    layout, only = _choose(axes, seeds, replace(wanted, rows=ALL))
    if layout.columns in (SEED, ALL):
        layout = replace(layout, columns=VARIANT)
    by = layout.axis
    if wanted.by is None and by is not None and len(axes[by]) > _COLUMNS:
        few = {axis: values for axis, values in axes.items() if len(values) <= _COLUMNS}
        layout = choose_layout(few, 0, baseline=wanted.facts.baseline, rows=ALL, scrub=wanted.scrub)
        by = layout.axis
        only = {axis: value for axis, value in only.items() if axis != by}
    compared = axes[by] if by is not None and len(axes[by]) <= grid_stretch.LISTED else []
    width, height = _shape(connection, extent, len(compared) or _COLUMNS, wanted)
    height = height if compared else height * width
    page = grid_stretch.read_stretch(
        connection, extent, axes, only, by, compared,
        start=(wanted.page - 1) * height, size=height, width=width, across=wanted.across, most=_VARIANTS,
    )  # fmt: skip
    start, total = (wanted.page - 1) * height, page.total
    return SideBySide(
        run=run,
        grid=page.grid,
        layout=layout,
        axes=axes,
        seeds=seeds,
        only=only,
        simulated=bool(run["simulated"]),
        page=wanted.page,
        pages=None if total is None else math.ceil(total / height),
        more=page.found == height and (total is None or start + height < total),
        across_pages=math.ceil(page.total_columns / page.width),
        total_columns=page.total_columns,
        total_lines=None,
        stretch=(start + 1, start + page.found, total),
    )
