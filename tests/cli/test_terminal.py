"""What a terminal shows: tables that fit, signs that it has, colour only where it is wanted, honest forecasts."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.cli import format as formats
from promptlab.cli import format as terminal
from promptlab.cli import options
from promptlab.cli.progress import Reporter
from promptlab.run.events import Finished, Planned

CLI = Callable[..., Any]


@pytest.mark.parametrize("arguments", [[], ["templates"]])
def test_a_command_alone_prints_its_help(arguments: list[str], cli: CLI) -> None:
    """`promptlab` and `promptlab templates` say what there is, on stdout, and that is not an error."""
    result = cli(*arguments)
    assert (result.code, result.err) == (0, "")
    assert result.out == cli(*arguments, "--help").out


def test_the_version_has_a_short_flag(cli: CLI) -> None:
    """-V is --version."""
    assert cli("-V").out == cli("--version").out == "promptlab, version 0.1.0\n"


# --- tables ---

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(20, 100))
def test_no_table_breaks_inside_a_word(rows: list[tuple[str, str, str]], columns: int) -> None:
    """Every word of a table stands whole on a line that is no wider than the terminal."""
    table = formats.table(rows, ("one", "two", "three"), columns=columns)
    assert all(len(line) <= columns for line in table.splitlines())
    shown = sorted(word for word in table.split() if word.strip("─") and word not in ("one", "two", "three"))
    assert shown == sorted(word for row in rows for cell in row for word in cell.split())


def test_a_wide_table_stays_as_it_is_in_a_pipe() -> None:
    """Where stdout is not a terminal nothing is wrapped: programs read lines."""
    table = formats.table([["a " * 100, "1"]], ["what", "n"], right=[1])
    assert len(table.splitlines()) == 3


def test_runs_fit_into_80_columns(studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of runs is one line for each run at 80 columns, with short ids; --json has whole ones."""
    cli("run", "shelf_photos", "--limit", "1", "--no-thumbnails")
    monkeypatch.setattr(terminal, "width", lambda: 80)
    lines = cli("runs").out.splitlines()
    (run,) = json.loads(cli("runs", "--json").out)
    assert len(lines) == 3
    assert lines[2].split()[0] == run["id"][:8]
    assert len(run["id"]) == 26


# --- signs ---


def piped(studio: Path, *arguments: str, **environ: str) -> bytes:
    command = [sys.executable, "-m", "promptlab", *arguments]
    done = subprocess.run(command, cwd=studio, env=os.environ | environ, capture_output=True, check=True, timeout=60)
    return done.stdout


def test_ascii_where_there_is_no_utf8(studio: Path, cli: CLI) -> None:
    """A stream without UTF-8 gets plain signs, other letters as escapes, and JSON that says exactly the same."""
    cli("try", "茶 ✓", "--name", "té", "--no-thumbnails")
    text = piped(studio, "show", "last", PYTHONIOENCODING="ascii")
    assert text.isascii()
    assert text.startswith(b"+ run ")
    assert b"t\\u00e9" in text
    exact = json.loads(piped(studio, "show", "last", "--json", PYTHONIOENCODING="ascii"))
    assert exact == json.loads(piped(studio, "show", "last", "--json", PYTHONIOENCODING="utf-8"))


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "✓ a–b 茶 😀"), ("ascii", "+ a-b \\u8336 \\ud83d\\ude00"), ("latin-1", "+ a-b \\u8336 \\ud83d\\ude00"),
     ("cp437", "+ a-b \\u8336 \\ud83d\\ude00")],
)  # fmt: skip
def test_signs_fit_the_encoding(encoding: str, expected: str) -> None:
    """What an encoding has is written as it is, what it lacks in plain letters."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    terminal.prepare(stream)
    stream.write("✓ a–b 茶 😀")
    stream.flush()
    assert raw.getvalue().decode(encoding) == expected


# --- colour ---


def test_errors_have_colour_on_a_terminal_only(studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is coloured for a terminal, and plain in a pipe and with NO_COLOR; its words are the same."""
    line = "experiments/a.yaml:1:8: this is wrong [bad-value]\n    seeds: x\n           ^"
    assert click.unstyle(terminal.error(line)) == line
    assert terminal.error(line) != line
    assert "\x1b" not in cli("plan", "nothing.yaml").err
    assert terminal.colour() is None
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.colour() is False


# --- forecasts ---


def finished() -> Finished:
    return Finished(SimpleNamespace(status="completed", credits=50.0))  # type: ignore[arg-type]


def test_forecasts_come_from_the_first_answers_or_not_at_all() -> None:
    """Nothing is shown before three answers; then what is left goes at the pace of the answers, hits not counted."""
    listener = Reporter()
    listener(Planned("R", 1010, 1000))
    start = listener.started
    assert listener.line(start + 30) == "1,000 of 1,010 done, 0 credits"
    for _ in range(2):
        listener(finished())
    assert "left" not in listener.line(start + 30)
    listener(finished())
    assert listener.line(start + 30) == "1,003 of 1,010 done, 150 credits, about 70 s left"
    for _ in range(7):
        listener(finished())
    assert listener.line(start + 100) == "1,010 of 1,010 done, 500 credits"


def test_the_repeat_that_is_being_sent_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Seeds are outermost: the line says which one, and a failure which of the variant's repeats it was."""
    listener = Reporter()
    listener(Planned("R", 8, 0, seeds=4))
    done = SimpleNamespace(status="completed", credits=50.0, seed_index=0)
    failed = SimpleNamespace(status="failed", credits=None, seed_index=1, prompt="a cup", error_message="refused")
    listener(Finished(done))  # type: ignore[arg-type]
    assert listener.line(listener.started) == "1 of 8 done, seed 1 of 4, 50 credits"
    listener(Finished(failed))  # type: ignore[arg-type]
    assert "failed: a cup, seed 2 of 4: refused" in capsys.readouterr().err


# --- names ---


def test_an_experiment_is_found_by_its_bare_name(studio: Path, cli: CLI) -> None:
    """`run NAME` and `plan NAME` are those of experiments/NAME.yaml, from a folder inside the studio too."""
    assert cli("plan", "portrait").out == cli("plan", "experiments/portrait.yaml").out
    assert cli("run", "guide_example", "--no-thumbnails").code == 0
    os.chdir(studio / "templates")
    assert cli("plan", "portrait", "shelf_photos").code == 0
    missing = cli("plan", "portrai")
    assert (missing.code, "did you mean 'portrait.yaml'?" in missing.err) == (2, True)


def test_a_file_of_that_name_comes_first(studio: Path, cli: CLI) -> None:
    """A file here is what its name says."""
    (studio / "portrait").write_text("prompt: mine\n")
    assert "1 variant" in cli("plan", "portrait").out


def names(kind: Any, start: str) -> list[str]:
    context = click.Context(click.Command("x"))
    return [item.value for item in kind.shell_complete(context, click.Argument(["x"]), start)]


def test_completion_knows_experiments_runs_and_providers(studio: Path, cli: CLI) -> None:
    """A shell is offered the studio's experiments, the log's runs, `last`, and the installed providers."""
    assert names(options.EXPERIMENT, "p")[:-1] == ["portrait", "product_hero"]
    assert names(options.RUN, "") == []
    run = json.loads(cli("run", "guide_example", "--no-thumbnails", "--json").out)["run_id"]
    assert names(options.RUN, "") == ["last", "guide_example", run]
    assert names(options.RUN, run[:9]) == [run]
    assert names(options.PROVIDER, "k") == ["kairval"]
    (studio / "promptlab.yaml").write_text("plam: pro\n")
    assert names(options.RUN, "") == []


def test_completion_reaches_the_shell(studio: Path) -> None:
    """click's own completion, as docs/cli.md tells to switch it on, answers for an argument."""
    answer = piped(studio, _PROMPTLAB_COMPLETE="bash_complete", COMP_WORDS="promptlab run shelf", COMP_CWORD="2")
    assert b"plain,shelf_photos" in answer
