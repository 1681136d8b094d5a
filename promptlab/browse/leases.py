"""Who is looking at which picture right now, so that two people do not judge the same one.

A lease is short, held in memory, and only keeps a picture out of other people's queues: what somebody judges without
one counts all the same.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache

__all__ = ["LEASE_SECONDS", "Leases", "leases_of"]

LEASE_SECONDS = 120.0
_MOST = 60  # images that one person holds at once; the oldest are given up for new ones


class Leases:
    """Image → who holds it until when. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}

    def take(self, who: str, images: Iterable[str]) -> None:
        """Hold these, or hold them longer; what another person holds stays theirs."""
        with self._lock:
            now = self._prune()
            for image in images:
                if self._held.get(image, (who, 0.0))[0] == who:
                    self._held.pop(image, None)  # to the end: the latest
                    self._held[image] = (who, now + LEASE_SECONDS)
            own = [image for image, (holder, _) in self._held.items() if holder == who]
            for image in own[: max(0, len(own) - _MOST)]:
                del self._held[image]

    def release(self, who: str, images: Iterable[str] | None = None) -> None:
        """Give these back, or everything that this person holds."""
        with self._lock:
            for image in list(self._held) if images is None else images:
                if self._held.get(image, ("", 0.0))[0] == who:
                    del self._held[image]

    def of_others(self, who: str) -> Mapping[str, str]:
        """Image → holder, of everything that somebody else holds now."""
        with self._lock:
            self._prune()
            return {image: holder for image, (holder, _) in self._held.items() if holder != who}

    def holders(self) -> Mapping[str, int]:
        """Who holds how many."""
        with self._lock:
            self._prune()
            return Counter(holder for holder, _ in self._held.values())

    def _prune(self) -> float:
        now = self._clock()
        self._held = {image: held for image, held in self._held.items() if held[1] > now}
        return now


@cache
def leases_of(log: str) -> Leases:
    """The leases of a log's file in this process."""
    return Leases()
