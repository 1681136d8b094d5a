"""A studio with a run of eight images in its log: two prompts, one of which quotes a text, two lights, two seeds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import promptlab
from promptlab.cli.main import main
from promptlab.log import Log

KEYS = (
    *("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PROMPTLAB_DB"),
    *("PROMPTLAB_JUDGE_KEY", "PROMPTLAB_JUDGE_BASE_URL"),
)
EXPERIMENT = """prompts:
  poster: a poster that says "SALE TODAY", {{ light }}
  teapot: a ceramic teapot on linen, {{ light }}
axes: {light: [golden hour, neon light]}
seeds: 2
"""


@dataclass(frozen=True)
class Result:
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studio, made once."""
    folder = tmp_path_factory.mktemp("scoring") / "studio"
    (folder / "experiments").mkdir(parents=True)
    (folder / "promptlab.yaml").write_text("provider: simulator\n")
    (folder / "experiments" / "signs.yaml").write_text(EXPERIMENT)
    environ = {"PROMPTLAB_STATE": str(folder.parent / "state"), "HOME": str(folder.parent)}
    job = promptlab.prepare(folder / "experiments" / "signs.yaml", environ=environ)
    assert promptlab.run_experiment(job, promptlab.Options(thumbnails=False)).completed == 8
    return folder


@pytest.fixture
def studio(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder; nothing of this machine's user is in reach."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def log(studio: Path) -> Iterator[Log]:
    with Log.open(studio / "promptlab.db") as opened:
        yield opened


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Call `promptlab ARGUMENTS` in this process."""

    def call(*arguments: str | Path) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return call
