"""`compare`: the verdict first, its bars, and the same as JSON and CSV; `plan --power`: the same before spending."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.cli.main import main
from promptlab.compare.scenes import scenes_of
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison

CLI = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio whose three products ran in two lights, and were voted on: neon wins every pair."""
    folder = tmp_path_factory.mktemp("compared") / "studio"
    shutil.copytree(laid_out, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(["run", "experiments/shelf_photos.yaml", "--no-thumbnails"])
    assert not ended.value.code
    with Log.open(folder / "promptlab.db") as log:
        run = log.find_run("last")
        poll = log.open_poll(run.id, "look", by="ada")
        for at, scene in enumerate(scenes_of(log, run.id, "look").matched):
            left, right = (scene.cells[value].images[0].image_id for value in ("neon", "morning"))
            log.cast(Ballot(f"B{at}", poll.id, "pair", "ada", (Comparison(left, right, "left"),)))
        log.close_poll(poll.id)
    return folder


@pytest.fixture
def ran(shop: Path, clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder."""
    folder = tmp_path / "studio"
    shutil.copytree(shop, folder)
    monkeypatch.chdir(folder)
    return folder


def test_the_verdict_is_first(ran: Path, cli: CLI) -> None:
    """The first line is the sentence, then a bar for each value, what speaks against it, what it would take."""
    result = cli("compare", "last", "--by", "look")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "neon wins: preferred to morning (the baseline) in 95 of 100 matched pairs, surely more than 52."
    assert lines[2].split()[0] == "neon"
    assert lines[2].endswith("rank 1")
    assert lines[3].split()[0] == "morning"
    assert "Can you trust that?" in lines
    assert "  ✗ The pictures are SIMULATED: this says nothing about a real model." in lines
    assert "What it would take" in lines
    assert "Method" not in lines
    assert lines[-1].startswith("--all: ")


def test_all_adds_the_rest(ran: Path, cli: CLI) -> None:
    """Every answer on trust, the win matrix, the pairs, the method."""
    out = cli("compare", "last", "--by", "look", "--all").out
    for part in ("wins of ↓ against →", "Pairs", "Method", "Every cell has its picture.", "Davidson"):
        assert part in out


def test_json_is_the_same_verdict(ran: Path, cli: CLI) -> None:
    """One document with the words and figures; the Python function gives the same."""
    found = json.loads(cli("compare", "last", "--by", "look", "--json").out)
    with promptlab.open_log() as log:
        verdict = promptlab.verdict_of(log, "last", "look")
        assert found == promptlab.verdict_as_json(verdict)
    assert (found["winner"], found["metric"], found["live"]) == ("neon", "votes", False)


def test_csv_has_a_line_per_value(ran: Path, cli: CLI) -> None:
    """The standings, best first; JSON and CSV at once are refused."""
    rows = list(csv.DictReader(io.StringIO(cli("compare", "last", "--by", "look", "--csv").out)))
    assert [(row["value"], row["wins"], row["losses"]) for row in rows] == [("neon", "6", "0"), ("morning", "0", "6")]
    assert cli("compare", "last", "--csv", "--json").code == 2


def test_the_axis_and_the_metric_are_chosen(ran: Path, cli: CLI) -> None:
    """Without --by the grid's axis, without --metric votes where there are any, else what is there."""
    assert json.loads(cli("compare", "--json").out)["by"] == "look"
    assert json.loads(cli("compare", "--by", "variant", "--json").out)["by"] is None
    cli("mark", "last", "--keep", "--where", "item=T-100")
    kept = json.loads(cli("compare", "--by", "item", "--json").out)
    assert (kept["metric"], kept["standings"][0]["value"]) == ("kept", "T-100")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["compare", "last", "--by", "lok"], "unknown-axis"),
        (["compare", "last", "--by", "look", "--metric", "sale"], "no-such-metric"),
        (["compare", "last", "--by", "look", "--where", "item=X"], "unknown-id"),
        (["compare", "nothing"], "no-such-run"),
        (["plan", "shelf_photos", "--power", "lok"], "unknown-axis"),
        (["plan", "shelf_photos", "--power", "look", "--where", "look=neon"], "nothing-to-compare"),
    ],
)
def test_what_is_not_there(ran: Path, cli: CLI, arguments: list[str], code: str) -> None:
    """A sentence with its code on stderr, exit 2."""
    result = cli(*arguments)
    assert result.code == 2
    assert f"[{code}]" in result.err


def test_asking_while_a_blind_vote_is_open_is_logged(ran: Path, cli: CLI) -> None:
    """The verdict is a confidence sequence, and the log knows who looked."""
    with Log.open(ran / "promptlab.db") as log:
        run = log.find_run("last")
        log.open_poll(run.id, "look", by="ada")
    assert cli("compare", "last", "--by", "look").out.startswith("The vote is open. neon leads")
    with sqlite3.connect(ran / "promptlab.db") as log:
        assert log.execute('SELECT "by" FROM tally_views').fetchall() == [("ada",)]
    cli("compare", "last", "--by", "item")
    with sqlite3.connect(ran / "promptlab.db") as log:
        assert log.execute("SELECT count(*) FROM tally_views").fetchone() == (1,)


def test_power_before_spending(ran: Path, cli: CLI) -> None:
    """Six scenes can show next to nothing; the table names seeds and money for three gaps, in text and JSON."""
    out = cli("plan", "shelf_photos", "--power", "look").out
    assert "by look (2 values): 6 scenes, 2 seeds each, one vote on each scene, no ties" in out
    assert "the smallest gap they could show, in 4 of 5 cases: 97:3" in out
    assert [line.split()[:4] for line in out.splitlines()[-3:]] == [
        ["60:40", "5%", "203", "68"], ["65:35", "8%", "89", "30"], ["70:30", "12%", "51", "17"],
    ]  # fmt: skip
    assert "Pro ~$76.50" in out
    found = json.loads(cli("plan", "shelf_photos", "--power", "look", "--json").out)["power"]
    assert (found["contexts"], found["seeds"], found["scenes"]) == (3, 2, 6)
    assert found["gaps"][2]["credits"] == 51 / 6 * 600
    assert promptlab.power_of(promptlab.prepare(Path("experiments/shelf_photos.yaml")), "look").scenes == 6


def test_power_with_a_named_plan_is_in_dollars(ran: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an account plan each gap has its price."""
    monkeypatch.setenv("KAIRVAL_PLAN", "pro")
    gaps = json.loads(cli("plan", "shelf_photos", "--power", "look", "--json").out)["power"]["gaps"]
    assert gaps[2]["cost_usd"] == pytest.approx(76.5)
    assert gaps[2]["on_plans"] == []
