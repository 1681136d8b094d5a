"""One generation on the wire: reserve, pace, send, and decide what the answer means, until it is settled.

The rules are `promptlab.http.decide`'s; this is their shell. Everything that matters is committed by the ledger before
the next step: the attempt before its send, the answer before its downloads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from promptlab.errors import AccountRefused, BudgetReached, QuotaReached, Unreachable
from promptlab.http import Answer, Call, Client, Decision, Reach, Reply, SendError, Unreadable, decide, rate_headers
from promptlab.model import Amount, Attempt, Generation, Image, Request, new_id, utc_now
from promptlab.pacing import Lease, Pacer
from promptlab.providers import Endpoint, Job, Result
from promptlab.run.budget import Budget
from promptlab.run.collect import Collector
from promptlab.run.events import Listener, Waiting
from promptlab.run.jobs import Jobs
from promptlab.run.ledger import Blocked, Busy, Full, Hit, Ledger

__all__ = ["Answered", "Line", "Task", "exchange", "read_answer"]


@dataclass(slots=True)
class Task:
    """A generation on its way: its row, its request, and the call that asks for it."""

    generation: Generation
    request: Request
    call: Call  # with the idempotency key
    idempotency_key: str
    dropped: tuple[str, ...] = ()  # what the provider leaves out of the call,
    emulated: tuple[str, ...] = ()  # or says in another form
    number: int = 0  # of attempts so far, earlier runs included


@dataclass(frozen=True, slots=True)
class Answered:
    """A generation whose result is known; its files are still to be fetched."""

    generation: Generation
    result: Result
    note: str | None = None  # what was short


@dataclass(slots=True)
class Line:
    """What every exchange of a run shares."""

    endpoint: Endpoint
    client: Client
    pacer: Pacer | None  # None in-process: nobody else to share with
    budget: Budget
    ledger: Ledger
    jobs: Jobs
    collector: Collector
    listener: Listener
    random: Callable[[], float]
    clock: Callable[[], float]
    #: Whether the server can be reached at all, over all workers.
    reach: Reach = field(default_factory=Reach)
    #: Workers that wait and have nothing in flight: a stop may cancel these at once.
    idle: set[asyncio.Task[None]] = field(default_factory=set)
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def price(self, request: Request) -> Amount:
        """The table's price of one call, in both units as far as known."""
        price = self.endpoint.price(request)
        return Amount(usd=price.usd, credits=price.credits)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Marks the current worker as one that a stop may cancel."""
        me: asyncio.Task[None] | None = asyncio.current_task()
        assert me is not None
        self.idle.add(me)
        try:
            yield
        finally:
            self.idle.discard(me)


async def exchange(line: Line, task: Task) -> Answered | Hit | Busy | Blocked | None:
    """Send until settled: the result, what stands in the way instead, or None when it ended badly.

    Raises StoppedError where the run has to stop in order; the generation is then planned again.
    """
    rejections, waited, first = 0, 0.0, task.number
    price = line.price(task.request)
    while True:
        attempt = _attempt(task)
        with line.waiting():
            await _afford(line, price)
            lease = await line.pacer.acquire() if line.pacer is not None else None
        try:
            look = line.ledger.begin(
                task.generation, attempt, line.budget, price, dropped=task.dropped, emulated=task.emulated
            )
            if look is not None:
                _release(line, lease, sent=False)
                if not isinstance(look, Full):
                    return look
                if look.reached:
                    raise _over(look.cap)
                continue
            task.number += 1
            event, result, latency_ms = await _send(line, task, attempt, price, lease)
        except BaseException:
            _release(line, lease, sent=True)
            raise
        _release(line, lease, sent=not (isinstance(event, SendError) and not event.sent))
        decision = decide(
            event,
            task.number - first,
            line.clock(),
            line.endpoint.honours_keys,
            random=line.random,
            rejections=rejections,
            waited_s=waited,
        )
        decision = line.reach.note(event, decision, line.clock())
        if decision.outcome in ("ok", "short") and result is not None and isinstance(event, Reply):
            images = await line.collector.keep_inline(task.generation.id, result.images)
            return _answered(line, task, attempt, event, decision, result, price, latency_ms, images)
        _no_result(line, task, attempt, event, decision, price)
        if not decision.retry:
            line.ledger.ended_badly(task.generation, decision)
            return None
        rejections += decision.outcome == "rejected"
        seconds = decision.wait.seconds if decision.wait else 0.0
        waited += seconds
        line.listener(Waiting(decision.message or decision.outcome, seconds))
        with line.waiting():
            await asyncio.sleep(seconds)


def _no_result(
    line: Line, task: Task, attempt: Attempt, event: Reply | SendError | Unreadable, decision: Decision, price: Amount
) -> None:
    """Settle an attempt that brought nothing: its money, everyone's pace, its row; and stop where it says so."""
    risk = price if decision.may_be_billed else None
    _settle(line, price, risk)
    if line.pacer is not None and decision.hold_s and isinstance(event, Reply) and event.status == 429:
        line.pacer.hold(line.clock() + decision.hold_s)
    line.ledger.attempt_ended(task.generation, attempt, decision, event, risk)
    if decision.stop is not None:
        _stop(line, decision)


def _attempt(task: Task) -> Attempt:
    return Attempt(
        id=new_id(),
        generation_id=task.generation.id,
        number=task.number + 1,
        idempotency_key=task.idempotency_key,
        started_at=utc_now(),
    )


def _release(line: Line, lease: Lease | None, *, sent: bool) -> None:
    if lease is not None and line.pacer is not None:
        line.pacer.release(lease, sent=sent)


async def _afford(line: Line, price: Amount) -> None:
    """Wait while what is in flight may still end for less; BudgetReached where one more can never fit."""
    while True:
        verdict, cap = line.budget.verdict(price)
        if verdict == "granted":
            return
        if verdict == "reached" and cap is not None:
            raise _over(str(cap))
        line.freed.clear()
        await line.freed.wait()


def _over(cap: str) -> BudgetReached:
    return BudgetReached(f"{cap} would be passed by the next request")


def _settle(line: Line, price: Amount, *spent: Amount | None) -> None:
    line.budget.settle(price, [amount for amount in spent if amount is not None])
    line.freed.set()


async def _send(
    line: Line, task: Task, attempt: Attempt, price: Amount, lease: Lease | None
) -> tuple[Reply | SendError | Unreadable, Result | None, int]:
    """One POST, and for an asynchronous job its polling: what happened, the result if there is one, milliseconds."""
    started = line.clock()
    job: Job | None = None
    left = None
    if line.pacer is not None and lease is not None:
        left = partial(line.pacer.arrived, lease)  # the log, or a new connection, may have taken time since the lease
    try:
        answer = await line.client.send(task.call, left=left)
        _learn(line, answer, lease)
        event, result = read_answer(line.endpoint, answer, task.request)
        if result is None or result.job is None or result.images:
            return event, result, answer.elapsed_ms
        line.ledger.submitted(task.generation, result, result.job)
        job = result.job
        found, result = await line.jobs.follow(task.request, result.job, answer)
        return found, result, round((line.clock() - started) * 1000)
    except SendError as error:
        return error, None, 0
    except asyncio.CancelledError:
        if job is not None:
            raise  # its id is in the log: `resume` asks after it
        cut = SendError("interrupted while the request was in flight", sent=True)
        decision = decide(cut, 1, line.clock(), random=line.random)
        line.ledger.attempt_ended(task.generation, attempt, decision, cut, price)
        line.ledger.ended_badly(task.generation, decision)
        raise


def read_answer(endpoint: Endpoint, answer: Answer, request: Request) -> tuple[Reply | Unreadable, Result | None]:
    """The policy's view of an answer, and the provider's result where it is one."""
    if not 200 <= answer.status < 300:
        error = endpoint.provider.error(answer)
        return Reply(answer.status, answer.headers, error.code, error.type, error.message), None
    try:
        result = endpoint.provider.decode(answer, request)
    except Unreadable as unreadable:
        return unreadable, None
    images = None if result.job is not None and not result.images else len(result.images)
    return Reply(answer.status, answer.headers, asked=request.n, images=images), result


def _learn(line: Line, answer: Answer, lease: Lease | None) -> None:
    if line.pacer is None:
        return
    rate = rate_headers(answer.headers, line.clock())
    if rate.limit is not None or rate.remaining is not None:
        line.pacer.learn(limit=rate.limit, remaining=rate.remaining, reset=rate.reset, lease=lease)


def _answered(
    line: Line, task: Task, attempt: Attempt, event: Reply, decision: Decision, result: Result, price: Amount, ms: int,
    images: Sequence[Image],
) -> Answered:  # fmt: skip
    cost = line.endpoint.cost(task.request, result)
    missing = max(0, task.request.n - len(result.images)) / task.request.n
    # Images that did not come may have been billed all the same: their part of the price is at risk.
    risk = _part(price, missing) if missing and cost.source in ("table", "simulated") else None
    generation = line.ledger.answered(
        task.generation, attempt, event, decision, result, cost, risk=risk, latency_ms=ms, images=images
    )
    _settle(line, price, line.endpoint.spent(task.request, result), risk)
    return Answered(generation, result, decision.message if decision.outcome == "short" else None)


def _part(price: Amount, share: float) -> Amount:
    return Amount(
        usd=None if price.usd is None else price.usd * share,
        credits=None if price.credits is None else price.credits * share,
    )


def _stop(line: Line, decision: Decision) -> None:
    message = decision.message or decision.code or "the provider refused"
    if decision.stop == "quota":
        if line.pacer is not None:
            line.pacer.quota_reached(decision.until)
        raise QuotaReached(message, until=decision.until)
    if decision.stop == "network":
        raise Unreachable(message)
    raise AccountRefused(message)
