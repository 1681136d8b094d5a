"""Asking a run to stop cleanly: Ctrl-C and its like on the main thread, another thread's `Stop` elsewhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["Stop", "Stoppable", "current", "early_stops", "listening"]

#: Ctrl-C, a polite kill, and a terminal that closed (an ssh session that broke).
STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
HANGUP = getattr(signal, "SIGHUP", None)


class Stoppable(Protocol):
    """What can be asked to stop: a driver."""

    interrupted: bool

    def interrupt(self) -> None:
        """The first time what is in flight may end, the second time all is left at once."""
        ...


class Stop:
    """What one thread asks with and the other listens to; every ask is heard, also one before anybody listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._hear: Callable[[], object] | None = None

    def ask(self) -> None:
        """The first ask lets what is in flight end, the second leaves at once."""
        with self._lock:
            self._asked += 1
            if self._hear is not None:
                self._hear()

    @contextmanager
    def heard_by(self, hear: Callable[[], object]) -> Iterator[None]:
        """`hear` is called for each ask, from the thread that asks."""
        with self._lock:
            self._hear = hear
            for _ in range(self._asked):
                hear()
        try:
            yield
        finally:
            with self._lock:
                self._hear = None


#: The Stop of the run in this context; None where signals do its work.
current: ContextVar[Stop | None] = ContextVar("promptlab_stop", default=None)


@contextmanager
def listening(driver: Stoppable, seen: list[int]) -> Iterator[None]:
    """While a driver works in this thread's event loop: whoever asks for a stop interrupts it there.

    `seen` are the signals that came before the loop listened.
    """
    import asyncio

    stop, loop = current.get(), asyncio.get_running_loop()
    with _signals(driver, seen, loop):
        if stop is None:
            yield
            return
        with stop.heard_by(lambda: loop.call_soon_threadsafe(driver.interrupt)):
            yield


def _stops() -> list[signal.Signals]:
    """The signals that stop a run: a hangup only where it is not ignored already (by nohup, say)."""
    return [number for number in STOPS if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def early_stops() -> Iterator[list[int]]:
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
def _signals(driver: Stoppable, seen: list[int], loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Ctrl-C, a SIGTERM and a closed terminal stop the run cleanly.

    A hangup comes more than once and asks no more than the first time: only a user who insists leaves at once.
    """

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
