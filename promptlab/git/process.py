"""One way to call git: no shell, no pager, no lock, no prompt, no network, a time limit, and stable English output.

What may be called a revision or a path is checked here as well, before git sees the text.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from promptlab.environ import without_keys
from promptlab.errors import GitError

if TYPE_CHECKING:
    import subprocess  # a heavy import, which a command that asks git nothing does without

TIMEOUT_S = 30.0

#: Settings of a repository that would run a program, or change what is printed.
_CONFIG = (
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.hooksPath=" + os.devnull,
    "log.showSignature=false",
    "blame.ignoreRevsFile=",
    "color.ui=false",
)

#: GIT_DIR, GIT_INDEX_FILE and their kin are set inside hooks and name *another* repository than the path's; only
#: what configures git itself is passed on.
_KEPT = ("GIT_CONFIG", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH")


def git_program() -> str | None:
    """The path of git, or None where it is not installed."""
    return shutil.which("git")


def environment() -> dict[str, str]:
    """The environment that git is called with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    return without_keys(kept) | {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",  # older versions know no GIT_NO_LAZY_FETCH
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",  # a file named `*.j2` or `:(top)x` is that file
    }


def call(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run git in `folder` and return what it said; GitError when it is missing or does not answer in time."""
    import subprocess

    try:
        return subprocess.run(  # noqa: S603 - a list without a shell; revisions and paths are checked by the caller
            _command(arguments),
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} did not answer within {TIMEOUT_S:g} s in {folder}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in an argument
        raise GitError(f"git {arguments[0]} could not be started in {folder}: {error}") from None


def start(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """A git process that stays alive, asked through its pipes."""
    import subprocess

    try:
        return subprocess.Popen(  # noqa: S603 - as above
            _command(arguments),
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise GitError(f"git {arguments[0]} could not be started in {folder}: {error}") from None


def _command(arguments: Sequence[str]) -> list[str]:
    program = git_program()
    if program is None:
        raise GitError("git is not installed, so no revision can be read; install git, or use the working copy")
    return [program, "--no-pager", *(part for setting in _CONFIG for part in ("-c", setting)), *arguments]


def output(folder: Path, arguments: Sequence[str]) -> bytes:
    """What git printed; GitError with its first line of complaint when it refused."""
    answer = call(folder, arguments)
    if answer.returncode != 0:
        raise GitError(f"git {arguments[0]} refused: {complaint(answer)}")
    return answer.stdout


def complaint(answer: subprocess.CompletedProcess[bytes]) -> str:
    """The line in which git says why, with what to do about it where that is known."""
    lines = answer.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit {answer.returncode}"]
    first = next((line for line in lines if line.startswith("error: ")), None)
    last = next((line for line in lines if line.startswith("fatal: ")), None if first else lines[0])
    said = "; ".join(line.partition(": ")[2] if line[:7] in _SIGNS else line for line in (first, last) if line)[:300]
    return next((f"{said}; {cure}" for sign, cure in _CURES if sign in said), said)


_SIGNS = ("error: ", "fatal: ")
_CURES = (
    ("dubious ownership", "it belongs to another user; if you trust it: git config --global --add safe.directory PATH"),
    ("index file", "the index is damaged; git makes a new one: delete .git/index, then run git reset"),
    ("index uses", "the index is damaged; git makes a new one: delete .git/index, then run git reset"),
    ("corrupt", "an object is damaged; git fsck names it; a fresh clone has it intact"),
    ("is empty", "an object is damaged; git fsck names it; a fresh clone has it intact"),
    ("bad tree", "an object is missing; git fsck names it; a fresh clone has it"),
    ("bad object", "an object is missing; git fsck names it; a fresh clone has it"),
    ("unable to read", "an object is missing or damaged; git fsck names it; a fresh clone has it"),
    ("not allowed", "this is a partial clone and nothing is fetched for it; git fetch --refetch completes it"),
    ("promisor", "this is a partial clone and nothing is fetched for it; git fetch --refetch completes it"),
)


# --- revisions and paths ------------------------------------------------------------------------------------------

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
