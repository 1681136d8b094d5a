"""`export` on the command line: which options go together, and runs as data sets. What is written: tests/export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.quick import undrawn

CLI = Callable[..., Any]


@pytest.fixture
def cups(studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cups, one kept, one made again."""
    undrawn(monkeypatch)
    (studio / "experiments" / "cups.yaml").write_text("prompt: a {{ a }}\naxes: {a: [cup, jug]}\nseeds: 1\n")
    cli("run", "cups", "--no-thumbnails")
    cli("mark", "cups", "--keep", "--where", "a=cup")
    cli("redo", "cups", "--where", "a=jug", "--no-thumbnails")
    return studio


def test_a_data_set_is_of_the_whole_run(cups: Path, cli: CLI) -> None:
    """After a redo the experiment's name still means the run that was redone; again the file is replaced."""
    for _ in range(2):
        result = cli("export", "cups", "--format", "jsonl", "-o", "cups.jsonl")
        assert (result.code, "2 rows" in result.out) == (0, True), result.err
    lines = (cups / "cups.jsonl").read_text().splitlines()
    assert len(lines) == len({json.loads(line)["variant"] for line in lines}) == 2
    found = json.loads(cli("export", "cups", "--format", "imagefolder", "--where", "a=cup", "--json").out)
    assert (found["rows"], found["files"]) == (1, 1)


REFUSED: tuple[tuple[list[str], str], ...] = (
    ([], "--picked DIR, or --format FORMAT"),
    (["--picked", "a", "--format", "csv"], "--picked DIR, or --format FORMAT"),
    (["--format", "gif"], "'gif' is not a format"),
    (["--format", "csv", "--as", "jpg"], "are for --picked"),
    (["--format", "csv", "--all-or-nothing"], "are for --picked"),
    (["--picked", "a", "--embed"], "are for --format"),
    (["--picked", "a", "-o", "b"], "are for --format"),
    (["--picked", "a", "--where", "a=nope"], "'a' has no value 'nope'"),
    (["--picked", "a", "--as", "gif"], "--as"),
    (["--picked", "cups.txt"], "cups.txt"),
)


def test_options_that_do_not_go_together(cups: Path, cli: CLI) -> None:
    """Exit 2, a sentence, and nothing written."""
    (cups / "cups.txt").write_text("mine")
    before = {path.name for path in cups.iterdir()}
    for words, said in REFUSED:
        result = cli("export", "cups", *words)
        assert (result.code, said in result.err) == (2, True), (words, result.err)
    assert {path.name for path in cups.iterdir() if "promptlab.db" not in path.name} <= before


def test_what_has_no_pick_is_shown(cups: Path, cli: CLI) -> None:
    """A table with the reason and the command, a document with --json, and a sentence where nothing is missing."""
    result = cli("show", "cups", "--without-pick")
    assert ("a=jug" in result.out, "to be judged" in result.out, "a=cup" in result.out) == (True, True, False)
    assert "promptlab redo" in result.out
    assert cli("show", "cups", "--without-pick", "--where", "a=cup").out.startswith("every variant")
    document = json.loads(cli("show", "cups", "--without-pick", "--json").out)
    assert [(each["variant"], each["why"]) for each in document["without_pick"]] == [("a=jug", "to be judged")]
    cli("mark", "last", "--keep", "--where", "a=jug")
    assert "has a kept image" in cli("show", "cups", "--without-pick").out
    assert cli("show", "cups", "--where", "a=cup").code == 2


def test_a_redo_says_whose_it_is(cups: Path, cli: CLI) -> None:
    """In the list of runs and in the run's own page."""
    runs = json.loads(cli("runs", "--json").out)
    assert [run["kind"] for run in runs] == ["redo", "run"]
    assert "cups (redo)" in cli("runs").out
    assert f"redo of run {runs[1]['id']}" in cli("show", "last").out
