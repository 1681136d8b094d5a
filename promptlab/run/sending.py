"""Sending: the event loop, and everything that is opened for it. Imported only where something is sent."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

from promptlab.http import DownloadLimits
from promptlab.model import Generation, Mode
from promptlab.run.alerts import Alarm
from promptlab.run.budget import Budget
from promptlab.run.collect import Collector, Looked
from promptlab.run.driver import Driver
from promptlab.run.edit_images import Sources
from promptlab.run.events import Listener
from promptlab.run.exchange import Line
from promptlab.run.jobs import Jobs
from promptlab.run.opening import caps, open_client, open_pacer
from promptlab.run.raw_answers import Answers
from promptlab.run.salvage import salvage
from promptlab.run.session import Session
from promptlab.run.stopping import listening
from promptlab.run.webhook import receiver
from promptlab.run.writer import RunWriter
from promptlab.store.background import Keeper, Pixels
from promptlab.studio.cached import Files
from promptlab.studio.options import known_limits, may_raise

__all__ = ["collect_rows", "send_planned"]

JOBS = 8  # workers where neither the plan nor --jobs says how many
DOWNLOADS = 16
#: Ctrl-C, a polite kill, and a terminal that closed (an ssh session that broke).
STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def send_planned(session: Session, mode: Mode, to_send: int) -> Driver:
    """Send what is planned; the driver says how it ended."""
    planned = session.log.generations(session.run.id, statuses=("planned",))
    return _in_loop(session, planned, mode, to_send, lambda driver: driver.run())


def collect_rows(session: Session, rows: Sequence[Generation]) -> Driver:
    """Settle generations that an earlier process left behind, without sending any of them again."""
    return _in_loop(session, iter(()), "auto", 0, lambda driver: salvage(driver, rows))


def _in_loop(
    session: Session, planned: Iterator[Generation], mode: Mode, to_send: int, use: Callable[[Driver], Awaitable[None]]
) -> Driver:
    with _early_stops() as seen:
        return asyncio.run(_with_driver(session, planned, mode, to_send, use, seen))


async def _with_driver(
    session: Session, planned: Iterator[Generation], mode: Mode, to_send: int,
    use: Callable[[Driver], Awaitable[None]], stops_seen: list[int],
) -> Driver:  # fmt: skip
    """Open everything that sending needs, use it, and close it cleanly."""
    endpoint, log, run, settings = session.endpoint, session.log, session.run, session.studio.settings
    thumbnails = settings.thumbnails if session.thumbnails is None else session.thumbnails
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(endpoint))
        pacer = None
        if not endpoint.simulated:
            pacer = stack.enter_context(open_pacer(session.studio, endpoint, session.jobs))
        keeper = await stack.enter_async_context(Keeper(session.store))
        looked = Looked()
        pixels = await stack.enter_async_context(Pixels(session.store, looked.found, thumbnails=thumbnails))
        jobs = Jobs(endpoint, client, time.time, lambda model: log.latencies(endpoint.provider.name, model))
        # What is simulated costs nothing, so no ceiling holds it; a rehearsal with money is a simulator server's.
        budget = Budget([] if endpoint.simulated else caps(log, settings, session.budget, log.totals(run.id)))
        answers = Answers(log, session.store.private_folder("answers"))
        answers.sweep()
        ledger = RunWriter(
            log, run.id, session.owner, answers, _pictures(session), fresh=session.fresh, resend=session.resend,
            has_files=Files(log, session.store, session.studio.folder, restore=True),
        )  # fmt: skip
        gate = asyncio.Semaphore(DOWNLOADS)
        collector = Collector(client, session.store, keeper, pixels, looked, gate, DownloadLimits(), random.random)
        listener = _listener(session)
        line = Line(endpoint, client, pacer, budget, ledger, jobs, collector, listener, random.random, time.time)
        webhook_url = await stack.enter_async_context(
            receiver(
                session.webhook_url,
                (session.webhook_host, session.webhook_port),
                jobs,
                session.studio.environ,
                listener,
            )
        )
        driver = Driver(
            line, collector, session.store, session.names, Sources(log, run.id, collector), planned,
            workers=_workers(session, to_send),
            asynchronous=mode == "async" or (mode == "auto" and webhook_url is not None), webhook_url=webhook_url,
        )  # fmt: skip
        claims = asyncio.create_task(driver.keep_claims())
        try:
            with _signals(driver, stops_seen), listening(driver.interrupt):
                await use(driver)
        finally:
            claims.cancel()
    return driver


def _pictures(session: Session) -> str:
    """Where the files are, should the log be gone."""
    return f"{session.store.folder}/ and {session.store.names / session.run.experiment}/"


def _listener(session: Session) -> Listener:
    if session.alert is None or session.endpoint.simulated:
        return session.listener
    totals = session.log.totals(session.run.id)
    return Alarm(session.alert, session.listener, totals.credits or 0.0, totals.cost_usd or 0.0)


def _workers(session: Session, to_send: int) -> int:
    """Enough to fill what the key allows; an unnamed plan may turn out to allow more than it starts with."""
    endpoint = session.endpoint
    most = endpoint.limits.concurrent or JOBS
    if not endpoint.limits.named and not endpoint.simulated:
        known = known_limits(session.studio, endpoint).values()
        most = max([most, *(rate.concurrent or 0 for rate in known)])
    jobs = session.jobs or session.studio.settings.jobs
    if jobs is not None:
        most = jobs if may_raise(endpoint) else min(jobs, most)
    return max(1, min(most, to_send))


HANGUP = getattr(signal, "SIGHUP", None)


def _stops() -> list[signal.Signals]:
    """The signals that stop a run: a hangup only where it is not ignored already (by nohup, say)."""
    return [number for number in STOPS if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def _early_stops() -> Iterator[list[int]]:
    """Ctrl-C before the event loop listens is kept for it; only the main thread of a program can be asked to stop.

    Once a terminal has hung up it stays so: shell and kernel both say it, and the second word must not end the
    program before the run's row is written.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = {number: signal.signal(number, lambda number, _frame: seen.append(number)) for number in _stops()}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if number == HANGUP and number in seen else handler)


@contextmanager
def _signals(driver: Driver, seen: list[int]) -> Iterator[None]:
    """Ctrl-C, a SIGTERM and a closed terminal stop the run cleanly.

    A hangup comes more than once and asks no more than the first time: only a user who insists leaves at once.
    """
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        seen.append(number)
        if number != HANGUP or not driver.interrupted:
            driver.interrupt()

    taken = {}
    for number in _stops():
        handler = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, stop, number)
        except (NotImplementedError, RuntimeError, ValueError):
            continue
        taken[number] = handler
    for early in list(seen):
        if early != HANGUP or not driver.interrupted:
            driver.interrupt()
    try:
        yield
    finally:
        for number, handler in taken.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)  # until everything is closed, as before the loop listened
