"""Full-text search finds prompts, follows changes, and is found by Datasette and sqlite-utils."""

from __future__ import annotations

import sqlite3

import pytest

from promptlab.log import Log
from promptlab.model import Generation, Image


def found(log: Log, table: str, words: str) -> int:
    return int(log.value(f"SELECT count(*) FROM {table} WHERE rowid IN (SELECT rowid FROM {table}_fts(?))", (words,)))


def test_in_sync(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """What is inserted, changed or deleted is found, found again or gone."""
    row = rows.generation(rows.run(), prompt="a ceramic teapot", negative_prompt="blurry")
    image = rows.image(row, revised_prompt="a glossy pot")
    assert (
        found(log, "generations", "teapots"),
        found(log, "generations", "blurry"),
        found(log, "images", "glossy"),
    ) == (1, 1, 1)
    log.update(Generation, row.id, prompt="an oak stool")
    log.update(Image, image.id, revised_prompt="a carved stool")
    assert (found(log, "generations", "teapot"), found(log, "images", "glossy")) == (0, 0)
    assert (found(log, "generations", "stool"), found(log, "images", "carved")) == (1, 1)
    log.update(Generation, row.id, status="failed")
    log.execute("DELETE FROM images")
    log.execute("DELETE FROM generations")
    for table in ("generations", "images"):
        assert found(log, table, "stool") == 0
        log.execute(f"INSERT INTO {table}_fts ({table}_fts, rank) VALUES ('integrity-check', 1)")


@pytest.mark.parametrize("table", ["generations", "images"])
def test_conventions(log: Log, table: str) -> None:
    """Datasette and sqlite-utils see that the tables can be searched."""
    from datasette.utils import detect_fts
    from sqlite_utils import Database

    log.close()
    connection = sqlite3.connect(log.path)
    assert detect_fts(connection, table) == f"{table}_fts"
    assert Database(connection).table(table).detect_fts() == f"{table}_fts"
    connection.close()


def test_gallery_search(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """The gallery can be searched by the generation's row number, as Datasette does with fts_pk."""
    row = rows.generation(rows.run(), images=2)
    rows.generation(rows.run(), images=1, prompt="an oak stool")
    sql = "SELECT generation_id FROM gallery WHERE generation_rowid IN (SELECT rowid FROM generations_fts('teapot'))"
    assert list(log.rows(sql)) == [(row.id,)] * 2


@pytest.mark.parametrize("table", ["generations", "images"])
def test_merging_an_index_does_not_read_all_of_it(log: Log, table: str) -> None:
    """FTS5 removes a small segment by its numbers, however large the index is (an ANALYZE of none had said: tiny)."""
    plan = log.execute(f"EXPLAIN QUERY PLAN DELETE FROM {table}_fts_data WHERE id >= 1 AND id <= 2").fetchall()
    assert "SEARCH" in plan[0][3]
