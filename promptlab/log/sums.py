"""Sums over all runs: what was spent, how long the provider took, and keeping the sums that this is read from.

Simulated generations are left out. Why sums can be trusted is in schema_sums.py.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.schema import SIMULATED
from promptlab.model import utc_now

__all__ = ["GROUPS", "Spent", "Sums"]

Group = Literal["day", "experiment", "template", "model", "user", "project"]
GROUPS: Final[tuple[Group, ...]] = ("day", "experiment", "template", "model", "user", "project")

# There is a bound only where every part has one.
_SUMS = """
  sum(generations), sum(images), sum(attempts_at_risk),
  sum(credits), sum(cost_usd),
  CASE WHEN count(*) = count(credits_at_most) THEN total(credits_at_most) END,
  CASE WHEN count(*) = count(cost_usd_at_most) THEN total(cost_usd_at_most) END
"""

_SPENT = """
SELECT
  count(*), total(s.results), total(s.images), total(s.attempts_at_risk),
  sum(s.results) = sum(s.bounded_credits) AND sum(s.attempts_at_risk) = sum(s.bounded_credits_at_risk),
  sum(s.results) = sum(s.bounded_usd) AND sum(s.attempts_at_risk) = sum(s.bounded_usd_at_risk),
  total(s.known_credits), total(s.known_usd),
  total(s.credits), total(s.cost_usd), total(s.credits_at_risk), total(s.cost_usd_at_risk)
FROM spending_parts s JOIN runs r ON r.id = s.run_id
WHERE s.day >= ?1 AND (?2 IS NULL OR r.project = ?2)
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """Cost of results ≤ what the providers billed ≤ the bound with attempts that may be billed; None is unknown.

    `key` is the day (UTC), experiment, template … that this is the sum of; None also where runs name none.
    """

    key: str | None
    generations: int
    images: int
    attempts_at_risk: int
    credits: float | None
    cost_usd: float | None
    credits_at_most: float | None
    cost_usd_at_most: float | None


#: Table of sums → its view of parts, and what one row is about.
_TABLES: Final = {
    "run_sums": ("run_parts", ("run_id", "block")),
    "spending_sums": (
        "spending_parts",
        ("run_id", "block", "day", "experiment", "template_id", "model", "provider"),
    ),
    "variant_sums": (
        "variant_parts",
        ("run_id", "block", "experiment", "variant_id", "template_id", "axis_values", "provider", "model"),
    ),
}
#: How many stale blocks a running run may leave behind: those it is working in.
_IN_WORK: Final = 2


class Sums(Connection):
    """Readers for `usage`, caps, alerts and forecasts; the writer of sums."""

    def usage(self, by: str = "day", *, since: str = "") -> list[Spent]:
        """Spending by day, experiment, template, model, user or project, from the UTC day `since` (ISO date) on."""
        if by not in GROUPS:
            raise InputError(f"usage can't be grouped by {by!r}; it can be by {', '.join(GROUPS)}")
        sql = f"SELECT {by}, {_SUMS} FROM spending WHERE day >= ? GROUP BY 1 ORDER BY 1"
        return [Spent(*row) for row in self.rows(sql, (since,))]

    def spent(self, *, since: str = "", project: str | None = None) -> Spent:
        """All spending from the UTC day `since` (ISO date) on, of one project if named: for caps and alerts."""
        found = self.execute(_SPENT, (since, project)).fetchone()
        some, results, images, at_risk, in_credits, in_usd, some_credits, some_usd, credits, usd, *risk = found
        return Spent(
            key=None,
            generations=int(results),
            images=int(images),
            attempts_at_risk=int(at_risk),
            credits=credits if some_credits or not results else None,
            cost_usd=usd if some_usd or not results else None,
            credits_at_most=credits + risk[0] if in_credits or not some else None,
            cost_usd_at_most=usd + risk[1] if in_usd or not some else None,
        )

    def latencies(
        self,
        provider: str,
        model: str,
        *,
        operation: str | None = None,
        aspect_ratio: str | None = None,
        limit: int = 200,
    ) -> list[int]:
        """Milliseconds that the last real generations of this model took, newest first."""
        sql = f"""
            SELECT g.latency_ms FROM generations g
            WHERE g.model = ? AND g.provider = ? AND g.status = 'completed' AND g.cached_from IS NULL
              AND NOT {SIMULATED} AND g.latency_ms IS NOT NULL
              AND (? IS NULL OR g.operation = ?) AND (? IS NULL OR g.aspect_ratio = ?)
            ORDER BY g.rowid DESC LIMIT ?
        """
        values = (model, provider, operation, operation, aspect_ratio, aspect_ratio, limit)
        return [latency for (latency,) in self.rows(sql, values)]

    def refresh_sums(self, run_id: str | None = None, *, running: bool = False) -> int:
        """Add up the stale blocks of a run, or of all runs that no process holds, each in its own commit.

        `running`: leave the newest blocks, which the run would make stale again at once. Says how many were added up.
        """
        free = "'run:' || run_id NOT IN (SELECT request_hash FROM claims WHERE expires_at > ?2)"
        sql = f"SELECT run_id, block FROM stale_sums WHERE ifnull(run_id = ?1, {free}) ORDER BY 1, 2"
        stale = list(self.rows(sql, (run_id, utc_now())))
        if running:
            stale = stale[:-_IN_WORK]
        for block in stale:
            with self.transaction():
                self._add_up(block)
        return len(stale)

    def _add_up(self, block: tuple[str, int]) -> None:
        """While the block is stale its parts are single rows; the mark goes with the commit that writes their sums."""
        for table, (parts, keys) in _TABLES.items():
            columns = [name for name, *_ in self.execute(f"SELECT * FROM {table} LIMIT 0").description]
            summed = [column if column in keys else f"sum({column})" for column in columns]
            self.execute(f"DELETE FROM {table} WHERE run_id = ? AND block = ?", block)
            self.execute(
                f"INSERT INTO {table} SELECT {', '.join(summed)} FROM {parts} "
                f"WHERE run_id = ? AND block = ? GROUP BY {', '.join(keys)}",
                block,
            )
        self.execute("DELETE FROM stray_sums WHERE run_id = ? AND block = ?", block)
        self.execute("INSERT INTO stray_sums SELECT * FROM stray_copies WHERE run_id = ? AND block = ?", block)
        self.execute("DELETE FROM stale_sums WHERE run_id = ? AND block = ?", block)
