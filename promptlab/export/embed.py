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
from promptlab.export import chunks
from promptlab.store.formats import BadImage, Sniffed, sniff
from promptlab.store.labels import label_of

__all__ = ["Embedded", "embedded", "parameters_text"]

_KEYWORD: Final = b"parameters\0"
_EXIF: Final = b"Exif\0\0"
_PARTS: Final = {"jpg": chunks.jpeg_parts, "webp": chunks.webp_parts}


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
    if "c2pa" in label_of(data, seen.format):
        return Embedded(data, "it is signed (C2PA), and any change would break the signature")
    try:
        if seen.format == "png":
            return Embedded(chunks.in_png(data, *_png_text(text), _is_parameters))
        if any(map(_is_exif, _PARTS[seen.format](data))):
            return Embedded(data, "it has EXIF of its own, which stays as it is")
        exif = _exif(text, seen)
        if seen.format == "webp":
            return Embedded(chunks.in_webp(data, b"EXIF", exif, _is_exif))
        return Embedded(chunks.in_jpeg(data, 0xE1, _EXIF + exif, _is_exif))
    except ValueError as error:  # a structure that can't be followed, or a prompt that no segment holds
        return Embedded(data, str(error))


def _png_text(text: str) -> tuple[bytes, bytes]:
    """A text chunk (PNG section 11.3.3): tEXt where the text is Latin-1, else iTXt, as Pillow and the web UI write."""
    text = text.replace("\0", "")  # neither can hold it
    try:
        return b"tEXt", _KEYWORD + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", _KEYWORD + b"\0\0\0\0" + text.encode("utf-8", "replace")


def _is_parameters(part: chunks.Part) -> bool:
    return part.kind in (b"tEXt", b"iTXt", b"zTXt") and part.body.startswith(_KEYWORD)


def _is_exif(part: chunks.Part) -> bool:
    return part.kind == b"EXIF" or (part.kind == b"\xe1" and part.body.startswith(_EXIF))


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
