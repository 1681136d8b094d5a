"""A log that an older promptlab wrote, opened as it is: a page never migrates one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.log import migrations

Get = Callable[..., Any]


@pytest.fixture(params=["001_the_log", "004_money", "005_hidden"])
def old(request: pytest.FixtureRequest, tmp_path: Path, demo: Any) -> Any:
    """The demo studio as it would be in a log whose last migration is this one, read only."""
    path = tmp_path / "promptlab.db"
    names = list(migrations.MIGRATIONS)
    with closing(sqlite3.connect(path)) as log:
        for name in names[: names.index(request.param) + 1]:
            log.executescript(migrations.MIGRATIONS[name])
        views = "SELECT sql FROM new.sqlite_master WHERE type = 'view' AND name LIKE 'axes@_%' ESCAPE '@'"
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%@_fts%' ESCAPE '@'"
        log.execute("ATTACH ? AS new", (str(demo.db),))
        for (table,) in log.execute(tables + " AND name NOT LIKE 'sqlite%'").fetchall():
            columns = ", ".join(f'"{name}"' for _, name, *_ in log.execute(f"PRAGMA main.table_info({table})"))
            log.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
        for (view,) in log.execute(views).fetchall():
            log.execute(view)
        log.commit()
    path.chmod(0o444)
    return replace(demo, db=path)


def test_every_page_of_an_old_log(old: Any, get: Get) -> None:
    """Runs with their counts and cost, the grid, an image, and tables with their facets: all as in a new log."""
    site = build_datasette(old.db, old.images)
    runs = get(site, "/-/promptlab").text
    for part in ("16<small> of 18", "<dt>failed</dt><dd>1<", "<dt>outcome unknown</dt><dd>1<", "~$0.64 to ~$0.68"):
        assert part in runs
    assert get(site, f"/-/promptlab/compare?run={old.shelf}&by=style").text.count("<figure") == 16
    assert get(site, f"/-/promptlab/image/{old.image}").status_code == 200
    pair = get(site, f"/-/promptlab/pair.json?run={old.shelf}&by=style&a=film&b=ink").json()
    assert (pair["pairs"], pair["votes"]["left"]) == (5, 0)
    assert "Nobody has voted" in get(site, f"/-/promptlab/pair?run={old.shelf}&by=style").text
    assert get(site, "/-/promptlab/spend").status_code == 503
    assert get(site, f"/promptlab/images/{old.image}").status_code == 200
    for table in ("gallery", "generations", "variant_summary", "spending", "axes_shelf_photos"):
        text = get(site, f"/promptlab/{table}").text
        assert "timed out" not in text
        assert ">shelf_photos<" in text or table == "axes_shelf_photos"
