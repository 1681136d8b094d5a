"""How figures and tables are written for people."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from itertools import zip_longest

from promptlab.cli import terminal

__all__ = ["about", "bounds", "count", "credits", "dollars", "duration", "figure", "folded", "money", "table"]

#: The least and the most; None is unknown.
Bounds = tuple[float | None, float | None]

GAP = "  "  # between two columns


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


def table(
    rows: Sequence[Sequence[str]], headers: Sequence[str], *, right: Sequence[int] = (), columns: int | None = None
) -> str:
    """Aligned columns; `right` names the columns of figures.

    `columns` is the width to keep to: the terminal's, by default; none where stdout is not a terminal. Cells too
    long for it are wrapped between words, and what does not fit even so is written as one block of lines for each row.
    """
    most = terminal.width() if columns is None else columns
    cells = [[" ".join(cell.split()) for cell in row] for row in (headers, *rows)]
    widths = _fitted(cells, most)
    if widths is None:
        return _blocks(cells[0], cells[1:], most or 80)
    lines = [line for row in cells for line in _row(row, widths, right)]
    head = max(len(_wrapped(cell, width)) for cell, width in zip(cells[0], widths, strict=True))
    lines.insert(head, GAP.join("─" * width for width in widths))
    return "\n".join(lines)


def _fitted(cells: Sequence[Sequence[str]], most: int | None) -> list[int] | None:
    """The width of each column: all that it wants, or the widest ones less, down to their longest word; None: none."""
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    least = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    over = 0 if most is None else sum(widths) + len(GAP) * (len(widths) - 1) - most
    for _ in range(over):
        i = max(range(len(widths)), key=lambda i: widths[i] if widths[i] > least[i] else 0)
        if widths[i] <= least[i]:
            return None
        widths[i] -= 1
    return widths


def _row(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    """A row as lines."""
    wrapped = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for parts in zip_longest(*wrapped, fillvalue=""):
        placed = [part.rjust(width) if i in right else part.ljust(width)
                  for i, (part, width) in enumerate(zip(parts, widths, strict=True))]  # fmt: skip
        lines.append(GAP.join(placed).rstrip())
    return lines


def _blocks(headers: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    """Each row as lines of `header  value`; what is empty is left out."""
    label = max(map(len, headers))
    blocks = []
    for row in rows:
        lines = []
        for header, cell in zip(headers, row, strict=True):
            parts = _wrapped(cell, most - label - len(GAP)) if cell else []
            lines += [
                f"{name.ljust(label)}{GAP}{part}"
                for name, part in zip_longest([header][: len(parts)], parts, fillvalue="")
            ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def folded(text: str, indent: str = "") -> str:
    """The lines of a text, each broken between words where the terminal ends; what follows is indented."""
    most = terminal.width()
    if most is None:
        return text
    return "\n".join(
        textwrap.fill(line, most, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most this width, broken between words; a longer word stays whole."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
