"""Files and folders that people keep, such as a report: they appear under their name whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from promptlab.errors import InputError
from promptlab.store.local import explained

__all__ = ["keep_strangers", "whole_file", "whole_folder"]


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """A file to write; when the block ends it is on the disk and takes the place of `target` in one step.

    After an exception nothing of it is left, and what was there stays. StoreError where the disk refuses.
    """
    part = _part_of(target)
    with explained("write the file", target):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with explained("write the file", target):
            file = part.open("xb")
        with file:
            yield file
            with explained("write the file", target):
                file.flush()
                os.fsync(file.fileno())
        with explained("write the file", target):
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill; when the block ends it takes the place of `target`, whose old content is removed.

    A folder can't be replaced in one step: a process that is killed between the two leaves the old content beside it,
    under a name with `.old`.
    """
    part = _part_of(target)
    with explained("write the folder", target):
        part.mkdir(parents=True)
    try:
        yield part
        with explained("write the folder", target):
            if target.exists():
                old = part.with_suffix(".old")
                target.rename(old)
                part.rename(target)
                shutil.rmtree(old)
            else:
                part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def keep_strangers(target: Path, is_ours: Callable[[Path], bool], what: str, *, force: bool) -> None:
    """InputError where `target` is there and promptlab did not write it: only `force` replaces it."""
    if not force and target.exists() and not _is_empty_folder(target) and not is_ours(target):
        message = f"{target} is there already and is not {what} of promptlab; name another file, or replace it with"
        raise InputError(f"{message} --force", code="target-exists")


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.part")
