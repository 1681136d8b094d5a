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

from promptlab.errors import InputError
from promptlab.log.runs import Runs, Totals
from promptlab.log.schema import SIMULATED_RUN

__all__ = [
    "ImageDetail",
    "Row",
    "RunCard",
    "experiments",
    "fetch",
    "find_run",
    "has_table",
    "image_detail",
    "image_words",
    "recent_runs",
    "where_in",
]

Row = dict[str, Any]
_STRIP = 12  # thumbnails of a run on the runs page
_CHUNK = 500  # ids in one query, below SQLite's limit of 999 variables
_RUN_COLUMNS = (
    "id, kind, parent_run, experiment, project, user, host, provider, base_url, plan, status, started_at, ended_at, "
    "git_commit, git_branch, git_dirty, promptlab_version, planned, completed, cached, failed, credits, cost_usd, "
    f"{SIMULATED_RUN} AS simulated"
)


# --- the runs page ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCard:
    """One run with its sums as they are now, and a strip of its images, different variants first."""

    run: Row
    totals: Totals
    strip: Sequence[Row]
    simulated: bool
    votes: int = 0  # ballots that hold, of people, in the polls on this run
    voted_by: str | None = None  # the axis of the latest of those polls

    @property
    def done(self) -> int:
        """Generations that have their images, paid or cached."""
        return self.totals.completed + self.totals.cached

    @property
    def unknown(self) -> int:
        """Generations of unknown outcome: they may have been billed."""
        waiting = 0 if self.run["status"] == "running" else self.totals.in_flight
        return self.totals.unknown + self.totals.lost + waiting

    @property
    def usd(self) -> tuple[float | None, float | None]:
        """What it cost, at least and at most; None is unknown."""
        return self.totals.cost_usd, self.totals.cost_usd_at_most

    @property
    def credits(self) -> tuple[float | None, float | None]:
        """The same in the provider's credits."""
        return self.totals.credits, self.totals.credits_at_most


def experiments(connection: sqlite3.Connection) -> list[str]:
    """The names of experiments that have runs, the latest first."""
    query = "select experiment from runs group by experiment order by max(started_at) desc limit 50"
    return [row[0] for row in connection.execute(query)]


def recent_runs(
    connection: sqlite3.Connection, *, experiment: str | None = None, page: int = 1, size: int = 12
) -> tuple[list[RunCard], bool]:
    """A page of runs, the latest first, and whether there are more."""
    where, parameters = ("where experiment = ?", [experiment]) if experiment else ("where true", [])
    if has_table(connection, "hidden_runs"):
        where += " and id not in (select run_id from hidden_runs)"
    query = f"select {_RUN_COLUMNS} from runs {where} order by started_at desc, id desc limit ? offset ?"  # noqa: S608
    runs = fetch(connection, query, *parameters, size + 1, (page - 1) * size)
    return [_card(connection, run) for run in runs[:size]], len(runs) > size


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether this log has a table or view; an older one is shown as it is, since a page does not migrate it."""
    return connection.execute("select 1 from sqlite_master where name = ?", (name,)).fetchone() is not None


def _card(connection: sqlite3.Connection, run: Row) -> RunCard:
    totals = Runs(Path(), connection).totals(run["id"])  # the run's own sums come at its end, and are not bounds
    return RunCard(run, totals, _strip(connection, run), bool(run["simulated"]), *_votes(connection, run["id"]))


def _votes(connection: sqlite3.Connection, run_id: str) -> tuple[int, str | None]:
    """How many ballots the polls on a run have, and the axis that was voted on last."""
    if not has_table(connection, "polls"):
        return 0, None
    sql = """
        SELECT p.axis, (SELECT count(*) FROM ballots b WHERE b.poll_id = p.id AND b.undone_at IS NULL) AS ballots
        FROM polls p WHERE p.run_id = ? ORDER BY p.opened_at DESC, p.id DESC
    """
    polls = [row for row in fetch(connection, sql, run_id) if row["ballots"]]
    return sum(row["ballots"] for row in polls), polls[0]["axis"] if polls else None


def _strip(connection: sqlite3.Connection, run: Row) -> list[Row]:
    order = "desc" if run["status"] == "running" else "asc"
    images = fetch(
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


def find_run(connection: sqlite3.Connection, text: str, *, whole: bool = False) -> Row | None:
    """The run that a text names, as on the command line: an id, the start of one, an experiment, or `last`.

    `whole`: of a name whose latest run is a redo, the run that was redone, since only that one has all variants.
    """
    try:
        runs = Runs(Path(), connection)
        run = runs.find_whole_run(text or "last") if whole else runs.find_run(text or "last")
    except InputError:
        return None
    return _one(connection, f"select {_RUN_COLUMNS} from runs where id = ?", run.id)  # noqa: S608


# --- one image ----------------------------------------------------------------------------------------------------


def image_words(connection: sqlite3.Connection, key: str) -> Row | None:
    """What is told of an image in a few lines: its prompts, values and cost."""
    image = _one(
        connection,
        "select i.id, i.revised_prompt, g.prompt, g.negative_prompt, g.seed, g.draw, g.cost_usd, g.credits, "
        "g.cost_source, g.cached_from, g.latency_ms, g.model, g.provider, g.n, v.axes "
        "from images i join generations g on g.id = i.generation_id "
        "left join variants v on v.experiment = g.experiment and v.id = g.variant_id where i.id = ?",
        key,
    )
    if image is not None:
        image["axes"] = json.loads(image["axes"] or "{}")
    return image


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
        template_files=fetch(
            connection, "select * from template_files where template_id = ?", generation["template_id"]
        ),
        attempts=fetch(connection, "select * from attempts where generation_id = ? order by number", paid),
        marks=fetch(
            connection,
            "select m.* from marks m join images i on i.id = m.image_id where i.generation_id = ? and i.position = ?",
            paid,
            image["position"],
        ),
        simulated=bool(run["simulated"]),
        **_neighbours(connection, image, generation),
    )


def _variants_row(connection: sqlite3.Connection, generation: Row) -> Row | None:
    query = "select * from variants where experiment = ? and id = ?"
    return _one(connection, query, generation["experiment"], generation["variant_id"])


def _neighbours(connection: sqlite3.Connection, image: Row, generation: Row) -> dict[str, Any]:
    """The strips below an image: what shares its request, its variant, its seed; and the way on and back."""
    run_id, sequence, seed = generation["run_id"], generation["sequence"], generation["seed"]
    start = (
        "select i.id, i.sha256, g.id as generation_id, g.seed, g.draw, g.variant_id, g.prompt, v.axes "
        "from generations g join images i on i.generation_id = g.id left join variants v "
        "on v.experiment = g.experiment and v.id = g.variant_id where i.sha256 is not null and "
    )
    in_run, in_order = "g.run_id = ?", "order by g.sequence, i.position limit"
    # `+` keeps SQLite from walking the whole run where another index finds few rows: a variant, or a seed used once.
    by_variant = f"{start} +{in_run} and g.experiment = ? and g.variant_id = ? and g.id is not ? {in_order} 24"
    rare = _one(connection, "select 1 from generations where seed = ? limit 1 offset 500", seed) is None
    of_seed = f"{'+' if rare else ''}{in_run} and g.seed = ? and g.draw = ? and g.variant_id is not ?"
    alone = f"{start} {in_run} and g.id = ? and i.id is not ? order by i.position"
    beside = f"{start} g.id = ? and i.position {{}} ? order by i.position {{}} limit 1"
    before = f"{start} {in_run} and g.sequence < ? order by g.sequence desc, i.position desc limit 1"
    variant = (run_id, generation["experiment"], generation["variant_id"], generation["id"])
    same_seed = []
    if seed is not None:
        values = (run_id, seed, generation["draw"], generation["variant_id"])
        same_seed = fetch(connection, f"{start} {of_seed} {in_order} 24", *values)
    for other in same_seed:
        other["values"] = list(json.loads(other["axes"] or "{}").values())
    place = (generation["id"], image["position"])
    back = _one(connection, beside.format("<", "desc"), *place) or _one(connection, before, run_id, sequence)
    on = _one(connection, beside.format(">", "asc"), *place) or _one(
        connection, f"{start} {in_run} and g.sequence > ? {in_order} 1", run_id, sequence
    )
    return {
        "same_generation": fetch(connection, alone, run_id, generation["id"], image["id"]),
        "same_variant": fetch(connection, by_variant, *variant),
        "same_seed": same_seed,
        "previous": back["id"] if back else None,
        "next": on["id"] if on else None,
    }


# --- reading rows -------------------------------------------------------------------------------------------------


def fetch(connection: sqlite3.Connection, query: str, *parameters: object) -> list[Row]:
    """The rows of a query, each as column → value."""
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def where_in(connection: sqlite3.Connection, query: str, ids: Iterable[object], *parameters: object) -> list[Row]:
    """The rows of a query that ends in `IN ({})`, over any number of ids; `parameters` come before them."""
    wanted = list(ids)
    rows: list[Row] = []
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        rows += fetch(connection, query.format(",".join("?" * len(chunk))), *parameters, *chunk)
    return rows


def _one(connection: sqlite3.Connection, query: str, *parameters: object) -> Row | None:
    found = fetch(connection, query, *parameters)
    return found[0] if found else None
