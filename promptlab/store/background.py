"""What happens to images outside the run's process: `Keeper` makes them durable, `Pixels` decodes them.

Both ask child processes over pipes. fsync and rename were measured in the run's own process too (20 connections,
60 KB images, beside 1.5 ms of other work for each): a thread that takes all waiting parts at once costs 0.3 ms of CPU
an image and a pool of threads 0.9, since every system call of theirs ends by waiting for the interpreter's lock; asking
a child costs 0.1 ms. Its own 0.4 ms are spent on another core, and it takes all that waits at once: fsyncs that wait
side by side share a write of the filesystem's journal, so that 20 take hardly longer than one (3 ms here).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from promptlab.environ import without_keys
from promptlab.errors import StoreError
from promptlab.store.decode import Decoded
from promptlab.store.formats import BadImage
from promptlab.store.local import PartFile, Store, Stored

__all__ = ["Keeper", "Pixels"]

_PATIENCE = 2  # once may have another cause, such as a kernel out of memory
_MOST_PROCESSES = 8  # each holds an interpreter, Pillow and a picture: some 40 MB
_FEW = 8  # parts of a run that needs no process for them
_LINE = 64 * 1024


class Keeper:
    """Puts parts into the store durably, many at a time: fsync, rename, fsync of the folders. No pixel is looked at.

    Use it as `async with`. Its child is asked again in a new life if it dies, and finishes what it was asked even if
    this process is killed. The first few parts are put in a thread: starting a process costs as much as 200 of them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._parts = 0

    async def put_new(self, part: PartFile, format: str) -> Stored:
        """Put a part under its hash; StoreError when the disk refuses. A content that is there stays."""
        try:
            stored = part.stored(format)
            self._parts += 1
            if self._parts <= _FEW:
                await asyncio.to_thread(self._store.settle, part, stored)
                return stored
            line = json.dumps([str(part.path), str(self._store.file_of(stored))])
            for _ in range(_PATIENCE):
                async with self._starting:
                    if self._child is None or self._child.ended:
                        self._child = await _Child.start("keep")
                    child = self._child
                answer = await child.ask(line)
                if answer is not None:
                    (refusal,) = answer
                    if refusal:
                        raise StoreError(refusal)
                    return stored
            raise StoreError(f"{part.path}: cannot keep the image; the process that keeps images was ended twice")
        finally:
            part.discard()

    async def __aenter__(self) -> Keeper:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            await self._child.close()


class Pixels:
    """Decodes stored images in processes of low priority, with their thumbnails: never on a generation's way.

    Use it as `async with`. `found` is called on the event loop with the result of each image. The processes start
    with the images, at most one for each core that this process may use; a sleeping machine lends them all, a busy one
    next to nothing (nice 19). An image that kills its process twice is a BadImage.
    """

    def __init__(
        self, store: Store, found: Callable[[str, Decoded | BadImage], None], *, thumbnails: bool = True
    ) -> None:
        self._store, self._found, self._thumbnails = store, found, thumbnails
        self._waiting: deque[str] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._idle: list[_Child] = []
        self._error: BaseException | None = None
        self._most = _cores()

    def look(self, sha256: str) -> None:
        """Decode a content of the store some time from now."""
        if self._error is not None:
            return  # `decoded` says why
        self._waiting.append(sha256)
        if len(self._workers) < self._most:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._ended)

    async def decoded(self) -> None:
        """Wait until every image that was looked at is decoded; StoreError where that could not be done."""
        while self._workers:
            await asyncio.wait(self._workers)
        if self._error is not None:
            raise self._error

    async def __aenter__(self) -> Pixels:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, each after the image it is at; what waits stays undecoded."""
        self._waiting.clear()
        while self._workers:
            await asyncio.wait(self._workers)
        for child in self._idle:
            await child.close()

    async def _work(self) -> None:
        """Take images, one at a time, as long as there are any."""
        child = self._idle.pop() if self._idle else None
        try:
            while self._waiting:
                sha256 = self._waiting.popleft()
                answer = None
                for _ in range(_PATIENCE):
                    if child is None or child.ended:
                        child = await _Child.start("look")
                    answer = await child.ask(self._question(sha256))
                    if answer is not None:
                        break
                self._found(sha256, _result(answer))
        finally:
            if child is not None:
                self._idle.append(child)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        """An error, of this machine or of `found`, ends it all and is for who waits in `decoded`."""
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._error = self._error or error
            self._waiting.clear()

    def _question(self, sha256: str) -> str:
        thumbnail = str(self._store.thumbnail_stem(sha256)) if self._thumbnails else None
        return json.dumps([str(self._store.local_copy(sha256)), thumbnail])


def _result(answer: list[Any] | None) -> Decoded | BadImage:
    if answer is None:
        return BadImage("damaged", "decoding the image crashes the decoder")
    kind, *rest = answer
    if kind == "error":
        raise StoreError(rest[0])
    return Decoded(*rest) if kind == "decoded" else BadImage(*rest)


def _cores() -> int:
    """How many processes may decode at once."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, _MOST_PROCESSES))


class _Child:
    """One life of a child process: a line of JSON for each line of JSON, in order.

    A plain child that reads from a pipe: it never runs the caller's `__main__` again, ends when its parent does, even
    by kill -9, and is in no terminal's process group, so that Ctrl-C is not its business.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._asked: deque[asyncio.Future[list[Any] | None]] = deque()
        self._reader = asyncio.create_task(self._read())
        self.ended = False

    @classmethod
    async def start(cls, task: str) -> _Child:
        """A child for `keep` or `look`. It reads untrusted bytes, so it gets no keys to lose."""
        environ = without_keys(os.environ)
        environ["PYTHONPATH"] = os.pathsep.join(folder for folder in sys.path if folder)  # it finds what we find
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: a file called PIL.py or json.py in the current folder is not the module
                *(sys.executable, "-P", "-m", "promptlab.store.child", task),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environ,
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise StoreError(f"the image decoder cannot be started: {error.strerror}") from error
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":  # what dies before this line cannot be an image's fault
            await process.wait()
            code = process.returncode
            raise StoreError(f"the image decoder cannot be started: {sys.executable} ended with {code}")
        return cls(process)

    async def ask(self, line: str) -> list[Any] | None:
        """The answer; None if the child died before it came."""
        if self.ended:
            return None
        answer: asyncio.Future[list[Any] | None] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        return await answer

    async def close(self) -> None:
        """The end of its input ends the child, after what it was asked."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while data := await self._process.stdout.read(_LINE):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                answer = self._asked.popleft()
                if not answer.done():  # else its asker was cancelled
                    answer.set_result(json.loads(line))
        self.ended = True
        for answer in self._asked:
            if not answer.done():
                answer.set_result(None)
        await self._process.wait()
