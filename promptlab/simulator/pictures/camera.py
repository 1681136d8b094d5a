"""Where the camera stands: framing, angle, side and lens, from words to numbers; and the lens at work on pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.glyphs import Glyph, warped
from promptlab.simulator.pictures.rng import Dice

__all__ = ["Camera", "border", "camera_of", "seen", "through"]


@dataclass(frozen=True, slots=True)
class Camera:
    """What the words say about the camera. Lengths are parts of the picture's height or width."""

    zoom: float = 1.0
    horizon: float | None = None
    squash: float = 1.0  # things' height beside their width
    taper: float = 0.0  # how much wider things are at the top (from above) or narrower (from below)
    x: float | None = None  # where the hero is
    middle: float | None = None  # where the middle of the hero is, if not on the ground
    blur: float = 0.0  # of what is behind
    view: str = ""  # side, back, front, quarter
    tilt: float = 0.0  # degrees
    lens: str = ""  # fisheye, and what else happens to the whole picture
    framing: str = ""
    empty: bool = False  # nothing else beside the hero


_SHOTS = {name: Camera(**row) for name, row in tables("camera")["shots"].items()}


def camera_of(
    words: tuple[str, ...], strange: tuple[str, ...], moods: tuple[str, ...], nudges: tuple[str, ...] = ()
) -> Camera:
    """The camera after all the words about it; of two about the same, the last counts. Strange words nudge it."""
    camera, plain = Camera(), Camera()
    for word in words:
        shot = _SHOTS.get(word, plain)
        changes = {
            name: getattr(shot, name)
            for name in Camera.__slots__
            if getattr(shot, name) != getattr(plain, name) and name != "zoom"
        }
        framed = shot.framing and camera.framing
        zoom = shot.zoom if framed else camera.zoom * shot.zoom
        camera = replace(camera, zoom=zoom, **changes)
    if "minimal" in moods or "lonely" in moods:
        camera = replace(camera, zoom=camera.zoom * 0.66, empty=True)
    for word in strange[:6]:
        dice = Dice("nudge", word)
        camera = replace(
            camera,
            zoom=camera.zoom * dice.between(0.86, 1.16),
            tilt=camera.tilt + (dice.between(-5, 5) if dice.chance(0.3) else 0.0),
        )
    for word in nudges[:6]:
        camera = replace(camera, zoom=camera.zoom * Dice("nudge", word).between(0.965, 1.045))
    return replace(camera, zoom=min(3.2, max(0.2, camera.zoom)))


def seen(glyph: Glyph, camera: Camera) -> Glyph:
    """A thing as it looks from there."""
    if camera.view == "back":
        kept = tuple(part for part in glyph.parts if part.finish != "flat" and part.colour not in ("a+", "cream"))
        glyph = replace(glyph, parts=kept or glyph.parts)
    across = {"side": 0.66, "quarter": 0.86, "back": -0.97}.get(camera.view, 1.0)
    shear = {"quarter": 0.16, "side": 0.0}.get(camera.view, 0.0)
    taper, squash = camera.taper, camera.squash
    if across == 1.0 and not shear and not taper and squash == 1.0:
        return glyph

    def move(x: float, y: float) -> tuple[float, float]:
        wide = 1.0 + taper * (0.5 - y / 100)
        return 50 + (x - 50) * across * wide, 100 + (y - 100) * squash + (x - 50) * shear

    return warped(glyph, move)


def through(image: Image.Image, camera: Camera, dice: Dice, shapes: Image.Image) -> Image.Image:
    """What lens and shutter do to the whole picture."""
    if camera.lens == "fisheye":
        image = _fisheye(image)
    elif camera.lens == "stretch":
        image = _stretched(image)
    elif camera.lens == "motion":
        image = Image.composite(image, _smeared(image, 34), shapes.filter(ImageFilter.BoxBlur(3)))
    elif camera.lens == "trails":
        image = _trails(Image.composite(image, _smeared(image, 20), shapes), dice)
    elif camera.lens == "soft":
        small = image.reduce(3).filter(ImageFilter.GaussianBlur(2.4)).resize(image.size, Image.Resampling.BICUBIC)
        image = Image.blend(image, small, 0.86)
    elif camera.lens == "sharp":
        image = image.filter(ImageFilter.UnsharpMask(2, 90, 2))
    elif camera.lens == "vignette":
        dark = Image.radial_gradient("L").point([round(255 - max(0, i - 96) * 1.5) for i in range(256)])
        grey = dark.resize(image.size, Image.Resampling.BICUBIC)
        image = ImageChops.multiply(image, Image.merge("RGB", (grey, grey, grey)))
    if camera.tilt:
        image = _tilted(image, camera.tilt)
    return image


def border(image: Image.Image, camera: Camera) -> Image.Image:
    """Bars or a frame, last of all."""
    width, height = image.size
    pen = ImageDraw.Draw(image)
    if camera.lens == "bars":
        bar = round(height * 0.12)
        pen.rectangle((0, 0, width, bar), fill=(8, 8, 10))
        pen.rectangle((0, height - bar, width, height), fill=(8, 8, 10))
    elif camera.lens == "frame":
        edge = round(min(width, height) * 0.055)
        pen.rectangle((0, 0, width - 1, height - 1), outline=(248, 246, 240), width=edge)
        pen.rectangle((edge, edge, width - 1 - edge, height - 1 - edge), outline=(206, 200, 190), width=2)
    return image


def _tilted(image: Image.Image, degrees: float) -> Image.Image:
    turned = image.rotate(degrees, Image.Resampling.BILINEAR)
    cut = abs(degrees) / 90 * 1.3  # what has to go so that no corner is empty
    x, y = round(image.width * cut / 2), round(image.height * cut / 2)
    return turned.resize(image.size, Image.Resampling.BILINEAR, box=(x, y, image.width - x, image.height - y))


def _smeared(image: Image.Image, reach: int) -> Image.Image:
    small = image.reduce(2).filter(ImageFilter.BoxBlur((reach, 0)))
    return small.filter(ImageFilter.BoxBlur((reach // 2, 0))).resize(image.size, Image.Resampling.BILINEAR)


def _trails(image: Image.Image, dice: Dice) -> Image.Image:
    sheet = Image.new("RGB", (image.width // 2, image.height // 2))
    pen = ImageDraw.Draw(sheet)
    for _ in range(22):
        y = dice.between(0.5, 0.95) * sheet.height
        colour = dice.pick(((255, 90, 60), (255, 220, 150), (255, 255, 255), (255, 150, 70)))
        rise = dice.between(-0.08, 0.02) * sheet.height
        pen.line(
            (0, y, sheet.width // 2, y + rise * 0.3, sheet.width, y + rise), fill=colour, width=dice.pick((1, 2, 3))
        )
    soft = ImageChops.add(sheet.filter(ImageFilter.BoxBlur(2)), sheet.filter(ImageFilter.BoxBlur(6)))
    return ImageChops.screen(image, soft.resize(image.size, Image.Resampling.BILINEAR))


def _mesh(image: Image.Image, place: dict[tuple[int, int], tuple[float, float]], cells: int) -> Image.Image:
    width, height = image.size
    xs = [round(width * i / cells) for i in range(cells + 1)]
    ys = [round(height * i / cells) for i in range(cells + 1)]

    def at(i: int, j: int) -> tuple[float, float]:
        x, y = place[i, j]
        return x * width, y * height

    mesh = [
        ((xs[i], ys[j], xs[i + 1], ys[j + 1]), (*at(i, j), *at(i, j + 1), *at(i + 1, j + 1), *at(i + 1, j)))
        for i in range(cells)
        for j in range(cells)
    ]
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _fisheye(image: Image.Image) -> Image.Image:
    cells = 12
    place = {}
    for i in range(cells + 1):
        for j in range(cells + 1):
            x, y = i / cells * 2 - 1, j / cells * 2 - 1
            pull = 0.62 + 0.19 * (x * x + y * y)
            place[i, j] = ((x * pull + 1) / 2, (y * pull + 1) / 2)
    out = _mesh(image, place, cells)
    round_mask = Image.new("L", (image.width // 2, image.height // 2))
    middle, reach = (round_mask.width // 2, round_mask.height // 2), round(max(round_mask.size) * 0.52)
    ImageDraw.Draw(round_mask).ellipse(
        (middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach), fill=255
    )
    black = Image.new("RGB", image.size, (10, 10, 12))
    return Image.composite(out, black, round_mask.resize(image.size, Image.Resampling.BILINEAR))


def _stretched(image: Image.Image) -> Image.Image:
    """A wide lens: corners pulled out."""
    cells = 10
    place = {}
    for i in range(cells + 1):
        for j in range(cells + 1):
            x, y = i / cells * 2 - 1, j / cells * 2 - 1
            pull = 1.0 - 0.16 * (1 - (x * x + y * y) / 2)
            place[i, j] = ((x / pull * 0.84 + 1) / 2, (y / pull * 0.84 + 1) / 2)
    return _mesh(image, place, cells)
