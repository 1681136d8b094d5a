"""Which version of a template this is: a commit's, or the working copy's with its edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from promptlab.errors import GitError
from promptlab.git import Repository, is_among
from promptlab.prompts.template_files import SourceFile


@dataclass(frozen=True, slots=True)
class AtRevision:
    """A version read from git: never dirty."""

    ref: str
    id: str
    trouble: None = None

    def commit(self) -> str:
        """The commit that `ref` named."""
        return self.id

    def dirty(self, sources: Sequence[SourceFile]) -> bool:
        """Never: the text came from the commit."""
        return False


class Working:
    """The working copy of a folder; one for each Library, so that git is asked once.

    What git cannot read (a damaged index, say) is None, and `trouble` says why: no run stops for it.
    """

    ref: None = None

    def __init__(self, repository: Repository | None, folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        self.trouble: str | None = None
        self._repositories: dict[Path, Repository | None] = {}
        self._looks: dict[tuple[Path, str], set[str]] = {}

    @cached_property
    def _head(self) -> str | None:
        if self.repository is None:
            return None
        try:
            return self.repository.commit()
        except GitError as error:
            self.trouble = str(error)
            return None

    def commit(self) -> str | None:
        """The commit that is checked out."""
        return self._head

    def dirty(self, sources: Sequence[SourceFile]) -> bool | None:
        """Whether a file, or one that a link leads to, is not as its repository has it; None where git cannot say."""
        if self.commit() is None:
            return None
        try:
            return any(self._changed(path) for source in sources for path in self._paths(source))
        except GitError as error:
            self.trouble = str(error)
            return None

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
        name, folder = path.relative_to(root).as_posix(), path.parent
        if path.is_relative_to(self.folder.resolve()) and self.folder.resolve().is_relative_to(root):
            folder = self.folder.resolve()
        inside = folder.relative_to(root).as_posix()
        key = (root, inside)
        if key not in self._looks:
            self._looks[key] = repository.changes(inside)
        return is_among(name, self._looks[key])

    def _repository_of(self, folder: Path) -> Repository | None:
        """The repository that a folder is in: mostly this one, but links and submodules lead to others."""
        root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
        if self.repository is not None and root == self.repository.root.resolve():
            return self.repository
        if root is None:
            return None
        if root not in self._repositories:
            self._repositories[root] = Repository.find(root)
        return self._repositories[root]


#: What is known about a version: `ref`, `commit()` and `dirty(sources)`; git is only asked when it is wanted.
Version = AtRevision | Working
