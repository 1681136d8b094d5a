"""One run: what it works with, and which process holds it.

A run is held by its claim: taken in one step, renewed while it goes on, and checked in every commit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.errors import InputError
from promptlab.log import Log, Totals
from promptlab.model import Amount, Run, RunStatus, utc_now
from promptlab.pacing.owner import owner, state_of
from promptlab.providers import Endpoint
from promptlab.run.events import Listener
from promptlab.run.rows import Names
from promptlab.store import Store
from promptlab.studio.options import Options
from promptlab.studio.studio import Studio

__all__ = ["CLAIM_S", "RunContext", "holds", "is_dead", "is_live", "owner_of", "run_claim", "sweep", "take"]

CLAIM_S = 90.0  # a claim that is not renewed for this long is free


@dataclass(slots=True)
class RunContext:
    """What `run` and `resume` work with: the studio, one endpoint, log and store, and what the user said.

    `alert` is the experiment's own, said as the run goes; `fresh` uses no earlier result; `run` is its row once this
    process holds it. Everything that sends is built from this (wiring.py).
    """

    studio: Studio
    endpoint: Endpoint
    log: Log
    store: Store
    options: Options
    listener: Listener
    alert: Amount | None = None
    fresh: bool = False
    run: Run | None = None
    names: Names = field(init=False)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.names = Names(self.store, self.studio.folder)

    @property
    def in_process(self) -> bool:
        """Whether the simulator answers in this process: its files end with it, and cost nothing to make again."""
        return self.endpoint.simulated and self.endpoint.make_app is not None

    @property
    def consent(self) -> frozenset[str]:
        """The statuses of earlier generations that the user said may be sent again."""
        unknown = {"unknown", "in_flight"} if self.options.retry_unknown else set()
        return frozenset(unknown | ({"lost"} if self.options.retry_lost else set()))

    def own(self, run: Run) -> None:
        """Say that this process runs it; InputError while another one does."""
        if not take(self.log, run.id):
            raise InputError(f"run {run.id} is still going; wait for it, or end it first", code="still-running")
        self.run = run

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Whatever happens inside, the run does not stay `running`, and its claims don't outlive it."""
        try:
            yield
        except BaseException:
            if self.run is not None and (run := self.log.run(self.run.id)) is not None:
                self.end(run, "interrupted" if run.status == "running" else run.status)
            raise

    def end(self, run: Run, status: RunStatus, totals: Totals | None = None) -> Run:
        """Close a run's row with the figures of its rows (`totals`), so that summary and database agree.

        Where another process has taken over the run, its row is that process' to write.
        """
        log = self.log
        if not holds(log, run.id) and not take(log, run.id):
            return log.run(run.id) or run
        log.refresh_sums(run.id)
        totals = totals or log.totals(run.id)
        changes: dict[str, Any] = {
            "status": status, "ended_at": utc_now(), "completed": totals.completed + totals.cached,
            "cached": totals.cached, "failed": totals.failed + totals.unknown + totals.lost + totals.skipped,
            "credits": totals.credits, "cost_usd": totals.cost_usd,
        }  # fmt: skip
        log.update(Run, run.id, **changes)
        log.release_claims(owner_of(run.id))
        return replace(run, **changes)


# --- claims -------------------------------------------------------------------------------------------------------


def owner_of(run_id: str) -> str:
    """The name that this process' claims for a run are under: the process, and the run."""
    return f"{owner()}#{run_id}"


def run_claim(run_id: str) -> str:
    """The name of a run's own claim, beside those of its requests."""
    return f"run:{run_id}"


def is_dead(owner: str) -> bool:
    """Whether the process of a claim is certainly gone; `owner` is its name and the run's."""
    return state_of(owner.partition("#")[0]) == "dead"


def is_live(log: Log, run_id: str) -> bool:
    """Whether a process is running it now."""
    holder = log.holder(run_claim(run_id))
    return holder is not None and not holder.expired and not is_dead(holder.owner)


def holds(log: Log, run_id: str, owner: str | None = None) -> bool:
    """Whether this process runs it; a claim that ran out is still its owner's until another one takes it."""
    return log.claim_owner(run_claim(run_id)) == (owner or owner_of(run_id))


def take(log: Log, run_id: str, owner: str | None = None) -> bool:
    """Make a run this process', with every claim of one that is gone; False while another process runs it.

    One transaction: of two processes that find the same dead run one collects what it left, and no third can take its
    requests for free in between.
    """
    name, owner = run_claim(run_id), owner or owner_of(run_id)
    with log.transaction():
        holder = log.holder(name)
        if holder is not None and holder.owner != owner:
            if not holder.expired and not is_dead(holder.owner):
                return False
            log.hand_over_claims(holder.owner, owner, CLAIM_S)
        return log.claim(name, 0, owner, CLAIM_S)


def sweep(log: Log) -> None:
    """Remove claims that ran out, but not those of a process that only sleeps: it may wake up and go on."""
    for expired in log.expired_owners():
        if state_of(expired.partition("#")[0]) != "alive":
            log.forget_expired_claims_of(expired)
