"""The file's schema is a promise: exactly this, from nothing and from every older version."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import LogError
from promptlab.log import Log, RawAnswer, migrations
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
    newer = migrations.MIGRATIONS | {"901_votes": "CREATE TABLE votes (id TEXT PRIMARY KEY) STRICT;"}
    monkeypatch.setattr(migrations, "MIGRATIONS", newer)
    with Log.open(path, readonly=True) as log:
        assert log.value("SELECT count(*) FROM votes") == 0
        assert log.value("SELECT name FROM experiments") == "kept"
        assert list(log.rows("SELECT name FROM _sqlite_migrations ORDER BY id")) == [(name,) for name in newer]


def test_a_log_of_the_first_version_gets_its_answers(
    tmp_path: Path, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that has only migration 001 keeps its rows, and can keep raw answers; they go with their generation."""
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", dict(list(migrations.MIGRATIONS.items())[:1]))
        with Log.open(path) as log:
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
    newer = migrations.MIGRATIONS | {"901_votes": "CREATE TABLE votes (id TEXT PRIMARY KEY) STRICT;"}
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", newer)
        Log.open(path).close()
    with pytest.raises(LogError, match=r"newer promptlab \(it has 901_votes\); upgrade"):
        Log.open(path)


def test_no_sqlite_utils(log: Log) -> None:
    """A log that is up to date opens without importing sqlite-utils, which would take 100 ms."""
    code = "import sys; from pathlib import Path; from promptlab.log import Log; Log.open(Path(sys.argv[1])).close(); "
    code += "sys.exit(any(name.startswith(('sqlite_utils', 'pydantic', 'httpx')) for name in sys.modules))"
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
