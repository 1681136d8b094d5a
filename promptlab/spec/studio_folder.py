"""Which folder is the studio."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["SETTINGS_FILE", "find_studio", "shown"]

SETTINGS_FILE = "promptlab.yaml"


def find_studio(path: Path) -> Path:
    """The studio of an experiment file or a folder, as an absolute path.

    The nearest folder upwards that holds `promptlab.yaml`; else the parent of the nearest folder named `experiments`;
    else the experiment's own folder (SPEC.md, page one). Links are not followed: a studio is where its path says.
    """
    start = Path(os.path.abspath(path))  # noqa: PTH100 (Path.resolve would follow links)
    if not start.is_dir():
        start = start.parent
    folders = (start, *start.parents)
    for folder in folders:
        if (folder / SETTINGS_FILE).is_file():
            return folder
    for folder in folders:
        if folder.name == "experiments":
            return folder.parent
    return start


def shown(path: Path, studio: Path) -> str:
    """How a file is called in messages and in the log: relative to the studio inside it, absolute elsewhere."""
    absolute = os.path.abspath(path)  # noqa: PTH100
    try:
        return Path(absolute).relative_to(os.path.abspath(studio)).as_posix()  # noqa: PTH100
    except ValueError:
        return Path(absolute).as_posix()
