"""Sums over all runs: what was spent, how long the provider took, and keeping the sums that this is read from.

Simulated generations are left out. Why sums can be trusted is in schema_sums.py.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.schema import SIMULATED
from promptlab.model import utc_now

__all__ = ["GROUPS", "Apart", "Spent", "Sums", "usage_sql"]

Group = Literal["day", "experiment", "template", "model", "user", "project"]
GROUPS: Final[tuple[Group, ...]] = ("day", "experiment", "template", "model", "user", "project")

# There is a bound only where every part has one.
_SUMS = """
  sum(generations) AS generations, sum(images) AS images, sum(attempts_at_risk) AS attempts_at_risk,
  sum(credits) AS credits, sum(cost_usd) AS cost_usd,
  CASE WHEN count(*) = count(credits_at_most) THEN total(credits_at_most) END AS credits_at_most,
  CASE WHEN count(*) = count(cost_usd_at_most) THEN total(cost_usd_at_most) END AS cost_usd_at_most
"""
_DAY = "substr(coalesce(g.started_at, g.created_at), 1, 10)"
#: What an image's generation is grouped by, as `spending` groups it.
_OF_IMAGE: Final = {
    "day": _DAY, "experiment": "g.experiment", "model": "g.model", "user": "r.user", "project": "r.project",
    "template": "(SELECT t.path FROM templates t WHERE t.id = g.template_id)",
}  # fmt: skip


def usage_sql(by: Group) -> str:
    """The query of `usage`, from the UTC day `:since` on. A page links to it, so that everybody gets the same figures.

    What was kept starts at the marks, which are fewer than the images; conditions on `g` alone would make SQLite read
    all of it, for a Bloom filter. A call of several images has its cost divided.
    """
    return f"""
WITH spent AS (
  SELECT {by} AS key, {_SUMS} FROM spending WHERE day >= :since GROUP BY 1
),
judged AS (
  SELECT {_OF_IMAGE[by]} AS key, sum(m.mark = 'keep') AS kept, sum(m.mark = 'reject') AS rejected,
    sum(CASE m.mark WHEN 'reject' THEN g.cost_usd / max(1,
      (SELECT count(*) FROM images n WHERE n.generation_id = g.id)) END) AS rejected_usd
  FROM latest_marks m
  CROSS JOIN images i ON i.id = m.image_id
  CROSS JOIN generations g ON g.id = i.generation_id
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE CASE WHEN g.id = i.generation_id THEN g.cached_from IS NULL AND NOT {SIMULATED} AND {_DAY} >= :since END
  GROUP BY 1
)
SELECT s.*, ifnull(j.kept, 0) AS kept, ifnull(j.rejected, 0) AS rejected, j.rejected_usd
FROM spent s LEFT JOIN judged j ON j.key IS s.key
ORDER BY s.key
""".strip()


#: Copies from the cache that are looked up to say what they would have cost; of more, a mean is taken.
_COPIES: Final = 50_000
_SAVED = f"""
SELECT count(*), total(c.cost_usd), count(c.cost_usd) FROM (
  SELECT g.cost_usd FROM generations k INDEXED BY generations_cached_from
  CROSS JOIN generations g ON g.id = k.cached_from
  WHERE k.cached_from IS NOT NULL AND k.created_at >= ?1 AND CASE WHEN g.id = k.cached_from THEN NOT {SIMULATED} END
  LIMIT ?2) c
"""
_JUDGE = """
SELECT count(*), total(cost_usd), total(CASE WHEN cost_usd IS NULL THEN cost_usd_at_risk END),
  sum(may_be_billed <> 0 AND cost_usd IS NULL AND cost_usd_at_risk IS NULL),
  sum(may_be_billed <> 0 AND cost_usd IS NULL)
FROM judge_calls WHERE started_at >= ? AND cost_source IS NOT 'simulated'
"""
_REDONE = """
SELECT total(s.cost_usd), total(s.results) FROM runs r CROSS JOIN spending_parts s ON s.run_id = r.id
WHERE r.kind = 'redo' AND s.day >= ?
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
    kept: int = 0  # images that people marked `keep`, of any day; `rejected` likewise
    rejected: int = 0
    rejected_usd: float | None = None  # what the rejected ones cost, as far as it is known

    @property
    def usd_per_kept(self) -> tuple[float | None, float | None]:
        """All of the cost divided by the kept images: at least and at most; None is unknown, or nothing was kept."""
        if not self.kept:
            return None, None
        low, high = self.cost_usd, self.cost_usd_at_most
        return None if low is None else low / self.kept, None if high is None else high / self.kept


@dataclass(frozen=True, slots=True)
class Apart:
    """What is not part of the spending on images, or a part of it that is worth knowing. Dollars.

    `saved_usd` is what images from the cache would have cost; `saved_about` where that is the mean of many. `judge_usd`
    is what calls of judge models cost, `judge_usd_at_most` with those that may have been billed (None: not known).
    """

    simulated: int
    copies: int
    saved_usd: float
    saved_about: bool
    redo_generations: int
    redo_usd: float
    judge_calls: int
    judge_usd: float
    judge_usd_at_most: float | None
    judge_at_risk: int


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
        sql = usage_sql(by).replace(":since", "?1")
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

    def usage_in_all(self, rows: Iterable[Spent], *, since: str = "") -> Spent:
        """The total below rows of `usage`, with what was kept and rejected in all of them."""
        found = list(rows)
        costs = [row.rejected_usd for row in found if row.rejected_usd is not None]
        return replace(
            self.spent(since=since),
            kept=sum(row.kept for row in found),
            rejected=sum(row.rejected for row in found),
            rejected_usd=sum(costs) if costs else None,
        )

    def spent_apart(self, *, since: str = "") -> Apart:
        """What simulated runs, the cache, `redo` and judges come to, from the UTC day `since` on."""
        sql = "SELECT total(p.simulated), total(p.cached) FROM runs r CROSS JOIN run_parts p ON p.run_id = r.id"
        simulated, copies = self.execute(f"{sql} WHERE r.started_at >= ?", (since,)).fetchone()
        looked, saved, priced = self.execute(_SAVED, (since, _COPIES)).fetchone()
        about = looked == _COPIES and copies > looked
        calls, cost, at_risk, unbounded, unsure = self.execute(_JUDGE, (since,)).fetchone()
        redo_usd, redone = self.execute(_REDONE, (since,)).fetchone()
        return Apart(
            simulated=int(simulated),
            copies=int(copies),
            saved_usd=saved / priced * copies if about and priced else saved,
            saved_about=about,
            redo_generations=int(redone),
            redo_usd=redo_usd,
            judge_calls=calls,
            judge_usd=cost,
            judge_usd_at_most=None if unbounded else cost + at_risk,
            judge_at_risk=unsure or 0,
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
