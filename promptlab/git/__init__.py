"""git's own plumbing through one small interface: commit, branch, dirty; a file, its history and blame at a revision.

Nothing here writes. Outside git, or without git installed, `Repository.find` is None and everything else works.
"""

from promptlab.git.objects import Item, Objects, Snapshot
from promptlab.git.repository import BlameLine, Commit, Entry, Head, Repository
from promptlab.git.state import CheckedOut, checked_out, is_among

__all__ = [
    "BlameLine",
    "CheckedOut",
    "Commit",
    "Entry",
    "Head",
    "Item",
    "Objects",
    "Repository",
    "Snapshot",
    "checked_out",
    "is_among",
]
