"""A studio in git for the documents: the examples, the files that the pages mention, and a run in its log."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import promptlab

ROOT = Path(__file__).parent.parent.parent
KEYS = ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PROMPTLAB_DB")

HERO = """---
description: a product, for the pages
params: {aspect_ratio: 4:3}
---
{{ item.name }}, {{ style }}{% if grain is defined %}, {{ grain }}{% endif %}
"""
FILES = {
    "templates/hero.j2": HERO,
    "experiments/_base.yaml": "negative_prompt: [blurry]\nparams: {output_format: webp}\n",
    "experiments/data/items.csv": "sku,name,price\nA1,ceramic teapot,30\nA7,oak stool,80\n",
    "experiments/data/items.jsonl": (
        '{"sku": "A1", "name": "ceramic teapot", "price": 30, "stock": "yes"}\n'
        '{"sku": "A7", "name": "oak stool", "price": 80, "stock": "yes"}\n'
        '{"sku": "A9", "name": "old vase", "price": 5, "stock": "no"}\n'
    ),
}


def git(folder: Path, *words: str) -> None:
    """Run git with a name, without this machine's settings."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studio, made once: two commits with tags, and a catalogue in its log."""
    folder = tmp_path_factory.mktemp("docs") / "studio"
    for part in ("templates", "experiments"):
        shutil.copytree(ROOT / part, folder / part)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "promptlab.yaml").write_text("provider: simulator\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    for tag in ("v1", "v1.2"):
        git(folder, "tag", tag)
    for name in ("shelf.j2", "hero.j2"):
        template = folder / "templates" / name
        template.write_text(template.read_text().replace("item.name }}", "item.name }}, seen from the front"))
    git(folder, "commit", "-qam", "say where we stand")
    environ = {"PROMPTLAB_STATE": str(folder.parent / "state"), "HOME": str(folder.parent)}
    job = promptlab.prepare(folder / "experiments" / "shelf_photos.yaml", limit=8, environ=environ)
    summary = promptlab.run_experiment(job, promptlab.Options(thumbnails=False))
    assert summary.completed == 8
    return folder


@pytest.fixture
def studio(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test, with no setting of this machine's user in reach."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    return folder


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str, Path], str]:
    """Run a page's commands as a user would: `promptlab` on the PATH, a clean environment, stopping at a failure."""
    import os
    import sys

    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "promptlab"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m promptlab "$@"\n')
    command.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if name not in KEYS}
    environ |= {"PATH": f"{folder}:{os.environ['PATH']}", "PROMPTLAB_STATE": str(tmp_path / "state")}

    def run(text: str, where: Path) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=where,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run
