"""Runs and what became of them: finding one by what the user types, its rows, its totals, its failures."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.rows import ATTEMPTS, GENERATIONS, IMAGES, RUNS, read
from promptlab.log.schema import SIMULATED, SIMULATED_RUN, bounded
from promptlab.model import Attempt, Generation, Image, Run

__all__ = ["Failure", "Runs", "Totals"]

_PAGE = 500
_NEWEST_FIRST = "ORDER BY started_at DESC, id DESC"
_GENERATION = GENERATIONS.select("g")

_TOTALS = f"""
SELECT
  count(*),
  total(g.status = 'completed' AND g.cached_from IS NULL), count(g.cached_from),
  total(g.status = 'failed'), total(g.status = 'unknown'), total(g.status = 'lost'),
  total(g.status = 'in_flight'), total(g.status = 'planned'), total(g.status = 'skipped'),
  total({SIMULATED}),
  total(g.cached_from IS NULL AND g.status IN ('completed', 'lost')),
  total(g.cached_from IS NULL AND g.status IN ('completed', 'lost') AND {bounded("credits")}),
  total(g.cached_from IS NULL AND g.status IN ('completed', 'lost') AND {bounded("cost_usd")}),
  count(CASE WHEN g.cached_from IS NULL THEN g.credits END),
  count(CASE WHEN g.cached_from IS NULL THEN g.cost_usd END),
  total(CASE WHEN g.cached_from IS NULL THEN g.credits END),
  total(CASE WHEN g.cached_from IS NULL THEN g.cost_usd END),
  avg(CASE WHEN g.cached_from IS NULL AND g.status = 'completed' THEN g.latency_ms END)
FROM generations g WHERE g.run_id = ?
"""
_COUNTS = (
    *("generations", "completed", "cached", "failed", "unknown", "lost"),
    *("in_flight", "planned", "skipped", "simulated"),
)
_IMAGE_TOTALS = """
SELECT total(i.status = 'stored'), total(i.status = 'lost'), total(CASE WHEN i.status = 'stored' THEN i.bytes END)
FROM generations g JOIN images i ON i.generation_id = g.id WHERE g.run_id = ?
"""
_ATTEMPT_TOTALS = """
SELECT count(*), total(a.may_be_billed),
  total(a.may_be_billed AND a.credits_at_risk IS NOT NULL), total(a.may_be_billed AND a.cost_usd_at_risk IS NOT NULL),
  total(CASE WHEN a.may_be_billed THEN a.credits_at_risk END),
  total(CASE WHEN a.may_be_billed THEN a.cost_usd_at_risk END)
FROM generations g JOIN attempts a ON a.generation_id = g.id WHERE g.run_id = ?
"""
_FAILURES = """
SELECT status, error_code, error_type, error_message, count(*), min(sequence), min(id)
FROM generations WHERE run_id = ? AND status IN ('failed', 'unknown', 'lost')
GROUP BY status, error_code, error_type, error_message ORDER BY count(*) DESC, min(sequence)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What became of a run's generations, counted from their rows; a cost is None where it is not known.

    cost of results (`credits`, `cost_usd`) ≤ what the provider billed ≤ that and the attempts that may be billed
    (`credits_at_most`, `cost_usd_at_most`). Of a simulated run they are what it would have cost.
    """

    generations: int
    completed: int  # paid for in this run; `cached` ones come on top
    cached: int
    failed: int
    unknown: int
    lost: int
    in_flight: int
    planned: int
    skipped: int
    simulated: int
    images: int
    images_lost: int
    bytes: int
    attempts: int
    attempts_at_risk: int
    credits: float | None
    cost_usd: float | None
    credits_at_most: float | None
    cost_usd_at_most: float | None
    mean_latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Generations of a run that went wrong in the same way, and the first of them."""

    status: str
    error_code: str | None
    error_type: str | None
    error_message: str | None
    count: int
    sequence: int
    generation_id: str


class Runs(Connection):
    """Readers of runs and their rows."""

    def run(self, run_id: str) -> Run | None:
        """The run with exactly this id."""
        rows = self.rows(f"SELECT {RUNS.select('r')} FROM runs r WHERE id = ?", (run_id,))
        return next(read(RUNS, rows), None)

    def runs(self, *, experiment: str | None = None, limit: int | None = None) -> list[Run]:
        """The runs, newest first."""
        sql = f"SELECT {RUNS.select('r')} FROM runs r WHERE ? IN (experiment, '') {_NEWEST_FIRST} LIMIT ?"
        return list(read(RUNS, self.rows(sql, (experiment or "", -1 if limit is None else limit))))

    def simulated_runs(self) -> set[str]:
        """The runs in which anything was simulated: they cost nothing, and are marked everywhere."""
        return {id_ for (id_,) in self.rows(f"SELECT id FROM runs WHERE {SIMULATED_RUN}")}

    def find_run(self, text: str) -> Run:
        """The run that is meant: an id, `last`, an experiment's name (its latest run), a unique prefix of an id."""
        wanted = text.strip()
        for run_id in (wanted, wanted.upper(), self._latest_run(wanted)):
            if run_id and (found := self.run(run_id)) is not None:
                return found
        ids = self._ids_from(wanted)
        if len(ids) == 1 and (found := self.run(ids[0])) is not None:
            return found
        raise InputError(self._which_run(text, ids), code="no-such-run")

    def _latest_run(self, text: str) -> str | None:
        condition, values = ("", ()) if text == "last" else ("WHERE experiment = ?", (text,))
        found: str | None = self.value(f"SELECT id FROM runs {condition} {_NEWEST_FIRST} LIMIT 1", values)
        return found

    def _ids_from(self, prefix: str) -> list[str]:
        if not prefix:
            return []
        sql = f"SELECT id FROM runs WHERE lower(substr(id, 1, ?)) = lower(?) {_NEWEST_FIRST} LIMIT 6"
        return [id_ for (id_,) in self.rows(sql, (len(prefix), prefix))]

    def _which_run(self, text: str, ids: list[str]) -> str:
        if ids:
            some = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
            return f"{text!r} is the start of several runs' ids: {some}; write more of it"
        recent = [name for (name,) in self.rows("SELECT experiment FROM runs GROUP BY 1 ORDER BY max(started_at) DESC")]
        if not recent:
            return f"there is no run {text!r}: {self.path} holds no run yet; `promptlab run EXPERIMENT` makes one"
        near = difflib.get_close_matches(text, recent, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"experiments that ran: {', '.join(recent[:5])}."
        return f"there is no run {text!r}; {advice} A run is an id, the start of one, an experiment's name or `last`"

    def generations(self, run_id: str, *, statuses: Collection[str] = ()) -> Iterator[Generation]:
        """The run's generations in the order of the plan, of these statuses if any are named.

        They are read a page at a time, so that the caller may change them on the way.
        """
        condition = f"AND g.status IN ({', '.join('?' * len(statuses))})" if statuses else ""
        sql = f"""
            SELECT {_GENERATION} FROM generations g
            WHERE g.run_id = ? AND (g.sequence, g.id) > (?, ?) {condition} ORDER BY g.sequence, g.id LIMIT {_PAGE}
        """
        after: tuple[int, str] = (-(2**62), "")
        while page := list(read(GENERATIONS, self.rows(sql, (run_id, *after, *statuses)))):
            yield from page
            after = (page[-1].sequence, page[-1].id)

    def generation(self, generation_id: str) -> Generation | None:
        """The generation with exactly this id."""
        sql = f"SELECT {_GENERATION} FROM generations g WHERE g.id = ?"
        return next(read(GENERATIONS, self.rows(sql, (generation_id,))), None)

    def statuses(self, run_id: str) -> dict[int, tuple[str, str, str]]:
        """What a resumed run needs to know of each place in its plan: generation id, request hash, status."""
        sql = "SELECT sequence, id, request_hash, status FROM generations WHERE run_id = ? ORDER BY sequence, id"
        return {sequence: (id_, hash_, status) for sequence, id_, hash_, status in self.rows(sql, (run_id,))}

    def attempts(self, generation_id: str) -> list[Attempt]:
        """The sends of a generation, in their order."""
        sql = f"SELECT {ATTEMPTS.select('a')} FROM attempts a WHERE a.generation_id = ? ORDER BY a.number"
        return list(read(ATTEMPTS, self.rows(sql, (generation_id,))))

    def images(self, run_id: str) -> Iterator[Image]:
        """The run's images, in the order of the plan."""
        sql = f"""
            SELECT {IMAGES.select("i")} FROM generations g JOIN images i ON i.generation_id = g.id
            WHERE g.run_id = ? ORDER BY g.sequence, g.id, i.position
        """
        return read(IMAGES, self.rows(sql, (run_id,)))

    def failures(self, run_id: str) -> list[Failure]:
        """What failed, is unknown or was lost, the most frequent first."""
        return [Failure(*row) for row in self.rows(_FAILURES, (run_id,))]

    def count_seeds(self, run_id: str) -> int:
        """How many seeds each variant of the run has; 0 where none is sent."""
        sql = "SELECT ifnull(max(seed_index) + 1, 0) FROM generations WHERE run_id = ?"
        return int(self.value(sql, (run_id,)))

    def totals(self, run_id: str) -> Totals:
        """The run's counts and costs, from its rows: right at any moment, also after a kill."""
        row = self.execute(_TOTALS, (run_id,)).fetchone()
        *counts, results, in_credits, in_usd, some_credits, some_usd, credits, usd, latency = row
        stored, lost, size = map(int, self.execute(_IMAGE_TOTALS, (run_id,)).fetchone())
        attempts, at_risk, risk_in_credits, risk_in_usd, credits_at_risk, usd_at_risk = self.execute(
            _ATTEMPT_TOTALS, (run_id,)
        ).fetchone()
        return Totals(
            **{name: int(count) for name, count in zip(_COUNTS, counts, strict=True)},
            images=stored,
            images_lost=lost,
            bytes=size,
            attempts=attempts,
            attempts_at_risk=int(at_risk),
            credits=credits if some_credits or not results else None,
            cost_usd=usd if some_usd or not results else None,
            credits_at_most=credits + credits_at_risk if (in_credits, risk_in_credits) == (results, at_risk) else None,
            cost_usd_at_most=usd + usd_at_risk if (in_usd, risk_in_usd) == (results, at_risk) else None,
            mean_latency_ms=latency,
        )
