"""Readable names stay inside their folder and within what filesystems take."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePath

from promptlab.errors import StoreError

__all__ = ["safe_name"]

#: The bytes that ext4, xfs, APFS and most others take for one part of a path.
_LONGEST = 255
#: Most names: short parts that begin with a letter, a digit or an underscore, and nothing in them to think about.
_PLAIN = re.compile(r"(?:\w[\w.,=+~-]{0,59}/)*\w[\w.,=+~-]{0,59}")


def safe_name(name: PurePath, root: Path) -> PurePath:
    """The name relative to `root`, its overlong parts shortened; StoreError if it is not a name or leads outside.

    An absolute name is accepted only if it is below `root` as written.
    """
    if _PLAIN.fullmatch(str(name)):
        return name
    if name.is_absolute() and root.is_absolute() and name.is_relative_to(root):
        name = name.relative_to(root)
    parts = name.parts
    if not parts or name.is_absolute() or name.drive or ".." in parts:
        raise StoreError(f"{str(name)!r} is not a name inside {root}: it has to be relative, without '..'")
    if any(ord(letter) < 32 or letter == "\x7f" for letter in str(name)):
        raise StoreError(f"{str(name)!r} holds control characters; a file name can't")
    return PurePath(*(_shortened(part) for part in parts))


def _shortened(part: str) -> str:
    """At most 255 bytes: the beginning, eight digits of a hash of the whole so that names stay apart, the ending."""
    encoded = part.encode("utf-8", "surrogateescape")
    if len(encoded) <= _LONGEST:
        return part
    ending = PurePath(part).suffix.encode("utf-8", "surrogateescape")
    ending = ending if len(ending) <= 16 else b""
    tail = b"~" + hashlib.sha256(encoded).hexdigest()[:8].encode() + ending
    return encoded[: _LONGEST - len(tail)].decode("utf-8", "ignore") + tail.decode("utf-8", "surrogateescape")
