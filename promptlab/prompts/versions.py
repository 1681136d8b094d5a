"""Which version of a template this is: a commit's, or the working copy's with its edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from promptlab.git import Entry, Head, Repository
from promptlab.prompts.sources import SourceFile


@dataclass(frozen=True, slots=True)
class AtRevision:
    """A version read from git: never dirty."""

    ref: str
    id: str

    def commit(self) -> str:
        """The commit that `ref` named."""
        return self.id

    def dirty(self, sources: Sequence[SourceFile]) -> bool:
        """Never: the text came from the commit."""
        return False


class Working:
    """The working copy of a folder; one for each Library, so that git is asked once."""

    ref: None = None

    def __init__(self, repository: Repository | None, folder: Path) -> None:
        self.repository = repository
        self.folder = folder

    @cached_property
    def head(self) -> Head | None:
        """What is checked out."""
        return self.repository.head() if self.repository is not None else None

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """The folder as HEAD has it."""
        prefix = self.prefix
        if self.repository is None or self.head is None or prefix is None:
            return {}
        return self.repository.tree(self.head.commit, prefix)

    @cached_property
    def prefix(self) -> str | None:
        """The folder's path in the repository."""
        return self.repository.relative(self.folder) if self.repository is not None else None

    def commit(self) -> str | None:
        """The commit that is checked out."""
        return self.head.commit if self.head is not None else None

    def dirty(self, sources: Sequence[SourceFile]) -> bool | None:
        """Compares blob ids, and asks git where they differ (it may convert line breaks)."""
        if self.repository is None or self.head is None:
            return None
        suspects = []
        for source in sources:
            path = self.path_of(source)
            if path is None:
                return True  # a link, or a folder outside of the repository: in no commit
            entry = self.entries.get(path)
            if source.blob is None or entry is None or entry.blob != source.blob:
                suspects.append(path)
        return self.repository.is_dirty(suspects)

    def path_of(self, source: SourceFile) -> str | None:
        """A file's path in the repository."""
        assert self.repository is not None
        if source.place is not None:
            return self.repository.relative((source.folder or Path()) / source.place.path)
        if self.prefix is None:
            return None
        return source.path if self.prefix in ("", ".") else f"{self.prefix}/{source.path}"


#: What is known about a version: `ref`, `commit()` and `dirty(sources)`; git is only asked when it is wanted.
Version = AtRevision | Working
