"""Where the bytes of templates come from, the working copy or a commit, and which version that makes them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from promptlab.errors import GitError, InputError
from promptlab.git import Repository, TreeEntry, is_among, root_of
from promptlab.prompts.sandbox.limits import MAX_FILE
from promptlab.prompts.template_files import SourceFile

SUFFIXES = (".j2", ".jinja", ".jinja2", ".txt")


class NotATemplate(Exception):
    """A name that is not a template: why, with the problem's code."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def check_name(name: str) -> None:
    """Refuse a name that could lead out of the folder, before the disk or git is asked."""
    parts = name.split("/")
    if not name.isprintable():
        raise NotATemplate(
            f"{name[:80]!a} has a line break or control character in it; rename the file", "template-path"
        )
    odd = not name or len(name) > 500 or "\\" in name or name[1:2] == ":"  # c:x, on Windows
    if odd or any(part in ("", ".", "..") for part in parts):
        message = f"{name[:80]!a} leads out of the templates folder; write a name in it, such as 'parts/light.j2'"
        raise NotATemplate(message, "template-path")


class Folder(Protocol):
    """Where a tree's bytes come from."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None when it is not there; raises NotATemplate."""
        ...

    def names(self) -> list[str]:
        """All files that look like templates."""
        ...


@dataclass(eq=False)
class WorkingFolder:
    """A folder on this disk."""

    root: Path

    @cached_property
    def resolved(self) -> str:
        """The folder itself, behind links."""
        return str(self.root.resolve())

    def read(self, name: str) -> bytes | None:
        """A plain file inside the folder, links followed; anything else is refused or not there."""
        root = self.resolved
        try:
            path = os.path.realpath(f"{root}/{name}", strict=True)
            if not path.startswith(f"{root.rstrip('/')}/"):
                raise NotATemplate(f"{name!r} is a link that leads out of the templates folder", "template-path")
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # a pipe would never end
                return None
            with open(path, "rb") as file:  # noqa: PTH123  # paths as text: thousands of files are read so
                return file.read(MAX_FILE + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            why = getattr(error, "strerror", None) or str(error)
            raise NotATemplate(f"{name!r} cannot be read: {why}", "template-unreadable") from None

    def names(self) -> list[str]:
        """Template files below the folder; hidden ones left out, and folders behind links."""
        found, todo = list[str](), [""] if self.root.is_dir() else []
        while todo:
            inside = todo.pop()
            with os.scandir(self.root / inside) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(f"{inside}{entry.name}/")
                    elif entry.name.endswith(SUFFIXES) and entry.is_file():
                        found.append(inside + entry.name)
        return sorted(found)


class RevisionFolder:
    """A folder as a commit holds it; the working copy is never touched."""

    def __init__(self, repository: Repository, commit: str, prefix: str) -> None:
        self.repository = repository
        self.commit = commit
        self.prefix = "" if prefix in ("", ".") else prefix + "/"

    @cached_property
    def entries(self) -> Mapping[str, TreeEntry]:
        """The files of the folder: name → entry."""
        found = self.repository.tree(self.commit, self.prefix.removesuffix("/"))
        return {path.removeprefix(self.prefix): entry for path, entry in found.items()}

    def read(self, name: str) -> bytes | None:
        """A plain file of the commit, links followed inside the folder; anything else is refused or not there."""
        entry = self.entries.get(self._behind_links(name))
        if entry is None or not entry.is_file:
            return None
        if entry.size > MAX_FILE:
            return b" " * (MAX_FILE + 1)  # refused by its size, as in the working copy, without reading it
        return self._blob(entry)

    def _blob(self, entry: TreeEntry) -> bytes:
        try:
            return self.repository.read_blob(entry.blob)
        except GitError as error:
            raise NotATemplate(str(error), "template-unreadable") from None

    def _behind_links(self, name: str) -> str:
        todo, done, links = name.split("/")[::-1], list[str](), 20
        while todo:
            part = todo.pop()
            entry = self.entries.get("/".join([*done, part]))
            if part == "..":
                target = ["", *done][-1] and done.pop()
            elif entry is None or entry.is_file:
                done.append(part)
                continue
            elif entry.mode == "160000":
                raise NotATemplate(
                    f"{name!r} is in a submodule, whose past this repository does not hold", "template-path"
                )
            else:
                links -= 1
                target = self._blob(entry).decode("utf-8", "replace")
                todo += [each for each in target.split("/") if each not in ("", ".")][::-1]
            if not target or target.startswith("/") or links < 0:
                message = f"{name!r} is a link at this revision that leads out of the templates folder"
                raise NotATemplate(message, "template-path")
        return "/".join(done)

    def names(self) -> list[str]:
        """Template files of the folder at that commit."""
        return sorted(name for name in self.entries if name.endswith(SUFFIXES))


# --- versions -----------------------------------------------------------------------------------------------------


def commit_of(
    repository: Repository | None, ref: str, revision: str, why: Callable[[], str | None]
) -> tuple[Repository, str]:
    """The commit a `@revision` names; InputError when there is none, or no git, or git refuses (`why`)."""
    if repository is None:
        reason = why() or "the templates are in no git repository, or git is not installed"
        message = f"{ref!r} names a revision, but {reason}"
        raise InputError(message, code="template-revision")
    try:
        return repository, repository.resolve(revision)
    except GitError as error:
        raise InputError(f"{ref}: {error}", code="template-revision") from None


class State(NamedTuple):
    """What git says of a template: its commit, whether a file differs from that, and why git could not tell."""

    commit: str | None = None
    dirty: bool | None = None
    trouble: str | None = None


class Working:
    """The working copy of a folder; one for each Library, so that git is asked once.

    What git cannot read (a damaged index, say) is None, and `trouble` says why: no run stops for it.
    """

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        self.trouble: str | None = None
        self._repositories: dict[Path, Repository | None] = {}
        self._looks: dict[tuple[Path, str], set[str]] = {}

    def state(self, sources: Sequence[SourceFile]) -> State:
        """The commit that is checked out, and whether a file, or one that a link leads to, is not as it has it.

        Both are asked in one question: the first look at a folder also says the commit.
        """
        try:
            dirty = any(self._changed(path) for source in sources for path in self._paths(source))
        except GitError as error:
            self.trouble, dirty = str(error), None
        return State(self._commit, None if self._commit is None else dirty, self.trouble)

    @cached_property
    def _commit(self) -> str | None:
        """Where no look said it."""
        try:
            return self.repository.commit()
        except GitError as error:
            self.trouble = str(error)
            return None

    # A link is a file of its own in git: it can be changed to lead elsewhere while what it leads to stays the same.
    def _paths(self, source: SourceFile) -> Iterator[Path]:
        """The file, and each link on the way to it."""
        if source.place is not None:
            yield ((source.folder or Path()) / source.place.path).resolve()
            return
        at = self.folder.resolve()
        for part in source.path.split("/"):
            if (at / part).is_symlink():
                yield at / part
            at = (at / part).resolve()
        yield at

    def _changed(self, path: Path) -> bool:
        """Whether a path differs from what its repository has; one look at the folder of all templates serves all."""
        repository = self._repository_of(path.parent)
        if repository is None:
            return True
        root = repository.root.resolve()
        name, folder = path.relative_to(root).as_posix(), self.folder.resolve()
        among_templates = path.is_relative_to(folder) and folder.is_relative_to(root)
        inside = folder.relative_to(root).as_posix() if among_templates else name
        key = (root, inside)
        if key not in self._looks:
            commit, self._looks[key] = repository.since_head(inside)
            if repository is self.repository:
                self._commit = commit
        return is_among(name, self._looks[key])

    def _repository_of(self, folder: Path) -> Repository | None:
        """The repository that a folder is in: mostly this one, but links and submodules lead to others."""
        root = root_of(folder)
        if root == self.repository.root.resolve():
            return self.repository
        if root is None:
            return None
        if root not in self._repositories:
            self._repositories[root] = Repository.find(root)
        return self._repositories[root]
