"""The SQLite file that the processes of a machine share: where, how it is opened, and what it says when it can't be."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from promptlab.errors import StoreError
from promptlab.pacing.window import Lessons

__all__ = ["LESSONS", "connect", "explained"]

#: The file's name has the schema's version: an older promptlab beside a newer one keeps its own.
_FILE = "pacing-1.db"
_PATIENCE_S = 10.0

LESSONS = tuple(field.name for field in fields(Lessons))

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS keys (
    id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, opened REAL NOT NULL,
    {
    ", ".join(
        f"{name} {'' if field.default is None else 'NOT NULL DEFAULT 0'}"
        for name, field in zip(LESSONS, fields(Lessons), strict=True)
    )
}
);
CREATE TABLE IF NOT EXISTS sends (key INTEGER, n INTEGER, at REAL, PRIMARY KEY (key, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    key INTEGER, n INTEGER, owner TEXT, expires REAL, PRIMARY KEY (key, n)
) WITHOUT ROWID;
"""


def connect(folder: Path) -> sqlite3.Connection:
    """Open the file, making it (0600) and its folder (0700) where they are missing; StoreError if it can't be used."""
    path = folder / _FILE
    with explained(path):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return _open(path)
            except sqlite3.OperationalError as error:
                # Several processes that switch a new file to WAL at once are refused without the usual wait.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _open(path: Path) -> sqlite3.Connection:
    # Transactions are written out by hand: BEGIN IMMEDIATE takes the one write lock before anything is read.
    database = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_S)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the disk or SQLite refuses into a StoreError that says what to do."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StoreError(
            f"the pacing state {path} cannot be used ({reason}); it is how runs that share an API key keep to its"
            " limits. Set PROMPTLAB_STATE to a folder on a local disk that you can write"
            + ("; the file itself may be deleted" if isinstance(error, sqlite3.DatabaseError) else "")
        ) from error
