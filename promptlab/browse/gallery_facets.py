"""How many pictures each choice of the gallery would leave: from the log's sums where these say it, else counted.

What is counted picture by picture stops at a bound, and then says so: a figure is never less than it claims. Plain
functions over a connection.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice

from promptlab.browse.gallery_data import GalleryFilter, Scope
from promptlab.browse.page_data import fetch, has_table, where_in

__all__ = ["BoundedCount", "Facet", "GalleryFacets", "facets_of"]

_SURE = 1_000  # an uncertain count above this is "more than 1,000"
_COUNTED = 5_000  # rows that are counted one by one
_MOST_VARIANTS = 50_000  # beyond, axes are listed without counts
_LISTED = 100  # values of a facet
_RUNS = 20
_MARKS = ("keep", "reject", "unmarked")


@dataclass(frozen=True, slots=True)
class BoundedCount:
    """A number of pictures, or the least that there are."""

    number: int
    exact: bool = True

    def __str__(self) -> str:
        if self.exact:
            return f"{self.number:,}"
        return f"more than {_SURE:,}" if self.number > _SURE else f"{self.number:,}+"


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing to choose by, such as an axis: its values with what each would leave."""

    key: str  # of the address: `run`, `mark`, `axis.look`
    name: str
    values: Sequence[tuple[str, str, BoundedCount]]  # value, how it is called, count
    chosen: str | None
    more: int = 0  # values that are not listed


@dataclass(frozen=True, slots=True)
class GalleryFacets:
    """All of them, how many pictures the whole filter leaves, and what has no picture: status → generations."""

    facets: Sequence[Facet]
    total: BoundedCount
    without_picture: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """Pictures that agree in everything that is chosen by, but for their marks."""

    values: dict[str, str]
    images: int = 0
    keep: int = 0
    reject: int = 0

    def count(self, mark: str | None) -> int:
        if mark == "keep":
            return self.keep
        if mark == "reject":
            return self.reject
        return self.images if mark is None else self.images - self.keep - self.reject


@dataclass(frozen=True, slots=True)
class _Exact:
    """Which figures were counted to the end."""

    images: bool
    marks: bool

    def of(self, mark: str | None) -> bool:
        if mark in ("keep", "reject"):
            return self.marks
        return self.images and (self.marks or mark is None)


_Key = tuple[str, str | None, str | None]  # run, variant, template


def facets_of(
    connection: sqlite3.Connection,
    wanted: GalleryFilter,
    scope: Scope,
    everything: Scope,
    hits: AbstractSet[int] | None,
) -> GalleryFacets:
    """`everything` is the scope without a chosen run or provider; `hits` what a search has found, None without one."""
    by_variant = bool(wanted.run or wanted.experiment or wanted.axes)
    narrow = scope if by_variant or wanted.provider else everything
    groups, counted = _groups(connection, narrow, hits, by_variant=by_variant)
    counts, total = _count(_named(connection, groups, narrow), wanted)
    exact = counted.of(wanted.mark)
    facets = [
        _mark_facet(counts, wanted, counted),
        *_axis_facets(counts, wanted, exact),
        _facet("experiment", "Experiment", counts, wanted.experiment, exact) if not wanted.run else None,
        _run_facet(connection, wanted, everything),
        _facet("template", "Template", counts, wanted.template, exact),
        _facet("provider", "Provider", counts, wanted.provider, exact),
    ]
    useful = [facet for facet in facets if facet is not None and (len(facet.values) > 1 or facet.chosen)]
    return GalleryFacets(useful, BoundedCount(total, exact), _without_picture(connection, scope))


# --- groups of pictures -------------------------------------------------------------------------------------------


def _groups(
    connection: sqlite3.Connection, scope: Scope, hits: AbstractSet[int] | None, *, by_variant: bool
) -> tuple[dict[_Key, _Group], _Exact]:
    """The pictures of these runs, or of these hits among them, grouped; and what was counted to the end."""
    groups: dict[_Key, _Group] = {}
    ids = json.dumps(scope.ids)
    if hits is None and has_table(connection, "variant_parts"):
        rows, exact = _summed(connection, ids, by_variant)
    else:
        rows, exact = _counted(connection, ids, hits)
    for run, variant, template, images in rows:
        key = (run, variant if by_variant else None, template)
        groups.setdefault(key, _Group({})).images += images
    marks, all_marks = _marks(connection, scope, hits)
    for mark, run, variant, template in marks:
        group = groups.setdefault((run, variant if by_variant else None, template), _Group({}))
        setattr(group, mark, getattr(group, mark) + 1)
    return groups, _Exact(exact, all_marks)


def _summed(
    connection: sqlite3.Connection, ids: str, by_variant: bool
) -> tuple[Iterable[tuple[str, str | None, str | None, int]], bool]:
    """From the sums that the log keeps; copies from the cache have none there, and are counted."""
    variant = "variant_id" if by_variant else "NULL"
    sql = f"""
        SELECT run_id, {variant}, template_id, sum(images) FROM variant_parts
        WHERE run_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2, 3 LIMIT {_MOST_VARIANTS + 1}
    """
    rows = connection.execute(sql, (ids,)).fetchall()
    sql = f"""
        SELECT g.run_id, g.variant_id, g.template_id, 1 FROM generations g INDEXED BY generations_cached_from
        CROSS JOIN images i ON i.generation_id = g.id AND i.status = 'stored'
        WHERE g.cached_from IS NOT NULL AND g.run_id IN (SELECT value FROM json_each(?)) LIMIT {_COUNTED + 1}
    """
    copies = connection.execute(sql, (ids,)).fetchall()
    return [*rows[:_MOST_VARIANTS], *copies[:_COUNTED]], len(rows) <= _MOST_VARIANTS and len(copies) <= _COUNTED


def _counted(
    connection: sqlite3.Connection, ids: str, hits: AbstractSet[int] | None
) -> tuple[list[tuple[str, str | None, str | None, int]], bool]:
    """One by one, up to a bound: of a search's hits, or of a log that has no sums."""
    columns = "SELECT g.run_id, g.variant_id, g.template_id, 1 AS images FROM generations g JOIN images i"
    stored = "ON i.generation_id = g.id AND i.status = 'stored' WHERE g.run_id IN (SELECT value FROM json_each(?))"
    if hits is None:
        sql = f"{columns} {stored} LIMIT {_COUNTED + 1}"
        rows = connection.execute(sql, (ids,)).fetchall()
        return rows[:_COUNTED], len(rows) <= _COUNTED
    some = list(islice(hits, _COUNTED))
    found = where_in(connection, f"{columns} {stored} AND g.rowid IN ({{}})", some, ids)
    return [tuple(row.values()) for row in found], len(hits) <= _COUNTED


def _marks(
    connection: sqlite3.Connection, scope: Scope, hits: AbstractSet[int] | None
) -> tuple[list[tuple[str, str, str, str]], bool]:
    """The latest mark of each picture of these runs, copies from the cache too: from the marks, which are few."""
    rows: list[tuple[str, str, str, str, int]] = []
    for shown in ("id", "cached_from"):
        sql = f"""
            SELECT k.mark, g.run_id, g.variant_id, g.template_id, g.rowid FROM marks k
            CROSS JOIN images i ON i.id = k.image_id CROSS JOIN generations g ON g.{shown} = i.generation_id
            WHERE k.mark IN ('keep', 'reject') AND NOT EXISTS (SELECT 1 FROM marks n WHERE n.image_id = k.image_id
              AND (n.at > k.at OR (n.at = k.at AND n."by" < k."by")))
            LIMIT {_COUNTED + 1}
        """
        rows += connection.execute(sql)
    runs = set(scope.ids)
    kept = [row[:4] for row in rows if row[1] in runs and (hits is None or row[4] in hits)]
    return kept, len(rows) <= _COUNTED


def _named(connection: sqlite3.Connection, groups: Mapping[_Key, _Group], scope: Scope) -> list[_Group]:
    """The groups with the values they are chosen by: experiment, provider, template, and each axis."""
    runs = {run["id"]: run for run in scope.runs}
    paths = {row["id"]: row["path"] for row in fetch(connection, "SELECT id, path FROM templates")}
    axes: dict[tuple[str, str], dict[str, str]] = {}
    for experiment in {run["experiment"] for run in scope.runs}:
        ids = {variant for run, variant, _ in groups if variant and runs[run]["experiment"] == experiment}
        sql = "SELECT id, axes FROM variants WHERE experiment = ? AND id IN ({})"
        rows = where_in(connection, sql, ids, experiment)
        every = json.loads(f"[{','.join(row['axes'] or '{}' for row in rows)}]")
        axes |= {(experiment, row["id"]): each for row, each in zip(rows, every, strict=True)}
    for (run, variant, template), group in groups.items():
        experiment = runs[run]["experiment"]
        group.values = {
            "experiment": experiment,
            "provider": runs[run]["provider"],
            "template": paths.get(template or "", ""),
            **{f"axis.{axis}": value for axis, value in axes.get((experiment, variant or ""), {}).items()},
        }
    return list(groups.values())


# --- counts -------------------------------------------------------------------------------------------------------


def _count(groups: Sequence[_Group], wanted: GalleryFilter) -> tuple[dict[str, dict[str, int]], int]:
    """Facet → value → pictures that fit all the other choices; and the pictures that fit all of them."""
    choices = {f"axis.{axis}": value for axis, value in wanted.axes.items()}
    for key, value in (("experiment", wanted.experiment), ("template", wanted.template), ("provider", wanted.provider)):
        if value:
            choices[key] = value
    counts: dict[str, dict[str, int]] = {"mark": dict.fromkeys(_MARKS, 0)}
    total = 0
    for group in groups:
        wrong = [key for key, value in choices.items() if group.values.get(key) != value]
        if len(wrong) > 1:
            for key, value in group.values.items():
                counts.setdefault(key, {}).setdefault(value, 0)
            continue
        number = group.count(wanted.mark)
        for key, value in group.values.items():
            values = counts.setdefault(key, {})
            values[value] = values.get(value, 0) + (number if not wrong or wrong == [key] else 0)
        if not wrong:
            total += number
            for mark in _MARKS:
                counts["mark"][mark] += group.count(mark)
    return counts, total


def _facet(key: str, name: str, counts: Mapping[str, Mapping[str, int]], chosen: str | None, exact: bool) -> Facet:
    values = [(value, value, BoundedCount(number, exact)) for value, number in counts.get(key, {}).items() if value]
    shown = values[:_LISTED]
    if chosen and chosen not in {value for value, _, _ in shown}:
        shown = [(chosen, chosen, BoundedCount(counts.get(key, {}).get(chosen, 0), exact)), *shown]
    return Facet(key, name, shown, chosen, max(0, len(values) - _LISTED))


def _axis_facets(counts: Mapping[str, Mapping[str, int]], wanted: GalleryFilter, exact: bool) -> list[Facet]:
    names = dict.fromkeys([key.removeprefix("axis.") for key in counts if key.startswith("axis.")])
    names |= dict.fromkeys(wanted.axes)
    return [_facet(f"axis.{name}", name, counts, wanted.axes.get(name), exact) for name in names]


def _mark_facet(counts: Mapping[str, Mapping[str, int]], wanted: GalleryFilter, counted: _Exact) -> Facet:
    words = {"keep": "kept", "reject": "rejected", "unmarked": "unmarked"}
    values = [(mark, words[mark], BoundedCount(counts["mark"][mark], counted.of(mark))) for mark in _MARKS]
    return Facet("mark", "Mark", values, wanted.mark)


def _run_facet(connection: sqlite3.Connection, wanted: GalleryFilter, everything: Scope) -> Facet | None:
    """The latest runs, each with all of its pictures; the one that is chosen is among them."""
    runs = [run for run in everything.runs if not wanted.experiment or run["experiment"] == wanted.experiment]
    listed = [run["id"] for run in runs[:_RUNS]]
    if wanted.run and wanted.run not in listed:
        listed.insert(0, wanted.run)
    if not has_table(connection, "run_parts"):
        return None
    sql = """
        SELECT p.run_id, r.experiment, r.started_at, sum(p.images) AS images FROM run_parts p
        JOIN runs r ON r.id = p.run_id WHERE p.run_id IN ({}) GROUP BY p.run_id
    """
    found = {row["run_id"]: row for row in where_in(connection, sql, listed)}
    values = []
    for id_ in listed:
        if row := found.get(id_):
            called = f"{row['started_at'][:10]} {row['started_at'][11:16]}"
            name = called if wanted.experiment else f"{row['experiment']} {called}"
            values.append((id_, name, BoundedCount(row["images"] or 0)))
    return Facet("run", "Run", values, wanted.run, max(0, len(runs) - _RUNS))


def _without_picture(connection: sqlite3.Connection, scope: Scope) -> dict[str, int]:
    """Status → generations that have nothing to show."""
    if not has_table(connection, "run_parts"):
        return {}
    sql = """
        SELECT total(failed) AS failed, total(unknown) AS unknown, total(lost) AS lost FROM run_parts
        WHERE run_id IN (SELECT value FROM json_each(?))
    """
    (row,) = fetch(connection, sql, json.dumps(scope.ids))
    return {status: int(number) for status, number in row.items() if number}
