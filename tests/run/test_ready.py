"""Before the first send: what comes back can be kept, or nothing is sent and the sentence says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from typing import Any

import pytest

from promptlab.errors import StoreError
from promptlab.run.events import Message
from promptlab.run.runner import run
from promptlab.studio.options import Options

Usage = namedtuple("Usage", "total used free")


def limited(lab: Any, files: int, *words: str) -> tuple[int, str]:
    """The program with so many file descriptors."""
    command = f'ulimit -n {files}; exec "$0" -m promptlab "$@"'
    found = subprocess.run(
        ["sh", "-c", command, sys.executable, *words], cwd=lab.folder, env=lab.environ, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=60,
    )  # fmt: skip
    return found.returncode, found.stdout + found.stderr


def test_too_few_file_descriptors_are_said_before_anything_is_sent(lab: Any, api: Any) -> None:
    """Thirty are too few for forty requests at once: exit 2 with the figure; with enough of them the run is whole."""
    lab.experiment(40)
    code, text = limited(lab, 30, "run", "experiments/exp.yaml", "--yes")
    assert code == 2
    assert "only 30 files may be open at once" in text
    assert "ulimit -n" in text
    assert "nothing was sent" in text
    assert not api.calls
    assert lab.one("SELECT count(*) FROM runs") == 0
    code, text = limited(lab, 128, "run", "experiments/exp.yaml", "--yes")
    assert (code, api.made) == (0, 40), text


@pytest.mark.parametrize("folder", ["images", "results"])
def test_a_folder_that_takes_no_files_is_said_before_anything_is_sent(lab: Any, api: Any, folder: str) -> None:
    """A file is in its place, as good as any other reason; `run` and `resume`."""
    lab.experiment(3)
    (lab.folder / folder).write_text("in the way")
    with pytest.raises(StoreError, match="nothing was sent"):
        lab.run()
    assert not api.calls
    (lab.folder / folder).unlink()
    lab.run(budget="100cr")
    shutil.rmtree(lab.folder / folder)
    (lab.folder / folder).write_text("in the way")
    with pytest.raises(StoreError, match="nothing was sent"):
        lab.resume()
    assert len(api.calls) == 2


def test_a_folder_inside_that_may_not_be_written_is_found(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder itself takes files, one of those in it does not."""
    lab.experiment(3)
    lab.run()
    lab.experiment(3, prompt='"other {{ i }}"')
    allowed = os.access
    monkeypatch.setattr("os.access", lambda path, mode: len(os.path.basename(path)) != 2 and allowed(path, mode))
    with pytest.raises(StoreError, match="nothing was sent"):
        lab.run()
    assert len(api.calls) == 3


def test_a_full_disk_is_said_before_anything_is_sent(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in flight when the disk fills up has to fit; a disk that is too small for all of it is only a warning."""
    lab.experiment(3)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(10**9, 10**9, 100_000))
    with pytest.raises(StoreError, match="the disk is full"):
        lab.run()
    assert not api.calls
    monkeypatch.undo()
    lab.run()
    size = lab.one("SELECT max(bytes) FROM images")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(10**9, 10**9, 256 * 1024 + 50 * size))
    lab.experiment(8000, name="large", prompt='"large {{ i }}"')
    run(lab.job("large", limit=6000), Options(yes=True, budget="100cr"), lab.events.append)
    assert any("6,000 images of" in event.text for event in lab.events if isinstance(event, Message))


def test_a_run_that_the_log_answers_needs_nothing(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is sent, nothing is tried."""
    lab.experiment(3)
    lab.run()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(1, 1, 0))
    assert lab.run().cached == 3
