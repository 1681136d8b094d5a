"""Which process owns a run: its claim is taken in one step, held while it is renewed, and checked in every commit."""

from __future__ import annotations

from promptlab.log import Log
from promptlab.pacing.owner import state_of
from promptlab.run.session import CLAIM_S

__all__ = ["holds", "is_dead", "is_live", "run_claim", "sweep", "take"]


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


def holds(log: Log, run_id: str, owner: str) -> bool:
    """Whether this owner runs it; a claim that ran out is still its owner's until another one takes it."""
    return log.claim_owner(run_claim(run_id)) == owner


def take(log: Log, run_id: str, owner: str) -> bool:
    """Make a run this owner's, with every claim of one that is gone; False while another process runs it.

    One transaction: of two processes that find the same dead run one collects what it left, and no third can take its
    requests for free in between.
    """
    name = run_claim(run_id)
    with log.transaction():
        holder = log.holder(name)
        if holder is not None and holder.owner != owner:
            if not holder.expired and not is_dead(holder.owner):
                return False
            log.hand_over_claims(holder.owner, owner, CLAIM_S)
        return log.claim(name, 0, owner, CLAIM_S)


def sweep(log: Log) -> None:
    """Remove claims that ran out, but not those of a process that only sleeps: it may wake up and go on."""
    for owner in log.expired_owners():
        if state_of(owner.partition("#")[0]) != "alive":
            log.forget_expired_claims_of(owner)
