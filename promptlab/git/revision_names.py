"""What may be called a revision or a path: pure checks, made before git sees the text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from promptlab.errors import GitError

#: What git-check-ref-format forbids in a name, less `~ ^ @{` which walk from one: no ranges (..), no paths (:),
#: no wildcards, no searches (`^{/text}`), nothing that could be an option.
_FORBIDDEN = re.compile(r"\.\.|[\x00-\x20\x7f:?*\[\\]|\^\{(?!commit\}|\})|\^[!@-]|^-|^$")
_HEXADECIMAL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def check_revision(revision: str) -> str:
    """The same text when it can be a tag, branch or commit (`v1.2`, `main~2`); GitError otherwise."""
    if len(revision) > 250 or _FORBIDDEN.search(revision) or not revision.isprintable():
        shown = ascii(revision[:60])
        raise GitError(f"{shown} cannot be a revision; write a tag, a branch or a commit, such as v1.2 or HEAD~1")
    return revision


def check_commit(commit: str) -> str:
    """The same text when it is a full commit id, as `Repository.resolve` gives it."""
    if not _HEXADECIMAL.fullmatch(commit):
        raise GitError(f"{commit[:60]!a} is not a full commit id; resolve the revision first")
    return commit


def check_path(path: str) -> str:
    """The same text when it is a plain path inside the repository, with `/` between its parts."""
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or "\\" in path or "\x00" in path or ".." in parts or ".git" in parts:
        raise GitError(f"{path[:80]!a} is not a path inside the repository")
    return path
