"""One generation on the wire: reserve, pace, send, and decide what the answer means, until it is settled.

The rules are `promptlab.http.decide`'s; this is their shell. Everything that matters is committed by the ledger before
the next step: the attempt before its send, the answer before it is decoded, its result before the downloads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from promptlab.errors import (
    AccountRefused,
    BudgetReached,
    ProviderFault,
    QuotaReached,
    StoppedError,
    StoreError,
    Unreachable,
)
from promptlab.http import (
    SIMULATED_HEADER,
    Answer,
    Call,
    Client,
    Decision,
    Reach,
    Reply,
    SendError,
    Unreadable,
    decide,
    rate_headers,
)
from promptlab.model import Amount, Attempt, Generation, Request, new_id, utc_now
from promptlab.pacing import Lease, Pacer
from promptlab.providers import Cost, Endpoint, ImageBytes, Job, Result
from promptlab.providers.faults import checked, provider_code
from promptlab.run.budget import Budget, at_risk, more_expensive
from promptlab.run.collect import Collector
from promptlab.run.events import Listener, Waiting
from promptlab.run.jobs import Jobs
from promptlab.run.opening import worst_price
from promptlab.run.writer import Blocked, Busy, Full, Hit, RunWriter

__all__ = ["Answered", "Line", "Task", "cost_of", "exchange", "read_answer", "risk_of"]


@dataclass(slots=True)
class Task:
    """A generation on its way: its row, its request, and the call that asks for it."""

    generation: Generation
    request: Request
    call: Call  # with the idempotency key
    idempotency_key: str
    price: Amount  # by the table
    source: ImageBytes | None = None  # of an edit; equal ones are shared while a task holds them
    dropped: tuple[str, ...] = ()  # what the provider leaves out of the call,
    emulated: tuple[str, ...] = ()  # or says in another form
    number: int = 0  # of attempts so far, earlier runs included
    status: int | None = None  # of the newest answer
    simulated: bool = False  # by all that is known, nothing of it is billed


@dataclass(frozen=True, slots=True)
class Answered:
    """A generation whose result is known; its files are still to be fetched."""

    generation: Generation
    result: Result
    note: str | None = None  # what was short
    stop: StoppedError | None = None  # the run goes on no further: it cost more than its table says


@dataclass(slots=True)
class Line:
    """What every exchange of a run shares."""

    endpoint: Endpoint
    client: Client
    pacer: Pacer | None  # None in-process: nobody else to share with
    budget: Budget
    ledger: RunWriter
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
    #: Whether every answer so far named its server a simulator; None before the first.
    named_simulated: bool | None = None

    @property
    def in_process(self) -> bool:
        """Whether the simulator answers in this process: its files end with it, and cost nothing to make again."""
        return self.endpoint.simulated and self.endpoint.make_app is not None

    @property
    def simulated(self) -> bool:
        """Whether nothing that is sent now will be billed, as far as anybody said."""
        return self.endpoint.simulated or bool(self.named_simulated)

    def heard(self, answer: Answer) -> bool:
        """Take note of who answered: whether this answer is a simulator's."""
        named = SIMULATED_HEADER in answer.headers
        self.named_simulated = named and self.named_simulated is not False
        return named or self.endpoint.simulated

    def price(self, request: Request) -> Amount:
        """The table's worst price of one call, in both units as far as known."""
        return worst_price(self.endpoint, request)

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
    rejections, waited, first, price = 0, 0.0, task.number, task.price
    while True:
        with line.waiting():
            await _afford(line, price)
            lease = await line.pacer.acquire() if line.pacer is not None else None
        attempt = _attempt(task)  # after the waits: it counts on the day on which it is sent
        try:
            task.simulated = line.simulated
            look = line.ledger.begin(
                task.generation, attempt, line.budget, price,
                dropped=task.dropped, emulated=task.emulated, simulated=task.simulated,
            )  # fmt: skip
            if look is not None:
                _release(line, lease, sent=False)
                if not isinstance(look, Full):
                    return look
                if look.reached:
                    raise _over(look.cap)
                continue
            task.number += 1
            with _faults(line, task, attempt):
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
            with _faults(line, task, attempt):
                return _answered(line, task, attempt, event, decision, result, price, latency_ms)
        _no_result(line, task, attempt, event, decision, price)
        if not decision.retry:
            line.ledger.ended_badly(task.generation, decision, simulated=task.simulated)
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
    _settle(line, attempt, price, risk)
    if line.pacer is not None and decision.hold_s and isinstance(event, Reply) and event.status == 429:
        line.pacer.hold(line.clock() + decision.hold_s)
    line.ledger.attempt_ended(task.generation, attempt, decision, event, risk, simulated=task.simulated)
    _leave_out(line, task)
    if decision.stop is not None:
        _stop(line, decision)


@contextmanager
def _faults(line: Line, task: Task, attempt: Attempt) -> Iterator[None]:
    """A provider whose code raises over an answer ends that generation, and stops the run: the next would be no better.

    The answer is in the log by then.
    """
    try:
        yield
    except ProviderFault as fault:
        line.ledger.faulted(task.generation, attempt, fault, task.status, task.price, simulated=task.simulated)
        _settle(line, attempt, task.price, task.price)
        raise ProviderFault(
            f"{fault}; the answer is kept: `promptlab resume {task.generation.run_id}` decodes it again free of "
            "charge, once the provider is fixed"
        ) from fault


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
        verdict, cap = line.budget.verdict(price, utc_now())
        if verdict == "granted":
            return
        if verdict == "reached" and cap is not None:
            raise _over(str(cap))
        line.freed.clear()
        await line.freed.wait()


def _over(cap: str) -> BudgetReached:
    return BudgetReached(f"{cap} would be passed by the next request")


def _settle(line: Line, attempt: Attempt, price: Amount, *spent: Amount | None) -> None:
    line.budget.settle(price, [amount for amount in spent if amount is not None], attempt.started_at)
    line.freed.set()


def _leave_out(line: Line, task: Task) -> None:
    """What a simulator server made counts against this run's budget, as a rehearsal, but in no cap of the studio."""
    if task.simulated and line.budget.caps:
        line.budget.refresh()


async def _send(
    line: Line, task: Task, attempt: Attempt, price: Amount, lease: Lease | None
) -> tuple[Reply | SendError | Unreadable, Result | None, int]:
    """One POST, and for an asynchronous job its polling: what happened, the result if there is one, milliseconds."""
    started = line.clock()
    job: Job | None = None

    def left() -> None:
        """The request is on its way only now: the log, or a new connection, may have taken time since the lease."""
        if line.pacer is not None and lease is not None:
            with suppress(StoreError):  # its answer matters more than its exact place; the next acquire says it too
                line.pacer.arrived(lease)

    def heard(answer: Answer) -> int:
        """Note an answer, and commit it before it is decoded; milliseconds since the send."""
        task.status, task.simulated = answer.status, line.heard(answer)
        ms = answer.elapsed_ms if job is None else round((line.clock() - started) * 1000)
        if 200 <= answer.status < 300 and not line.in_process:
            line.ledger.keep(task.generation, answer, ms)
        return ms

    try:
        answer = await line.client.send(task.call, left=left)
        ms = heard(answer)
        _learn(line, answer, lease)
        event, result = _read(line, task, answer)
        if result is None or result.job is None or result.images:
            return event, result, ms
        line.ledger.submitted(task.generation, result, result.job)
        job = result.job
        found, result = await line.jobs.follow(task.request, result.job, answer, heard)
        return found, result, round((line.clock() - started) * 1000)
    except SendError as error:
        return error, None, 0
    except asyncio.CancelledError:
        if job is not None or line.in_process:
            raise  # its id is in the log and `resume` polls it; in this process it is planned again
        cut = SendError("interrupted while the request was in flight", sent=True)
        decision = decide(cut, 1, line.clock(), random=line.random)
        line.ledger.attempt_ended(task.generation, attempt, decision, cut, price, simulated=task.simulated)
        line.ledger.ended_badly(task.generation, decision, simulated=task.simulated)
        raise


def _read(line: Line, task: Task, answer: Answer) -> tuple[Reply | Unreadable, Result | None]:
    """`read_answer`; where it raises, a refusal that nobody could read is kept too."""
    try:
        return read_answer(line.endpoint, answer, task.request)
    except ProviderFault:
        if not 200 <= answer.status < 300:
            line.ledger.keep(task.generation, answer, answer.elapsed_ms)
        raise


def read_answer(endpoint: Endpoint, answer: Answer, request: Request) -> tuple[Reply | Unreadable, Result | None]:
    """The policy's view of an answer, and the result where it is one; ProviderFault where its code raises."""
    name = endpoint.provider.name
    if not 200 <= answer.status < 300:
        with provider_code(name, "error"):
            error = endpoint.provider.error(answer)
            return Reply(answer.status, answer.headers, error.code, error.type, error.message), None
    try:
        with provider_code(name, "decode", Unreadable):
            result = checked(endpoint.provider.decode(answer, request))
            images = None if result.job is not None and not result.images else len(result.images)
    except Unreadable as unreadable:
        return unreadable, None
    return Reply(answer.status, answer.headers, asked=request.n, images=images), result


def _learn(line: Line, answer: Answer, lease: Lease | None) -> None:
    if line.pacer is None:
        return
    rate = rate_headers(answer.headers, line.clock())
    if rate.limit is not None or rate.remaining is not None:
        line.pacer.learn(limit=rate.limit, remaining=rate.remaining, reset=rate.reset, lease=lease)


def _answered(
    line: Line, task: Task, attempt: Attempt, event: Reply, decision: Decision, result: Result, price: Amount, ms: int
) -> Answered:
    cost = cost_of(line.endpoint, task.request, result, simulated=task.simulated)
    risk = risk_of(task.request, result, cost, price)
    generation = line.ledger.answered(task.generation, attempt, event, decision, result, cost, risk=risk, latency_ms=ms)
    paid = Amount(usd=cost.usd, credits=cost.credits)
    _settle(line, attempt, price, paid, risk)
    _leave_out(line, task)
    # Only a figure that the answer states: more images than were requested cost more by our own table too.
    told = cost.source in ("response", "usage") and not task.simulated
    why = more_expensive(paid, price) if told else None
    stop = None if why is None else BudgetReached(f"{why}; {_MEND}")
    return Answered(generation, result, decision.message if decision.outcome == "short" else None, stop)


_MEND = "what the others would cost is not known any more: write the price under `providers:` in promptlab.yaml"


def cost_of(endpoint: Endpoint, request: Request, result: Result, *, simulated: bool) -> Cost:
    """What a result cost; of a simulator server's, what it would have cost."""
    with provider_code(endpoint.provider.name, "cost"):
        cost = endpoint.cost(request, result)
        return replace(cost, source="simulated") if simulated else cost


def risk_of(request: Request, result: Result, cost: Cost, price: Amount) -> Amount | None:
    """What an answer may have been billed beyond its known cost.

    The table's price where it does not say what it cost; and of images that did not come, their part of it.
    """
    missing = max(0, request.n - len(result.images)) / request.n if cost.source in ("table", "simulated") else 0.0
    return at_risk(Amount(usd=cost.usd, credits=cost.credits), price, missing)


def _stop(line: Line, decision: Decision) -> None:
    message = decision.message or decision.code or "the provider refused"
    if decision.stop == "quota":
        if line.pacer is not None:
            line.pacer.quota_reached(decision.until)
        raise QuotaReached(message, until=decision.until)
    if decision.stop == "network":
        raise Unreachable(message)
    provider = line.endpoint.provider
    variable = provider.capabilities.key_variable
    whose = f" the key of {variable}" if variable else ""
    message = message.rstrip(".")
    raise AccountRefused(f"{provider.name} refused{whose}: {message}. Without a key: --provider simulator")
