"""Is this a whole image? Answered from the bytes' structure, without decoding a pixel.

About 0.3 ms for a megabyte, against 11 ms for a full decode, so it can stand on the path of a request. A PNG's
every byte is covered by its checksums; a JPEG and a WebP are checked as far as their structure tells, and the
worker's full decode says the rest.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from promptlab.store.faults import BadImage, explained

__all__ = ["MAX_PIXELS", "Inspection", "inspect"]

#: More pixels than this are not decoded: a file of some kilobytes can claim to be gigabytes of picture.
MAX_PIXELS = 100_000_000

_PNG = b"\x89PNG\r\n\x1a\n"
_NAMES = {"jpeg": "jpg", "jpe": "jpg"}


@dataclass(frozen=True, slots=True)
class Inspection:
    """A whole image: `format` is png, jpg or webp; `matches` is False when another format was asked for."""

    format: str
    width: int
    height: int
    matches: bool = True


def inspect(source: Path | bytes, wanted: str | None = None, *, max_pixels: int = MAX_PIXELS) -> Inspection:
    """Check an image's structure from its first byte to its last; BadImage says what is wrong with it.

    Trailing bytes after the image's end are tolerated, as every viewer does. Sources: PNG (W3C) §5 and §11, JPEG
    (ITU T.81) annex B, WebP container (RFC 9649). StoreError if the file can't be read.
    """
    if isinstance(source, Path):
        with explained("read the image", source):
            data = source.read_bytes()
    else:
        data = source
    asked = _NAMES.get(wanted.lower(), wanted.lower()) if wanted else None
    if data.startswith(_PNG):
        name, (width, height) = "png", _png(data)
    elif data.startswith(b"\xff\xd8\xff"):
        name, (width, height) = "jpg", _jpeg(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        name, (width, height) = "webp", _webp(data)
    else:
        raise _stranger(data, asked or "png, jpg or webp")
    if width * height > max_pixels:
        raise BadImage("too_large", f"the {name} claims {width} × {height} pixels, more than {max_pixels:,}")
    if width < 1 or height < 1:
        raise BadImage("damaged", f"the {name} claims {width} × {height} pixels")
    return Inspection(name, width, height, asked in (None, name))


# --- PNG ----------------------------------------------------------------------------------------------------------

#: Colour type → the bit depths it may have (PNG, table 11.1).
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def _png(data: bytes) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    pixels = False
    for kind, body in _png_chunks(data):
        if size is None:
            size = _png_header(kind, body)
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"IEND":
            if not pixels:
                raise BadImage("damaged", "the png has no image data (IDAT)")
            return size
    raise BadImage("truncated", f"the png breaks off after {len(data):,} bytes, before its end (IEND)")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Each whole chunk whose checksum is right."""
    view, position = memoryview(data), len(_PNG)
    while position + 12 <= len(data):
        length = int.from_bytes(view[position : position + 4], "big")
        end = position + 12 + length
        if end > len(data):
            return
        kind = data[position + 4 : position + 8]
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise BadImage("damaged", f"the png's chunk {kind!r} at byte {position:,} has a wrong checksum")
        yield kind, view[position + 8 : end - 4]
        position = end


def _png_header(kind: bytes, body: memoryview) -> tuple[int, int]:
    if kind != b"IHDR" or len(body) != 13:
        raise BadImage("damaged", "the png does not begin with its header (IHDR)")
    depth, colour, compression, filtering, interlace = body[8:]
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise BadImage("damaged", "the png's header (IHDR) names no known kind of picture")
    return int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")


# --- JPEG ---------------------------------------------------------------------------------------------------------

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS, _EOI = 0xDA, 0xD9
#: Markers without a length: TEM and the restarts. In a scan, FF00 is a plain FF and FFFF is fill.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


def _jpeg(data: bytes) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    scanned = False
    for marker, body in _jpeg_segments(data):
        if marker in _SOF and size is None:
            if len(body) < 6:
                raise BadImage("damaged", "the jpg's frame header is too short")
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        elif marker == _SOS:
            scanned = True
        elif marker == _EOI:
            if size is None or not scanned:
                raise BadImage("damaged", "the jpg has no frame or no image data")
            return size[0], size[1]
    raise BadImage("truncated", f"the jpg breaks off after {len(data):,} bytes, before its end marker")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with its parameters; the coded data after a SOS is skipped."""
    position = 2
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            raise BadImage("damaged", f"the jpg has no marker at byte {position:,}, where one has to be")
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
            continue
        position += 2
        if marker == _EOI:
            yield marker, b""
            return
        if marker in _BARE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if position + max(length, 2) > len(data):
            return
        if length < 2:
            raise BadImage("damaged", f"the jpg's segment at byte {position:,} has an impossible length")
        yield marker, data[position + 2 : position + length]
        position += length
        if marker == _SOS:
            found = _SCAN_END.search(data, position)
            if found is None:
                return
            position = found.start()


# --- WebP ---------------------------------------------------------------------------------------------------------


def _webp(data: bytes) -> tuple[int, int]:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise BadImage("truncated", f"the webp has {len(data):,} of the {end:,} bytes it announces")
    canvas: tuple[int, int] | None = None
    frame: tuple[int, int] | None = None
    position = 12
    while position + 8 <= end:
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        body = data[position + 8 : position + 8 + min(length, 16)]
        position += 8 + length
        if position > end:
            raise BadImage("damaged", f"the webp's chunk {kind!r} reaches beyond the file")
        position += length & 1
        if kind == b"VP8X" and len(body) >= 10:
            canvas = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        elif frame is None and kind in (b"VP8 ", b"VP8L", b"ANMF"):
            frame = _webp_frame(kind, body)
    if frame is None:
        raise BadImage("damaged", "the webp has no image data (VP8, VP8L or ANMF)")
    return canvas or frame


def _webp_frame(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a" and not body[0] & 1:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"ANMF" and len(body) >= 12:
        return 1 + int.from_bytes(body[6:9], "little"), 1 + int.from_bytes(body[9:12], "little")
    raise BadImage("damaged", f"the webp's image data ({kind.decode().strip()}) has no valid header")


# --- anything else ------------------------------------------------------------------------------------------------

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


def _stranger(data: bytes, asked: str) -> BadImage:
    """What came instead of an image, as far as the first bytes tell."""
    if not data:
        return BadImage("empty", f"an empty file, not a {asked} image")
    if any(whole.startswith(data) for whole in (_PNG, b"\xff\xd8\xff", b"RIFF")):
        return BadImage("truncated", f"only {len(data)} bytes of an image")
    if data.startswith(b"RIFF") and len(data) < 12:
        return BadImage("truncated", f"only {len(data)} bytes of an image")
    for pattern, name in _OTHERS:
        if re.match(pattern, data[:64], re.DOTALL):
            return BadImage("unsupported", f"{name} image, not a {asked} image")
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, name in _TEXTS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return BadImage("not_an_image", f"{name}, not a {asked} image")
    return BadImage("not_an_image", f"not an image: it begins with {data[:8].hex(' ')}, asked for was {asked}")
