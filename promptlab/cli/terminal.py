"""What a terminal can show: signs in its own encoding, colour, and how wide it is."""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import sys
from typing import Any, TextIO

import click

__all__ = ["colour", "error", "prepare", "width"]

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
