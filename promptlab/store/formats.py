"""What a file is, from its first bytes and its end alone; and what goes wrong with images, as sentences.

Some microseconds, whatever the size, so it stands on the path of a request: a page of HTML in place of an image and a
download that broke off are found at once and fetched again. Whether every pixel is there only a decode can say.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from promptlab.errors import StoreError

__all__ = ["FORMATS", "MAX_PIXELS", "BadImage", "BadKind", "Format", "Readable", "Sniffed", "check", "sniff"]

Format = Literal["png", "jpg", "webp"]
FORMATS: tuple[Format, ...] = ("png", "jpg", "webp")
#: More pixels than this are not decoded: a file of some kilobytes can claim to be gigabytes of picture.
MAX_PIXELS = 100_000_000

BadKind = Literal["empty", "not_an_image", "unsupported", "truncated", "damaged", "too_large"]
Data = bytes  # in a class that has an attribute of that name
Read = Callable[[int, int], Data]  # offset, length


class BadImage(StoreError):
    """These bytes are not the image that was asked for; `kind` says in what way. It travels between processes."""

    def __init__(self, kind: BadKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    def __reduce__(self) -> tuple[type[BadImage], tuple[BadKind, str]]:
        return type(self), (self.kind, self.message)


class Readable(Protocol):
    """A file that is looked into, such as a part that was just downloaded."""

    bytes: int

    def read(self, offset: int, length: int) -> Data:
        """Some of its bytes; fewer at its end."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the header says and the end doesn't deny: `format` is png, jpg or webp."""

    format: Format
    width: int
    height: int


def sniff(source: Readable | bytes) -> Sniffed | BadImage:
    """Format and size of an image that has its end marker, or what is wrong with it.

    Bytes after the image's end are tolerated, as every viewer does. Sources: PNG (W3C) §5 and §11, JPEG (ITU T.81)
    annex B, WebP container (RFC 9649).
    """
    read: Read = partial(_slice, source) if isinstance(source, bytes) else source.read
    size = len(source) if isinstance(source, bytes) else source.bytes
    head = read(0, 1024)
    name: Format
    try:
        if head.startswith(_PNG):
            name, (width, height) = "png", _png(head, read, size)
        elif head.startswith(b"\xff\xd8\xff"):
            name, (width, height) = "jpg", _jpeg(read, size)
        elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            name, (width, height) = "webp", _webp(head, size)
        else:
            return _stranger(head)
        if width * height > MAX_PIXELS:
            raise BadImage("too_large", f"the {name} claims {width} × {height} pixels, more than {MAX_PIXELS:,}")
        if width < 1 or height < 1:
            raise BadImage("damaged", f"the {name} claims {width} × {height} pixels")
    except BadImage as bad:
        return bad
    return Sniffed(name, width, height)


def check(data: bytes) -> Sniffed | BadImage:
    """`sniff`, and the checksum of every chunk of a PNG: what can be known of a source image without decoding it."""
    seen = sniff(data)
    if isinstance(seen, Sniffed) and seen.format == "png":
        position = len(_PNG)
        while position + 12 <= len(data):
            length = int.from_bytes(data[position : position + 4], "big")
            end = position + 8 + length
            kind = data[position + 4 : position + 8]
            if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
                name = kind.decode("ascii", "replace")
                return BadImage("damaged", f"the png's chunk {name} at byte {position:,} has a wrong checksum")
            if kind == b"IEND":
                break
            position = end + 4
    return seen


def _slice(data: bytes, offset: int, length: int) -> bytes:
    return data[max(offset, 0) : max(offset, 0) + length]


_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def _png(head: bytes, read: Read, size: int) -> tuple[int, int]:
    broken = BadImage("truncated", f"the png breaks off after {size:,} bytes, before its end (IEND)")
    if size >= 16 and head[8:16] != b"\0\0\0\x0dIHDR":
        raise BadImage("damaged", "the png does not begin with its header (IHDR)")
    if size < 33:
        raise broken
    position = 33
    if read(size - len(_PNG_END), len(_PNG_END)) != _PNG_END:  # bytes after the end: hop from chunk to chunk
        while (chunk := read(position, 8))[4:] != b"IEND":
            position += 12 + int.from_bytes(chunk[:4], "big")
            if position + 12 > size:
                raise broken
        if read(position, len(_PNG_END)) != _PNG_END:
            raise BadImage("damaged", "the png's end (IEND) has a wrong checksum")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS, _EOI = 0xDA, 0xD9
#: Markers without a length: TEM and the restarts.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})


def _jpeg(read: Read, size: int) -> tuple[int, int]:
    """The size from the frame header; the end marker has to come after the first scan's header.

    A thumbnail or a comment in the header may hold an end marker of its own, so the header's segments are skipped
    one by one; in what follows, FF D9 is nothing else.
    """
    broken = BadImage("truncated", f"the jpg breaks off after {size:,} bytes, before its end marker")
    dimensions: tuple[int, int] | None = None
    position = 2
    while position + 2 <= size:
        lead, marker, *rest = read(position, 4)
        if lead != 0xFF:
            raise BadImage("damaged", f"the jpg has no marker at byte {position:,}, where one has to be")
        if marker == 0xFF or marker in _BARE:  # fill, or a marker alone
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(bytes(rest), "big")
        if marker == _EOI or (len(rest) == 2 and length < 2):
            raise BadImage("damaged", "the jpg has no frame or no image data")
        if len(rest) < 2:
            break
        if marker in _SOF and dimensions is None:
            frame = read(position + 4, 5)
            if length < 8 or len(frame) < 5:
                break
            dimensions = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
        position += 2 + length
        if marker == _SOS:
            if dimensions is None:
                raise BadImage("damaged", "the jpg has no frame or no image data")
            if read(max(position, size - 2), 2) == b"\xff\xd9" or b"\xff\xd9" in read(position, size):
                return dimensions
            break
    raise broken


def _webp(head: bytes, size: int) -> tuple[int, int]:
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > size:
        raise BadImage("truncated", f"the webp has {size:,} of the {end:,} bytes it announces")
    kind, body = head[12:16], head[20:30]
    if kind == b"VP8X" and len(body) == 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) == 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and body[:1] == b"\x2f" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise BadImage("damaged", "the webp has no image data (VP8, VP8L or VP8X) with a valid header")


_ASKED = "png, jpg or webp"
_OTHERS = (
    (rb"GIF8[79]a", "a gif"),
    (rb"BM.{8}", "a bmp"),
    (rb"II\*\0|MM\0\*", "a tiff"),
    (rb".{4}ftyp(avif|avis)", "an avif"),
    (rb".{4}ftyp(heic|heix|mif1)", "a heic"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a jpeg xl"),
)
_TEXTS = (
    (rb"<!doctype html|<html|<head|<body|<script|<title", "an HTML page"),
    (rb"<svg|<\?xml[^>]*>\s*(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg", "an svg"),
    (rb"<\?xml|<Error", "an XML document"),
    (rb"[{\[]", "a JSON document"),
    (rb"%PDF", "a pdf"),
    (rb"[\t\r\n\x20-\x7e]{12}", "a text"),
)


def _stranger(head: bytes) -> BadImage:
    """What came instead of an image, as far as the first bytes tell."""
    if not head:
        return BadImage("empty", f"an empty file, not a {_ASKED} image")
    if any(whole.startswith(head) for whole in (_PNG, b"\xff\xd8\xff", b"RIFF")):
        return BadImage("truncated", f"only {len(head)} bytes of an image")
    if head.startswith(b"RIFF") and len(head) < 12:
        return BadImage("truncated", f"only {len(head)} bytes of an image")
    for pattern, name in _OTHERS:
        if re.match(pattern, head[:64], re.DOTALL):
            return BadImage("unsupported", f"{name} image, not a {_ASKED} image")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, name in _TEXTS:
        if re.match(pattern, text, re.DOTALL | re.IGNORECASE):
            return BadImage("not_an_image", f"{name}, not a {_ASKED} image")
    return BadImage("not_an_image", f"not an image: it begins with {head[:8].hex(' ')}, asked for was {_ASKED}")
