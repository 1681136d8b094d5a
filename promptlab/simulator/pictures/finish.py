"""The last steps of a picture: grade, style, grain, the flaws nobody ruled out, and the mark."""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from promptlab.simulator.pictures import lettering, textures
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.palette import RGB
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.words import Reading

__all__ = ["FLAW_RATE", "finish", "flaws_of"]

#: How often each flaw shows where the negative prompt does not rule it out.
FLAW_RATE = {"blur": 0.14, "watermark": 0.13, "garble": 0.1, "blocks": 0.12, "warp": 0.08}


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


def _edges(image: Image.Image) -> Image.Image:
    """Outlines, bright on black."""
    grey = image.convert("L")
    grey = grey.filter(ImageFilter.BoxBlur(1))
    moved = (ImageChops.offset(grey, 2, 0), ImageChops.offset(grey, 0, 2))
    return ImageChops.lighter(ImageChops.difference(grey, moved[0]), ImageChops.difference(grey, moved[1]))


def _watercolour(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Washes that run a little, pigment pooled at the edges, white paper left around."""
    half = _wobbled(image.reduce(2), dice, 16, 3)  # washes are soft: half the size is enough, at a quarter of the cost
    small = half.reduce(2).filter(ImageFilter.MedianFilter(5))
    wash = Image.blend(small.resize(half.size, Image.Resampling.BICUBIC), half, 0.35)
    wash = wash.point([min(255, round(i * 0.88 + 36)) for i in range(256)] * 3)
    line = _edges(small).resize(half.size, Image.Resampling.BILINEAR).point([255 - min(130, i * 4) for i in range(256)])
    washed = ImageChops.multiply(
        wash, Image.merge("RGB", (line, line, line.point([min(255, i + 14) for i in range(256)])))
    )
    bloom = textures.octaves((half.width // 2, half.height // 2), dice, ((7, 7), (16, 16), (40, 40)))
    runs = bloom.point([max(0, min(150, round((i - 118) * 2.4))) for i in range(256)]).resize(half.size)
    spared = shapes.reduce(2).point([255 - round(i * 0.6) for i in range(256)])
    washed.paste((255, 253, 247), (0, 0), ImageChops.multiply(runs, spared))
    sheet = Image.new("RGB", half.size, (252, 249, 241))
    out = Image.composite(washed, sheet, _paper_edge(half.size, dice)).resize(image.size, Image.Resampling.BICUBIC)
    grey = textures.paper(image.size)
    return ImageChops.multiply(out, Image.merge("RGB", (grey, grey, grey)))


def _paper_edge(size: tuple[int, int], dice: Dice) -> Image.Image:
    """White where the brush did not reach: a ragged border."""
    inner = Image.new("L", (size[0] // 8, size[1] // 8))
    ImageDraw.Draw(inner).rectangle((3, 3, inner.width - 4, inner.height - 4), fill=255)
    soft = inner.filter(ImageFilter.BoxBlur(2))
    rough = textures.octaves(inner.size, dice, ((9, 9), (24, 24), (60, 60)))
    ragged = ImageChops.add(soft, rough, 1, -128).point([max(0, min(255, (i - 105) * 9)) for i in range(256)])
    return ragged.resize(size, Image.Resampling.BICUBIC)


def _wobbled(image: Image.Image, dice: Dice, cells: int, reach: int) -> Image.Image:
    """Push a mesh of cells about by a few pixels."""
    width, height = image.size
    xs = [round(width * i / cells) for i in range(cells + 1)]
    ys = [round(height * i / cells) for i in range(cells + 1)]
    move = {(x, y): (dice.between(-reach, reach), dice.between(-reach, reach)) for x in xs for y in ys}

    def at(x: int, y: int) -> tuple[float, float]:
        if x in (0, width) or y in (0, height):
            return x, y
        dx, dy = move[(x, y)]
        return x + dx, y + dy

    mesh = [
        ((x0, y0, x1, y1), (*at(x0, y0), *at(x0, y1), *at(x1, y1), *at(x1, y0)))
        for x0, x1 in itertools.pairwise(xs)
        for y0, y1 in itertools.pairwise(ys)
    ]
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _ink(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Outlines and two directions of hatching on paper."""
    grey = ImageEnhance.Contrast(image.convert("L")).enhance(1.2)
    outline = _edges(image).point([255 - min(255, max(0, i - 5) * 14) for i in range(256)])
    sheet = Image.new("L", image.size, 255)
    for level, slope in ((116, 1), (72, -1)):
        strokes = _hatching(image.size, slope, dice)
        dark = grey.point([255 if i < level else 0 for i in range(256)]).filter(ImageFilter.BoxBlur(1))
        sheet.paste(ImageChops.darker(sheet, strokes), (0, 0), dark)
    wash = grey.point([round(206 + i * 0.2) for i in range(256)])
    drawn = ImageChops.multiply(ImageChops.multiply(sheet, outline), wash)
    tinted = Image.merge(
        "RGB",
        [
            drawn.point([round(low + i / 255 * (high - low)) for i in range(256)])
            for low, high in ((38, 250), (36, 244), (52, 230))
        ],
    )
    paper = textures.paper(image.size)
    return ImageChops.multiply(tinted, Image.merge("RGB", (paper, paper, paper)))


def _hatching(size: tuple[int, int], slope: int, dice: Dice) -> Image.Image:
    lines = Image.new("L", size, 255)
    pen = ImageDraw.Draw(lines)
    for start in range(-size[1], size[0] + size[1], 11):
        shift = round(dice.between(-2, 2))
        pen.line((start + shift, 0, start + slope * size[1], size[1]), fill=72, width=2)
    return lines


def _oil(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Thick strokes: patches of one colour with lit ridges."""
    half = _wobbled(image.reduce(3), dice, 30, 2)
    patches = half.filter(ImageFilter.MedianFilter(5)).resize(image.size, Image.Resampling.BICUBIC)
    patches = Image.blend(patches, image, 0.25)
    bristle = Image.frombytes(
        "L", (image.width // 16, image.height // 4), dice.bytes(image.width // 16 * (image.height // 4))
    )
    edge = max(image.size) * 3 // 2
    turned = bristle.resize((edge, edge), Image.Resampling.BILINEAR).rotate(dice.pick((-24, -14, 18, 26)))
    left, top = (edge - image.width) // 2, (edge - image.height) // 2
    ridges = turned.crop((left, top, left + image.width, top + image.height))
    relief = ImageChops.subtract(ridges, ImageChops.offset(ridges, 2, 3), 3.6, 128)
    return ImageChops.overlay(patches, Image.merge("RGB", (relief, relief, relief)))


def _poster(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Few flat inks with clean edges."""
    half = image.reduce(2)
    inks = half.quantize(14, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    return inks.resize(image.size, Image.Resampling.BICUBIC).point(
        [max(0, min(255, (i - 8) * 256 // 240)) for i in range(256)] * 3
    )


def _riso(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Two inks in dots, not quite in register."""
    inks = dice.pick(
        (((255, 92, 96), (34, 92, 158)), ((255, 142, 58), (22, 120, 116)), ((244, 84, 150), (58, 70, 160)))
    )
    red, _, blue = image.split()
    sheet = Image.new("RGB", image.size, (246, 240, 226))
    for channel, ink, shift in ((blue, inks[0], 4), (red, inks[1], -3)):
        screen = _dots(image.size, 9 if shift > 0 else 10)
        dots = ImageChops.add(ImageChops.invert(channel), screen, 1, -128).point(
            [max(0, min(255, (i - 108) * 12)) for i in range(256)]
        )
        layer = Image.composite(
            Image.new("RGB", image.size, ink),
            Image.new("RGB", image.size, (255, 255, 255)),
            ImageChops.offset(dots, shift, shift),
        )
        sheet = ImageChops.multiply(sheet, layer)
    return sheet


@functools.lru_cache(maxsize=8)
def _dots(size: tuple[int, int], cell: int) -> Image.Image:
    dot = ImageChops.invert(Image.radial_gradient("L")).resize((cell, cell), Image.Resampling.BILINEAR)
    sheet = Image.new("L", size)
    row = Image.new("L", (size[0], cell))
    for x in range(0, size[0], cell):
        row.paste(dot, (x, 0))
    for index, y in enumerate(range(0, size[1], cell)):
        sheet.paste(ImageChops.offset(row, (index % 2) * (cell // 2), 0), (0, y))
    return sheet


def _pixel(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    small = image.reduce(10).quantize(24, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return small.convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def _leak(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Film: a warm light leak from one edge."""
    leak = Image.new("RGB", (64, 64))
    x = dice.pick((-6, 70))
    ImageDraw.Draw(leak).ellipse((x - 16, dice.between(-10, 30), x + 16, dice.between(40, 80)), fill=(216, 92, 34))
    soft = leak.filter(ImageFilter.GaussianBlur(7)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(image, soft)


_STYLES: dict[str, Callable[[Image.Image, Dice, Image.Image], Image.Image]] = {
    "watercolour": _watercolour, "ink": _ink, "oil": _oil, "poster": _poster, "riso": _riso, "pixel": _pixel,
    "film": _leak,
}  # fmt: skip


def _grain(image: Image.Image, amount: float, version: int) -> Image.Image:
    grey = textures.grain(image.size, version).point([round(128 + (i - 128) * amount * 2.2) for i in range(256)])
    return ImageChops.overlay(image, Image.merge("RGB", (grey, grey, grey)))


def flaws_of(reading: Reading, seed: int, position: int, prompt: str) -> list[str]:
    """Which flaws this picture has: each its own roll, so that ruling one out changes nothing else."""
    return [
        name
        for name, rate in FLAW_RATE.items()
        if name not in reading.calm and Dice("flaw", name, seed, position, prompt).chance(rate)
    ]


def _spoil(image: Image.Image, flaw: str, dice: Dice) -> Image.Image:
    if flaw == "blur":
        return image.reduce(4).filter(ImageFilter.GaussianBlur(2.2)).resize(image.size, Image.Resampling.BICUBIC)
    if flaw == "watermark":
        return lettering.watermark(image, dice)
    if flaw == "garble":
        return lettering.garble(image, dice)
    if flaw == "warp":
        return _wobbled(image, dice, 6, round(image.width * 0.05))
    small = image.reduce(2)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=7)
    with Image.open(stream) as bad:
        return bad.convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def finish(
    image: Image.Image, look: Look, reading: Reading, seed: int, position: int, prompt: str, *, shapes: Image.Image
) -> Image.Image:
    """Grade, style, grain, flaws and the mark."""
    image = _grade(image, look)
    dice = Dice("finish", seed, position)
    if style := _STYLES.get(look.treatment or ""):
        image = style(image, dice, shapes)
    if look.grain:
        image = _grain(image, look.grain, int(dice.unit() * 3))
    for flaw in flaws_of(reading, seed, position, prompt):
        image = _spoil(image, flaw, Dice("spoil", flaw, seed, position))
    return lettering.mark(image)
