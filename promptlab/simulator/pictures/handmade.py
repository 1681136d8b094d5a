"""Styles made by hand: washes, strokes, pencil, crayon, thread and clay; and the tools that all styles share."""

from __future__ import annotations

import functools
import itertools

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.rng import Dice

__all__ = [
    "clay",
    "comic",
    "crayon",
    "dots",
    "duotone",
    "edges",
    "embroidery",
    "facets",
    "graffiti",
    "grey3",
    "hatching",
    "impressionist",
    "ink",
    "oil",
    "pencil",
    "ukiyoe",
    "watercolour",
    "wobbled",
]


def edges(image: Image.Image) -> Image.Image:
    """Outlines, bright on black."""
    grey = image.convert("L")
    grey = grey.filter(ImageFilter.BoxBlur(1))
    moved = (ImageChops.offset(grey, 2, 0), ImageChops.offset(grey, 0, 2))
    return ImageChops.lighter(ImageChops.difference(grey, moved[0]), ImageChops.difference(grey, moved[1]))


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


def hatching(size: tuple[int, int], slope: int, dice: Dice) -> Image.Image:
    lines = Image.new("L", size, 255)
    pen = ImageDraw.Draw(lines)
    for start in range(-size[1], size[0] + size[1], 11):
        shift = round(dice.between(-2, 2))
        pen.line((start + shift, 0, start + slope * size[1], size[1]), fill=72, width=2)
    return lines


@functools.lru_cache(maxsize=8)
def dots(size: tuple[int, int], cell: int) -> Image.Image:
    dot = ImageChops.invert(Image.radial_gradient("L")).resize((cell, cell), Image.Resampling.BILINEAR)
    sheet = Image.new("L", size)
    row = Image.new("L", (size[0], cell))
    for x in range(0, size[0], cell):
        row.paste(dot, (x, 0))
    for index, y in enumerate(range(0, size[1], cell)):
        sheet.paste(ImageChops.offset(row, (index % 2) * (cell // 2), 0), (0, y))
    return sheet


def grey3(grey: Image.Image) -> Image.Image:
    return Image.merge("RGB", (grey, grey, grey))


def duotone(grey: Image.Image, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Image.Image:
    return Image.merge(
        "RGB",
        [grey.point([round(a + i / 255 * (b - a)) for i in range(256)]) for a, b in zip(dark, light, strict=True)],
    )


def facets(image: Image.Image, dice: Dice, cells: int) -> tuple[Image.Image, list[list[tuple[float, float]]]]:
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


def watercolour(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Washes that run a little, pigment pooled at the edges, white paper left around."""
    half = wobbled(image.reduce(2), dice, 16, 3)  # washes are soft: half the size is enough, at a quarter of the cost
    small = half.reduce(2).filter(ImageFilter.MedianFilter(5))
    wash = Image.blend(small.resize(half.size, Image.Resampling.BICUBIC), half, 0.35)
    wash = wash.point([min(255, round(i * 0.88 + 36)) for i in range(256)] * 3)
    line = edges(small).resize(half.size, Image.Resampling.BILINEAR).point([255 - min(130, i * 4) for i in range(256)])
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


def ink(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Outlines and two directions of hatching on paper."""
    grey = ImageEnhance.Contrast(image.convert("L")).enhance(1.2)
    outline = edges(image).point([255 - min(255, max(0, i - 5) * 14) for i in range(256)])
    sheet = Image.new("L", image.size, 255)
    for level, slope in ((116, 1), (72, -1)):
        strokes = hatching(image.size, slope, dice)
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


def oil(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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


def pencil(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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
        hatching(image.size, 1, dice).filter(ImageFilter.BoxBlur(1)).point([round(180 + i * 0.3) for i in range(256)])
    )
    rubbed = ImageChops.lighter(ImageChops.multiply(shade, strokes), grey.point([max(0, i - 90) for i in range(256)]))
    drawn = ImageChops.multiply(ImageChops.multiply(lines, rubbed), textures.paper(image.size))
    return duotone(drawn, (44, 44, 48), (252, 251, 246))


def crayon(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Waxy colour that leaves the paper's grain white."""
    half = wobbled(image.reduce(2), dice, 26, 4)
    vivid = ImageEnhance.Color(half.filter(ImageFilter.MedianFilter(3))).enhance(1.6)
    noise = textures.octaves(
        half.size, dice, ((half.width // 3, half.height // 2), (half.width // 5, half.height // 5))
    )
    strokes = noise.point([max(0, min(255, (i - 104) * 9)) for i in range(256)])
    paper = Image.new("RGB", half.size, (250, 247, 238))
    drawn = Image.composite(vivid, paper, strokes.point([90 + round(i * 0.6) for i in range(256)]))
    line = edges(half).point([255 - min(200, max(0, i - 6) * 10) for i in range(256)])
    return ImageChops.multiply(drawn, grey3(line)).resize(image.size, Image.Resampling.BICUBIC)


def impressionist(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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


def comic(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """Cel paint: steps of tone, strong colour, an ink line."""
    half = ImageEnhance.Color(image.reduce(2).filter(ImageFilter.MedianFilter(3))).enhance(1.45)
    stepped = half.point([min(255, (i // 52) * 52 + 30) for i in range(256)] * 3)
    line = edges(half).filter(ImageFilter.MaxFilter(3)).point([255 - min(255, max(0, i - 9) * 18) for i in range(256)])
    return ImageChops.multiply(stepped, grey3(line)).resize(image.size, Image.Resampling.BICUBIC)


def ukiyoe(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A woodblock print: indigo, ochre and paper, a fine key line, the grain of the block."""
    half = image.reduce(2).filter(ImageFilter.MedianFilter(3))
    inks = half.quantize(9, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    toned = Image.blend(
        ImageEnhance.Color(inks).enhance(1.25), duotone(inks.convert("L"), (22, 52, 98), (255, 240, 204)), 0.42
    )
    line = edges(half).point([255 - min(230, max(0, i - 7) * 14) for i in range(256)])
    printed = ImageChops.multiply(toned, duotone(line, (24, 36, 62), (255, 255, 255)))
    block = textures.texture("wood", half.size, 1).point([min(255, round(240 + (i - 128) * 0.24)) for i in range(256)])
    return ImageChops.multiply(printed, grey3(block)).resize(image.size, Image.Resampling.BICUBIC)


def graffiti(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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
    brick = duotone(wall, (96, 66, 58), (186, 132, 112))
    out = Image.composite(half, brick, mist)
    out = ImageChops.overlay(out, grey3(wall.point([round(128 + (i - 176) * 0.7 + 20) for i in range(256)])))
    return out.resize(image.size, Image.Resampling.BICUBIC)


def embroidery(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
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
    return ImageChops.multiply(big, grey3(sheet)).resize(image.size, Image.Resampling.BILINEAR)


def clay(image: Image.Image, dice: Dice, shapes: Image.Image) -> Image.Image:
    """A render in soft clay: rounded relief from the picture's own tones, with a gleam."""
    quarter = image.convert("L").reduce(4).filter(ImageFilter.BoxBlur(2))
    relief = ImageChops.subtract(ImageChops.offset(quarter, 3, 4), ImageChops.offset(quarter, -3, -4), 0.7, 128)
    grey = relief.resize(image.size, Image.Resampling.BICUBIC)
    smooth = image.reduce(3).filter(ImageFilter.MedianFilter(5)).resize(image.size, Image.Resampling.BICUBIC)
    prints = textures.octaves((image.width // 2, image.height // 2), dice, ((60, 60), (24, 24)))
    thumbs = prints.resize(image.size, Image.Resampling.BILINEAR).point(
        [round(128 + (i - 128) * 0.22) for i in range(256)]
    )
    lit = ImageChops.overlay(ImageChops.overlay(ImageEnhance.Color(smooth).enhance(1.25), grey3(grey)), grey3(thumbs))
    return lit.point([min(255, round(i * 0.94 + 12)) for i in range(256)] * 3)
