"""Servers in virtual time, as strict as the guide's, and workers that pace themselves against them."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from promptlab.pacing import Delay, KeyLimits, Lease, Quota
from promptlab.pacing.pacer import Pacer

START = 1_800_000_000.0


class Server:
    """Counts arrivals in one kind of window and jobs at once; `refused` holds the reasons of its 429s."""

    def __init__(self, kind: str, requests: int, window: float, concurrent: int, phase: float) -> None:
        self.kind, self.requests, self.window, self.concurrent, self.phase = kind, requests, window, concurrent, phase
        self.log: deque[float] = deque()
        self.edge, self.tokens, self.filled = -1.0, float(requests), 0.0
        self.running = 0
        self.accepted: list[float] = []
        self.refused: list[str] = []

    def arrive(self, now: float) -> float | None:
        """None if accepted, else the seconds of its Retry-After."""
        if self.running >= self.concurrent:
            self.refused.append("concurrency")
            return 1.0
        if (wait := getattr(self, f"_{self.kind}")(now)) is not None:
            self.refused.append("rate")
            return float(wait)
        self.running += 1
        self.accepted.append(now)
        return None

    def _sliding(self, now: float) -> float | None:
        while self.log and self.log[0] <= now - self.window:
            self.log.popleft()
        if len(self.log) >= self.requests:
            return self.log[0] + self.window - now
        self.log.append(now)
        return None

    def _fixed(self, now: float) -> float | None:
        edge = (now - self.phase) // self.window * self.window + self.phase
        return self._in_window(edge, now)

    def _first(self, now: float) -> float | None:
        return self._in_window(now if now >= self.edge + self.window else self.edge, now)

    def _in_window(self, edge: float, now: float) -> float | None:
        if edge != self.edge:
            self.edge, self.tokens = edge, float(self.requests)
        if self.tokens < 1:
            return edge + self.window - now
        self.tokens -= 1
        return None

    def _bucket(self, now: float) -> float | None:
        rate = self.requests / self.window
        self.tokens = min(self.requests, self.tokens + (now - self.filled) * rate) if self.filled else self.requests
        self.filled = now
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return None


@dataclass
class Outcome:
    """What a simulated run came to."""

    server: Server
    sends: list[float] = field(default_factory=list)
    finished: float = 0.0
    quota: Quota | None = None

    def used(self, limits: KeyLimits) -> float:
        """The sustained rate, first window's mean send to the last's, as a part of what the limits allow."""
        assert limits.requests is not None
        size, sends = limits.requests, [moment - START for moment in self.sends]
        windows = len(sends) // size - 1
        first, last = sends[:size], sends[windows * size :][:size]
        return windows * limits.window_s * size / (sum(last) - sum(first))


class Simulation:
    """Processes of some workers each, one pacer a process, all in one folder and one virtual time."""

    def __init__(
        self, folder: Path, server: Server, limits: KeyLimits, *, processes: int, total: int, seed: int
    ) -> None:
        self.outcome = Outcome(server)
        self.server, self.limits = server, limits
        self.random = random.Random(seed)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = itertools.count()
        self.pacers = [Pacer.open(folder, "key", limits, clock=lambda: START) for _ in range(processes)]
        self.waiting = [total // processes + (process < total % processes) for process in range(processes)]
        self.polls = [0] * processes  # the newest poll of each process; older ones are stale

    def at(self, when: float, then: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (when, next(self.order), then))

    def run(self, service: tuple[float, float], jitter: float) -> Outcome:
        self.service, self.jitter = service, jitter
        for process in range(len(self.pacers)):
            self.at(START, partial(self.poll, process))
        while self.events:
            now, _, then = heapq.heappop(self.events)
            then(now)
            self.outcome.finished = now
        for pacer in self.pacers:
            pacer.close()
        return self.outcome

    def poll(self, process: int, now: float) -> None:
        self.polls[process] += 1
        while self.waiting[process]:
            answer = self.pacers[process].try_acquire(now)
            if isinstance(answer, Quota):
                self.outcome.quota = answer
                self.waiting[process] = 0
                return
            if isinstance(answer, Delay):
                ticket = self.polls[process]
                nap = min(max(answer.seconds, 0.0005), 1.0)
                self.at(now + nap, partial(self.poll_again, process, ticket))
                return
            self.waiting[process] -= 1
            self.outcome.sends.append(now)
            self.at(now + self.random.uniform(0, self.jitter), partial(self.arrive, process, answer))

    def poll_again(self, process: int, ticket: int, now: float) -> None:
        if self.polls[process] == ticket:
            self.poll(process, now)

    def arrive(self, process: int, lease: Lease, now: float) -> None:
        wait = self.server.arrive(now)
        if wait is None:
            self.at(now + self.random.uniform(*self.service), lambda then: self.answer(process, lease, then))
            return
        self.pacers[process].hold(now + wait, now)
        self.pacers[process].release(lease)
        self.waiting[process] += 1
        self.poll(process, now)

    def answer(self, process: int, lease: Lease, now: float) -> None:
        self.server.running -= 1
        self.pacers[process].release(lease)
        self.poll(process, now)


@pytest.fixture
def simulate(tmp_path):
    """Run `total` requests against a server of one kind; returns the Outcome."""

    def run(kind, limits, *, total, processes=1, service, jitter, seed=0, allowed: KeyLimits | None = None):
        truth = allowed or limits
        phase = random.Random(seed).uniform(0, truth.window_s)
        assert truth.requests is not None
        server = Server(kind, truth.requests, truth.window_s, truth.concurrent or 10**6, phase)
        simulation = Simulation(tmp_path, server, limits, processes=processes, total=total, seed=seed)
        return simulation.run(service, jitter)

    return run


@pytest.fixture
def pacer(tmp_path):
    """Open pacers of one key in one folder; they are closed at the end."""
    opened: list[Pacer] = []

    def make(limits: KeyLimits, *, key: str = "key", **more) -> Pacer:
        opened.append(Pacer.open(tmp_path, key, limits, clock=more.pop("clock", lambda: START), **more))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def start() -> float:
    """The first moment of every virtual clock."""
    return START


@pytest.fixture
def plans() -> dict[int, KeyLimits]:
    """The guide's plans by their X-RateLimit-Limit."""
    free = KeyLimits(requests=5, concurrent=2, daily=50)
    return {
        5: free,
        30: replace(free, requests=30, concurrent=5, daily=1000),
        120: replace(free, requests=120, concurrent=20, daily=10_000),
    }
