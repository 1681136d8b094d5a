"""The style sheets and the one script that the pages use: bundled, since nothing may load from the internet."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["TYPES", "read", "version"]

_FOLDER = Path(__file__).parent / "static"
#: The files that exist, and nothing else, with their content types.
TYPES = {
    "promptlab.css": "text/css; charset=utf-8",
    "datasette.css": "text/css; charset=utf-8",
    "promptlab.js": "text/javascript; charset=utf-8",
}


@cache
def read(name: str) -> bytes:
    """The bytes of a bundled file; KeyError for any other name."""
    TYPES[name]
    return (_FOLDER / name).read_bytes()


@cache
def version(name: str) -> str:
    """A short hash of the content, so that a new version is a new address."""
    return hashlib.sha256(read(name)).hexdigest()[:10]
