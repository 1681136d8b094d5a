"""What the pages show, read from the log: plain functions over a connection, without Datasette and without HTML.

Each is a few indexed queries, so that a page costs the same beside a hundred rows and a hundred thousand.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab.compare import Grid, axes_of, build_grid, default_axis
from promptlab.log.runs import Runs
from promptlab.log.schema import SIMULATED_RUN

__all__ = [
    "ImageDetail",
    "RunCard",
    "SideBySide",
    "experiments",
    "find_run",
    "image_detail",
    "is_simulated",
    "recent_runs",
    "side_by_side",
]

Row = dict[str, Any]
_STRIP = 12  # thumbnails of a run on the runs page
_CHUNK = 500  # ids in one query, below SQLite's limit of 999 variables
_RUN_COLUMNS = (
    "id, kind, parent_run, experiment, project, user, host, provider, base_url, plan, status, started_at, ended_at, "
    "git_commit, git_branch, git_dirty, promptlab_version, planned, completed, cached, failed, credits, cost_usd, "
    f"{SIMULATED_RUN} AS simulated"
)
_UNKNOWN = ("unknown", "lost", "in_flight")


def is_simulated(row: Mapping[str, Any]) -> bool:
    """Whether a run or generation was simulated, as log.schema says it in SQL: such pictures say so everywhere."""
    return bool(row.get("simulated") or row.get("provider") == "simulator" or row.get("cost_source") == "simulated")


# --- the runs page ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCard:
    """One run with its counts as they are now, and a strip of its images, different variants first."""

    run: Row
    counts: Mapping[str, int]  # status → generations, with `cached` beside them
    strip: Sequence[Row]
    simulated: bool
    usd: tuple[float | None, float | None] = (None, None)  # what it cost, at least and at most; None is unknown
    credits: tuple[float | None, float | None] = (None, None)

    @property
    def done(self) -> int:
        """Generations that have their images, paid or cached."""
        return self.counts.get("completed", 0)

    @property
    def failed(self) -> int:
        """Generations that ended without an image, for certain."""
        return self.counts.get("failed", 0)

    @property
    def unknown(self) -> int:
        """Generations of unknown outcome: they may have been billed."""
        if self.run["status"] == "running":
            return self.counts.get("unknown", 0) + self.counts.get("lost", 0)
        return sum(self.counts.get(status, 0) for status in _UNKNOWN)


def experiments(connection: sqlite3.Connection) -> list[str]:
    """The names of experiments that have runs, the latest first."""
    query = "select experiment from runs group by experiment order by max(started_at) desc limit 50"
    return [row[0] for row in connection.execute(query)]


def recent_runs(
    connection: sqlite3.Connection, *, experiment: str | None = None, page: int = 1, size: int = 12
) -> tuple[list[RunCard], bool]:
    """A page of runs, the latest first, and whether there are more."""
    where, parameters = ("where experiment = ?", [experiment]) if experiment else ("where true", [])
    if _hides(connection):
        where += " and id not in (select run_id from hidden_runs)"
    query = f"select {_RUN_COLUMNS} from runs {where} order by started_at desc, id desc limit ? offset ?"  # noqa: S608
    runs = _all(connection, query, *parameters, size + 1, (page - 1) * size)
    return [_card(connection, run) for run in runs[:size]], len(runs) > size


def _hides(connection: sqlite3.Connection) -> bool:
    """Whether this log can hide runs; an older one is shown as it is, since a page does not migrate it."""
    return connection.execute("select 1 from sqlite_master where name = 'hidden_runs'").fetchone() is not None


def _card(connection: sqlite3.Connection, run: Row) -> RunCard:
    totals = _all(
        connection,
        "select status, count(*) as rows, count(cached_from) as cached from generations where run_id = ? "
        "group by status",
        run["id"],
    )
    counts = {row["status"]: row["rows"] for row in totals}
    counts["cached"] = sum(row["cached"] for row in totals)
    spent = Runs(Path(), connection).totals(run["id"])  # the run's own sums come at its end, and are not bounds
    usd, credits = (spent.cost_usd, spent.cost_usd_at_most), (spent.credits, spent.credits_at_most)
    return RunCard(run, counts, _strip(connection, run), is_simulated(run), usd, credits)


def _strip(connection: sqlite3.Connection, run: Row) -> list[Row]:
    order = "desc" if run["status"] == "running" else "asc"
    images = _all(
        connection,
        "select i.id, i.sha256, g.variant_id, g.prompt from generations g join images i on i.generation_id = g.id "  # noqa: S608
        "where g.run_id = ? and g.status = 'completed' and i.sha256 is not null "
        f"order by g.sequence {order} limit 240",
        run["id"],
    )
    first: dict[str, Row] = {}
    for image in images:
        first.setdefault(image["variant_id"], image)
    chosen = {row["id"]: row for row in [*first.values(), *images]}
    return list(chosen.values())[:_STRIP]


def find_run(connection: sqlite3.Connection, text: str) -> Row | None:
    """The run that a text names: its id, a unique prefix of it, an experiment (its latest run), or `last`."""
    start = f"select {_RUN_COLUMNS} from runs "  # noqa: S608
    latest = "order by started_at desc, id desc limit 1"
    if text in ("", "last"):
        found = _all(connection, start + latest)
    else:
        found = _all(connection, start + "where id = ?", text)
        found = found or _all(connection, start + "where experiment = ? " + latest, text)
        if not found and re.fullmatch(r"[0-9A-Za-z-]+", text):
            found = _all(connection, start + "where substr(id, 1, ?) = ? limit 2", len(text), text)
    return found[0] if len(found) == 1 else None


# --- side by side -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A page of a run's grid; the rows in its cells are generations with an `images` list."""

    run: Row
    grid: Grid
    axes: Mapping[str, Sequence[str]]  # axis → value ids, of the whole run
    only: Mapping[str, str]  # the filter in force
    simulated: bool


def side_by_side(
    connection: sqlite3.Connection,
    run: Row,
    *,
    by: str | None = None,
    only: Mapping[str, str] | None = None,
    lines: slice = slice(0, 200),
    columns: slice = slice(0, 24),
) -> SideBySide:
    """A run as a grid. `by`: an axis, "variant" for whole variants, None for the first axis that varies."""
    generations = _all(
        connection,
        "select id as generation_id, variant_id, seed, draw from generations where run_id = ? order by sequence, id",
        run["id"],
    )
    variants = _variants(connection, run["experiment"], {row["variant_id"] for row in generations})
    for row in generations:
        row["axes"] = variants.get(row["variant_id"], {})
    axes = axes_of(row["axes"] for row in {row["variant_id"]: row for row in generations}.values())
    if by is None or (by != "variant" and by not in axes):
        by = default_axis(axes) or "variant"
    only = {axis: value for axis, value in (only or {}).items() if axis in axes and axis != by}
    wanted = [row for row in generations if all(row["axes"].get(axis) == value for axis, value in only.items())]
    grid = build_grid(wanted, None if by == "variant" else by, lines=lines, columns=columns)
    _complete(connection, [row for line in grid.lines for cell in line.cells for row in cell])
    return SideBySide(run, grid, axes, only, is_simulated(run))


def _variants(connection: sqlite3.Connection, experiment: str, wanted: set[str]) -> dict[str, dict[str, str]]:
    rows = connection.execute("select id, axes from variants where experiment = ?", (experiment,))
    return {row[0]: json.loads(row[1] or "{}") for row in rows if row[0] in wanted}


def _complete(connection: sqlite3.Connection, rows: Iterable[Any]) -> None:
    """Fill the generations shown with what a cell shows, and with their images."""
    shown = {row["generation_id"]: row for row in rows}
    details = _where_in(
        connection,
        "select id as generation_id, sequence, status, prompt, negative_prompt, credits, cost_usd, cost_source, "
        "cached_from, latency_ms, error_code, error_message, provider, model from generations where id in ({})",
        shown,
    )
    for row in details:
        shown[row["generation_id"]].update(row, images=[])
    for image in _images(connection, shown):
        shown[image["generation_id"]]["images"].append(image)


def _images(connection: sqlite3.Connection, generation_ids: Iterable[str]) -> list[Row]:
    """The images of generations, each with its latest mark; a cached copy shows the mark of the paid image."""
    return _where_in(
        connection,
        """
        select i.id, i.generation_id, i.position, i.status, i.revised_prompt, i.sha256, i.width, i.height,
            (select m.mark from marks m where m.image_id = coalesce(paid.id, i.id) order by m.at desc limit 1) as mark
        from images i
        join generations g on g.id = i.generation_id
        left join images paid on paid.generation_id = g.cached_from and paid.position = i.position
        where i.generation_id in ({}) order by i.generation_id, i.position
        """,
        generation_ids,
    )


# --- one image ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageDetail:
    """One image and everything that is known about how it came to be."""

    image: Row
    generation: Row
    run: Row
    axes: Mapping[str, str]
    template: Row | None
    template_files: Sequence[Row]
    attempts: Sequence[Row]
    marks: Sequence[Row]
    simulated: bool
    same_generation: Sequence[Row] = field(default=())
    same_variant: Sequence[Row] = field(default=())
    same_seed: Sequence[Row] = field(default=())
    previous: str | None = None
    next: str | None = None


def image_detail(connection: sqlite3.Connection, key: str) -> ImageDetail | None:
    """Everything about the image with this id, or about the first image with this sha256."""
    column = "sha256" if re.fullmatch("[0-9a-f]{64}", key) else "id"
    image = _one(connection, f"select * from images where {column} = ? order by id limit 1", key)  # noqa: S608
    generation = image and _one(connection, "select * from generations where id = ?", image["generation_id"])
    run = generation and _one(
        connection,
        f"select {_RUN_COLUMNS} from runs where id = ?",  # noqa: S608
        generation["run_id"],
    )
    if image is None or generation is None or run is None:
        return None
    paid = generation["cached_from"] or generation["id"]
    variant = _variants_row(connection, generation)
    return ImageDetail(
        image=image,
        generation=generation,
        run=run,
        axes=json.loads(variant["axes"] or "{}") if variant else {},
        template=_one(
            connection,
            "select t.*, rt.ref, rt.git_commit, rt.git_dirty from templates t left join run_templates rt "
            "on rt.template_id = t.id and rt.run_id = ? where t.id = ? limit 1",
            run["id"],
            generation["template_id"],
        ),
        template_files=_all(
            connection, "select * from template_files where template_id = ?", generation["template_id"]
        ),
        attempts=_all(connection, "select * from attempts where generation_id = ? order by number", paid),
        marks=_all(
            connection,
            "select m.* from marks m join images i on i.id = m.image_id where i.generation_id = ? and i.position = ?",
            paid,
            image["position"],
        ),
        simulated=is_simulated(generation) or is_simulated(run),
        **_neighbours(connection, image, generation),
    )


def _variants_row(connection: sqlite3.Connection, generation: Row) -> Row | None:
    query = "select * from variants where experiment = ? and id = ?"
    return _one(connection, query, generation["experiment"], generation["variant_id"])


def _neighbours(connection: sqlite3.Connection, image: Row, generation: Row) -> dict[str, Any]:
    """The strips below an image: what shares its request, its variant, its seed; and the way on and back."""
    run_id, sequence = generation["run_id"], generation["sequence"]
    start = (
        "select i.id, i.sha256, g.id as generation_id, g.seed, g.draw, g.variant_id, g.prompt, v.axes "
        "from generations g join images i on i.generation_id = g.id left join variants v "
        "on v.experiment = g.experiment and v.id = g.variant_id where i.sha256 is not null and g.run_id = ? "
    )
    by_variant = (
        start + "and g.variant_id = ? and g.id is not ? order by g.sequence, i.position limit 24",
        (run_id, generation["variant_id"], generation["id"]),
    )
    by_seed = (
        start + "and g.seed = ? and g.draw = ? and g.variant_id is not ? order by g.sequence, i.position limit 24",
        (run_id, generation["seed"], generation["draw"], generation["variant_id"]),
    )
    alone = (start + "and g.id = ? and i.id is not ? order by i.position", (run_id, generation["id"], image["id"]))
    before = start + "and g.sequence < ? order by g.sequence desc, i.position limit 1"
    after = start + "and g.sequence > ? order by g.sequence, i.position limit 1"
    strips = {
        "same_generation": _all(connection, alone[0], *alone[1]),
        "same_variant": _all(connection, by_variant[0], *by_variant[1]),
        "same_seed": _all(connection, by_seed[0], *by_seed[1]) if generation["seed"] is not None else [],
    }
    for other in strips["same_seed"]:
        other["values"] = list(json.loads(other["axes"] or "{}").values())
    back, on = _one(connection, before, run_id, sequence), _one(connection, after, run_id, sequence)
    return {
        **strips,
        "previous": back["id"] if back else None,
        "next": on["id"] if on else None,
    }


# --- helpers ------------------------------------------------------------------------------------------------------


def _all(connection: sqlite3.Connection, query: str, *parameters: object) -> list[Row]:
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _one(connection: sqlite3.Connection, query: str, *parameters: object) -> Row | None:
    found = _all(connection, query, *parameters)
    return found[0] if found else None


def _where_in(connection: sqlite3.Connection, query: str, ids: Iterable[str]) -> list[Row]:
    """Run `query` with `in ({})` over any number of ids."""
    wanted = list(ids)
    rows: list[Row] = []
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        rows += _all(connection, query.format(",".join("?" * len(chunk))), *chunk)
    return rows
