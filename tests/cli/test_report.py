"""`promptlab report`: what is printed, what is written, and how it goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def tried(studio: Path, cli: Cli) -> Path:
    """A studio with one run of two prompts."""
    assert cli("try", "a teapot", "a stool", "--no-thumbnails").code == 0
    return studio


def test_one_command_is_enough(tried: Path, cli: Cli) -> None:
    """Without options: report.html of the last run; the headline and the file on stdout, progress on stderr."""
    result = cli("report")
    assert result.code == 0
    first, second = result.out.splitlines()[:2]
    assert "SIMULATED" in first
    assert second.startswith("✓ report.html: ")
    assert "packing" in result.err
    assert (tried / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_json_is_one_document(tried: Path, cli: Cli) -> None:
    """With --json stdout is one document about what was written, and stderr is silent."""
    result = cli("report", "last", "-o", "out/a.html", "--json")
    found = json.loads(result.out)
    assert found["path"] == "out/a.html"
    assert found["bytes"] == (tried / "out" / "a.html").stat().st_size
    assert (found["by"], found["images"], found["simulated"], found["judged"]) == ("prompt", 2, True, False)
    assert result.err == ""


def test_markdown_names_its_folder(tried: Path, cli: Cli) -> None:
    """The folder of the pictures is said, and there."""
    result = cli("report", "-o", "notes.md")
    assert "notes.md and notes_files/" in result.out
    assert (tried / "notes_files").is_dir()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["-o", "report.odt"], "report-format"), (["--size", "tiny"], "bad-option"), (["--by", "colour"], "unknown-axis"),
     (["nothing"], "no-such-run"), (["--metric", "beauty"], "no-such-metric"),
     (["-o", "promptlab.md"], "target-exists")],
)  # fmt: skip
def test_mistakes_are_sentences(tried: Path, cli: Cli, arguments: list[str], code: str) -> None:
    """Each mistake: exit 2, its code, and nothing written."""
    (tried / "promptlab.md").write_text("mine")
    result = cli("report", *arguments)
    assert (result.code, result.out) == (2, "")
    assert f"[{code}]" in result.err
    assert not (tried / "report.html").exists()
    assert (tried / "promptlab.md").read_text() == "mine"


def test_help_has_examples(cli: Cli) -> None:
    """The help shows how it is used."""
    assert "promptlab report ad_variants -o ads.html --by prompt" in cli("report", "--help").out


def test_a_ballot_instead(tried: Path, cli: Cli) -> None:
    """--ballot writes a page that votes offline, by the axis that the run compares."""
    result = cli("report", "last", "--ballot", "-o", "ballot.html", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["ballots"] >= 1
    assert "promptlab" in (tried / "ballot.html").read_text()
