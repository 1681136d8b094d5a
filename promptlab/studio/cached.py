"""What the log answers, files included: the one question that plan, limits, confirmation, run and resume ask.

A hit needs its files. What the image folder has lost is looked for under its readable names, where the same bytes may
still be: by the path that the log knows, then by size, and always compared by sha256. Files that are here are never
read for this.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promptlab.log import Hit, Log
from promptlab.store import Store

__all__ = ["Found", "LoggedFiles", "look_up"]

FORMATS = ("png", "jpg", "webp")


@dataclass(slots=True)
class LoggedFiles:
    """Whether the files of logged images are here, or can be restored from `results/`.

    `restore` puts those back into the image folder; without it, as in a plan, nothing is written.
    """

    log: Log
    store: Store
    studio: Path
    restore: bool = False
    restored: int = 0
    _away: dict[str, bool] = field(default_factory=dict)  # not in the store: whether `results/` has it
    _sizes: dict[int, list[Path]] | None = None  # of every file under `results/`
    _hashes: dict[Path, str | None] = field(default_factory=dict)

    def __call__(self, sha256s: Sequence[str]) -> bool:
        """Whether every one of these contents is available."""
        return not self.missing(sha256s)

    def missing(self, sha256s: Iterable[str]) -> list[str]:
        """Those of the contents that are permanently gone."""
        return [sha256 for sha256 in sha256s if self.store.head(sha256) is None and not self._can_be_had(sha256)]

    def _can_be_had(self, sha256: str) -> bool:
        if sha256 not in self._away:
            self._away[sha256] = self._find(sha256)
        return self._away[sha256]

    def _find(self, sha256: str) -> bool:
        names = self.log.names_of(sha256)
        format_ = next((kind for _, _, kind in names if kind in FORMATS), None)
        if format_ is None:
            return False
        for path in self._candidates(names):
            if self._hash(path) == sha256:
                if self.restore:
                    self.store.adopt(path, sha256, format_)
                    self.restored += 1
                return True
        return False

    def _candidates(self, names: Sequence[tuple[str | None, int | None, str | None]]) -> Iterator[Path]:
        """Files that may hold a content: those that the log names, then those of its size."""
        sizes = {size for _, size, _ in names if size is not None}
        for path, size, _ in names:
            file = None if path is None else self.studio / path
            if file is None or ".." in file.parts or not file.is_relative_to(self.store.names) or not file.is_file():
                continue
            if size is None or file.stat().st_size == size:
                yield file
        if self._sizes is None:
            self._sizes = _by_size(self.store.names)
        for size in sizes:
            yield from self._sizes.get(size, ())

    def _hash(self, path: Path) -> str | None:
        if path not in self._hashes:
            try:
                with path.open("rb") as file:
                    self._hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:  # gone since, or not ours to read: it does not help either way
                self._hashes[path] = None
        return self._hashes[path]


def _by_size(folder: Path) -> dict[int, list[Path]]:
    """Every file below a folder by its size; several names of one file count once."""
    found: dict[int, list[Path]] = {}
    seen: set[tuple[int, int]] = set()
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            try:
                status = path.lstat()
            except OSError:  # removed meanwhile
                continue
            if path.is_symlink() or (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            found.setdefault(status.st_size, []).append(path)
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """The requests that the log answers, by their hash, and how many images of other results are gone."""

    hits: dict[str, Hit]
    gone: int = 0


def look_up(log: Log, files: LoggedFiles, hashes: Iterable[str]) -> Found:
    """Look up requests; a result whose files are gone does not count as one, and is counted as gone."""
    newest = log.hits(hashes)
    incomplete = [hash_ for hash_, hit in newest.items() if not files(hit.sha256s)]
    if not incomplete:
        return Found(newest)
    left_out = set(incomplete)
    older = log.hits(incomplete, files)
    gone = sum(len(files.missing(newest[hash_].sha256s)) for hash_ in incomplete if hash_ not in older)
    hits = {hash_: hit for hash_, hit in newest.items() if hash_ not in left_out} | older
    return Found(hits, gone)
