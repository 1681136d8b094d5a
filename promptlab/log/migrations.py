"""The numbered migrations of the log: append-only, each in one transaction with its record.

sqlite-utils applies them. It takes about 100 ms to import, so `applied` answers from plain sqlite3 whether there is
anything to do at all.
"""

from __future__ import annotations

import sqlite3

from promptlab.log.schema import ANSWERS, HIDDEN, MARK_EVENTS, MONEY, SEARCH, STATISTICS, SUMS, TABLES, VIEWS

__all__ = ["MIGRATIONS", "MIGRATION_SET", "applied", "apply"]

MIGRATION_SET = "promptlab"

#: Name → SQL, in order. Never edit or reorder one that was released: add the next.
MIGRATIONS: dict[str, str] = {
    "001_the_log": TABLES + SEARCH + VIEWS + STATISTICS,
    "002_answers": ANSWERS,
    "003_marks": MARK_EVENTS,
    "004_money": MONEY,
    "005_hidden": HIDDEN,
    "006_sums": SUMS,
}


def applied(connection: sqlite3.Connection) -> list[str]:
    """The names of the migrations this file has had, in order; empty for a new file."""
    found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
    if connection.execute(found).fetchone() is None:
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (MIGRATION_SET,)
    )
    return [name for (name,) in rows]


def apply(connection: sqlite3.Connection) -> None:
    """Bring the file up to date. Two processes may do it at once: the second waits and finds nothing left to do."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations(MIGRATION_SET)
    for name, script in MIGRATIONS.items():
        migrations(name=name)(lambda db, script=script: db.executescript(script))
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(Database(connection, execute_plugins=False, recursive_triggers=False))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
