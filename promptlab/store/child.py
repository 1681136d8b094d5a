"""The child processes of `background`: lines of JSON in, a line of JSON for each out, until there are no more."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from promptlab.errors import StoreError
from promptlab.store.local import put_in_place

__all__ = ["main"]

_LINE = 64 * 1024
_THREADS = 16  # that wait for the disk at once


def main(task: str) -> None:
    """Answer `keep` questions `[part, final]` or `look` questions `[path, thumbnail]`; the end of input is ours."""
    answer: Callable[[Sequence[Any]], list[Any]]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted run still collects what it has paid for
    if task == "keep":
        answer = partial(_keep, ThreadPoolExecutor(_THREADS))
    else:
        if hasattr(os, "nice"):
            os.nice(19)  # the disk's queue follows it, where there is one that knows priorities
        answer = _look
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    rest = b""
    while data := os.read(0, _LINE):
        *lines, rest = (rest + data).split(b"\n")
        if lines:  # all that arrived meanwhile at once
            found = answer([json.loads(line) for line in lines])
            sys.stdout.write("".join(json.dumps(each) + "\n" for each in found))
            sys.stdout.flush()


def _keep(pool: ThreadPoolExecutor, questions: Sequence[Any]) -> list[Any]:
    moves = [(Path(part), Path(final)) for part, final in questions]
    return [[refusal] for refusal in put_in_place(moves, pool.map if len(moves) > 1 else map)]


def _look(questions: Sequence[Any]) -> list[Any]:
    from promptlab.store.decode import Decoded, decode_file

    answers: list[Any] = []
    for path, thumbnail in questions:
        try:
            found = decode_file(Path(path), None if thumbnail is None else Path(thumbnail))
        except (StoreError, ImportError) as error:
            answers.append(["error", str(error)])
            continue
        if isinstance(found, Decoded):
            answers.append(["decoded", found.perceptual_hash, found.width, found.height])
        else:
            answers.append(["bad", found.kind, found.message])
    return answers


if __name__ == "__main__":
    main(sys.argv[1])
