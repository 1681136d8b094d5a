"""How much a template may do. A sandbox stops what a template may *reach*; these stop what it may *cost*.

A step is about a microsecond of work in the worst case. Steps are counted, never timed, so a template that renders
here renders everywhere. Whatever a template makes is bounded as it is made (text by MAX_TEXT, lists and maps by
MAX_SIZE), which in turn bounds what comparing, hashing, sorting or joining it can cost.
"""

from __future__ import annotations

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
