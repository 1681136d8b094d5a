"""What the Spend page says: the figures of `promptlab usage`, and how much of the studio's caps is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from promptlab.errors import PromptlabError
from promptlab.log.sums import GROUPS, Apart, Group, Spent, Sums

__all__ = ["CapUse", "Spending", "caps_near", "periods", "spending", "spent_row"]


@dataclass(frozen=True, slots=True)
class Spending:
    """The rows of `usage`, their total, and what stands beside them; `rows` of days are newest last."""

    by: Group
    since: str
    rows: Sequence[Spent]
    total: Spent
    apart: Apart
    caps: Sequence[CapUse]

    @property
    def in_dollars(self) -> bool:
        """Whether dollars are known at all; else credits are shown."""
        figures = [figure for row in self.rows for figure in (row.cost_usd, row.cost_usd_at_most)]
        return any(figures) or not any(row.credits for row in self.rows)


@dataclass(frozen=True, slots=True)
class CapUse:
    """A cap of the studio: what counts against it, at most, in its own unit; None is not known."""

    name: str
    cap: float
    used: float | None
    in_dollars: bool

    @property
    def share(self) -> float | None:
        """How much of it is used, as a part of 1; above 1 where it is passed."""
        return None if self.used is None or not self.cap else self.used / self.cap


def spending(connection: sqlite3.Connection, path: Path, by: str, since: str) -> Spending:
    """What was spent from the UTC day `since` on; any other `by` than those of `usage` is by day."""
    sums = Sums(path, connection)
    group: Group = by if by in GROUPS else "day"
    rows = sums.usage(group, since=since)
    if group != "day":
        rows.sort(key=lambda row: (-(row.cost_usd or 0), -(row.credits or 0), row.key or ""))
    total = sums.usage_in_all(rows, since=since)
    return Spending(group, since, rows, total, sums.spent_apart(since=since), caps_near(path, sums))


def caps_near(path: Path, sums: Sums) -> list[CapUse]:
    """The caps of the studio that this log belongs to; none where it lies in no studio, or its settings have mistakes.

    What counts is what a run counts against them: the most that was billed, by UTC day and month.
    """
    from promptlab.spec.files import find_studio
    from promptlab.spec.settings import load_settings

    try:
        settings = load_settings(find_studio(path.absolute().parent), {})
    except PromptlabError:
        return []
    if settings.db.resolve() != path.resolve():
        return []
    now = datetime.now(UTC)
    found = []
    for name, since, cap in (
        ("Today", f"{now:%Y-%m-%d}", settings.caps.day),
        ("This month", f"{now:%Y-%m-01}", settings.caps.month),
    ):
        if cap is not None:
            spent = sums.spent(since=since)
            in_dollars = cap.usd is not None
            used = spent.cost_usd_at_most if in_dollars else spent.credits_at_most
            found.append(CapUse(name, cap.usd or cap.credits or 0.0, used, in_dollars))
    return found


def periods(today: date) -> list[tuple[str, str]]:
    """What one would look at first: a name, and the day it begins (empty: from the beginning)."""
    return [
        ("all", ""),
        ("this month", f"{today:%Y-%m-01}"),
        ("30 days", str(today - timedelta(days=29))),
        ("7 days", str(today - timedelta(days=6))),
        ("today", str(today)),
    ]


def spent_row(row: Spent) -> dict[str, Any]:
    """A row as data, under the names of `usage --json`."""
    low, high = row.usd_per_kept
    return asdict(row) | {"usd_per_kept": low, "usd_per_kept_at_most": high}
