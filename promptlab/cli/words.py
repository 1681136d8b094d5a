"""How figures and tables are written for people; pure text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["about", "bounds", "count", "credits", "dollars", "duration", "figure", "money", "table"]

#: The least and the most; None is unknown.
Bounds = tuple[float | None, float | None]


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 image`, `1,200 images`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def credits(number: float | None) -> str:
    """`50 credits`; a dash where unknown."""
    return "–" if number is None else f"{figure(number)} credits"


def figure(number: float) -> str:
    """`1,234.5`: grouped, without needless digits."""
    return f"{number:,.0f}" if abs(number) >= 1e6 else f"{number:,.10g}"


def dollars(usd: float | None) -> str:
    """`~$12.50`: every figure from a price table is an estimate; a dash where unknown."""
    if usd is None:
        return "–"
    return f"~${usd:,.2f}".removesuffix(".00") if usd >= 0.1 or usd == 0 else f"~${usd:,.4f}"


def money(credits_: float | None, usd: float | None) -> str:
    """Credits and dollars, as far as either is known."""
    known = ([credits(credits_)] if credits_ is not None else []) + ([dollars(usd)] if usd is not None else [])
    return ", ".join(known) or "unknown cost"


def bounds(credits_: Bounds, usd: Bounds) -> str:
    """What was billed at least and at most: `600 to 800 credits, ~$8 to ~$18`; one figure where both are the same."""
    known = [text for text in (_between(credits_, credits, figure), _between(usd, dollars, dollars)) if text]
    return ", ".join(known) or "unknown cost"


def _between(found: Bounds, full: Callable[[float], str], short: Callable[[float], str]) -> str:
    low, high = found
    if low is None:
        return "" if high is None else f"at most {full(high)}"
    if high is None:
        return f"at least {full(low)}" if low else ""
    return full(high) if abs(high - low) < 1e-9 else f"{short(low)} to {full(high)}"


def duration(seconds: float | None) -> str:
    """`40 s`, `12 min`, `1 h 40 min`, `4 days`; a dash where unknown."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "under 1 s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{math.ceil(seconds / 86400):,} days"


def about(seconds: float | None) -> str:
    """`about 12 min`, or `under 1 s`: an estimate of a duration."""
    text = duration(seconds)
    return text if text.startswith("under") else f"about {text}"


def table(rows: Sequence[Sequence[str]], headers: Sequence[str], *, right: Sequence[int] = ()) -> str:
    """Aligned columns; `right` names the columns of figures."""
    cells = [list(headers), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = []
    for row in cells:
        parts = [cell.rjust(width) if i in right else cell.ljust(width)
                 for i, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)
