"""What this machine needs before the first send: folders that take files, space on the disk, and file descriptors.

An answer that cannot be kept was paid for all the same, so all of it is tried while nothing has been sent.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from promptlab.errors import InputError, StoreError
from promptlab.log import Log
from promptlab.store import Store

if sys.platform != "win32":
    import resource

__all__ = ["check_ready", "shortage"]

LEAST_FREE = 256 * 1024  # bytes, whatever the images' size
DOWNLOADS = 16
SPARE = 32  # files: the event loop, the log, the decoder, what Python opens by itself


def check_ready(log: Log, store: Store, to_send: int, workers: int) -> None:
    """Raise StoreError or InputError, with what to do, where results could not be kept."""
    at_once = min(workers, to_send)
    store.try_writing("so nothing was sent")
    _check_room(store.folder, round(at_once * _typical(log)))
    for folder in (store.names, log.path.parent):
        _check_room(folder, 0)
    _check_descriptors(at_once, min(DOWNLOADS, to_send))


def shortage(log: Log, store: Store, images: int) -> str | None:
    """A warning where this many images, as large as this log's last ones, would not fit on the disk."""
    size, free = _typical(log), shutil.disk_usage(store.folder).free
    if images * size <= free:
        return None
    each, left = f"{size / 1e6:,.1f} MB", f"{free / 1e9:,.1f} GB"
    return f"{images:,} images of {each} each, like the last ones, need more than the {left} that are free"


def _typical(log: Log) -> float:
    """The mean size of the last images; 0 where there is none."""
    sizes = "SELECT bytes FROM images WHERE bytes > 0 ORDER BY rowid DESC LIMIT 200"
    return float(log.value(f"SELECT ifnull(avg(bytes), 0) FROM ({sizes})"))  # noqa: S608  no value in it


def _check_room(folder: Path, needed: int) -> None:
    """A run stops cleanly when the disk is full: what is in flight then has to fit."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE + needed:
        raise StoreError(
            f"{folder}: the disk is full, or nearly so ({free / 1e6:,.1f} MB free): what comes back could not be kept. "
            "Free some space, or move the folder to a larger disk; nothing was sent"
        )


def _check_descriptors(workers: int, downloads: int) -> None:
    """A connection for each request, a connection and a file for each download, and what is open by then."""
    if sys.platform == "win32":
        return
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return
    needed = _open_now() + workers + 2 * downloads + SPARE
    if needed > most:
        raise InputError(
            f"only {most:,} files may be open at once, and this run needs about {needed:,}: results could not be kept. "
            f"Raise the limit (ulimit -n {max(1024, needed)}) or lower --jobs; nothing was sent",
            code="too-few-files",
        )


def _open_now() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))  # noqa: PTH208  names are enough
        except OSError:
            continue
    return 16
