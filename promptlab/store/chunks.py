"""Metadata put into a PNG, JPEG or WebP without touching its pixels: only whole chunks or segments come and go.

Sources: PNG (W3C, third edition) sections 5 and 11.3.3; JPEG (ITU T.81) annex B; Exif 2.32 (CIPA DC-008) section 4.6;
WebP container (RFC 9649) section 2. Pure: bytes in, bytes out. A file is one that `sniff` accepts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "jpeg_segments", "jpeg_with", "png_chunks", "png_text", "png_with", "webp_chunks", "webp_with",
]  # fmt: skip

_PNG = b"\x89PNG\r\n\x1a\n"
_SOS, _APP0 = 0xDA, 0xE0
_EXIF_FLAG, _XMP_FLAG, _ALPHA_FLAG, _ICC_FLAG = 0x08, 0x04, 0x10, 0x20
#: A segment's length has two bytes and counts itself.
LARGEST_SEGMENT = 65_533


# --- PNG ----------------------------------------------------------------------------------------------------------


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks up to IEND, as (type, payload)."""
    position = len(_PNG)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        yield kind, data[position + 8 : position + 8 + length]
        if kind == b"IEND":
            return
        position += 12 + length


def png_text(keyword: str, text: str) -> tuple[bytes, bytes]:
    """A text chunk: tEXt where the text is Latin-1, else iTXt (UTF-8), as Pillow and the web UIs write it."""
    name = keyword.encode("latin-1")
    # A NUL can't stand in either.
    text = text.replace("\0", "")
    try:
        return b"tEXt", name + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8", "replace")


def png_with(data: bytes, chunks: Sequence[tuple[bytes, bytes]], drop: Callable[[bytes, bytes], bool]) -> bytes:
    """The file with these chunks behind its header, since text after the pixels is often not read; without the dropped.
    """
    parts = [_PNG]
    for number, (kind, payload) in enumerate(png_chunks(data)):
        if not drop(kind, payload):
            parts.append(_png_chunk(kind, payload))
        if number == 0:
            parts += [_png_chunk(*chunk) for chunk in chunks]
    return b"".join(parts)


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


# --- JPEG ---------------------------------------------------------------------------------------------------------


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The segments before the first scan, as (marker, payload, where the next one begins)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _SOS:
            return
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        end = position + 2 + length
        yield marker, data[position + 4 : end], end
        position = end


def jpeg_with(data: bytes, marker: int, payload: bytes, drop: Callable[[int, bytes], bool]) -> bytes:
    """The file with this segment in front (behind JFIF's APP0), without the dropped ones. ValueError if it is too long.

    Segments are laid out anew, so fill bytes between them go; everything from the first scan on stays as it is.
    """
    if len(payload) > LARGEST_SEGMENT:
        raise ValueError(f"{len(payload):,} bytes do not fit into a JPEG segment")
    found, rest = [], 2
    for kind, body, rest in jpeg_segments(data):  # noqa: B007  where the last one ends is used below
        found.append((kind, body))
    first = [each for each in found[:1] if each[0] == _APP0]
    kept = [each for each in found[len(first) :] if not drop(*each)]
    parts = [_segment(*each) for each in [*first, (marker, payload), *kept]]
    return data[:2] + b"".join(parts) + data[rest:]


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


# --- WebP ---------------------------------------------------------------------------------------------------------


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks, as (type, payload)."""
    position, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= end:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def webp_with(data: bytes, kind: bytes, payload: bytes, size: tuple[int, int]) -> bytes:
    """The file with a chunk `EXIF` or `XMP ` in place of any it had; in the extended format, which it then needs.

    `size` is the picture's width and height.
    """
    chunks = [(name, body) for name, body in webp_chunks(data) if name not in (kind, b"VP8X")]
    header = next((body for name, body in webp_chunks(data) if name == b"VP8X"), None)
    flags = header[0] if header else _flags_of(chunks)
    flags |= _EXIF_FLAG if kind == b"EXIF" else _XMP_FLAG
    width, height = size
    extended = bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    # The order is fixed: the pixels, then EXIF, then XMP.
    late = [(kind, payload), *(each for each in chunks if each[0] in (b"EXIF", b"XMP "))]
    early = [each for each in chunks if each[0] not in (b"EXIF", b"XMP ")]
    body = b"".join(_riff(*each) for each in [(b"VP8X", extended), *early, *sorted(late)])
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _flags_of(chunks: Sequence[tuple[bytes, bytes]]) -> int:
    """What a simple file's pixels need said: whether there is transparency (bit 28 of a lossless header)."""
    for name, body in chunks:
        if name == b"VP8L" and int.from_bytes(body[1:5], "little") >> 28 & 1:
            return _ALPHA_FLAG
    return 0


def _riff(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
