"""`simulator`, `browse`, `run` and `resume` as processes: addresses, Ctrl-C, exit codes, streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from promptlab.cli.browse_command import page_below

CLI = Callable[..., Any]


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving command, and the address in its first line; it has to end cleanly with Ctrl-C."""
    command = [sys.executable, "-u", "-m", "promptlab", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, line.split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        assert (process.returncode, "Traceback" in err) == (0, False), err


def fetch(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.status, answer.read().decode()


def test_simulator_and_a_paid_run(studio: Path, cli: CLI, experiment: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator says its address; a run against it needs a confirmation, fails where the fault plan says, and
    what the provider refused is not sent again; its price counts nowhere, no file has the key.
    """
    (studio / "faults.yaml").write_text("seed: 1\nfaults: [{kind: moderation, nth: 2}]\n")
    path = experiment("prompt: a {{ s }}\naxes: {s: [cup, jug, pot]}\nseeds: [1]\nprovider: kairval\n")
    with serving(studio, "simulator", "--port", "0", "--fast", "--faults", "faults.yaml") as (_, url):
        monkeypatch.setenv("KAIRVAL_BASE_URL", url)
        no_key = cli("run", path, "--yes")
        assert (no_key.code, "KAIRVAL_API_KEY" in no_key.err) == (2, True)
        monkeypatch.setenv("KAIRVAL_API_KEY", "kv_test")
        unasked = cli("run", path)
        assert (unasked.code, "[not-confirmed]" in unasked.err, "--yes" in unasked.err) == (2, True, True)
        assert not (studio / "promptlab.db").exists()
        monkeypatch.setenv("KAIRVAL_PLAN", "pro")
        result = cli("run", path, "--yes", "--jobs", "1")
        assert result.code == 1
        assert "2 of 3 done" in result.out
        assert "failed" in result.err
        assert cli("show", "last").out.count("content") >= 1
        resumed = cli("resume", "--yes")
        assert (resumed.code, "2 of 3 done" in resumed.out) == (1, True)  # what was refused is never sent again
        spent = json.loads(cli("usage", "--json").out)["total"]
        assert (spent["credits"], spent["cost_usd"]) == (0.0, 0.0)  # the server says that it is a simulator
        assert "~$1.50" in cli("show", "last").out
        assert "SIMULATED" in cli("runs").out
        assert "kv_test" not in result.out + result.err + "".join(
            file.read_text("latin-1") for file in studio.rglob("*") if file.is_file()
        )


def test_simulator_refuses_what_is_wrong(studio: Path, cli: CLI) -> None:
    """A wrong plan, fault plan or a taken port is one sentence."""
    assert (cli("simulator", "--plan", "gold").code, cli("simulator", "--faults", "no.yaml").code) == (2, 2)
    with serving(studio, "simulator", "--port", "0") as (_, url):
        taken = cli("simulator", "--port", url.rsplit(":", 1)[1])
    assert (taken.code, "[port]" in taken.err) == (2, True)


def test_browse(studio: Path, cli: CLI) -> None:
    """browse says its address as soon as it answers there, on the port that was asked for, and ends with Ctrl-C."""
    cli("try", "a teapot", "--no-thumbnails")
    with serving(studio, "browse", "--no-open", "--port", "0") as (_, url):
        assert fetch(url)[0] == 200
        taken = cli("browse", "--no-open", "--port", url.split(":")[2].split("/")[0])
        assert (taken.code, "another port" in taken.err) == (2, True)


def test_browse_at_a_page(studio: Path, cli: CLI) -> None:
    """`browse --page` says that page's address, which answers; a page can't lead to another host."""
    cli("try", "a teapot", "--no-thumbnails")
    with serving(studio, "browse", "--no-open", "--port", "0", "--page", "/spend?by=user") as (_, url):
        assert url.endswith("/-/promptlab/spend?by=user")
        assert fetch(url)[0] == 200
    front = "http://127.0.0.1:8001/-/promptlab"
    assert page_below(front, "//evil.example/pair?run=last") == f"{front}/evil.example/pair?run=last"
    assert page_below(f"{front}?token=t", "-/promptlab/pair?a=1") == f"{front}/pair?token=t&a=1"
    assert page_below(front, "") == front


def test_ctrl_c_stops_in_order(studio: Path, cli: CLI, experiment: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a run cleanly with exit code 130, its summary and the command to continue; resume finishes it."""
    path = experiment("prompt: a {{ s }}\naxes: {s: [a1, a2, a3, a4]}\nseeds: 5\nprovider: kairval\n")
    with serving(studio, "simulator", "--port", "0", "--fast", "--latency", "0.3") as (_, url):
        environ = {**os.environ, "KAIRVAL_BASE_URL": url, "KAIRVAL_API_KEY": "kv_test", "KAIRVAL_PLAN": "enterprise"}
        command = [sys.executable, "-u", "-m", "promptlab", "run", str(path), "--yes", "--jobs", "2", "--no-thumbnails"]
        with subprocess.Popen(
            command, cwd=studio, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("run "):
                    break
            while not list((studio / "images").rglob("*.png")):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in err) == (130, False), err
        assert "interrupted" in out
        assert "continue: promptlab resume" in out
        for name in ("KAIRVAL_BASE_URL", "KAIRVAL_API_KEY", "KAIRVAL_PLAN"):
            monkeypatch.setenv(name, environ[name])
        resumed = cli("resume", "--yes", "--jobs", "20", "--no-thumbnails")
    assert (resumed.code, "20 of 20 done" in resumed.out) == (0, True)


def test_a_run_twice_costs_nothing(studio: Path, cli: CLI) -> None:
    """Results on stdout, progress on stderr; a second run sends nothing and says so."""
    first = cli("run", "experiments/product_hero.yaml", "--limit", "2", "--no-thumbnails")
    assert first.code == 0
    assert first.out.startswith("✓ run ")
    assert "2 calls" in first.err
    second = cli("run", "experiments/product_hero.yaml", "--limit", "2", "--json")
    assert (json.loads(second.out)["cached"], second.code) == (2, 0)
    assert "0 calls" not in second.out
