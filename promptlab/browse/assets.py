"""The style sheets and scripts that the pages use: bundled, since nothing may load from the internet."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["TYPES", "read", "version"]

_FOLDER = Path(__file__).parent / "static"
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
#: The files that exist, and nothing else, with their content types.
TYPES = {path.name: _KINDS[path.suffix] for path in sorted(_FOLDER.iterdir()) if path.suffix in _KINDS}


@cache
def read(name: str) -> bytes:
    """The bytes of a bundled file; KeyError for any other name."""
    TYPES[name]
    return (_FOLDER / name).read_bytes()


@cache
def version(name: str) -> str:
    """A short hash of the content, so that a new version is a new address."""
    return hashlib.sha256(read(name)).hexdigest()[:10]
