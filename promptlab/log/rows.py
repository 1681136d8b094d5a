"""Between dataclasses and rows: the fields of a class are the columns of its table, under the same names.

A trigger that writes to an FTS5 table makes SQLite flush the index after every row (the statement's savepoint does
it): 35 µs a row and index. So `searchable_later` lets one statement index many rows at once, with the triggers removed
for the length of the transaction, which no other connection can see.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from promptlab.errors import InputError, LogError
from promptlab.log.connection import Connection
from promptlab.model import Attempt, Generation, Image, Run

__all__ = ["ROWS", "Row", "Table", "paid_images", "read", "searchable_later", "table"]

Row = Run | Generation | Attempt | Image
_MANY: Final = 200  # from here on, two changes of the schema cost less than the flushes
_INDEXED: Final = {"generations": ("prompt", "negative_prompt"), "images": ("revised_prompt",)}
_PAID: Final = """
SELECT h.value, (
  SELECT coalesce(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)
  FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id = h.value)
FROM json_each(?) h
"""
AnyRow = TypeVar("AnyRow", bound=Run | Generation | Attempt | Image)


class Table(Generic[AnyRow]):
    """How one class is written and read."""

    def __init__(self, name: str, kind: type[AnyRow]) -> None:
        self.name = name
        self.kind: type[AnyRow] = kind
        self.columns = tuple(field.name for field in fields(kind))
        #: The values of a row, in the order of the columns; SQLite takes True and False as 1 and 0.
        self.values: Callable[[AnyRow], tuple[Any, ...]] = attrgetter(*self.columns)
        marks = ", ".join("?" * len(self.columns))
        self.insert = f"INSERT INTO {name} ({', '.join(self.columns)}) VALUES ({marks})"
        self._updates: dict[tuple[str, ...], str] = {}
        self._booleans = tuple(field.name for field in fields(kind) if "bool" in str(field.type))

    def update(self, names: tuple[str, ...]) -> str:
        """The UPDATE of these columns by id; the few sets of names that a run uses are made once."""
        if names not in self._updates:
            if wrong := [name for name in names if name not in self.columns or name == "id"]:
                raise LogError(f"{self.name} has no column {', '.join(wrong)} to change")
            changes = ", ".join(f"{name} = ?" for name in names)
            self._updates[names] = f"UPDATE {self.name} SET {changes} WHERE id = ?"
        return self._updates[names]

    def select(self, prefix: str) -> str:
        """The columns, as a query names them: `g.id, g.run_id, …`."""
        return ", ".join(f"{prefix}.{column}" for column in self.columns)

    def read(self, values: Iterable[Any]) -> AnyRow:
        """The row again, from the columns in their order."""
        found: dict[str, Any] = dict(zip(self.columns, values, strict=True))
        for name in self._booleans:
            if found[name] is not None:
                found[name] = bool(found[name])
        return self.kind(**found)


RUNS = Table("runs", Run)
GENERATIONS = Table("generations", Generation)
ATTEMPTS = Table("attempts", Attempt)
IMAGES = Table("images", Image)

#: Parents before children, as foreign keys want them written.
ROWS: dict[type[Row], Table[Any]] = {Run: RUNS, Generation: GENERATIONS, Attempt: ATTEMPTS, Image: IMAGES}


def table(kind: type[Row]) -> Table[Any]:
    """The table of a class; LogError for a class that is not a row."""
    if kind not in ROWS:
        raise LogError(f"the log has no table for {kind.__name__}")
    return ROWS[kind]


def read(table: Table[AnyRow], rows: Iterable[Iterable[Any]]) -> Iterator[AnyRow]:
    """The rows of a query that selected the table's columns."""
    return map(table.read, rows)


@contextmanager
def searchable_later(log: Connection, rows: int) -> Iterator[None]:
    """Inside a transaction: index what the block inserts at its end, if that is as many rows as make it worth it."""
    if rows < _MANY:
        yield
        return
    last = {table: log.value(f"SELECT max(rowid) FROM {table}") or 0 for table in _INDEXED}
    triggers = [log.value("SELECT sql FROM sqlite_master WHERE name = ?", (f"{table}_ai",)) for table in _INDEXED]
    for table in _INDEXED:
        log.execute(f"DROP TRIGGER {table}_ai")
    yield
    for table, columns in _INDEXED.items():
        names = ", ".join(columns)
        sql = f"INSERT INTO {table}_fts (rowid, {names}) SELECT rowid, {names} FROM {table} WHERE rowid > ?"
        log.execute(sql, (last[table],))
    for trigger in triggers:
        log.execute(trigger)


def paid_images(log: Connection, image_ids: Collection[str]) -> dict[str, str]:
    """Image → the paid image that it shows, which marks, votes and scores belong to; InputError for one that is not
    in the log."""
    found = dict(log.rows(_PAID, (json.dumps(list(image_ids)),)))
    if missing := [id_ for id_, paid in found.items() if paid is None]:
        raise InputError(f"the log has no image {', '.join(missing[:5])}", code="no-such-image")
    return found
