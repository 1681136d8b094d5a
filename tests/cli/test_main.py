"""The program as a whole: help, exit codes, streams, secrets, bugs in promptlab."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from promptlab.cli import main
from promptlab.cli.main import COMMANDS
from promptlab.cli.reference import reference

CLI = Callable[..., Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture(name="call")
def program(cli: CLI) -> CLI:
    """The program under a name that the click group of this module leaves free."""
    return cli


def commands() -> Iterator[tuple[str, click.Command]]:
    root = click.Context(main.cli, info_name="promptlab", help_option_names=["-h", "--help"])  # click keeps the first
    for section in COMMANDS.values():
        for name in section:
            command = main.cli.get_command(root, name)
            assert command is not None
            yield name, command
            if isinstance(command, click.Group):
                yield from ((f"{name} {each}", below) for each, below in command.commands.items())


ALL = dict(commands())


def test_one_liners_are_the_commands_own() -> None:
    """What `promptlab --help` says of a command is that command's short help."""
    for section in COMMANDS.values():
        for name, line in section.items():
            assert ALL[name].short_help == line


@pytest.mark.parametrize("name", [name for name in ALL if name != "templates"])
def test_every_command_has_an_example(name: str) -> None:
    """Each command's --help shows a call of it; each of its flags has help."""
    text = ALL[name].get_help(click.Context(ALL[name], info_name=name, help_option_names=["-h", "--help"]))
    assert "Example" in text
    assert f"promptlab {name}" in text.split("Example", 1)[1]
    for parameter in ALL[name].params:
        assert not isinstance(parameter, click.Option) or parameter.help or parameter.name == "help"


def test_reference_is_current() -> None:
    """docs/cli.md is what the commands' own help says."""
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference()


def cpu(*arguments: str) -> float:
    """CPU seconds of one call."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_quick() -> None:
    """`promptlab --help` takes at most six times an empty Python's CPU (the least of ten calls each, in turns)."""
    pairs = [(cpu("-m", "promptlab", "--help"), cpu("-c", "pass")) for _ in range(10)]
    assert min(pair[0] for pair in pairs) <= 6 * min(pair[1] for pair in pairs)


def test_a_fault_of_its_own_is_a_sentence(call: CLI, studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is one sentence and exit 1, without keys; PROMPTLAB_DEBUG=1 adds the traceback."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_0123456789abcdef")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("token kv_0123456789abcdef was not expected")

    monkeypatch.setattr("promptlab.studio.studio.Studio.open", broken)
    result = call("runs", "--json")
    assert result.code == 1
    assert re.match(r"promptlab: a bug in promptlab: RuntimeError: token \*+ was not expected\n", result.err)
    assert json.loads(result.out)["exit_code"] == 1
    monkeypatch.setenv("PROMPTLAB_DEBUG", "1")
    shown = call("runs").err
    assert "Traceback" in shown
    assert "0123456789abcdef" not in shown


def test_json_on_failure_is_one_document(call: CLI, studio: Path) -> None:
    """With --json stdout holds one JSON document also where a command fails."""
    for arguments in (["show", "nothing", "--json"], ["runs", "--json"], ["run", "nowhere.yaml", "--json"],
                      ["usage", "--json", "--since", "yesterday"]):  # fmt: skip
        result = call(*arguments)
        document = json.loads(result.out)
        assert document["exit_code"] == result.code != 0
        assert document["error"] == result.err.splitlines()[0]


def test_a_closed_pipe_is_no_traceback(studio: Path) -> None:
    """`promptlab schema | head -1` ends quietly."""
    done = subprocess.run(
        f"{sys.executable} -m promptlab schema | head -1", shell=True, capture_output=True, text=True, check=True,
        cwd=studio,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_narrow_terminal_and_plain_encoding(studio: Path) -> None:
    """Help and plans also work in 40 columns and where the terminal knows only ASCII."""
    environ = {**os.environ, "COLUMNS": "40", "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    for arguments in (["--help"], ["plan", "experiments/shelf_photos.yaml", "--explain"]):
        done = subprocess.run(
            [sys.executable, "-m", "promptlab", *arguments], capture_output=True, text=True, cwd=studio, env=environ,
            check=False,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


BOMBS = {
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "deep nest": "prompt: " + "[" * 20_000,
    "deep map": "prompt: " + "{a: " * 20_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str, experiment: CLI, studio: Path) -> None:
    """An alias bomb and a 20,000-deep nest are refused in under half a second and 100 MB, the program's start apart."""
    path = experiment(BOMBS[name])
    small = experiment("prompt: [a\n", "small")
    code = (
        "import resource, sys\nfrom promptlab.cli.main import main\ntry:\n    main(['plan', sys.argv[1]])\n"
        "except SystemExit as end:\n    usage = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "    print(end.code, usage.ru_utime + usage.ru_stime, int(peak.split()[1]) / 1024)"
    )

    def look(file: Path) -> tuple[int, float, float]:
        done = subprocess.run(
            [sys.executable, "-c", code, str(file)], capture_output=True, text=True, cwd=studio, check=True, timeout=30
        )
        exit_code, seconds, megabytes = done.stdout.split()
        return int(exit_code), float(seconds), float(megabytes)

    exit_code, seconds, megabytes = look(path)
    assert exit_code == 2
    assert seconds - look(small)[1] < 0.5
    assert megabytes < 100
