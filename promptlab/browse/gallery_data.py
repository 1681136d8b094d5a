"""A page of the wall of pictures, read from the log: what it costs does not grow with the log.

Pictures stand in the order of their plan, the runs latest first. A page begins after a generation (`after`) or ends
before one (`before`), so that the thousandth page costs what the first one does. Which generations a filter leaves is
found in indexes alone, as sets of rowids; only the rows of the page are read. Plain functions over a connection.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from promptlab.browse.page_data import Row, fetch, has_table, where_in

__all__ = ["GalleryFilter", "GalleryPage", "Scope", "gallery_page", "matching", "scope_of"]

MarkFilter = Literal["keep", "reject", "unmarked"]
_REVISED = 5_000  # hits of a search among revised prompts, at most: each has to be looked up
_AT_ONCE = 200  # generations read together, while a page is filled


@dataclass(frozen=True, slots=True)
class GalleryFilter:
    """What a reader asks for; None and empty narrow nothing."""

    run: str | None = None  # a run's id
    experiment: str | None = None
    axes: Mapping[str, str] = field(default_factory=dict)
    mark: MarkFilter | None = None
    template: str | None = None  # its path
    provider: str | None = None
    query: str | None = None  # words that the prompt or the revised prompt has


@dataclass(frozen=True, slots=True)
class Scope:
    """The runs that are looked through, in the order in which they are shown: the latest first."""

    runs: Sequence[Row]  # id, experiment, provider, simulated

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [run["id"] for run in self.runs]


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """The pictures of one page, and the generations that the pages beside it begin at."""

    images: Sequence[Row]
    before: str | None  # there is a page that ends before this generation
    after: str | None  # there is a page that begins after this generation
    many_revised: bool  # more revised prompts fit the search than are looked up


def scope_of(connection: sqlite3.Connection, wanted: GalleryFilter) -> Scope:
    """The runs of a filter. Of several, those that only verify, and hidden ones, stay out; one that is named is in."""
    conditions, values = [], []
    if wanted.run:
        conditions, values = ["id = ?"], [wanted.run]
    else:
        conditions = ["kind <> 'verify'"]
        if has_table(connection, "hidden_runs"):
            conditions.append("id NOT IN (SELECT run_id FROM hidden_runs)")
        if wanted.experiment:
            conditions, values = [*conditions, "experiment = ?"], [wanted.experiment]
    if wanted.provider:
        conditions, values = [*conditions, "provider = ?"], [*values, wanted.provider]
    sql = f"""
        SELECT id, experiment, provider, status, provider = 'simulator' AS simulated FROM runs
        WHERE {" AND ".join(conditions)} ORDER BY started_at DESC, id DESC
    """
    return Scope(fetch(connection, sql, *values))


def gallery_page(
    connection: sqlite3.Connection,
    wanted: GalleryFilter,
    scope: Scope,
    *,
    size: int,
    after: str | None = None,
    before: str | None = None,
) -> GalleryPage:
    """About `size` pictures: a generation's are never torn apart."""
    found, many = matching(connection, wanted, scope)
    backwards = before is not None and after is None
    start = _place(connection, before if backwards else after)
    order = scope.ids[::-1] if backwards else scope.ids
    walk = _walk(connection, order, found, start, backwards=backwards)
    images, more = _fill(connection, walk, wanted, size)
    if backwards:
        place = {run: number for number, run in enumerate(scope.ids)}
        images.sort(key=lambda image: (place[image["run_id"]], image["sequence"], image["position"]))
    first, last = (images[0]["generation_id"], images[-1]["generation_id"]) if images else (None, None)
    ahead = first is not None and (more if backwards else start is not None)
    behind = last is not None and (True if backwards else more)
    return GalleryPage(images, first if ahead else None, last if behind else None, many)


# --- which generations --------------------------------------------------------------------------------------------


def matching(connection: sqlite3.Connection, wanted: GalleryFilter, scope: Scope) -> tuple[set[int] | None, bool]:
    """The rowids that the filter leaves (None: all), and whether a search has more hits than were looked up.

    A generation with one picture that fits is in; `unmarked` is left to whoever reads the pictures.
    """
    sets: list[set[int]] = []
    many = False
    if wanted.axes:
        sets.append(_of_axes(connection, wanted.axes, scope))
    if wanted.template:
        sql = "SELECT rowid FROM generations WHERE template_id IN (SELECT id FROM templates WHERE path = ?)"
        sets.append({rowid for (rowid,) in connection.execute(sql, (wanted.template,))})
    if wanted.mark in ("keep", "reject"):
        sets.append(_marked(connection, wanted.mark))
    if wanted.query:
        hits, many = _search(connection, wanted.query)
        sets.append(hits)
    return (set.intersection(*sets) if sets else None), many


def _of_axes(connection: sqlite3.Connection, axes: Mapping[str, str], scope: Scope) -> set[int]:
    """The generations whose variants have these values, from an index alone."""
    condition = " AND EXISTS (SELECT 1 FROM json_each(v.axes) e WHERE e.key = ? AND e.value = ?)" * len(axes)
    values = [text for pair in axes.items() for text in pair]
    found: set[int] = set()
    for experiment in dict.fromkeys(run["experiment"] for run in scope.runs):
        sql = f"""
            SELECT g.rowid FROM variants v CROSS JOIN generations g INDEXED BY generations_experiment
            ON g.experiment = v.experiment AND g.variant_id = v.id WHERE v.experiment = ? {condition}
        """
        found.update(rowid for (rowid,) in connection.execute(sql, (experiment, *values)))
    return found


def _marked(connection: sqlite3.Connection, mark: str) -> set[int]:
    """The generations that show a picture whose latest mark is this one, copies from the cache too."""
    sql = """
        WITH marked AS (SELECT DISTINCT i.generation_id FROM marks k CROSS JOIN images i ON i.id = k.image_id
          WHERE k.mark = ? AND NOT EXISTS (SELECT 1 FROM marks n WHERE n.image_id = k.image_id
            AND (n.at > k.at OR (n.at = k.at AND n."by" < k."by"))))
        SELECT g.rowid FROM marked m CROSS JOIN generations g ON g.id = m.generation_id
        UNION ALL SELECT g.rowid FROM marked m CROSS JOIN generations g ON g.cached_from = m.generation_id
    """
    return {rowid for (rowid,) in connection.execute(sql, (mark,))}


def _search(connection: sqlite3.Connection, text: str) -> tuple[set[int], bool]:
    """The generations whose prompt, negative prompt or revised prompt has all these words."""
    query = _fts_query(text)
    if not query:
        return set(), False
    sql = "SELECT rowid FROM generations_fts WHERE generations_fts MATCH ?"
    hits = {rowid for (rowid,) in connection.execute(sql, (query,))}
    sql = "SELECT rowid FROM images_fts WHERE images_fts MATCH ? ORDER BY rowid DESC LIMIT ?"
    revised = [rowid for (rowid,) in connection.execute(sql, (query, _REVISED + 1))]
    sql = "SELECT g.rowid FROM images i CROSS JOIN generations g ON g.id = i.generation_id WHERE i.rowid IN ({})"
    hits.update(row["rowid"] for row in where_in(connection, sql, revised[:_REVISED]))
    return hits, len(revised) > _REVISED


def _fts_query(text: str) -> str:
    """Words as a full-text query: each is looked for as it stands, and none is an operator."""
    words = [word.replace('"', "") for word in text.replace("\0", " ").split()]
    return " ".join(f'"{word}"' for word in words if word)


# --- in which order -----------------------------------------------------------------------------------------------


def _place(connection: sqlite3.Connection, generation: str | None) -> tuple[str, int] | None:
    """Where a generation stands: its run and its place in the plan."""
    row = connection.execute("SELECT run_id, sequence FROM generations WHERE id = ?", (generation,)).fetchone()
    return None if row is None else (row[0], row[1])


def _walk(
    connection: sqlite3.Connection,
    runs: Sequence[str],
    found: set[int] | None,
    start: tuple[str, int] | None,
    *,
    backwards: bool,
) -> Iterator[int]:
    """The rowids in the order of the wall from `start` on, from an index alone."""
    if found is not None and not found:
        return
    if start is not None and start[0] in runs:
        runs = runs[runs.index(start[0]) :]
    sign, direction = ("<", "DESC") if backwards else (">", "ASC")
    for run in runs:
        condition, values = "", [run]
        if start is not None and run == start[0]:
            condition, values = f"AND sequence {sign} ?", [run, start[1]]  # type: ignore[list-item]
        sql = f"SELECT rowid FROM generations WHERE run_id = ? {condition} ORDER BY sequence {direction}"
        for (rowid,) in connection.execute(sql, values):
            if found is None or rowid in found:
                yield rowid


def _fill(
    connection: sqlite3.Connection, walk: Iterator[int], wanted: GalleryFilter, size: int
) -> tuple[list[Row], bool]:
    """Pictures until there are `size`, whole generations, and whether one more would follow."""
    images: list[Row] = []
    while True:
        chunk = [rowid for _, rowid in zip(range(_AT_ONCE), walk, strict=False)]
        if not chunk:
            return images, False
        by_generation: dict[str, list[Row]] = {}
        for image in _read_images(connection, chunk):
            if _fits(image, wanted.mark):
                by_generation.setdefault(image["generation_id"], []).append(image)
        for those in by_generation.values():
            if len(images) >= size:
                return images, True
            images += those


def _fits(image: Row, mark: str | None) -> bool:
    return mark is None or (image["mark"] is None if mark == "unmarked" else image["mark"] == mark)


def _read_images(connection: sqlite3.Connection, rowids: Sequence[int]) -> list[Row]:
    """The pictures that are there of these generations, in the order of `rowids`, each with its latest mark."""
    sql = """
        SELECT i.id, i.sha256, i.position, i.revised_prompt, i.width, i.height, g.rowid AS generation_rowid,
          g.id AS generation_id, g.run_id, g.sequence, g.experiment, g.variant_id, g.template_id, g.seed, g.draw,
          g.prompt, g.provider, g.model, g.cost_usd, g.credits, g.cost_source, g.cached_from, g.n,
          coalesce(paid.id, i.id) AS paid_id,
          (SELECT json_array(m.mark, m."by", m.tags) FROM marks m WHERE m.image_id = coalesce(paid.id, i.id)
            ORDER BY m.at DESC, m."by" LIMIT 1) AS marked
        FROM generations g
        JOIN images i ON i.generation_id = g.id
        LEFT JOIN images paid ON paid.generation_id = g.cached_from AND paid.position = i.position
        WHERE i.status = 'stored' AND i.sha256 IS NOT NULL AND g.rowid IN ({})
    """
    place = {rowid: number for number, rowid in enumerate(rowids)}
    images = where_in(connection, sql, rowids)
    images.sort(key=lambda image: (place[image["generation_rowid"]], image["position"]))
    for image in images:
        image["mark"], image["marked_by"], tags = json.loads(image.pop("marked") or "[null, null, null]")
        image["tags"] = json.loads(tags or "[]")
        image["simulated"] = image["provider"] == "simulator" or image["cost_source"] == "simulated"
    _add_axes(connection, images)
    return images


def _add_axes(connection: sqlite3.Connection, images: Sequence[Row]) -> None:
    known: dict[tuple[str, str], dict[str, str]] = {}
    for experiment in {image["experiment"] for image in images}:
        sql = "SELECT id, axes FROM variants WHERE experiment = ? AND id IN ({})"
        wanted = {image["variant_id"] for image in images if image["experiment"] == experiment}
        for row in where_in(connection, sql, wanted, experiment):
            known[experiment, row["id"]] = json.loads(row["axes"] or "{}")
    for image in images:
        image["axes"] = known.get((image["experiment"], image["variant_id"]), {})
