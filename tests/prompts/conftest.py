"""A templates folder to write into, and a repository around it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.prompts import Library, Template


class Studio:
    """A studio's templates; each call of `library` reads them again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "templates").mkdir(parents=True)

    def write(self, **files: str) -> Studio:
        for name, text in files.items():
            path = self.root / "templates" / (name.replace("__", "/") + ".j2")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return self

    def library(self) -> Library:
        return Library(self.root / "templates")

    def template(self, **files: str) -> Template:
        """Write files and get the first of them."""
        self.write(**files)
        return self.library().get(next(iter(files)) + ".j2")

    def git(self, *arguments: str) -> str:
        names = {
            f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environ = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *arguments], cwd=self.root, env=environ, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self, message: str, **files: str) -> str:
        self.write(**files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "studio")


@pytest.fixture
def inline() -> Callable[[str], Template]:
    """A template from a text alone."""
    from promptlab.model import Source

    library = Library(Path("/nowhere/templates"))
    return lambda text: library.inline(Source("prompt", text), "prompt")
