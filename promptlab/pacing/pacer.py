"""The pacer: leave to send, given in the order it was asked for, and never more than the key allows."""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from promptlab.errors import QuotaReached, StoreError
from promptlab.pacing.key_limits import (
    Delay,
    Figures,
    Headers,
    KeyLimits,
    Lease,
    Quota,
    effective,
    with_hold,
    with_quota,
)
from promptlab.pacing.ledger import Heard, Ledger

__all__ = ["Pacer"]

#: Waiting is looked over this often: another process may have learned a better limit.
_LONGEST_NAP_S = 1.0
_SHORTEST_NAP_S = 0.0005
#: Between two turns at the file: what comes meanwhile shares one transaction. An image takes ten thousand times longer.
_GROUP_S = 0.005


class Pacer:
    """Rate, concurrency and daily quota of one API key, shared with every process that opens the same folder.

    `now` is wall-clock time in epoch seconds everywhere, because processes share it; left out, `clock` is asked.
    Use it from one thread. Closing it, or leaving its `with` block, gives every lease back.

    Under a running loop, after the first `acquire`, slots given back and headers learnt are written with the next
    turn, within `_GROUP_S`; before anything is granted to anyone here they count. A lease is in the file before
    `acquire` returns, so that a killed process has never sent what nobody counts.
    """

    def __init__(
        self,
        ledger: Ledger,
        limits: KeyLimits,
        plans: Mapping[int, KeyLimits],
        clock: Callable[[], float],
        lease_s: float,
    ) -> None:
        self._ledger, self._limits, self._plans = ledger, limits, plans
        self._clock, self._lease_s = clock, lease_s
        self._held: dict[int, Lease] = {}
        self._returned: dict[int, bool] = {}  # number → whether it was sent, not yet written
        self._heard: list[Heard] = []  # likewise
        self._waiting: deque[asyncio.Future[Lease]] = deque()  # in the order in which they asked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None  # of the next turn
        self._latest = 0.0  # when the last one was, on the loop's clock
        self._keeper: asyncio.TimerHandle | None = None
        self._guard_s = Figures.of(limits).guard_s
        self._widest_s = Figures.of(limits, wider=True).span_s

    @classmethod
    def open(
        cls,
        folder: Path,
        key: str,
        limits: KeyLimits,
        *,
        plans: Mapping[int, KeyLimits] | None = None,
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
        leases, refused = self._turn(self._clock if now is None else lambda: now, 1)
        return leases[0] if refused is None else refused

    async def acquire(self) -> Lease:
        """Wait for leave to send one request; QuotaReached at once when the daily quota is used up.

        First come, first served within a process. A cancelled waiter has taken nothing.
        """
        loop = self._settle()
        waiter: asyncio.Future[Lease] = loop.create_future()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:  # else a turn is due, or everybody waits for the same thing
            self._schedule(0.0)
        try:
            return await waiter
        except asyncio.CancelledError:
            # It may have been granted in this very moment.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result(), sent=False)
            raise

    def arrived(self, lease: Lease, now: float | None = None) -> None:
        """The request has only now left (a slow connection, a busy machine): it counts from here.

        Call it when the request's bytes are written. What the guard absorbs anyway costs nothing.
        """
        now = self._clock() if now is None else now
        if now - lease.sent > self._guard_s / 4:
            self._ledger.move(lease.number, now)

    def release(self, lease: Lease, *, sent: bool = True) -> None:
        """Give the concurrency slot back; with `sent=False` (certainly never sent) the rate and the day too."""
        if self._held.pop(lease.number, None) is None:
            return  # given back before
        self._returned[lease.number] = sent
        self._write_soon()

    def renew(self, lease: Lease, now: float | None = None) -> None:
        """Hold on to a lease for longer. Leases taken by `acquire` renew themselves while its event loop runs."""
        if lease.number in self._held:  # one given back must not come to life again
            self._ledger.renew([lease.number], self._clock() if now is None else now)

    def hold(self, until: float, now: float | None = None) -> None:
        """A 429: no process sends with this key until then (epoch seconds). Only time lifts it."""
        now = self._clock() if now is None else now
        self._ledger.teach(lambda lessons: with_hold(lessons, until, now))

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
        since = (lease.sent if lease else now - self._limits.window_s) - self._widest_s
        self._heard.append(Heard(Headers(limit, remaining, reset), since, now))
        self._write_soon()

    def quota_reached(self, until: float | None, now: float | None = None) -> None:
        """The server says that the daily quota is used up, until then (epoch seconds) or for an unknown time."""
        now = self._clock() if now is None else now
        self._ledger.teach(lambda lessons: with_quota(lessons, until, self._limits.daily, now))
        if self._waiting:
            self._schedule(0.0)

    def figures(self, now: float | None = None) -> Figures:
        """The figures that hold now, for forecasts and for people: this machine's share, as learned."""
        now = self._clock() if now is None else now
        if self._heard:
            self._turn(self._clock, 0)
        return effective(self._limits, self._plans, self._ledger.lessons(), now)

    def close(self) -> None:
        """Give back every lease and close the file."""
        for timer in (self._keeper, self._timer):
            if timer is not None:
                timer.cancel()
        self._keeper = self._timer = None
        self._returned |= dict.fromkeys(self._held, True)
        self._held.clear()
        try:
            if self._returned or self._heard:
                self._turn(self._clock, 0)
        finally:
            self._ledger.close()

    def __enter__(self) -> Pacer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _settle(self) -> asyncio.AbstractEventLoop:
        """Futures and timers belong to one event loop; a pacer may meet several, one after the other."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer, self._keeper, self._latest = loop, None, None, 0.0
            self._waiting.clear()
        return loop

    def _write_soon(self) -> None:
        """Have what was given back or heard written: with the next turn under a running loop, else now."""
        if self._loop is None or not self._loop.is_running():
            self._turn(self._clock, 0)
        elif self._waiting:
            self._schedule(0.0)
        elif self._timer is None:  # nobody here waits for it, and whoever sends next will write it along
            self._schedule(_GROUP_S)

    def _schedule(self, seconds: float) -> None:
        """Take a turn after so many seconds, or earlier where one is due earlier; never two within `_GROUP_S`."""
        assert self._loop is not None
        due = max(self._loop.time() + seconds, self._latest + _GROUP_S)
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._serve)

    def _turn(self, clock: Callable[[], float], wanted: int) -> tuple[list[Lease], Delay | Quota | None]:
        """Write what there is to write, and take up to `wanted` leases. What could not be written stays."""
        answer = self._ledger.turn(clock, len(self._held), wanted, self._returned, self._heard)
        self._returned, self._heard = {}, []
        for lease in answer[0]:
            self._held[lease.number] = lease
        return answer

    def _serve(self) -> None:
        """One turn for everybody who waits, and the time of the next one while somebody still does."""
        assert self._loop is not None
        self._timer = None
        self._waiting = deque(waiter for waiter in self._waiting if not waiter.done())
        try:
            leases, refused = self._turn(self._clock, len(self._waiting))
        except StoreError as error:
            if not self._waiting:
                self._schedule(_LONGEST_NAP_S)  # to be written then; whoever sends next hears of it
            self._fail(error)
            return
        self._latest = self._loop.time()
        for lease in leases:
            self._waiting.popleft().set_result(lease)
        if leases:
            self._keep()
        if isinstance(refused, Quota):
            self._fail(QuotaReached(_quota_message(refused.until), until=refused.until))
        elif refused is not None:
            self._schedule(min(max(refused.seconds, _SHORTEST_NAP_S), _LONGEST_NAP_S))

    def _fail(self, error: StoreError | QuotaReached) -> None:
        """The same end for everybody who waits: an exception of their own, since each is raised with a traceback."""
        while self._waiting:
            self._waiting.popleft().set_exception(copy.copy(error))

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
