"""Tools that several styles share: outlines, hatching, dots, facets, tints."""

from __future__ import annotations

import functools
import itertools

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.rng import Dice

__all__ = ["dots", "duotone", "edges", "facets", "grey3", "hatching", "wobbled"]


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
