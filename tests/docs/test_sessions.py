"""The tours of the pages are real sessions: their blocks, pasted in order into one shell, all work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import promptlab

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?ms)^(?:<!-- (?P<mark>[\w ]+) -->\n)?```(?P<language>\w+)(?: (?P<path>\S+))?\n(?P<text>.*?)^```$")
#: What a shell block may be: a part of its page's session, one that needs a key, a server, or a command with a test of
#: its own (the README's two commands by .ci/run, the others by tests/cli and tests/run).
MARKS = {"run", "with a key", "serves", "test command"}
UNMARKED = {
    ("README.md", "python3 -m venv"),
    ("client.md", "promptlab resume"),
    ("review.md", "promptlab browse --host"),
    ("client.md", "export PROMPTLAB_WEBHOOK"),
    ("simulator.md", "promptlab simulator"),
}
KEY = "kv_the_readers_own_key"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    mark: str
    language: str
    path: str
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(page.name, m["mark"] or "", m["language"], m["path"] or "", m["text"]) for m in BLOCK.finditer(text)]


def script(page: Path) -> str:
    """A page's session as it is pasted: files are written where they stand, commands follow each other."""
    parts = []
    for block in blocks(page):
        if block.path:
            parts.append(f"cat > {block.path} <<'END OF FILE'\n{block.text}END OF FILE\n")
        elif block.mark in ("run", "with a key"):
            parts.append(block.text.replace("kv_...", KEY))
    return "".join(parts)


#: Recipes and tutorial draw a hundred pictures; .ci/run has the patience.
SESSIONS = [
    pytest.param(page, marks=pytest.mark.storm, id=page.name)
    for page in PAGES
    if any(block.mark == "run" for block in blocks(page))
]


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A new machine: an empty home, git without a name, `promptlab` on the PATH; Kairval is the simulator's server."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in (("promptlab", "promptlab"), ("sqlite-utils", "sqlite_utils")):
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        command.chmod(0o755)
    (tmp_path / "home").mkdir()
    app = promptlab.create_app(promptlab.SimulatorSettings(fast=True))
    with promptlab.running(app) as url:
        yield {
            "PATH": f"{commands}:{os.environ['PATH']}", "HOME": str(tmp_path / "home"), "LANG": "C.UTF-8",
            "KAIRVAL_BASE_URL": url, "GIT_CEILING_DIRECTORIES": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip


@pytest.mark.parametrize("page", SESSIONS)
def test_a_page_is_one_session(page: Path, tmp_path: Path, environ: dict[str, str]) -> None:
    """Pasted line by line into one shell on a new machine, every command of a page succeeds."""
    text = "set -eu -o pipefail\n" + script(page)
    done = subprocess.run(
        ["bash"], input=text, cwd=tmp_path / "home", env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_the_tour_is_what_the_readme_says(tmp_path: Path) -> None:
    """The README's session contains all that its tour promises, the git part and a real provider too."""
    text = script(ROOT / "README.md")
    for part in ("promptlab init", "promptlab try", "--keep", "--reject", "resume", "git tag v1", "git tag v2",
                 "templates log", "templates diff", "templates blame", "--against", "--provider kairval"):  # fmt: skip
        assert part in text


def test_every_shell_block_is_run() -> None:
    """No shell block of a page is left out by accident."""
    left = [
        (block.page, block.text)
        for page in PAGES
        for block in blocks(page)
        if block.language == "bash" and block.mark not in MARKS and page.name not in ("errors.md", "cli.md")
    ]
    assert [
        pair for pair in left if not any(pair[0] == name and pair[1].startswith(start) for name, start in UNMARKED)
    ] == []


def served() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.mark == "serves"]


@pytest.mark.parametrize("block", served(), ids=lambda block: block.page)
def test_what_serves_serves(block: Block, made: Path, environ: dict[str, str]) -> None:
    """A block that starts a server prints its address, answers there, and ends with Ctrl-C."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {block.text}"], cwd=made, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+\S*", process.stdout.readline())
        assert found
        with urllib.request.urlopen(found[0], timeout=30) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_session_stops_at_a_failure(tmp_path: Path, shell: Callable[[str, Path], str]) -> None:
    """The sessions of these tests would notice a command that fails."""
    with pytest.raises(AssertionError):
        shell("promptlab show nothing\necho went on", tmp_path)
