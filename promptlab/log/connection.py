"""One SQLite connection with the log's settings: transactions that nest, and errors that say what to do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from promptlab.errors import LogError
from promptlab.log import migrations

__all__ = ["BUSY_SECONDS", "Connection", "Transaction", "connect", "explain", "quote", "use_wal"]

BUSY_SECONDS: Final = 30.0  # two runs may write to one file: the second waits for the first's short transactions
_ELSEWHERE: Final = "or name another file with --db or PROMPTLAB_DB"
_ADVICE: Final = {
    "SQLITE_BUSY": f"{{path}} is locked by another program for more than {BUSY_SECONDS:.0f} s; close it and resume",
    "SQLITE_CANTOPEN": f"{{path}} can't be opened; check that its folder is there and may be written to, {_ELSEWHERE}",
    "SQLITE_CORRUPT": "{path} is damaged ({error}); restore a backup, or save what can be read with "
    "`sqlite3 FILE .recover`",
    "SQLITE_FULL": "the disk that holds {path} is full; free some space, then resume",
    "SQLITE_IOERR": "{path} can't be read or written ({error}); check the disk it is on, then resume",
    "SQLITE_NOTADB": f"{{path}} is not a SQLite database; move it away, {_ELSEWHERE}",
    "SQLITE_PERM": f"{{path}} may not be opened by this user; change its permissions, {_ELSEWHERE}",
    "SQLITE_READONLY": f"{{path}} is read-only; change its permissions, {_ELSEWHERE}",
}


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def explain(error: sqlite3.Error, path: Path) -> LogError:
    """The sentence for the user; the first words of SQLite's own code pick it (sqlite.org/rescode.html)."""
    name = getattr(error, "sqlite_errorname", None) or ""
    for code, advice in _ADVICE.items():
        if name.startswith(code):
            return LogError(advice.format(path=path, error=error))
    return LogError(f"the log {path} refused this: {error}")


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """A connection in autocommit mode: every transaction is begun by hand."""
    uri = path.absolute().as_uri() + ("?mode=ro" if readonly else "?mode=rwc")
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=256)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def prepare(
    path: Path, *, create: bool, readonly: bool, migrated: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    """Open the file, brought up to date; LogError where it is not there, not a log, or newer than this promptlab.

    `migrated` gets a connection that may write, once an older log has the tables of this promptlab.
    """
    if not path.exists() and (readonly or not create):
        raise LogError(f"there is no log at {path} yet; `promptlab run` makes one, {_ELSEWHERE}")
    try:
        connection = connect(path, readonly=readonly)
        try:
            if _is_behind(connection, path):
                _migrate(path, migrated)
            if not readonly:
                _settle(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return connection


def _settle(connection: sqlite3.Connection) -> None:
    """The writer's settings: the first two are promised, the others were measured (benchmarks/, per generation)."""
    use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    # An insert with a trigger keeps an undo journal, which would be a file in /tmp: 80 µs.
    connection.execute("PRAGMA temp_store = MEMORY")
    # Copying a page from the write-ahead log once for many changes; 16 MB of it before that: 60 µs.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    # Debian's SQLite overwrites freed pages with zeros: 40 µs.
    connection.execute("PRAGMA secure_delete = OFF")


def use_wal(connection: sqlite3.Connection) -> None:
    """Two processes that switch a new file at once: SQLite refuses the second without its usual wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_behind(connection: sqlite3.Connection, path: Path) -> bool:
    done = _applied(connection)
    if newer := [name for name in done if name not in migrations.MIGRATIONS]:
        raise LogError(
            f"{path} was written by a newer promptlab (it has {newer[-1]}); upgrade this one with "
            f"`pip install --upgrade promptlab-images`, {_ELSEWHERE}"
        )
    return len(done) < len(migrations.MIGRATIONS)


def _migrate(path: Path, migrated: Callable[[sqlite3.Connection], None]) -> None:
    connection = connect(path, readonly=False)
    try:
        use_wal(connection)
        _apply(connection)
        migrated(connection)
    except sqlite3.OperationalError as error:
        if "already exists" not in str(error):
            raise
        raise LogError(f"{path} belongs to another program ({error}); move it away, {_ELSEWHERE}") from error
    finally:
        connection.close()


def _applied(connection: sqlite3.Connection) -> list[str]:
    """The names of the migrations this file has had, in order; empty for a new file."""
    found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
    if connection.execute(found).fetchone() is None:
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (migrations.MIGRATION_SET,)
    )
    return [name for (name,) in rows]


def _apply(connection: sqlite3.Connection) -> None:
    """Bring the file up to date. Two processes may do it at once: the second waits and finds nothing left to do."""
    from sqlite_utils import Database, Migrations

    chosen = Migrations(migrations.MIGRATION_SET)
    for name, script in migrations.MIGRATIONS.items():
        chosen(name=name)(lambda db, script=script: db.executescript(script))
    connection.execute("BEGIN IMMEDIATE")
    try:
        chosen.apply(Database(connection, execute_plugins=False, recursive_triggers=False))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


class Transaction:
    """One commit; entered inside another one, a part of that one."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Connection) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        owner = self._owner
        if owner.depth == 0:
            owner.execute("BEGIN IMMEDIATE")
        owner.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        owner = self._owner
        owner.depth -= 1
        if owner.depth:
            return
        if kind is not None:
            owner.rollback()
            return
        try:
            owner.execute("COMMIT")
        except BaseException:
            owner.rollback()
            raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Connection:
    """A log's file, used from the one thread that opened it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.depth = 0
        self._connection = connection
        self._transaction = Transaction(self)
        self._file = _identity(path)

    def close(self) -> None:
        """Close the file; the last one to do so folds the write-ahead log into it."""
        self._connection.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def is_there(self) -> bool:
        """Whether the file is still the one that was opened; SQLite would go on writing to one that was deleted."""
        return self._file is None or _identity(self.path) == self._file

    def check_there(self) -> None:
        """LogError where the file was deleted or replaced since it was opened."""
        if not self.is_there():
            raise LogError(f"the log {self.path} was deleted or replaced while it was in use")

    def transaction(self) -> Transaction:
        """One commit for the `with` block; an exception that leaves it undoes everything."""
        return self._transaction

    def rollback(self) -> None:
        """Undo the open transaction, if SQLite has not done so itself (as it does on a full disk)."""
        if self._connection.in_transaction:
            self._connection.rollback()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; LogError says what is wrong and what to do."""
        try:
            return self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows, in one commit."""
        with self._transaction:
            try:
                self._connection.executemany(sql, rows)
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one after the other."""
        cursor = self.execute(sql, values)
        try:
            yield from cursor
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.execute(sql, values).fetchone()
        return None if row is None else row[0]
