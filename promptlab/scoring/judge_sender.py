"""Sending a judge's questions: one process at a time, a few at once, each call a row before it leaves."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from promptlab._version import __version__
from promptlab.errors import (
    AccountRefused,
    BudgetReached,
    InputError,
    QuotaReached,
    StoppedError,
    StoreError,
    TakenOver,
    Unreachable,
)
from promptlab.http import SIMULATED_HEADER, Answer, SendError, Unreadable
from promptlab.http.client import Client
from promptlab.http.retry_policy import Decision, Reach, Reply, decide
from promptlab.log import Log
from promptlab.log.judging import JudgeCall
from promptlab.model import Amount, new_id, utc_now
from promptlab.providers import read_body, read_error
from promptlab.run.context import CLAIM_S, is_dead, owner_of
from promptlab.run.stopping import early_stops, listening
from promptlab.scoring.judge_job import JudgeJob
from promptlab.scoring.judge_pairs import Pair
from promptlab.scoring.judge_wire import Usage, answer_text, call_of, choice_of, usage_of, worst_usd

__all__ = ["holding", "send_all"]

_RENEW_S: Final = CLAIM_S / 3
_STOPS: Final[dict[str, type[StoppedError]]] = {
    "account": AccountRefused,
    "network": Unreachable,
    "quota": QuotaReached,
}
_LONGEST_ANSWER: Final = 4_000  # characters of an answer that are kept


@contextmanager
def holding(log: Log, model: str, prompt_sha256: str) -> Iterator[None]:
    """One process asks a model a question at a time: two would ask about the same pairs twice, for money twice."""
    name, me = f"judge:{model}:{prompt_sha256}", owner_of("judge")
    with log.transaction():
        holder = log.holder(name)
        if holder is not None and holder.owner != me and is_dead(holder.owner):
            log.release_claim(name, 0, holder.owner)
        taken = log.claim(name, 0, me, CLAIM_S)
    if not taken:
        message = f"another process is asking {model} this question; wait for it, or end it first"
        raise InputError(message, code="still-running")
    try:
        yield
    finally:
        log.release_claim(name, 0, me)


@dataclass(frozen=True, slots=True)
class _Ask:
    pair: Pair
    order: int


def send_all(job: JudgeJob) -> None:
    """Ask everything that is open; what ends it early is in the job."""
    with early_stops() as seen:
        asyncio.run(_Sending(job).run(seen))


@dataclass(slots=True)
class _Sending:
    """One event loop's work."""

    job: JudgeJob
    waiting: deque[_Ask] = field(default_factory=deque)
    workers: set[asyncio.Task[None]] = field(default_factory=set)
    reach: Reach = field(default_factory=Reach)
    open_at: float = 0.0  # a rate limit holds everybody back until then (event loop's clock)
    interrupted: bool = False
    worst: Amount = field(default_factory=Amount)
    total: int = 0
    done: int = 0

    async def run(self, seen: list[int]) -> None:
        job = self.job
        asks = [_Ask(pair, order) for pair, state in job.states.items() for order in state.open_orders()]
        self.waiting.extend(asks)
        self.total = len(asks)
        self.worst = Amount(usd=worst_usd(job.asked.model, job.asked.question, job.price))
        endpoint = job.endpoint
        client = endpoint.client(user_agent=f"promptlab/{__version__}", read_timeout=120.0)
        with listening(self, seen):
            async with client:
                renewing = asyncio.create_task(self._keep_claim())
                self.workers = {asyncio.create_task(self._work(client)) for _ in range(min(job.asked.jobs, len(asks)))}
                ended = await asyncio.gather(*self.workers, return_exceptions=True)
                renewing.cancel()
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
                raise error
        job.interrupted = self.interrupted

    def interrupt(self) -> None:
        """Ctrl-C: the first lets what is in flight end; the second leaves at once, and what is in flight is unknown."""
        if self.interrupted:
            for worker in self.workers:
                worker.cancel()
        self.interrupted = True

    async def _keep_claim(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            if not self.job.log.renew_claims(owner_of("judge"), CLAIM_S):
                self._end(TakenOver("another process asks this judge's question now; this one stops"))
                return

    @property
    def _ended(self) -> bool:
        return self.interrupted or self.job.stopped is not None

    async def _work(self, client: Client) -> None:
        while self.waiting and not self._ended:
            ask = self.waiting.popleft()
            try:
                first, second = (self.job.images(sha256) for sha256 in _shown(ask))
            except (StoreError, ValueError) as error:
                self._failed(str(error))
                continue
            await self._ask(client, ask, first, second)

    async def _ask(self, client: Client, ask: _Ask, first: str, second: str) -> None:
        """Send until it is answered, or must not be sent again; one idempotency key for all of it."""
        job, key = self.job, new_id()
        call = call_of(job.asked.model, job.asked.question, first, second, key)
        attempt = rejections = 0
        waited = 0.0
        while await self._may_send():
            attempt += 1
            row = self._begin(ask)
            event: Any
            try:
                event = await client.send(call)
            except SendError as error:
                event = error
            decision = self._settle(ask, row, event, attempt, rejections, waited)
            if decision.stop is not None:
                self._stop(decision)
            if not decision.retry or decision.wait is None:
                if decision.outcome != "ok":
                    self._failed(decision.message or decision.outcome)
                return
            rejections += decision.outcome == "rejected"
            waited += decision.wait.seconds
            await self._pause(decision)

    async def _may_send(self) -> bool:
        """Wait for the rate limit and for money; False where nothing more is sent."""
        loop = asyncio.get_running_loop()
        while not self._ended:
            if (hold := self.open_at - loop.time()) > 0:
                await asyncio.sleep(min(hold, 0.5))
                continue
            verdict, cap = self.job.budget.reserve(self.worst, utc_now())
            if verdict == "granted":
                return True
            if verdict == "reached":
                self._end(BudgetReached(f"{cap} is reached: one more call may cost up to ${self.worst.usd or 0:.4f}"))
                return False
            await asyncio.sleep(0.05)  # what is in flight may end for less
        return False

    async def _pause(self, decision: Decision) -> None:
        loop, seconds = asyncio.get_running_loop(), decision.wait.seconds if decision.wait else 0.0
        if decision.hold_s:
            self.open_at = max(self.open_at, loop.time() + decision.hold_s)
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0 and not self._ended:  # noqa: ASYNC110  an end is looked for meanwhile
            await asyncio.sleep(min(left, 0.5))

    def _begin(self, ask: _Ask) -> JudgeCall:
        """The row, committed before the send: until it is settled, it may be billed at the worst price."""
        job = self.job
        left, right = ask.pair.shown(ask.order)
        row = JudgeCall(
            id=new_id(), poll_id=job.poll_id, model=job.asked.model, base_url=job.endpoint.base_url, left_image=left,
            right_image=right, prompt_sha256=job.sha256, started_at=utc_now(), may_be_billed=True,
            cost_usd_at_risk=self.worst.usd,
        )  # fmt: skip
        job.log.begin_judge_call(row)
        job.sent.append(row.id)
        return row

    def _settle(
        self, ask: _Ask, row: JudgeCall, event: Answer | SendError, attempt: int, rejections: int, waited: float
    ) -> Decision:
        """Write what became of a send; an answer that completes a pair casts its ballot."""
        job = self.job
        found, changes = _read(event)
        if isinstance(event, Answer) and event.headers.get(SIMULATED_HEADER):
            changes["cost_source"] = "simulated"
        decision = decide(found, attempt, time.time(), random=random.random, rejections=rejections, waited_s=waited)
        decision = self.reach.note(found, decision, time.time())
        usage: Usage = changes.pop("usage", Usage(None, None))
        answered = changes.pop("answered", False)
        cost = usage.usd(job.price) if answered else None
        silent = answered and cost is None  # it was billed, and nobody says how much
        at_risk = (decision.may_be_billed and not answered) or silent
        outcome = changes.pop("outcome", decision.outcome)
        job.log.settle_judge_call(
            row.id, ended_at=utc_now(), outcome=outcome, input_tokens=usage.tokens_in, output_tokens=usage.tokens_out,
            cost_usd=cost, may_be_billed=int(at_risk), cost_usd_at_risk=self.worst.usd if at_risk else None,
            **({"cost_source": "usage" if cost is not None else None} | changes),
        )  # fmt: skip
        spent = [Amount(usd=cost)] if cost is not None else [self.worst] if at_risk else []
        job.budget.settle(self.worst, spent, row.started_at)
        if answered:
            self._answered(ask, row, str(changes.get("answer") or ""))
        return decision

    def _answered(self, ask: _Ask, row: JudgeCall, text: str) -> None:
        self._step()
        choice = choice_of(text)
        if choice is None:
            self.job.failures[f"the answer names neither image: {text[:80]!r}"] += 1
            return
        self.job.states[ask.pair].answers[ask.order] = (row.id, choice)
        self.job.cast(ask.pair)

    def _failed(self, reason: str) -> None:
        self._step()
        self.job.failures[reason[:200]] += 1

    def _step(self) -> None:
        self.done += 1
        if self.job.progress is not None:
            self.job.progress(self.done, self.total)

    def _stop(self, decision: Decision) -> None:
        message = decision.message or "the judge's account can't go on"
        kinds: dict[str, type[StoppedError]] = {
            "account": AccountRefused,
            "network": Unreachable,
            "quota": QuotaReached,
        }
        self._end(kinds[decision.stop or "account"](message))

    def _end(self, error: StoppedError) -> None:
        if self.job.stopped is None:
            self.job.stopped = error


def _shown(ask: _Ask) -> tuple[str, str]:
    pair = ask.pair
    hashes = pair.left_sha256, pair.right_sha256
    return hashes if ask.order == 0 else (hashes[1], hashes[0])


def _read(event: Answer | SendError) -> tuple[Reply | SendError | Unreadable, dict[str, Any]]:
    """An event as the retry policy sees it, and what of it goes into the row."""
    if isinstance(event, SendError):
        return event, {"answer": event.message[:_LONGEST_ANSWER]}
    changes: dict[str, Any] = {"status_code": event.status}
    if not 200 <= event.status < 300:
        error = read_error(event)
        said = error.message or error.code or ""
        changes["answer"] = said[:_LONGEST_ANSWER] or None
        return Reply(event.status, event.headers, error.code, error.type, error.message), changes
    try:
        body = read_body(event)
    except Unreadable as unreadable:
        return unreadable, changes | {"answer": str(unreadable)}
    text = answer_text(body)
    if text is None:
        error = read_error(event)
        named = Unreadable(
            error.message or "the answer holds no message of a chat model", code=error.code, type=error.type
        )
        return named, changes | {"answer": str(named)[:_LONGEST_ANSWER]}
    outcome = {} if choice_of(text) else {"outcome": "unreadable"}
    changes |= {"answer": text[:_LONGEST_ANSWER], "usage": usage_of(body), "answered": True} | outcome
    return Reply(event.status, event.headers), changes
