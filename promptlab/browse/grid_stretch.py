"""A run of more variants than can be looked through for one page: a page is a stretch of its plan.

Each generation of the stretch stands beside what it can be compared with, wherever in the plan that is. Plain functions
over a connection.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import itertools
import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from promptlab.browse.grid_rows import Extent, axes_by_id, of_variants, read_rows, with_images
from promptlab.browse.page_data import Row
from promptlab.compare import Column, Grid, axes_of, build_grid, column_of, shared_axes
from promptlab.compare.layout import SEED
from promptlab.plan.identity import variant_id

__all__ = ["LISTED", "Stretch", "read_stretch", "sampled_axes", "sampled_seeds"]

LISTED = 100  # values of an axis that a page lists
_SAMPLE = 1_000  # rows read from the start of the plan, and again spread over it, to learn the axes


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch as a grid: how many generations it found, of how many that fit (None: not counted)."""

    grid: Grid
    found: int
    total: int | None
    width: int
    total_columns: int


def sampled_axes(connection: sqlite3.Connection, extent: Extent) -> dict[str, list[str]]:
    """Axis → its values, as far as a sample of the plan meets them."""
    return axes_of(_sample(connection, extent).values())


def sampled_seeds(connection: sqlite3.Connection, extent: Extent) -> list[int]:
    """The seeds at the start of the plan: every variant has the same."""
    sql = "SELECT seed FROM generations WHERE run_id = ? ORDER BY sequence LIMIT ?"
    found = connection.execute(sql, (extent.run_id, _SAMPLE))
    return [seed for seed in dict.fromkeys(seed for (seed,) in found) if seed is not None]


def read_stretch(
    connection: sqlite3.Connection,
    extent: Extent,
    axes: Mapping[str, Sequence[str]],
    only: Mapping[str, str],
    by: str | None,
    compared: Sequence[str],
    *,
    start: int,
    size: int,
    width: int,
    across: int,
    most: int,
) -> Stretch:
    """The generations from `start` on that fit, with what stands beside them; `most` variants are computed at once."""
    ids, total = _stretch(connection, extent, axes, only, start, size, most)
    rows = read_rows(connection, extent, ids)
    columns = _columns(rows, by, compared)
    width = max(1, min(width, len(columns)))
    shown = columns[(across - 1) * width : across * width]
    if by is not None and compared:
        rows += _partners(connection, extent, rows, by, shown)
    grid = build_grid(with_images(connection, rows), by, shown)
    return Stretch(grid, len(ids), total, width, len(columns))


def _sample(connection: sqlite3.Connection, extent: Extent) -> dict[str, dict[str, str]]:
    """Variants from the start of the plan, where the inner axes turn, and spread over it, where the outer ones do."""
    sql = "SELECT variant_id FROM generations WHERE run_id = ? AND sequence >= ? ORDER BY sequence LIMIT ?"
    ids = [id_ for (id_,) in connection.execute(sql, (extent.run_id, 0, _SAMPLE))]
    for place in range(_SAMPLE):
        ids += [id_ for (id_,) in connection.execute(sql, (extent.run_id, extent.rows * place // _SAMPLE, 1))]
    return axes_by_id(connection, extent.experiment, dict.fromkeys(ids))


def _stretch(
    connection: sqlite3.Connection,
    extent: Extent,
    axes: Mapping[str, Sequence[str]],
    only: Mapping[str, str],
    start: int,
    size: int,
    most: int,
) -> tuple[list[int], int | None]:
    """The rowids of the generations from `start` on that fit the filter, and how many fit where that is known."""
    seed, only = only.get(SEED), {axis: value for axis, value in only.items() if axis != SEED}
    of_seed, seeds = ("AND seed = ?", [seed]) if seed is not None else ("", [])
    if not only:
        sql = f"SELECT rowid FROM generations WHERE run_id = ? {of_seed} ORDER BY sequence LIMIT ? OFFSET ?"
        found = connection.execute(sql, (extent.run_id, *seeds, size, start))
        return [rowid for (rowid,) in found], extent.rows if seed is None else None
    free = {axis: [*values, None] for axis, values in axes.items() if axis not in only}  # None: it does not apply
    few = all(len(values) <= LISTED for values in free.values()) and math.prod(map(len, free.values())) <= most
    if few and _ids_are_hashes(connection, extent):
        cells = [variant_id({**only, **_present(free, cell)}) for cell in itertools.product(*free.values())]
        rows = of_variants(connection, extent, cells, ", seed" if seeds else "")
        fitting = sorted(row["rowid"] for row in rows if seed is None or str(row["seed"]) == seed)
        return fitting[start : start + size], len(fitting)
    condition = " AND EXISTS (SELECT 1 FROM json_each(v.axes) e WHERE e.key = ? AND e.value = ?)" * len(only)
    sql = f"""
        SELECT g.rowid FROM generations g JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
        WHERE g.run_id = ? {condition} {of_seed} ORDER BY g.sequence LIMIT ? OFFSET ?
    """
    values = [text for pair in only.items() for text in pair]
    return [rowid for (rowid,) in connection.execute(sql, (extent.run_id, *values, *seeds, size, start))], None


def _present(axes: Iterable[str], cell: Iterable[str | None]) -> dict[str, str]:
    return {axis: value for axis, value in zip(axes, cell, strict=True) if value is not None}


def _ids_are_hashes(connection: sqlite3.Connection, extent: Extent) -> bool:
    """Whether the ids of this run's variants can be computed, as in every log of promptlab."""
    sql = "SELECT variant_id FROM generations WHERE run_id = ? ORDER BY sequence LIMIT 1"
    (id_,) = connection.execute(sql, (extent.run_id,)).fetchone()
    return all(variant_id(axes) == id_ for axes in axes_by_id(connection, extent.experiment, [id_]).values())


def _columns(rows: Sequence[Row], by: str | None, compared: Sequence[str]) -> list[Column]:
    """The columns of a stretch: every value of an axis of few, else those that it meets."""
    found = {f"={value}": Column(f"={value}", value, value) for value in compared}
    for row in rows:
        column = column_of(row["variant_id"], row["axes"], by)
        found.setdefault(column.key, column)
    return list(found.values())


def _partners(
    connection: sqlite3.Connection, extent: Extent, rows: Sequence[Row], by: str, columns: Sequence[Column]
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
        for row in of_variants(connection, extent, known, ", variant_id, seed, draw")
        if row["rowid"] not in here and (known[row["variant_id"]], row["seed"], row["draw"]) in lines
    ]
    return read_rows(connection, extent, beside)
