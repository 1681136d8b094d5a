"""A studio after a run, as `promptlab init` and `promptlab run` leave it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from promptlab.cli.init_command import lay_out
from promptlab.run.runner import run
from promptlab.studio.options import Options
from promptlab.studio.prepare import prepare

SHOP = """
prompt: "{{ item.name }} on {{ look }}"
params: {output_format: %s}
axes:
  item: {from: items.csv, id: sku}
  look: [oak]
files: "{item}.{ext}"
"""
ROWS = "sku,name,price\nT-1,a cup,=1+1\nT-2,a jug,-5\nT-3,a pot,7\n"


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no address, its own state folder, no repository above."""
    for name in ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "PROMPTLAB_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def make(folder: Path, text: str, name: str = "shop") -> str:
    """Write an experiment and run it; the run's id."""
    path = folder / "experiments" / f"{name}.yaml"
    path.write_text(text)
    (folder / "experiments" / "items.csv").write_text(ROWS)
    return run(prepare(path), Options(thumbnails=False)).run_id


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three products, one webp each."""
    folder = tmp_path_factory.mktemp("made") / "studio"
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTLAB_STATE", str(folder.parent / "state"))
        make(folder, SHOP % "webp")
    return folder


@pytest.fixture
def shop(made: Path, clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder."""
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder
