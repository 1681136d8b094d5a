"""Several processes and one file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from promptlab.log import Log

HEAD = """
import sys
from pathlib import Path
from promptlab.log import Log
from promptlab.model import Run
log = Log.open(Path(sys.argv[1]))
def write(number, **more):
    name = f"{sys.argv[2]}-{number}"
    log.use_experiment(name, None, None, Path("/s"))
    log.insert(Run(id=name, experiment=name, provider="p", started_at="2026", promptlab_version="0", **more))
"""


def start(path: Path, name: str, body: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HEAD + body, str(path), name], stdout=subprocess.PIPE, text=True)


def test_two_writers_and_a_reader(tmp_path: Path) -> None:
    """Processes that make, write and read one new log at the same time lose nothing and see only whole transactions."""
    path = tmp_path / "promptlab.db"
    body = "for number in range(150):\n  with log.transaction():\n    write(number)\n"
    writers = [start(path, name, body) for name in ("a", "b", "c")]
    with Log.open(path) as made, Log.open(path, readonly=True) as reader:
        while any(writer.poll() is None for writer in writers):
            [(experiments, runs)] = reader.rows(
                "SELECT (SELECT count(*) FROM experiments), (SELECT count(*) FROM runs)"
            )
            assert experiments == runs
        assert [writer.wait() for writer in writers] == [0, 0, 0]
        assert made.value("SELECT count(*) FROM runs") == 450
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()


def test_killed(tmp_path: Path) -> None:
    """A process killed in the middle of a transaction leaves a sound file without a trace of it."""
    path = tmp_path / "promptlab.db"
    body = """
with log.transaction():
    write(0)
with log.transaction():
    for number in range(1, 300):
        write(number, spec_text="x" * 20_000)
    print("now", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + body, str(path), "a"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "now\n"
        writer.send_signal(signal.SIGKILL)
    with Log.open(path) as log:
        assert [run.id for run in log.runs()] == ["a-0"]
        assert log.value("PRAGMA integrity_check") == "ok"
        assert list(log.rows("PRAGMA foreign_key_check")) == []


def test_closed(log: Log) -> None:
    """A closed log is one file."""
    log.close()
    assert [file.name for file in log.path.parent.iterdir()] == ["promptlab.db"]
    connection = sqlite3.connect(log.path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
