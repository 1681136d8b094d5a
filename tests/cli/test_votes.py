"""`promptlab votes`: what was voted on, closing, ballots as files and reading them back."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import new_id


@pytest.fixture(scope="module")
def ran(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio with two prompts at three seeds, made once."""
    folder = tmp_path_factory.mktemp("votes") / "studio"
    shutil.copytree(laid_out, folder)
    environ = {"PROMPTLAB_STATE": str(folder.parent / "state"), "HOME": str(folder.parent)}
    axes = {"prompts": {"teapot": "a teapot", "stool": "a stool"}, "seeds": 3}
    job = promptlab.experiment(axes, name="trial", studio=folder, environ=environ)
    assert promptlab.run_experiment(job, promptlab.Options(thumbnails=False)).completed == 6
    return folder


@pytest.fixture
def voted(ran: Path, tmp_path: Path, clean: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of it as the current folder, with an open blind vote in which anna cast two ballots."""
    studio = tmp_path / "studio"
    shutil.copytree(ran, studio)
    monkeypatch.chdir(studio)
    with Log.open(studio / "promptlab.db") as log:
        run = log.find_run("last")
        poll = log.open_poll(run.id, "prompt", by="anna")
        sql = """
            SELECT g.seed, json_group_array(i.id) FROM generations g JOIN images i ON i.generation_id = g.id
            WHERE g.run_id = ? GROUP BY 1
        """
        for _, ids in list(log.rows(sql, (run.id,)))[:2]:
            log.cast(
                Ballot(new_id(), poll.id, "pair", "anna", (Comparison(json.loads(ids)[0], json.loads(ids)[1], "left"),))
            )
    return run.id


def test_the_list_has_voters_and_no_tally(voted: str, cli: Callable[..., Any]) -> None:
    """Open or closed, since when, and how many ballots of whom; `votes RUN` is `votes list RUN`."""
    done = cli("votes", "last")
    assert re.fullmatch(
        r"by prompt, blind, find the best: open since \d{4}-\d\d-\d\d \d\d:\d\d, 2 ballots\n  anna  2\n", done.out
    )
    assert cli("votes", "list", voted[:20]).out == done.out
    (document,) = json.loads(cli("votes", "last", "--json").out)
    assert (document["axis"], document["ballots"], document["closed_at"]) == ("prompt", {"anna": 2}, None)
    assert "tally" not in document


def test_asking_for_the_tally_is_noted(voted: str, cli: Callable[..., Any]) -> None:
    """It says how the vote stands, and the next list says that somebody looked."""
    done = cli("votes", "last", "--tally")
    assert "The vote is open" in done.out or "scene" in done.out
    assert "tally looked at 1 time\n" in cli("votes", "last").out
    (document,) = json.loads(cli("votes", "last", "--tally", "--json").out)
    assert document["looks_at_tally"] == 1
    assert document["tally"]["by"] == "prompt"


def test_closing(voted: str, cli: Callable[..., Any]) -> None:
    """Says what was closed; again there is nothing to close, with exit code 2."""
    assert cli("votes", "close", "last", "--by", "look").code == 2
    assert cli("votes", "close", "last", "--by", "prompt").out == f"closed: blind vote by prompt on run {voted}\n"
    assert ": closed 20" in cli("votes", "last").out
    again = cli("votes", "close", "last")
    assert (again.code, "[no-such-poll]" in again.err) == (2, True)


def test_a_ballot_there_and_back(voted: str, tmp_path: Path, cli: Callable[..., Any]) -> None:
    """Written, answered, read in, and read in again."""
    studio = tmp_path / "studio"
    done = cli("votes", "ballot", "last", "--by", "prompt", "-o", "ballot.html", "--pairs", "9")
    assert re.fullmatch(
        r"ballot\.html: 3 pairs \(9 were asked for; .*\), \d\.\d MB; .*`promptlab votes import FILE`\n", done.out
    )
    found = re.search(r'id="data">(.*?)</script>', (studio / "ballot.html").read_text(), re.DOTALL)
    assert found
    data = json.loads(found[1])
    votes = [{"token": each["token"], "outcome": "tie", "at": "x"} for each in data["ballots"]]
    lines = [data["file"], "ben", *(f"{each['token']}\ttie\t\t\tx" for each in votes)]
    check = f"{zlib.crc32(chr(10).join(lines).encode()):08x}"
    document = {"format": "promptlab-votes", "version": 1, "file": data["file"], "voter": "ben", "votes": votes}
    (studio / "votes.json").write_text(json.dumps(document | {"check": check}))
    assert cli("votes", "import", "votes.json").out == "votes.json: 3 votes by ben are new\n"
    assert cli("votes", "import", "votes.json").out == "votes.json: 0 votes by ben are new, 3 were there already\n"
    (again,) = json.loads(cli("votes", "import", "votes.json", "--json").out)
    assert (again["new"], again["already"]) == (0, 3)
    assert "  ben  3\n" in cli("votes", "last").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ballot", "last", "--by", "prompt", "--four", "-o", "b.html"), "nothing-to-vote"),
        (("ballot", "last", "--by", "nothing", "-o", "b.html"), "unknown-axis"),
        (("ballot", "last", "--by", "prompt", "--where", "look", "-o", "b.html"), "AXIS=ID"),
        (("import", "nothing.json"), "missing-file"),
        (("import", "promptlab.yaml"), "bad-votes-file"),
        (("list", "nothing"), "no-such-run"),
    ],
)
def test_what_is_wrong_is_said(voted: str, cli: Callable[..., Any], words: tuple[str, ...], said: str) -> None:
    """In a sentence, with exit code 2."""
    done = cli("votes", *words)
    assert (done.code, said in done.err) == (2, True), done.err


def test_a_run_that_nobody_voted_on(ran: Path, clean: None, monkeypatch: pytest.MonkeyPatch, cli: Any) -> None:
    """The list says how to begin."""
    monkeypatch.chdir(ran)
    assert "nobody voted" in cli("votes", "last").out
    assert json.loads(cli("votes", "last", "--json").out) == []
