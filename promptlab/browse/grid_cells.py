"""The generations of a grid's cells, each found in an index: few rows are read, however many fit.

Plain functions over a connection.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptlab.browse.grid_rows import SHOWN, Extent, read_rows, read_variant, with_images
from promptlab.browse.page_data import Row, fetch, where_in
from promptlab.compare import CellsPage, Grid, Layout, Line, Piece, VariantRows, cut_cells

__all__ = ["IN_CELL", "CellsFound", "count_cells", "read_page", "read_piece"]

IN_CELL = 4  # generations shown in one cell: two by two
_LOOKED_AT = 64  # variants of one cell that are asked for their rows
_Cell = tuple[tuple[VariantRows, ...], int | None]


@dataclass(frozen=True, slots=True)
class CellsFound:
    """A page of cells as a grid, and what it is a part of."""

    grid: Grid
    total_rows: int
    total_columns: int


def read_piece(connection: sqlite3.Connection, extent: Extent, piece: Piece) -> list[Row]:
    """The rows of one variant that stand on a page."""
    sql = f"""
        SELECT {SHOWN} FROM generations g
        WHERE g.experiment = ? AND g.variant_id = ? AND g.rowid BETWEEN ? AND ? AND g.run_id = ?
        ORDER BY g.rowid LIMIT ? OFFSET ?
    """
    bounds = (extent.experiment, piece.variant_id, extent.first, extent.last, extent.run_id)
    return fetch(connection, sql, *bounds, piece.stop - piece.start, piece.start)


def count_cells(variants: Sequence[VariantRows], layout: Layout, seeds: Sequence[int]) -> tuple[int, int]:
    """How many rows and columns there are in all."""
    everything = slice(0, 0)
    page = cut_cells((), variants, layout, seeds, held_seed=None, order={}, lines=everything, columns=everything)
    return page.total_rows, page.total_columns


def read_page(
    connection: sqlite3.Connection,
    extent: Extent,
    layout: Layout,
    matching: Sequence[VariantRows],
    frame: Sequence[VariantRows],
    seeds: Sequence[int],
    *,
    held_seed: int | None,
    order: Mapping[str, Sequence[str]],
    lines: slice,
    columns: slice,
) -> CellsFound:
    """The cells of one page with their generations, at most four in each."""
    page = cut_cells(
        matching, frame, layout, seeds, held_seed=held_seed, order=order, lines=lines, columns=columns
    )  # fmt: skip
    cells = [cell for line in page.cells for cell in line]
    found = _by_seed(connection, extent, cells) if any(seed is not None for _, seed in cells) else None
    chosen = [_of_cell(connection, extent, cell, found) for cell in cells]
    rows = {row["rowid"]: row for row in read_rows(connection, extent, [id_ for ids, _ in chosen for id_ in ids])}
    with_images(connection, list(rows.values()))
    lines_ = list(_lines(page, chosen, rows, layout))
    return CellsFound(Grid(layout.axis, page.columns, tuple(lines_)), page.total_rows, page.total_columns)


def _lines(
    page: CellsPage, chosen: Sequence[tuple[Sequence[int], int]], rows: Mapping[int, Row], layout: Layout
) -> Iterator[Line]:
    width = len(page.columns)
    for number, heading in enumerate(page.rows):
        mine = chosen[number * width : (number + 1) * width]
        cells = tuple(tuple(rows[rowid] for rowid in ids if rowid in rows) for ids, _ in mine)
        more = tuple(count - len(cell) for (_, count), cell in zip(mine, cells, strict=True))
        yield Line(heading.axes, heading.seed, 0, _is_matched(cells, layout), cells, more)


def _is_matched(cells: Sequence[Sequence[Row]], layout: Layout) -> bool:
    """Whether the cells of a line differ in their column alone."""
    if layout.axis is None:
        return False
    shared = [
        {(tuple(sorted(pair for pair in row["axes"].items() if pair[0] != layout.axis)), row["seed"], row["draw"])
         for row in cell}
        for cell in cells if cell
    ]  # fmt: skip
    return (
        len(shared) > 1
        and all(each == shared[0] for each in shared)
        and all(seed is not None for _, seed, _ in shared[0])
    )


def _of_cell(
    connection: sqlite3.Connection, extent: Extent, cell: _Cell, by_seed: Mapping[tuple[str, int], list[int]] | None
) -> tuple[list[int], int]:
    """The rowids that a cell shows, and how many it has in all."""
    variants, seed = cell
    if by_seed is not None:
        ids = [rowid for variant in variants for rowid in by_seed.get((variant.id, seed or 0), ())]
        return ids[:IN_CELL], len(ids)
    ids = []
    for variant in variants[:_LOOKED_AT]:
        if len(ids) >= IN_CELL:
            break
        ids += read_variant(connection, extent, variant.id, "rowid", IN_CELL)
    return ids[:IN_CELL], sum(variant.rows for variant in variants)


def _by_seed(
    connection: sqlite3.Connection, extent: Extent, cells: Sequence[_Cell]
) -> dict[tuple[str, int], list[int]]:
    """(variant, seed) → its rowids, over the cells of a page: by the variants where these have few rows, else by the
    seeds, of which there are many then."""
    variants = {variant.id: variant.rows for those, _ in cells for variant in those}
    seeds = {seed for _, seed in cells if seed is not None}
    start = "SELECT rowid, variant_id, seed FROM generations INDEXED BY"
    bounds: list[object] = [extent.first, extent.last, *([] if extent.alone else [extent.run_id])]
    own = f"rowid BETWEEN ? AND ? {'' if extent.alone else 'AND run_id = ?'}"
    if sum(variants.values()) > 4 * len(seeds) * len(variants):
        sql = f"{start} generations_seed WHERE {own} AND seed IN ({{}})"
        rows = where_in(connection, sql, seeds, *bounds)
    else:
        sql = f"{start} generations_experiment WHERE experiment = ? AND {own} AND variant_id IN ({{}})"
        rows = where_in(connection, sql, variants, extent.experiment, *bounds)
    found: dict[tuple[str, int], list[int]] = {}
    for row in sorted(rows, key=lambda row: int(row["rowid"])):
        if row["seed"] in seeds and row["variant_id"] in variants:
            found.setdefault((row["variant_id"], row["seed"]), []).append(row["rowid"])
    return found
