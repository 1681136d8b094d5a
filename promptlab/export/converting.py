"""A picture in another format or a smaller size, as bytes. What needs neither is not decoded at all."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.errors import StoreError
from promptlab.store.formats import Format

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Conversion", "convert"]

_PILLOW = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is asked for: a format (None: as it is), the longest side in pixels, and 1 to 100 for jpg and webp."""

    format: Format | None = None
    max_size: int | None = None
    quality: int = 90

    def needed(self, format: str, width: int | None, height: int | None) -> bool:
        """Whether a picture has to be decoded for it."""
        larger = self.max_size is not None and max(width or 0, height or 0) > self.max_size
        return larger or (self.format is not None and self.format != format)

    def said(self, format: str) -> str:
        """In a few letters, so that the same conversion is recognised: `jpg 90 2000`."""
        return f"{self.format or format} {self.quality} {self.max_size or 'full'}"


def convert(data: bytes, format: str, wanted: Conversion, name: str) -> bytes:
    """The picture as asked for, upright, its colour profile kept; StoreError where it can't be decoded.

    A JPEG has no transparency: what is transparent becomes white.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps

    target = wanted.format or format
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the store has judged the size
            with Pillow.open(io.BytesIO(data), formats=[_PILLOW[format]]) as opened:
                profile = opened.info.get("icc_profile")
                picture = ImageOps.exif_transpose(opened)
        if wanted.max_size is not None and max(picture.size) > wanted.max_size:
            if picture.mode not in ("L", "RGB", "RGBA"):
                picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            picture.thumbnail((wanted.max_size, wanted.max_size), Pillow.Resampling.LANCZOS)
        if target == "jpg":
            picture = _opaque(picture)
        elif target == "webp" and picture.mode not in ("RGB", "RGBA"):
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        out = io.BytesIO()
        more: dict[str, object] = {} if target == "png" else {"quality": wanted.quality}
        picture.info = {}
        picture.save(out, _PILLOW[target], icc_profile=profile, **more)
    except MemoryError as error:
        raise StoreError(f"{name}: the image does not fit into memory") from error
    except Exception as error:  # on hostile bytes Pillow raises nearly anything
        raise StoreError(f"{name}: the image can't be converted: {error or type(error).__name__}") from error
    return out.getvalue()


def _opaque(picture: Image) -> Image:
    """On white, in a mode that a JPEG takes."""
    from PIL import Image as Pillow

    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Pillow.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        picture = white
    return picture if picture.mode in ("L", "RGB", "CMYK") else picture.convert("RGB")
