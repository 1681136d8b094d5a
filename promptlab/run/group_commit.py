"""Group commit: what many generations write at about the same time goes into one transaction.

A commit costs more than what is in it, and a generation takes seconds: waiting some milliseconds for company is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

__all__ = ["Entry", "GroupCommit"]

GATHER_S = 0.003  # how long a commit waits for others


class Entry(Protocol):
    """Something to write, and who waits for it. `must`: it is written even if nobody waits any more."""

    must: ClassVar[bool]
    future: asyncio.Future[Any]


class GroupCommit:
    """Gathers entries and has them written together; each waits for the commit that it is in.

    `write` makes one commit of some entries and gives the result of each. Where it raises, each entry is written by
    itself (its second argument says so), so that none spoils another.
    """

    def __init__(self, write: Callable[[Sequence[Any], bool], list[Any]]) -> None:
        self._write = write
        self._pending: list[Entry] = []

    async def share(self, entry: Entry) -> Any:
        """The result, once it is committed. A caller that is cancelled meanwhile finds whatever must be written."""
        self._pending.append(entry)
        if len(self._pending) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self.flush)
        try:
            return await entry.future
        except asyncio.CancelledError:
            self.flush()  # what is paid for is in the log before anybody hears of the stop
            raise

    def flush(self) -> None:
        """Write everything that waits, now."""
        entries = [entry for entry in self._pending if entry.must or not entry.future.cancelled()]
        self._pending = []
        if not entries:
            return
        try:
            found = self._write(entries, False)
        except Exception:  # noqa: BLE001 - each entry's own is raised where it is waited for
            found = [self._alone(entry) for entry in entries]
        for entry, result in zip(entries, found, strict=True):
            if entry.future.done():
                continue
            if isinstance(result, Exception):
                entry.future.set_exception(result)
            else:
                entry.future.set_result(result)

    def _alone(self, entry: Entry) -> Any:
        try:
            return self._write([entry], True)[0]
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            return error
