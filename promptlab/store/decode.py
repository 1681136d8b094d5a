"""Full decode, perceptual hash and thumbnail of one image, in one pass; smaller copies. Pillow is imported here alone.

What it costs is nearly all Pillow's decode (`benchmarks/bench.py pictures`), so the rest follows what has been
measured: a JPEG is decoded at the scale the thumbnail needs (every coefficient is still read), everything else is
reduced by whole pixels before anything is converted, and a thumbnail is a JPEG (0.3 ms) where the picture is opaque,
since WebP at its least effort takes ten times as long for a file that is not much smaller.
"""

from __future__ import annotations

import io
import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.store.formats import BadImage, Format, Sniffed, sniff
from promptlab.store.local import Store, Thumbnail, explained

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["THUMBNAIL_PX", "Decoded", "Resized", "decode_file", "resized", "thumbnail_of"]

THUMBNAIL_PX = 384
#: A thumbnail that reducing by whole pixels makes at least this large is not resized as well: 1024 px become 342.
_LARGE_ENOUGH = 320
_LARGEST_PROFILE = 4096
_PILLOW = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image that decodes to the last pixel. `perceptual_hash` is a 64-bit dHash as 16 hexadecimal digits."""

    perceptual_hash: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Resized:
    """A copy of an image for a page: upright, without metadata; a JPEG, or a WebP where something is transparent."""

    format: Format
    data: bytes
    width: int
    height: int


def resized(data: bytes, side: int, quality: int) -> Resized | BadImage:
    """A copy of at most `side` pixels a side, at Pillow's `quality` (0 to 95); the same bytes each time."""
    from PIL import Image

    seen = sniff(data)
    if isinstance(seen, BadImage):
        return seen
    try:
        picture = pixels(data, seen, side)
    except BadImage as bad:
        return bad
    profile = picture.info.get("icc_profile") if picture.mode in ("L", "RGB", "RGBA") else None
    picture = _without_idle_alpha(_in_plain_mode(picture))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    picture.info = {}
    # Colours of a wide gamut are wrong without their profile; one of many kilobytes costs more than it shows.
    kept = {"icc_profile": profile} if profile and len(profile) <= _LARGEST_PROFILE else {}
    encoded = io.BytesIO()
    if picture.mode == "RGBA":
        picture.save(encoded, "WEBP", quality=quality, method=4, **kept)
        return Resized("webp", encoded.getvalue(), *picture.size)
    picture.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True, **kept)
    return Resized("jpg", encoded.getvalue(), *picture.size)


def decode_file(path: Path, thumbnail: Path | None) -> Decoded | BadImage:
    """Decode every pixel of a file and write a thumbnail (without its suffix: jpg or webp), if a path is given.

    StoreError if the file can't be read or the thumbnail can't be written.
    """
    with explained("read the image", path):
        data = path.read_bytes()
    try:
        found, small = _decode(data)
    except BadImage as bad:
        return bad
    if thumbnail is not None:
        _save(small, thumbnail)
    return found


def thumbnail_of(store: Store, sha256: str) -> Thumbnail | None:
    """The thumbnail of a content, made here and now where there is none; None where the content is not an image."""
    made = store.thumbnail(sha256)
    if made is None and isinstance(decode_file(store.local_copy(sha256), store.thumbnail_stem(sha256)), Decoded):
        made = store.thumbnail(sha256)
    return made


def _decode(data: bytes) -> tuple[Decoded, Image]:
    """Decode every pixel; the picture small and upright, without metadata. BadImage says what is wrong with it."""
    seen = sniff(data)
    if isinstance(seen, BadImage):
        raise seen
    small = _small(pixels(data, seen, 2 * THUMBNAIL_PX))
    return Decoded(_dhash(small), seen.width, seen.height), small


def pixels(data: bytes, seen: Sniffed, enough: int) -> Image:
    """Every pixel, upright, or BadImage. On hostile bytes Pillow raises nearly anything, and warns.

    A JPEG may come scaled down, with its longer side at least `enough` pixels.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # `sniff` has already judged the size; any other warning is about metadata that is not kept.
            warnings.simplefilter("ignore")
            formats = [_PILLOW[seen.format]]
            if seen.format == "png":  # its checksums: 0.4 ms, and `load` leaves the last one out
                Image.open(io.BytesIO(data), formats=formats).verify()
            with Image.open(io.BytesIO(data), formats=formats) as picture:
                if picture.size != (seen.width, seen.height):
                    held = f"{picture.width} × {picture.height}"
                    announced = f"the {seen.format} announces {seen.width} × {seen.height} pixels"
                    raise BadImage("damaged", f"{announced}, but is {held}")
                # Twice what is needed, so that what follows is a cheap reduction and not a resize.
                scale = min(1.0, enough / max(picture.size))
                picture.draft(None, (round(picture.width * scale), round(picture.height * scale)))
                picture.load()
                ImageOps.exif_transpose(picture, in_place=True)  # not in place it copies what is upright, too
                return picture
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage("too_large", "the image does not fit into memory") from error
    except Exception as error:
        raise BadImage("damaged", f"the image cannot be decoded: {error or type(error).__name__}") from error


def _small(picture: Image) -> Image:
    """A copy of at most `THUMBNAIL_PX` a side: L, RGB, or RGBA where something is transparent."""
    from PIL import Image

    picture = _in_plain_mode(picture)
    side = max(picture.size)
    factor = -(-side // THUMBNAIL_PX)
    if side / factor >= _LARGE_ENOUGH or factor == 1:
        small = picture.reduce(factor)
    else:
        small = picture
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BICUBIC, reducing_gap=1.1)
    small = _without_idle_alpha(small)
    small.info = {}
    return small


def _in_plain_mode(picture: Image) -> Image:
    """L, RGB or RGBA."""
    if picture.mode.startswith("I"):  # 16-bit grey: its conversion clips instead of scaling
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    if picture.mode not in ("L", "RGB", "RGBA") or (has_alpha and picture.mode != "RGBA"):
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    return picture


def _without_idle_alpha(picture: Image) -> Image:
    """RGB where nothing is transparent."""
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
        return picture.convert("RGB")
    return picture


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
    if small.mode == "RGBA":
        small.save(encoded, "WEBP", quality=80, method=0)
    else:
        small.save(encoded, "JPEG", quality=80)
    target = target.with_suffix(".webp" if small.mode == "RGBA" else ".jpg")
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    with explained("write the thumbnail", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(encoded.getvalue())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
