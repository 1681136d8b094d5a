"""What Datasette itself shows: words, queries, cells; and a Datasette that has nothing to do with promptlab."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import application, build_datasette, write_files
from promptlab.browse.canned_queries import QUERIES
from promptlab.browse.metadata import TABLES, schema_columns
from promptlab.log.descriptions import COLUMNS, DESCRIPTIONS, column_words

Get = Callable[..., Any]


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


def test_every_column_has_its_words(empty: Path) -> None:
    """Each column of each table and view is described, and nothing is described that is not there."""
    connection = sqlite3.connect(empty)
    columns = schema_columns(connection)
    connection.close()
    missing = [f"{table}.{name}" for table, names in columns.items() for name in names if not column_words(table, name)]
    assert missing == []
    assert set(columns) == set(TABLES)
    own = {table: words.columns for table, words in DESCRIPTIONS.items() if not words.internal}
    assert {name for table in own for name in own[table] if name not in columns[table]} == set()
    assert set(COLUMNS) - {name for names in columns.values() for name in names} == set()
    for table, words in TABLES.items():
        named = {*words.facets, *words.units, *([words.sort_desc] if words.sort_desc else [])}
        assert named <= set(columns[table]), table


def test_every_table_shows(site: Any, demo: Any, get: Get) -> None:
    """Each table and view opens with its title, its words and its facets, and none of them times out."""
    connection = sqlite3.connect(demo.db)
    tables = list(schema_columns(connection))
    connection.close()
    assert {"axes_shelf_photos", "axes_try"} <= set(tables)
    for table in tables:
        answer = get(site, f"/promptlab/{table}")
        assert answer.status_code == 200, table
        assert "timed out" not in answer.text
        assert "column-descriptions" in answer.text
        if table in TABLES:
            assert TABLES[table].title in answer.text


def test_axes_are_facets(site: Any, get: Get) -> None:
    """An experiment's own view offers its axes as facets and can be searched."""
    text = get(site, "/promptlab/axes_shelf_photos").text
    assert 'data-column="style"' in text
    assert "style__exact=film" in text or "style=film" in text
    assert "The value of the axis look" in text


@pytest.mark.parametrize("table", ["gallery", "axes_shelf_photos", "generations"])
def test_prompts_can_be_searched(site: Any, get: Get, table: str) -> None:
    """Full-text search over prompts works in the views too."""
    rows = get(site, f"/promptlab/{table}.json?_shape=array&_size=max&_search=strobe").json()
    assert rows
    assert all("strobe" in row["prompt"] for row in rows)


@pytest.mark.parametrize("name", QUERIES)
def test_canned_queries_on_an_empty_log(empty: Path, tmp_path: Path, get: Get, name: str) -> None:
    """Every canned query runs on a new log, without its parameters."""
    answer = get(build_datasette(empty, tmp_path), f"/promptlab/{name}.json?_shape=array")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("name", QUERIES)
def test_canned_queries_on_a_filled_log(site: Any, demo: Any, get: Get, name: str) -> None:
    """Every canned query answers with its parameters left empty, and narrows with them."""
    whole = get(site, f"/promptlab/{name}.json?_shape=array").json()
    assert get(site, f"/promptlab/{name}").status_code == 200
    if name != "same_picture_twice":
        assert whole
    if ":run" in QUERIES[name]["sql"]:
        assert get(site, f"/promptlab/{name}.json?_shape=array&run=nothing").json() == []
    if ":experiment" in QUERIES[name]["sql"]:
        assert get(site, f"/promptlab/{name}.json?_shape=array&experiment=nothing").json() == []


def test_the_side_by_side_query(site: Any, demo: Any, get: Get) -> None:
    """One line for what is the same, the values of the axis beside each other, as pictures."""
    path = f"/promptlab/variants_side_by_side.json?_shape=array&axis=style&run={demo.shelf}"
    rows = get(site, path).json()
    assert [(json.loads(row["same_axes"]), row["seed"]) for row in rows][:2] == [
        ({"look": "warm"}, 11),
        ({"look": "warm"}, 12),
    ]
    assert [one["value"] for one in json.loads(rows[0]["side_by_side"])] == ["film", "studio", "ink"]
    text = get(site, path.replace(".json", "")).text
    assert text.count("/-/promptlab/thumbnail/") == 16
    assert len(get(site, path.replace("axis=style", "axis=")).json()) == 3


def test_spend_leaves_out_what_cost_nothing(site: Any, get: Get) -> None:
    """Simulated images and cached copies are not spending; an unknown outcome is in the upper bound."""
    (row,) = get(site, "/promptlab/spend_by_template.json?_shape=array&experiment=shelf_photos").json()
    assert (row["images"], row["cost_usd"], row["cost_usd_at_most"]) == (16, 0.64, 0.68)
    assert get(site, "/promptlab/spend_by_template.json?_shape=array&experiment=try").json() == []


def test_cells(site: Any, demo: Any, get: Get) -> None:
    """Cells show small lazy pictures that open the image's page, JSON one can read, and ~ before an estimate."""
    text = get(site, f"/promptlab/gallery?image_id={demo.image}").text
    assert (
        f'<a class="pl-thumb" href="/-/promptlab/image/{demo.image}"><img src="/-/promptlab/thumbnail/{demo.sha256}"'
        in text
    )
    assert 'loading="lazy"' in text
    assert '<span class="pl-chip">style <b>film</b></span>' in text
    assert "~$0.04" in text
    assert f'title="{demo.shelf}"' in text
    row = get(site, f"/promptlab/images/{demo.image}").text
    assert f"/-/promptlab/thumbnail/{demo.sha256}" in row
    assert "<pre" in get(site, "/promptlab/generations?_size=1").text


def test_sql_functions(site: Any, get: Get) -> None:
    """Any SQL in Datasette can ask for a word difference and a similarity; NULL gives NULL."""
    sql = "select promptlab_diff('a b', 'a c') as d, promptlab_similarity('a b', 'a c') as s"
    sql += ", promptlab_diff(null, '') as n"
    (row,) = get(site, "/promptlab.json", params={"sql": sql, "_shape": "array"}).json()
    assert json.loads(row["d"]) == [["same", "a "], ["removed", "b"], ["added", "c"]]
    assert (row["s"], row["n"]) == (0.5, None)


def test_settings(site: Any) -> None:
    """Facets are never suggested, and nothing is served as immutable."""
    assert site.setting("suggest_facets") is False
    assert site.get_database("promptlab").is_mutable


def test_new_views_get_their_words(demo: Any, tmp_path: Path) -> None:
    """A view that a run makes while the page is open has its words and facets without a restart."""
    db = tmp_path / "promptlab.db"
    source, target = sqlite3.connect(demo.db), sqlite3.connect(db)
    source.backup(target)
    source.close()
    site = build_datasette(db, demo.images)
    app = application(site)

    async def ask(path: str) -> str:
        import httpx

        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get(path)).text

    assert "The value of the axis mood" not in asyncio.run(ask("/promptlab/axes_shelf_photos"))
    target.execute("create view axes_new as select image_id, thumbnail, seed as mood, variant from gallery")
    target.commit()
    target.close()
    assert "The value of the axis mood" in asyncio.run(ask("/promptlab/axes_new"))


def test_rows_of_a_running_run_show_at_once(demo: Any, tmp_path: Path, get: Get) -> None:
    """What another connection commits is on the page with the next request."""
    db = tmp_path / "promptlab.db"
    source, target = sqlite3.connect(demo.db), sqlite3.connect(db)
    source.backup(target)
    source.close()
    target.execute("pragma journal_mode = wal")
    site = build_datasette(db, demo.images)
    assert "1<small> of 10" in get(site, "/-/promptlab").text
    target.execute("update generations set status = 'completed' where status = 'in_flight'")
    target.commit()
    assert "2<small> of 10" in get(site, "/-/promptlab").text
    target.close()


def test_another_database_is_left_alone(tmp_path: Path, get: Get) -> None:
    """In a Datasette without a promptlab log nothing changes: no links, no styles, no cells, no pages."""
    from datasette.app import Datasette

    db = tmp_path / "other.db"
    connection = sqlite3.connect(db)
    connection.execute("create table images (id text, sha256 text, status text, cost_usd real)")
    connection.execute("insert into images values ('1', ?, 'failed', 1.5)", ("0" * 64,))
    connection.commit()
    connection.close()
    site = Datasette([str(db)])
    for path in ("/", "/other", "/other/images"):
        text = get(site, path).text
        assert "promptlab" not in text
        assert "pl-" not in text
    answer = get(site, "/-/promptlab")
    assert (answer.status_code, answer.text) == (404, "No promptlab log is open in this Datasette.")
    assert get(site, f"/-/promptlab/file/{'0' * 64}").status_code == 404


def test_a_log_beside_another_database(demo: Any, tmp_path: Path, get: Get) -> None:
    """Plain `datasette a.db promptlab.db` serves the pages too, with the images beside the log."""
    from datasette.app import Datasette

    db = tmp_path / "other.db"
    connection = sqlite3.connect(db)
    connection.execute("create table t (sha256 text)")
    connection.commit()
    connection.close()
    site = Datasette([str(db), str(demo.db)])
    assert demo.shelf in get(site, "/-/promptlab").text
    assert "promptlab" not in get(site, "/other/t").text.replace("-/promptlab", "")
    assert get(site, f"/-/promptlab/file/{demo.sha256}").status_code == 200


def test_a_closed_log_stays_closed(demo: Any, get: Get) -> None:
    """Who may not see the database sees neither its pages nor its images."""
    site = build_datasette(demo.db, demo.images)
    site._metadata_local["databases"]["promptlab"]["allow"] = {"id": "root"}
    for path in ("/-/promptlab", f"/-/promptlab/image/{demo.image}", f"/-/promptlab/file/{demo.sha256}"):
        assert get(site, path).status_code == 404


def test_files_for_plain_datasette(demo: Any, tmp_path: Path, get: Get) -> None:
    """`datasette -m metadata.json` with the written file shows the same words, queries and pictures."""
    from datasette.app import Datasette

    written = write_files(tmp_path / "site", demo.db, demo.images)
    assert [path.name for path in written] == ["metadata.json", "datasette.json", "settings.json"]
    whole, config, settings = (json.loads(path.read_text()) for path in written)
    site = Datasette([str(demo.db)], metadata=whole, settings=settings)
    assert "Revised prompts" in get(site, "/promptlab").text
    assert get(site, f"/-/promptlab/thumbnail/{demo.sha256}").status_code == 200
    assert set(config["databases"]["promptlab"]["queries"]) == set(QUERIES)
    assert config["settings"]["suggest_facets"] is False


def test_the_plugin_is_cheap_to_import() -> None:
    """Importing the plugin loads no database, template, picture or server code itself."""
    code = (
        "import sys, datasette; before = set(sys.modules); import promptlab.browse.plugin;"
        "print([m for m in set(sys.modules) - before if m.split('.')[0] in"
        " ('PIL', 'uvicorn', 'sqlite_utils', 'httpx', 'jinja2', 'difflib')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_data_says_what_there_is(site: Any, get: Get) -> None:
    """Every view, query and table that is listed has a title and a sentence; what is kept inside is not listed."""
    text = get(site, "/promptlab").text
    assert "<title>All data · promptlab</title>" in text
    assert "Every image with its variant" in text
    assert "Variants, summed up</a> <code>variant_summary</code>" in text
    assert "stale_sums" not in text
    assert "Sums of runs" in get(site, "/promptlab?_show_hidden=1").text


def test_pages_of_datasette_have_the_same_header(site: Any, get: Get) -> None:
    """The same links in the same order, once, and the language of the page."""
    ours = re.findall(r'<a href="([^"]+)"', get(site, "/-/promptlab").text.split("</header>")[0])
    for path in ("/promptlab", "/promptlab/gallery", "/promptlab/failures", "/promptlab?sql=select+1"):
        text = get(site, path).text
        assert '<html lang="en">' in text
        head = text.split('aria-label="Pages"')[1].split("</nav>")[0]
        assert re.findall(r'<a href="([^"]+)"', head) == ours
        assert text.count(">Ranking</a>") == 1
