"""Datasette's own table pages over a log of any size: what they count, facet and sort is bounded.

Datasette counts every row of a table or view, counts them again by each facet, and sorts whole rows to show fifty. At
200,000 images that took the gallery four seconds. Here the SQL that it is about to run is changed where the answer
stays true: a count stops at 10,000, facets say of how many rows they are, and a page's keys are found before its rows
are read. What isn't recognised runs as it is. Datasette 1.0 bounds its counts itself.
"""
# ruff: noqa: S608  names and clauses come from Datasette's own SQL; values stay bound

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from datasette.database import Database, QueryInterrupted, Results  # type: ignore[import-untyped,import-not-found,unused-ignore]
from datasette.facets import ColumnFacet  # type: ignore[import-untyped,import-not-found,unused-ignore]

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["COUNTED", "FACET", "BoundedFacet", "LogDatabase", "bound_tables", "bounded_count", "keys_first"]

COUNTED = 10_000
_COUNT_MS = 100  # a count that takes longer is left out: it is not what the page is for
#: How a table's description asks for facets that are bounded; a reader's own `?_facet=` counts everything.
FACET = "bounded"
_INDEXED = ("created_at", "id")  # what a page is sorted by without reading the whole table
#: The count of a table page: it ends in a space, which tells it from anybody's own.
_COUNT = re.compile(r"select count\(\*\) from (?P<rest>(?:\[[^\]]*\]|[^\s\[(]+) (?:where .* )?)", re.DOTALL)
#: A page of a table or view whose first column tells its rows apart.
_PAGE = re.compile(
    r"select (?P<columns>(?P<key>id|image_id), [^(*]*?) "
    r"from (?P<table>generations|images|attempts|gallery|\[?axes_\w+\]?) "
    r"(?P<where>(?:where .*)?)order by (?P<order>.*?) (?P<limit>limit \d+(?: offset \d+)?)",
    re.DOTALL,
)


class _More(int):
    """A count that was not finished, which says so where a page writes it."""

    def __format__(self, spec: str) -> str:
        return f"more than {COUNTED:,}"


class LogDatabase(Database):  # type: ignore[misc,unused-ignore]
    """A log whose table pages cost the same beside a thousand rows and a million."""

    async def execute(self, sql: str, *arguments: Any, **named: Any) -> Results:
        """Run what a table page asks for in a form whose cost does not grow with the log, and all other SQL as it is.

        Only the table page's own code gives its parameters by position; SQL that a reader wrote never comes so.
        """
        if not arguments:
            return await super().execute(sql, **named)
        counted = bounded_count(sql)
        if counted is None:
            return await super().execute(keys_first(sql), *arguments, **named)
        results = await super().execute(counted, *arguments, **{"custom_time_limit": _COUNT_MS, **named})
        if results.rows[0][0] > COUNTED:
            results.rows = [(_More(COUNTED + 1),)]
        return results

    async def primary_keys(self, table: str) -> list[str]:
        """A row's address is its id, which other tables refer to, also where SQLite's key is the search indexes'."""
        keys: list[str] = await super().primary_keys(table)
        return ["id"] if keys == ["rowid"] and "id" in await self.table_columns(table) else keys


def bound_tables(datasette: Datasette, name: str) -> None:
    """Let the database `name` be read as a log from now on. It keeps its place, and its permissions."""
    there = datasette.databases[name]
    if isinstance(there, LogDatabase) or there.path is None:
        return
    log = LogDatabase(datasette, there.path, is_mutable=there.is_mutable)
    log.name, log.route = there.name, there.route
    datasette.databases = {**datasette.databases, name: log}  # a new one, as Datasette itself does: others iterate


def bounded_count(sql: str) -> str | None:
    """The count of Datasette's table page up to one more than COUNTED; None for any other SQL."""
    found = _COUNT.fullmatch(sql)
    return f"select count(*) from (select 1 from {found['rest']} limit {COUNTED + 1})" if found else None


def keys_first(sql: str) -> str:
    """The SQL of a table page, with its keys found and sorted first, so that only the rows shown are read whole.

    Thousands of rows may have been planned in one millisecond: those stay in one order from page to page, in a table in
    the one that Datasette's next page goes on from.
    """
    found = _PAGE.fullmatch(sql)
    if found is None or sql.count(" order by ") > 1:
        return sql
    columns, key, table, where, order, limit = found.group("columns", "key", "table", "where", "order", "limit")
    if order in ("created_at desc", "started_at desc"):
        order += ", id" if key == "id" else ", generation_rowid desc"
    keys = f"select {key} from {table} {where}order by {order} {limit}"
    return f"select {columns} from {table} where {key} in ({keys}) order by {order}"


class BoundedFacet(ColumnFacet):  # type: ignore[misc,unused-ignore]
    """The values of some columns with their counts in at most COUNTED rows, which each facet's name says."""

    type = FACET

    def get_configs(self) -> list[dict[str, Any]]:
        """The facets that are asked for, without those that a reader asks for too: theirs count every row."""
        own = set(self.request.args.getlist("_facet"))
        return [each for each in super().get_configs() if each["config"]["simple"] not in own]

    async def facet_results(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Read the columns once, and let Datasette count and link what was read."""
        columns = [each["config"]["simple"] for each in self.get_configs()]
        if not columns:
            return [], []
        try:
            rows = await self._read(columns)
        except QueryInterrupted:
            return [], columns
        values = (f"json_extract(value, '$[{place}]') as [{column}]" for place, column in enumerate(columns))
        self.sql = f"select {', '.join(values)} from json_each(:rows)"
        self.params = {"rows": json.dumps([tuple(row) for row in rows[:COUNTED]])}
        results, timed_out = await super().facet_results()
        for each in results:
            each["type"] = "column" if len(rows) <= COUNTED else f"in {COUNTED:,} rows"
        return results, timed_out

    async def _read(self, columns: Sequence[str]) -> Sequence[Any]:
        """The latest rows of a whole table; any of those that a filter leaves, since sorting them may take long."""
        latest = (self.metadata or {}).get("sort_desc")
        order = f"order by [{latest}] desc" if latest in _INDEXED and " where " not in self.sql else ""
        names = ", ".join(f"[{column}]" for column in columns)
        sql = f"select {names} from ({self.sql}) {order} limit {COUNTED + 1}"
        limit = self.ds.setting("facet_time_limit_ms")
        found = await self.ds.execute(self.database, sql, self.params, truncate=False, custom_time_limit=limit)
        return cast("Sequence[Any]", found.rows)
