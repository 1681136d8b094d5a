"""How much a template may do. A sandbox stops what a template may *reach*; these stop what it may *cost*.

A step is about a microsecond of work in the worst case. Steps are counted, never timed, so a template that renders
here renders everywhere. Whatever a template makes is bounded as it is made (text by MAX_TEXT, lists and maps by
MAX_SIZE), which in turn bounds what comparing, hashing, sorting or joining it can cost.
"""

from __future__ import annotations

import threading
from typing import Any

MAX_TEXT = 100_000  # characters of a rendered prompt, and of any text made on the way
MAX_SIZE = 120_000  # characters and items of a list or map, counting a shared part as often as it is reachable
MAX_NESTING = 24  # lists within lists
MAX_STEPS = 40_000  # per render
MAX_CALLS = 40  # macros within macros
MAX_BITS = 200  # of a whole number: 60 digits
MAX_WIDTH = 1_000  # of a padded text
MAX_RANGE = 10_000

MAX_FILE = 128 * 1024  # bytes of a template file
MAX_FILES = 64  # files that one template is made of
MAX_WORDS = 3_500  # names, tags and operators in one file: what reading it costs
MAX_WORDS_IN_ALL = 10_000  # in all the files of one template
MAX_TEXT_IN_ALL = 1_000_000  # characters in all the files of one template
MAX_LITERALS = 10_000  # texts and numbers in the tags of one file, with the commas between them
MAX_REMARKS = 9_000  # where comments and raw parts of one file begin or end, and the comments themselves
MAX_ARGUMENTS = 255  # of one call, of a macro, and of one row of comparisons
MAX_EXPLAINED = 30  # problems of one kind with a "did you mean", which takes longer than all else
MAX_BRACKETS = 24
MAX_DEPTH = 60  # of the parsed tree
MAX_LOOPS = 10  # loops within loops


class LimitReached(Exception):
    """A template asked for more than a prompt can need; becomes an InputError with the template's line."""


class Meter(threading.local):
    """What is left of one render's budget, one for each thread that renders."""

    left = MAX_STEPS
    calls = 0

    def __init__(self) -> None:
        self.modules: dict[Any, Any] = {}

    def reset(self) -> None:
        """A new render begins."""
        self.left = MAX_STEPS
        self.calls = 0
        if self.modules:
            self.modules = {}

    def charge(self, steps: int) -> None:
        """Take steps from the budget."""
        self.left -= steps
        if self.left < 0:
            raise LimitReached(f"the template does more than {MAX_STEPS:,} steps; shorten its loops or its lists")


def check_length(length: int) -> None:
    """Refuse a text before it is made."""
    if length > MAX_TEXT:
        raise LimitReached(f"a text of {length:,} characters; a prompt can have {MAX_TEXT:,}")


def size(value: object) -> tuple[int, int]:
    """(characters and items, items visited) of a value, as far as printing or comparing it would walk.

    Shared parts count as often as they are reachable: forty times `[x, x]` is small in memory and slow to compare.
    """
    total = items = 0
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        items += len(level)
        for item in level:
            if isinstance(item, str):
                total += len(item)
            elif isinstance(item, (list, tuple)):
                below.extend(item) if len(item) + len(below) <= MAX_SIZE else _too_large()
            elif isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values()) if len(item) + len(below) <= MAX_SIZE else _too_large()
        if total + items + len(below) > MAX_SIZE:
            _too_large()
        depth += 1
        if depth > MAX_NESTING:
            raise LimitReached(f"a list or map nested more than {MAX_NESTING} deep")
        level = below
    return total + items, items


def _too_large() -> None:
    raise LimitReached(f"a list or map of more than {MAX_SIZE:,} characters and items")
