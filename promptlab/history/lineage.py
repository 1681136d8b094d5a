"""The versions of a template in git: every commit that gave it, with all it includes, a text that no parent has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.errors import GitError
from promptlab.git import Commit, Repository
from promptlab.git.objects import Objects, Snapshot
from promptlab.prompts import Library
from promptlab.prompts.outline import template_id

__all__ = ["Lineage", "lineage"]

_MOST_RENAMES = 50  # each is one more question to git
_KEPT_TEXTS = 500


@dataclass(frozen=True, slots=True)
class Lineage:
    """Versions, newest first, each with its id; the names the template had; and what git could not read."""

    versions: Sequence[tuple[Commit, str]] = ()
    names: Sequence[str] = ()
    notes: Sequence[str] = ()


def lineage(library: Library, name: str) -> Lineage:
    """Follow a template from what is checked out to its beginning, through merges and renames.

    Nothing is raised for what git cannot read: the notes say so, and what is left is true.
    """
    repository = library.repository
    prefix = None if repository is None else repository.relative(library.folder)
    if repository is None or prefix is None:
        return Lineage((), (name,), () if library.trouble is None else (library.trouble,))
    try:
        with repository.objects() as objects:
            return _Walk(repository, objects, "" if prefix == "." else prefix + "/").follow(name)
    except GitError as error:
        return Lineage((), (name,), (str(error),))


class _Walk:
    def __init__(self, repository: Repository, objects: Objects, prefix: str) -> None:
        self.repository = repository
        self.objects = objects
        self.prefix = prefix
        self.texts: dict[str, bytes | None] = {}
        self.trees: dict[str, str] = {}
        self.names: dict[str, str] = {}  # commit → the template's name in it
        self.ids: dict[str, str | None] = {}
        self.renames = 0

    def follow(self, name: str) -> Lineage:
        commits = self.repository.log(self.prefix.rstrip("/"))
        self.trees = {commit.commit: commit.tree for commit in commits}
        if commits:
            self.names[commits[0].commit] = name
        for commit in commits:
            for parent in commit.parents if commit.commit in self.names else ():
                if parent in self.trees and parent not in self.names:
                    self.names[parent] = self.name_before(commit.commit, parent)
        versions = [(commit, id_) for commit in commits if (id_ := self.new_text(commit)) is not None]
        return Lineage(versions, tuple(dict.fromkeys([name, *self.names.values()])), tuple(self.notes(len(versions))))

    def new_text(self, commit: Commit) -> str | None:
        """The template's id in a commit, where no parent has the same."""
        id_ = self.id_in(commit.commit)
        return id_ if all(self.id_in(parent) != id_ for parent in commit.parents) else None

    def id_in(self, commit: str) -> str | None:
        if commit not in self.names:
            return None
        if commit not in self.ids:
            snapshot = self.snapshot(commit)
            self.ids[commit] = template_id(lambda name: self.read(snapshot, name), self.names[commit])
        return self.ids[commit]

    def snapshot(self, commit: str) -> Snapshot:
        return Snapshot(self.objects, commit, self.trees[commit])

    def read(self, snapshot: Snapshot, name: str) -> bytes | None:
        item = snapshot.find(self.prefix + name)
        if item is None or item.is_folder or item.is_submodule:
            return None
        if item.id not in self.texts:
            if len(self.texts) > _KEPT_TEXTS:
                self.texts.clear()
            found = self.objects.read(item.id)
            self.texts[item.id] = None if found is None else found[1]
        return self.texts[item.id]

    def name_before(self, commit: str, parent: str) -> str:
        """The template's name in a parent: another one where the commit renamed it."""
        name = self.names[commit]
        path = self.prefix + name
        if self.snapshot(parent).find(path) or not self.snapshot(commit).find(path):
            return name
        self.renames += 1
        old = self.repository.renamed_from(parent, commit, path) if self.renames <= _MOST_RENAMES else None
        return old.removeprefix(self.prefix) if old is not None and old.startswith(self.prefix) else name

    def notes(self, versions: int) -> list[str]:
        found = []
        if self.objects.trouble is not None:
            found.append(f"git cannot read all of the history: {self.objects.trouble}")
        if self.repository.is_shallow():
            found.append("this is a shallow clone, so older versions are not here; git fetch --unshallow brings them")
        return found
