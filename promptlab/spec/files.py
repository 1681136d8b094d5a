"""Files of a studio: which folder is the studio, and reading what an experiment names: size, encoding, and what the
log keeps of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Literal

from promptlab.model import InputFile, Place

from .names import did_you_mean
from .report import Report

__all__ = ["SETTINGS_FILE", "Files", "Reader", "decode", "find_studio", "read_bytes", "shown"]

SETTINGS_FILE = "promptlab.yaml"
MAX_ROWS_BYTES = 200_000_000

#: Bytes of a file at an absolute path; OSError where there is none. The log and a git revision bring their own.
Reader = Callable[[Path], bytes]


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


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file on disk."""
    if path.is_dir():
        raise IsADirectoryError(f"{path.name} is a folder")
    if path.exists() and not path.is_file():
        raise OSError(f"{path.name} is not a regular file")
    if path.stat().st_size > MAX_ROWS_BYTES:
        raise OSError(f"{path.name} is larger than {MAX_ROWS_BYTES:,} bytes")
    return path.read_bytes()


class Files:
    """The files of one experiment, each read once."""

    def __init__(self, studio: Path, report: Report, read: Reader = read_bytes) -> None:
        self.studio, self.report = studio, report
        self.inputs: list[InputFile] = []
        self._read = read
        self._texts: dict[Path, str | None] = {}

    def resolve(self, name: str, beside: str) -> Path:
        """The absolute path of a name that was written in the file `beside` (as messages show it)."""
        return Path(os.path.abspath(self.studio / Path(beside).parent / name))  # noqa: PTH100

    def text(
        self, path: Path, role: Literal["spec", "base", "rows", "settings"], place: Place | None, limit: int
    ) -> str | None:
        """The text of a file without its byte order mark; None, with the problem reported at `place`, if unreadable."""
        if path not in self._texts:
            self._texts[path] = self._load(path, role, place, limit)
        return self._texts[path]

    def _load(
        self, path: Path, role: Literal["spec", "base", "rows", "settings"], place: Place | None, limit: int
    ) -> str | None:
        name = shown(path, self.studio)
        try:
            content = self._read(path)
        except (FileNotFoundError, NotADirectoryError):
            self.report.add("missing-file", f"there is no file {name}{_neighbour(path)}", place)
            return None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.report.add("missing-file", f"{name} can't be read: {reason}", place)
            return None
        if len(content) > limit:
            message = f"{name} has {len(content):,} bytes; at most {limit:,} are read"
            self.report.add("too-large", message, place)
            return None
        text = decode(content, name, self.report)
        if text is not None:
            self.inputs.append(InputFile(name, role, sha256(content).hexdigest(), text))
        return text


def decode(content: bytes, name: str, report: Report) -> str | None:
    """UTF-8 text without a byte order mark; None, with the place of the first wrong byte reported, otherwise."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or (0 in content[:2] and content[:2] != b"\0\0"):
        report.add("encoding", "this file is UTF-16; save it as UTF-8", Place(name, 1, 1))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = content[: error.start].decode("utf-8-sig", "replace")
        line, column = good.count("\n") + 1, len(good) - (good.rfind("\n") + 1) + 1
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        report.add("encoding", message, Place(name, line, column))
        return None


def _neighbour(path: Path) -> str:
    try:
        return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
