"""Full decode, thumbnail and perceptual hash of one image. Pillow is imported here and nowhere on a request's path."""

from __future__ import annotations

import io
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.store.faults import BadImage, explained
from promptlab.store.structure import MAX_PIXELS, inspect

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["THUMBNAIL_PX", "Decoded", "decode_and_thumbnail"]

THUMBNAIL_PX = 384

_FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
#: WebP's default effort is 4: three times the time of 1 for the same size.
_EFFORT, _QUALITY = 1, 80


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image that decodes to the last pixel. `perceptual_hash` is a 64-bit dHash as 16 hexadecimal digits."""

    perceptual_hash: str
    width: int
    height: int


def decode_and_thumbnail(
    path: str, target: str | None, size: int = THUMBNAIL_PX, *, max_pixels: int = MAX_PIXELS
) -> Decoded | BadImage:
    """Decode every pixel of `path`; write a WebP thumbnail of at most `size` px to `target`, if there is one.

    The thumbnail is upright and carries no metadata. What is wrong with the image is returned as BadImage;
    StoreError is raised if the file can't be read or the thumbnail can't be written. All of it pickles.
    """
    try:
        seen = inspect(Path(path), max_pixels=max_pixels)
        picture = _decode(path, _FORMATS[seen.format])
        if picture.size != (seen.width, seen.height):
            held = f"{picture.width} × {picture.height}"
            raise BadImage("damaged", f"the {seen.format} announces {seen.width} × {seen.height} pixels, but is {held}")
        small = _small(picture, size)
    except BadImage as bad:
        return bad
    if target is not None:
        _save(small, Path(target))
    return Decoded(_dhash(small), seen.width, seen.height)


def _decode(path: str, pillow_format: str) -> Image:
    """Every pixel, or BadImage. On hostile bytes Pillow raises nearly anything, and warns."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # `inspect` has already judged the size; any other warning is about metadata that is not kept.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=[pillow_format]) as picture:
                picture.load()
                return picture
    except MemoryError as error:
        raise BadImage("too_large", "the image does not fit into memory") from error
    except Exception as error:
        raise BadImage("damaged", f"the image cannot be decoded: {error or type(error).__name__}") from error


def _small(picture: Image, size: int) -> Image:
    """A copy of at most `size` px a side: upright, RGB or RGBA, without metadata."""
    from PIL import Image, ImageOps

    if picture.mode.startswith("I"):  # 16-bit grey: its conversion clips instead of scaling
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    upright = ImageOps.exif_transpose(picture)
    plain = upright.convert("RGBA" if has_alpha else "RGB")
    plain.thumbnail((size, size), Image.Resampling.BICUBIC, reducing_gap=1.1)
    plain.info = {}
    return plain


def _dhash(small: Image) -> str:
    """Is each of 8 × 8 places darker than its right neighbour? (dHash, N. Krawetz, "Kind of Like That", 2013.)"""
    from PIL import Image

    if small.mode == "RGBA":
        white = Image.new("RGBA", small.size, "white")
        white.alpha_composite(small)
        small = white
    grey = small.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            bits = bits << 1 | (grey[row * 9 + column] < grey[row * 9 + column + 1])
    return f"{bits:016x}"


def _save(small: Image, target: Path) -> None:
    """Write a thumbnail under its name in one step; it can be made again, so nothing waits for the disk."""
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=_QUALITY, method=_EFFORT)
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    with explained("write the thumbnail", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(encoded.getvalue())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
