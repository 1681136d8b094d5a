"""What was spent, and how long the provider took: over all runs, simulated generations left out."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.schema import SIMULATED, bounded

__all__ = ["GROUPS", "Money", "Spent"]

Group = Literal["day", "experiment", "template", "model", "user", "project"]
GROUPS: Final[tuple[Group, ...]] = ("day", "experiment", "template", "model", "user", "project")

# There is a bound only where every part has one.
_SUMS = """
  sum(generations), sum(images), sum(attempts_at_risk),
  sum(credits), sum(cost_usd),
  CASE WHEN count(*) = count(credits_at_most) THEN total(credits_at_most) END,
  CASE WHEN count(*) = count(cost_usd_at_most) THEN total(cost_usd_at_most) END
"""

_RESULTS = f"""
SELECT
  ifnull(sum(g.status IN ('completed', 'lost')), 0),
  ifnull(sum((SELECT count(*) FROM images i WHERE i.generation_id = g.id)), 0),
  ifnull(sum(g.status IN ('completed', 'lost') AND {bounded("credits")}), 0),
  ifnull(sum(g.status IN ('completed', 'lost') AND {bounded("cost_usd")}), 0),
  count(g.credits), count(g.cost_usd),
  total(g.credits), total(g.cost_usd)
FROM runs r
JOIN generations g ON g.run_id = r.id
WHERE (r.ended_at IS NULL OR r.ended_at >= ?) AND (? IS NULL OR r.project = ?)
  AND coalesce(g.started_at, g.created_at) >= ? AND g.cached_from IS NULL AND NOT {SIMULATED}
  AND (+g.status IN ('completed', 'lost') OR g.credits IS NOT NULL OR g.cost_usd IS NOT NULL)
"""
_AT_RISK = f"""
SELECT count(*), count(a.credits_at_risk), count(a.cost_usd_at_risk),
  total(a.credits_at_risk), total(a.cost_usd_at_risk)
FROM attempts a
JOIN generations g ON g.id = a.generation_id
JOIN runs r ON r.id = g.run_id
WHERE a.may_be_billed = 1 AND a.started_at >= ? AND (? IS NULL OR r.project = ?) AND NOT {SIMULATED}
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


class Money(Connection):
    """Readers for `usage`, caps, alerts and forecasts."""

    def usage(self, by: str = "day", *, since: str = "") -> list[Spent]:
        """Spending by day, experiment, template, model, user or project, from the UTC day `since` (ISO date) on."""
        if by not in GROUPS:
            raise InputError(f"usage can't be grouped by {by!r}; it can be by {', '.join(GROUPS)}")
        sql = f"SELECT {by}, {_SUMS} FROM spending WHERE day >= ? GROUP BY 1 ORDER BY 1"
        return [Spent(*row) for row in self.rows(sql, (since,))]

    def spent(self, *, since: str = "", project: str | None = None) -> Spent:
        """All spending from the UTC day `since` (ISO date) on, of one project if named: for caps and alerts.

        The sum of `spending` over these days, but quick: only runs that went on since then are read.
        """
        values = (since, project, project, since)
        found = self.execute(_RESULTS, values).fetchone()
        results, images, in_credits, in_usd, some_credits, some_usd, credits, usd = found
        at_risk, risk_in_credits, risk_in_usd, credits_at_risk, usd_at_risk = self.execute(
            _AT_RISK, (since, project, project)
        ).fetchone()
        return Spent(
            key=None,
            generations=results,
            images=images,
            attempts_at_risk=at_risk,
            credits=credits if some_credits or not results else None,
            cost_usd=usd if some_usd or not results else None,
            credits_at_most=credits + credits_at_risk if (in_credits, risk_in_credits) == (results, at_risk) else None,
            cost_usd_at_most=usd + usd_at_risk if (in_usd, risk_in_usd) == (results, at_risk) else None,
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
