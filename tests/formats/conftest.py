"""A studio with a run, hostile texts, votes of people and of a model, marks and scores."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import promptlab
from promptlab.log import Log
from promptlab.log.scores import Score
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import new_id
from promptlab.store import Store

EVIL = "=HYPERLINK(\"x\"), 'quoted' <b>\n\t😀 שלום"
SPEC: dict[str, Any] = {
    "prompts": {"film": "a jug {{ place }}", "ink": "a jug, ink {{ place }}"},
    "axes": {"place": {"home": EVIL, "shop": "-1+1"}},
    "params": {"output_format": "png"},
    "seeds": [7],
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studio; made once."""
    folder = tmp_path_factory.mktemp("export") / "studio"
    (folder / "experiments").mkdir(parents=True)
    (folder / "promptlab.yaml").write_text("provider: simulator\nuser: ada\n")
    job = promptlab.experiment(SPEC, name="jugs", studio=folder, environ={"PROMPTLAB_STATE": str(folder / ".state")})
    summary = promptlab.run_experiment(job, promptlab.Options(thumbnails=False))
    assert summary.completed == 4
    with Log.open(folder / "promptlab.db") as log:
        poll = log.open_poll(summary.run_id, "prompt", by="ada")
        by_name = {tuple(axes.values()): id_ for id_, axes in log.image_axes(summary.run_id)}
        film, ink = by_name["film", "home"], by_name["ink", "home"]
        outcomes: list[tuple[str, str, str, Any]] = [
            ("ada", film, ink, "left"), ("bo", ink, film, "right"),
            ("cy", film, ink, "right"), ("ada", film, ink, "tie"),
        ]  # fmt: skip
        for by, left, right, outcome in outcomes:
            log.cast(Ballot(new_id(), poll.id, "pair", by, (Comparison(left, right, outcome),)))
        shop = Comparison(by_name["film", "shop"], by_name["ink", "shop"], "bad")
        log.cast(Ballot(new_id(), poll.id, "pair", "ada", (shop,)))
        judged = Comparison(ink, film, "left")
        log.cast(Ballot(new_id(), poll.id, "pair", "judge", (judged,), judge="some-model"))
        log.set_marks([film], "keep", by="ada", tags=["=cover", "b"], note=EVIL)
        sharp = Score("sharp", "us", "1", image_id=film, number=3)
        log.put_scores([sharp, Score("read", "us", "1", image_id=ink, text="hi")])
    return folder


@pytest.fixture
def studio(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy for one test, as the current folder."""
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PROMPTLAB_DB", raising=False)
    return folder


@pytest.fixture
def log(studio: Path) -> Iterator[Log]:
    """Its log, for reading."""
    with Log.open(studio / "promptlab.db", readonly=True) as log:
        yield log


@pytest.fixture
def store(studio: Path) -> Store:
    """Its images."""
    return Store(studio / "images")


def encoded(kind: str, mode: str = "RGB", **more: Any) -> bytes:
    """A small picture in a format and mode."""
    picture = Picture.radial_gradient("L").resize((63, 41)).convert("RGB")
    if mode == "RGBA":
        picture = picture.convert("RGBA")
        picture.putalpha(Picture.linear_gradient("L").resize((63, 41)))
    out = io.BytesIO()
    picture.convert(mode).save(out, kind, **more)
    return out.getvalue()


#: name → bytes: every kind of file that the store keeps.
PICTURES = {
    "rgb.png": encoded("PNG"), "alpha.png": encoded("PNG", "RGBA"), "grey.png": encoded("PNG", "L"),
    "rgb.jpg": encoded("JPEG"), "grey.jpg": encoded("JPEG", "L"), "progressive.jpg": encoded("JPEG", progressive=True),
    "lossy.webp": encoded("WEBP"), "alpha.webp": encoded("WEBP", "RGBA"),
    "lossless.webp": encoded("WEBP", lossless=True), "both.webp": encoded("WEBP", "RGBA", lossless=True),
}  # fmt: skip


@pytest.fixture(params=sorted(PICTURES))
def picture(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """One file of each kind: its name and bytes."""
    return request.param, PICTURES[request.param]
