"""Reading the generations of a grid: where a run's rows lie, and what a cell shows of each."""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from promptlab.browse.page_data import Row, has_table, where_in

__all__ = ["SHOWN", "Extent", "axes_by_id", "of_variants", "read_rows", "read_variant", "with_images"]

#: The columns of a generation that a cell has.
SHOWN = (
    "g.rowid, g.id AS generation_id, g.variant_id, g.seed, g.draw, g.sequence, g.status, g.prompt, g.negative_prompt, "
    "g.credits, g.cost_usd, g.cost_source, g.cached_from, g.latency_ms, g.error_code, g.error_message, g.provider, "
    "g.model"
)


@dataclass(frozen=True, slots=True)
class Extent:
    """A run's generations: how many, and the rowids they lie between, by which an index finds them alone."""

    run_id: str
    experiment: str
    rows: int
    first: int
    last: int
    settled: bool = False  # alone, summed up, and none of them only planned or skipped

    @property
    def alone(self) -> bool:
        """Whether no other run has a row in between."""
        return self.last - self.first + 1 == self.rows

    @classmethod
    def of(cls, connection: sqlite3.Connection, run: Row) -> Extent:
        """Where a run's rows lie. Rows are inserted in the order of the plan, so that the first and the last of it are
        the ends, and the log's sums say how many there are; where these don't agree, all are looked at."""
        id_, experiment = run["id"], run["experiment"]
        if has_table(connection, "run_parts"):
            sql = "SELECT total(generations), total(planned) + total(skipped) FROM run_parts WHERE run_id = ?"
            rows, waiting = connection.execute(sql, (id_,)).fetchone()
            ends = [
                connection.execute(
                    f"SELECT rowid FROM generations WHERE run_id = ? ORDER BY sequence {way} LIMIT 1", (id_,)
                )
                for way in ("", "DESC")
            ]
            first, last = (row[0] if (row := end.fetchone()) else 0 for end in ends)
            if last - first + 1 == rows:
                return cls(id_, experiment, int(rows), first, last, settled=not waiting)
        sql = "SELECT count(*), ifnull(min(rowid), 0), ifnull(max(rowid), 0) FROM generations WHERE run_id = ?"
        return cls(id_, experiment, *connection.execute(sql, (id_,)).fetchone())


def read_variant(
    connection: sqlite3.Connection, extent: Extent, variant_id: str, column: str, limit: int = -1
) -> list[Any]:
    """One column of a variant's generations in this run, in the order of the plan."""
    sql = f"""
        SELECT {column} FROM generations WHERE experiment = ? AND variant_id = ? AND rowid BETWEEN ? AND ?
          {"" if extent.alone else "AND run_id = ?"} ORDER BY rowid LIMIT ?
    """
    own = [] if extent.alone else [extent.run_id]
    values = (extent.experiment, variant_id, extent.first, extent.last, *own, limit)
    return [value for (value,) in connection.execute(sql, values)]


def of_variants(connection: sqlite3.Connection, extent: Extent, ids: Iterable[str], more: str = "") -> list[Row]:
    """The rowids of this run's generations of these variants, and `more` columns; from an index alone where there are
    none, and no other run has rows in between."""
    own = "" if extent.alone else "AND run_id = ?"
    sql = (
        f"SELECT rowid {more} FROM generations INDEXED BY generations_experiment "
        f"WHERE experiment = ? AND rowid BETWEEN ? AND ? {own} AND variant_id IN ({{}})"
    )
    bounds = (extent.experiment, extent.first, extent.last, *([] if extent.alone else [extent.run_id]))
    return where_in(connection, sql, ids, *bounds)


def axes_by_id(connection: sqlite3.Connection, experiment: str, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Variant → its axes, in the order of `ids`."""
    wanted = list(ids)
    sql = "SELECT id, axes FROM variants WHERE experiment = ? AND id IN ({})"
    found = {row["id"]: json.loads(row["axes"] or "{}") for row in where_in(connection, sql, wanted, experiment)}
    return {id_: found[id_] for id_ in wanted if id_ in found}


def read_rows(connection: sqlite3.Connection, extent: Extent, rowids: Iterable[int]) -> list[Row]:
    """These generations with their axes, in the order of the plan."""
    rows = where_in(connection, f"SELECT {SHOWN} FROM generations g WHERE g.rowid IN ({{}})", rowids)
    axes = axes_by_id(connection, extent.experiment, {row["variant_id"] for row in rows})
    for row in rows:
        row["axes"] = axes.get(row["variant_id"], {})
    return sorted(rows, key=lambda row: (row["sequence"], row["generation_id"]))


def with_images(connection: sqlite3.Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows with their images, each with its latest mark; a cached copy shows the mark of the paid image."""
    shown = {row["generation_id"]: row for row in rows}
    for row in rows:
        row["images"] = []
    sql = """
        SELECT i.id, i.generation_id, i.position, i.status, i.revised_prompt, i.sha256, i.width, i.height,
            coalesce(paid.id, i.id) AS paid_id,
            (SELECT m.mark FROM marks m WHERE m.image_id = coalesce(paid.id, i.id)
              ORDER BY m.at DESC, m."by" LIMIT 1) AS mark
        FROM images i
        JOIN generations g ON g.id = i.generation_id
        LEFT JOIN images paid ON paid.generation_id = g.cached_from AND paid.position = i.position
        WHERE i.generation_id IN ({}) ORDER BY i.generation_id, i.position
    """
    for image in where_in(connection, sql, shown):
        shown[image["generation_id"]]["images"].append(image)
    for row in rows:
        row["shown"] = max(1, len(row["images"]))  # what it takes of a cell: a hole, or its pictures
    return rows
