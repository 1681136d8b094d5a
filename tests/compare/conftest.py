"""A log with a run that can be compared, made through the Log as a run makes it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison, Poll
from promptlab.model import Generation, GenerationStatus, Image, Run, RunTemplate, TemplateFile, Variant
from promptlab.plan.identity import variant_id

Said = tuple[GenerationStatus, str | None]  # a generation's status and error code


@dataclass
class Studio:
    """One log, and short ways to write runs, images and votes into it."""

    log: Log
    folder: Path
    images: dict[tuple[str, ...], list[str]] = field(default_factory=dict)  # (run, variant's values…, seed) → images
    ballots: int = 0

    def run(
        self,
        axes: Mapping[str, Sequence[str]],
        seeds: Sequence[int | None] = tuple(range(8)),
        *,
        name: str = "ads",
        id: str = "R1",
        baseline: str = "",
        status: Callable[[Mapping[str, str], int | None], Said] = lambda axes, seed: (
            "completed",
            None,
        ),
        cost: Callable[[Mapping[str, str]], float | None] = lambda axes: 0.04,
        n: int = 1,
        provider: str = "kairval",
        copies: str | None = None,
    ) -> Run:
        """A run of the whole product; `copies` names a run whose results are taken from the cache where it has them."""
        self.log.use_experiment(name, self.folder / f"experiments/{name}.yaml", "for tests", self.folder)
        text = f"prompt: x\n{baseline}"
        run = Run(
            id=id.ljust(26, "0"), kind="run", experiment=name, provider=provider, status="completed",
            started_at=f"2026-11-2{len(self.log.runs())}T10:00:00.000Z", promptlab_version="1", spec_text=text,
        )  # fmt: skip
        self.log.insert(run)
        self.log.add_templates(run.id, [(RunTemplate(None, "t" * 64, "hero.j2"), [TemplateFile("hero.j2", "x")])])
        rows: list[Generation | Image] = []
        cells = itertools.product(*axes.values())
        for sequence, (values, seed) in enumerate(itertools.product(cells, seeds)):
            cell = dict(zip(axes, values, strict=True))
            variant = Variant(variant_id(cell), cell)
            self.log.add_variants(name, [variant])
            said, code = status(cell, seed)
            paid = self.images.get((copies.ljust(26, "0"), *values, str(seed))) if copies else None
            of = self.log.value("SELECT generation_id FROM images WHERE id = ?", (paid[0],)) if paid else None
            id_ = sha256(f"{id}{sequence}".encode()).hexdigest()[:26].upper()
            rows.append(Generation(
                id=id_, run_id=run.id, sequence=sequence, experiment=name, variant_id=variant.id, template_id="t" * 64,
                provider=provider, model="m", operation="generate", prompt=json.dumps(cell), request_hash=id_,
                status=said, seed=seed, seed_index=sequence % len(seeds), created_at=run.started_at, error_code=code,
                n=n, cost_usd=0.0 if of else (None if (each := cost(cell)) is None else each * n), cached_from=of,
                cost_source="cache" if of else "table" if said == "completed" else None,
            ))  # fmt: skip
            for position in range(n if said == "completed" else 0):
                image = f"I{id_[1:-1]}{position}"
                rows.append(
                    Image(id=image, generation_id=id_, position=position, sha256=sha256(image.encode()).hexdigest())
                )
                self.images.setdefault((run.id, *values, str(seed)), []).append(image)
        self.log.insert_many(rows)
        return run

    def image(self, run: Run, *key: object, position: int = 0) -> str:
        """The image of a variant's values and a seed."""
        return self.images[(run.id, *map(str, key))][position]

    def vote(self, poll: Poll, left: str, right: str, outcome: str = "left", *, by: str = "ana", **more: Any) -> None:
        """One ballot of one pair."""
        self.ballots += 1
        kind = more.pop("kind", "pair")
        ballot = Ballot(f"B{self.ballots}", poll.id, kind, by, (Comparison(left, right, outcome),), **more)  # type: ignore[arg-type]
        assert self.log.cast(ballot)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """An empty log."""
    with Log.open(tmp_path / "promptlab.db") as log:
        yield Studio(log, tmp_path)
