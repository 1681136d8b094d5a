"""A picture from a prompt: layout and noise from the seed, everything else from the words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageFilter

from promptlab.simulator.pictures import paint, palette, stage, textures
from promptlab.simulator.pictures.finish import finish
from promptlab.simulator.pictures.glyphs_world import unknown
from promptlab.simulator.pictures.lettering import draw_texts
from promptlab.simulator.pictures.looks import Look, look_of
from promptlab.simulator.pictures.parts import Glyph, curve, line, oval, poly
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.vocabulary import GLYPHS
from promptlab.simulator.pictures.words import Reading, Thing, read

__all__ = ["SIZES", "Recipe", "compose"]

#: The 1024 px class: aspect ratio → pixels.
SIZES: dict[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a picture depends on; equal recipes give equal pixels."""

    model: str
    prompt: str
    negative_prompt: str
    aspect_ratio: str
    seed: int
    position: int


@dataclass(frozen=True, slots=True)
class _Placed:
    sprite: paint.Sprite
    x: int  # of the foot, in pixels of the picture
    y: int
    stands: str


def _layout(recipe: Recipe) -> Dice:
    return Dice("layout", recipe.model, recipe.seed, recipe.position)


def _glyph(thing: Thing) -> Glyph:
    return GLYPHS[thing.glyph] if thing.glyph else unknown(thing.word)


def _grounded(look: Look, reading: Reading, ground: str | None) -> Look:
    """The ground's own colour, under the look's light."""
    if ground is None and reading.ground_colour is None:
        return look
    far, near = textures.GROUND_COLOURS.get(ground or "", look.ground)
    if reading.ground_colour:
        colour = palette.FIXED[reading.ground_colour]
        far, near = palette.mix(colour, (255, 255, 255), 0.1), palette.mix(colour, (60, 50, 70), 0.12)
    if look.dark:
        return replace(look, ground=(palette.mix(far, look.ground[0], 0.72), palette.mix(near, look.ground[1], 0.8)))
    return replace(look, ground=(palette.mix(far, look.ground[0], 0.25), palette.mix(near, look.ground[1], 0.3)))


def _printed(look: Look, accent: palette.RGB) -> Look:
    """Posters and prints have bold flat grounds."""
    if look.treatment not in ("poster", "riso", "pixel"):
        return look
    if look.dark:
        return replace(look, glow=0.0, sky=(look.sky[0],) * 3, ground=(look.ground[0],) * 2)
    bold = palette.shift_hue(accent, 0, 1.15, 1.05)
    sky, ground = palette.mix(bold, look.key, 0.2), palette.mix(look.ground[0], (255, 246, 224), 0.5)
    return replace(look, glow=0.0, sky=(sky, sky, sky), ground=(ground, ground))


#: Small things a stylist adds, by seed, where a prompt leaves room.
_PROPS: dict[str, tuple[Glyph, float]] = {
    "ball": (Glyph((oval(20, 40, 80, 100, "a", "gloss"),)), 0.13),
    "balls": (Glyph((oval(0, 44, 56, 100, "a"), oval(50, 64, 86, 100, "b", "gloss"))), 0.14),
    "cube": (Glyph((poly("10,50 50,60 50,101 10,90", "a"), poly("50,60 90,48 90,88 50,101", "a-"),
                    poly("10,50 50,40 90,48 50,60", "a+"))), 0.15),
    "pebbles": (Glyph((curve("4,92 14,76 40,72 58,82 60,96 34,101 10,100", "stone"),
                       curve("50,92 60,82 82,80 96,90 94,100 64,101", "stone-"),
                       curve("26,74 38,60 56,62 62,74 44,80", "stone+"))), 0.1),
    "sprig": (Glyph((line("20,100 40,60 76,20", 2.4, "moss"), curve("34,72 12,66 6,48 28,52", "leaf"),
                     curve("46,54 60,64 82,62 68,50", "leaf"), curve("50,46 36,36 36,16 52,28", "leaf+"),
                     curve("62,34 78,38 94,30 80,22", "leaf"), curve("72,24 70,6 84,-4 86,14", "leaf+"))), 0.26),
    "cone": (Glyph((curve("50,20 50,20 84,96 84,96 68,101 32,101 16,96 16,96", "a"),)), 0.2),
    "arch": (Glyph((curve("10,100 10,100 10,40 24,20 50,12 76,20 90,40 90,100 90,100 68,100 68,100 68,52 50,36 32,52"
                          " 32,100 32,100", "a"),)), 0.3),
}  # fmt: skip


def _props(hero: float, size: tuple[int, int], horizon: float, lamp: paint.Lamp, look: Look, dice: Dice,
           reading: Reading) -> list[_Placed]:  # fmt: skip
    """None to two props beside the hero; a removed word takes its prop away too."""
    placed, names = [], list(_PROPS)
    for index in range(dice.pick((0, 1, 1, 2))):
        name, away = dice.pick(names), dice.between(0.27, 0.4)
        depth, flip = dice.between(0.0, 0.22), dice.chance(0.5)
        x = hero + (away if (hero < 0.5) != (index == 1) else -away)
        glyph, share = _PROPS[name]
        if not 0.08 < x < 0.92 or reading.removed & {name, "prop", "props", "clutter"}:
            continue
        colours = {
            key: palette.FIXED[dice.pick(("cream", "sand", "terracotta", "sage", "mustard", "stone"))] for key in "abc"
        }
        tall = min(size[0], size[1] * 1.2) * share * dice.between(0.85, 1.25)
        foot = horizon * size[1] + (0.1 + depth * 0.62) * (1 - horizon) * size[1]
        placed.append(
            _Placed(paint.draw_sprite(glyph, tall, colours, lamp, flip), round(x * size[0]), round(foot), "table")
        )
    return placed


def _slots(count: int, dice: Dice, wide: bool) -> list[tuple[float, float]]:
    """Places for the hero and its companions: x and depth (0 far, 1 near), as parts of the ground."""
    hero = dice.pick((0.36, 0.43, 0.5, 0.57, 0.64)) if count > 1 else dice.pick((0.38, 0.46, 0.5, 0.54, 0.62))
    toward = 1 if hero < 0.5 or (hero == 0.5 and dice.chance(0.5)) else -1
    step = 0.27 if wide else 0.31
    slots = [(hero, dice.between(0.32, 0.58))]
    for index in range(1, count):
        away = (index + 1) // 2
        direction = toward if index % 2 else -toward
        x = min(0.9, max(0.1, hero + direction * step * away + dice.between(-0.03, 0.03)))
        slots.append((x, dice.pick((0.12, 0.22, 0.72)) if index < 3 else 0.08))
    return slots


def _place(
    reading: Reading, recipe: Recipe, look: Look, size: tuple[int, int], horizon: float, side: int
) -> list[_Placed]:
    """Every thing's sprite where it stands, farthest first. A removed thing leaves its slot empty."""
    width, height = size
    dice = Dice("things", recipe.seed, recipe.position)
    lamp = paint.Lamp(side * 0.75, -0.66, look.key, look.shade, look.contrast, look.rim)
    slots = _slots(len(reading.things), dice, width > height)
    zoom, flips = dice.between(0.8, 1.16), [dice.chance(0.5) for _ in range(8)]
    hero = _glyph(reading.things[0]).size if reading.things else 1.0
    crowd = 1.0 if len(reading.things) < 2 else 0.86
    placed: list[_Placed] = []
    for index, thing in enumerate(reading.things):
        glyph, (x, depth) = _glyph(thing), slots[index]
        if reading.removed & {thing.glyph, thing.word}:
            continue
        share = 1.0 if index == 0 else max(0.45, min(1.35, glyph.size / hero)) * (0.72 + 0.2 * depth)
        x0, y0, x1, y1 = glyph.bounds()
        reach = (min(size) + abs(width - height) * 0.25) * (0.84 if reading.texts else 1.0)
        tall = min(
            reach * 0.52 * zoom * crowd * share,
            (0.62 if index == 0 else 0.4) * width * (y1 - y0) / (x1 - x0),
            height * 0.8,
        )
        foot = horizon * height + (0.1 + depth * 0.62) * (1 - horizon) * height
        if glyph.stands == "bust" and index == 0:
            tall, foot = height * 0.78 * zoom, height * 1.04
        elif glyph.stands == "sky":
            foot = height * 0.3 + tall * 0.2
        colours = palette.thing_colours(thing.word, glyph.colours, thing.colour, Dice("wear", thing.word, recipe.seed))
        sprite = paint.draw_sprite(glyph, tall, colours, lamp, flips[index])
        margin = sprite.image.width // 2 + round(width * 0.03)
        middle = min(max(round(x * width), margin), max(width - margin, width // 2))
        placed.append(_Placed(sprite, middle, round(foot), glyph.stands))
    if len(reading.things) == 1 and not reading.place and all(one.stands == "table" for one in placed):
        placed += _props(slots[0][0], size, horizon, lamp, look, Dice("props", recipe.seed, recipe.position), reading)
    return sorted(placed, key=lambda one: (one.stands != "sky", one.y))


def _cast(layer: Image.Image, one: _Placed, look: Look, side: int, horizon: float) -> None:
    """The thing's shadow on the half-size layer: a sheared, flattened copy of its outline, and contact at its foot."""
    alpha = one.sprite.alpha.reduce(2)
    width, height = alpha.size
    blur = max(0.6, look.softness * layer.height)
    pad = round(blur * 2.5) + 2
    upright = look.reach < 0.4 and look.softness < 0.01  # a flash on the camera throws it on the wall behind
    flat = 1.0 if upright else 0.30
    room = one.y / 2 - horizon * layer.height  # on the ground it stops before the wall
    tall = max(4, round(height * flat if upright else min(height * flat, room * 0.9)))
    shear = 0 if upright else round(-side * look.reach * height * 0.27)
    extent = (width + abs(shear) + 2 * pad, tall + 2 * pad)
    lean, start = shear / tall, max(0, -shear)
    shape = alpha.transform(
        extent, Image.Transform.AFFINE,
        (1, lean, -pad - start - shear + (-lean * pad), 0, height / tall, -pad * height / tall),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    for _ in range(2):
        shape = shape.filter(ImageFilter.BoxBlur(blur))
    left = one.x // 2 - one.sprite.foot[0] // 2 - pad - start
    top = one.y // 2 - tall - pad - (height - one.sprite.foot[1] // 2) // 2
    if upright:
        left, top = left - side * round(width * 0.09), top + round(height * 0.03)
    strength = look.shadow * (1.0 if upright else 0.85)
    dim = palette.mix(look.shade, (20, 14, 26), 0.4)
    layer.paste(dim, (left, top), shape.point([round(i * strength) for i in range(256)]))
    wide, deep = round(width * 0.92), max(6, round(width * 0.13))
    spot = paint.radial((128, 128), (64, 64), 62, min(1.0, look.shadow * 1.5)).resize(
        (wide, deep * 2), Image.Resampling.BILINEAR
    )
    middle = one.x // 2 - one.sprite.foot[0] // 2 + width // 2
    layer.paste(dim, (middle - wide // 2, one.y // 2 - deep), spot)


def _ground_texture(image: Image.Image, name: str, look: Look, horizon: float, version: int) -> None:
    top = round(horizon * image.height)
    area = (0, top, image.width, image.height)
    grey = textures.texture(name, (image.width, image.height - top), version)
    if look.dark:
        grey = grey.point([round(128 + (i - 128) * 0.7) for i in range(256)])
    image.paste(ImageChops.overlay(image.crop(area), Image.merge("RGB", (grey, grey, grey))), (0, top))


def _reflect(image: Image.Image, one: _Placed, strength: float) -> None:
    flipped = one.sprite.image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    alpha = one.sprite.alpha.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    fade = Image.linear_gradient("L").point([round(max(0, 170 - i) * strength) for i in range(256)]).resize(alpha.size)
    top = one.y - (one.sprite.image.height - one.sprite.foot[1]) - 2
    image.paste(flipped, (one.x - one.sprite.foot[0], top), ImageChops.multiply(alpha, fade))


def _bloom(image: Image.Image, strength: float) -> Image.Image:
    """Bright parts spill over: a blurred small copy screened back."""
    small = image.reduce(8).point([max(0, i - 110) for i in range(256)] * 3)
    soft = small.filter(ImageFilter.GaussianBlur(4)).point([round(i * strength) for i in range(256)] * 3)
    return ImageChops.screen(image, soft.resize(image.size, Image.Resampling.BILINEAR))


def compose(recipe: Recipe) -> Image.Image:
    """The finished RGB picture of a recipe."""
    reading = read(recipe.prompt, recipe.negative_prompt)
    size, layout = SIZES[recipe.aspect_ratio], _layout(recipe)
    side = layout.pick((-1, 1))
    horizon = layout.between(0.54, 0.72)
    ground = reading.ground or stage.place_ground(reading.place)
    hero = reading.things[0] if reading.things else Thing(reading.place or "still", None)
    accents = palette.thing_colours(hero.word + " backdrop", (), None, Dice("accent", hero.word))
    accent = accents[layout.pick("abc")]
    look = _printed(_grounded(look_of(reading), reading, ground), accent)
    layer = stage.build(size, look, reading.place, horizon, side, layout, accent)
    things = _place(reading, recipe, look, size, horizon, side)
    if look.shadow:
        for one in things:
            if one.stands == "table":
                _cast(layer, one, look, side, horizon)
    image = layer.resize(size, Image.Resampling.BICUBIC)
    if ground and reading.place not in ("sea", "beach", "space"):
        _ground_texture(image, ground, look, horizon, layout.pick((0, 1, 2)))
    shine = (
        0.9
        if ground in ("marble", "tile")
        else (0.75 if look.rim > 0.5 else 0.35 if reading.light == "studio" else 0.0)
    )
    for one in things:
        if shine and one.stands == "table":
            _reflect(image, one, shine)
    for one in things:
        image.paste(one.sprite.image, (one.x - one.sprite.foot[0], one.y - one.sprite.foot[1]), one.sprite.alpha)
    draw_texts(image, reading.texts, look, layout)
    if look.dark or look.glow > 0.7:
        image = _bloom(image, 0.75 if look.rim > 0.5 else 0.45)
    return finish(
        image, look, reading, recipe.seed, recipe.position, recipe.prompt, shapes=things_outline(things, size)
    )


def things_outline(things: list[_Placed], size: tuple[int, int]) -> Image.Image:
    """Where things are, as one mask: painterly styles keep finer strokes there."""
    mask = Image.new("L", size)
    for one in things:
        mask.paste(255, (one.x - one.sprite.foot[0], one.y - one.sprite.foot[1]), one.sprite.alpha)
    return mask
