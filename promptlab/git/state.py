"""What is checked out where a run begins: never an error, since no run stops for git."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from promptlab.errors import GitError
from promptlab.git.repository import Repository


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """Commit, branch and dirty; None where there is no git, no commit, or git cannot tell, which `trouble` explains."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    trouble: str | None = None


def checked_out(folder: Path, files: Iterable[Path]) -> CheckedOut:
    """The state of the repository that holds `folder`; dirty also where one of the files is in no commit."""
    try:
        repository = Repository.find(folder)
        if repository is None:
            return CheckedOut(trouble=Repository.refusal(folder))
        head = repository.head()
        if head is None:
            return CheckedOut()
        return CheckedOut(head.commit, head.branch, head.dirty or any(_differs(repository, file) for file in files))
    except GitError as error:
        return CheckedOut(_commit(folder), trouble=str(error))


def _differs(repository: Repository, file: Path) -> bool:
    name = repository.relative(file)
    return name is None or is_among(name, repository.changes(name))


def _commit(folder: Path) -> str | None:
    """The commit that HEAD names, which a damaged index does not hide."""
    try:
        repository = Repository.find(folder)
        return None if repository is None else repository.commit()
    except GitError:
        return None  # the first error has been reported


def is_among(name: str, changed: Collection[str]) -> bool:
    """Whether a path is in a set of paths, and of folders that end with a slash, as `Repository.changes` gives it."""
    parts = name.split("/")
    return name in changed or any("/".join(parts[:end]) + "/" in changed for end in range(1, len(parts)))
