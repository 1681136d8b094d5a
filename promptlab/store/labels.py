"""What a file says of its own making: a C2PA manifest (signed content credentials), or IPTC's DigitalSourceType in XMP.

Only where such a thing can stand is looked at, a few kilobytes of a file; so it costs some microseconds on the path of
a request, and what is hostile costs no more. A signature is found, not checked: whether it holds, a C2PA tool says.
Places: C2PA 2.1 §A.3 (PNG `caBX`, JPEG APP11 JUMBF, RIFF `C2PA`), XMP part 3 (PNG iTXt, JPEG APP1, WebP `XMP `), IPTC
Photo Metadata 2023.2 (Digital Source Type, which exists in XMP alone, not in the older IIM).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from promptlab.store.formats import Readable

__all__ = ["APP1_XMP", "PNG_XMP", "label_of"]

PNG_XMP = b"XML:com.adobe.xmp\0"
APP1_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_APP1_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_MOST_PARTS = 4096  # chunks or segments of one file: an IDAT of 8 KB each is 32 MB
_MOST_XMP = 1 << 20  # bytes of one packet
_MOST_PACKETS = 8

Read = Callable[[int, int], bytes]  # offset, length
_SAID = re.compile(rb"DigitalSourceType.{0,300}?trainedAlgorithmicMedia", re.DOTALL | re.IGNORECASE)


def label_of(source: Readable | bytes, format: str) -> str:
    """`c2pa`, `iptc`, `c2pa iptc` or `none`. Never raises, whatever the bytes; what can't be followed counts as none.

    `iptc`: XMP says DigitalSourceType trainedAlgorithmicMedia, or the composite of it.
    """
    read: Read = partial(_slice, source) if isinstance(source, bytes) else source.read
    walk = {"png": _png, "jpg": _jpeg, "webp": _webp}.get(format)
    found = set[str]()
    packets = 0
    for kind, packet in walk(read) if walk else ():
        if kind == "c2pa":
            found.add(kind)
        elif packets < _MOST_PACKETS:
            packets += 1
            if _SAID.search(packet.replace(b"\0", b"")):  # UTF-16 reads like this too
                found.add("iptc")
        if len(found) == 2:
            break
    return " ".join(sorted(found)) or "none"


def _slice(data: bytes, offset: int, length: int) -> bytes:
    return data[offset : offset + length]


#: What a walk finds: `c2pa`, or `xmp` with its packet.
Found = Iterator[tuple[str, bytes]]


def _png(read: Read) -> Found:
    at = 8
    for _ in range(_MOST_PARTS):
        head = read(at, 8)
        if len(head) < 8:
            return
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"caBX":
            yield "c2pa", b""
        elif kind == b"iTXt" and read(at + 8, len(PNG_XMP)) == PNG_XMP:
            yield "xmp", _itxt(read(at + 8 + len(PNG_XMP), min(length - len(PNG_XMP), _MOST_XMP)))
        elif kind == b"IEND":
            return
        at += 12 + length


def _itxt(body: bytes) -> bytes:
    """The text of an iTXt chunk, of what follows its keyword (PNG §11.3.3.4)."""
    compressed = body[:1] == b"\1"
    text = body[2:].split(b"\0", 2)[-1]  # language and translated keyword end in a zero each
    if not compressed:
        return text
    try:
        return zlib.decompressobj().decompress(text, _MOST_XMP)
    except zlib.error:
        return b""


def _jpeg(read: Read) -> Found:
    at = 2
    for _ in range(_MOST_PARTS):
        head = read(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):  # pixels, or the end: metadata comes before
            return
        if head[1] == 0xFF or head[1] == 0x01 or 0xD0 <= head[1] <= 0xD7:
            at += 1 if head[1] == 0xFF else 2
            continue
        length = int.from_bytes(head[2:], "big")
        if head[1] == 0xEB:  # JUMBF: "JP", numbers, then a superbox whose description says what it holds
            start = read(at + 4, 64)
            if start[:2] == b"JP" and b"jumb" in start and b"c2pa" in start:
                yield "c2pa", b""
        elif head[1] == 0xE1 and read(at + 4, 5) == b"http:":
            body = read(at + 4, length - 2)
            if body.startswith((APP1_XMP, _APP1_MORE)):
                yield "xmp", body
        at += 2 + max(length, 2)


def _webp(read: Read) -> Found:
    end, at = 8 + int.from_bytes(read(4, 4), "little"), 12
    for _ in range(_MOST_PARTS):
        head = read(at, 8)
        if len(head) < 8 or at >= end:
            return
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"C2PA":
            yield "c2pa", b""
        elif head[:4] == b"XMP ":
            yield "xmp", read(at + 8, min(length, _MOST_XMP))
        at += 8 + length + (length & 1)
