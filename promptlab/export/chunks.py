"""Metadata put into a PNG, JPEG or WebP file: its pixels' bytes are copied, never decoded.

Each function takes a whole file and gives a new one; ValueError where the file's structure can't be followed. Sources:
PNG (W3C) §5, JPEG (ITU T.81) annex B with JFIF and Exif's order of segments, WebP container (RFC 9649 §2.7).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Part", "in_jpeg", "in_png", "in_webp", "jpeg_parts", "png_parts", "webp_parts"]

_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST_SEGMENT = 65_533
#: Bits of VP8X (RFC 9649 §2.7.1), by the chunk that they announce.
_FLAGS = {b"ICCP": 0x20, b"ALPH": 0x10, b"EXIF": 0x08, b"XMP ": 0x04, b"ANIM": 0x02}


class Part(NamedTuple):
    """A chunk or segment: its kind (a PNG's or WebP's four letters, a JPEG's marker), what it holds, where it is."""

    kind: bytes
    body: bytes
    start: int
    end: int  # with its checksum or padding


#: Whether a part is what a new one takes the place of.
Replaces = Callable[[Part], bool]


def png_parts(data: bytes) -> Iterator[Part]:
    """The chunks of a PNG, its end included."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        yield Part(kind, data[at + 8 : end - 4], at, end)
        if kind == b"IEND":
            return
        at = end
    raise ValueError("the png breaks off")


def in_png(data: bytes, kind: bytes, body: bytes, replaces: Replaces) -> bytes:
    """A PNG with this chunk right after its header, in place of those that it replaces."""
    parts = list(png_parts(data))
    checksum = zlib.crc32(kind + body).to_bytes(4, "big")
    new = len(body).to_bytes(4, "big") + kind + body + checksum
    kept = [data[part.start : part.end] for part in parts[1:] if not replaces(part)]
    return data[: parts[0].end] + new + b"".join(kept) + data[parts[-1].end :]


def jpeg_parts(data: bytes) -> Iterator[Part]:
    """The segments of a JPEG's header, up to the first scan."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data) or end < at + 4:
            break
        yield Part(data[at + 1 : at + 2], data[at + 4 : end], at, end)
        at = end
    raise ValueError("the jpg's header can't be read")


def in_jpeg(data: bytes, marker: int, body: bytes, replaces: Replaces) -> bytes:
    """A JPEG with this segment after JFIF and Exif, in place of those that it replaces."""
    if len(body) > _LONGEST_SEGMENT:
        raise ValueError(f"{len(body):,} bytes do not fit into a jpg's segment")
    new = bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
    out, at, placed = [], 0, False
    for part in jpeg_parts(data):
        first = part.kind == b"\xe0" or (part.kind == b"\xe1" and part.body.startswith(b"Exif\0"))
        if not placed and not first:
            out += [data[at : part.start], new]
            at, placed = part.start, True
        if replaces(part):
            out.append(data[at : part.start])
            at = part.end
    if not placed:
        raise ValueError("the jpg has no frame")
    return b"".join(out) + data[at:]


def webp_parts(data: bytes) -> Iterator[Part]:
    """The chunks of a WebP; what follows its announced end is no part of it."""
    at, whole = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= whole:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length
        if end > len(data):
            raise ValueError("the webp breaks off")
        yield Part(data[at : at + 4], data[at + 8 : end], at, end + (length & 1))
        at = end + (length & 1)


def in_webp(data: bytes, kind: bytes, body: bytes, replaces: Replaces) -> bytes:
    """A WebP with this chunk at its end, in place of those that it replaces; VP8X announces it."""
    parts = list(webp_parts(data))
    if not parts:
        raise ValueError("the webp has no chunk")
    if parts[0].kind == b"VP8X":
        flags, canvas, rest = parts[0].body[0], parts[0].body[4:10], parts[1:]
    else:
        (width, height), flags, rest = _simple(parts[0]), _alpha(parts[0]), parts
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = [(part.kind, part.body) for part in rest if not replaces(part)]
    # EXIF, then XMP, after the image: the order of RFC 9649 §2.7
    last = next((at for at, (name, _) in enumerate(chunks) if kind == b"EXIF" and name == b"XMP "), len(chunks))
    chunks.insert(last, (kind, body))
    header = bytes((flags | _FLAGS.get(kind, 0), 0, 0, 0)) + canvas
    content = b"WEBP" + b"".join(_riff(name, part) for name, part in [(b"VP8X", header), *chunks])
    return b"RIFF" + len(content).to_bytes(4, "little") + content


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1)


def _simple(part: Part) -> tuple[int, int]:
    """The size of a WebP that is nothing but its image."""
    body = part.body
    if part.kind == b"VP8 " and len(body) >= 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if part.kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise ValueError("the webp has no image data where it has to be")


def _alpha(part: Part) -> int:
    """The flag of a lossless image that uses its alpha channel."""
    return 0x10 if part.kind == b"VP8L" and int.from_bytes(part.body[1:5], "little") >> 28 & 1 else 0
