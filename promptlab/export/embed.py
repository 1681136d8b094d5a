"""The prompt inside a copy of its image, as AUTOMATIC1111's web UI writes it and many programs read it.

The text has the prompt, a line `Negative prompt: …`, and one line of `Key: value, …`. A PNG has it as the text
`parameters`, a JPEG or WebP as EXIF UserComment (`UNICODE`, UTF-16 big endian). Pixels are not touched. A signed file
(C2PA) stays as it is: any change would make its signature invalid.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from promptlab._version import __version__
from promptlab.store.chunks import (
    LARGEST_SEGMENT,
    jpeg_segments,
    jpeg_with,
    png_chunks,
    png_text,
    png_with,
    webp_chunks,
    webp_with,
)
from promptlab.store.formats import BadImage, Sniffed, sniff

__all__ = ["Embedded", "embedded", "is_signed", "parameters_text"]

_KEYWORD: Final = b"parameters\0"
_EXIF: Final = b"Exif\0\0"
_APP1, _APP11 = 0xE1, 0xEB


@dataclass(frozen=True, slots=True)
class Embedded:
    """A copy with its prompt in it; `why_not` where the bytes are the original's."""

    data: bytes
    why_not: str | None = None


def embedded(data: bytes, text: str) -> Embedded:
    """A copy of an image that says `text` as its parameters; pixels equal.

    The bytes as they are, with the reason, where the file is signed, is not an image, or has EXIF of its own.
    """
    seen = sniff(data)
    if isinstance(seen, BadImage):
        return Embedded(data, str(seen))
    if is_signed(data, seen):
        return Embedded(data, "it is signed (C2PA), and any change would break the signature")
    if seen.format == "png":
        return Embedded(png_with(data, [png_text("parameters", text)], _is_parameters))
    if _has_exif(data, seen):
        return Embedded(data, "it has EXIF of its own, which stays as it is")
    exif = _exif(text, seen)
    if seen.format == "webp":
        return Embedded(webp_with(data, b"EXIF", exif, (seen.width, seen.height)))
    if len(_EXIF + exif) > LARGEST_SEGMENT:
        return Embedded(data, "its prompt is too long for a JPEG's EXIF, which holds 64 KB")
    return Embedded(jpeg_with(data, _APP1, _EXIF + exif, lambda marker, payload: False))


def is_signed(data: bytes, seen: Sniffed) -> bool:
    """Whether the file carries C2PA content credentials (C2PA 2.1, section A.3: embedding manifests)."""
    if seen.format == "png":
        return any(kind == b"caBX" for kind, _ in png_chunks(data))
    if seen.format == "webp":
        return any(kind == b"C2PA" for kind, _ in webp_chunks(data))
    return any(marker == _APP11 and b"c2pa" in payload for marker, payload, _ in jpeg_segments(data))


def _is_parameters(kind: bytes, payload: bytes) -> bool:
    return kind in (b"tEXt", b"iTXt", b"zTXt") and payload.startswith(_KEYWORD)


def _has_exif(data: bytes, seen: Sniffed) -> bool:
    if seen.format == "webp":
        return any(kind == b"EXIF" for kind, _ in webp_chunks(data))
    return any(marker == _APP1 and payload.startswith(_EXIF) for marker, payload, _ in jpeg_segments(data))


# --- the text -----------------------------------------------------------------------------------------------------


def parameters_text(row: Mapping[str, Any]) -> str:
    """What is embedded, from a row of an export: prompt, negative prompt, and the parameters that the image had."""
    lines = [str(row["prompt"])]
    if row.get("negative_prompt"):
        lines.append(f"Negative prompt: {row['negative_prompt']}")
    pairs: dict[str, Any] = {"Seed": row.get("seed")}
    if row.get("width") and row.get("height"):
        pairs["Size"] = f"{row['width']}x{row['height']}"
    pairs |= {"Model": row.get("model"), "Denoising strength": row.get("strength"), "Variant": row.get("variant")}
    pairs |= {"Provider": row.get("provider"), "SIMULATED": "true" if row.get("simulated") else None}
    pairs["Version"] = f"promptlab {__version__}"
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value not in (None, "")))
    return "\n".join(lines)


def _quoted(value: object) -> str:
    """A value as the web UI quotes it: in JSON's quotes where it holds a comma, a colon or a line break."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ',:\n"') else text


# --- EXIF ---------------------------------------------------------------------------------------------------------

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7


def _exif(text: str, seen: Sniffed) -> bytes:
    """A TIFF structure, big endian, with the comment and the tags that Exif 2.32 asks of every file (section 4.6.8)."""
    comment = b"UNICODE\0" + text.replace("\0", "").encode("utf-16-be", "replace")
    main: dict[int, tuple[int, int, bytes]] = {
        0x011A: (_RATIONAL, 1, struct.pack(">II", 72, 1)),  # XResolution
        0x011B: (_RATIONAL, 1, struct.pack(">II", 72, 1)),  # YResolution
        0x0128: (_SHORT, 1, struct.pack(">H", 2)),  # ResolutionUnit: inches
    }
    if seen.format == "jpg":
        main[0x0213] = (_SHORT, 1, struct.pack(">H", 1))  # YCbCrPositioning: centred
    inner: dict[int, tuple[int, int, bytes]] = {
        0x9000: (_UNDEFINED, 4, b"0232"),  # ExifVersion
        0x9286: (_UNDEFINED, len(comment), comment),  # UserComment
        0xA000: (_UNDEFINED, 4, b"0100"),  # FlashpixVersion
        0xA001: (_SHORT, 1, struct.pack(">H", 1)),  # ColorSpace: sRGB
        0xA002: (_LONG, 1, struct.pack(">I", seen.width)),
        0xA003: (_LONG, 1, struct.pack(">I", seen.height)),
    }
    if seen.format == "jpg":
        inner[0x9101] = (_UNDEFINED, 4, b"\1\2\3\0")  # ComponentsConfiguration: Y Cb Cr
    main[0x8769] = (_LONG, 1, struct.pack(">I", 0))  # where the inner directory is: known below
    start = 8 + len(_directory(main, 8))
    main[0x8769] = (_LONG, 1, struct.pack(">I", start))
    return b"MM\0*" + struct.pack(">I", 8) + _directory(main, 8) + _directory(inner, start)


def _directory(tags: Mapping[int, tuple[int, int, bytes]], at: int) -> bytes:
    """An image file directory that begins at this offset, with the values that do not fit into it behind it."""
    head, values = [struct.pack(">H", len(tags))], b""
    free = at + 2 + 12 * len(tags) + 4
    for tag, (kind, count, value) in sorted(tags.items()):
        if len(value) <= 4:
            head.append(struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0"))
        else:
            head.append(struct.pack(">HHII", tag, kind, count, free + len(values)))
            values += value + b"\0" * (len(value) % 2)
    return b"".join(head) + struct.pack(">I", 0) + values
