"""One worker process that writes images durably, decodes them and makes thumbnails, outside the run's process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from pathlib import Path
from types import TracebackType

from promptlab.environ import without_keys
from promptlab.errors import StoreError
from promptlab.store.faults import BadImage
from promptlab.store.local import PartFile, Stored
from promptlab.store.pictures import THUMBNAIL_PX, Decoded

__all__ = ["Decoder"]

_PATIENCE = 2  # once may have another cause, such as a kernel out of memory


class Decoder:
    """Keeps and decodes images in a separate process, started at the first image and niced.

    A plain child that reads lines from a pipe: it never runs the caller's `__main__` again, ends when its parent
    does, even by kill -9, and is in no terminal's process group, so that Ctrl-C is not its business. An image that
    kills the worker twice is a BadImage. Images are taken in the order given, one at a time; no thread waits for
    them here, since threads cost more than all else about a small image. Use it as `async with`.
    """

    def __init__(self, size: int = THUMBNAIL_PX) -> None:
        self._size = size
        self._worker: _Worker | None = None
        self._starting = asyncio.Lock()

    async def keep(self, part: PartFile, format: str, thumbnail: Path | None) -> tuple[Stored, Decoded | BadImage]:
        """Put a part under its hash, durably, and decode it there; StoreError when the disk refuses."""
        try:
            stored = part.settled(format)
            return stored, await self._ask(part.path, stored.path, thumbnail)
        finally:
            part.discard()

    async def decode(self, path: Path, thumbnail: Path | None) -> Decoded | BadImage:
        """Decode every pixel of `path`, thumbnail to `thumbnail`; StoreError as `decode_and_thumbnail`."""
        return await self._ask(path, None, thumbnail)

    @property
    def pid(self) -> int | None:
        """The worker's process id, once there is one."""
        return None if self._worker is None else self._worker.pid

    async def aclose(self) -> None:
        """Finish the current image and end the worker."""
        if self._worker is not None:
            await self._worker.close()
            self._worker = None

    async def __aenter__(self) -> Decoder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _ask(self, path: Path, final: Path | None, thumbnail: Path | None) -> Decoded | BadImage:
        question = [str(path), _text(final), _text(thumbnail), self._size]
        line = json.dumps(question).encode("ascii") + b"\n"
        deaths = 0
        while deaths < _PATIENCE:
            answer = await (await self._running()).ask(line)
            if answer is None:
                continue  # it died over another image
            if not answer:
                deaths += 1
                continue
            kind, *rest = json.loads(answer)
            if kind == "decoded":
                return Decoded(*rest)
            if kind == "bad":
                return BadImage(*rest)
            raise StoreError(rest[0])
        return BadImage("damaged", "decoding the image crashes the decoder")

    async def _running(self) -> _Worker:
        async with self._starting:
            if self._worker is None or self._worker.ended:
                self._worker = _Worker(await _start())
            return self._worker


class _Worker:
    """One life of the child: answers come in the order of the questions."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: deque[asyncio.Future[bytes | None]] = deque()
        self._reader = asyncio.create_task(self._read())
        self.ended = False

    async def ask(self, line: bytes) -> bytes | None:
        """The answer; nothing if the child died over this question, None if it died before it came to it."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        if self.ended:
            return None
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        return await answer

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while (line := await self._process.stdout.readline()).endswith(b"\n"):
            answer = self._waiting.popleft()
            if not answer.done():  # else its asker was cancelled
                answer.set_result(line)
        self.ended = True
        for position, answer in enumerate(self._waiting):
            if not answer.done():
                answer.set_result(None if position else b"")
        await self._process.wait()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def close(self) -> None:
        """The end of its input ends the child."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._reader


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


async def _start() -> asyncio.subprocess.Process:
    """The worker finds the modules that we find. It reads untrusted bytes, so it gets no keys to lose."""
    environ = without_keys(os.environ)
    environ["PYTHONPATH"] = os.pathsep.join(folder for folder in sys.path if folder)
    try:
        process = await asyncio.create_subprocess_exec(
            # -P: a file called PIL.py or json.py in the current folder is not the module
            *(sys.executable, "-P", "-m", "promptlab.store.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
            process_group=0 if os.name == "posix" else None,
        )
    except OSError as error:
        raise StoreError(f"the image decoder cannot be started: {error.strerror}") from error
    assert process.stdout is not None
    if await process.stdout.readline() != b"ready\n":
        await process.wait()
        raise StoreError(f"the image decoder cannot be started: {sys.executable} ended with {process.returncode}")
    return process
