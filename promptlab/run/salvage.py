"""What a dead process left in flight: fetch its files, poll its jobs, and call the rest what it is, unknown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from promptlab.http import Answer, Decision, Event, Reply, SendError, decide
from promptlab.model import Amount, Attempt, Generation, Image, new_id
from promptlab.providers import Job
from promptlab.run.driver import Driver
from promptlab.run.events import Finished
from promptlab.run.exchange import Answered, read_answer, risk_of
from promptlab.run.recover import after_interruption
from promptlab.run.rows import request_of

__all__ = ["salvage"]

AT_ONCE = 8


async def salvage(driver: Driver, rows: Sequence[Generation]) -> None:
    """Settle these generations without sending any of them again."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: Generation) -> None:
        async with gate:
            await _one(driver, row)

    tasks = [asyncio.create_task(one(row)) for row in rows]
    driver.salvaging = asyncio.gather(*tasks, return_exceptions=True)
    try:
        await driver.salvaging
    except asyncio.CancelledError:
        if not driver.interrupted:
            raise
    for found in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(found, Exception):  # the disk, the key: said once all others are settled
            raise found


async def _one(driver: Driver, row: Generation) -> None:
    match after_interruption(row):
        case "fetch":
            await _fetch(driver, row)
        case "poll":
            await _poll(driver, row)
        case "unknown":
            _unknown(driver, row, "the process was killed while the request was in flight")
        case "keep":
            return


async def _fetch(driver: Driver, row: Generation) -> None:
    """The response is in the log: its images are fetched while their URLs live."""
    answer = Answer(200, {}, (row.response or "").encode())
    request = request_of(row)
    event, result = read_answer(driver.line.endpoint, answer, request)
    if result is None or not result.images:
        if row.status != "lost":  # its pixels came inside the answer, and the log keeps none
            images = [Image(id=new_id(), generation_id=row.id, position=at, status="lost") for at in range(row.n)]
            why = "the image came inside the answer, and the process was killed before it was on disk"
            driver.line.listener(Finished(driver.line.ledger.lost(row, images, "pixels_lost", why), tuple(images)))
        return
    await driver.collect(request, Answered(row, result, _note(driver, event)), again=True)


async def _poll(driver: Driver, row: Generation) -> None:
    """A job's id is in the log: it is asked after, never submitted again."""
    line, request = driver.line, request_of(row)
    attempt = _last_attempt(driver, row)
    started = line.clock()
    event, result = await line.jobs.follow(request, _job(row))
    decision = decide(event, 1, line.clock(), random=line.random)
    if result is None or not isinstance(event, Reply):
        price = line.price(request)
        if attempt is not None:
            line.ledger.attempt_ended(row, attempt, decision, event, price if decision.may_be_billed else None)
        line.listener(Finished(line.ledger.ended_badly(row, decision)))
        return
    cost = line.endpoint.cost(request, result)
    if attempt is not None:
        ms = round((line.clock() - started) * 1000)
        risk = risk_of(request, result, cost, line.price(request))
        row = line.ledger.answered(row, attempt, event, decision, result, cost, risk=risk, latency_ms=ms)
    await driver.collect(request, Answered(row, result, _note(driver, event)))


def _note(driver: Driver, event: Event) -> str | None:
    """What was short about an answer."""
    decision = decide(event, 1, driver.line.clock(), random=driver.line.random)
    return decision.message if decision.outcome == "short" else None


def _job(row: Generation) -> Job:
    """The job as it was accepted: its id, and where the server said to ask after it."""
    accepted = json.loads(row.response or "{}")
    return Job(str(row.job_id), poll_url=accepted.get("poll_url"))


def _unknown(driver: Driver, row: Generation, why: str) -> None:
    line = driver.line
    cut = SendError(why, sent=True)
    decision: Decision = decide(cut, 1, line.clock(), random=line.random)
    price: Amount = line.price(request_of(row))
    if (attempt := _last_attempt(driver, row)) is not None:
        line.ledger.attempt_ended(row, attempt, decision, cut, price)
    line.listener(Finished(line.ledger.ended_badly(row, decision)))


def _last_attempt(driver: Driver, row: Generation) -> Attempt | None:
    attempts = driver.line.ledger.log.attempts(row.id)
    return attempts[-1] if attempts else None
