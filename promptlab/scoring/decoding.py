"""An image's file as pixels that scorers agree on: RGB, upright, on white where it is transparent."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["decoded"]

_FORMATS: Final = ("PNG", "JPEG", "WEBP")


def decoded(data: bytes) -> Picture:
    """The pixels as RGB, upright, on white where transparent; ValueError for what Pillow can't decode."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, and sizes that the store has already judged
            with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
                picture = ImageOps.exif_transpose(file)
                if picture.mode.startswith("I"):  # 16-bit grey: convert() would clip instead of scaling
                    picture = picture.point(lambda value: value / 257.0).convert("L")
                if picture.has_transparency_data:
                    picture = picture.convert("RGBA")
                    white = Image.new("RGBA", picture.size, "white")
                    return Image.alpha_composite(white, picture).convert("RGB")
                return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"the image can't be decoded: {error}") from error
