"""Search indexes during bulk inserts.

A trigger that writes to an FTS5 table makes SQLite flush the index after every row (the statement's savepoint does
it): 35 µs a row and index. Many rows at once are indexed by one statement instead, with the triggers removed for the
length of the transaction, which no other connection can see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from promptlab.log.connection import Connection

__all__ = ["paused"]

_MANY: Final = 200  # from here on, two changes of the schema cost less than the flushes
_INDEXED: Final = {"generations": ("prompt", "negative_prompt"), "images": ("revised_prompt",)}


@contextmanager
def paused(log: Connection, rows: int) -> Iterator[None]:
    """Inside a transaction: index what the block inserts at its end, if that is as many rows as make it worth it."""
    if rows < _MANY:
        yield
        return
    last = {table: log.value(f"SELECT max(rowid) FROM {table}") or 0 for table in _INDEXED}  # noqa: S608  own names
    triggers = [log.value("SELECT sql FROM sqlite_master WHERE name = ?", (f"{table}_ai",)) for table in _INDEXED]
    for table in _INDEXED:
        log.execute(f"DROP TRIGGER {table}_ai")
    yield
    for table, columns in _INDEXED.items():
        names = ", ".join(columns)
        sql = f"INSERT INTO {table}_fts (rowid, {names}) SELECT rowid, {names} FROM {table} WHERE rowid > ?"  # noqa: S608
        log.execute(sql, (last[table],))
    for trigger in triggers:
        log.execute(trigger)
