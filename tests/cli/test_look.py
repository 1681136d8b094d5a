"""`runs`, `show`, `mark`, `usage`: looking at what ran."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from promptlab.cli import show_command
from promptlab.log import Log

CLI = Callable[..., Any]


def one(studio: Path, sql: str) -> Any:
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = connection.execute(sql).fetchone()
    connection.close()
    return found


@pytest.fixture
def ran(studio: Path, cli: CLI, experiment: CLI) -> str:
    """The id of a run of two variants with two seeds."""
    path = experiment("prompt: a {{ s }}\naxes: {s: [cup, jug]}\nseeds: [1, 2]\nparams: {output_format: jpg}\n")
    return str(json.loads(cli("run", path, "--json", "--no-thumbnails").out)["run_id"])


def test_runs_and_show(ran: str, studio: Path, cli: CLI) -> None:
    """A run is found by id, prefix, experiment and `last`; SIMULATED is shown; --json has the run and its summary."""
    assert ran[:8] in cli("runs").out
    assert [run["id"] for run in json.loads(cli("runs", "--json").out)] == [ran]
    for name in (ran, ran[:12].lower(), "exp", "last"):
        shown = cli("show", name)
        assert (shown.code, ran in shown.out, "SIMULATED" in shown.out) == (0, True, True)
    document = json.loads(cli("show", "last", "--json").out)
    assert (document["id"], document["summary"]["completed"]) == (ran, 4)
    missing = cli("show", "epx")
    assert (missing.code, "did you mean 'exp'?" in missing.err) == (2, True)


def test_show_lists_the_first_that_ended_badly(
    ran: str, studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three that failed two are listed, in the plan's order, and one is counted; the totals say three."""
    monkeypatch.setattr(show_command, "LISTED", 2)
    with sqlite3.connect(studio / "promptlab.db") as connection:
        connection.execute("UPDATE generations SET status = 'failed', error_code = 'odd' WHERE sequence < 3")
        ids = [id_ for (id_,) in connection.execute("SELECT id FROM generations ORDER BY sequence")]
    connection.close()
    out = cli("show", "last").out
    assert [id_ in out for id_ in ids] == [True, True, False, False]
    assert "… 1 more: promptlab browse" in out
    assert "3 failed" in out


def test_show_generation(ran: str, studio: Path, cli: CLI) -> None:
    """A generation is shown with its prompt, attempts and images, for people and as JSON."""
    (generation,) = one(studio, "SELECT id FROM generations WHERE sequence = 0")
    out = cli("show", generation).out
    assert "a cup" in out
    assert "attempt 1: ok 200" in out
    assert "revised: " in out
    document = json.loads(cli("show", generation, "--json").out)
    assert (document["prompt"], len(document["images"]), len(document["attempt_rows"])) == ("a cup", 1, 1)


def test_show_as_curl(ran: str, studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """--as curl prints a command with the guide's body and the key as a variable, never its value."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_0123456789abcdef")
    (generation,) = one(studio, "SELECT id FROM generations WHERE sequence = 0")
    out = cli("show", generation, "--as", "curl").out
    assert "0123456789" not in out
    assert '-H "Authorization: Bearer $KAIRVAL_API_KEY"' in out
    words = shlex.split(out.replace("\\\n", " "))
    assert words[:4] == ["curl", "-X", "POST", "https://api.kairval.com/v1/images/generate"]
    assert json.loads(words[words.index("-d") + 1]) == {
        "model": "gpt-image-2", "prompt": "a cup", "output_format": "jpg", "seed": 1,
    }  # fmt: skip


def test_show_edit_as_curl(studio: Path, cli: CLI, experiment: CLI) -> None:
    """An edit's curl command has the edit's path, and stands for the image's bytes without printing them."""
    cli("try", "a photo", "--name", "source", "--no-thumbnails")
    (image,) = one(studio, "SELECT path FROM images")
    path = experiment(f"prompt: on a beach\nimage: ../{image}\nparams: {{strength: 0.4}}\nseeds: [3]\n", "edit")
    assert cli("run", path, "--no-thumbnails").code == 0
    (generation,) = one(studio, "SELECT id FROM generations WHERE experiment = 'edit'")
    out = cli("show", generation, "--as", "curl").out
    assert "/v1/images/edit" in out
    body = json.loads(shlex.split(out.replace("\\\n", " "))[-1])
    assert (body["strength"], len(body["image"]) < 200) == (0.4, True)


def marks(studio: Path) -> list[tuple[str, str, str]]:
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = connection.execute(
            'SELECT i.path, m."by", m.mark FROM marks m JOIN images i ON i.id = m.image_id ORDER BY 1, 2'
        ).fetchall()
    connection.close()
    return found


def test_mark(ran: str, studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are marked by name, by values and from a list; each user has their own marks."""
    assert "2 images: keep by ada" in cli("mark", "last", "--keep", "*cup*", "--by", "ada", "--tag", "warm").out
    assert "2 images: reject by bob" in cli("mark", "exp", "--reject", "--where", "s=cup", "--by", "bob").out
    monkeypatch.setattr("sys.stdin", StringIO("jug_s1_0.jpg\n\nresults/exp/jug_s2_0.jpg\n"))
    assert cli("mark", ran, "--keep", "--from", "-", "--by", "ada").out.startswith("2 images")
    assert [(path.split("/")[-1], by, mark) for path, by, mark in marks(studio)] == [
        ("cup_s1_0.jpg", "ada", "keep"), ("cup_s1_0.jpg", "bob", "reject"), ("cup_s2_0.jpg", "ada", "keep"),
        ("cup_s2_0.jpg", "bob", "reject"), ("jug_s1_0.jpg", "ada", "keep"), ("jug_s2_0.jpg", "ada", "keep"),
    ]  # fmt: skip
    assert cli("mark", "last", "--clear", "*", "--by", "bob").code == 0
    assert {by for _, by, _ in marks(studio)} == {"ada"}


@pytest.mark.parametrize(
    "arguments",
    [["last", "*"], ["last", "--keep"], ["last", "--keep", "nothing*"], ["nope", "--keep", "*"],
     ["last", "--keep", "--where", "s=mug"], ["last", "--keep", "--where", "t=cup"],
     ["last", "--keep", "--where", "s"]],
)  # fmt: skip
def test_mark_refuses_what_it_cannot_mean(arguments: list[str], ran: str, studio: Path, cli: CLI) -> None:
    """Nothing to mark, nothing that matches, or no mark given: exit 2, no row."""
    assert cli("mark", *arguments).code == 2
    assert marks(studio) == []


def test_usage_counts_no_simulated_run(ran: str, cli: CLI) -> None:
    """Simulated runs never count as spending."""
    assert cli("usage").out == "nothing was spent; simulated runs do not count\n"
    document = json.loads(cli("usage", "--by", "template", "--json").out)
    assert (document["rows"], document["total"]["credits"]) == ([], 0.0)


def test_usage_says_what_was_kept(ran: str, studio: Path, cli: CLI) -> None:
    """Kept images, all of the cost divided by them, what the rejected ones cost, with judges in the table."""
    with sqlite3.connect(studio / "promptlab.db") as log:
        log.execute("UPDATE generations SET provider = 'kairval', cost_usd = 0.5, credits = 50, cost_source = 'table'")
        log.execute("UPDATE generations SET cached_from = NULL")
        images = [row[0] for row in log.execute("SELECT id FROM images ORDER BY rowid")]
    with Log.open(studio / "promptlab.db") as log_:
        log_.refresh_sums()
        log_.set_marks(images[:1], "keep", by="ana")
        log_.set_marks(images[1:2], "reject", by="ana")
        poll = log_.open_poll(ran, None, by="ana")
        log_.execute(
            "INSERT INTO judge_calls (id, poll_id, model, left_image, right_image, prompt_sha256, started_at, "
            "outcome, cost_usd) VALUES ('j', ?, 'vision', ?, ?, 'x', '2026-11-20T10:00:00Z', 'ok', 0.03)",
            (poll.id, images[0], images[1]),
        )
    total = 0.5 * len(images) + 0.03
    result = cli("usage", "--by", "experiment")
    header, _, row, last, *said = result.out.splitlines()
    assert header.split()[-4:] == ["kept", "rejected", "per", "kept"]
    assert row.split()[-3:] == last.split()[-3:] == ["1", "1", f"~${total:,.2f}".removesuffix(".00")]
    assert said == ["rejected images cost ~$0.50 of it", "judges: 1 call, ~$0.0300, in the table above"]
    document = json.loads(cli("usage", "--json").out)
    assert (document["total"]["kept"], document["total"]["usd_per_kept"]) == (1, total)
    assert document["apart"]["judge_usd"] == 0.03


def test_without_a_log(studio: Path, cli: CLI) -> None:
    """Where nothing ran yet, a command that reads says what to do, and makes no file."""
    for arguments in (["runs"], ["show", "last"], ["usage"], ["mark", "last", "--keep", "*"], ["browse", "--no-open"]):
        result = cli(*arguments)
        assert result.code in (1, 2)
        assert "promptlab" in result.err
        assert "Traceback" not in result.err
    assert not (studio / "promptlab.db").exists()
