"""What is in the air: rain, leaves, rays, hearts and the rest, behind things on the stage or in front of them."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.palette import RGB, mix
from promptlab.simulator.pictures.rng import Dice, cosine, sine

__all__ = ["IN_FRONT", "in_front"]


class Sheet:
    """Shapes in colours over the picture: drawn at half its size, so that edges come out soft and cheap."""

    def __init__(self, size: tuple[int, int], look: Look, dice: Dice, focus: tuple[float, float], side: int) -> None:
        self.width, self.height = size[0] // 2, size[1] // 2
        self.look, self.dice, self.focus, self.side = look, dice, focus, side
        self.ink = Image.new("RGB", (self.width, self.height))
        self.mask = Image.new("L", (self.width, self.height))
        self._ink, self._mask = ImageDraw.Draw(self.ink), ImageDraw.Draw(self.mask)
        self._begun = False

    def _begin(self, colour: RGB) -> None:
        """The first colour fills the sheet, so that soft edges fade to it and not to black."""
        if not self._begun:
            self.ink.paste(colour, (0, 0, self.width, self.height))
            self._begun = True

    def at(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.width), round(y * self.height)

    def poly(self, points: list[tuple[float, float]], colour: RGB, opacity: float = 1.0) -> None:
        """Fill a polygon; coordinates are parts of the picture."""
        self._begin(colour)
        corners = [self.at(x, y) for x, y in points]
        self._ink.polygon(corners, fill=colour)
        self._mask.polygon(corners, fill=round(255 * opacity))

    def disc(self, x: float, y: float, radius: float, colour: RGB, opacity: float = 1.0, ring: int = 0) -> None:
        """Fill a circle, or draw one as a ring."""
        self._begin(colour)
        (px, py), r = self.at(x, y), max(1, round(radius * self.height))
        area = (px - r, py - r, px + r, py + r)
        if ring:
            self._ink.ellipse(area, outline=colour, width=ring + 2)
            self._mask.ellipse(area, outline=round(255 * opacity), width=ring)
        else:
            self._ink.ellipse((px - r - 1, py - r - 1, px + r + 1, py + r + 1), fill=colour)
            self._mask.ellipse(area, fill=round(255 * opacity))

    def line(self, points: list[tuple[float, float]], width: int, colour: RGB, opacity: float = 1.0) -> None:
        """Draw a stroke."""
        self._begin(colour)
        corners = [self.at(x, y) for x, y in points]
        self._ink.line(corners, fill=colour, width=width + 2, joint="curve")
        self._mask.line(corners, fill=round(255 * opacity), width=width, joint="curve")

    def blur(self, radius: float) -> None:
        """Soften all that was drawn so far."""
        self.mask = self.mask.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))

    def flood(self, colour: RGB, mask: Image.Image) -> None:
        """One colour under its own mask."""
        self.ink = Image.new("RGB", (self.width, self.height), colour)
        self.mask = mask

    def onto(self, image: Image.Image) -> None:
        """Lay it over the picture."""
        bilinear = Image.Resampling.BILINEAR
        image.paste(self.ink.resize(image.size, bilinear), (0, 0), self.mask.resize(image.size, bilinear))


def _drops(sheet: Sheet, count: int, long: float, opacity: float) -> None:
    lean = 0.12 * sheet.side
    for _ in range(count):
        x, y, near = sheet.dice.between(-0.1, 1.1), sheet.dice.between(-0.1, 1.0), sheet.dice.unit()
        reach = long * (0.5 + near)
        sheet.line([(x, y), (x - lean * reach * 3, y + reach)], 1 if near < 0.7 else 2, (232, 240, 250),
                   opacity * (0.5 + near / 2))  # fmt: skip


def _rain(sheet: Sheet) -> None:
    _drops(sheet, 300, 0.085, 0.66)
    for _ in range(26):  # splashes on the ground
        x, y = sheet.dice.unit(), sheet.dice.between(0.72, 0.98)
        sheet.line([(x - 0.016, y), (x, y + 0.006), (x + 0.016, y)], 1, (236, 242, 250), 0.6)


def _drizzle(sheet: Sheet) -> None:
    _drops(sheet, 90, 0.05, 0.4)


def _snow(sheet: Sheet) -> None:
    for index in range(230):
        near = sheet.dice.unit() ** 2
        radius = 0.0025 + 0.009 * near
        sheet.disc(sheet.dice.unit(), sheet.dice.unit(), radius, (255, 255, 255), 0.6 if index % 4 else 0.95)


def _veil(sheet: Sheet, colour: RGB, low: float, high: float, streaks: tuple[int, int]) -> None:
    """Drifting banks: more at the bottom."""
    noise = textures.octaves(
        (sheet.width // 4, sheet.height // 4), sheet.dice, (streaks, (streaks[0] * 2, streaks[1] * 2))
    )
    down = Image.linear_gradient("L").resize(noise.size)
    bank = Image.blend(noise, down, 0.45)
    table = [round(255 * max(0.0, min(1.0, low + (high - low) * (i - 60) / 140))) for i in range(256)]
    sheet.flood(colour, bank.point(table).resize((sheet.width, sheet.height), Image.Resampling.BICUBIC))


def _fog(sheet: Sheet) -> None:
    _veil(sheet, mix((226, 230, 234), sheet.look.key, 0.15), 0.2, 0.86, (3, 6))


def _mist(sheet: Sheet) -> None:
    _veil(sheet, mix(sheet.look.sky[2], (214, 216, 232), 0.4), 0.0, 0.6, (3, 7))


def _dust(sheet: Sheet) -> None:
    _veil(sheet, (222, 186, 134), 0.12, 0.58, (4, 9))


def _smoke(sheet: Sheet) -> None:
    _plume(sheet, (104, 104, 112), 0.12, 0.62, 16)


def _steam(sheet: Sheet) -> None:
    _plume(sheet, (255, 255, 255), 0.06, 0.9, 12)


def _plume(sheet: Sheet, colour: RGB, wide: float, opacity: float, count: int) -> None:
    x, y = sheet.focus[0], sheet.focus[1] - 0.1
    for strand in range(3):
        phase, start = sheet.dice.between(0, 6), x + (strand - 1) * wide * 0.9
        for step in range(count):
            rise = step / count
            sway = sine(phase + rise * 7) * wide * 0.6 * (0.4 + rise)
            sheet.disc(start + sway, y - rise * 0.42, wide * (0.22 + 0.5 * rise), colour, opacity * (1 - rise * 0.8))
    sheet.blur(6 if wide < 0.1 else 9)


def _leaf(sheet: Sheet, x: float, y: float, size: float, turn: float, colour: RGB) -> None:
    aspect = sheet.height / sheet.width
    shape = [(-1, 0), (-0.4, -0.42), (0.3, -0.44), (1, 0), (0.3, 0.44), (-0.4, 0.42)]
    sin, cos = sine(turn), cosine(turn)
    sheet.poly([(x + (a * cos - b * sin) * size * aspect, y + (a * sin + b * cos) * size) for a, b in shape], colour)


def _leaves(sheet: Sheet) -> None:
    for _ in range(46):
        size = sheet.dice.between(0.012, 0.03)
        colour = sheet.dice.pick(((214, 92, 40), (236, 150, 50), (180, 54, 40), (222, 184, 74), (150, 96, 52)))
        _leaf(sheet, sheet.dice.unit(), sheet.dice.unit(), size, sheet.dice.between(0, 6.2), colour)


def _petals(sheet: Sheet) -> None:
    for _ in range(90):
        size = sheet.dice.between(0.012, 0.028)
        colour = sheet.dice.pick(((255, 196, 212), (250, 166, 190), (255, 228, 234), (244, 142, 172)))
        _leaf(sheet, sheet.dice.unit(), sheet.dice.unit(), size, sheet.dice.between(0, 6.2), colour)


def _confetti(sheet: Sheet) -> None:
    colours: tuple[RGB, ...] = ((240, 84, 94), (252, 196, 64), (70, 178, 160), (88, 120, 220), (236, 130, 190))
    for _ in range(130):
        x, y, turn = sheet.dice.unit(), sheet.dice.unit(), sheet.dice.between(0, 3)
        a, b = 0.019 * cosine(turn), 0.019 * sine(turn)
        sheet.poly([(x - a, y - b), (x - b * 0.4, y + a * 0.4), (x + a, y + b), (x + b * 0.4, y - a * 0.4)],
                   sheet.dice.pick(colours))  # fmt: skip


def _hearts(sheet: Sheet) -> None:
    for _ in range(15):
        x, y, r = sheet.dice.unit(), sheet.dice.between(0.02, 0.8), sheet.dice.between(0.012, 0.03)
        colour, aspect = sheet.dice.pick(((240, 96, 130), (250, 150, 172), (220, 70, 104))), sheet.height / sheet.width
        for shift in (-0.72, 0.72):
            sheet.disc(x + shift * r * aspect, y, r, colour, 0.8)
        wide = 1.62 * r * aspect
        sheet.poly([(x - wide, y + r * 0.36), (x + wide, y + r * 0.36), (x, y + r * 2.3)], colour, 0.8)


def _sparks(sheet: Sheet) -> None:
    for _ in range(60):
        x, y, r = sheet.dice.unit(), sheet.dice.unit(), sheet.dice.between(0.01, 0.045)
        aspect = sheet.height / sheet.width
        for a, b in ((r * aspect, 0.0), (0.0, r)):
            sheet.line([(x - a, y - b), (x + a, y + b)], 2, (255, 248, 214), 0.95)
        sheet.disc(x, y, r * 0.26, (255, 255, 255))


def _embers(sheet: Sheet) -> None:
    for _ in range(60):
        sheet.disc(sheet.dice.unit(), sheet.dice.unit(), sheet.dice.between(0.002, 0.006), (255, 156, 62), 0.9)


def _fireflies(sheet: Sheet) -> None:
    spots = [(sheet.dice.unit(), sheet.dice.between(0.1, 0.9), sheet.dice.between(0.008, 0.02)) for _ in range(30)]
    for x, y, r in spots:
        sheet.disc(x, y, r * 2.2, (255, 232, 130), 0.5)
    sheet.blur(5)
    for x, y, r in spots:
        sheet.disc(x, y, r * 0.45, (255, 252, 214))


def _bubbles(sheet: Sheet) -> None:
    for _ in range(46):
        x, y, r = sheet.dice.unit(), sheet.dice.unit(), sheet.dice.between(0.015, 0.065)
        sheet.disc(x, y, r, (200, 248, 255), 0.16)
        sheet.disc(x, y, r, (255, 255, 255), 0.75, ring=1)
        sheet.disc(x - r * 0.3, y - r * 0.35, r * 0.2, (255, 255, 255), 0.9)


def _splash(sheet: Sheet) -> None:
    x, y = sheet.focus[0], sheet.focus[1] + 0.26
    for index in range(46):
        turn = math.pi * (0.08 + 0.84 * sheet.dice.unit())
        reach = sheet.dice.between(0.12, 0.42)
        px, py = x + cosine(turn) * reach, y - sine(turn) * reach * 0.8
        if index % 3 == 0:
            sheet.line([(x + (px - x) * 0.4, y + (py - y) * 0.5), (px, py)], 3, (206, 232, 246), 0.75)
        sheet.disc(px, py, sheet.dice.between(0.004, 0.015), (232, 246, 254), 0.85)


def _fire(sheet: Sheet) -> None:
    """Tongues of flame around the thing's foot."""
    x, y = sheet.focus[0], sheet.focus[1] + 0.36
    for colour, size, opacity in (
        ((232, 74, 28), 1.0, 0.8),
        ((255, 148, 40), 0.72, 0.85),
        ((255, 226, 130), 0.42, 0.9),
    ):
        for index in range(9):
            foot = x + (index - 4) * 0.062
            high = size * sheet.dice.between(0.16, 0.4) * (1.1 - abs(index - 4) * 0.12)
            lean = sheet.dice.between(-0.03, 0.03)
            sheet.poly([(foot - 0.05 * size, y), (foot - 0.03 * size, y - high * 0.45), (foot + lean, y - high),
                        (foot + 0.035 * size, y - high * 0.4), (foot + 0.05 * size, y)], colour, opacity)  # fmt: skip
    sheet.blur(1.5)


def _rays(sheet: Sheet) -> None:
    x, y = 0.5 + sheet.side * 0.46, -0.12
    for index in range(8):
        turn = math.pi / 2 + sheet.side * (0.1 + index * 0.13) + sheet.dice.between(-0.03, 0.03)
        wide = sheet.dice.between(0.02, 0.06)
        ends = [(x + cosine(turn + w) * 1.8, y + sine(turn + w) * 1.8) for w in (-wide, wide)]
        sheet.poly([(x, y), *ends], mix(sheet.look.key, (255, 255, 255), 0.3), 0.42)
    sheet.blur(6)


def _dappled(sheet: Sheet) -> None:
    noise = textures.octaves((sheet.width // 4, sheet.height // 4), sheet.dice, ((9, 9), (18, 18)))
    table = [0 if i > 132 else min(150, (132 - i) * 9) for i in range(256)]
    dark = mix(sheet.look.shade, (24, 34, 30), 0.5)
    sheet.flood(dark, noise.point(table).resize((sheet.width, sheet.height), Image.Resampling.BICUBIC))


def _blinds(sheet: Sheet) -> None:
    dark = mix(sheet.look.shade, (16, 14, 24), 0.5)
    for index in range(-2, 14):
        y, lean = index * 0.085, -0.16 * sheet.side
        sheet.poly([(0, y), (1, y + lean), (1, y + lean + 0.044), (0, y + 0.044)], dark, 0.55)
    sheet.blur(2)


def _long_shadows(sheet: Sheet) -> None:
    dark = mix(sheet.look.shade, (14, 12, 24), 0.6)
    for index in range(4):
        x = 0.5 - sheet.side * (0.1 + index * 0.24) + sheet.dice.between(-0.05, 0.05)
        sheet.poly(
            [(x, 0.0), (x + 0.09, 0.0), (x - sheet.side * 0.36 + 0.16, 1.0), (x - sheet.side * 0.36, 1.0)], dark, 0.42
        )
    sheet.blur(4)


def _flare(sheet: Sheet) -> None:
    x, y = 0.5 + sheet.side * 0.36, 0.13
    for away, r, colour in ((0.0, 0.1, (255, 250, 226)), (0.34, 0.03, (255, 190, 120)), (0.62, 0.055, (150, 220, 190)),
                            (0.86, 0.022, (190, 160, 255)), (1.1, 0.075, (255, 214, 160))):  # fmt: skip
        sheet.disc(x + (0.5 - x) * away * 1.5, y + (0.6 - y) * away * 1.3, r, colour, 0.85 if away == 0 else 0.3)
    for index in range(10):
        turn = index * math.pi / 5 + 0.3
        sheet.line([(x, y), (x + cosine(turn) * 0.2, y + sine(turn) * 0.2)], 2, (255, 250, 230), 0.4)
    sheet.blur(3)


def _speed(sheet: Sheet) -> None:
    x, y = sheet.focus
    pale = sheet.look.sky[1][0] + sheet.look.sky[1][1] + sheet.look.sky[1][2] < 420
    colour = mix(sheet.look.key, (255, 255, 255), 0.6) if pale else mix(sheet.look.shade, (30, 26, 44), 0.4)
    for _ in range(46):
        turn = sheet.dice.between(0, 2 * math.pi)
        near, far = sheet.dice.between(0.42, 0.56), sheet.dice.between(0.8, 1.0)
        wide = sheet.dice.between(0.008, 0.03)
        sheet.poly([(x + cosine(turn) * near, y + sine(turn) * near),
                    (x + cosine(turn - wide) * far, y + sine(turn - wide) * far),
                    (x + cosine(turn + wide) * far, y + sine(turn + wide) * far)],
                   colour, 0.72)  # fmt: skip


def _gusts(sheet: Sheet) -> None:
    for _ in range(16):
        x, y, reach = sheet.dice.between(-0.1, 0.8), sheet.dice.between(0.05, 0.9), sheet.dice.between(0.14, 0.34)
        curl = 0.03
        sheet.line(
            [
                (x, y),
                (x + reach * 0.5, y - 0.012),
                (x + reach, y),
                (x + reach + curl, y - curl),
                (x + reach, y - curl * 1.6),
                (x + reach - curl * 0.6, y - curl),
            ],
            2,
            (255, 255, 255),
            0.7,
        )
    for _ in range(14):
        _leaf(sheet, sheet.dice.unit(), sheet.dice.unit(), 0.014, sheet.dice.between(0, 6), (140, 160, 92))


def _scratches(sheet: Sheet) -> None:
    for _ in range(16):
        x, y = sheet.dice.unit(), sheet.dice.unit()
        for shift in (0.0, 0.018, 0.036):
            sheet.line([(x + shift, y), (x + shift - 0.07, y + 0.2)], 2, (12, 4, 6), 0.6)


def _frost(sheet: Sheet) -> None:
    edge = ImageChops.invert(Image.radial_gradient("L")).resize((sheet.width // 4, sheet.height // 4))
    noise = textures.octaves(edge.size, sheet.dice, ((20, 20), (50, 50)))
    late = Image.blend(edge, noise, 0.4)
    table = [max(0, min(235, (118 - i) * 6)) for i in range(256)]
    sheet.flood((238, 248, 255), late.point(table).resize((sheet.width, sheet.height), Image.Resampling.BICUBIC))


def _gold_frame(sheet: Sheet) -> None:
    for inset, width in ((0.032, 4), (0.05, 1)):
        x = inset * sheet.height / sheet.width
        corners = [(x, inset), (1 - x, inset), (1 - x, 1 - inset), (x, 1 - inset), (x, inset)]
        sheet.line(corners, width, (222, 184, 104), 0.95)


def _ripples(sheet: Sheet) -> None:
    for index in range(5):
        wide, y = 0.2 + index * 0.16, 0.8 + index * 0.012
        px, py = sheet.at(0.5, y)
        area = (
            px - round(wide * sheet.width / 2),
            py - 6 - index * 5,
            px + round(wide * sheet.width / 2),
            py + 6 + index * 5,
        )
        sheet._ink.ellipse(area, outline=(255, 255, 255), width=4)
        sheet._mask.ellipse(area, outline=150 - index * 22, width=2)


def _fronds(sheet: Sheet) -> None:
    """Leaves that hang into the picture from its upper corners."""
    green = mix((36, 112, 84), sheet.look.shade, 0.2)
    for x, way in ((0.0, 1), (1.0, -1)):
        for index in range(6):
            turn = 0.12 + index * 0.25
            tip = (x + way * cosine(turn) * 0.36, sine(turn) * 0.34 - 0.02)
            mid = (x + way * cosine(turn + 0.12) * 0.2, sine(turn + 0.12) * 0.21)
            low = (x + way * cosine(turn - 0.12) * 0.2, sine(turn - 0.12) * 0.17)
            sheet.poly([(x, -0.02), low, tip, mid], mix(green, (150, 200, 110), index * 0.07))


def _clutter(sheet: Sheet) -> None:
    """Small things strewn about the foreground."""
    for _ in range(30):
        x, y, r = sheet.dice.unit(), sheet.dice.between(0.7, 1.0), sheet.dice.between(0.012, 0.034)
        colour = sheet.dice.pick(((206, 92, 72), (66, 130, 150), (226, 180, 84), (120, 96, 150), (110, 150, 104)))
        if sheet.dice.chance(0.5):
            sheet.disc(x, y, r, colour)
        else:
            sheet.poly([(x - r, y - r), (x + r, y - r * 0.6), (x + r * 0.8, y + r), (x - r, y + r * 0.8)], colour)


IN_FRONT: dict[str, Callable[[Sheet], None]] = {
    "rain": _rain, "drizzle": _drizzle, "snowing": _snow, "fog": _fog, "mist": _mist, "dusty": _dust, "smoke": _smoke,
    "steam": _steam, "leaves": _leaves, "petals": _petals, "confetti": _confetti, "hearts": _hearts, "sparks": _sparks,
    "embers": _embers, "fireflies": _fireflies, "bubbles": _bubbles, "splash": _splash, "fire": _fire, "rays": _rays,
    "dappled": _dappled, "blinds": _blinds, "shadows": _long_shadows, "flare": _flare, "speed": _speed,
    "gusts": _gusts, "scratches": _scratches, "frost": _frost, "goldframe": _gold_frame, "ripples": _ripples,
    "fronds": _fronds, "clutter": _clutter,
}  # fmt: skip


def in_front(image: Image.Image, look: Look, dice: Dice, focus: tuple[float, float], side: int) -> None:
    """Everything of the look that is in front of things, in the order in which it was said."""
    for name in look.overlays[:4]:
        if paint := IN_FRONT.get(name):
            sheet = Sheet(image.size, look, dice, focus, side)
            paint(sheet)
            sheet.onto(image)
