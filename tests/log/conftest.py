"""A log in a fresh folder, and rows for it with only what a test is about written out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from promptlab.log import Log, schema
from promptlab.model import Attempt, Generation, Image, Run, RunTemplate, TemplateFile, Variant

DAY = "2026-11-22T13:00:00.000Z"


@dataclass
class Rows:
    """Writes parents as they are needed; ids are made up in order, so that later rows are newer."""

    log: Log
    experiment: str = "shelf"
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def id(self, letter: str) -> str:
        return f"01{letter}{next(self.numbers):023d}"

    def run(self, **changes: Any) -> Run:
        experiment = changes.pop("experiment", self.experiment)
        self.log.use_experiment(experiment, None, None, Path("/studio"))
        row = Run(
            **{"id": self.id("R"), "provider": "kairval", "started_at": DAY, "promptlab_version": "0"}
            | {"experiment": experiment}
            | changes
        )
        self.log.insert(row)
        return row

    def template(self, run: Run, id: str = "t1", path: str = "hero.j2") -> None:
        self.log.add_templates(run.id, [(RunTemplate(None, id, path), [TemplateFile(path, f"text of {id}")])])

    def generation(self, run: Run, *, images: int = 0, **changes: Any) -> Generation:
        axes = changes.pop("axes", {"style": "film"})
        variant = Variant(changes.pop("variant_id", "v1"), axes)
        self.log.add_variants(run.experiment, [variant])
        template_id = changes.pop("template_id", "t1")
        self.template(run, template_id, changes.pop("template_path", "hero.j2"))
        number = next(self.numbers)
        row = Generation(
            **{
                "id": self.id("G"),
                "run_id": run.id,
                "sequence": number,
                "experiment": run.experiment,
                "variant_id": variant.id,
                "template_id": template_id,
                "provider": run.provider,
                "model": "gpt-image-2",
                "operation": "generate",
                "prompt": "a ceramic teapot",
                "request_hash": f"hash{number}",
                "status": "completed",
                "created_at": DAY,
            }
            | changes
        )
        self.log.insert(row)
        for position in range(images):
            self.image(row, position=position)
        return row

    def image(self, generation: Generation, **changes: Any) -> Image:
        id = self.id("I")
        row = Image(**{"id": id, "generation_id": generation.id, "position": 0, "sha256": f"sha-{id}"} | changes)
        self.log.insert(row)
        return row

    def attempt(self, generation: Generation, **changes: Any) -> Attempt:
        number = next(self.numbers)
        row = Attempt(
            **{
                "id": self.id("A"),
                "generation_id": generation.id,
                "number": number,
                "idempotency_key": "k",
                "started_at": generation.started_at or generation.created_at,
            }
            | changes
        )
        self.log.insert(row)
        return row


@pytest.fixture(scope="session")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log without rows, made once: making one takes 150 ms."""
    path = tmp_path_factory.mktemp("empty") / "promptlab.db"
    Log.open(path).close()
    return path


@pytest.fixture
def log(tmp_path: Path, empty_log: Path) -> Iterator[Log]:
    shutil.copy(empty_log, tmp_path)
    with Log.open(tmp_path / "promptlab.db") as opened:
        yield opened


@pytest.fixture
def rows(log: Log) -> Rows:
    return Rows(log)


#: The views as they added up every row before sums were kept: what kept sums are compared with.
EARLIER = {
    "spending": schema.MONEY.replace("DROP VIEW spending;", "").replace("VIEW spending", "TEMP VIEW spending_then"),
    "variant_summary": schema.VARIANT_SUMMARY.replace("VIEW variant_summary", "TEMP VIEW variant_summary_then"),
}


def alike(a: Any, b: Any) -> bool:
    """Equal up to the order in which fractions were added."""
    return type(a) is type(b) and (isclose(a, b, rel_tol=1e-9) if isinstance(a, float) else a == b)


def lines(connection: sqlite3.Connection, view: str) -> list[tuple[Any, ...]]:
    return sorted(connection.execute(f"SELECT * FROM {view}").fetchall(), key=lambda row: json.dumps(
        [value for value in row if not isinstance(value, float)]))  # fmt: skip


def _sums_agree(path: Path) -> None:
    """Spending, variants and each run's totals are what their rows add up to."""
    connection = sqlite3.connect(path)
    try:
        for view, sql in EARLIER.items():
            connection.execute(sql)
            now, then = lines(connection, view), lines(connection, f"{view}_then")
            assert len(now) == len(then)
            for one, other in zip(now, then, strict=True):
                assert all(map(alike, one, other)), (view, one, other)
        for run_id, *counts in connection.execute(
            "SELECT run_id, sum(generations), sum(images + images_lost), sum(attempts) FROM run_parts GROUP BY 1"
        ).fetchall():
            of_run = "FROM generations g {0} WHERE g.run_id = ?"
            joined = ("", "JOIN images i ON i.generation_id = g.id", "JOIN attempts a ON a.generation_id = g.id")
            sql = ", ".join(f"(SELECT count(*) {of_run.format(join)})" for join in joined)
            assert [*connection.execute(f"SELECT {sql}", (run_id,) * 3).fetchone()] == counts
    finally:
        connection.close()


@pytest.fixture
def sums_agree() -> Callable[[Path], None]:
    """A check that spending, variants and each run's totals are what their rows add up to."""
    return _sums_agree
