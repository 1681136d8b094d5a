"""Table pages of a large log: bounded counts and facets, and the same rows as Datasette's own SQL gives."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from datasette.database import Database

from promptlab.browse import build_datasette, large_tables
from promptlab.browse.large_tables import LogDatabase, bounded_count, keys_first

Get = Callable[..., Any]


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL that is really run."""
    found: list[str] = []
    original = Database.execute

    async def execute(self: Database, sql: str, *arguments: Any, **named: Any) -> Any:
        found.append(sql)
        return await original(self, sql, *arguments, **named)

    monkeypatch.setattr(Database, "execute", execute)
    return found


@pytest.mark.parametrize("table", ["gallery", "axes_shelf_photos", "generations", "images", "attempts"])
def test_no_page_counts_or_sorts_everything(site: Any, get: Get, executed: list[str], table: str) -> None:
    """This Datasette's SQL is recognised: every count has its limit, and pages of images look their keys up first."""
    assert get(site, f"/promptlab/{table}?_search=teapot").status_code == 200
    on_table = [sql for sql in executed if f"from {table}" in sql]
    assert all("limit" in sql for sql in on_table if "count(*)" in sql)
    assert any("count(*)" in sql for sql in on_table)
    assert any(" in (select id from " in sql or " in (select image_id from " in sql for sql in on_table)


@pytest.mark.parametrize(
    "query",
    ["", "?experiment=shelf_photos", "?_search=strobe", "?mark=keep", "?_next=3&_size=4", "?status=stored&_sort=seed"],
)
@pytest.mark.parametrize("table", ["gallery", "axes_shelf_photos", "images", "generations"])
def test_the_rows_are_the_same(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch, table: str, query: str) -> None:
    """Looking keys up first changes no row and no order of it but among equals."""
    path = f"/promptlab/{table}.json{query}{'&' if query else '?'}_shape=array"
    rows = get(site, path).json()
    monkeypatch.setattr(large_tables, "keys_first", lambda sql: sql)
    plain = get(site, path).json()
    if isinstance(plain, dict):  # a column that this table lacks
        assert rows == plain
        return
    key, order = ("image_id" if "image_id" in plain[0] else "id") if plain else "", "seed" if "seed" in query else None
    order = order or ("created_at" if plain and "created_at" in plain[0] else None)
    assert [row.get(order) for row in rows] == [row.get(order) for row in plain]
    if "_next" not in query:
        assert sorted(row[key] for row in rows) == sorted(row[key] for row in plain)


@pytest.mark.parametrize(("table", "key", "rows"), [("gallery", "image_id", 32), ("generations", "id", 31)])
def test_every_row_is_on_one_page(site: Any, get: Get, table: str, key: str, rows: int) -> None:
    """Rows of one millisecond keep their order from page to page: going on shows each of them once."""
    seen: list[str] = []
    path: str | None = f"/promptlab/{table}.json?_size=5&_shape=objects"
    while path:
        page = get(site, path).json()
        seen += [row[key] for row in page["rows"]]
        path = page["next_url"] and page["next_url"].removeprefix("http://localhost")
    assert len(seen) == len(set(seen)) == rows


def test_a_large_table_says_so(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound a page says "more than", and its facets of how many rows they are; below, both are exact."""
    exact = get(site, "/promptlab/gallery").text
    assert re.search(r"<h3>32 rows\s", exact)
    assert re.search(r'<strong>experiment\s*<span class="facet-info-total">', exact)
    assert ">shelf_photos</a> 19<" in exact
    monkeypatch.setattr(large_tables, "COUNTED", 5)
    bounded = get(site, "/promptlab/gallery").text
    assert re.search(r"<h3>more than 5 rows\s", bounded)
    assert "experiment (in 5 rows)" in bounded
    assert ">shelf_photos</a>" not in bounded  # not among the latest five
    facet = get(site, "/promptlab/gallery.json").json()["facet_results"]["experiment"]["results"]
    assert sum(value["count"] for value in facet) == 5


def test_a_reader_s_own_facet_counts_everything(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """`?_facet=` is Datasette's own."""
    monkeypatch.setattr(large_tables, "COUNTED", 5)
    found = get(site, "/promptlab/gallery.json?_facet=model").json()["facet_results"]
    assert found["model"]["results"][0]["count"] == 32


def test_rows_are_found_by_their_ids(site: Any, demo: Any, get: Get) -> None:
    """A row's page has its id in its address, and so has every link to it from another table."""
    text = get(site, f"/promptlab/images?id={demo.image}").text
    assert f'href="/promptlab/images/{demo.image}"' in text
    (generation,) = set(re.findall(r'href="(/promptlab/generations/[^"]+)"', text))
    assert "A ceramic teapot on linen" in get(site, generation).text
    assert get(site, f"/promptlab/images/{demo.image}").status_code == 200


def test_a_slow_count_is_left_out(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that no index helps may take long to count; the page comes all the same."""
    slow = "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000000) select count(*) from n"
    monkeypatch.setattr(large_tables, "bounded_count", lambda sql: slow if sql.startswith("select count(") else None)
    monkeypatch.setattr(large_tables, "_COUNT_MS", 5)
    answer = get(site, "/promptlab/gallery")
    assert answer.status_code == 200
    assert not re.search(r"<h3>[^<]*\brows?\b", answer.text)


def test_a_log_keeps_its_place(demo: Any, tmp_path: Any) -> None:
    """Bounded or not, a database keeps its name, its route and its order; another one stays as it is."""
    from datasette.app import Datasette

    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (a)")
    site = Datasette([str(demo.db), str(other)])
    before = {name: (database.route, database.is_mutable) for name, database in site.databases.items()}
    asyncio.run(site.invoke_startup())
    assert {name: (database.route, database.is_mutable) for name, database in site.databases.items()} == before
    kinds = {name: type(database) for name, database in site.databases.items() if database.path}
    assert kinds == {"promptlab": LogDatabase, "other": Database}


def test_a_reader_s_own_sql_counts_everything(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody writes into the SQL editor is run as it is, also where a table page would ask the same."""
    monkeypatch.setattr(large_tables, "COUNTED", 5)
    for sql, rows in (
        ("select count(*) from gallery", [[32]]),
        ("select count(*) from gallery ", [[32]]),
        ("select id, count(*) from images where bytes > 0 group by format order by 1 limit 1", [[32]]),
    ):
        answer = get(site, "/promptlab.json", params={"sql": sql, "_shape": "arrays"}).json()
        assert [row[-1:] for row in answer["rows"]] == rows, sql


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "select count(*) from gallery",
        "select id, count(*) from images where a group by b order by c limit 1",
        "select count(*) from (select 1 from t)",
        "select a, count(*) from t group by a",
        "select name from t order by name limit 5",
        "select id, a from t limit 5",
        "select id, a from [my table] order by a limit 5",
        "select id, a from t where id in (select id from u order by a limit 1) order by a limit 5",
    ],
)
def test_other_sql_stays_as_it_is(sql: str) -> None:
    """Only what a table page asks for is changed."""
    assert bounded_count(sql) is None
    assert keys_first(sql) == sql
