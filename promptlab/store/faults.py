"""What goes wrong with files and images, as sentences that say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from promptlab.errors import StoreError

__all__ = ["BadImage", "BadKind", "explained"]

BadKind = Literal["empty", "not_an_image", "unsupported", "truncated", "damaged", "too_large"]

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or move the studio's `images` folder to a larger disk",
    errno.EDQUOT: "your disk quota is used up: free some space, or move the studio's `images` folder elsewhere",
    errno.EROFS: "the disk is mounted read-only: mount it for writing, or choose another `images` folder",
    errno.EACCES: "you may not write there: change the folder's permissions, or choose another `images` folder",
    errno.EPERM: "you may not write there: change the folder's permissions, or choose another `images` folder",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n) or lower --jobs",
    errno.ENOTDIR: "part of that path is a file, not a folder: move it away, or choose another `images` folder",
    errno.ENAMETOOLONG: "the name is too long for this disk: shorten `files:` in the experiment",
    errno.EIO: "the disk failed to read or write: check it before anything else",
}


class BadImage(StoreError):
    """These bytes are not the image that was asked for; `kind` says in what way.

    It is raised by `inspect` and handed back by `decode_and_thumbnail`; it travels between processes.
    """

    def __init__(self, kind: BadKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    def __reduce__(self) -> tuple[type[BadImage], tuple[BadKind, str]]:
        return type(self), (self.kind, self.message)


@contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a StoreError: what could not be done, why, and what to do."""
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0) or error.strerror or type(error).__name__
        raise StoreError(f"{path}: cannot {what}; {reason}") from error
