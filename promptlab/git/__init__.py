"""git's own plumbing through one small interface: commit, branch, dirty; a file, its history and blame at a revision.

Nothing here writes. Outside git, or without git installed, `Repository.find` is None and everything else works.
"""

from promptlab.git.repository import (
    BlameLine,
    CheckedOut,
    Commit,
    Head,
    Repository,
    TreeEntry,
    checked_out,
    is_among,
    root_of,
)

__all__ = [
    "BlameLine",
    "CheckedOut",
    "Commit",
    "Head",
    "Repository",
    "TreeEntry",
    "checked_out",
    "is_among",
    "root_of",
]
