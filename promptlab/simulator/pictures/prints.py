"""Styles of few inks: posters, dots, pixels, cut paper, glass, blueprints."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.strokes import dots, edges, facets, grey3

__all__ = ["artdeco", "blueprint", "lowpoly", "mosaic", "papercut", "pixel", "popart", "poster", "riso"]


def poster(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Few flat inks with clean edges."""
    half = image.reduce(2)
    inks = half.quantize(14, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    return inks.resize(image.size, Image.Resampling.BICUBIC).point(
        [max(0, min(255, (i - 8) * 256 // 240)) for i in range(256)] * 3
    )


def riso(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Two inks in dots, not quite in register."""
    inks = dice.pick(
        (((255, 92, 96), (34, 92, 158)), ((255, 142, 58), (22, 120, 116)), ((244, 84, 150), (58, 70, 160)))
    )
    red, _, blue = image.split()
    sheet = Image.new("RGB", image.size, (246, 240, 226))
    for channel, ink, shift in ((blue, inks[0], 4), (red, inks[1], -3)):
        screen = dots(image.size, 9 if shift > 0 else 10)
        spots = ImageChops.add(ImageChops.invert(channel), screen, 1, -128).point(
            [max(0, min(255, (i - 108) * 12)) for i in range(256)]
        )
        layer = Image.composite(
            Image.new("RGB", image.size, ink),
            Image.new("RGB", image.size, (255, 255, 255)),
            ImageChops.offset(spots, shift, shift),
        )
        sheet = ImageChops.multiply(sheet, layer)
    return sheet


def pixel(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    small = image.reduce(10).quantize(24, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return small.convert("RGB").resize(image.size, Image.Resampling.NEAREST)


def popart(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Four hard tones in loud colours, dots in the lightest, a black line."""
    grey = image.reduce(2).convert("L").filter(ImageFilter.MedianFilter(5))
    inks = dice.pick((((36, 20, 90), (236, 42, 120), (255, 196, 30), (120, 224, 232)),
                      ((30, 30, 110), (240, 70, 50), (60, 190, 200), (255, 226, 60))))  # fmt: skip
    tables = [[inks[min(3, i // 64)][channel] for i in range(256)] for channel in range(3)]
    flat = Image.merge("RGB", [grey.point(table) for table in tables])
    spots = dots(flat.size, 12).point([255 if i > 150 else 0 for i in range(256)])
    light = grey.point([255 if i >= 160 else 0 for i in range(256)])
    flat.paste((255, 255, 255), (0, 0), ImageChops.multiply(spots, light).point([round(i * 0.75) for i in range(256)]))
    line = edges(image.reduce(2)).point([255 - min(255, max(0, i - 10) * 16) for i in range(256)])
    return ImageChops.multiply(flat, grey3(line)).resize(image.size, Image.Resampling.BICUBIC)


def artdeco(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Navy, cream and gold in flat planes, with a stepped frame."""
    grey = image.reduce(2).convert("L").filter(ImageFilter.MedianFilter(5))
    inks = ((20, 30, 56), (40, 82, 104), (196, 150, 72), (240, 226, 190))
    tables = [[inks[min(3, i // 64)][channel] for i in range(256)] for channel in range(3)]
    flat = Image.merge("RGB", [grey.point(table) for table in tables]).resize(image.size, Image.Resampling.BICUBIC)
    warm = Image.blend(flat, image, 0.22)
    pen = ImageDraw.Draw(warm)
    for step, width in ((14, 6), (28, 2), (36, 2)):
        pen.rectangle((step, step, image.width - step, image.height - step), outline=(214, 172, 92), width=width)
    return warm


def lowpoly(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Flat triangles."""
    sheet, _ = facets(image, dice, 30)
    return ImageEnhance.Color(sheet).enhance(1.2).resize(image.size, Image.Resampling.BICUBIC)


def mosaic(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Stained glass: glowing panes in lead."""
    sheet, panes = facets(image, dice, 15)
    sheet = ImageEnhance.Color(sheet).enhance(2.0).point([min(255, round(i * 1.08 + 10)) for i in range(256)] * 3)
    pen = ImageDraw.Draw(sheet)
    for pane in panes:
        pen.line([*pane, pane[0]], fill=(24, 22, 28), width=3)
    return sheet.resize(image.size, Image.Resampling.BICUBIC)


def papercut(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Sheets of coloured paper, each throwing a shadow on the next."""
    half = (
        image.reduce(4)
        .filter(ImageFilter.MedianFilter(5))
        .resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    )
    flat = half.quantize(10, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    grey = flat.convert("L")
    drop = ImageChops.subtract(ImageChops.offset(grey, 5, 6), grey, 1, 0).filter(ImageFilter.BoxBlur(2))
    shadow = drop.point([255 - min(110, i * 3) for i in range(256)])
    lit = ImageChops.multiply(flat, grey3(shadow)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.multiply(lit, grey3(textures.paper(image.size)))


def blueprint(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """White lines on blue, on a grid."""
    line = edges(image).point([min(255, max(0, i - 5) * 12) for i in range(256)])
    sheet = Image.new("RGB", image.size, (24, 66, 136))
    pen = ImageDraw.Draw(sheet)
    for at in range(0, max(image.size), 32):
        tone = (66, 112, 182) if at % 160 == 0 else (42, 86, 156)
        pen.line((at, 0, at, image.height), fill=tone)
        pen.line((0, at, image.width, at), fill=tone)
    shade = image.convert("L").point([round(max(0, 130 - i) * 0.4) for i in range(256)])
    sheet.paste((120, 170, 230), (0, 0), shade)
    sheet.paste((238, 246, 255), (0, 0), line)
    return sheet
