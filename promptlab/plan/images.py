"""Source images of edits: where a rendered `image:` text points, and the hash of what is there.

The only I/O of a plan: local files that the experiment names are read, each once, for their sha256.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .product import Cell

__all__ = ["LARGEST", "BadSource", "ImageOf", "Picture", "Pictures"]

LARGEST = 20 * 1024 * 1024  # bytes of a source image


@dataclass(frozen=True, slots=True)
class Picture:
    """A source image: `image` is a URL, a data: URI or an absolute path; a URL has no sha256."""

    image: str
    sha256: str | None

    @property
    def identity(self) -> str:
        """What enters the request hash."""
        return self.sha256 or self.image


#: A cell's source image; InputError where it can't be had.
ImageOf = Callable[[Cell], Picture]


class BadSource(Exception):
    """A source image that can't be used; `code` is the problem's, the text a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Pictures:
    """Reads source images, each once. Paths are relative to the experiment's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._known: dict[str, Picture | BadSource] = {}

    def get(self, text: str) -> Picture:
        """The picture a rendered text names; BadSource (the same one each time) where there is none."""
        found = self._known.get(text)
        if found is None:
            try:
                found = self._look(text.strip())
            except BadSource as error:
                found = error
            if not text.startswith("data:"):
                self._known[text] = found
        if isinstance(found, BadSource):
            raise found
        return found

    def _look(self, text: str) -> Picture:
        if re.match(r"(?i)https?://", text):
            return Picture(text, None)
        if text[:5].lower() == "data:":
            return Picture(text, _checked(_decoded(text), "the data: URI"))
        if re.match(r"(?i)[a-z][a-z0-9+.-]+://", text) or not text or "\0" in text:
            raise BadSource("bad-image", f"{text[:80]!r} is not an image; write a path, an http(s) URL or a data: URI")
        path = self._folder / text
        return Picture(str(path.resolve()), _checked(_read(path, text), f"'{text}'"))


def _read(path: Path, shown: str) -> bytes:
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "missing"
            raise BadSource(
                "missing-image", f"the image '{shown}' is {kind}; paths are relative to the experiment's file"
            )
        size = path.stat().st_size
        if size > LARGEST:
            raise BadSource("bad-image", f"the image '{shown}' has {size:,} bytes; at most {LARGEST:,} are sent")
        data = path.read_bytes()
    except OSError as error:
        raise BadSource("missing-image", f"the image '{shown}' can't be read: {error.strerror}") from error
    if not data:
        raise BadSource("bad-image", f"the image '{shown}' is empty")
    return data


def _decoded(uri: str) -> bytes:
    """The bytes of a data: URI (RFC 2397), as a run reads them."""
    from promptlab.http import DownloadError, decode_data_url

    try:
        return decode_data_url(uri, LARGEST)
    except DownloadError as error:
        raise BadSource("bad-image", f"the data: URI can't be used: {error}; write data:image/png;base64,…") from error


def _checked(data: bytes, shown: str) -> str:
    """The sha256 of an image that a run would take; BadSource for anything else."""
    from promptlab.store import BadImage, sniff

    bad = sniff(data)
    if isinstance(bad, BadImage):
        raise BadSource("bad-image", f"{shown} is not an image that can be edited: {bad.message}")
    return hashlib.sha256(data).hexdigest()
