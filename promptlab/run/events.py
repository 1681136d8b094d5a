"""What a run reports while it is running: plain data, so that a terminal, a log file or a page can show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from promptlab.model import Generation, Image
from promptlab.run.shown import Shown

__all__ = ["Finished", "Listener", "Message", "Planned", "RunEvent", "Summary", "Waiting", "ignore", "unbroken"]


@dataclass(frozen=True, slots=True)
class Planned:
    """The whole plan is in the log: `total` generations, `cached` of them already answered from it."""

    run_id: str
    total: int
    cached: int
    seconds: float | None = None  # how long the plan's limits make the rest take
    seeds: int = 0  # how many each variant has; 0: none is sent


@dataclass(frozen=True, slots=True)
class Finished:
    """One generation ended, well or badly, with the images that were kept."""

    generation: Generation
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Sending pauses for `seconds`: the rate, a 429, another process that sends the same request."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for the user: a warning, an alert, what Ctrl-C did."""

    text: str
    level: Literal["info", "warning"] = "info"


RunEvent = Planned | Finished | Waiting | Message
Listener = Callable[[RunEvent], None]


def ignore(event: RunEvent) -> None:
    """The listener of those who only want the summary."""


def unbroken(listener: Listener) -> Listener:
    """The listener, whose terminal may close at any moment: what it can't print must not end a paid run."""

    def tell(event: RunEvent) -> None:
        try:
            listener(event)
        except OSError:  # a broken pipe; EIO once ssh has closed the terminal
            return
        except ValueError as error:
            if "closed file" not in str(error):
                raise

    return tell


@dataclass(frozen=True, slots=True)
class Summary(Shown):
    """How a run ended, read from the log: summary and database are the same figures.

    `credits` and `cost_usd` are the known cost of results; the provider billed at least that, and at most
    `credits_at_most` / `cost_usd_at_most`: with the attempts that may have been billed, and the table's worst price
    where an answer says nothing of its cost. None is unknown. `resume` sends the `unsent`, and fetches the `unfetched`:
    jobs that the provider took, and answers that are in the log and paid for.
    """

    run_id: str
    experiment: str
    status: str
    simulated: bool
    planned: int
    completed: int
    cached: int
    failed: int
    unknown: int
    lost: int
    skipped: int
    unsent: int
    unfetched: int
    images: int
    credits: float | None
    cost_usd: float | None
    credits_at_most: float | None
    cost_usd_at_most: float | None
    attempts_at_risk: int
    seconds: float
    results: str
    stopped: str | None = None  # why the run stopped early, one sentence
    stopped_until: str | None = None  # when the provider's quota resets (ISO 8601, UTC), if it said so
    exit_code: int = 0
    failures: tuple[tuple[str, int], ...] = ()  # message, how many; one line for each reason, the most frequent first
    failures_more: int = 0  # failures of yet other reasons
    next_commands: tuple[str, ...] = field(default=())  # the exact commands that would finish it, with the worst price
    db: str | None = None  # the log that it was read from
    store: str | None = None  # the folder of its images, by hash
