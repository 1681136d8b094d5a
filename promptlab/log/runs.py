"""Runs and what became of them: finding one by what is typed, hiding one, its rows, its totals, its failures."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise

from promptlab.errors import InputError, nearest
from promptlab.log.connection import Connection
from promptlab.log.rows import ATTEMPTS, GENERATIONS, IMAGES, RUNS, read
from promptlab.log.schema import SIMULATED_RUN
from promptlab.log.schema_sums import run_rows
from promptlab.model import Attempt, Generation, Image, Run, utc_now

__all__ = ["Failure", "Runs", "Totals", "short"]

_PAGE = 500
LEAST = 8  # letters of a short id: a shorter prefix would soon name several runs
_NEWEST_FIRST = "ORDER BY started_at DESC, id DESC"
_GENERATION = GENERATIONS.select("g")

_COUNTS = (
    *("generations", "completed", "cached", "failed", "unknown", "lost", "in_flight", "planned", "skipped"),
    *("simulated", "results", "bounded_credits", "bounded_usd", "known_credits", "known_usd", "credits", "cost_usd"),
    *("latencies", "latency_ms", "images", "images_lost", "bytes", "attempts", "attempts_at_risk"),
    *("bounded_credits_at_risk", "bounded_usd_at_risk", "credits_at_risk", "cost_usd_at_risk"),
)  # in the order of the columns of run_sums
_TOTALS = f"SELECT {', '.join(f'total({column})' for column in _COUNTS)} FROM {{0}} WHERE run_id = ?"
_ROWS = f"WITH r (run_id, block, {', '.join(_COUNTS)}) AS ({run_rows('generations g', '0')}) SELECT * FROM r"
_OF_OLDER_LOGS = f"({_ROWS})"  # a page shows a log of before migration 006 as it is
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


def short(ids: Iterable[str]) -> dict[str, str]:
    """Id → the shortest prefix that no other of these ids has, of at least eight letters."""
    ordered = sorted(set(ids))
    lengths = dict.fromkeys(ordered, LEAST)
    for one, other in pairwise(ordered):
        same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        for id_ in (one, other):
            lengths[id_] = max(lengths[id_], same + 1)
    return {id_: id_[:length] for id_, length in lengths.items()}


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

    def find_whole_run(self, text: str) -> Run:
        """As `find_run`, for what is about all variants: a name or `last` whose latest run is a redo means the run that
        was redone. An id, or the start of one, is taken as it is.
        """
        found = self.find_run(text)
        if found.id.startswith(text.strip().upper()):
            return found
        while found.kind == "redo" and found.parent_run and (parent := self.run(found.parent_run)) is not None:
            found = parent
        return found

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
        near = nearest(text, recent)
        advice = f"did you mean {near!r}?" if near else f"experiments that ran: {', '.join(recent[:5])}."
        return f"there is no run {text!r}; {advice} A run is an id, the start of one, an experiment's name or `last`"

    def short_ids(self) -> dict[str, str]:
        """Run id → the shortest prefix that names it and no other run of this log."""
        return short(id_ for (id_,) in self.rows("SELECT id FROM runs"))

    def hidden_runs(self) -> set[str]:
        """The ids of the runs that lists leave out."""
        return {id_ for (id_,) in self.rows("SELECT run_id FROM hidden_runs")}

    def hide_run(self, run_id: str) -> None:
        """Leave a run out of lists; nothing else changes."""
        self.execute("INSERT INTO hidden_runs (run_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (run_id, utc_now()))

    def unhide_run(self, run_id: str) -> None:
        """Put a run back into lists."""
        self.execute("DELETE FROM hidden_runs WHERE run_id = ?", (run_id,))

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
        """The run's counts and costs, as its rows are: right at any moment, also after a kill."""
        has_sums = self.value("SELECT 1 FROM sqlite_master WHERE name = 'run_parts'") is not None
        row = self.execute(_TOTALS.format("run_parts" if has_sums else _OF_OLDER_LOGS), (run_id,)).fetchone()
        sums: dict[str, float] = dict(zip(_COUNTS, row, strict=True))
        n = {name: int(number) for name, number in sums.items()}
        credits_known = (n["bounded_credits"], n["bounded_credits_at_risk"]) == (n["results"], n["attempts_at_risk"])
        usd_known = (n["bounded_usd"], n["bounded_usd_at_risk"]) == (n["results"], n["attempts_at_risk"])
        return Totals(
            **{field.name: n[field.name] for field in fields(Totals) if field.type == "int"},
            credits=sums["credits"] if n["known_credits"] or not n["results"] else None,
            cost_usd=sums["cost_usd"] if n["known_usd"] or not n["results"] else None,
            credits_at_most=sums["credits"] + sums["credits_at_risk"] if credits_known else None,
            cost_usd_at_most=sums["cost_usd"] + sums["cost_usd_at_risk"] if usd_known else None,
            mean_latency_ms=sums["latency_ms"] / n["latencies"] if n["latencies"] else None,
        )
