"""A page of the side-by-side grid, read from the log: what it costs does not grow with the run.

A run of a few variants with many rows each is cut at its variants (`compare.cut_page`): their row counts come from an
index, and only the rows of the page are read. A run of more variants than can be looked through is cut along its plan:
a page is a stretch of generations, each with what it can be compared with. Plain functions over a connection.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import itertools
import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlab.browse.page_data import Row, fetch, where_in
from promptlab.compare import (
    Column,
    Grid,
    VariantRows,
    axes_of,
    build_grid,
    column_of,
    cut_page,
    default_axis,
    shared_axes,
)
from promptlab.plan.identity import variant_id

__all__ = ["SideBySide", "Wanted", "side_by_side"]

_VARIANTS = 10_000  # more than these are not looked through for one page
_SAMPLE = 1_000  # rows read from the start of the plan, and again spread over it, to learn the axes of a huge run
_COLUMNS = 24
_CELLS = 200
_PAGE_BYTES = 350_000  # of the cells; the rest of a page is below 100 kB
_CELL_BYTES = 800  # links, thumbnail, price
_LISTED = 100  # values of an axis that a page lists
_SHOWN = (
    "g.rowid, g.id AS generation_id, g.variant_id, g.seed, g.draw, g.sequence, g.status, g.prompt, g.negative_prompt, "
    "g.credits, g.cost_usd, g.cost_source, g.cached_from, g.latency_ms, g.error_code, g.error_message, g.provider, "
    "g.model"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader asks for: the compared axis, values that others are held to, and which page of it."""

    by: str | None = None  # an axis, "variant" for whole variants, None for the first axis that varies
    only: Mapping[str, str] | None = None
    page: int = 1
    across: int = 1  # page of the columns
    size: int = 60  # lines of a page, at most


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A page of a run's grid; the rows in its cells are generations with an `images` list."""

    run: Row
    grid: Grid
    axes: Mapping[str, Sequence[str]]  # axis → value ids of the whole run; of a huge run, those that were met
    only: Mapping[str, str]  # the filter in force
    simulated: bool
    page: int
    pages: int | None  # None: not counted
    more: bool  # whether there is a next page
    across_pages: int
    total_columns: int
    total_lines: int | None  # None: not counted
    first_line: int = 1
    stretch: tuple[int, int, int | None] | None = None  # a huge run: from and to which generation, of how many that fit


@dataclass(frozen=True, slots=True)
class _Extent:
    """A run's generations: how many, and the rowids they lie between, by which an index finds them alone."""

    run_id: str
    experiment: str
    rows: int
    first: int
    last: int

    @property
    def alone(self) -> bool:
        """Whether no other run has a row in between."""
        return self.last - self.first + 1 == self.rows


def side_by_side(connection: sqlite3.Connection, run: Row, wanted: Wanted) -> SideBySide:
    """A page of a run as a grid. An unknown axis or value of the query narrows nothing, or finds nothing."""
    sql = "SELECT count(*), ifnull(min(rowid), 0), ifnull(max(rowid), 0) FROM generations WHERE run_id = ?"
    extent = _Extent(run["id"], run["experiment"], *connection.execute(sql, (run["id"],)).fetchone())
    variants = _variants(connection, extent)
    if variants is None:
        return _by_stretch(connection, run, extent, wanted)
    return _by_variant(connection, run, extent, variants, wanted)


def _choose(axes: Mapping[str, Sequence[str]], wanted: Wanted) -> tuple[str | None, dict[str, str]]:
    """The compared axis (None: whole variants), and the filter without what says nothing."""
    by = wanted.by
    if by is None or (by != "variant" and by not in axes):
        by = default_axis(axes) or "variant"
    only = {axis: value for axis, value in (wanted.only or {}).items() if axis in axes and axis != by}
    return (None if by == "variant" else by), only


def _shape(connection: sqlite3.Connection, extent: _Extent, columns: int, size: int) -> tuple[int, int]:
    """How many columns and lines a page has, so that it stays small whatever its prompts are like."""
    samples = [extent.rows * place // 5 for place in range(5)]
    sql = """
        SELECT max(n * (? + 2 * length(CAST(prompt AS BLOB)) + ifnull(length(CAST(negative_prompt AS BLOB)), 0) + 2 * (
          SELECT ifnull(max(length(CAST(i.revised_prompt AS BLOB))), 0) FROM images i WHERE i.generation_id = s.id)))
        FROM (SELECT id, n, prompt, negative_prompt FROM generations WHERE run_id = ? AND sequence >= ?
          ORDER BY sequence LIMIT 8) s
    """
    each = max(connection.execute(sql, (_CELL_BYTES, extent.run_id, at)).fetchone()[0] or 1 for at in samples)
    cells = max(1, min(_CELLS, _PAGE_BYTES // each))
    across = max(1, min(_COLUMNS, cells, columns))
    return across, max(1, min(size, cells // across))


# --- cut at the variants ------------------------------------------------------------------------------------------


def _variants(connection: sqlite3.Connection, extent: _Extent) -> list[VariantRows] | None:
    """The run's variants in the order of its plan, with their counts; None where there are too many to look through.

    The index of (experiment, variant_id) is in the order of the rows and holds nothing else, so that counting a run
    there reads none of them; where two runs wrote at once, the rows must be asked whose they are.
    """
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
    rows = connection.execute(sql, (*values, extent.experiment)).fetchall()
    if len(rows) > _VARIANTS:
        return None
    every = json.loads(f"[{','.join(axes or '{}' for _, axes, _ in rows)}]")  # at once: a quarter of the time
    return [VariantRows(id_, axes, count) for (id_, _, count), axes in zip(rows, every, strict=True)]


def _by_variant(
    connection: sqlite3.Connection, run: Row, extent: _Extent, variants: Sequence[VariantRows], wanted: Wanted
) -> SideBySide:
    axes = axes_of(variant.axes for variant in variants)
    by, only = _choose(axes, wanted)
    matching = [each for each in variants if only.items() <= each.axes.items()] if only else variants
    columns = len(matching if by is None else {each.axes.get(by) for each in matching})
    width, height = _shape(connection, extent, columns, wanted.size)
    page = cut_page(
        matching, by,
        lines=slice((wanted.page - 1) * height, wanted.page * height),
        columns=slice((wanted.across - 1) * width, wanted.across * width),
    )  # fmt: skip
    known = {variant.id: variant.axes for variant in matching}
    sql = f"""
        SELECT {_SHOWN} FROM generations g
        WHERE g.experiment = ? AND g.variant_id = ? AND g.rowid BETWEEN ? AND ? AND g.run_id = ?
        ORDER BY g.rowid LIMIT ? OFFSET ?
    """
    rows: list[Row] = []
    for piece in page.pieces:
        bounds = (extent.experiment, piece.variant_id, extent.first, extent.last, extent.run_id)
        rows += fetch(connection, sql, *bounds, piece.stop - piece.start, piece.start)
    for row in rows:
        row["axes"] = known[row["variant_id"]]
    pages = math.ceil(page.total_lines / height)
    return SideBySide(
        run=run,
        grid=build_grid(_with_images(connection, rows), by, page.columns),
        axes=axes,
        only=only,
        simulated=bool(run["simulated"]),
        page=wanted.page,
        pages=pages,
        more=wanted.page < pages,
        across_pages=math.ceil(page.total_columns / width),
        total_columns=page.total_columns,
        total_lines=page.total_lines,
        first_line=(wanted.page - 1) * height + 1,
    )


# --- cut along the plan -------------------------------------------------------------------------------------------


def _by_stretch(connection: sqlite3.Connection, run: Row, extent: _Extent, wanted: Wanted) -> SideBySide:
    axes = axes_of(_sample(connection, extent).values())
    by, only = _choose(axes, wanted)
    compared = axes[by] if by is not None and len(axes[by]) <= _LISTED else []
    width, height = _shape(connection, extent, len(compared) or _COLUMNS, wanted.size)
    height = height if compared else height * width
    start = (wanted.page - 1) * height
    ids, total = _stretch(connection, extent, axes, only, start, height)
    rows = _read(connection, extent, ids)
    columns = _columns(rows, by, compared)
    width = max(1, min(width, len(columns)))
    shown = columns[(wanted.across - 1) * width : wanted.across * width]
    if by is not None and compared:
        rows += _partners(connection, extent, rows, by, shown)
    more = len(ids) == height and (total is None or start + height < total)
    return SideBySide(
        run=run,
        grid=build_grid(_with_images(connection, rows), by, shown),
        axes=axes,
        only=only,
        simulated=bool(run["simulated"]),
        page=wanted.page,
        pages=None if total is None else math.ceil(total / height),
        more=more,
        across_pages=math.ceil(len(columns) / width),
        total_columns=len(columns),
        total_lines=None,
        stretch=(start + 1, start + len(ids), total),
    )


def _sample(connection: sqlite3.Connection, extent: _Extent) -> dict[str, dict[str, str]]:
    """Variants from the start of the plan, where the inner axes turn, and spread over it, where the outer ones do."""
    sql = "SELECT variant_id FROM generations WHERE run_id = ? AND sequence >= ? ORDER BY sequence LIMIT ?"
    ids = [id_ for (id_,) in connection.execute(sql, (extent.run_id, 0, _SAMPLE))]
    for place in range(_SAMPLE):
        ids += [id_ for (id_,) in connection.execute(sql, (extent.run_id, extent.rows * place // _SAMPLE, 1))]
    return _axes(connection, extent.experiment, dict.fromkeys(ids))


def _axes(connection: sqlite3.Connection, experiment: str, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Variant → its axes, in the order of `ids`."""
    wanted = list(ids)
    sql = "SELECT id, axes FROM variants WHERE experiment = ? AND id IN ({})"
    found = {row["id"]: json.loads(row["axes"] or "{}") for row in where_in(connection, sql, wanted, experiment)}
    return {id_: found[id_] for id_ in wanted if id_ in found}


def _stretch(
    connection: sqlite3.Connection,
    extent: _Extent,
    axes: Mapping[str, Sequence[str]],
    only: Mapping[str, str],
    start: int,
    size: int,
) -> tuple[list[int], int | None]:
    """The rowids of the generations from `start` on that fit the filter, and how many fit where that is known."""
    if not only:
        sql = "SELECT rowid FROM generations WHERE run_id = ? ORDER BY sequence LIMIT ? OFFSET ?"
        return [rowid for (rowid,) in connection.execute(sql, (extent.run_id, size, start))], extent.rows
    free = {axis: [*values, None] for axis, values in axes.items() if axis not in only}  # None: it does not apply
    few = all(len(values) <= _LISTED for values in free.values()) and math.prod(map(len, free.values())) <= _VARIANTS
    if few and _ids_are_hashes(connection, extent):
        cells = [variant_id({**only, **_present(free, cell)}) for cell in itertools.product(*free.values())]
        found = sorted(row["rowid"] for row in _of_variants(connection, extent, cells))
        return found[start : start + size], len(found)
    condition = " AND EXISTS (SELECT 1 FROM json_each(v.axes) e WHERE e.key = ? AND e.value = ?)" * len(only)
    sql = f"""
        SELECT g.rowid FROM generations g JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
        WHERE g.run_id = ? {condition} ORDER BY g.sequence LIMIT ? OFFSET ?
    """
    values = [text for pair in only.items() for text in pair]
    return [rowid for (rowid,) in connection.execute(sql, (extent.run_id, *values, size, start))], None


def _of_variants(connection: sqlite3.Connection, extent: _Extent, ids: Iterable[str], more: str = "") -> list[Row]:
    """The rowids of this run's generations of these variants, and `more` columns; from an index alone where there are
    none, and no other run has rows in between."""
    own = "" if extent.alone else "AND run_id = ?"
    sql = (
        f"SELECT rowid {more} FROM generations INDEXED BY generations_experiment "
        f"WHERE experiment = ? AND rowid BETWEEN ? AND ? {own} AND variant_id IN ({{}})"
    )
    bounds = (extent.experiment, extent.first, extent.last, *([] if extent.alone else [extent.run_id]))
    return where_in(connection, sql, ids, *bounds)


def _present(axes: Iterable[str], cell: Iterable[str | None]) -> dict[str, str]:
    return {axis: value for axis, value in zip(axes, cell, strict=True) if value is not None}


def _ids_are_hashes(connection: sqlite3.Connection, extent: _Extent) -> bool:
    """Whether the ids of this run's variants can be computed, as in every log of promptlab."""
    sql = "SELECT variant_id FROM generations WHERE run_id = ? ORDER BY sequence LIMIT 1"
    (id_,) = connection.execute(sql, (extent.run_id,)).fetchone()
    return all(variant_id(axes) == id_ for axes in _axes(connection, extent.experiment, [id_]).values())


def _columns(rows: Sequence[Row], by: str | None, compared: Sequence[str]) -> list[Column]:
    """The columns of a stretch: every value of an axis of few, else those that it meets."""
    found = {f"={value}": Column(f"={value}", value, value) for value in compared}
    for row in rows:
        column = column_of(row["variant_id"], row["axes"], by)
        found.setdefault(column.key, column)
    return list(found.values())


def _read(connection: sqlite3.Connection, extent: _Extent, rowids: Iterable[int]) -> list[Row]:
    """These generations with their axes, in the order of the plan."""
    rows = where_in(connection, f"SELECT {_SHOWN} FROM generations g WHERE g.rowid IN ({{}})", rowids)
    axes = _axes(connection, extent.experiment, {row["variant_id"] for row in rows})
    for row in rows:
        row["axes"] = axes.get(row["variant_id"], {})
    return sorted(rows, key=lambda row: (row["sequence"], row["generation_id"]))


def _partners(
    connection: sqlite3.Connection, extent: _Extent, rows: Sequence[Row], by: str, columns: Sequence[Column]
) -> list[Row]:
    """What stands beside these rows in the other columns, wherever in the plan it is."""
    lines = {(shared_axes(row["axes"], by), row["seed"], row["draw"]) for row in rows}
    wanted = [
        dict(shared) if column.value is None else {**dict(shared), by: column.value}
        for shared, column in itertools.product({line[0] for line in lines}, columns)
    ]
    if _ids_are_hashes(connection, extent):
        known = {variant_id(axes): shared_axes(axes, by) for axes in wanted}
    else:
        keys = {frozenset(axes.items()) for axes in wanted}
        variants = connection.execute("SELECT id, axes FROM variants WHERE experiment = ?", (extent.experiment,))
        every = ((id_, json.loads(axes or "{}")) for id_, axes in variants)
        known = {id_: shared_axes(axes, by) for id_, axes in every if frozenset(axes.items()) in keys}
    here = {row["rowid"] for row in rows}
    beside = [
        row["rowid"]
        for row in _of_variants(connection, extent, known, ", variant_id, seed, draw")
        if row["rowid"] not in here and (known[row["variant_id"]], row["seed"], row["draw"]) in lines
    ]
    return _read(connection, extent, beside)


# --- what a cell shows --------------------------------------------------------------------------------------------


def _with_images(connection: sqlite3.Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows with their images, each with its latest mark; a cached copy shows the mark of the paid image."""
    shown = {row["generation_id"]: row for row in rows}
    for row in rows:
        row["images"] = []
    sql = """
        SELECT i.id, i.generation_id, i.position, i.status, i.revised_prompt, i.sha256, i.width, i.height,
            (SELECT m.mark FROM marks m WHERE m.image_id = coalesce(paid.id, i.id) ORDER BY m.at DESC LIMIT 1) AS mark
        FROM images i
        JOIN generations g ON g.id = i.generation_id
        LEFT JOIN images paid ON paid.generation_id = g.cached_from AND paid.position = i.position
        WHERE i.generation_id IN ({}) ORDER BY i.generation_id, i.position
    """
    for image in where_in(connection, sql, shown):
        shown[image["generation_id"]]["images"].append(image)
    return rows
