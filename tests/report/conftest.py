"""A studio with a run in its log, whose every text is hostile, and votes of two people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import new_id
from promptlab.report import pictures

EVIL = '<img src=x onerror=alert(1)> "quoted" & </script></style> =1+1 | pipe `tick` 😀 שלום עולם \u202eoverride'
KEYS = ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PROMPTLAB_DB")
_SEED = "SELECT g.seed FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id = ?"
SPEC: dict[str, Any] = {
    "description": "three prompts for one mug",
    "prompts": {"plain": "a mug on a table, {{ place }}", "neon": "a mug, neon, {{ place }}", "odd": f"a mug, {EVIL}"},
    "axes": {"place": {"<b>shop</b>": f"in a shop {EVIL}", "home": "at home"}},
    "negative_prompt": ["blurry", EVIL],
    "params": {"output_format": "jpg"},
    "seeds": [7, 21],
}


def make_studio(folder: Path, spec: dict[str, Any] = SPEC, name: str = "mugs") -> str:
    """Run an experiment on the simulator; the run's id."""
    (folder / "experiments").mkdir(parents=True, exist_ok=True)
    (folder / "promptlab.yaml").write_text("provider: simulator\nuser: ada\n")
    job = promptlab.experiment(spec, name=name, studio=folder, environ={"PROMPTLAB_STATE": str(folder / ".state")})
    summary = promptlab.run_experiment(job, promptlab.Options(thumbnails=False))
    assert summary.completed
    return summary.run_id


def cast_votes(db: Path, run_id: str, *, close: bool = True) -> None:
    """Two people vote on every scene: plain before neon before odd, one tie, one both bad."""
    with Log.open(db) as log:
        poll = log.open_poll(run_id, "prompt", by="ada")
        scenes: dict[str, dict[str, str]] = {}
        for id_, axes in log.image_axes(run_id):
            seed = log.value(_SEED, (id_,))
            scenes.setdefault(f"{axes['place']}{seed}", {})[axes["prompt"]] = id_
        for voter in ("ada", "bo"):
            for number, scene in enumerate(scenes.values()):
                is_bad = number == 0 and voter == "bo"
                first = Comparison(scene["plain"], scene["neon"], "bad" if is_bad else "left")
                second = Comparison(scene["odd"], scene["plain"], "right")
                best = Comparison(scene["neon"], scene["odd"], "left")
                log.cast(Ballot(new_id(), poll.id, "pair", voter, (first,)))
                log.cast(Ballot(new_id(), poll.id, "pair", voter, (second,)))
                log.cast(Ballot(new_id(), poll.id, "best", voter, (best,)))
        marked = next(iter(scenes.values()))
        log.set_marks([marked["plain"]], "keep", by="ada", tags=["=cover"], note=EVIL)
        log.set_marks([marked["odd"]], "reject", by="ada")
        if close:
            log.close_poll(poll.id)


@pytest.fixture(scope="session")
def evil() -> str:
    """The hostile text that prompts, values and notes of the studio have."""
    return EVIL


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studio, with votes; made once."""
    folder = tmp_path_factory.mktemp("report") / "studio"
    run_id = make_studio(folder)
    cast_votes(folder / "promptlab.db", run_id)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures: large ones take a second for each report, and most tests ask nothing of them."""
    monkeypatch.setattr(pictures, "STEPS", ((256, 60), (160, 50)))


@pytest.fixture
def studio(quick: None, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test, as the current folder."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def unjudged(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio whose run nobody judged, as the current folder."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "fresh"
    make_studio(folder, {"prompts": SPEC["prompts"], "vars": {"place": "here"}, "seeds": [7]})
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def new_studio(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Path]:
    """Make a studio of another experiment, as the current folder."""

    def make(spec: dict[str, Any]) -> Path:
        folder = tmp_path / "other"
        make_studio(folder, spec)
        monkeypatch.chdir(folder)
        return folder

    return make
