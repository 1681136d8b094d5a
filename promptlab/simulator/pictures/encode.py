"""Pixels to bytes and the other way: deterministic files, and small prepared ones for load tests."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from promptlab.simulator.pictures.rng import Dice, digest

__all__ = ["decode", "encode", "pad", "small"]

_MAX_SOURCE_PIXELS = 40_000_000
_RLE = 3  # zlib's run-length strategy: faster and smaller here, and the same bytes from every zlib


def encode(image: Image.Image, output_format: str) -> bytes:
    """A complete file of the format `png`, `jpg` or `webp`."""
    stream = io.BytesIO()
    if output_format == "png":
        image.save(stream, "PNG", compress_level=1, compress_type=_RLE)
    elif output_format == "jpg":
        image.save(stream, "JPEG", quality=90)
    else:
        image.save(stream, "WEBP", quality=86, method=0)
    return stream.getvalue()


def decode(data: bytes) -> Image.Image:
    """A source image as RGB, or ValueError saying what is wrong with it."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            if image.width * image.height > _MAX_SOURCE_PIXELS:
                raise ValueError(f"the source image has {image.width}x{image.height} pixels, too many")
            if image.mode in ("RGBA", "LA", "P", "PA"):
                over = image.convert("RGBA")
                sheet = Image.new("RGB", over.size, (255, 255, 255))
                sheet.paste(over, (0, 0), over.getchannel("A"))
                return sheet
            return image.convert("RGB")
    except (OSError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError("the source image is not a readable PNG, JPEG, WebP or GIF") from error


def small(name: str, size: tuple[int, int], output_format: str, target: int = 0) -> bytes:
    """A tiny picture unique to `name`, padded to about `target` bytes: well under a millisecond."""
    unique = digest("small", name)
    cells = Image.frombytes("RGB", (3, 3), unique[:27])
    longest = max(size)
    image = cells.resize((max(8, 64 * size[0] // longest), max(8, 64 * size[1] // longest)), Image.Resampling.NEAREST)
    data = encode(image, output_format)
    return pad(data, output_format, target, name) if target > len(data) else data


def pad(data: bytes, output_format: str, target: int, name: str) -> bytes:
    """The same picture in a file of `target` bytes (or a few more): noise in a place that decoders skip."""
    extra = target - len(data)
    if output_format == "png":
        noise = Dice("pad", name).bytes(max(0, extra - 12))
        chunk = b"plAb" + noise
        return data[:-12] + struct.pack(">I", len(noise)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[-12:]
    if output_format == "jpg":
        noise, segments = Dice("pad", name).bytes(max(0, extra)), []
        for start in range(0, len(noise), 65_529):
            piece = noise[start : start + 65_529]
            segments.append(b"\xff\xfe" + struct.pack(">H", len(piece) + 2) + piece)
        return data[:2] + b"".join(segments) + data[2:]
    return _pad_webp(data, Dice("pad", name).bytes(max(0, extra - 26) & ~1))


def _pad_webp(data: bytes, noise: bytes) -> bytes:
    """An extended WebP (RFC 9649): a VP8X header, the image as it was, and a chunk of an unknown kind."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    header = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = (
        b"WEBP" + b"VP8X" + struct.pack("<I", 10) + header + data[12:] + b"plab" + struct.pack("<I", len(noise)) + noise
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body
