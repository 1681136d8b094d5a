"""How things are shown: what the terminal can show (signs, colour, width), and figures and tables for people."""

from __future__ import annotations

import codecs
import io
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, TextIO

import click

__all__ = [
    "about", "bounds", "colour", "count", "credits", "dollars", "duration", "error", "figure", "folded", "money",
    "prepare", "table", "width",
]  # fmt: skip

#: What stands for a sign where the encoding does not have it. One letter for one, so that tables stay aligned.
ASCII = {
    "✓": "+", "✗": "x", "■": "#", "•": "*", "·": "-", "×": "x", "–": "-", "—": "-", "─": "-", "▌": "|", "…": "...",
    "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " ",
}  # fmt: skip


def _in_ascii(problem: UnicodeError) -> tuple[str, int]:
    """An error handler of `str.encode`: a plain sign where there is one, else an escape."""
    assert isinstance(problem, UnicodeEncodeError)
    found = problem.object[problem.start : problem.end]
    return "".join(ASCII.get(letter) or _escaped(letter) for letter in found), problem.end


def _as_json(problem: UnicodeError) -> tuple[str, int]:
    """The same inside JSON, where an escape says exactly what was meant."""
    assert isinstance(problem, UnicodeEncodeError)
    return "".join(map(_escaped, problem.object[problem.start : problem.end])), problem.end


def _escaped(letter: str) -> str:
    """`\\u2713`, as JSON and Python write it; above U+FFFF as JSON's pair of surrogates."""
    pair = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pair[start : start + 4]}" for start in range(0, len(pair), 4))


codecs.register_error("promptlab.ascii", _in_ascii)
codecs.register_error("promptlab.json", _as_json)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    """ASCII under another name: what is called `ascii` click takes for a mistake, and writes UTF-8 instead."""
    if name.replace("-", "_") != "promptlab_ascii":
        return None
    ascii_ = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_.encode, ascii_.decode, ascii_.streamreader, ascii_.streamwriter, ascii_.incrementalencoder,
        ascii_.incrementaldecoder, name="promptlab-ascii",
    )  # fmt: skip


codecs.register(_find_codec)


def prepare(stream: TextIO, *, exact: bool = False) -> None:
    """Let a stream say what its encoding lacks in ASCII, instead of failing at it; `exact`: as JSON escapes.

    A locale named C or POSIX by LC_ALL means ASCII, although Python writes UTF-8 there (PEP 540).
    """
    if not isinstance(stream, io.TextIOWrapper):
        return
    errors = "promptlab.json" if exact else "promptlab.ascii"
    name = codecs.lookup(stream.encoding).name
    if name == "ascii" or (os.environ.get("LC_ALL") in ("C", "POSIX") and stream.isatty()):
        stream.reconfigure(encoding="promptlab-ascii", errors=errors)
    elif not name.startswith("utf"):
        stream.reconfigure(errors=errors)


def colour() -> bool | None:
    """What click does about colour: leave it out where NO_COLOR is set (no-color.org), else look at the stream."""
    return False if os.environ.get("NO_COLOR") else None


#: `path:line:column: `, and `[code]` at the end of a line: what an error says beside its words.
_PARTS = re.compile(
    r"\A(?P<place>[^\s:][^:\n]*(?::\d+){1,2}: )?(?P<kind>warning: )?(?P<said>.*?)(?P<code> \[[\w-]+\])?\Z"
)


def error(text: str) -> str:
    """An error with colour; what prints it takes the colour away where there is no terminal."""
    first, *rest = text.split("\n")
    parts = _PARTS.match(first)
    assert parts is not None
    place, kind, said, code = (parts[name] or "" for name in ("place", "kind", "said", "code"))
    told = click.style(place, bold=True) + click.style(kind, fg="yellow")
    told += click.style(said, fg=None if kind else "red") + click.style(code, dim=True)
    return "\n".join([told, *(click.style(line, fg="cyan") if set(line) <= {" ", "^"} else line for line in rest)])


def width(stream: Any = None) -> int | None:
    """The columns of the terminal that a stream goes to; None where it is a file or a pipe."""
    stream = stream or sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else None


# --- figures and tables --------------------------------------------------------------------------------------------

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
    most = width() if columns is None else columns
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
    most = width()
    if most is None:
        return text
    return "\n".join(
        textwrap.fill(line, most, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most this width, broken between words; a longer word stays whole."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
