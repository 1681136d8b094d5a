"""Figures, times and states as a report writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from promptlab.compare.verdict_words import count, listed_and

__all__ = ["between", "clock", "count", "credits", "dollars", "listed_and", "missing_text", "state"]

_STATES = {
    "failed": "failed",
    "moderated": "refused by moderation",
    "unknown": "of unknown outcome; may have been billed",
    "lost": "lost after it was paid for",
    "skipped": "skipped",
    "planned": "not sent",
    "in_flight": "still in flight",
    "completed": "has no image",
}


def dollars(usd: float) -> str:
    """`~$12.50`, `~$0.04`, `~$0.0375`: from a price table, so an estimate."""
    if usd == 0 or usd >= 1:
        return f"~${usd:,.2f}"
    whole, _, part = f"{usd:.4f}".rstrip("0").partition(".")
    return f"~${whole}.{part.ljust(2, '0')}"


def credits(number: float) -> str:
    """`50 credits`."""
    return f"{number:,.6g} credits"


def between(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    """`~$8.00 to ~$18.00`; one figure where both are the same; nothing where neither is known."""
    if low is None or high is None:
        known = low if high is None else high
        return "" if known is None else f"at {'least' if high is None else 'most'} {show(known)}"
    return show(high) if high - low < 1e-9 else f"{show(low)} to {show(high)}"


def clock(text: str | None) -> str:
    """`22 Nov 2026, 13:00 UTC`."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return text or "not known"
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def state(status: str) -> str:
    """Why there is no image, from a generation's status."""
    return _STATES.get(status, status)


def missing_text(states: Mapping[str, int]) -> str:
    """`2 failed, 1 skipped`; nothing where nothing is missing."""
    return ", ".join(f"{number:,} {state(status)}" for status, number in states.items() if number)
