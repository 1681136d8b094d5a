"""The processes that score: lines of JSON in, one line of JSON out for each, at the lowest priority.

A child reads from a pipe, as the store's do (`store/child.py`): it never runs the caller's `__main__` again, ends when
its parent does, and is in no terminal's process group. What a scorer prints goes nowhere.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from promptlab.environ import without_keys
from promptlab.errors import InputError, StoreError
from promptlab.scoring.scorer import ImageFile, ImageRow, Scorer, scorer

__all__ = ["ScoreAnswer", "ScoreTask", "scored"]

_PATIENCE: Final = 2  # lives of a process for one image: once may have another cause, such as too little memory
_MOST_PROCESSES: Final = 8
_SENTENCES: Final = (ValueError, RuntimeError, StoreError)  # what is raised with words of its own


@dataclass(frozen=True, slots=True)
class ScoreTask:
    """An image to score: its file, what is known of it, and by which scorers."""

    path: Path
    row: ImageRow
    scorers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreAnswer:
    """What became of a task: scorer → scores, and scorer → why there are none."""

    task: ScoreTask
    scores: Mapping[str, Mapping[str, float | str]]
    errors: Mapping[str, str]


def scored(tasks: Sequence[ScoreTask], *, network: bool) -> Iterator[ScoreAnswer]:
    """The answers as they come, from as many processes as there are cores. Closing the generator ends them.

    `network`: a scorer sends something, and may need a key of the environment for it; without, none sees one.
    """
    waiting: queue.SimpleQueue[ScoreTask] = queue.SimpleQueue()
    answers: queue.SimpleQueue[ScoreAnswer | BaseException] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    workers = [_Worker(waiting, answers, network) for _ in range(min(_cores(), len(tasks)))]
    try:
        for worker in workers:
            worker.start()
        for _ in tasks:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
    finally:
        for worker in workers:
            worker.end()


def _cores() -> int:
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, _MOST_PROCESSES))


class _Worker(threading.Thread):
    """Takes tasks and asks its child; a new child where one died."""

    def __init__(
        self,
        tasks: queue.SimpleQueue[ScoreTask],
        answers: queue.SimpleQueue[ScoreAnswer | BaseException],
        network: bool,
    ) -> None:
        super().__init__(name="promptlab-score", daemon=True)
        self._tasks, self._answers, self._network = tasks, answers, network
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False

    def run(self) -> None:
        try:
            while not self._ended:
                task = self._tasks.get_nowait()
                self._answers.put(self._answer(task))
        except queue.Empty:
            self._close()
        except Exception as error:  # noqa: BLE001 - raised again by who waits for the answers
            self._answers.put(error)

    def end(self) -> None:
        """End the child, whatever it is doing."""
        self._ended = True
        if (child := self._child) is not None:
            child.kill()
        if self.is_alive():
            self.join()
        self._close()

    def _close(self) -> None:
        """The end of its input ends the child."""
        child, self._child = self._child, None
        if child is not None:
            with suppress(BrokenPipeError):  # a question that it never read
                child.stdin.close()  # type: ignore[union-attr]
            child.stdout.close()  # type: ignore[union-attr]
            child.wait()

    def _answer(self, task: ScoreTask) -> ScoreAnswer:
        question = json.dumps([str(task.path), asdict(task.row), list(task.scorers)]).encode() + b"\n"
        for _ in range(_PATIENCE):
            line = self._ask(question)
            if line:
                scores, errors = json.loads(line)
                return ScoreAnswer(task, scores, errors)
            if self._ended:
                break
        return ScoreAnswer(task, {}, dict.fromkeys(task.scorers, "scoring this image ends the process that does it"))

    def _ask(self, question: bytes) -> bytes:
        """The child's line; nothing where it died."""
        if self._child is None:
            self._child = self._start()
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(question)
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except (BrokenPipeError, ValueError):  # it died, or was ended meanwhile
            line = b""
        if not line:
            self._close()
        return line

    def _start(self) -> subprocess.Popen[bytes]:
        environ = dict(os.environ) if self._network else without_keys(os.environ)
        environ["PYTHONPATH"] = os.pathsep.join(folder for folder in sys.path if folder)  # it finds what we find
        return subprocess.Popen(
            # -P: a file called PIL.py or json.py in the current folder is not the module
            [sys.executable, "-P", "-m", "promptlab.scoring.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ,
            process_group=0 if os.name == "posix" else None,
        )  # fmt: skip


# --- in the child -------------------------------------------------------------------------------------------------


def main() -> None:
    """ScoreAnswer questions until there are no more."""
    if hasattr(os, "nice"):
        os.nice(19)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a scorer prints is no answer
    for line in sys.stdin.buffer:
        path, row, names = json.loads(line)
        answers.write(json.dumps(scores_of(ImageFile(Path(path)), ImageRow(**row), names)) + "\n")
        answers.flush()


def scores_of(image: ImageFile, row: ImageRow, names: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The scores by scorer, and the sentences of those that failed."""
    scores, errors = {}, {}
    for name in names:
        try:
            found = _made(name)
            scores[name] = _valid(found, found.score(image, row))
        except InputError as error:
            errors[name] = str(error)
        except OSError as error:
            errors[name] = f"the file can't be read: {error.strerror or error}"
        except Exception as error:  # noqa: BLE001 - a scorer may raise anything; the others go on
            said = " ".join(str(error).split())[:400]
            errors[name] = said if isinstance(error, _SENTENCES) and said else _named(error, said)
    return scores, errors


def _named(error: Exception, said: str) -> str:
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


_MADE: dict[str, Scorer] = {}


def _made(name: str) -> Scorer:
    """One scorer of each name per process: some load a model."""
    if name not in _MADE:
        _MADE[name] = scorer(name)
    return _MADE[name]


def _valid(by: Scorer, found: object) -> dict[str, float | str]:
    """What a scorer gave, as the log keeps it; ValueError says what is wrong with it."""
    if not isinstance(found, Mapping):
        raise ValueError(f"score() gave {type(found).__name__}, not a map of names to numbers or texts")  # noqa: TRY004
    valid: dict[str, float | str] = {}
    for name, value in found.items():
        if name not in by.scores:
            raise ValueError(f"score() gave {name!r}, which `scores` does not name")
        if isinstance(value, str):
            valid[name] = value
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            valid[name] = float(value)
        else:
            raise ValueError(f"{name} is {value!r}; a score is a finite number or a text")
    return valid


if __name__ == "__main__":
    main()
