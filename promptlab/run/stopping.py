"""Asking a run on another thread to stop cleanly, as Ctrl-C asks one on the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Stop", "current", "listening"]


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
def listening(interrupt: Callable[[], None]) -> Iterator[None]:
    """While a driver works in this thread's event loop: whoever asks for a stop interrupts it there."""
    stop = current.get()
    if stop is None:
        yield
        return
    import asyncio

    loop = asyncio.get_running_loop()
    with stop.heard_by(lambda: loop.call_soon_threadsafe(interrupt)):
        yield
