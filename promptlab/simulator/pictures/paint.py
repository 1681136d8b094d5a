"""From parts to pixels: antialiased masks, soft shading towards the light, sprites with their alpha."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.glyphs import Finish, Glyph, GlyphPart
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.palette import RGB, mix, role

__all__ = ["Lamp", "Sprite", "draw_sprite", "gradient", "radial", "relit", "rim_of", "scaled"]


_OVER = 2  # supersampling
_ANY = [0] + [255] * 255


@dataclass(frozen=True, slots=True)
class Lamp:
    """How light falls on things: where from (unit vector towards it, y down), its colour, and what shadows turn to."""

    x: float
    y: float
    key: RGB
    shade: RGB
    contrast: float = 1.0
    rim: float = 0.0  # how far both ends go to pure key and shade colour: neon


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawn thing: pixels, coverage, and the place of its foot (middle of the base) inside it."""

    image: Image.Image
    alpha: Image.Image
    foot: tuple[int, int]


@functools.lru_cache(maxsize=512)
def _ramp(base: RGB, lamp: Lamp, gloss: bool) -> tuple[list[int], list[int], list[int]]:
    """Three tables from shading (128 is neutral) to colour: shadow tone, base, lit tone, and a gleam if glossy."""
    dim = mix((round(base[0] * 0.42), round(base[1] * 0.4), round(base[2] * 0.46)), lamp.shade, 0.3 + lamp.rim * 0.6)
    lit = mix(mix(base, (255, 255, 255), 0.24), lamp.key, 0.36 + lamp.rim * 0.6)
    tables: tuple[list[int], list[int], list[int]] = ([], [], [])
    for index in range(256):
        t = max(-1.0, min(1.0, (index - 128) / 118 * lamp.contrast))
        colour = mix(base, dim, -t) if t < 0 else mix(base, lit, t)
        if gloss and t > 0.72:
            colour = mix(colour, lamp.key, min(0.85, (t - 0.72) * 3.2))
        for table, channel in zip(tables, colour, strict=True):
            table.append(channel)
    return tables


def _mask(part: GlyphPart, scale: float, x0: float, y0: float, size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", (size[0] * _OVER, size[1] * _OVER))
    pen, zoom = ImageDraw.Draw(mask), scale * _OVER
    points = [(round((x - x0) * zoom), round((y - y0) * zoom)) for x, y in part.points]
    if part.kind == "oval":
        pen.ellipse((points[0], points[1]), fill=255)
    elif part.kind == "box":
        pen.rounded_rectangle((points[0], points[1]), radius=round(part.width * zoom), fill=255)
    elif part.kind == "poly":
        pen.polygon(points, fill=255)
    else:
        width = max(2, round(part.width * zoom))
        pen.line(points, fill=255, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - width // 2, y - width // 2, x + width // 2, y + width // 2), fill=255)
    return mask.reduce(_OVER)


def _shading(mask: Image.Image, lamp: Lamp) -> Image.Image:
    """The mask's rounded relief lit from the lamp's side, 128 where neutral: made small, so it costs little."""
    width, height = mask.size
    step = max(2, min(8, min(width, height) // 10))
    small = mask.reduce(step)
    reach = max(2, round(0.16 * (small.width + small.height) / 2) + 1)
    padded = Image.new("L", (small.width + 2 * reach, small.height + 2 * reach))
    padded.paste(small, (reach, reach))
    soft = padded.filter(ImageFilter.BoxBlur(reach * 0.6)).filter(ImageFilter.BoxBlur(reach * 0.5))
    dx, dy = round(lamp.x * reach * 0.62), round(lamp.y * reach * 0.62)
    relief = ImageChops.subtract(ImageChops.offset(soft, dx, dy), ImageChops.offset(soft, -dx, -dy), 1.35, 128)
    inner = relief.crop((reach, reach, reach + small.width, reach + small.height))
    return inner.resize(mask.size, Image.Resampling.BILINEAR, box=(0, 0, width / step, height / step))


def _paint_part(image: Image.Image, alpha: Image.Image, part: GlyphPart, scale: float, origin: tuple[float, float],
                colours: dict[str, RGB], lamp: Lamp) -> None:  # fmt: skip
    x0, y0, x1, y1 = part.bounds()
    left, top = math.floor((x0 - origin[0]) * scale) - 1, math.floor((y0 - origin[1]) * scale) - 1
    size = (math.ceil((x1 - x0) * scale) + 4, math.ceil((y1 - y0) * scale) + 4)
    mask = _mask(part, scale, origin[0] + left / scale, origin[1] + top / scale, size)
    base = role(part.colour, colours)
    area = (left, top, left + size[0], top + size[1])
    whole = mask.point(_ANY)  # over nothing, the edge keeps its full colour: coverage is alpha's business alone
    cover = ImageChops.lighter(mask, ImageChops.multiply(whole, ImageChops.invert(alpha.crop(area))))
    if part.finish == "flat":
        tone = mix(base, lamp.shade, 0.12 + lamp.rim * 0.3)
        image.paste(tone, (left, top), cover)
    elif part.finish == "glow":
        image.paste(base, (left, top), cover)
    else:
        shading = _shading(mask, lamp)
        tables = _ramp(base, lamp, part.finish in ("gloss", "glass"))
        shaded = Image.merge("RGB", [shading.point(table) for table in tables])
        if part.finish == "glass":
            edge = shading.point([min(255, 95 + abs(i - 128) * 2) for i in range(256)])
            mask = ImageChops.multiply(mask, edge)
            cover = ImageChops.multiply(cover, ImageChops.lighter(edge, ImageChops.invert(alpha.crop(area))))
        image.paste(shaded, (left, top), cover)
    alpha.paste(255, (left, top), mask)


_LARGEST = 900  # pixels of a sprite's longer side: beyond it is drawn smaller and blown up


def scaled(sprite: Sprite, factor: float) -> Sprite:
    """The sprite larger or smaller."""
    if abs(factor - 1.0) < 0.01:
        return sprite
    size = (max(2, round(sprite.image.width * factor)), max(2, round(sprite.image.height * factor)))
    kind = Image.Resampling.BILINEAR
    foot = (round(sprite.foot[0] * factor), round(sprite.foot[1] * factor))
    return Sprite(_bled(sprite).resize(size, kind), sprite.alpha.resize(size, kind), foot)


def _bled(sprite: Sprite) -> Image.Image:
    """Colour a little beyond the outline, so that no dark fringe appears when pixels are averaged."""
    return Image.composite(sprite.image, sprite.image.filter(ImageFilter.MaxFilter(5)), sprite.alpha)


def rim_of(alpha: Image.Image, reach: int) -> Image.Image:
    """Bright along the outline, inside it."""
    step = 4
    small = alpha.reduce(step)
    soft = small.filter(ImageFilter.BoxBlur(max(1, reach // step))).filter(ImageFilter.BoxBlur(max(1, reach // step)))
    rim = ImageChops.subtract(small, soft.point([min(255, round(i * 1.05)) for i in range(256)]))
    wide = rim.point([min(255, i * 3) for i in range(256)]).resize(alpha.size, Image.Resampling.BILINEAR)
    return ImageChops.multiply(wide, alpha)


def relit(sprite: Sprite, look: Look) -> Sprite:
    """The sprite under light from behind: dark, with a bright rim; or only an outline against it."""
    if look.direction == "silhouette":
        dark = mix(look.shade, (10, 8, 14), 0.78)
        return Sprite(Image.new("RGB", sprite.image.size, dark), sprite.alpha, sprite.foot)
    if look.direction != "back":
        return sprite
    dim = ImageChops.multiply(sprite.image, Image.new("RGB", sprite.image.size, mix(look.shade, (150, 140, 160), 0.5)))
    light = Image.new("RGB", sprite.image.size, mix(look.key, (255, 255, 255), 0.5))
    rim = rim_of(sprite.alpha, max(6, min(sprite.image.size) // 12))
    return Sprite(Image.composite(light, dim, rim), sprite.alpha, sprite.foot)


def draw_sprite(
    glyph: Glyph, height: float, colours: dict[str, RGB], lamp: Lamp, flip: bool = False, finish: Finish | None = None
) -> Sprite:
    """Draw a glyph so that its box is `height` pixels high; `finish` replaces that of all shaded parts."""
    x0, y0, x1, y1 = glyph.bounds()
    drawn = min(height, _LARGEST / max(1.0, (x1 - x0) / (y1 - y0)))
    if finish is not None:
        parts = (replace(part, finish=finish) if part.finish in ("soft", "gloss") else part for part in glyph.parts)
        glyph = replace(glyph, parts=tuple(parts))
    scale = drawn / (y1 - y0)
    size = (math.ceil((x1 - x0) * scale) + 6, math.ceil((y1 - y0) * scale) + 6)
    if flip:  # drawn mirrored, lit from the mirrored side, so that light still falls from where it should
        lamp = Lamp(-lamp.x, lamp.y, lamp.key, lamp.shade, lamp.contrast, lamp.rim)
    image, alpha = Image.new("RGB", size), Image.new("L", size)
    for part in glyph.parts:
        _paint_part(image, alpha, part, scale, (x0 - 2 / scale, y0 - 2 / scale), colours, lamp)
    foot_x = round((50 - x0) * scale) + 2
    if flip:
        mirror = Image.Transpose.FLIP_LEFT_RIGHT
        image, alpha, foot_x = image.transpose(mirror), alpha.transpose(mirror), size[0] - foot_x
    sprite = Sprite(image, alpha, (foot_x, round((min(y1, 100) - y0) * scale) + 2))
    return scaled(sprite, height / drawn)


def gradient(size: tuple[int, int], stops: tuple[RGB, ...]) -> Image.Image:
    """A vertical gradient through evenly spaced colours."""
    strip = Image.new("RGB", (1, len(stops)))
    strip.putdata(list(stops))
    fine = strip.resize((1, 256), Image.Resampling.BICUBIC, box=(0, 0.5, 1, len(stops) - 0.5))
    return fine.resize(size, Image.Resampling.BILINEAR)


@functools.lru_cache(maxsize=4)
def _disc(edge: int) -> Image.Image:
    return ImageChops.invert(Image.radial_gradient("L")).resize((edge, edge), Image.Resampling.BILINEAR)


def radial(size: tuple[int, int], centre: tuple[float, float], radius: float, strength: float) -> Image.Image:
    """A soft round glow as a mask: brightest (strength 0 to 1) in the centre, gone at the radius."""
    mask = Image.new("L", size)
    edge = max(2, round(radius * 2))
    # Pillow's gradient reaches its full value in the corners: at the rim of the circle, 75 is left
    table = [round(max(0.0, (i - 76) / 179) ** 1.7 * 255 * strength) for i in range(256)]
    glow = _disc(128).point(table).resize((edge, edge), Image.Resampling.BICUBIC)
    mask.paste(glow, (round(centre[0] - radius), round(centre[1] - radius)))
    return mask
