"""`forget` and `runs --hide`: what goes, what stays, and that it asks."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLI = Callable[..., Any]


def files(studio: Path, folder: str) -> set[str]:
    return {path.relative_to(studio).as_posix() for path in (studio / folder).rglob("*") if path.is_file()}


def count(studio: Path, table: str) -> int:
    with sqlite3.connect(studio / "promptlab.db") as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    return int(found)


@pytest.fixture
def run_one(studio: Path, cli: CLI, experiment: CLI) -> Callable[..., str]:
    """Run an experiment and give the run's id."""

    def run(text: str, name: str) -> str:
        return str(json.loads(cli("run", experiment(text, name), "--json").out)["run_id"])

    return run


def test_forget_takes_rows_and_files(studio: Path, cli: CLI, run_one: CLI) -> None:
    """A run goes with its images, thumbnails, names and empty folders; another run's stay."""
    run_one("prompt: a jug\nseeds: 1\n", "stays")
    before = files(studio, "images"), files(studio, "results")
    gone = run_one("prompt: a cup\nseeds: 2\n", "goes")
    assert files(studio, "images") > before[0]
    document = json.loads(cli("forget", gone[:12], "--yes", "--json").out)
    assert (document["run_id"], document["generations"], document["files"], document["names"]) == (gone, 2, 2, 2)
    assert (files(studio, "images"), files(studio, "results")) == before
    assert not (studio / "results" / "goes").exists()
    assert [count(studio, table) for table in ("runs", "generations", "experiments")] == [1, 1, 1]


def test_forget_asks(studio: Path, cli: CLI, run_one: CLI) -> None:
    """Without a terminal and without --yes nothing is deleted, and the code is 2."""
    run_one("prompt: a cup\nseeds: 1\n", "exp")
    result = cli("forget", "last")
    assert (result.code, "not confirmed: Delete run" in result.err, "[not-confirmed]" in result.err) == (2, True, True)
    assert count(studio, "runs") == 1


def test_a_copied_run_leaves_its_images_to_the_later_one(studio: Path, cli: CLI, run_one: CLI) -> None:
    """What a later run took from the cache stays on disk, and is still answered from the log."""
    first = run_one("prompt: a cup\nseeds: 2\n", "one")
    run_one("prompt: a cup\nseeds: 2\n", "two")
    pictures = files(studio, "images")
    result = cli("forget", first, "--yes")
    assert (result.code, "2 generations handed over to later runs" in result.out) == (0, True)
    assert files(studio, "images") == pictures
    assert {name.split("/")[1] for name in files(studio, "results")} == {"two"}
    again = json.loads(cli("run", "two", "--json").out)
    assert (again["cached"], again["images"]) == (2, 2)


def test_files_that_somebody_else_uses_stay(studio: Path, cli: CLI, run_one: CLI) -> None:
    """A hard link elsewhere, another log of the studio, a name that was changed by hand: none of them is touched."""
    gone = run_one("prompt: a cup\nseeds: [1, 2, 3]\n", "exp")
    one, two, three = sorted((studio / "results" / "exp").iterdir())
    os.link(one, studio / "selected.png")
    two_bytes = two.read_bytes()
    cli("run", "exp", "--db", "other.db", "--json")
    three.unlink()
    three.write_text("mine")
    assert cli("forget", gone, "--yes").code == 0
    assert (studio / "selected.png").stat().st_nlink >= 2
    assert (two.read_bytes(), three.read_text()) == (two_bytes, "mine")
    assert len(list((studio / "images").glob("[0-9a-f]*/*"))) == 3


def test_a_running_run_is_not_forgotten(studio: Path, cli: CLI, run_one: CLI) -> None:
    """A run that a living process holds is left alone."""
    from promptlab.log import Log
    from promptlab.pacing.owner import owner

    run = run_one("prompt: a cup\nseeds: 1\n", "exp")
    with Log.open(studio / "promptlab.db") as log:
        log.claim(f"run:{run}", 0, f"{owner()}#{run}", 60)
    result = cli("forget", run, "--yes")
    assert (result.code, "[still-running]" in result.err) == (2, True)
    assert count(studio, "runs") == 1


def test_what_a_cap_counts_is_not_forgotten(studio: Path, cli: CLI, run_one: CLI) -> None:
    """With a cap, a run that spent money this month stays, so that the cap goes on counting it."""
    run = run_one("prompt: a cup\nseeds: 1\n", "exp")
    with sqlite3.connect(studio / "promptlab.db") as connection:
        connection.execute("UPDATE generations SET provider = 'kairval', cost_source = 'table', cost_usd = 1.0")
    connection.close()
    (studio / "promptlab.yaml").write_text("caps: {month: 10 USD}\n")
    result = cli("forget", run, "--yes")
    assert (result.code, "[run-counts]" in result.err, count(studio, "runs")) == (2, True, 1)
    (studio / "promptlab.yaml").write_text("user: ada\n")
    asked = cli("forget", run)
    assert "~$1" in asked.err
    assert "no longer be counted" in asked.err
    assert cli("forget", run, "--yes").code == 0


def test_hidden_runs_leave_lists_only(studio: Path, cli: CLI, run_one: CLI) -> None:
    """runs --hide leaves a run out of lists, --all shows it, --show puts it back; other commands still find it."""
    one, two = run_one("prompt: a cup\n", "one"), run_one("prompt: a jug\n", "two")
    listed = cli("runs", "--hide", two)
    assert ("one" in listed.out, "two" in listed.out) == (True, False)
    assert [run["id"] for run in json.loads(cli("runs", "--json").out)] == [one]
    everything = json.loads(cli("runs", "--all", "--json").out)
    assert [(run["id"], run["hidden"]) for run in everything] == [(two, True), (one, False)]
    assert "(hidden)" in cli("runs", "--all").out
    assert cli("show", two).code == 0
    assert "two" in cli("runs", "--show", "two").out
    cli("runs", "--hide", one, "--hide", two)
    assert cli("runs").out.startswith("2 runs hidden: `promptlab runs --all`")
