"""Grounds with a grain to them: linen, wood, marble, concrete and the rest, as grey maps around 128, made once."""

from __future__ import annotations

import functools

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.palette import RGB
from promptlab.simulator.pictures.rng import Dice

__all__ = ["GROUND_COLOURS", "grain", "octaves", "paper", "texture"]


#: Ground → its own far and near colour.
GROUND_COLOURS: dict[str, tuple[RGB, RGB]] = tables("palette")["grounds"]


def octaves(size: tuple[int, int], dice: Dice, cells: tuple[tuple[int, int], ...]) -> Image.Image:
    """Smooth noise: seeded bytes at each grid size, blown up and averaged, finer grids counting less."""
    total: Image.Image | None = None
    weight = 0.5
    for wide, high in cells:
        layer = Image.frombytes("L", (wide, high), dice.bytes(wide * high)).resize(size, Image.Resampling.BICUBIC)
        total = layer if total is None else Image.blend(total, layer, weight)
        weight *= 0.72
    assert total is not None
    return total


def _flatten(image: Image.Image, amount: float) -> Image.Image:
    """Pull towards 128 so that only `amount` of the swing is left."""
    return image.point([round(128 + (i - 128) * amount) for i in range(256)])


def _linen(size: tuple[int, int], dice: Dice) -> Image.Image:
    across = Image.frombytes("L", (size[0] // 3, size[1]), dice.bytes(size[0] // 3 * size[1]))
    across = across.filter(ImageFilter.BoxBlur((9, 0))).resize(size, Image.Resampling.BILINEAR)
    down = Image.frombytes("L", (size[0], size[1] // 3), dice.bytes(size[0] * (size[1] // 3)))
    down = down.filter(ImageFilter.BoxBlur((0, 9))).resize(size, Image.Resampling.BILINEAR)
    folds = octaves(size, dice, ((5, 2), (9, 3)))
    return Image.blend(_flatten(Image.blend(across, down, 0.5), 1.5), _flatten(folds, 0.5), 0.4)


def _wood(size: tuple[int, int], dice: Dice) -> Image.Image:
    streaks = octaves(size, dice, ((4, 60), (9, 160), (40, 240)))
    image = _flatten(streaks, 0.75)
    pen = ImageDraw.Draw(image)
    for edge in (0.0, 0.12, 0.31, 0.6):  # planks widen towards the viewer
        y = round(edge * size[1])
        pen.line((0, y, size[0], y), fill=70, width=3)
        pen.line((0, y + 3, size[0], y + 3), fill=160, width=1)
    return image


def _marble(size: tuple[int, int], dice: Dice) -> Image.Image:
    field = octaves(size, dice, ((6, 3), (14, 7), (30, 16), (70, 40)))
    veins = field.point([round(128 + 14 - 74 * max(0.0, 1 - abs(i - 128) / 5)) for i in range(256)])
    clouds = _flatten(octaves(size, dice, ((4, 3), (9, 6))), 0.22)
    return Image.blend(veins.filter(ImageFilter.GaussianBlur(0.8)), clouds, 0.4)


def _concrete(size: tuple[int, int], dice: Dice) -> Image.Image:
    specks = _flatten(octaves(size, dice, ((size[0] // 3, size[1] // 3),)), 0.22)
    return Image.blend(specks, _flatten(octaves(size, dice, ((6, 3), (18, 9), (40, 20))), 0.5), 0.5)


def _sand(size: tuple[int, int], dice: Dice) -> Image.Image:
    ripples = octaves(size, dice, ((3, 26), (8, 44)))
    return Image.blend(
        _flatten(ripples, 0.55), _flatten(octaves(size, dice, ((size[0] // 3, size[1] // 3),)), 0.3), 0.4
    )


def _grass(size: tuple[int, int], dice: Dice) -> Image.Image:
    blades = Image.frombytes("L", (size[0] // 4, size[1] // 14), dice.bytes(size[0] // 4 * (size[1] // 14)))
    return Image.blend(
        _flatten(blades.resize(size, Image.Resampling.BICUBIC), 0.4), octaves(size, dice, ((7, 4),)), 0.3
    )


def _tile(size: tuple[int, int], dice: Dice) -> Image.Image:
    image = _flatten(octaves(size, dice, ((12, 5),)), 0.15)
    pen = ImageDraw.Draw(image)
    y, step = 0.0, size[1] * 0.07
    while y < size[1]:
        pen.line((0, round(y), size[0], round(y)), fill=92, width=3)
        y, step = y + step, step * 1.45
    for index in range(-14, 15):
        middle = size[0] / 2
        pen.line((round(middle + index * 90), 0, round(middle + index * 260), size[1]), fill=92, width=3)
    return image


def _brick(size: tuple[int, int], dice: Dice) -> Image.Image:
    image = _flatten(octaves(size, dice, ((size[0] // 4, size[1] // 4), (30, 20))), 0.5)
    pen, high = ImageDraw.Draw(image), max(18, size[1] // 14)
    for row in range(size[1] // high + 1):
        for column in range(-1, size[0] // (high * 2) + 1):
            x, y = column * high * 2 + (row % 2) * high, row * high
            tone = round(dice.between(104, 150))
            box = (max(0, x + 3), y + 3, min(size[0], x + high * 2 - 3), min(size[1], y + high - 3))
            if box[2] > box[0] and box[3] > box[1]:
                image.paste(tone, box, Image.new("L", (box[2] - box[0], box[3] - box[1]), 120))
        pen.line((0, row * high, size[0], row * high), fill=206, width=5)
        for x in range((row % 2) * high, size[0], high * 2):
            pen.line((x, row * high, x, row * high + high), fill=206, width=5)
    return image


_MAKERS = {
    "linen": _linen, "wood": _wood, "marble": _marble, "concrete": _concrete, "sand": _sand, "grass": _grass,
    "snow": _sand, "tile": _tile, "brick": _brick,
}  # fmt: skip


@functools.lru_cache(maxsize=24)
def texture(name: str, size: tuple[int, int], version: int) -> Image.Image:
    """A ground's grey map: 128 leaves its colour, less darkens, more lightens. `version` is one of a few by seed."""
    return _MAKERS[name](size, Dice("texture", name, version))


@functools.lru_cache(maxsize=6)
def grain(size: tuple[int, int], version: int) -> Image.Image:
    """Photographic grain around 128, a little clumped."""
    dice = Dice("grain", version)
    half = (size[0] * 2 // 3, size[1] * 2 // 3)
    return Image.frombytes("L", half, dice.bytes(half[0] * half[1])).resize(size, Image.Resampling.BILINEAR)


@functools.lru_cache(maxsize=4)
def paper(size: tuple[int, int]) -> Image.Image:
    """Cold-pressed paper, near white."""
    bumps = octaves(size, Dice("paper"), ((size[0] // 3, size[1] // 3), (size[0] // 7, size[1] // 7)))
    lit = ImageChops.subtract(bumps, ImageChops.offset(bumps, 1, 1), 2.0, 128)
    return lit.point([max(222, min(255, round(247 + (i - 128) * 0.42))) for i in range(256)])
