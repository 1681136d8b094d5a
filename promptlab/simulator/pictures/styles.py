"""Styles as treatments of the finished pixels: washes, strokes, inks, dots and cut paper."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.rng import Dice

__all__ = ["STYLES", "wobbled"]


def _edges(image: Image.Image) -> Image.Image:
    """Outlines, bright on black."""
    grey = image.convert("L")
    grey = grey.filter(ImageFilter.BoxBlur(1))
    moved = (ImageChops.offset(grey, 2, 0), ImageChops.offset(grey, 0, 2))
    return ImageChops.lighter(ImageChops.difference(grey, moved[0]), ImageChops.difference(grey, moved[1]))


def _watercolour(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Washes that run a little, pigment pooled at the edges, white paper left around."""
    half = wobbled(image.reduce(2), dice, 16, 3)  # washes are soft: half the size is enough, at a quarter of the cost
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


def wobbled(image: Image.Image, dice: Dice, cells: int, reach: int) -> Image.Image:
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
    half = wobbled(image.reduce(3), dice, 30, 2)
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


def _grey3(grey: Image.Image) -> Image.Image:
    return Image.merge("RGB", (grey, grey, grey))


def _duotone(grey: Image.Image, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Image.Image:
    return Image.merge(
        "RGB",
        [grey.point([round(a + i / 255 * (b - a)) for i in range(256)]) for a, b in zip(dark, light, strict=True)],
    )


def _pencil(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Grey strokes on white paper: outlines by dodging, shade by rubbing."""
    grey = image.convert("L")
    soft = (
        ImageOps.invert(grey)
        .reduce(4)
        .filter(ImageFilter.GaussianBlur(2.2))
        .resize(grey.size, Image.Resampling.BICUBIC)
    )
    lines = ImageChops.add(grey, soft).point([max(0, min(255, round(255 - (255 - i) * 3.2))) for i in range(256)])
    shade = grey.point([max(0, min(255, round(i * 1.15 - 6))) for i in range(256)])
    strokes = (
        _hatching(image.size, 1, dice).filter(ImageFilter.BoxBlur(1)).point([round(180 + i * 0.3) for i in range(256)])
    )
    rubbed = ImageChops.lighter(ImageChops.multiply(shade, strokes), grey.point([max(0, i - 90) for i in range(256)]))
    drawn = ImageChops.multiply(ImageChops.multiply(lines, rubbed), textures.paper(image.size))
    return _duotone(drawn, (44, 44, 48), (252, 251, 246))


def _crayon(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Waxy colour that leaves the paper's grain white."""
    half = wobbled(image.reduce(2), dice, 26, 4)
    vivid = ImageEnhance.Color(half.filter(ImageFilter.MedianFilter(3))).enhance(1.6)
    noise = textures.octaves(
        half.size, dice, ((half.width // 3, half.height // 2), (half.width // 5, half.height // 5))
    )
    strokes = noise.point([max(0, min(255, (i - 104) * 9)) for i in range(256)])
    paper = Image.new("RGB", half.size, (250, 247, 238))
    drawn = Image.composite(vivid, paper, strokes.point([90 + round(i * 0.6) for i in range(256)]))
    line = _edges(half).point([255 - min(200, max(0, i - 6) * 10) for i in range(256)])
    return ImageChops.multiply(drawn, _grey3(line)).resize(image.size, Image.Resampling.BICUBIC)


def _impressionist(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Short dabs of pure colour, laid in rows that wander."""
    small = ImageEnhance.Color(image.reduce(8)).enhance(1.7)
    pixels = small.load()
    assert pixels is not None
    canvas = image.reduce(2).filter(ImageFilter.BoxBlur(6))
    pen = ImageDraw.Draw(canvas)
    for row in range(0, small.height, 2):
        for column in range(0, small.width, 2):
            colour = pixels[column, row]
            assert isinstance(colour, tuple)
            shift = int(dice.between(-26, 26))
            tone = tuple(max(0, min(255, channel + shift)) for channel in colour)
            x, y = column * 4 + dice.between(-4, 4), row * 4 + dice.between(-4, 4)
            lean = dice.between(-4, 4)
            pen.line((x - 7, y - lean, x + 7, y + lean), fill=tone, width=5)
    return canvas.resize(image.size, Image.Resampling.BICUBIC)


def _popart(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Four hard tones in loud colours, dots in the lightest, a black line."""
    grey = image.reduce(2).convert("L").filter(ImageFilter.MedianFilter(5))
    inks = dice.pick((((36, 20, 90), (236, 42, 120), (255, 196, 30), (120, 224, 232)),
                      ((30, 30, 110), (240, 70, 50), (60, 190, 200), (255, 226, 60))))  # fmt: skip
    tables = [[inks[min(3, i // 64)][channel] for i in range(256)] for channel in range(3)]
    flat = Image.merge("RGB", [grey.point(table) for table in tables])
    dots = _dots(flat.size, 12).point([255 if i > 150 else 0 for i in range(256)])
    light = grey.point([255 if i >= 160 else 0 for i in range(256)])
    flat.paste((255, 255, 255), (0, 0), ImageChops.multiply(dots, light).point([round(i * 0.75) for i in range(256)]))
    line = _edges(image.reduce(2)).point([255 - min(255, max(0, i - 10) * 16) for i in range(256)])
    return ImageChops.multiply(flat, _grey3(line)).resize(image.size, Image.Resampling.BICUBIC)


def _artdeco(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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


def _comic(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Cel paint: steps of tone, strong colour, an ink line."""
    half = ImageEnhance.Color(image.reduce(2).filter(ImageFilter.MedianFilter(3))).enhance(1.45)
    stepped = half.point([min(255, (i // 52) * 52 + 30) for i in range(256)] * 3)
    line = _edges(half).filter(ImageFilter.MaxFilter(3)).point([255 - min(255, max(0, i - 9) * 18) for i in range(256)])
    return ImageChops.multiply(stepped, _grey3(line)).resize(image.size, Image.Resampling.BICUBIC)


def _ukiyoe(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A woodblock print: indigo, ochre and paper, a fine key line, the grain of the block."""
    half = image.reduce(2).filter(ImageFilter.MedianFilter(5))
    inks = half.quantize(9, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    toned = Image.blend(
        ImageEnhance.Color(inks).enhance(1.25), _duotone(inks.convert("L"), (22, 52, 98), (255, 240, 204)), 0.42
    )
    line = _edges(half).point([255 - min(230, max(0, i - 7) * 14) for i in range(256)])
    printed = ImageChops.multiply(toned, _duotone(line, (24, 36, 62), (255, 255, 255)))
    block = textures.texture("wood", half.size, 1).point([min(255, round(240 + (i - 128) * 0.24)) for i in range(256)])
    return ImageChops.multiply(printed, _grey3(block)).resize(image.size, Image.Resampling.BICUBIC)


def _facets(image: Image.Image, dice: Dice, cells: int) -> tuple[Image.Image, list[list[tuple[float, float]]]]:
    """The picture in flat triangles of its own colours, at half its size; and the triangles."""
    half, small = (image.width // 2, image.height // 2), image.reduce(8)
    pixels = small.load()
    assert pixels is not None
    rows = max(4, round(cells * image.height / image.width))
    spot = {
        (i, j): (
            (i + (dice.between(-0.36, 0.36) if 0 < i < cells else 0)) * half[0] / cells,
            (j + (dice.between(-0.36, 0.36) if 0 < j < rows else 0)) * half[1] / rows,
        )
        for i in range(cells + 1)
        for j in range(rows + 1)
    }
    sheet, shapes = Image.new("RGB", half), []
    pen = ImageDraw.Draw(sheet)
    for i in range(cells):
        for j in range(rows):
            a, b, c, d = spot[i, j], spot[i + 1, j], spot[i + 1, j + 1], spot[i, j + 1]
            for corners in ([a, b, c], [a, c, d]) if (i + j) % 2 else ([a, b, d], [b, c, d]):
                x, y = sum(p[0] for p in corners) / 3 / 4, sum(p[1] for p in corners) / 3 / 4
                colour = pixels[min(small.width - 1, int(x)), min(small.height - 1, int(y))]
                assert isinstance(colour, tuple)
                shift = int(dice.between(-12, 12))
                pen.polygon(corners, fill=tuple(max(0, min(255, channel + shift)) for channel in colour))
                shapes.append(corners)
    return sheet, shapes


def _lowpoly(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Flat triangles."""
    sheet, _ = _facets(image, dice, 30)
    return ImageEnhance.Color(sheet).enhance(1.2).resize(image.size, Image.Resampling.BICUBIC)


def _mosaic(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Stained glass: glowing panes in lead."""
    sheet, panes = _facets(image, dice, 15)
    sheet = ImageEnhance.Color(sheet).enhance(2.0).point([min(255, round(i * 1.08 + 10)) for i in range(256)] * 3)
    pen = ImageDraw.Draw(sheet)
    for pane in panes:
        pen.line([*pane, pane[0]], fill=(24, 22, 28), width=3)
    return sheet.resize(image.size, Image.Resampling.BICUBIC)


def _papercut(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Sheets of coloured paper, each throwing a shadow on the next."""
    half = image.reduce(2).filter(ImageFilter.MedianFilter(7))
    flat = half.quantize(10, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    grey = flat.convert("L")
    drop = ImageChops.subtract(ImageChops.offset(grey, 5, 6), grey, 1, 0).filter(ImageFilter.BoxBlur(2))
    shadow = drop.point([255 - min(110, i * 3) for i in range(256)])
    lit = ImageChops.multiply(flat, _grey3(shadow)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.multiply(lit, _grey3(textures.paper(image.size)))


def _clay(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A render in soft clay: rounded relief from the picture's own tones, with a gleam."""
    quarter = image.convert("L").reduce(4).filter(ImageFilter.BoxBlur(2))
    relief = ImageChops.subtract(ImageChops.offset(quarter, 3, 4), ImageChops.offset(quarter, -3, -4), 0.7, 128)
    grey = relief.resize(image.size, Image.Resampling.BICUBIC)
    smooth = image.reduce(3).filter(ImageFilter.MedianFilter(5)).resize(image.size, Image.Resampling.BICUBIC)
    prints = textures.octaves((image.width // 2, image.height // 2), dice, ((60, 60), (24, 24)))
    thumbs = prints.resize(image.size, Image.Resampling.BILINEAR).point(
        [round(128 + (i - 128) * 0.22) for i in range(256)]
    )
    lit = ImageChops.overlay(ImageChops.overlay(ImageEnhance.Color(smooth).enhance(1.25), _grey3(grey)), _grey3(thumbs))
    return lit.point([min(255, round(i * 0.94 + 12)) for i in range(256)] * 3)


def _embroidery(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Cross stitches on cloth."""
    small = (
        ImageEnhance.Color(image.reduce(12))
        .enhance(1.4)
        .quantize(20, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        .convert("RGB")
    )
    cell = 12
    stitch = Image.new("L", (cell, cell), 196)
    pen = ImageDraw.Draw(stitch)
    pen.line((1, 1, 10, 10), fill=255, width=4)
    pen.line((1, 10, 10, 1), fill=236, width=4)
    pen.line((0, 0, 0, 11), fill=120)
    pen.line((0, 0, 11, 0), fill=120)
    sheet = Image.new("L", (small.width * cell, small.height * cell))
    row = Image.new("L", (sheet.width, cell))
    for x in range(0, sheet.width, cell):
        row.paste(stitch, (x, 0))
    for y in range(0, sheet.height, cell):
        sheet.paste(row, (0, y))
    big = small.resize(sheet.size, Image.Resampling.NEAREST)
    return ImageChops.multiply(big, _grey3(sheet)).resize(image.size, Image.Resampling.BILINEAR)


def _blueprint(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """White lines on blue, on a grid."""
    line = _edges(image).point([min(255, max(0, i - 5) * 12) for i in range(256)])
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


def _infrared(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Channels out of place: greens turn white and rose, the sky dark."""
    red, green, blue = image.split()
    warm = ImageChops.subtract(green, blue, 0.6, 118)  # leaves glow, sky and water go dark
    tone = _duotone(ImageChops.add(warm, red, 2, 0), (30, 8, 54), (255, 236, 244))
    return ImageChops.overlay(tone, Image.merge("RGB", (green, blue, red)))


def _thermal(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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


def _glitch(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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
    return ImageChops.multiply(out, _grey3(scan.resize(image.size)))


def _graffiti(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Spray on a brick wall."""
    half = (
        ImageEnhance.Color(image.reduce(2)).enhance(1.9).point([min(255, (i // 64) * 64 + 34) for i in range(256)] * 3)
    )
    wall = Image.new("L", half.size, 176)
    pen = ImageDraw.Draw(wall)
    for row, y in enumerate(range(0, half.height, 22)):
        pen.line((0, y, half.width, y), fill=92, width=2)
        for x in range(-30 * (row % 2), half.width, 60):
            pen.line((x, y, x, y + 22), fill=92, width=2)
    spray = textures.octaves(half.size, dice, ((half.width // 2, half.height // 2), (40, 40)))
    mist = spray.point([max(60, min(255, (i - 92) * 7)) for i in range(256)])
    brick = _duotone(wall, (96, 66, 58), (186, 132, 112))
    out = Image.composite(half, brick, mist)
    out = ImageChops.overlay(out, _grey3(wall.point([round(128 + (i - 176) * 0.7 + 20) for i in range(256)])))
    return out.resize(image.size, Image.Resampling.BICUBIC)


def _tiltshift(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A band of sharpness, toy colours."""
    vivid = ImageEnhance.Color(image).enhance(1.6)
    soft = vivid.reduce(4).filter(ImageFilter.BoxBlur(4)).resize(image.size, Image.Resampling.BICUBIC)
    band = Image.linear_gradient("L").point([max(0, min(255, (64 - abs(i - 158)) * 6)) for i in range(256)])
    return Image.composite(vivid, soft, band.resize(image.size, Image.Resampling.BICUBIC))


def _double(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """The picture over itself, larger and turned about."""
    x, y = image.width // 5, image.height // 6
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize(
        image.size, Image.Resampling.BILINEAR, box=(x, y, image.width - x // 2, image.height - y)
    )
    return Image.blend(ImageChops.screen(image, other.point([round(i * 0.62) for i in range(256)] * 3)), image, 0.2)


def _surreal(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A world that flows: waves through everything, colours that turn."""
    rows = []
    width, height = image.size
    phase = dice.between(0, 6)
    cells = 24
    for j in range(cells):
        y0, y1 = round(height * j / cells), round(height * (j + 1) / cells)
        shift = [26 * textures.wave((j + k) * 0.55 + phase) for k in (0, 1)]
        left, right = [28 + s for s in shift], [width - 28 + s for s in shift]
        rows.append(((0, y0, width, y1), (left[0], y0, left[1], y1, right[1], y1, right[0], y0)))
    moved = image.transform(image.size, Image.Transform.MESH, rows, Image.Resampling.BILINEAR)
    red, green, blue = moved.split()
    return Image.blend(moved, Image.merge("RGB", (blue, red, green)), 0.36)


def _polaroid(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """An instant photograph in its white frame."""
    edge, foot = round(image.width * 0.055), round(image.height * 0.17)
    inner = image.resize((image.width - 2 * edge, image.height - edge - foot), Image.Resampling.BILINEAR)
    faded = inner.point([round(26 + i * 0.84) for i in range(256)] + [round(20 + i * 0.85) for i in range(256)]
                        + [round(34 + i * 0.72) for i in range(256)])  # fmt: skip
    sheet = Image.new("RGB", image.size, (247, 245, 238))
    sheet.paste(faded, (edge, edge))
    return sheet


def _steampunk(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Brass and soot, with gear wheels in the corners."""
    toned = Image.blend(image, _duotone(image.convert("L"), (30, 18, 12), (236, 196, 128)), 0.62)
    sheet = Image.new("L", (image.width // 2, image.height // 2))
    pen = ImageDraw.Draw(sheet)
    for x, y, reach in ((0.04, 0.06, 0.16), (0.98, 0.14, 0.2), (0.02, 0.97, 0.2), (0.99, 0.98, 0.14)):
        px, py, r = x * sheet.width, y * sheet.height, reach * sheet.height
        for tooth in range(14):
            a, b = textures.wave(tooth * 0.4488), textures.wave(tooth * 0.4488 + 1.5708)
            pen.ellipse((px + a * r - 9, py + b * r - 9, px + a * r + 9, py + b * r + 9), fill=255)
        pen.ellipse((px - r, py - r, px + r, py + r), outline=255, width=max(4, round(r * 0.3)))
        pen.ellipse((px - r * 0.34, py - r * 0.34, px + r * 0.34, py + r * 0.34), outline=255, width=6)
    mask = sheet.resize(image.size, Image.Resampling.BICUBIC)
    toned.paste((66, 42, 22), (4, 6), mask.point([i // 2 for i in range(256)]))
    toned.paste((182, 132, 66), (0, 0), mask)
    return toned


def _sepia(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Brown tones of an old print, worn at its edges."""
    toned = _duotone(image.convert("L"), (52, 32, 18), (246, 222, 176))
    worn = textures.octaves((image.width // 8, image.height // 8), dice, ((8, 8), (20, 20)))
    edge = Image.blend(worn, Image.radial_gradient("L").resize(worn.size), 0.62)
    pale = edge.point([max(0, min(150, (i - 160) * 4)) for i in range(256)]).resize(
        image.size, Image.Resampling.BICUBIC
    )
    toned.paste((226, 200, 156), (0, 0), pale)
    return toned


def _hdr(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Every tone pulled out."""
    soft = image.reduce(8).filter(ImageFilter.GaussianBlur(5)).resize(image.size, Image.Resampling.BICUBIC)
    detail = ImageChops.subtract(image, soft, 0.5, 128)
    local = ImageChops.overlay(image, detail).filter(ImageFilter.UnsharpMask(3, 130, 2))
    return ImageEnhance.Color(local).enhance(1.7)


STYLES: dict[str, Callable[[Image.Image, Dice, Image.Image], Image.Image]] = {
    "watercolour": _watercolour, "ink": _ink, "oil": _oil, "poster": _poster, "riso": _riso, "pixel": _pixel,
    "film": _leak, "pencil": _pencil, "crayon": _crayon, "impressionist": _impressionist, "popart": _popart,
    "artdeco": _artdeco, "comic": _comic, "ukiyoe": _ukiyoe, "lowpoly": _lowpoly, "mosaic": _mosaic,
    "papercut": _papercut, "clay": _clay, "embroidery": _embroidery, "blueprint": _blueprint,
    "infrared": _infrared, "thermal": _thermal, "glitch": _glitch, "graffiti": _graffiti, "tiltshift": _tiltshift,
    "doubleexposure": _double, "surreal": _surreal, "polaroid": _polaroid, "steampunk": _steampunk, "hdr": _hdr,
    "sepia": _sepia,
}  # fmt: skip
