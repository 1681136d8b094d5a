"""A studio as `promptlab init` makes it, and the program itself, called in this process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptlab.cli.init_command import lay_out
from promptlab.cli.main import main


@dataclass(frozen=True)
class Result:
    """How a call ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]

VARIABLES = ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PROMPTLAB_DB")


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio that tests copy."""
    folder = tmp_path_factory.mktemp("init") / "studio"
    lay_out(folder)
    return folder


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no address, its own state folder, no repository above."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LOGNAME", "ada")


@pytest.fixture
def studio(laid_out: Path, tmp_path: Path, clean: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio, and the current folder."""
    folder = tmp_path / "studio"
    shutil.copytree(laid_out, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Call `promptlab ARGUMENTS` in this process."""

    def call(*arguments: str | Path) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def experiment(studio: Path) -> Callable[..., Path]:
    """Write experiments/NAME.yaml."""

    def write(text: str, name: str = "exp") -> Path:
        path = studio / "experiments" / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path.relative_to(studio)

    return write


@pytest.fixture
def git(studio: Path) -> Callable[..., str]:
    """git in the studio, which is a repository."""

    def call(*arguments: str) -> str:
        settings = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *settings, *arguments], cwd=studio, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    call("init", "-q", "-b", "main")
    return call
