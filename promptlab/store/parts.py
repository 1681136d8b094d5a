"""Files that are not whole yet: named at random, locked while they are written, swept up when their writer is gone."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

__all__ = ["open_part", "sweep"]

_DAY_S = 86_400.0


def open_part(folder: Path, buffering: int) -> tuple[Path, BinaryIO]:
    """A new file, and a lock on it that the kernel drops when this process ends, however it ends."""
    while True:
        path = folder / f"{secrets.token_hex(12)}.part"
        file = open(path, "xb", buffering=buffering)  # noqa: SIM115, PTH123 - PartFile closes it
        if not _lock(file) or os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # a sweep took it between its creation and its lock


def sweep(folder: Path) -> None:
    """Remove the parts whose writer is gone, and those of yesterday where locks don't work."""
    for path in folder.glob("*.part"):
        try:
            with path.open("rb") as file:
                if _lock(file) or time.time() - os.fstat(file.fileno()).st_mtime > _DAY_S:
                    path.unlink(missing_ok=True)
        except (FileNotFoundError, PermissionError):
            continue  # swept by another process, or not ours to sweep


def _lock(file: BinaryIO) -> bool:
    """Lock it, if no other process has and the filesystem knows locks (flock(2))."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
