"""What an earlier process left behind, and what may be done with it: the rules, what a resume finds, and the doing.

PROVIDERS.md's outcome classes decide: what was never sent, was rejected or failed may be sent again; what may have been
billed and is not known is collected where there is a way (its stored answer, its job id), else never sent again unless
the user asks for it. The rules are pure, a table in the tests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from promptlab.errors import ProviderFault
from promptlab.http import Answer, SendError, Unreadable
from promptlab.http.retry_policy import Decision, Event, Reply, decide
from promptlab.model import Amount, Attempt, Generation, Image, Run, is_simulated, new_id
from promptlab.run.events import Finished
from promptlab.run.rows import request_of

if TYPE_CHECKING:
    from promptlab.providers import Job, Result
    from promptlab.run.context import RunContext
    from promptlab.run.driver import Driver

__all__ = [
    "Action", "after_interruption", "left_over", "may_be_sent", "may_resend", "mendable", "plan_again", "salvage",
    "to_send", "unsettled",
]  # fmt: skip

AT_ONCE = 8  # generations that are collected at the same time

Action = Literal["decode", "fetch", "poll", "again", "unknown", "keep"]
OPEN = ("in_flight", "lost", "unknown")


def after_interruption(generation: Generation, *, answered: bool = False, in_process: bool = False) -> Action:
    """How to settle a generation that has no end, or a bad one that may be fixed free of charge.

    An answer that was kept (`answered`) is decoded, again if need be; a stored result's files are fetched; a job is
    polled; what was in flight without any of these is unknown. What was simulated is planned again, since it costs
    nothing: at once where the simulator is in the process (`in_process`), whose files end with it.
    """
    if generation.status not in OPEN:
        return "keep"
    if in_process:
        return "again"
    if answered:
        return "decode"
    if generation.response is not None and generation.latency_ms is not None:  # a result, not a job's acceptance
        return "keep" if generation.status == "unknown" else "fetch"
    if generation.job_id is not None:
        return "poll"
    if generation.status != "in_flight":
        return "keep"
    return "again" if is_simulated(generation) else "unknown"


def may_resend(generation: Generation, last_outcome: str | None, *, unknown: bool = False, lost: bool = False) -> bool:
    """Whether `resume` sends this generation (again); `unknown` and `lost` are the user's explicit consent.

    What is simulated costs nothing and needs none. `last_outcome` is the class of its last attempt: a fatal one (a
    refused prompt, say) would only fail again.
    """
    if is_simulated(generation) and generation.status in ("unknown", "lost", "skipped"):
        return True
    match generation.status:
        case "planned":
            return True
        case "failed":
            return last_outcome != "fatal"
        case "unknown":
            return unknown
        case "lost":
            return lost
        case "skipped":
            return (generation.error_code != "unknown_before" or unknown) and (
                generation.error_code != "lost_before" or lost
            )
        case _:
            return False


# --- what a resume finds ------------------------------------------------------------------------------------------


def left_over(context: RunContext, run: Run) -> list[Generation]:
    """What was in flight when the run was cut off."""
    return list(context.log.generations(run.id, statuses=("in_flight",)))


def mendable(context: RunContext, run: Run) -> list[Generation]:
    """Lost images whose URLs can be tried again, answers to decode again, jobs to poll: it costs nothing."""
    log = context.log
    answered = log.answered(run.id)
    rows = [row for row in log.generations(run.id, statuses=("lost", "unknown"))
            if after_interruption(row, answered=row.id in answered) != "keep"]  # fmt: skip
    images = log.images_of([row.id for row in rows if row.status == "lost"])
    return [row for row in rows if row.status != "lost" or any(i.status == "lost" for i in images[row.id])]


def unsettled(context: RunContext, run: Run) -> bool:
    """Whether there is an end to write without sending anything: a killed run, results to fetch."""
    return run.status == "running" or bool(left_over(context, run) or mendable(context, run))


def to_send(context: RunContext, run_id: str) -> list[Generation]:
    """What a resume may send: never sent, rejected or failed; unknown and lost ones only as the user said."""
    found, options = [], context.options
    for row in context.log.generations(run_id, statuses=("planned", "failed", "unknown", "lost", "skipped")):
        attempts = context.log.attempts(row.id) if row.status == "failed" else []
        outcome = attempts[-1].outcome if attempts else None
        if may_resend(row, outcome, unknown=options.retry_unknown, lost=options.retry_lost):
            found.append(row)
    return found


def may_be_sent(context: RunContext, run: Run) -> list[Generation]:
    """The most that a resume may send, before anything is settled: collecting can only make it less."""
    found, answered = to_send(context, run.id), context.log.answered(run.id)
    for row in left_over(context, run):
        action = after_interruption(row, answered=row.id in answered, in_process=context.in_process)
        # What is still to be decoded may turn out to be either.
        ends = {"unknown": {"unknown"}, "decode": {"unknown", "lost"}}.get(action, {"lost"})
        if action == "again" or ends & context.consent:
            found.append(row)
    return found


def plan_again(context: RunContext, run: Run, rows: Sequence[Generation]) -> None:
    """Mark them as planned, and the run as running."""
    with context.log.transaction():
        for row in rows:
            if row.status != "planned":
                context.log.update(Generation, row.id, status="planned", ended_at=None)
        context.log.update(Run, run.id, status="running", ended_at=None)


# --- settling what a dead process left ----------------------------------------------------------------------------


async def salvage(driver: Driver, rows: Sequence[Generation]) -> None:
    """Settle these generations without sending any of them again."""
    import asyncio  # 40 ms, and whoever shows a run needs the rules above

    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: Generation) -> None:
        async with gate:
            await _one(driver, row)

    tasks = [asyncio.create_task(one(row)) for row in rows]
    driver.salvaging = asyncio.gather(*tasks, return_exceptions=True)
    try:
        await driver.salvaging
    except asyncio.CancelledError:
        if not driver.interrupted and driver.stopped is None:
            raise
    for found in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(found, Exception):  # the disk, the key: said once all others are settled
            raise found


async def _one(driver: Driver, row: Generation) -> None:
    answer = driver.writer.answers.get(row.id)
    match after_interruption(row, answered=answer is not None, in_process=driver.in_process):
        case "decode" if answer is not None:
            await _decode(driver, row, answer)
        case "fetch":
            await _fetch(driver, row)
        case "poll":
            await _poll(driver, row)
        case "again":
            why = "the process was killed; what was simulated is made again"
            driver.writer.again(row, _last_attempt(driver, row), why)
        case "unknown":
            _unknown(driver, row, "the process was killed while the request was in flight")


async def _decode(driver: Driver, row: Generation, answer: Answer) -> None:
    """The answer is in the log as it came: it is decoded as if it came now, and its images are fetched.

    ProviderFault where the provider's code raises over it, still: it stays kept.
    """
    request = request_of(row)
    try:
        event, result = driver.context.endpoint.read(answer, request)
    except ProviderFault as fault:
        if (attempt := _last_attempt(driver, row)) is not None:
            price, simulated = driver.price(request), is_simulated(row)
            driver.writer.faulted(row, attempt, fault, answer.status, price, simulated=simulated)
        raise
    if result is not None and result.job is not None and not result.images:
        driver.writer.submitted(row, result, result.job)
        await _poll(driver, replace(row, job_id=result.job.id, response=json.dumps({"poll_url": result.job.poll_url})))
        return
    await _settle(driver, row, event, result, answer.elapsed_ms, simulated=driver.heard(answer) or is_simulated(row))


async def _settle(
    driver: Driver, row: Generation, event: Reply | SendError | Unreadable, result: Result | None, ms: int,
    *, simulated: bool,
) -> None:  # fmt: skip
    """An end, as the exchange would have written it: a result is collected, a refusal is one, the rest is unknown."""
    request = request_of(row)
    attempt = _last_attempt(driver, row)
    decision = decide(event, 1, driver.sender.clock(), random=driver.sender.random)
    if result is None or not isinstance(event, Reply):
        price = driver.price(request)
        if attempt is not None:
            risk = price if decision.may_be_billed else None
            driver.writer.attempt_ended(row, attempt, decision, event, risk, simulated=simulated)
        if decision.retry or decision.stop is not None:  # it was refused, and may be sent again: it is planned
            driver.writer.planned_again(row)
            return
        driver.listener(Finished(driver.writer.ended_badly(row, decision, simulated=simulated)))
        return
    if attempt is not None:
        cost, risk = driver.cost(request, result, driver.price(request), simulated=simulated)
        driver.writer.answered(row, attempt, event, decision, result, cost, risk=risk, latency_ms=ms)
    await driver.results.collect(row, request, result, _note(driver, event), again=True)


async def _fetch(driver: Driver, row: Generation) -> None:
    """The response is in the log: its images are fetched while their URLs live."""
    answer = Answer(200, {}, (row.response or "").encode())
    request = request_of(row)
    event, result = driver.context.endpoint.read(answer, request)
    if result is None or not result.images:
        if row.status != "lost":  # its pixels came inside the answer, and the log keeps none
            images = [Image(id=new_id(), generation_id=row.id, position=at, status="lost") for at in range(row.n)]
            why = "the image came inside the answer, and the process was killed before it was on disk"
            driver.listener(Finished(driver.writer.lost(row, images, "pixels_lost", why), tuple(images)))
        return
    await driver.results.collect(row, request, result, _note(driver, event), again=True)


async def _poll(driver: Driver, row: Generation) -> None:
    """A job's id is in the log: it is polled, never submitted again."""
    request = request_of(row)
    started = driver.sender.clock()
    simulated = is_simulated(row)

    async def heard(answer: Answer) -> None:
        nonlocal simulated
        simulated = driver.heard(answer)
        await driver.writer.keep(row, answer, round((driver.sender.clock() - started) * 1000))

    event, result = await driver.sender.jobs.follow(request, _job(row), heard=heard)
    await _settle(driver, row, event, result, round((driver.sender.clock() - started) * 1000), simulated=simulated)


def _note(driver: Driver, event: Event) -> str | None:
    """What was short about an answer."""
    decision = decide(event, 1, driver.sender.clock(), random=driver.sender.random)
    return decision.message if decision.outcome == "short" else None


def _job(row: Generation) -> Job:
    """The job as it was accepted: its id, and where the server said to poll it."""
    from promptlab.providers import Job

    accepted = json.loads(row.response or "{}")
    return Job(str(row.job_id), poll_url=accepted.get("poll_url"))


def _unknown(driver: Driver, row: Generation, why: str) -> None:
    cut = SendError(why, sent=True)
    decision: Decision = decide(cut, 1, driver.sender.clock(), random=driver.sender.random)
    price: Amount = driver.price(request_of(row))
    if (attempt := _last_attempt(driver, row)) is not None:
        driver.writer.attempt_ended(row, attempt, decision, cut, price)
    driver.listener(Finished(driver.writer.ended_badly(row, decision)))


def _last_attempt(driver: Driver, row: Generation) -> Attempt | None:
    attempts = driver.writer.log.attempts(row.id)
    return attempts[-1] if attempts else None
