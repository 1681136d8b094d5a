"""git's own plumbing through one small door: commit, branch, dirty; a file, its history and blame at a revision.

Nothing here writes. Outside git, or without git installed, `Repository.find` is None and everything else works.
"""

from promptlab.git.repository import BlameLine, Commit, Entry, Head, Repository

__all__ = ["BlameLine", "Commit", "Entry", "Head", "Repository"]
