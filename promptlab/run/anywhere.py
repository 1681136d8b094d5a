"""`run` and `resume` for Python code, also where an event loop runs already (Jupyter, a server).

A run has its own event loop. Where one is running, the run gets a thread: `run_experiment` waits for it, and
`await arun_experiment` lets the caller's loop go on. Ctrl-C or a cancelled task stops it cleanly, as on the command
line: what is in flight ends first; a second one leaves at once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from promptlab.run.runner import resume as _resume
from promptlab.run.runner import run as _run
from promptlab.run.stopping import Stop, current

__all__ = ["anywhere", "aresume", "arun_experiment", "resume", "run_experiment"]

#: How often a caller that waits looks for Ctrl-C: where the system gives the signal to the run's own thread, nothing
#: wakes the caller's, which alone can hear it.
WAKE_S = 0.2

P = ParamSpec("P")
T = TypeVar("T")


def anywhere(function: Callable[P, T]) -> Callable[P, T]:
    """The function with an event loop of its own, on a thread where one is running already."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if not _loop_is_running():
            return function(*args, **kwargs)
        return _on_a_thread(lambda: function(*args, **kwargs))

    return call


def _loop_is_running() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:  # where it was never imported, nothing runs in it
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _on_a_thread(work: Callable[[], T]) -> T:
    from concurrent.futures import Future, wait

    stop: Stop = Stop()
    ended: Future[T] = Future()

    def run() -> None:
        current.set(stop)
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
            ended.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="promptlab-run").start()
    while True:
        try:
            while not ended.done():
                wait([ended], WAKE_S)
            return ended.result()
        except KeyboardInterrupt:
            if ended.done():  # the run's own, or it has ended anyway
                raise
            stop.ask()


def _awaitable(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        import asyncio

        stop = Stop()

        def work() -> T:
            current.set(stop)  # to_thread has copied the context: nothing else sees it
            return function(*args, **kwargs)

        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.ask()
            while not task.done():
                try:
                    await asyncio.wait({task})
                except asyncio.CancelledError:
                    stop.ask()
            if not task.cancelled():
                task.exception()  # the caller learns that it was cancelled, and nothing else
            raise

    return call


run_experiment = anywhere(_run)
resume = anywhere(_resume)
arun_experiment = _awaitable(_run)
aresume = _awaitable(_resume)
