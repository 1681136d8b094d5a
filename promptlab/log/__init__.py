"""The SQLite file that remembers everything: numbered migrations, one writer, readers, views (docs/log.md)."""

from __future__ import annotations

from promptlab.log.cache import Hit, RawAnswer
from promptlab.log.forget import Forgetting
from promptlab.log.log import Log
from promptlab.log.marks import Mark, Marked
from promptlab.log.runs import Failure, Totals
from promptlab.log.sums import GROUPS, Spent
from promptlab.log.templates import TemplateUsage, UsedTemplate

__all__ = [
    "GROUPS", "Failure", "Forgetting", "Hit", "Log", "Mark", "Marked", "RawAnswer", "Spent", "TemplateUsage",
    "Totals", "UsedTemplate",
]  # fmt: skip
