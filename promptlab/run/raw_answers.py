"""Raw answers on their way: committed before anything decodes them, so that no fault after that can lose a result.

A small one is a row; a large one, with pixels inside, is a file and a row that says so. The file is written before its
row and removed after it, and needs no fsync: what a kill leaves is what the log's own commit leaves.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from promptlab.errors import LogError
from promptlab.http import Answer
from promptlab.log import Log, RawAnswer
from promptlab.log.batch import forget_settled

__all__ = ["Answers"]

LARGE = 64 * 1024  # bytes of an answer in a row
_STALE_S = 86_400.0
#: Headers that no provider decodes, and that may open a session.
_LEFT_OUT = ("set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate")


@dataclass(slots=True)
class Answers:
    """The raw answers of a run: `folder` is for large ones."""

    log: Log
    folder: Path
    files: set[str] = field(default_factory=set)  # generations whose body is in a file

    def prepared(self, generation_id: str, answer: Answer, latency_ms: int) -> RawAnswer:
        """The row of an answer; a large body is in its file by then."""
        headers = {name: text for name, text in answer.headers.items() if name not in _LEFT_OUT}
        body = None if len(answer.body) > LARGE and self._write(generation_id, answer.body) else answer.body
        return RawAnswer(generation_id, answer.status, headers, body, latency_ms)

    def keep(self, generation_id: str, answer: Answer, latency_ms: int, row: RawAnswer | None = None) -> None:
        """Commit an answer, replacing an earlier one of this generation.

        Either place replaces the other: a disk that takes no file, a log that takes no row (LogError, after that).
        """
        row = row or self.prepared(generation_id, answer, latency_ms)
        try:
            self.log.keep_answer(row)
        except LogError:
            if row.body is not None:
                self._write(generation_id, answer.body)
            raise

    def get(self, generation_id: str) -> Answer | None:
        """The answer that was kept, as it came; None where there is none, or its file is gone."""
        row = self.log.answer(generation_id)
        if row is not None and row.body is not None:
            return Answer(row.status_code, row.headers, row.body, row.latency_ms)
        try:
            body = self._path(generation_id).read_bytes()
        except OSError:
            return None
        self.files.add(generation_id)
        # A file without a row: the log could not be written, but this was a result, else nothing would have been kept.
        return Answer(200, {}, body) if row is None else Answer(row.status_code, row.headers, body, row.latency_ms)

    def forget(self, generation_id: str) -> None:
        """Its images are kept, or it is sent again: the row goes with the commit that says so."""
        self.log.forget_answer(generation_id)

    def drop_file(self, generation_id: str) -> None:
        """After that commit: the file, if there was one."""
        if generation_id in self.files:
            self.files.discard(generation_id)
            with suppress(OSError):
                self._path(generation_id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what will not be decoded: rows of what has ended, yesterday's files of processes that were killed."""
        forget_settled(self.log)
        if not self.folder.is_dir():
            return
        with suppress(OSError):
            for path in list(self.folder.iterdir()):
                row = self.log.generation(path.name)
                is_open = row is not None and row.status in ("in_flight", "unknown")
                if not is_open and time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink(missing_ok=True)

    def _write(self, generation_id: str, body: bytes) -> bool:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path(generation_id).write_bytes(body)
        except OSError:
            return False
        self.files.add(generation_id)
        return True

    def _path(self, generation_id: str) -> Path:
        return self.folder / generation_id
