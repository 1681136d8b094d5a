"""What things are made of: a material, a pattern or a condition over a drawn sprite."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.glyphs import Finish
from promptlab.simulator.pictures.paint import Lamp, Sprite, rim_of
from promptlab.simulator.pictures.palette import RGB, mix
from promptlab.simulator.pictures.rng import Dice

__all__ = ["MATERIALS", "Material", "dress", "material_of"]


@dataclass(frozen=True, slots=True)
class Material:
    """A material: the colour that it lends, how it takes the light, and its grain."""

    colour: str | None = None
    finish: Finish | None = None  # of all its shaded parts
    contrast: float = 1.0
    grain: str | None = None
    strength: float = 0.6
    clear: float = 0.0  # how far one looks through it
    sheen: float = 0.0  # bright edges
    rough: float = 0.0  # ragged edges
    bands: float = 0.0  # the room mirrored in it
    own: bool = False  # the sheen has its own colour, not the light's


MATERIALS = {name: Material(**row) for name, row in tables("materials")["materials"].items()}

_TILE = 96


@functools.lru_cache(maxsize=24)
def _tile(name: str) -> Image.Image:
    """One repeat of a drawn grain, grey around 128 (a pattern: white on black)."""
    tile = Image.new("L", (_TILE, _TILE), 128 if name in _GRAINS else 0)
    pen = ImageDraw.Draw(tile)
    draw = _GRAINS.get(name) or _PATTERNS[name]
    draw(pen)
    return tile


def _knit(pen: ImageDraw.ImageDraw) -> None:
    for x in range(0, _TILE, 24):
        for y in range(-16, _TILE, 16):
            pen.line((x, y, x + 11, y + 16), fill=206, width=8)
            pen.line((x + 23, y, x + 12, y + 16), fill=188, width=8)
        pen.line((x, 0, x, _TILE), fill=58, width=3)
        pen.line((x + 12, 0, x + 12, _TILE), fill=84, width=2)


def _weave(pen: ImageDraw.ImageDraw) -> None:
    for x in range(0, _TILE, 16):
        for y in range(0, _TILE, 16):
            light = (x // 16 + y // 16) % 2
            pen.rectangle((x + 1, y + 1, x + 14, y + 14), fill=176 if light else 104)
            if light:
                pen.line((x, y + 8, x + 15, y + 8), fill=206, width=3)
            else:
                pen.line((x + 8, y, x + 8, y + 15), fill=80, width=3)


def _twill(pen: ImageDraw.ImageDraw) -> None:
    for start in range(-_TILE, _TILE * 2, 8):
        pen.line((start, 0, start + _TILE, _TILE), fill=172, width=2)
        pen.line((start + 4, 0, start + 4 + _TILE, _TILE), fill=92, width=2)


def _lace(pen: ImageDraw.ImageDraw) -> None:
    for x in range(0, _TILE, 32):
        for y in range(0, _TILE, 32):
            pen.ellipse((x + 4, y + 4, x + 28, y + 28), outline=230, width=3)
            pen.ellipse((x + 11, y + 11, x + 21, y + 21), fill=50)
            pen.line((x, y, x + 32, y + 32), fill=200, width=2)


_GRAINS = {"knit": _knit, "weave": _weave, "twill": _twill, "lace": _lace}


def _stripes(pen: ImageDraw.ImageDraw) -> None:
    for x in range(0, _TILE, 48):
        pen.rectangle((x, 0, x + 22, _TILE), fill=255)


def _dots(pen: ImageDraw.ImageDraw) -> None:
    for x, y in ((24, 24), (72, 72)):
        pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill=255)


def _checks(pen: ImageDraw.ImageDraw) -> None:
    pen.rectangle((0, 0, _TILE, 30), fill=130)
    pen.rectangle((0, 0, 30, _TILE), fill=130)
    pen.rectangle((0, 0, 30, 30), fill=255)
    pen.line((64, 0, 64, _TILE), fill=170, width=3)
    pen.line((0, 64, _TILE, 64), fill=170, width=3)


def _flowers(pen: ImageDraw.ImageDraw) -> None:
    for x, y in ((26, 26), (72, 70)):
        for dx, dy in ((0, -12), (11, -4), (7, 9), (-7, 9), (-11, -4)):
            pen.ellipse((x + dx - 8, y + dy - 8, x + dx + 8, y + dy + 8), fill=255)
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=0)


def _zigzag(pen: ImageDraw.ImageDraw) -> None:
    for y in range(-8, _TILE, 32):
        pen.line((0, y, 24, y + 18, 48, y, 72, y + 18, 96, y), fill=255, width=10)


def _diamonds(pen: ImageDraw.ImageDraw) -> None:
    for x, y in ((24, 24), (72, 72)):
        pen.polygon([(x, y - 22), (x + 22, y), (x, y + 22), (x - 22, y)], outline=255, width=5)
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=255)


def _stars(pen: ImageDraw.ImageDraw) -> None:
    for x, y in ((24, 24), (72, 72)):
        pen.polygon([(x, y - 18), (x + 5, y - 5), (x + 18, y), (x + 5, y + 5), (x, y + 18), (x - 5, y + 5), (x - 18, y),
                     (x - 5, y - 5)], fill=255)  # fmt: skip


_PATTERNS = {
    "striped": _stripes, "dotted": _dots, "checked": _checks, "floral": _flowers, "zigzag": _zigzag,
    "patterned": _diamonds, "starry pattern": _stars,
}  # fmt: skip


@functools.lru_cache(maxsize=24)
def _field(name: str) -> Image.Image:
    """A grain or a pattern, 768 × 768, to be cut to size."""
    if name in _GRAINS or name in _PATTERNS:
        tile, sheet = _tile(name), Image.new("L", (768, 768))
        for x in range(0, 768, _TILE):
            for y in range(0, 768, _TILE):
                sheet.paste(tile, (x, y))
        return sheet
    dice = Dice("skin", name)
    size = (768, 768)
    if name == "hair":
        fine = textures.octaves(size, dice, ((200, 30), (120, 16)))
        return fine.point([max(0, min(255, round(128 + (i - 128) * 1.9))) for i in range(256)])
    if name == "nap":
        return textures.octaves(size, dice, ((9, 9), (160, 160)))
    if name == "pebble":
        bumps = textures.octaves(size, dice, ((110, 110), (60, 60)))
        return ImageChops.subtract(bumps, ImageChops.offset(bumps, 2, 2), 0.5, 128)
    if name == "veins":
        clouds = textures.octaves(size, dice, ((5, 5), (11, 11), (26, 26)))
        return clouds.point([round(152 - 96 * max(0.0, 1 - abs(i - 128) / 4)) for i in range(256)]).filter(
            ImageFilter.BoxBlur(1)
        )
    if name == "folds":
        waves = textures.octaves(size, dice, ((4, 7), (9, 5)))
        return ImageChops.subtract(waves, ImageChops.offset(waves, 14, 6), 0.35, 128)
    if name == "spots":
        field = textures.octaves(size, dice, ((12, 12), (40, 40)))
        return field.point([max(0, min(255, (i - 128) * 12)) for i in range(256)])
    if name == "cracks":
        field = textures.octaves(size, dice, ((7, 7), (19, 19), (44, 44)))
        return field.point([255 if abs(i - 128) < 3 else 0 for i in range(256)]).filter(ImageFilter.MaxFilter(3))
    return textures.texture(name, size, 0)


def _cut(name: str, size: tuple[int, int]) -> Image.Image:
    field = _field(name)
    scale = max(1.0, size[0] / 768, size[1] / 768)
    box = (0.0, 0.0, size[0] / scale, size[1] / scale)
    return field.crop(tuple(map(int, box))).resize(size, Image.Resampling.BILINEAR)  # type: ignore[arg-type]


def _grained(image: Image.Image, name: str, strength: float) -> Image.Image:
    grey = _cut(name, image.size).point([max(0, min(255, round(128 + (i - 128) * strength))) for i in range(256)])
    return ImageChops.overlay(image, Image.merge("RGB", (grey, grey, grey)))


def _banded(image: Image.Image, amount: float) -> Image.Image:
    """A room mirrored in polished metal: light, a dark horizon, light again."""
    stops = (150, 226, 240, 150, 40, 96, 190, 120)
    strip = Image.new("L", (1, len(stops)))
    strip.putdata(list(stops))
    bands = strip.resize((1, 256), Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BILINEAR)
    grey = bands.point([max(0, min(255, round(128 + (i - 128) * amount))) for i in range(256)])
    return ImageChops.overlay(image, Image.merge("RGB", (grey, grey, grey)))


def _ragged(alpha: Image.Image, amount: float) -> Image.Image:
    """An outline of hairs."""
    reach = max(2, min(alpha.size) // 40)
    soft = alpha.filter(ImageFilter.BoxBlur(reach))
    noise = _cut("hair", alpha.size)
    rough = ImageChops.add(
        soft, noise.point([round((i - 128) * amount * 1.3 + 128) & 255 for i in range(256)]), 1, -128
    )
    return rough.point([max(0, min(255, (i - 92) * 7)) for i in range(256)])


def _patterned(sprite: Sprite, pattern: str, colour: RGB, low: float) -> Image.Image:
    """The second colour where the pattern is, shaded like what is under it."""
    light = sprite.image.convert("L").point([min(255, round(i * 0.9 + 26)) for i in range(256)])
    second = ImageChops.overlay(Image.new("RGB", sprite.image.size, colour), Image.merge("RGB", (light, light, light)))
    mask = _cut(pattern, sprite.image.size)
    if low:  # people: the clothes only
        mask.paste(0, (0, 0, mask.width, round(mask.height * low)))
    return Image.composite(second, sprite.image, mask)


def _conditioned(sprite: Sprite, condition: str, lamp: Lamp) -> Sprite:
    image, alpha = sprite.image, sprite.alpha
    if condition == "rusty":
        rust = Image.new("RGB", image.size, (150, 74, 36))
        image = _grained(
            Image.composite(Image.blend(image, rust, 0.85), image, _cut("spots", image.size)), "concrete", 1.2
        )
    elif condition == "broken":
        image = Image.composite(Image.new("RGB", image.size, (26, 20, 24)), image, _cut("cracks", image.size))
    elif condition == "dirty":
        mud = Image.new("RGB", image.size, (92, 68, 44))
        image = Image.composite(Image.blend(image, mud, 0.75), image, _cut("spots", image.size))
    elif condition == "worn":
        pale = Image.blend(image, Image.new("RGB", image.size, (206, 190, 164)), 0.42)
        image = _grained(Image.composite(pale, image, _cut("spots", image.size)), "concrete", 1.1)
    elif condition == "shiny":
        image = _banded(image, 0.55)
    elif condition == "matte":
        image = Image.blend(image, image.reduce(8).resize(image.size, Image.Resampling.BICUBIC), 0.6)
        image = Image.blend(image, Image.new("RGB", image.size, (146, 142, 140)), 0.36)
    elif condition == "wet":
        image = _drops(_banded(image, 0.3))
    elif condition in ("glowing", "burning"):
        tone = (255, 244, 190) if condition == "glowing" else (255, 176, 84)
        image = ImageChops.screen(image, Image.new("RGB", image.size, mix(tone, (0, 0, 0), 0.3)))
    elif condition == "frosted over":
        image = Image.blend(image, Image.new("RGB", image.size, (240, 248, 255)), 0.5)
    elif condition == "new":
        image = image.point([max(0, min(255, round(128 + (i - 128) * 1.2 + 34))) for i in range(256)] * 3)
    elif condition in ("empty", "open", "ripe", "melting"):
        tones = {"empty": (30, 26, 34), "open": (255, 250, 236), "ripe": (236, 70, 50), "melting": (250, 220, 180)}
        image = Image.blend(image, Image.new("RGB", image.size, tones[condition]), 0.3)
    return replace(sprite, image=image, alpha=alpha)


def _drops(image: Image.Image) -> Image.Image:
    dice, mask = Dice("drops"), Image.new("L", image.size)
    pen, r0 = ImageDraw.Draw(mask), max(2, min(image.size) // 70)
    for _ in range(70):
        x, y, r = dice.unit() * image.width, dice.unit() * image.height, r0 * dice.between(0.5, 1.4)
        pen.ellipse((x - r, y - r * 1.3, x + r, y + r * 1.3), fill=190)
    lit = image.point([min(255, i + 96) for i in range(256)] * 3)
    return Image.composite(lit, image, mask)


def dress(
    sprite: Sprite, material: Material | None, pattern: str | None, conditions: tuple[str, ...], second: RGB,
    lamp: Lamp, person: bool,
) -> Sprite:  # fmt: skip
    """The sprite in its material, pattern and conditions."""
    image, alpha = sprite.image, sprite.alpha
    if material is not None:
        if material.bands:
            image = _banded(image, material.bands)
        if material.grain:
            image = _grained(image, material.grain, material.strength * 1.5)
        if material.sheen:
            reach = max(6, min(image.size) // 9)
            if material.own:
                lit = image.point([min(255, round(i * 1.5 + 42)) for i in range(256)] * 3)
                image = image.point([round(i * 0.86) for i in range(256)] * 3)
            else:
                light = Image.new("RGB", image.size, mix(lamp.key, (255, 255, 255), 0.35))
                lit = Image.blend(image, light, min(1.0, material.sheen * 0.75))
            image = Image.composite(lit, image, rim_of(alpha, reach))
        if material.rough:
            alpha = _ragged(alpha, material.rough)
            image = _spread(image, sprite.alpha)
        if material.clear:
            rim = rim_of(sprite.alpha, max(6, min(image.size) // 10))
            thin = alpha.point([round(i * (1 - material.clear)) for i in range(256)])
            alpha = ImageChops.lighter(thin, ImageChops.multiply(rim, alpha))
    sprite = replace(sprite, image=image, alpha=alpha)
    if pattern:
        sprite = replace(sprite, image=_patterned(sprite, pattern, second, 0.62 if person else 0.0))
    for condition in conditions[:3]:
        sprite = _conditioned(sprite, condition, lamp)
    return sprite


def _spread(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """Colour beyond the outline, for hairs to be drawn from."""
    small = image.reduce(6).filter(ImageFilter.MaxFilter(5)).resize(image.size, Image.Resampling.BILINEAR)
    return Image.composite(image, small, alpha)


def material_of(name: str | None, word: str) -> Material | None:
    """The material of a name; two words for one material differ a little in grain."""
    found = MATERIALS.get(name or "")
    if found is None or word == name:
        return found
    return replace(found, strength=found.strength * Dice("grain", word).between(0.8, 1.25))
