"""What can be wrong with a file is reported in a sentence."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import LogError
from promptlab.log import Log
from promptlab.log.connection import explain, use_wal
from promptlab.model import Run


@pytest.mark.parametrize("how", [{"readonly": True}, {"create": False}])
def test_not_there(tmp_path: Path, how: dict[str, bool]) -> None:
    """A log that is not there is not made by a reader."""
    path = tmp_path / "none.db"
    with pytest.raises(LogError, match=r"there is no log at .*none\.db yet; `promptlab run` makes one"):
        Log.open(path, **how)
    assert not path.exists()


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is named."""
    with pytest.raises(LogError, match="can't be opened; check that its folder is there"):
        Log.open(tmp_path / "nowhere" / "log.db")


@pytest.mark.parametrize("readonly", [True, False])
def test_not_sqlite(tmp_path: Path, readonly: bool) -> None:
    """A file that is something else is refused and left alone."""
    path = tmp_path / "notes.db"
    path.write_text("milk, bread and some more text than a header has\n" * 5)
    with pytest.raises(LogError, match="is not a SQLite database; move it away, or name another"):
        Log.open(path, readonly=readonly)
    assert path.read_text().startswith("milk")


def test_other_program(tmp_path: Path) -> None:
    """Another program's database with a table of the same name is refused and left alone."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (id TEXT)")
    connection.close()
    with pytest.raises(LogError, match=r"belongs to another program \(table runs already exists\)"):
        Log.open(path)
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    assert tables == [("runs",)]


def test_readonly(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A reader can't write, and says so."""
    run = rows.run()
    with Log.open(log.path, readonly=True) as reader:
        with pytest.raises(LogError, match="is read-only; change its permissions"):
            reader.update(Run, run.id, status="failed")
        assert reader.run(run.id) == run


def test_full_disk(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A full disk is an error with advice; what was committed stays, the rest leaves no trace."""
    run = rows.run()
    rows.generation(run, prompt="kept")
    pages = log.value("PRAGMA page_count")
    log.execute(f"PRAGMA max_page_count = {pages + 2}")

    def too_much() -> None:
        with log.transaction():
            for _ in range(20):
                rows.generation(run, prompt="lost " * 2000)

    with pytest.raises(LogError, match=r"the disk that holds .* is full; free some space, then resume"):
        too_much()
    log.execute(f"PRAGMA max_page_count = {pages + 2000}")
    assert [row.prompt for row in log.generations(run.id)] == ["kept"]
    rows.generation(run, prompt="goes on")


def test_damaged(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A damaged file is an error that names the way to save what can be saved."""
    run = rows.run()
    for _ in range(50):
        rows.generation(run)
    log.close()
    size = log.path.stat().st_size
    with log.path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))
    with pytest.raises(LogError, match=r"damaged .*\.recover"), Log.open(log.path) as again:
        list(again.generations(run.id))


def test_unknown_error() -> None:
    """Any other refusal keeps SQLite's own words."""
    assert str(explain(sqlite3.OperationalError("odd"), Path("a.db"))) == "the log a.db refused this: odd"


def test_made_by_two_at_once() -> None:
    """SQLite refuses the second of two processes that switch a new file to WAL without waiting; the log waits."""

    class Refusing(sqlite3.Connection):
        refusals = 3

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "journal_mode" in sql and self.refusals:
                self.refusals -= 1
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *values)

    connection = sqlite3.connect(":memory:", factory=Refusing)
    use_wal(connection)
    assert connection.refusals == 0
    connection.close()
