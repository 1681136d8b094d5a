"""The pacer: leave to send, given in the order it was asked for, and never more than the key allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from promptlab.errors import QuotaReached, StoreError
from promptlab.pacing.ledger import Ledger
from promptlab.pacing.limits import Figures, Limits
from promptlab.pacing.window import Delay, Headers, Lease, Quota, effective, taught, with_hold, with_quota

__all__ = ["Pacer"]

#: Waiting is looked over this often: another process may have learned a better limit.
_LONGEST_NAP_S = 1.0
_SHORTEST_NAP_S = 0.0005


class Pacer:
    """Rate, concurrency and daily quota of one API key, shared with every process that opens the same folder.

    `now` is wall-clock time in epoch seconds everywhere, because processes share it; left out, `clock` is asked.
    Use it from one thread. Closing it, or leaving its `with` block, gives every lease back.
    """

    def __init__(
        self, ledger: Ledger, limits: Limits, plans: Mapping[int, Limits], clock: Callable[[], float], lease_s: float
    ) -> None:
        self._ledger, self._limits, self._plans = ledger, limits, plans
        self._clock, self._lease_s = clock, lease_s
        self._held: dict[int, Lease] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._keeper: asyncio.TimerHandle | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        key: str,
        limits: Limits,
        *,
        plans: Mapping[int, Limits] | None = None,
        clock: Callable[[], float] = time.time,
        lease_s: float = 120.0,
    ) -> Pacer:
        """Open the state of a key. `key` is a hash of the key and the server it is for, never the key itself.

        `plans` are the known plans by their X-RateLimit-Limit, for limits that were not named. StoreError if the
        folder can't be used.
        """
        ledger = Ledger(folder, key, limits, plans or {}, lease_s)
        ledger.open(clock())
        return cls(ledger, limits, plans or {}, clock, lease_s)

    def try_acquire(self, now: float | None = None) -> Lease | Delay | Quota:
        """Leave to send one request now, or how long to wait, or that today's quota is used up."""
        answer = self._ledger.take(self._clock if now is None else lambda: now, len(self._held))
        if isinstance(answer, Lease):
            self._held[answer.number] = answer
        return answer

    async def acquire(self) -> Lease:
        """Wait for leave to send one request; QuotaReached at once when the daily quota is used up.

        First come, first served within a process: one waiter watches the others' slots, the rest wait for it, and
        a cancelled waiter has taken nothing.
        """
        self._settle()
        async with self._turn:
            while True:
                answer = self.try_acquire()
                if isinstance(answer, Lease):
                    self._keep()
                    return answer
                if isinstance(answer, Quota):
                    raise QuotaReached(_quota_message(answer.until), until=answer.until)
                self._freed.clear()
                await self._nap(answer.seconds)

    def arrived(self, lease: Lease, now: float | None = None) -> None:
        """The request has only now left (a slow connection, a busy machine): it counts from here.

        Call it when the request's bytes are written. What the guard absorbs anyway costs nothing.
        """
        now = self._clock() if now is None else now
        if now - lease.sent > Figures.of(self._limits).guard_s / 4:
            self._ledger.move(lease.number, now)

    def release(self, lease: Lease, *, sent: bool = True) -> None:
        """Give the concurrency slot back; with `sent=False` (certainly never sent) the rate and the day too."""
        if self._held.pop(lease.number, None) is None:
            return  # given back before
        self._ledger.give_back(lease.number, sent=sent)
        self._freed.set()

    def renew(self, lease: Lease, now: float | None = None) -> None:
        """Hold on to a lease for longer. Leases taken by `acquire` renew themselves while its event loop runs."""
        if lease.number in self._held:  # one given back must not come to life again
            self._ledger.renew([lease.number], self._clock() if now is None else now)

    def hold(self, until: float, now: float | None = None) -> None:
        """A 429: no process sends with this key until then (epoch seconds). Only time lifts it."""
        now = self._clock() if now is None else now
        with self._ledger.teaching() as box:
            box[0] = with_hold(box[0], until, now)

    def learn(
        self,
        *,
        limit: float | None = None,
        remaining: float | None = None,
        reset: float | None = None,
        lease: Lease | None = None,
        now: float | None = None,
    ) -> None:
        """Take note of a response's rate headers (`reset` in epoch seconds); junk is ignored.

        With a named plan they only tighten. Without, the limit sets the pace. Name the request's `lease`, so that
        its own sends are not taken for someone else's.
        """
        now = self._clock() if now is None else now
        since = (lease.sent if lease else now - self._limits.window_s) - Figures.of(self._limits, wider=True).span_s
        headers = Headers(limit, remaining, reset)

        def ours(enough: int) -> int:
            return self._ledger.count_since(since, enough)

        before = self._ledger.lessons()
        if taught(self._limits, before, headers, ours, now) is before:
            return  # the common case: nothing new, nothing written
        with self._ledger.teaching() as box:
            box[0] = taught(self._limits, box[0], headers, ours, now)
        self._freed.set()

    def quota_reached(self, until: float | None, now: float | None = None) -> None:
        """The server says that the daily quota is used up, until then (epoch seconds) or for an unknown time."""
        now = self._clock() if now is None else now
        with self._ledger.teaching() as box:
            box[0] = with_quota(box[0], until, self._limits.daily, now)
        self._freed.set()

    def figures(self, now: float | None = None) -> Figures:
        """The figures that hold now, for forecasts and for people: this machine's share, as learned."""
        now = self._clock() if now is None else now
        return effective(self._limits, self._plans, self._ledger.lessons(), now)

    def close(self) -> None:
        """Give back every lease and close the file."""
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        for lease in list(self._held.values()):
            self.release(lease)
        self._ledger.close()

    def __enter__(self) -> Pacer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _settle(self) -> None:
        """Locks belong to one event loop; a pacer may meet several, one after the other."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._turn, self._freed, self._keeper = loop, asyncio.Lock(), asyncio.Event(), None

    async def _nap(self, seconds: float) -> None:
        """Sleep until then, or until this process gives a slot back."""
        try:
            async with asyncio.timeout(min(max(seconds, _SHORTEST_NAP_S), _LONGEST_NAP_S)):
                await self._freed.wait()
        except TimeoutError:
            return

    def _keep(self, seconds: float | None = None) -> None:
        if self._keeper is None and self._loop is not None:
            self._keeper = self._loop.call_later(seconds or self._lease_s / 3, self._renew_all)

    def _renew_all(self) -> None:
        """Renew what is held, and come back while anything is. A timer, since a task would outlive its loop.

        A file that is locked or can't be written just now is tried again soon: a lease holds for three renewals.
        """
        self._keeper = None
        if self._held:
            try:
                self._ledger.renew(self._held, self._clock())
            except StoreError:
                self._keep(self._lease_s / 12)
            else:
                self._keep()


def _quota_message(until: float | None) -> str:
    if until is None:
        return "the daily quota of this key is used up; the provider does not say until when, so try again later"
    opens = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"the daily quota of this key is used up; it resets at {opens}"
