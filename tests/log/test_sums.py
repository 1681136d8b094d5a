"""Sums that are kept are those of the rows, whatever was written since and by whom."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import LogError
from promptlab.log import Log
from promptlab.model import Generation

Check = Callable[[Path], None]


@pytest.fixture
def summed(log: Log, rows: Any) -> Log:
    """Paid generations of two runs with a copy of each beside it, one elsewhere, and every sum made."""
    first, second, third = rows.run(id="R1"), rows.run(id="R2", user="ben"), rows.run(id="R3")
    costs = {"credits": 50.0, "cost_usd": 0.75, "axis_values": "{}", "latency_ms": 100}
    for run, id in ((first, "G1"), (second, "G2")):
        paid = rows.generation(run, id=id, **costs)
        rows.attempt(paid, id=f"A{id}", outcome="ok", may_be_billed=True, credits_at_risk=9.0, cost_usd_at_risk=0.1)
        rows.image(paid, id=f"I{id}", bytes=5)
        copied = {"cached_from": id, "credits": 0.0, "cost_usd": 0.0, "axis_values": "{}"}
        rows.image(rows.generation(third, id=f"C{id}", **copied))
        rows.image(rows.generation(third, id=f"S{id}", **copied, variant_id="v2", axes={"style": "ink"}))
    log.refresh_sums()
    return log


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO generations SELECT 'G9', {rest} FROM generations WHERE id = 'G1'",
        "REPLACE INTO generations SELECT id, 'R2', {rest_of_run} FROM generations WHERE id = 'G1'",
        "REPLACE INTO generations SELECT id, 'R2', 9000, {rest_of_place} FROM generations WHERE id = 'G1'",
        "DELETE FROM generations WHERE id = 'G1'",
        "DELETE FROM generations WHERE id = 'CG1'",
        "UPDATE generations SET credits = 4.0 WHERE id = 'G1'",
        "UPDATE generations SET status = 'planned' WHERE id = 'G1'",
        "UPDATE generations SET status = 'failed' WHERE id = 'G1'",
        "UPDATE generations SET variant_id = 'v2' WHERE id = 'G1'",
        "UPDATE generations SET model = 'other' WHERE id IN ('G1', 'CG1')",
        "UPDATE generations SET cost_source = 'simulated' WHERE id = 'G1'",
        "UPDATE generations SET cached_from = NULL WHERE id = 'CG1'",
        "UPDATE generations SET cached_from = 'G2' WHERE id = 'G1'",
        "UPDATE generations SET cached_from = 'SG1' WHERE id = 'SG2'",
        "UPDATE generations SET id = 'G9' WHERE id = 'G1'",
        "UPDATE generations SET sequence = 9000 WHERE id = 'G1'",
        "UPDATE generations SET run_id = 'R2' WHERE id = 'G1'",
        "UPDATE generations SET started_at = '2026-01-01' WHERE id = 'G1'",
        "UPDATE generations SET latency_ms = 5 WHERE id = 'G2'",
        "UPDATE runs SET kind = 'verify' WHERE id = 'R1'",
        "UPDATE runs SET kind = 'verify' WHERE id = 'R3'",
        "UPDATE runs SET id = 'R9' WHERE id = 'R1'",
        "UPDATE runs SET user = 'ben', project = 'shop'",
        "DELETE FROM runs WHERE id = 'R1'",
        "REPLACE INTO runs (id, kind, experiment, provider, status, started_at, promptlab_version) "
        "VALUES ('R1', 'verify', 'shelf', 'kairval', 'running', '2026', '0')",
        "INSERT INTO attempts (id, generation_id, number, idempotency_key, started_at, may_be_billed) "
        "VALUES ('A9', 'G1', 2, 'k', '2026-02-02', 1)",
        "REPLACE INTO attempts SELECT id, 'G2', 7, {rest_of_attempt} FROM attempts WHERE id = 'AG1'",
        "UPDATE attempts SET credits_at_risk = NULL WHERE id = 'AG1'",
        "UPDATE attempts SET may_be_billed = 0 WHERE id = 'AG1'",
        "UPDATE attempts SET started_at = '2026-02-02' WHERE id = 'AG1'",
        "UPDATE attempts SET generation_id = 'CG1' WHERE id = 'AG1'",
        "DELETE FROM attempts WHERE id = 'AG1'",
        "INSERT INTO images (id, generation_id, position, status) VALUES ('I9', 'G1', 1, 'stored')",
        "REPLACE INTO images (id, generation_id, position, status) VALUES ('IG1', 'G2', 1, 'stored')",
        "UPDATE images SET status = 'lost' WHERE id = 'IG1'",
        "UPDATE images SET generation_id = 'G2', position = 1 WHERE id = 'IG1'",
        "DELETE FROM images WHERE id = 'IG1'",
        "UPDATE templates SET path = 'other.j2'",
        "UPDATE variants SET name = 'other'",
        "INSERT INTO marks (image_id, \"by\", mark, at) VALUES ('IG1', 'ana', 'keep', '1')",
    ],
)
def test_a_change(summed: Log, change: str, sums_agree: Check) -> None:
    """A change in plain SQL, foreign keys unchecked, is in the views at once, and in the sums when they are made."""
    columns = {table: [name for (name,) in summed.rows("SELECT name FROM pragma_table_info(?)", (table,))]
               for table in ("generations", "attempts")}  # fmt: skip
    rest = {"rest": 1, "rest_of_run": 2, "rest_of_place": 3}
    texts = {name: ", ".join(columns["generations"][after:-1]) + ", NULL" for name, after in rest.items()}
    texts["rest_of_attempt"] = ", ".join(columns["attempts"][3:])
    connection = sqlite3.connect(summed.path, isolation_level=None)
    connection.execute(change.format(**texts))
    connection.close()
    sums_agree(summed.path)
    summed.refresh_sums()
    sums_agree(summed.path)
    assert summed.value("SELECT count(*) FROM stale_sums") == 0


def test_undone(summed: Log, sums_agree: Check) -> None:
    """A change that is undone leaves the sums as they were, and trusted."""

    def half() -> None:
        with summed.transaction():
            summed.update(Generation, "G1", credits=1.0)
            summed.update(Generation, "none", credits=1.0)

    with pytest.raises(LogError):
        half()
    assert summed.value("SELECT count(*) FROM stale_sums") == 0
    sums_agree(summed.path)


def test_a_running_run_leaves_its_newest_blocks(log: Log, rows: Any) -> None:
    """What a run is working in is not added up again and again; its totals are right all the same."""
    run = rows.run()
    for sequence in (0, 5000, 9000, 13_000):
        rows.generation(run, sequence=sequence)
    assert log.refresh_sums(run.id, running=True) == 2
    assert log.totals(run.id).generations == 4
    assert log.value("SELECT count(*) FROM run_sums") == 2
    assert log.refresh_sums(run.id) == 2


def test_sums_of_a_killed_run(log: Log, rows: Any) -> None:
    """What nobody holds is added up when the log is opened to be written; what another process sends is left to it."""
    dead, alive = rows.run(), rows.run()
    for run in (dead, alive):
        rows.generation(run)
    log.claim(f"run:{alive.id}", 0, "somebody", 60)
    log.claim(f"run:{dead.id}", 0, "killed", -1)
    Log.open(log.path, readonly=True).close()
    assert log.value("SELECT count(*) FROM stale_sums") == 2
    Log.open(log.path).close()
    assert list(log.rows("SELECT run_id FROM stale_sums")) == [(alive.id,)]


def test_totals_of_an_older_log(log: Log, rows: Any) -> None:
    """A page shows a log that nobody has brought up to date: its totals are added up from its rows."""
    run = rows.run()
    rows.attempt(rows.generation(run, images=2, credits=4.0), may_be_billed=True, credits_at_risk=1.0)
    totals = log.totals(run.id)
    log.execute("DROP VIEW run_parts")
    assert log.totals(run.id) == totals


class Anything:
    """Changes of a log by people with an SQL shell, without foreign keys: everything that sums may depend on."""

    def __init__(self, path: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.db = sqlite3.connect(path, isolation_level=None)
        self.numbers = iter(range(10_000))

    def pick(self, table: str, column: str = "id") -> Any:
        found = [value for (value,) in self.db.execute(f"SELECT {column} FROM {table}")]
        return self.chance.choice(found) if found else None

    def columns(self) -> dict[str, Any]:
        """Some columns of a generation, with values that make and break groups."""
        pick = self.chance.choice
        return {
            "run_id": self.pick("runs"), "sequence": pick((0, 7, 4095, 4096, 9000)), "experiment": pick("ab"),
            "variant_id": pick("vw"), "template_id": pick("tu"), "provider": pick(("kairval", "simulator")),
            "model": pick("mn"), "axis_values": pick((None, "{}")), "latency_ms": pick((None, 10, 30)),
            "status": pick(("planned", "in_flight", "completed", "completed", "failed", "unknown", "lost", "skipped")),
            "credits": pick((None, 4.0, 50.0)), "cost_usd": pick((None, 0.04, 0.75)),
            "cost_source": pick((None, "table", "simulated", "cache")),
            "cached_from": pick((None, self.pick("generations"))),
            "created_at": pick(("2026-11-01T00", "2026-11-02T00")), "started_at": pick((None, "2026-11-03T00")),
        }  # fmt: skip

    def insert(self, table: str, row: dict[str, Any], how: str = "INSERT") -> None:
        marks = ", ".join("?" * len(row))
        self.db.execute(f"{how} INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))

    def generation(self, id: str | None = None, how: str = "INSERT") -> None:
        fixed = {"id": id or f"g{next(self.numbers)}", "operation": "generate", "prompt": "p", "request_hash": "h"}
        self.insert("generations", fixed | self.columns(), how)

    def do(self) -> None:
        """One change."""
        pick, some = self.chance.choice, str(next(self.numbers))
        generation, when = self.pick("generations"), pick(("2026-11-01T00", "2026-11-04T00"))
        risk = {"may_be_billed": pick((0, 1)), "outcome": pick((None, "ok", "short", "unknown")), "started_at": when,
                "credits_at_risk": pick((None, 9.0)), "cost_usd_at_risk": pick((None, 0.5))}  # fmt: skip
        attempt = risk | {"id": f"a{some}", "generation_id": generation, "number": int(some), "idempotency_key": "k"}
        image = {"id": f"i{some}", "generation_id": generation, "position": int(some), "bytes": pick((None, 5)),
                 "status": pick(("stored", "stored", "lost"))}  # fmt: skip
        column, value = pick([*self.columns().items()])
        name, changed = pick([*risk.items()])
        mark = {"image_id": self.pick("images"), "by": pick("xy"), "mark": pick(("keep", "reject")), "at": pick("12")}
        attempted, pictured, ran = self.pick("attempts"), self.pick("images"), self.pick("runs")
        changes: list[Callable[[], object]] = [
            self.generation,
            lambda: self.generation(generation, "INSERT OR REPLACE"),
            lambda: self.db.execute(f"UPDATE generations SET {column} = ? WHERE id = ?", (value, generation)),
            lambda: self.db.execute(f"UPDATE generations SET {column} = ? WHERE id < ?", (value, generation)),
            lambda: self.db.execute("UPDATE generations SET id = id || 'x' WHERE id = ?", (generation,)),
            lambda: self.db.execute("DELETE FROM generations WHERE id = ? AND ? < 3", (generation, pick(range(9)))),
            lambda: self.insert("attempts", attempt),
            lambda: self.insert("attempts", attempt | {"id": attempted}, "REPLACE"),
            lambda: self.db.execute(f"UPDATE attempts SET {name} = ? WHERE id = ?", (changed, attempted)),
            lambda: self.db.execute("UPDATE attempts SET generation_id = ? WHERE id = ?", (generation, attempted)),
            lambda: self.db.execute("DELETE FROM attempts WHERE id = ?", (attempted,)),
            lambda: self.insert("images", image),
            lambda: self.insert("images", image | {"id": pictured}, "REPLACE"),
            lambda: self.db.execute("UPDATE images SET status = 'lost' WHERE id = ?", (pictured,)),
            lambda: self.db.execute("UPDATE images SET generation_id = ? WHERE id = ?", (generation, pictured)),
            lambda: self.db.execute("DELETE FROM images WHERE id = ?", (pictured,)),
            lambda: self.insert("marks", mark, "REPLACE"),
            lambda: self.db.execute("UPDATE runs SET kind = ? WHERE id = ?", (pick(("run", "verify")), ran)),
            lambda: self.db.execute("UPDATE runs SET user = ? WHERE id = ?", (some, ran)),
            lambda: self.db.execute("DELETE FROM runs WHERE id = ? AND ? = 1", (ran, pick(range(9)))),
            self.run,
        ]  # fmt: skip
        with suppress(sqlite3.IntegrityError):  # a random row may lack what it needs
            pick(changes)()

    def run(self) -> None:
        self.insert("runs", {
            "id": f"r{next(self.numbers)}", "kind": self.chance.choice(("run", "run", "verify")), "experiment": "a",
            "provider": "kairval", "status": "running", "started_at": "2026", "promptlab_version": "0"})  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_change(log: Log, seed: int, sums_agree: Check) -> None:
    """After any changes of anybody the sums are those of the rows, between which some are refreshed."""
    people = Anything(log.path, seed)
    people.run()
    for _ in range(60):
        for _ in range(people.chance.randrange(1, 6)):
            people.do()
        if people.chance.random() < 0.5:
            log.refresh_sums(people.chance.choice((None, people.pick("runs"))))
        sums_agree(log.path)
    people.db.close()
    log.refresh_sums()
    assert log.value("SELECT count(*) FROM stale_sums") == 0
    sums_agree(log.path)


@pytest.mark.parametrize(
    "view", ["run_parts", "spending_parts", "stray_copies", "variant_parts", "spending", "variant_summary"]
)
def test_no_view_reads_all_generations(log: Log, view: str) -> None:
    """A view reads sums and stale blocks: no table of rows from end to end, not for a Bloom filter either."""
    plan = [step[3] for step in log.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {view}")]
    assert [step for step in plan if step.startswith(("SCAN g", "SCAN i", "SCAN a", "BLOOM FILTER ON g"))] == []
