"""What a run reports while it is running: plain data, so that a terminal, a log file or a page can show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from promptlab.model import Generation, Image

__all__ = ["Finished", "Listener", "Message", "Planned", "RunEvent", "Waiting", "ignore"]


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
