"""From an order to the bytes of an image file: the one door into this package."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from promptlab.simulator.pictures.compose import SIZES, Recipe, compose
from promptlab.simulator.pictures.edit import blend
from promptlab.simulator.pictures.encode import decode, encode, small
from promptlab.simulator.pictures.lettering import mark

__all__ = ["Source", "draw"]


@dataclass(frozen=True, slots=True)
class Source:
    """The source of an edit: its bytes, or the words to draw a stand-in from where it could not be fetched."""

    data: bytes | None
    words: str


def draw(
    recipe: Recipe, output_format: str, *, source: Source | None = None, strength: float = 0.8, fast: bool = False,
    fast_bytes: int = 0,
) -> bytes:  # fmt: skip
    """The image file of a recipe in `png`, `jpg` or `webp`; an edit when there is a source.

    ValueError when the source's bytes are not an image. With `fast`, a tiny prepared picture, padded to `fast_bytes`.
    """
    if fast:
        name = f"{recipe} {source} {strength if source else ''}"
        return small(name, SIZES[recipe.aspect_ratio], output_format, fast_bytes)
    picture = compose(recipe)
    if source is not None:
        picture = mark(blend(_source_picture(source, recipe), picture, strength, recipe.seed))
    return encode(picture, output_format)


def _source_picture(source: Source, recipe: Recipe) -> Image.Image:
    if source.data is not None:
        return decode(source.data)
    stand_in = Recipe(
        recipe.model, source.words, "blurry, watermark, text, low quality, distorted", recipe.aspect_ratio, 0, 0
    )
    return compose(stand_in)
