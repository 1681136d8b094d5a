"""The driver of a run: workers take planned generations and send them until each is settled; one writer, the log.

claim → reserve → pace → send → settle. The driver alone grants money and slots and writes the log; the sender knows
none of these. The rules of what an answer means are `promptlab.http.decide`'s. Everything that matters is committed
before the next step: the attempt before its send, the answer before it is decoded, and files are on the disk before
their rows. A generation is settled once its files are there; their pixels are looked at later, in other processes, and
what turns out not to be an image is lost after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from promptlab.errors import (
    AccountRefused,
    BudgetReached,
    GenerationError,
    LogError,
    PromptlabError,
    ProviderFault,
    QuotaReached,
    StoppedError,
    StoreError,
    Unreachable,
)
from promptlab.http import SIMULATED_HEADER, Answer, SendError
from promptlab.http.retry_policy import Decision, Reach, Reply, decide
from promptlab.http.waits import rate_headers
from promptlab.model import Amount, Attempt, Generation, Request, new_id, utc_now
from promptlab.pacing import Lease
from promptlab.pacing.pacer import Pacer
from promptlab.providers import Cost, ImageBytes, Job, Result
from promptlab.run.budget import Budget, cost_of, more_expensive, risk_of, worst_price
from promptlab.run.context import RunContext
from promptlab.run.edit_images import Sources
from promptlab.run.events import Finished, Listener, Message, Waiting
from promptlab.run.results import Results
from promptlab.run.rows import request_of
from promptlab.run.sender import Sender, Sent, Task
from promptlab.run.writer import Blocked, Busy, CacheHit, Full, RunWriter

__all__ = ["Answered", "Driver"]

RENEW_S = 20.0  # between renewals of a run's claims,
RENEW_AGAIN_S = 5.0  # and after one that the log refused
PENDING = 256  # results waiting for their files; more would only hold memory
BUSY_S = 0.25
DUE_EVERY_S = 0.25  # between looks for results whose files are slow
WHY_AGAIN = "interrupted; what was simulated is made again"
_MEND = "what the others would cost is not known any more: write the price under `providers:` in promptlab.yaml"


@dataclass(frozen=True, slots=True)
class Answered:
    """A generation whose result is known; its files are still to be fetched."""

    generation: Generation
    result: Result
    note: str | None = None  # what was short
    stop: StoppedError | None = None  # the run goes on no further: it cost more than its table says


Outcome = Answered | CacheHit | Busy | Blocked | None


@dataclass(slots=True)
class Sending:
    """A generation on its way, and its sender's gate to the driver."""

    driver: Driver
    generation: Generation
    task: Task
    key: str  # of idempotency: one for all attempts
    price: Amount  # by the table
    number: int = 0  # of attempts so far, earlier runs included
    status: int | None = None  # of the newest answer
    simulated: bool = False  # by all that is known, nothing of it is billed
    lease: Lease | None = None
    accepted_job: bool = False
    is_kept: bool = False  # the newest answer is in the log

    def left(self) -> None:
        """The request has only now left this machine: it counts from here."""
        if self.lease is not None and self.driver.pacer is not None:
            with suppress(StoreError):  # its answer matters more than its exact place; the next acquire says it too
                self.driver.pacer.arrived(self.lease)

    async def heard(self, answer: Answer, latency_ms: int, *, always: bool = False) -> None:
        """Note an answer, and commit it before it is decoded."""
        driver = self.driver
        self.status, self.simulated = answer.status, driver.heard(answer)
        if always or (200 <= answer.status < 300 and not driver.in_process):
            self.is_kept = True
            await driver.writer.keep(self.generation, answer, latency_ms)
        if not self.accepted_job:
            driver.learn(answer, self.lease)

    def accepted(self, result: Result, job: Job) -> None:
        """From here on it can be collected, and is never sent again."""
        self.accepted_job, self.is_kept = True, False
        self.driver.writer.submitted(self.generation, result, job)


@dataclass(slots=True)
class Driver:
    """One run's workers. `run()` returns when everything is settled or the run has stopped cleanly."""

    context: RunContext
    sender: Sender
    writer: RunWriter
    pacer: Pacer | None  # None in-process: nobody else to share with
    budget: Budget
    listener: Listener
    planned: Iterator[Generation]
    workers: int
    asynchronous: bool = False
    webhook_url: str | None = None
    stopped: PromptlabError | None = None
    broken: bool = False  # a fault of ours was raised somewhere: nothing more is sent
    interrupted: bool = False
    in_flight: int = 0
    salvaging: asyncio.Future[Any] | None = None  # what a dead process left is being collected
    in_process: bool = field(init=False)
    sources: Sources = field(init=False)
    results: Results = field(init=False)
    #: Whether every answer so far named its server a simulator; None before the first.
    named_simulated: bool | None = None
    #: Whether the server can be reached at all, over all workers.
    reach: Reach = field(default_factory=Reach)
    #: Workers that wait and have nothing in flight: a stop may cancel these at once.
    idle: set[asyncio.Task[None]] = field(default_factory=set)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    _collecting: set[asyncio.Task[None]] = field(default_factory=set)
    _workers: list[asyncio.Task[None]] = field(default_factory=list)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PENDING))

    def __post_init__(self) -> None:
        self.in_process = self.context.in_process
        self.results = Results(self.context, self.sender, self.writer, self.listener, self._stop)
        self.sources = Sources(self.context.log, self.writer.run_id, self.sender, self.results.decoded)

    async def run(self) -> None:
        """Work until there is nothing left. An error that belongs to no single generation ends the run cleanly."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self.workers)]
        try:
            await self._gather(self._workers)
        finally:  # also past a fault: what still collects would wait for a decoder that is closed
            await self._gather(list(self._collecting))
        if self.in_process and self.interrupted:
            self._plan_again()

    async def _gather(self, tasks: list[asyncio.Task[None]]) -> None:
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, PromptlabError):
                self._stop(result)
            elif isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    # --- stopping -----------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Ctrl-C: the first lets what is in flight end; the second leaves at once, and what is in flight is unknown."""
        if self.salvaging is not None:  # whatever is not settled yet can be settled next time
            self.interrupted = True
            self.salvaging.cancel()
            return
        if self.interrupted or self.in_process:  # what is simulated in this process is planned again
            self.interrupted = True
            for task in [*self._workers, *self._collecting]:
                task.cancel()
            self.results.cancel()
            return
        self.interrupted = True
        if self.in_flight or self._collecting:
            count = self.in_flight + len(self._collecting)
            self.listener(Message(f"stopping: waiting for {count} in flight (Ctrl-C again leaves them unknown)"))
        self._release_idle()

    def stop(self, error: PromptlabError) -> None:
        """Send nothing more; what is in flight ends, what is being collected for a dead process waits for its next."""
        self._stop(error)
        if self.salvaging is not None:
            self.salvaging.cancel()

    def _stop(self, error: PromptlabError) -> None:
        if self.stopped is None:
            self.stopped = error
            self._release_idle()

    def _break(self) -> None:
        self.broken = True
        self._release_idle()

    def _release_idle(self) -> None:
        for task in list(self.idle):
            task.cancel()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Marks the current worker as one that a stop may cancel."""
        me: asyncio.Task[None] | None = asyncio.current_task()
        assert me is not None
        self.idle.add(me)
        try:
            yield
        finally:
            self.idle.discard(me)

    async def keep_claims(self) -> None:
        """Renew this run's claims for as long as this task lives, whatever the log says now and then.

        A run whose claims are another's by now stops, and so does one whose log is gone.
        """
        pause = RENEW_S
        while True:
            await asyncio.sleep(pause)
            try:
                self.writer.renew()
            except LogError as error:
                if not self.context.log.is_there():
                    self.stop(error)
                    return
                self.listener(Message(f"the run's claims could not be renewed; trying again: {error}", "warning"))
                pause = RENEW_AGAIN_S
            except PromptlabError as error:
                self.stop(error)
                return
            else:
                pause = RENEW_S

    async def write_due(self) -> None:
        """Write results whose files are slow to come, for as long as this task lives."""
        while True:
            await asyncio.sleep(DUE_EVERY_S)
            try:
                self.writer.write_due()
            except PromptlabError as error:
                self.stop(error)
                return

    def _plan_again(self) -> None:
        log = self.context.log
        for row in list(log.generations(self.writer.run_id, statuses=("in_flight",))):
            attempts = log.attempts(row.id)
            self.writer.again(row, attempts[-1] if attempts else None, WHY_AGAIN)

    # --- one worker ---------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while self.stopped is None and not self.interrupted and not self.broken:
            generation = next(self.planned, None)
            if generation is None:
                return
            try:
                await self._one(generation)
            except PromptlabError as error:  # no one generation's own: money, the key, the disk, the log
                self._stop(error)
            except Exception:  # a fault of ours, which `run` raises once what is in flight has ended
                self._break()
                raise

    async def _one(self, generation: Generation) -> None:
        sending: Sending | None = None
        while True:
            # An edit is only prepared where it will be sent: its source may be gone, and its result here.
            look = self.writer.look(generation) if generation.source_image else None
            if look is None:
                try:
                    sending = sending or await self._prepare(generation)
                except GenerationError as error:
                    self._failed(generation, error.code, str(error), error.type)
                    return
                except ProviderFault as fault:  # nothing was sent for it; the next ones would go no better
                    self._failed(generation, fault.code, str(fault))
                    raise
                outcome = await self._exchange(sending)
                if outcome is None or isinstance(outcome, Answered):
                    return
                look = outcome
            match look:
                case CacheHit():
                    self._copy(generation, look)
                    return
                case Blocked(earlier):
                    self.listener(Finished(self.writer.skipped(generation, earlier)))
                    return
                case Busy():
                    with self._waiting():
                        await asyncio.sleep(BUSY_S)

    async def _prepare(self, generation: Generation) -> Sending:
        """The call of a planned row; the idempotency key of its earlier attempts, where there are any."""
        request = request_of(generation)
        source = await self._source(request)
        earlier = self.context.log.attempts(generation.id) if generation.attempts else []
        key = earlier[-1].idempotency_key if earlier else new_id()
        task = self.sender.task(
            generation.id, request, key, source, asynchronous=self.asynchronous, webhook_url=self.webhook_url
        )
        return Sending(self, generation, task, key, self.price(request), number=len(earlier))

    async def _source(self, request: Request) -> ImageBytes | None:
        """The bytes of an edit's source image; None for a URL that the API fetches by itself."""
        sha256, fetches_urls = request.image_sha256, self.context.endpoint.provider.capabilities.image_urls
        if sha256 is None and request.image is not None and not fetches_urls:
            sha256 = await self.sources.get(request.image)
        return None if sha256 is None else self.sources.bytes_of(sha256)

    async def _exchange(self, sending: Sending) -> Outcome:
        """Send until settled, and have its files collected; what stands in the way instead, or None for a bad end."""
        await self._room.acquire()
        self.in_flight += 1
        outcome: Outcome = None
        try:
            outcome = await self._send_until_settled(sending)
        finally:
            self.in_flight -= 1
            if not isinstance(outcome, Answered):
                self._room.release()  # else when its files are there
        if isinstance(outcome, Answered):
            self._collect(sending.task.request, outcome)
            if outcome.stop is not None:
                self._stop(outcome.stop)
        elif outcome is None and (row := self.context.log.generation(sending.generation.id)) is not None:
            self.listener(Finished(row))
        return outcome

    async def _send_until_settled(self, sending: Sending) -> Outcome:
        """Lease, fence, send, decide; again where the policy says so.

        Raises StoppedError where the run has to stop in order; the generation is then planned again.
        """
        rejections, waited, first = 0, 0.0, sending.number
        while True:
            await self._lease(sending)
            attempt = _attempt(sending)  # after the waits: it counts on the day on which it is sent
            try:
                look = await self._fence(sending, attempt)
                if look is not None:
                    self._release(sending, sent=False)
                    if not isinstance(look, Full):
                        return look
                    if look.reached:
                        raise _over(look.cap)
                    continue
                with self._faults(sending, attempt):
                    sent = await self._attempt(sending, attempt)
            except BaseException:
                self._release(sending, sent=True)
                raise
            event = sent.event
            self._release(sending, sent=not (isinstance(event, SendError) and not event.sent))
            now = self.sender.clock()
            decision = decide(
                event, sending.number - first, now, self.context.endpoint.honours_keys,
                random=self.sender.random, rejections=rejections, waited_s=waited,
            )  # fmt: skip
            decision = self.reach.note(event, decision, now)
            if decision.outcome in ("ok", "short") and sent.result is not None and isinstance(event, Reply):
                with self._faults(sending, attempt):
                    return self._answered(sending, attempt, sent, decision)
            self._no_result(sending, attempt, sent, decision)
            if not decision.retry:
                self.writer.ended_badly(sending.generation, decision, simulated=sending.simulated)
                return None
            rejections += decision.outcome == "rejected"
            seconds = decision.wait.seconds if decision.wait else 0.0
            waited += seconds
            self.listener(Waiting(decision.message or decision.outcome, seconds))
            with self._waiting():
                await asyncio.sleep(seconds)

    async def _lease(self, sending: Sending) -> None:
        """Wait until one more may be sent: by the caps, while what is in flight may end for less, and by the pace."""
        with self._waiting():
            if self.budget.caps:
                await self._afford(sending.price)
            sending.lease = await self.pacer.acquire() if self.pacer is not None else None

    async def _afford(self, price: Amount) -> None:
        """BudgetReached where one more can never fit."""
        while True:
            verdict, cap = self.budget.verdict(price, utc_now())
            if verdict == "granted":
                return
            if verdict == "reached" and cap is not None:
                raise _over(str(cap))
            self.freed.clear()
            await self.freed.wait()

    async def _fence(self, sending: Sending, attempt: Attempt) -> CacheHit | Busy | Blocked | Full | None:
        """Commit the attempt, just before its POST; what prevents it, if anything does."""
        sending.simulated = self.simulated
        task = sending.task
        try:
            look = await self.writer.begin(
                sending.generation, attempt, self.budget, sending.price,
                dropped=task.dropped, emulated=task.emulated, simulated=sending.simulated,
            )  # fmt: skip
        except asyncio.CancelledError:
            self._release(sending, sent=False)
            if self.writer.began(attempt):  # the stop came between the commit and the send
                unsent = SendError("stopped before it was sent", sent=False)
                self._no_result(sending, attempt, Sent(unsent), self._decided(unsent))
            raise
        if look is None:
            sending.number += 1
        return look

    async def _attempt(self, sending: Sending, attempt: Attempt) -> Sent:
        """One send. Cancelled, its outcome is unknown, unless its answer or its job is in the log."""
        sending.accepted_job = sending.is_kept = False
        try:
            return await self.sender.send(sending.task, sending)
        except asyncio.CancelledError:
            if sending.accepted_job or sending.is_kept or self.in_process:
                raise  # `resume` polls or decodes it; in this process it is planned again
            cut = SendError("interrupted while the request was in flight", sent=True)
            decision = self._decided(cut)
            simulated = sending.simulated
            self.writer.attempt_ended(sending.generation, attempt, decision, cut, sending.price, simulated=simulated)
            self.writer.ended_badly(sending.generation, decision, simulated=simulated)
            raise

    def _decided(self, event: SendError) -> Decision:
        return decide(event, 1, self.sender.clock(), random=self.sender.random)

    def _release(self, sending: Sending, *, sent: bool) -> None:
        lease, sending.lease = sending.lease, None
        if lease is not None and self.pacer is not None:
            self.pacer.release(lease, sent=sent)

    @contextmanager
    def _faults(self, sending: Sending, attempt: Attempt) -> Iterator[None]:
        """A provider whose code raises over an answer ends that generation, and the run: the next would be no better.

        The answer is in the log by then.
        """
        try:
            yield
        except ProviderFault as fault:
            generation, price = sending.generation, sending.price
            self.writer.faulted(generation, attempt, fault, sending.status, price, simulated=sending.simulated)
            self._settle_money(attempt, price, price)
            raise ProviderFault(
                f"{fault}; the answer is kept: `promptlab resume {generation.run_id}` decodes it again free of "
                "charge, once the provider is fixed"
            ) from fault

    # --- who answered, and what it costs ------------------------------------------------------------------------

    @property
    def simulated(self) -> bool:
        """Whether nothing that is sent now will be billed, as far as anybody said."""
        return self.context.endpoint.simulated or bool(self.named_simulated)

    def heard(self, answer: Answer) -> bool:
        """Take note of who answered: whether this answer is a simulator's."""
        named = SIMULATED_HEADER in answer.headers
        self.named_simulated = named and self.named_simulated is not False
        return named or self.context.endpoint.simulated

    def learn(self, answer: Answer, lease: Lease | None) -> None:
        """The limits that an answer's headers tell."""
        if self.pacer is None:
            return
        rate = rate_headers(answer.headers, self.sender.clock())
        if rate.limit is not None or rate.remaining is not None:
            self.pacer.learn(limit=rate.limit, remaining=rate.remaining, reset=rate.reset, lease=lease)

    def price(self, request: Request) -> Amount:
        """The table's worst price of one call, in both units as far as known."""
        return worst_price(self.context.endpoint, request)

    def cost(self, request: Request, result: Result, price: Amount, *, simulated: bool) -> tuple[Cost, Amount | None]:
        """What a result cost, and what it may have been billed beyond that."""
        cost = cost_of(self.context.endpoint, request, result, simulated=simulated)
        return cost, risk_of(request, result, cost, price)

    def _settle_money(self, attempt: Attempt, price: Amount, *spent: Amount | None) -> None:
        if self.budget.caps:
            self.budget.settle(price, [amount for amount in spent if amount is not None], attempt.started_at)
            self.freed.set()

    def _leave_out(self, sending: Sending) -> None:
        """What a simulator server made counts against this run's budget, as a rehearsal, but in no studio's cap."""
        if sending.simulated and self.budget.caps:
            self.budget.refresh()

    def _answered(self, sending: Sending, attempt: Attempt, sent: Sent, decision: Decision) -> Answered:
        """The result is known: its cost is settled, and its files are next."""
        assert sent.result is not None
        assert isinstance(sent.event, Reply)
        result, price = sent.result, sending.price
        cost, risk = self.cost(sending.task.request, result, price, simulated=sending.simulated)
        self.writer.answered(
            sending.generation, attempt, sent.event, decision, result, cost, risk=risk, latency_ms=sent.latency_ms
        )
        if self.budget.caps:
            self.writer.write_due(0.0)  # a cap that is counted again is counted from the log
        paid = Amount(usd=cost.usd, credits=cost.credits)
        self._settle_money(attempt, price, paid, risk)
        self._leave_out(sending)
        # Only a figure that the answer states: more images than were requested cost more by our own table too.
        told = cost.source in ("response", "usage") and not sending.simulated
        why = more_expensive(paid, price) if told else None
        stop = None if why is None else BudgetReached(f"{why}; {_MEND}")
        return Answered(sending.generation, result, decision.message if decision.outcome == "short" else None, stop)

    def _no_result(self, sending: Sending, attempt: Attempt, sent: Sent, decision: Decision) -> None:
        """Settle an attempt that brought nothing: its money, everyone's pace, its row; and stop where it says so."""
        event, price = sent.event, sending.price
        risk = price if decision.may_be_billed else None
        self._settle_money(attempt, price, risk)
        if self.pacer is not None and decision.hold_s and isinstance(event, Reply) and event.status == 429:
            self.pacer.hold(self.sender.clock() + decision.hold_s)
        self.writer.attempt_ended(sending.generation, attempt, decision, event, risk, simulated=sending.simulated)
        self._leave_out(sending)
        if decision.stop is not None:
            self._raise_stop(decision)

    def _raise_stop(self, decision: Decision) -> None:
        message = decision.message or decision.code or "the provider refused"
        if decision.stop == "quota":
            if self.pacer is not None:
                self.pacer.quota_reached(decision.until)
            raise QuotaReached(message, until=decision.until)
        if decision.stop == "network":
            raise Unreachable(message)
        provider = self.context.endpoint.provider
        variable = provider.capabilities.key_variable
        whose = f" the key of {variable}" if variable else ""
        message = message.rstrip(".")
        raise AccountRefused(f"{provider.name} refused{whose}: {message}. Without a key: --provider simulator")

    def _failed(self, generation: Generation, code: str | None, message: str, type: str | None = None) -> None:
        decision = Decision("fatal", code=code, type=type, message=message)
        row = self.writer.ended_badly(generation, decision, simulated=self.context.endpoint.simulated)
        self.listener(Finished(row))

    # --- results ------------------------------------------------------------------------------------------------

    def _copy(self, generation: Generation, hit: CacheHit) -> None:
        names = [self.context.names.path(generation, image.position, image.format) for image in hit.images]
        row, images = self.writer.copied(generation, hit, names)
        for image in images:
            self.context.names.link(image)
        self.listener(Finished(row, tuple(images)))

    def _collect(self, request: Request, answered: Answered) -> None:
        task = asyncio.create_task(self.results.collect(answered.generation, request, answered.result, answered.note))
        self._collecting.add(task)
        task.add_done_callback(self._collected)

    def _collected(self, task: asyncio.Task[None]) -> None:
        self._collecting.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, PromptlabError):
                self._stop(error)
            else:
                self._break()
                self._collecting.add(task)  # a fault of ours: `run` raises it


def _attempt(sending: Sending) -> Attempt:
    return Attempt(
        id=new_id(),
        generation_id=sending.generation.id,
        number=sending.number + 1,
        idempotency_key=sending.key,
        started_at=utc_now(),
    )


def _over(cap: str) -> BudgetReached:
    return BudgetReached(f"{cap} would be passed by the next request")
