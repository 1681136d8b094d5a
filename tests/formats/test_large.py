"""A run of many images is exported in the memory of a small one."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from promptlab.export.formats import FORMATS
from promptlab.log import Log
from promptlab.model import Generation, Image, Run, RunTemplate, TemplateFile, Variant
from promptlab.plan.identity import variant_id
from promptlab.store import Store

AT = "2026-11-20T10:00:00.000Z"


def fill(log: Log, folder: Path, count: int) -> str:
    """A run of `count` images in a hundred variants."""
    log.use_experiment("many", folder / "many.yaml", None, folder)
    run = Run(id=f"R{count:025d}", experiment="many", provider="kairval", started_at=AT, promptlab_version="0.1.0")
    log.insert(run)
    log.add_templates(run.id, [(RunTemplate(None, "t" * 64, "a.j2"), [TemplateFile("a.j2", "a")])])
    variants = [Variant(variant_id({"item": f"i{number}"}), {"item": f"i{number}"}) for number in range(100)]
    log.add_variants("many", variants)
    rows: list[Generation | Image] = []
    for number in range(count):
        generation = Generation(
            id=f"G{count:08d}{number:017d}", run_id=run.id, sequence=number, experiment="many",
            variant_id=variants[number % 100].id, template_id="t" * 64, provider="kairval", model="gpt-image-2",
            operation="generate", seed=number, prompt="a jug " * 20, request_hash=f"{number:064x}", status="completed",
            created_at=AT,
        )  # fmt: skip
        rows += [generation, Image(id=f"I{generation.id[1:]}", generation_id=generation.id, position=0)]
    log.insert_many(rows)
    return run.id


def peak(log: Log, run_id: str, target: Path, name: str) -> int:
    """The most bytes that Python held during an export."""
    tracemalloc.start()
    try:
        FORMATS[name].write(log, Store(target.parent / "images"), run_id, target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.storm
@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_run(tmp_path: Path, name: str) -> None:
    """Twenty times as many images take about the same memory."""
    with Log.open(tmp_path / "promptlab.db") as log:
        small, large = fill(log, tmp_path, 1_000), fill(log, tmp_path, 20_000)
        first = peak(log, small, tmp_path / f"small.{name}", name)
        second = peak(log, large, tmp_path / f"large.{name}", name)
    assert second < 1.3 * first
    assert (tmp_path / f"large.{name}").stat().st_size > 15 * (tmp_path / f"small.{name}").stat().st_size
