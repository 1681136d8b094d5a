"""A picture from a prompt: layout and noise from the seed, everything else from the words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures import paint, palette, places, stage, textures
from promptlab.simulator.pictures.actions import draw_marks
from promptlab.simulator.pictures.camera import Camera, border, camera_of, through
from promptlab.simulator.pictures.finish import finish
from promptlab.simulator.pictures.lettering import draw_texts, mark
from promptlab.simulator.pictures.looks import Look, look_of
from promptlab.simulator.pictures.overlays import in_front
from promptlab.simulator.pictures.placing import Placed, Scene, place
from promptlab.simulator.pictures.prompt_reader import PromptReading, Thing, read
from promptlab.simulator.pictures.props import prop_words, props
from promptlab.simulator.pictures.rng import Dice

__all__ = ["SIZES", "PictureRequest", "cast", "compose", "reflect"]


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


#: The 1024 px class: aspect ratio → pixels.
SIZES: dict[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
}


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """All that a picture depends on; equal recipes give equal pixels."""

    model: str
    prompt: str
    negative_prompt: str
    aspect_ratio: str
    seed: int
    position: int


def _layout(recipe: PictureRequest) -> Dice:
    return Dice("layout", recipe.model, recipe.seed, recipe.position)


def _grounded(look: Look, reading: PromptReading, ground: str | None) -> Look:
    """The ground's own colour, under the look's light."""
    if look.seamless and reading.ground is None:
        return look
    if ground is None and reading.ground_colour is None:
        return look
    far, near = textures.GROUND_COLOURS.get(ground or "", look.ground)
    if reading.ground_colour:
        colour = palette.FIXED[reading.ground_colour]
        far, near = palette.mix(colour, (255, 255, 255), 0.1), palette.mix(colour, (60, 50, 70), 0.12)
    if look.dark:
        return replace(look, ground=(palette.mix(far, look.ground[0], 0.72), palette.mix(near, look.ground[1], 0.8)))
    return replace(look, ground=(palette.mix(far, look.ground[0], 0.3), palette.mix(near, look.ground[1], 0.34)))


def _printed(look: Look, accent: palette.RGB) -> Look:
    """Posters and prints have bold flat grounds."""
    if look.treatment not in ("poster", "riso", "pixel", "popart", "artdeco", "papercut") or look.seamless:
        return look
    if look.dark:
        return replace(look, glow=0.0, sky=(look.sky[0],) * 3, ground=(look.ground[0],) * 2)
    bold = palette.mix(palette.shift_hue(accent, 0, 1.15, 1.05), look.sky[1], 0.35)
    sky, ground = palette.mix(bold, look.key, 0.2), palette.mix(look.ground[0], (255, 246, 224), 0.5)
    return replace(look, glow=0.0, sky=(sky, sky, sky), ground=(ground, ground))


def _lamp(look: Look, side: int) -> paint.Lamp:
    """Which way the light falls on things."""
    x, y = {
        "front": (0.0, -0.12), "side": (side * 0.98, -0.12), "left": (-0.98, -0.16), "right": (0.98, -0.16),
        "top": (0.0, -1.0), "under": (side * 0.2, 0.95), "spot": (0.0, -0.95), "back": (side * 0.2, -0.3),
    }.get(look.direction or "", (side * 0.75, -0.66))  # fmt: skip
    return paint.Lamp(x, y, look.key, look.shade, look.contrast, look.rim)


def _ground_texture(image: Image.Image, name: str, look: Look, horizon: float, version: int) -> None:
    top = round(horizon * image.height)
    area = (0, top, image.width, image.height)
    grey = textures.texture(name, (image.width, image.height - top), version)
    if look.dark:
        grey = grey.point([round(128 + (i - 128) * 0.7) for i in range(256)])
    image.paste(ImageChops.overlay(image.crop(area), Image.merge("RGB", (grey, grey, grey))), (0, top))


def _wall_texture(image: Image.Image, name: str, horizon: float) -> None:
    """A wall of wood, brick or paper behind things."""
    grain = {
        "textured": "concrete",
        "patterned background": "tile",
        "stone": "tile",
        "bamboo": "wood",
        "walnut": "wood",
    }
    texture = grain.get(name, name)
    bottom = round(horizon * image.height)
    if texture not in textures.GROUND_COLOURS or bottom < 8:
        return
    grey = textures.texture(texture, (image.width, bottom), 1)
    tone = Image.new("RGB", (image.width, bottom), textures.GROUND_COLOURS[texture][0])
    wall = Image.blend(image.crop((0, 0, image.width, bottom)), tone, 0.5)
    image.paste(ImageChops.overlay(wall, Image.merge("RGB", (grey, grey, grey))), (0, 0))


def _bloom(image: Image.Image, strength: float) -> Image.Image:
    """Bright parts spill over: a blurred small copy screened back."""
    small = image.reduce(8).point([max(0, i - 110) for i in range(256)] * 3)
    soft = small.filter(ImageFilter.GaussianBlur(4)).point([round(i * strength) for i in range(256)] * 3)
    return ImageChops.screen(image, soft.resize(image.size, Image.Resampling.BILINEAR))


def _spotlight(image: Image.Image, focus: tuple[float, float]) -> Image.Image:
    width, height = image.size
    mask = paint.radial(
        (width // 4, height // 4), (focus[0] * width / 4, focus[1] * height / 4), height / 4 * 0.72, 1.0
    )
    cone = Image.new("L", mask.size)
    ImageDraw.Draw(cone).polygon(
        [
            (focus[0] * mask.width - mask.width * 0.04, 0),
            (focus[0] * mask.width + mask.width * 0.04, 0),
            (focus[0] * mask.width + mask.width * 0.3, mask.height),
            (focus[0] * mask.width - mask.width * 0.3, mask.height),
        ],
        fill=110,
    )
    light = ImageChops.add(mask, cone.filter(ImageFilter.BoxBlur(4)), 1, 40).resize(
        image.size, Image.Resampling.BILINEAR
    )
    return ImageChops.multiply(image, Image.merge("RGB", (light, light, light)))


def _glow(image: Image.Image, one: Placed) -> None:
    colour = (255, 232, 160) if one.glow == "glowing" else (255, 140, 50)
    x0, y0, x1, y1 = one.area
    radius = max(x1 - x0, y1 - y0) * 0.85
    mask = paint.radial((image.width // 4, image.height // 4), ((x0 + x1) / 8, (y0 + y1) / 8), radius / 4, 0.95)
    lit = ImageChops.screen(image, Image.new("RGB", image.size, colour))
    image.paste(lit, (0, 0), mask.resize(image.size, Image.Resampling.BILINEAR))


#: Where things are at home, if the prompt says nothing about where they are.
_HOMES = {
    "boat": "sea", "fish": "underwater", "house": "garden", "tree": "garden", "horse": "garden", "tower": "city",
    "castle": "garden", "lighthouse": "sea", "plane": "sky", "balloon": "sky", "cloud": "sky", "rocket": "sky",
    "palm": "beach",
}  # fmt: skip


def _homed(reading: PromptReading) -> PromptReading:
    """The reading with a place for what looks lost in a studio."""
    if reading.place or reading.ground or reading.backdrop or not reading.things or reading.light in ("studio", "neon"):
        return reading
    glyph = reading.things[0].glyph or ""
    home = _HOMES.get(glyph)
    if home is None and (reading.of("seasons") or reading.of("weather")) and glyph not in ("lamp", "sofa"):
        home = "garden"
    return reading if home is None or home in reading.removed else replace(reading, place=home)


@dataclass(slots=True)
class _Set:
    """What a picture is made with, worked out from words and seed."""

    reading: PromptReading
    look: Look
    camera: Camera
    layout: Dice
    side: int
    horizon: float
    ground: str | None
    size: tuple[int, int]
    accent: palette.RGB


def _set(recipe: PictureRequest) -> _Set:
    reading = _homed(read(recipe.prompt, recipe.negative_prompt))
    layout = _layout(recipe)
    side = layout.pick((-1, 1))
    horizon = layout.between(0.54, 0.72)
    camera = camera_of(reading.of("camera"), reading.strange, reading.of("moods"), reading.nudges)
    if camera.horizon is not None:
        horizon = camera.horizon if reading.things else max(0.3, camera.horizon)
    hero = reading.things[0] if reading.things else Thing(reading.place or "still", None)
    accents = palette.thing_colours(hero.word + " backdrop", (), (), Dice("accent", hero.word))
    accent = accents[layout.pick("abc")]
    ground = reading.ground or (None if reading.backdrop_colour else places.place_ground(reading.place))
    look = look_of(reading)
    if look.direction in ("left", "right"):
        side = -1 if look.direction == "left" else 1
    look = _printed(_grounded(look, reading, ground), accent)
    return _Set(reading, look, camera, layout, side, horizon, ground, SIZES[recipe.aspect_ratio], accent)


def compose(recipe: PictureRequest) -> Image.Image:
    """The finished RGB picture of a recipe."""
    made = _set(recipe)
    reading, look, camera, size, horizon = made.reading, made.look, made.camera, made.size, made.horizon
    open_place = None if reading.backdrop_colour else reading.place
    words = prop_words(reading)
    if camera.lens == "bokeh" and not look.dark:
        look = replace(look, overlays=("bokeh", *look.overlays))
    ashore = bool(reading.things) and reading.things[0].glyph not in ("boat", "fish", "bird", "sun", "moon", "cloud")
    layer = stage.build(
        size, look, open_place, horizon, made.side, made.layout, made.accent, words, camera.empty, ashore
    )
    if camera.view in ("back", "side"):  # the camera went round: so did what is behind
        layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    lamp = _lamp(look, made.side)
    scene = Scene(size, horizon, look, camera, lamp, recipe.seed, recipe.position)
    things = place(reading, scene)
    things = sorted([*things, *props(reading, scene, things, words)], key=lambda one: (one.stands != "sky", one.z))
    version = made.layout.pick((0, 1, 2))
    image = _stood(made, layer, things, version, open_place)
    focus = _focus(things, size)
    for index, one in enumerate(things):
        if one.glow:
            _glow(image, one)
        image.paste(one.sprite.image, one.corner, one.sprite.alpha)
        if one.marks:
            ink = (255, 255, 255) if palette.grey(look.sky[1]) < 150 else palette.mix(look.shade, (40, 34, 52), 0.5)
            draw_marks(image, one.marks, one.area, made.side, ink, Dice("marks", recipe.seed, index))
    shapes = _outline(things, size)
    in_front(image, look, Dice("air", recipe.seed, recipe.position), focus, made.side)
    image = through(image, camera, Dice("lens", recipe.seed, recipe.position), shapes)
    if look.direction == "spot":
        image = _spotlight(image, focus)
    draw_texts(image, reading.texts, look, made.layout, reading.text_size)
    if look.dark or look.glow > 0.7 or "bloom" in look.overlays:
        image = _bloom(image, 1.1 if "bloom" in look.overlays else 0.75 if look.rim > 0.5 else 0.45)
    image = finish(image, look, reading, recipe.seed, recipe.position, shapes=shapes)
    return mark(border(image, camera))


def _stood(made: _Set, layer: Image.Image, things: list[Placed], version: int, place_name: str | None) -> Image.Image:
    """The full-size picture of stage, ground, shadows and reflections, before anything stands on it."""
    look, camera, horizon = made.look, made.camera, made.horizon
    if look.shadow:
        for one in things:
            if one.stands == "table":
                cast(layer, one, look, made.side, horizon)
    if camera.blur:
        layer = layer.filter(ImageFilter.BoxBlur(camera.blur)).filter(ImageFilter.BoxBlur(camera.blur * 0.7))
    image = layer.resize(made.size, Image.Resampling.BICUBIC)
    bare = place_name in ("sea", "beach", "space", "underwater", "sky") or camera.blur >= 6
    if made.ground in textures.GROUND_COLOURS and not bare:
        _ground_texture(image, made.ground, look, max(0.0, horizon), version)
    if made.reading.backdrop and not made.reading.backdrop_colour:
        _wall_texture(image, made.reading.backdrop, horizon)
    shine = 0.9 if made.ground in ("marble", "tile", "glasstop") else 0.75 if look.rim > 0.5 else 0.0
    if made.reading.light == "studio":
        shine = max(shine, 0.35)
    if "reflection" in look.overlays:
        shine = 1.4
    for one in things:
        if shine and one.stands == "table" and not one.lift:
            reflect(image, one, shine)
    return image


def _focus(things: list[Placed], size: tuple[int, int]) -> tuple[float, float]:
    """The middle of what is looked at, as parts of the picture."""
    standing = [one for one in things if one.stands != "sky" and not one.stands.startswith("prop")]
    if not standing:
        return 0.5, 0.55
    x0, y0, x1, y1 = max(standing, key=lambda one: one.sprite.image.height).area
    return (x0 + x1) / 2 / size[0], (y0 + y1) / 2 / size[1]


def _outline(things: list[Placed], size: tuple[int, int]) -> Image.Image:
    """Where things are, as one mask: painterly styles keep finer strokes there."""
    mask = Image.new("L", size)
    for one in things:
        mask.paste(255, one.corner, one.sprite.alpha)
    return mask
