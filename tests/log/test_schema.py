"""The file's schema is a promise: exactly this, from nothing and from every older version."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import LogError
from promptlab.log import Log, RawAnswer, migrations
from promptlab.log import log as log_module
from promptlab.log import rows as log_rows
from promptlab.model import Attempt, Generation, Image, Run

GOLDEN = Path(__file__).parent / "schema.sql"


def schema(path: Path) -> str:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name").fetchall()
    connection.close()
    return "".join(f"{sql};\n\n" for (sql,) in found)


def test_from_nothing(log: Log) -> None:
    """A new log has exactly the schema that is written down."""
    assert schema(log.path) == GOLDEN.read_text()


def test_again(log: Log) -> None:
    """Opening a log again changes nothing."""
    log.close()
    before = schema(log.path)
    Log.open(log.path).close()
    assert schema(log.path) == before


@pytest.mark.parametrize(
    ("kind", "table"), [(Run, "runs"), (Generation, "generations"), (Attempt, "attempts"), (Image, "images")]
)
def test_fields_are_columns(log: Log, kind: type, table: str) -> None:
    """A row's class has the columns of its table as fields, in the same order; the row's number is SQLite's own."""
    columns = [name for (name,) in log.rows("SELECT name FROM pragma_table_info(?)", (table,))]
    assert [name for name in columns if name != "rowid"] == [field.name for field in fields(kind)]


@pytest.mark.parametrize("table", ["generations", "images"])
def test_numbers_under_search(log: Log, table: str) -> None:
    """What the search indexes refer to is a column, which nothing renumbers."""
    keys = list(log.rows("SELECT name, type FROM pragma_table_info(?) WHERE pk", (table,)))
    assert keys == [("rowid", "INTEGER")]


def test_strict(log: Log) -> None:
    """Every table of the log is STRICT."""
    loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict"
    own = {name for (name,) in log.rows(loose) if not name.startswith(("sqlite_", "_sqlite_"))}
    assert own == set()


@pytest.mark.parametrize(
    ("setting", "value"), [("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1), ("busy_timeout", 30_000)]
)
def test_settings(log: Log, setting: str, value: object) -> None:
    """The writer works in WAL mode, NORMAL, with foreign keys, and waits for others."""
    assert log.value(f"PRAGMA {setting}") == value


def test_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older log is brought forward with its rows, migration by migration, each recorded."""
    path = tmp_path / "old.db"
    with Log.open(path) as log:
        log.use_experiment("kept", None, None, tmp_path)
    newer = migrations.MIGRATIONS | {"901_later": "CREATE TABLE later (id TEXT PRIMARY KEY) STRICT;"}
    monkeypatch.setattr(migrations, "MIGRATIONS", newer)
    with Log.open(path, readonly=True) as log:
        assert log.value("SELECT count(*) FROM later") == 0
        assert log.value("SELECT name FROM experiments") == "kept"
        assert list(log.rows("SELECT name FROM _sqlite_migrations ORDER BY id")) == [(name,) for name in newer]


@contextmanager
def version(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    """Inside the block, a promptlab that knows the first so many migrations, and nothing of sums."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", dict(list(migrations.MIGRATIONS.items())[:number]))
        if number < 7:
            columns = [name for name in log_rows.IMAGES.columns if name != "label"]
            marks = ", ".join("?" * len(columns))
            patch.setattr(log_rows.IMAGES, "insert", f"INSERT INTO images ({', '.join(columns)}) VALUES ({marks})")
            patch.setattr(log_rows.IMAGES, "values", attrgetter(*columns))
        if number < 6:
            patch.setattr(Log, "refresh_sums", lambda self: 0)
        yield


def test_a_log_of_the_first_version_gets_its_answers(
    tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that has only migration 001 keeps its rows, and can keep raw answers; they go with their generation."""
    path = tmp_path / "old.db"
    with version(monkeypatch, 1), Log.open(path) as log:
        old = type(rows)(log)
        run = old.run()
        generation = old.generation(run)
    with Log.open(path) as log:
        kept = RawAnswer(generation.id, 200, {"content-type": "application/json"}, b"{}", 5)
        log.keep_answer(kept)
        assert log.answer(generation.id) == kept
        assert log.answered(run.id) == {generation.id}
        log.execute("DELETE FROM generations WHERE id = ?", (generation.id,))
        assert log.answer(generation.id) is None


MATCHES = (
    "SELECT g.id FROM generations_fts f JOIN generations g ON g.rowid = f.rowid WHERE generations_fts MATCH 'oak'",
    "SELECT i.id FROM images_fts f JOIN images i ON i.rowid = f.rowid WHERE images_fts MATCH 'linen'",
)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("readonly", [True, False])
def test_older_logs(
    tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch, sums_agree: Any, number: int, readonly: bool
) -> None:
    """A log of any earlier version has the same rows, sums and search once it is open, and a schema like a new one."""
    path = tmp_path / "old.db"
    with version(monkeypatch, number), Log.open(path) as log:
        old = type(rows)(log)
        for provider in ("kairval", "simulator"):
            run = old.run(provider=provider)
            for sequence in range(3):
                paid = old.generation(
                    run, sequence=sequence * 4000, prompt="an oak stool", axis_values="{}", credits=50.0, cost_usd=0.75
                )
                old.attempt(paid, may_be_billed=sequence == 1, outcome="unknown", credits_at_risk=9.0)
                old.image(paid, revised_prompt="on linen", bytes=7)
            old.image(old.generation(old.run(kind="verify"), cached_from=paid.id))
            old.image(old.generation(old.run(), cached_from=paid.id, axis_values="{}"))
        log.execute("DELETE FROM images WHERE generation_id = ?", (run.id,))
        tables = {table: list(log.rows(f"SELECT * FROM {table}")) for table in ("runs", "generations", "images")}
        found = [list(log.rows(sql)) for sql in MATCHES]
    with Log.open(path, readonly=readonly) as log:
        assert log.value("SELECT count(*) FROM stale_sums") == 0
        assert [list(log.rows(sql)) for sql in MATCHES] == found != [[], []]
        for table, before in tables.items():
            assert [row[: len(before[0])] for row in log.rows(f"SELECT * FROM {table}")] == before
        assert log.value("PRAGMA integrity_check") == "ok"
        assert log.value("SELECT count(*) FROM pragma_foreign_key_check") == 0
    sums_agree(path)
    assert schema(path) == GOLDEN.read_text()


def test_own_columns(tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that somebody added to the log keep their values when an older log is brought up to date."""
    path = tmp_path / "old.db"
    with version(monkeypatch, 5), Log.open(path) as log:
        old = type(rows)(log)
        row = old.generation(old.run(), images=1)
        for table in ("generations", "images"):
            log.execute(f"ALTER TABLE {table} ADD COLUMN rating INTEGER")
            log.execute(f"UPDATE {table} SET rating = 5")
    with Log.open(path) as log:
        assert log.value("PRAGMA integrity_check") == "ok"
        for table in ("generations", "images"):
            assert list(log.rows(f"SELECT rating, rowid FROM {table}")) == [(5, 1)]
        assert log.generation(row.id) == row


def test_a_large_log_says_so(
    tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Bringing a large log up to date is announced, since it takes a while."""
    path = tmp_path / "old.db"
    with version(monkeypatch, 5), Log.open(path) as log:
        old = type(rows)(log)
        old.generation(old.run())
    monkeypatch.setattr(log_module, "_MANY", 0)
    Log.open(path, readonly=True).close()
    assert caplog.messages == [f"{path} is brought up to date, with the sums of 1 generations: once, for some seconds"]


def test_failed_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails leaves the log as it was."""
    path = tmp_path / "old.db"
    Log.open(path).close()
    before = schema(path)
    broken = migrations.MIGRATIONS | {"901_broken": "CREATE TABLE half (id TEXT) STRICT; SELECT nonsense;"}
    monkeypatch.setattr(migrations, "MIGRATIONS", broken)
    with pytest.raises(LogError, match="nonsense"):
        Log.open(path)
    assert schema(path) == before


def test_newer_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of a newer promptlab is refused, with what to do, and left alone."""
    path = tmp_path / "new.db"
    newer = migrations.MIGRATIONS | {"901_later": "CREATE TABLE later (id TEXT PRIMARY KEY) STRICT;"}
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", newer)
        Log.open(path).close()
    with pytest.raises(LogError, match=r"newer promptlab \(it has 901_later\); upgrade"):
        Log.open(path)


def test_no_sqlite_utils(log: Log) -> None:
    """A log that is up to date opens without importing sqlite-utils, which would take 100 ms."""
    code = "import sys; from pathlib import Path; from promptlab.log import Log; Log.open(Path(sys.argv[1])).close(); "
    code += "sys.exit(any(name.startswith(('sqlite_utils', 'httpx')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code, str(log.path)], check=False).returncode == 0


def test_vacuum_keeps_search(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Row numbers that the search refers to survive a VACUUM, also after rows were deleted."""
    run = rows.run()
    first = rows.generation(run, prompt="a brass lamp")
    rows.generation(run, prompt="an oak stool")
    log.execute("DELETE FROM generations WHERE id = ?", (first.id,))
    log.execute("VACUUM")
    found = "SELECT g.prompt FROM generations_fts f JOIN generations g ON g.rowid = f.rowid WHERE f.prompt MATCH ?"
    assert list(log.rows(found, ("oak",))) == [("an oak stool",)]
    assert list(log.rows(found, ("brass",))) == []
