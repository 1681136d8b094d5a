"""A folder that is exported to more than once: what this program wrote there, what others did, and how it is written.

`.promptlab-export.json` in the folder remembers each file that was written, from what, and as what. So a second export
writes only what changed; a file that somebody else put there, or has edited since, is not touched unless that is asked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptlab.errors import StoreError
from promptlab.export.product_list import ExportedFile

__all__ = ["MEMORY", "Folder", "Remembered", "sha256_of"]

MEMORY = ".promptlab-export.json"
_PART = ".promptlab-"  # of a file that is not whole yet
_ABANDONED_S = 600.0


@dataclass(frozen=True, slots=True)
class Remembered:
    """A file as it was written: what it was made from and how, and what it was then."""

    experiment: str
    made_from: str  # the original's sha256, the conversion and the prompt's hash
    sha256: str
    bytes: int
    width: int
    height: int
    mtime_ns: int

    def written(self, name: str) -> ExportedFile:
        """As the list of products has it."""
        return ExportedFile(name, self.sha256, self.bytes, self.width, self.height)


class Folder:
    """The folder of an export; nothing is made before the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, Remembered] = {}
        with suppress(OSError, ValueError, TypeError, AttributeError):  # without a memory everything is compared
            told = json.loads((path / MEMORY).read_text(encoding="utf-8"))["files"]
            self.files = {name: Remembered(**entry) for name, entry in told.items()}

    def ours(self, name: str) -> Remembered | None:
        """What is remembered of a file that is still what was written; None for any other, or none."""
        entry = self.files.get(name)
        if entry is None:
            return None
        try:
            status = (self.path / name).stat()
        except OSError:
            return None
        if status.st_size != entry.bytes:
            return None
        if status.st_mtime_ns == entry.mtime_ns or sha256_of(self.path / name) == entry.sha256:
            return entry
        return None

    def open(self) -> None:
        """Make the folder, and remove what a killed export left half written."""
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for part in self.path.glob(f"{_PART}*.part"):
                with suppress(FileNotFoundError):
                    if time.time() - part.stat().st_mtime > _ABANDONED_S:  # else another export may be writing it
                        part.unlink()

    def write(self, name: str, data: bytes) -> int:
        """Write a file in one step: it is there whole, or not at all; its time in nanoseconds."""
        part = self.path / f"{_PART}{secrets.token_hex(8)}.part"
        target = self.path / name
        with explained(target):
            try:
                part.write_bytes(data)
                part.replace(target)
            except BaseException:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
            return target.stat().st_mtime_ns

    def remember(self) -> None:
        """Write down what is known, so that the next export can tell; nothing where it is written so already."""
        told = {name: asdict(entry) for name, entry in sorted(self.files.items())}
        self.renew(MEMORY, json.dumps({"version": 1, "files": told}, ensure_ascii=False, indent=0).encode())

    def renew(self, name: str, data: bytes) -> bool:
        """Write a file unless it is the same already; whether it was written."""
        with suppress(OSError):
            if (self.path / name).read_bytes() == data:
                return False
        self.write(name, data)
        return True

    def stale(self, experiment: str, names: Mapping[str, Any]) -> tuple[str, ...]:
        """Files that an earlier export of this experiment wrote, and that are no longer among its products."""
        return tuple(
            sorted(
                name
                for name, entry in self.files.items()
                if entry.experiment == experiment and name not in names and os.path.lexists(self.path / name)
            )
        )


def sha256_of(path: Path) -> str | None:
    """The hash of a file; None where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """StoreError with what to do, where the folder can't be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "the disk is full: free some space, or export to a folder on another disk"
        else:
            why = error.strerror or type(error).__name__
        raise StoreError(f"{path}: cannot be written; {why}. What is there stays; the same command goes on") from error
