"""The last steps of a picture: grade, style, grain, and the flaws that were not ruled out."""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from promptlab.simulator.pictures import lettering, textures
from promptlab.simulator.pictures.handmade import wobbled
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.palette import RGB
from promptlab.simulator.pictures.prompt_reader import PromptReading
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.styles import STYLES

__all__ = ["FLAW_RATE", "finish", "flaws_of"]


#: How often each flaw shows where the negative prompt does not rule it out.
FLAW_RATE = {"blur": 0.015, "watermark": 0.015, "garble": 0.01, "blocks": 0.015, "warp": 0.01}


@functools.lru_cache(maxsize=64)
def _curve(gain: RGB, lift: RGB) -> tuple[int, ...]:
    return tuple(
        round(low + i / 255 * (max(high, 0) - low * high / 255))
        for low, high in zip(lift, gain, strict=True)
        for i in range(256)
    )


@functools.lru_cache(maxsize=16)
def _vignette(size: tuple[int, int], strength: float) -> Image.Image:
    table = [round(255 * (1 - strength * max(0.0, (i - 96) / 159) ** 1.5)) for i in range(256)]
    grey = Image.radial_gradient("L").resize((128, 128)).point(table).resize(size, Image.Resampling.BICUBIC)
    return Image.merge("RGB", (grey, grey, grey))


def _grade(image: Image.Image, look: Look) -> Image.Image:
    if look.gain != (255, 255, 255) or look.lift != (0, 0, 0):
        image = image.point(_curve(look.gain, look.lift))
    if look.saturation != 1.0:
        image = ImageEnhance.Color(image).enhance(look.saturation)
    if look.vignette:
        image = ImageChops.multiply(image, _vignette(image.size, look.vignette))
    return image


def _grain(image: Image.Image, amount: float, version: int) -> Image.Image:
    grey = textures.grain(image.size, version).point([round(128 + (i - 128) * amount * 2.2) for i in range(256)])
    return ImageChops.overlay(image, Image.merge("RGB", (grey, grey, grey)))


def flaws_of(reading: PromptReading, seed: int, position: int) -> list[str]:
    """Which flaws this picture has: the same for every prompt with this seed, each ruled out by itself."""
    return [
        name
        for name, rate in FLAW_RATE.items()
        if name not in reading.calm and Dice("flaw", name, seed, position).chance(rate)
    ]


def _spoil(image: Image.Image, flaw: str, dice: Dice) -> Image.Image:
    if flaw == "blur":
        return image.reduce(4).filter(ImageFilter.GaussianBlur(2.2)).resize(image.size, Image.Resampling.BICUBIC)
    if flaw == "watermark":
        return lettering.watermark(image, dice)
    if flaw == "garble":
        return lettering.garble(image, dice)
    if flaw == "warp":
        return wobbled(image, dice, 6, round(image.width * 0.05))
    small = image.reduce(2)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=7)
    with Image.open(stream) as bad:
        return bad.convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def _aired(image: Image.Image, overlays: tuple[str, ...]) -> Image.Image:
    """The last of what words ask for, apart from shapes: paper, crispness, roughness."""
    if "paper" in overlays:
        sheet = textures.paper(image.size)
        image = ImageChops.multiply(
            image, Image.merge("RGB", (sheet, sheet, sheet.point([round(i * 0.93) for i in range(256)])))
        )
    if "crisp" in overlays:
        image = image.filter(ImageFilter.UnsharpMask(1.6, 110, 2))
    if "rough" in overlays:
        image = _grain(
            image.reduce(2).filter(ImageFilter.BoxBlur(1)).resize(image.size, Image.Resampling.BILINEAR), 0.2, 0
        )
    return image


def finish(
    image: Image.Image, look: Look, reading: PromptReading, seed: int, position: int, *, shapes: Image.Image
) -> Image.Image:
    """Grade, style, grain and flaws."""
    image = _grade(image, look)
    image = _aired(image, look.overlays)
    dice = Dice("finish", seed, position)
    if style := STYLES.get(look.treatment or ""):
        image = style(image, dice, shapes)
    if look.grain:
        image = _grain(image, look.grain, int(dice.unit() * 3))
    for flaw in flaws_of(reading, seed, position):
        image = _spoil(image, flaw, Dice("spoil", flaw, seed, position))
    return image
