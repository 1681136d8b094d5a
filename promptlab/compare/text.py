"""Word differences between two prompts: what a model removed, kept and added when it rewrote one.

Deterministic, and guarded: `difflib` is cubic on texts that repeat themselves, so such pairs get a coarse answer
(everything between the common start and the common end) instead of a slow one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

__all__ = ["LineChange", "Op", "Segment", "line_diff", "similarity", "word_diff"]

Op = Literal["same", "removed", "added"]
Segment = tuple[Op, str]
_Opcode = tuple[str, int, int, int, int]

# A word may hold an apostrophe or a hyphen; scripts written without spaces compare by character.
_CHARACTERS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"([{_CHARACTERS}]|[^\W{_CHARACTERS}]+(?:['’-][^\W{_CHARACTERS}]+)*|\S)(\s*)")
#: Pairs of equal words that one pass of difflib may visit; a 1,000-word prompt against its rewriting has about 20,000.
_MAX_PAIRS = 40_000
_MAX_LINES = 2_000  # lines that change; a longer text is compared as a whole


@dataclass(frozen=True, slots=True)
class LineChange:
    """Neighbouring lines of a text, and what became of them: `number` is that of the first one in the new text (in
    the old one, where it is gone). `changed` is False for lines around a change, which are the same in both."""

    number: int
    segments: tuple[Segment, ...]
    changed: bool


def line_diff(before: str, after: str, *, around: int = 0) -> Iterator[LineChange]:
    """The lines that changed, word by word, each with `around` unchanged lines before and after it."""
    old, new = before.splitlines(), after.splitlines()
    start = _common(old, new)
    if max(len(old), len(new)) - start > _MAX_LINES:
        yield LineChange(start + 1, tuple(word_diff("\n".join(old[start:]), "\n".join(new[start:]))), True)
        return
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for index, (op, i1, i2, j1, j2) in enumerate(opcodes):
        if op != "equal":
            yield from _changed(old[i1:i2], new[j1:j2], j1 + 1 if j2 > j1 else i1 + 1)
            continue
        first = j1 if index else max(j1, j2 - around)
        last = j2 if index < len(opcodes) - 1 else min(j2, j1 + around)
        if len(opcodes) > 1 and around:
            yield from _around(new, first, last, around)


def _changed(old: Sequence[str], new: Sequence[str], number: int) -> Iterator[LineChange]:
    """Line by line where as many lines stand for as many, or for none; else as one text, which may be wrapped anew."""
    if not (len(old) == len(new) or not old or not new):
        yield LineChange(number, tuple(word_diff("\n".join(old), "\n".join(new))), True)
        return
    for index, (one, other) in enumerate(zip_longest(old, new, fillvalue="")):
        yield LineChange(number + index, tuple(word_diff(one, other)), True)


def _around(lines: Sequence[str], first: int, last: int, around: int) -> Iterator[LineChange]:
    """Unchanged lines between two changes, without those that are far from both."""
    if last - first <= 2 * around:
        spans = [(first, last)]
    else:
        spans = [(first, first + around), (last - around, last)]
    for start, end in spans:
        if end > start:
            yield LineChange(start + 1, (("same", "\n".join(lines[start:end])),), False)


def word_diff(before: str, after: str) -> list[Segment]:
    """The changes from `before` to `after` as (op, text) segments, in reading order, a removal before its addition.

    Whitespace never counts as a change: joined without it, "same" and "removed" give `before`, "same" and "added"
    give `after`. A short word or a mark left alone between two changes joins them, as an editor would mark it up.
    """
    old, new = _words(before), _words(after)
    segments: list[Segment] = []
    for tag, i1, i2, j1, j2 in _joined(_opcodes(old, new), new):
        if tag == "equal":
            segments.append(("same", _text(new[j1:j2])))
            continue
        if i2 > i1:
            segments.append(("removed", _text(old[i1:i2])))
        if j2 > j1:
            segments.append(("added", _text(new[j1:j2])))
    return segments


def similarity(before: str, after: str) -> float:
    """How much of the two texts is the same words in the same order: 0.0 nothing, 1.0 everything (two empty: 1.0)."""
    old, new = _words(before), _words(after)
    total = len(old) + len(new)
    same = sum(i2 - i1 for tag, i1, i2, _, _ in _opcodes(old, new) if tag == "equal")
    return 2 * same / total if total else 1.0


def _words(text: str) -> list[tuple[str, str]]:
    """The words of a text, each with the space after it (one space, or none)."""
    return [(word, " " if space else "") for word, space in _WORD.findall(text)]


def _text(words: Sequence[tuple[str, str]]) -> str:
    return "".join(word + space for word, space in words)


def _opcodes(old: Sequence[tuple[str, str]], new: Sequence[tuple[str, str]]) -> Iterator[_Opcode]:
    a, b = [word for word, _ in old], [word for word, _ in new]
    start = _common(a, b)
    end = _common(a[start:][::-1], b[start:][::-1])
    middle_a, middle_b = a[start : len(a) - end], b[start : len(b) - end]
    if start:
        yield "equal", 0, start, 0, start
    if middle_a or middle_b:
        for tag, i1, i2, j1, j2 in _middle(middle_a, middle_b):
            yield tag, start + i1, start + i2, start + j1, start + j2
    if end:
        yield "equal", len(a) - end, len(a), len(b) - end, len(b)


def _middle(a: list[str], b: list[str]) -> list[_Opcode]:
    counts = Counter(b)
    pairs = sum(count * counts[word] for word, count in Counter(a).items())
    if not pairs or pairs > _MAX_PAIRS:
        return [("replace", 0, len(a), 0, len(b))]
    return list(SequenceMatcher(None, a, b, autojunk=False).get_opcodes())


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words the two begin with in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _joined(opcodes: Iterator[_Opcode], new: Sequence[tuple[str, str]]) -> list[_Opcode]:
    """Merge changes that are parted by a single short word or mark only."""
    found = list(opcodes)
    merged: list[_Opcode] = []
    for index, (tag, i1, i2, j1, j2) in enumerate(found):
        inner = 0 < index < len(found) - 1
        if tag == "equal" and not (inner and j2 - j1 == 1 and len(new[j1][0]) <= 3):
            merged.append((tag, i1, i2, j1, j2))
        elif merged and merged[-1][0] == "replace":
            _, first_i, _, first_j, _ = merged[-1]
            merged[-1] = ("replace", first_i, i2, first_j, j2)
        else:
            merged.append(("replace", i1, i2, j1, j2))
    return merged
