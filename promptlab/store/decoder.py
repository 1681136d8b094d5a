"""One worker process that decodes images and makes thumbnails, off the path of requests."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from promptlab.errors import StoreError
from promptlab.store.faults import BadImage
from promptlab.store.pictures import THUMBNAIL_PX, Decoded

__all__ = ["Decoder"]

_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", re.IGNORECASE)


class Decoder:
    """`decode_and_thumbnail` in a process of its own, started at the first image and niced.

    A plain child that reads lines from a pipe: it never runs the caller's `__main__` again, ends when its parent
    does, even by kill -9, and is in no terminal's process group, so that Ctrl-C is not its business. An image
    that kills the worker twice is a BadImage. Use it from one thread; `close` it.
    """

    def __init__(self, size: int = THUMBNAIL_PX) -> None:
        self._size = size
        self._thread: ThreadPoolExecutor | None = None
        self._process: subprocess.Popen[str] | None = None

    def submit(self, path: Path, target: Path | None) -> asyncio.Future[Decoded | BadImage]:
        """Decode `path`, thumbnail to `target`; await the result. StoreError as `decode_and_thumbnail`.

        Images are taken in the order given, one at a time. Needs a running event loop.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="promptlab-decoder")
        return asyncio.get_running_loop().run_in_executor(self._thread, self._decode, path, target)

    def close(self) -> None:
        """Finish the image at hand, drop those that wait, end the worker."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._thread = None
        self._end()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self, path: Path, target: Path | None) -> Decoded | BadImage:
        question = json.dumps([str(path), None if target is None else str(target), self._size])
        answer = self._ask(question) or self._ask(question)  # once more, in case someone else killed the worker
        if not answer:
            return BadImage("damaged", "decoding the image crashes the decoder")
        kind, *rest = json.loads(answer)
        if kind == "decoded":
            return Decoded(*rest)
        if kind == "bad":
            return BadImage(*rest)
        raise StoreError(rest[0])

    def _ask(self, question: str) -> str:
        """The worker's answer, or nothing if it died."""
        if self._process is None:
            self._process = _start()
        try:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(question + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer.endswith("\n"):
            self._end()
            return ""
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:  # what it did not read any more, it need not
                pass
        process.wait()


def _start() -> subprocess.Popen[str]:
    """The worker finds the modules that we find. It reads untrusted bytes, so it gets no keys to lose."""
    environ = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    environ["PYTHONPATH"] = os.pathsep.join(folder for folder in sys.path if folder)
    try:
        return subprocess.Popen(
            # -P: a file called PIL.py or json.py in the current folder is not the module
            [sys.executable, "-P", "-m", "promptlab.store.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env=environ,
            process_group=0 if os.name == "posix" else None,
        )
    except OSError as error:
        raise StoreError(f"the image decoder cannot be started: {error.strerror}; set `thumbnails: false`") from error
