"""Scores of the pixels alone, with Pillow and without numpy. Each is of the image at its own size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from promptlab.scoring.scorer import ImageFile, ImageRow, Scorer
from promptlab.spec.score_checks import BUILT_IN_SCORES

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = [
    "Colourfulness", "Contrast", "EmptyBorder", "Sharpness", "colourfulness", "contrast", "empty_border",
    "sharpness",
]  # fmt: skip

#: How far a pixel may be from the colour of its side and still be border, of 255: what JPEG does to a plain area.
_PLAIN: Final = 12


def sharpness(picture: Picture) -> float:
    """Variance of the Laplacian of the grey levels (0 to 255), inside the outermost pixels; 0 is one flat colour.

    Pech-Pacheco, Cristóbal, Chamorro-Martínez and Fernández-Valdivia, "Diatom autofocusing in brightfield microscopy",
    ICPR 2000. Neighbours are the four beside a pixel. It grows with detail, grain and contrast, and shrinks when an
    image is enlarged: compare images of one size.
    """
    grey = picture.convert("L")
    width, height = grey.size
    if width < 3 or height < 3:
        return 0.0
    middle, *beside = (
        grey.crop((x, y, width - 2 + x, height - 2 + y)) for x, y in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    )
    laplacian = _calculated(
        lambda p: p["a"] + p["b"] + p["c"] + p["d"] - p["m"] * 4,
        m=middle, a=beside[0], b=beside[1], c=beside[2], d=beside[3],
    )  # fmt: skip
    return _variance(laplacian)


def contrast(picture: Picture) -> float:
    """Root mean square contrast: the standard deviation of the grey levels, as a share of full scale, 0 to 0.5.

    Peli, "Contrast in complex images", Journal of the Optical Society of America A 7, 1990.
    """
    return math.sqrt(_variance(_calculated(lambda p: p["grey"] + 0, grey=picture.convert("L")))) / 255


def colourfulness(picture: Picture) -> float:
    """The metric M3 of Hasler and Süsstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003.

    0 is grey; their observers called 15 slightly, 33 moderately, 45 averagely, 59 quite and 82 highly colourful.
    """
    red, green, blue = picture.convert("RGB").split()
    red_green = _calculated(lambda p: p["r"] - p["g"], r=red, g=green)
    twice_yellow_blue = _calculated(lambda p: p["r"] + p["g"] - p["b"] * 2, r=red, g=green, b=blue)
    spread = _variance(red_green) + _variance(twice_yellow_blue) / 4
    return math.sqrt(spread) + 0.3 * math.hypot(_mean(red_green), _mean(twice_yellow_blue) / 2)


def empty_border(picture: Picture) -> float:
    """The share of the area that plain rows and columns at the four sides take up, 0 to 1; 1 is one flat colour.

    A row or column is plain where no channel differs by more than 12 of 255 from the middle of its side. Bars that a
    model left beside the picture count, and so does the white around a product on white.
    """
    width, height = picture.size
    left = _box(picture, (0, height // 2))
    if left is None:
        return 1.0
    right = _box(picture, (width - 1, height // 2)) or left
    top = _box(picture, (width // 2, 0)) or left
    bottom = _box(picture, (width // 2, height - 1)) or left
    inner = max(0, right[2] - left[0]) * max(0, bottom[3] - top[1])
    return 1.0 - inner / (width * height)


def _box(picture: Picture, at: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The box of everything that differs from the colour at this place; None where nothing does."""
    from PIL import Image, ImageChops

    flat = Image.new("RGB", picture.size, picture.getpixel(at))
    distance = ImageChops.difference(picture, flat)
    return distance.point(lambda value: 255 if value > _PLAIN else 0).getbbox()


def _calculated(expression: Any, **pictures: Picture) -> Picture:
    """Arithmetic on the pixels of grey pictures, in 32-bit integers."""
    from PIL import ImageMath

    found: Picture = ImageMath.lambda_eval(expression, **pictures)
    return found


def _mean(numbers: Picture) -> float:
    """The mean of a picture of 32-bit integers: reduced to one pixel, which Pillow adds up in double precision."""
    from PIL import Image

    value: float = numbers.convert("F").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[assignment]
    return value


def _variance(numbers: Picture) -> float:
    mean = _mean(numbers)
    return max(0.0, _mean(_calculated(lambda p: p["n"] * p["n"], n=numbers)) - mean * mean)


class _OfPixels(Scorer):
    version = "1"

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, float]:
        """The one score that this measure gives."""
        return {self.name: self.measure(image.picture)}

    @staticmethod
    def measure(picture: Picture) -> float:
        """The measure itself."""
        raise NotImplementedError


class Sharpness(_OfPixels):
    """Variance of the Laplacian."""

    name: ClassVar[str] = "sharpness"
    scores: ClassVar[Mapping[str, str]] = {name: BUILT_IN_SCORES[name]}
    measure = staticmethod(sharpness)


class Contrast(_OfPixels):
    """Root mean square contrast."""

    name: ClassVar[str] = "contrast"
    scores: ClassVar[Mapping[str, str]] = {name: BUILT_IN_SCORES[name]}
    measure = staticmethod(contrast)


class Colourfulness(_OfPixels):
    """Hasler and Süsstrunk's M3."""

    name: ClassVar[str] = "colourfulness"
    scores: ClassVar[Mapping[str, str]] = {name: BUILT_IN_SCORES[name]}
    measure = staticmethod(colourfulness)


class EmptyBorder(_OfPixels):
    """Plain rows and columns at the sides."""

    name: ClassVar[str] = "empty_border"
    scores: ClassVar[Mapping[str, str]] = {name: BUILT_IN_SCORES[name]}
    measure = staticmethod(empty_border)
