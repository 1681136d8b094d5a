"""The numbered migrations of the log: append-only, each in one transaction with its record."""

from __future__ import annotations

from promptlab.log.schema import ANSWERS, HIDDEN, MARK_EVENTS, MONEY, SEARCH, STATISTICS, TABLES, VIEWS
from promptlab.log.schema_sums import SUMS
from promptlab.log.schema_verdict import VERDICT

__all__ = ["MIGRATIONS", "MIGRATION_SET"]

MIGRATION_SET = "promptlab"

#: Name → SQL, in order. Never edit or reorder one that was released: add the next.
MIGRATIONS: dict[str, str] = {
    "001_the_log": TABLES + SEARCH + VIEWS + STATISTICS,
    "002_answers": ANSWERS,
    "003_marks": MARK_EVENTS,
    "004_money": MONEY,
    "005_hidden": HIDDEN,
    "006_sums": SUMS,
    "007_verdict": VERDICT,
}
