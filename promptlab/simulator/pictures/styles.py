"""Styles as treatments of the finished pixels, by their name in vocabulary.txt: of few inks, of cameras and films."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.handmade import (
    clay,
    comic,
    crayon,
    dots,
    duotone,
    edges,
    embroidery,
    facets,
    graffiti,
    grey3,
    impressionist,
    ink,
    oil,
    pencil,
    ukiyoe,
    watercolour,
)
from promptlab.simulator.pictures.rng import Dice, sine

__all__ = ["STYLES"]


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
    for channel, dye, shift in ((blue, inks[0], 4), (red, inks[1], -3)):
        screen = dots(image.size, 9 if shift > 0 else 10)
        spots = ImageChops.add(ImageChops.invert(channel), screen, 1, -128).point(
            [max(0, min(255, (i - 108) * 12)) for i in range(256)]
        )
        layer = Image.composite(
            Image.new("RGB", image.size, dye),
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


def leak(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Film: a warm light leak from one edge."""
    leak = Image.new("RGB", (64, 64))
    x = dice.pick((-6, 70))
    ImageDraw.Draw(leak).ellipse((x - 16, dice.between(-10, 30), x + 16, dice.between(40, 80)), fill=(216, 92, 34))
    soft = leak.filter(ImageFilter.GaussianBlur(7)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(image, soft)


def infrared(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Channels out of place: greens turn white and rose, the sky dark."""
    red, green, blue = image.split()
    warm = ImageChops.subtract(green, blue, 0.6, 118)  # leaves glow, sky and water go dark
    tone = duotone(ImageChops.add(warm, red, 2, 0), (30, 8, 54), (255, 236, 244))
    return ImageChops.overlay(tone, Image.merge("RGB", (green, blue, red)))


def thermal(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Heat as colour: things are warmer than what is behind them."""
    grey = ImageChops.add(
        image.convert("L").point([round(i * 0.55) for i in range(256)]),
        shapes.filter(ImageFilter.BoxBlur(8)).point([round(i * 0.42) for i in range(256)]),
    )
    stops = ((8, 6, 40), (70, 10, 120), (200, 30, 90), (255, 150, 30), (255, 250, 200))
    strip = Image.new("RGB", (5, 1))
    strip.putdata(list(stops))
    ramp = list(strip.resize((256, 1), Image.Resampling.BILINEAR).convert("RGB").tobytes())
    return Image.merge("RGB", [grey.point(ramp[channel::3]) for channel in range(3)])


def glitch(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Channels out of register, torn rows, scan lines."""
    red, green, blue = image.split()
    out = Image.merge("RGB", (ImageChops.offset(red, 16, 0), green, ImageChops.offset(blue, -16, 4)))
    for _ in range(13):
        y, high = int(dice.unit() * image.height), int(dice.between(6, 44))
        band = out.crop((0, y, image.width, min(image.height, y + high)))
        out.paste(ImageChops.offset(band, int(dice.between(-110, 110)), 0), (0, y))
    lines = Image.new("L", (1, 4), 255)
    lines.putdata([255, 255, 190, 150])
    scan = Image.new("L", (1, image.height))
    for y in range(0, image.height, 4):
        scan.paste(lines, (0, y))
    return ImageChops.multiply(out, grey3(scan.resize(image.size)))


def tiltshift(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A band of sharpness, toy colours."""
    vivid = ImageEnhance.Color(image).enhance(1.6)
    soft = vivid.reduce(4).filter(ImageFilter.BoxBlur(4)).resize(image.size, Image.Resampling.BICUBIC)
    band = Image.linear_gradient("L").point([max(0, min(255, (64 - abs(i - 158)) * 6)) for i in range(256)])
    return Image.composite(vivid, soft, band.resize(image.size, Image.Resampling.BICUBIC))


def double(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """The picture over itself, larger and turned about."""
    x, y = image.width // 5, image.height // 6
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize(
        image.size, Image.Resampling.BILINEAR, box=(x, y, image.width - x // 2, image.height - y)
    )
    return Image.blend(ImageChops.screen(image, other.point([round(i * 0.62) for i in range(256)] * 3)), image, 0.2)


def surreal(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A world that flows: waves through everything, colours that turn."""
    rows = []
    width, height = image.size
    phase = dice.between(0, 6)
    cells = 24
    for j in range(cells):
        y0, y1 = round(height * j / cells), round(height * (j + 1) / cells)
        shift = [26 * sine((j + k) * 0.55 + phase) for k in (0, 1)]
        left, right = [28 + s for s in shift], [width - 28 + s for s in shift]
        rows.append(((0, y0, width, y1), (left[0], y0, left[1], y1, right[1], y1, right[0], y0)))
    moved = image.transform(image.size, Image.Transform.MESH, rows, Image.Resampling.BILINEAR)
    red, green, blue = moved.split()
    return Image.blend(moved, Image.merge("RGB", (blue, red, green)), 0.36)


def polaroid(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """An instant photograph in its white frame."""
    edge, foot = round(image.width * 0.055), round(image.height * 0.17)
    inner = image.resize((image.width - 2 * edge, image.height - edge - foot), Image.Resampling.BILINEAR)
    faded = inner.point([round(26 + i * 0.84) for i in range(256)] + [round(20 + i * 0.85) for i in range(256)]
                        + [round(34 + i * 0.72) for i in range(256)])  # fmt: skip
    sheet = Image.new("RGB", image.size, (247, 245, 238))
    sheet.paste(faded, (edge, edge))
    return sheet


def steampunk(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Brass and soot, with gear wheels in the corners."""
    toned = Image.blend(image, duotone(image.convert("L"), (30, 18, 12), (236, 196, 128)), 0.62)
    sheet = Image.new("L", (image.width // 2, image.height // 2))
    pen = ImageDraw.Draw(sheet)
    for x, y, reach in ((0.04, 0.06, 0.16), (0.98, 0.14, 0.2), (0.02, 0.97, 0.2), (0.99, 0.98, 0.14)):
        px, py, r = x * sheet.width, y * sheet.height, reach * sheet.height
        for tooth in range(14):
            a, b = sine(tooth * 0.4488), sine(tooth * 0.4488 + 1.5708)
            pen.ellipse((px + a * r - 9, py + b * r - 9, px + a * r + 9, py + b * r + 9), fill=255)
        pen.ellipse((px - r, py - r, px + r, py + r), outline=255, width=max(4, round(r * 0.3)))
        pen.ellipse((px - r * 0.34, py - r * 0.34, px + r * 0.34, py + r * 0.34), outline=255, width=6)
    mask = sheet.resize(image.size, Image.Resampling.BICUBIC)
    toned.paste((66, 42, 22), (4, 6), mask.point([i // 2 for i in range(256)]))
    toned.paste((182, 132, 66), (0, 0), mask)
    return toned


def sepia(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Brown tones of an old print, worn at its edges."""
    toned = duotone(image.convert("L"), (52, 32, 18), (246, 222, 176))
    worn = textures.octaves((image.width // 8, image.height // 8), dice, ((8, 8), (20, 20)))
    edge = Image.blend(worn, Image.radial_gradient("L").resize(worn.size), 0.62)
    pale = edge.point([max(0, min(150, (i - 160) * 4)) for i in range(256)]).resize(
        image.size, Image.Resampling.BICUBIC
    )
    toned.paste((226, 200, 156), (0, 0), pale)
    return toned


def hdr(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Every tone pulled out."""
    soft = image.reduce(8).filter(ImageFilter.GaussianBlur(5)).resize(image.size, Image.Resampling.BICUBIC)
    detail = ImageChops.subtract(image, soft, 0.5, 128)
    local = ImageChops.overlay(image, detail).filter(ImageFilter.UnsharpMask(3, 130, 2))
    return ImageEnhance.Color(local).enhance(1.3)


STYLES: dict[str, Callable[[Image.Image, Dice, Image.Image], Image.Image]] = {
    "watercolour": watercolour,
    "ink": ink,
    "oil": oil,
    "poster": poster,
    "riso": riso,
    "pixel": pixel,
    "film": leak,
    "pencil": pencil,
    "crayon": crayon,
    "impressionist": impressionist,
    "popart": popart,
    "artdeco": artdeco,
    "comic": comic,
    "ukiyoe": ukiyoe,
    "lowpoly": lowpoly,
    "mosaic": mosaic,
    "papercut": papercut,
    "clay": clay,
    "embroidery": embroidery,
    "blueprint": blueprint,
    "infrared": infrared,
    "thermal": thermal,
    "glitch": glitch,
    "graffiti": graffiti,
    "tiltshift": tiltshift,
    "doubleexposure": double,
    "surreal": surreal,
    "polaroid": polaroid,
    "steampunk": steampunk,
    "hdr": hdr,
    "sepia": sepia,
}
