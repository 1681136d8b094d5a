"""What a thing throws on the ground: its shadow, and its reflection."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageFilter

from promptlab.simulator.pictures import paint, palette
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.relations import Placed

__all__ = ["cast", "reflect"]


def cast(layer: Image.Image, one: Placed, look: Look, side: int, horizon: float) -> None:
    """The shadow on the half-size layer: a sheared, flattened copy of the outline, and contact at the foot."""
    alpha = one.sprite.alpha.reduce(2)
    width, height = alpha.size
    blur = max(0.6, look.softness * layer.height)
    pad = round(blur * 2.5) + 2
    upright = look.reach < 0.4 and look.softness < 0.01  # a flash on the camera throws it on the wall behind
    flat = 1.0 if upright else 0.30
    room = one.y / 2 - horizon * layer.height  # on the ground it stops before the wall
    tall = max(4, round(height * flat if upright else min(height * flat, max(8.0, room * 0.9))))
    way = 0 if look.direction in ("back", "silhouette") else -side
    shear = 0 if upright else round(way * look.reach * height * 0.27)
    extent = (width + abs(shear) + 2 * pad, tall + 2 * pad)
    lean, start = shear / tall, max(0, -shear)
    shape = alpha.transform(
        extent, Image.Transform.AFFINE,
        (1, lean, -pad - start - shear + (-lean * pad), 0, height / tall, -pad * height / tall),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    near = look.direction in ("back", "silhouette")  # the light comes from behind: the shadow falls towards us
    if near:
        shape = shape.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    for _ in range(2):
        shape = shape.filter(ImageFilter.BoxBlur(blur))
    left = one.x // 2 - one.sprite.foot[0] // 2 - pad - start
    top = one.y // 2 - tall - pad - (height - one.sprite.foot[1] // 2) // 2
    if near:
        top = one.y // 2 - pad - 2
    if upright:
        left, top = left - side * round(width * 0.09), top + round(height * 0.03)
    fade = 0.6 if one.lift else 1.0
    strength = look.shadow * (1.0 if upright else 0.85) * fade
    dim = palette.mix(look.shade, (20, 14, 26), 0.4)
    layer.paste(dim, (left, top), shape.point([round(i * strength) for i in range(256)]))
    wide, deep = round(width * 0.92), max(6, round(width * 0.13))
    spot = paint.radial((128, 128), (64, 64), 62, min(1.0, look.shadow * 1.5) * fade).resize(
        (wide, deep * 2), Image.Resampling.BILINEAR
    )
    middle = one.x // 2 - one.sprite.foot[0] // 2 + width // 2
    layer.paste(dim, (middle - wide // 2, one.y // 2 - deep), spot)


def reflect(image: Image.Image, one: Placed, strength: float) -> None:
    """The thing upside down in a shining ground."""
    flipped = one.sprite.image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    alpha = one.sprite.alpha.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    table = [min(255, round(max(0, 170 - i) * strength)) for i in range(256)]
    fade = Image.linear_gradient("L").point(table).resize(alpha.size)
    top = one.y - (one.sprite.image.height - one.sprite.foot[1]) - 2
    image.paste(flipped, (one.x - one.sprite.foot[0], top), ImageChops.multiply(alpha, fade))
