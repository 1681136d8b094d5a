"""What a run hands to the part of itself that sends."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.log import Log
from promptlab.model import Amount, Run
from promptlab.providers import Endpoint
from promptlab.run.events import Listener
from promptlab.run.names import Names
from promptlab.store import Store
from promptlab.studio.studio import Studio

__all__ = ["CLAIM_S", "Session"]

CLAIM_S = 90.0  # a claim that is not renewed for this long is free


@dataclass(frozen=True, slots=True)
class Session:
    """One run that is about to send: where, with what, and what the user said about it.

    `owner` is the name its claims are under; `resend` are the statuses (unknown, lost) of earlier generations that
    may be sent again; `alert` is the experiment's own, said as the run goes.
    """

    studio: Studio
    endpoint: Endpoint
    log: Log
    store: Store
    names: Names
    run: Run
    owner: str
    listener: Listener
    budget: Amount | None = None
    fresh: bool = False
    jobs: int | None = None
    thumbnails: bool | None = None
    resend: frozenset[str] = frozenset()
    webhook_url: str | None = None
    webhook_port: int | None = None
    webhook_host: str | None = None
    alert: Amount | None = None
