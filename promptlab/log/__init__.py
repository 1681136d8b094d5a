"""The SQLite file that remembers everything: numbered migrations, one writer, readers, views (docs/log.md)."""

from __future__ import annotations

from promptlab.log.cache import Hit, RawAnswer
from promptlab.log.forget import Forgetting
from promptlab.log.log import Log
from promptlab.log.marks import Mark, Marked
from promptlab.log.picks import AskedBefore, Pick, PlannedRequest, Product, Unpicked
from promptlab.log.runs import Failure, Totals
from promptlab.log.sums import GROUPS, Spent
from promptlab.log.templates import TemplateUsage, UsedTemplate

__all__ = [
    "GROUPS", "AskedBefore", "Failure", "Forgetting", "Hit", "Log", "Mark", "Marked", "Pick", "PlannedRequest",
    "Product", "RawAnswer", "Spent", "TemplateUsage", "Totals", "Unpicked", "UsedTemplate",
]  # fmt: skip
