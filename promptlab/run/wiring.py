"""Wiring: all that sending needs, built from a RunContext in one place. Imported only where something is sent."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

from promptlab._version import __version__
from promptlab.errors import PromptlabError
from promptlab.log import Log
from promptlab.model import Amount, Generation, Image, Mode, Run, utc_now
from promptlab.pacing.ledger import state_folder
from promptlab.pacing.pacer import Pacer
from promptlab.providers import Endpoint
from promptlab.run.budget import Budget, Cap, Period
from promptlab.run.context import RunContext, owner_of
from promptlab.run.driver import Driver
from promptlab.run.events import Listener
from promptlab.run.jobs import Jobs
from promptlab.run.raw_answers import Answers
from promptlab.run.recovery import salvage
from promptlab.run.sender import Sender
from promptlab.run.stopping import early_stops, listening
from promptlab.run.writer import RunWriter
from promptlab.store.background import Keeper, Pixels
from promptlab.studio.cached import LoggedFiles
from promptlab.studio.options import known_limits, limits_of, may_raise
from promptlab.studio.studio import Studio

__all__ = ["collect_rows", "send_planned"]

JOBS = 8  # workers where neither the plan nor --jobs says how many

Use = Callable[[Driver], Awaitable[None]]


def send_planned(context: RunContext, run: Run, mode: Mode, to_send: int) -> Driver:
    """Send what is planned; the driver says how it ended."""
    planned = context.log.generations(run.id, statuses=("planned",))
    return _in_loop(context, run, planned, mode, to_send, lambda driver: driver.run())


def collect_rows(context: RunContext, run: Run, rows: Sequence[Generation], unseen: Sequence[Image]) -> Driver:
    """Settle what an earlier process left behind, without sending any of it again; `unseen` are to be decoded."""

    async def collect(driver: Driver) -> None:
        driver.results.look_again(unseen)
        await salvage(driver, rows)

    return _in_loop(context, run, iter(()), "auto", 0, collect)


def _in_loop(
    context: RunContext, run: Run, planned: Iterator[Generation], mode: Mode, to_send: int, use: Use
) -> Driver:  # fmt: skip
    with early_stops() as seen:
        return asyncio.run(_with_driver(context, run, planned, mode, to_send, use, seen))


async def _with_driver(
    context: RunContext, run: Run, planned: Iterator[Generation], mode: Mode, to_send: int, use: Use,
    stops_seen: list[int],
) -> Driver:  # fmt: skip
    """Open everything that sending needs, use it, and close it cleanly."""
    endpoint, log, options = context.endpoint, context.log, context.options
    async with AsyncExitStack() as stack:
        # The key goes into the client's one header and nowhere else.
        client = await stack.enter_async_context(endpoint.client(user_agent=f"promptlab/{__version__}"))
        pacer = None if endpoint.simulated else stack.enter_context(_pacer(context.studio, endpoint, options.jobs))
        keeper = await stack.enter_async_context(Keeper(context.store))
        jobs = Jobs(endpoint, client, time.time, lambda model: log.latencies(endpoint.provider.name, model))
        sender = Sender(endpoint, client, jobs, context.store, keeper, random.random, time.time)
        listener = _listener(context, run)
        webhook_url = None
        if options.webhook_url is not None:
            from promptlab.run.webhook import receiver

            place = options.webhook_host, options.webhook_port
            webhook_url = await stack.enter_async_context(
                receiver(options.webhook_url, place, jobs, context.studio.environ, listener)
            )
        driver = Driver(
            context, sender, _writer(context, run), pacer, _budget(context, run),
            listener, planned, workers=_workers(context, to_send),
            asynchronous=mode == "async" or (mode == "auto" and webhook_url is not None), webhook_url=webhook_url,
        )  # fmt: skip
        thumbnails = context.studio.settings.thumbnails if options.thumbnails is None else options.thumbnails
        results = driver.results
        results.pixels = await stack.enter_async_context(Pixels(context.store, results.seen, thumbnails=thumbnails))
        await _drive(driver, use, stops_seen)
    return driver


async def _drive(driver: Driver, use: Use, stops_seen: list[int]) -> None:
    """Use a driver while its claims are renewed; at the end everything it knows is written."""
    beside = [asyncio.create_task(driver.keep_claims()), asyncio.create_task(driver.write_due())]
    try:
        with listening(driver, stops_seen):
            await use(driver)
            try:
                await driver.results.looked()
            except PromptlabError as error:
                driver.stop(error)
    finally:
        for task in beside:
            task.cancel()
        try:
            driver.writer.close()
        except PromptlabError as error:
            driver.stop(error)


def _writer(context: RunContext, run: Run) -> RunWriter:
    log, store = context.log, context.store
    answers = Answers(log, store.private_folder("answers"))
    answers.sweep()
    return RunWriter(
        log, run.id, owner_of(run.id), answers,
        f"{store.folder}/ and {store.names / run.experiment}/",  # where the files are, should the log be gone
        fresh=context.fresh, resend=context.consent,
        has_files=LoggedFiles(log, store, context.studio.folder, restore=True),
    )  # fmt: skip


def _listener(context: RunContext, run: Run) -> Listener:
    if context.alert is None or context.endpoint.simulated:
        return context.listener
    from promptlab.run.alerts import Alarm

    totals = context.log.totals(run.id)
    return Alarm(context.alert, context.listener, totals.credits or 0.0, totals.cost_usd or 0.0)


def _workers(context: RunContext, to_send: int) -> int:
    """Enough to fill what the key allows; an unnamed plan may turn out to allow more than it starts with."""
    endpoint = context.endpoint
    most = endpoint.limits.concurrent or JOBS
    if not endpoint.limits.named and not endpoint.simulated:
        known = known_limits(context.studio, endpoint).values()
        most = max([most, *(rate.concurrent or 0 for rate in known)])
    jobs = context.options.jobs or context.studio.settings.jobs
    if jobs is not None:
        most = jobs if may_raise(endpoint) else min(jobs, most)
    return max(1, min(most, to_send))


# --- pace ---------------------------------------------------------------------------------------------------------


def _pacer(studio: Studio, endpoint: Endpoint, jobs: int | None) -> Pacer:
    """The pacer of this key, shared with every process of this machine; only the key's hash is kept."""
    secret = f"{endpoint.base_url}\n{endpoint.key or ''}"
    share = studio.settings.share
    known = {
        rate.requests: limits_of(rate, share)
        for rate in known_limits(studio, endpoint).values()
        if rate.requests is not None
    }
    return Pacer.open(
        state_folder(studio.environ),
        hashlib.sha256(secret.encode()).hexdigest(),
        limits_of(endpoint.limits, share, _concurrent(endpoint, jobs)),
        plans=known,
    )


def _concurrent(endpoint: Endpoint, jobs: int | None) -> int | None:
    """The key's concurrency: `--jobs` is this process's own and changes it only where it may raise it."""
    most = endpoint.limits.concurrent
    return max(jobs, most) if jobs is not None and most is not None and may_raise(endpoint) else most


# --- money --------------------------------------------------------------------------------------------------------


def _budget(context: RunContext, run: Run) -> Budget:
    """The ceilings, with what counts against each already: the money at risk counts as spent.

    What is simulated costs nothing, so none holds it; a rehearsal with money is a simulator server's.
    """
    if context.endpoint.simulated:
        return Budget([])
    log, settings, budget = context.log, context.studio.settings, context.options.ceiling
    found = []
    if budget is not None:
        totals = log.totals(run.id)
        used = totals.cost_usd_at_most if budget.usd is not None else totals.credits_at_most
        found.append(Cap("the budget", budget, math.inf if used is None else used))
    periods: tuple[tuple[Period, str, Amount | None], ...] = (
        ("day", "daily", settings.caps.day),
        ("month", "monthly", settings.caps.month),
    )
    for period, name, cap in periods:
        if cap is not None:
            made = Cap(f"the studio's {name} cap", cap, count=partial(_spent, log, cap), period=period)
            made.turn(utc_now())
            found.append(made)
    return Budget(found)


def _spent(log: Log, cap: Amount, since: str) -> float | None:
    """What all runs have spent, or may have been billed for, since this UTC day; None where not known."""
    spent = log.spent(since=since)
    return spent.cost_usd_at_most if cap.usd is not None else spent.credits_at_most
