"""The half-size layer behind everything, the shapes painted on it, and what moods, weather and effects put there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.paint import radial
from promptlab.simulator.pictures.palette import RGB, hue, mix
from promptlab.simulator.pictures.rng import Dice, cosine, sine

__all__ = ["Stage", "behind", "on_ground"]


Points = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Stage:
    """The half-size layer being painted. Coordinates are parts of its width and height, 0 to 1."""

    image: Image.Image
    look: Look
    horizon: float
    side: int  # -1: light from the left, 1: from the right
    dice: Dice
    accent: RGB

    def fill(self, points: Points, colour: RGB, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Fill an antialiased polygon."""
        self._paste(lambda pen, at: pen.polygon([at(p) for p in points], fill=255), points, colour, opacity, blur)

    def disc(self, x: float, y: float, radius: float, colour: RGB, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Fill a circle; the radius is a part of the height."""
        wide = radius * self.image.height / self.image.width
        corners = [(x - wide, y - radius), (x + wide, y + radius)]
        self._paste(lambda pen, at: pen.ellipse([at(p) for p in corners], fill=255), corners, colour, opacity, blur)

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: RGB, opacity: float = 1.0) -> None:
        """Fill a rectangle."""
        width, height = self.image.size
        area = (round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
        if area[2] > area[0] and area[3] > area[1]:
            mask = Image.new("L", (area[2] - area[0], area[3] - area[1]), round(255 * opacity))
            self.image.paste(colour, (area[0], area[1]), mask)

    def glow(self, x: float, y: float, radius: float, colour: RGB, strength: float) -> None:
        """A round pool of light."""
        width, height = self.image.size
        mask = radial(self.image.size, (x * width, y * height), radius * height, strength)
        self.image.paste(ImageChops.screen(self.image, Image.new("RGB", self.image.size, colour)), (0, 0), mask)

    def _paste(self, draw: Callable[..., None], points: Points, colour: RGB, opacity: float, blur: float) -> None:
        width, height = self.image.size
        margin = round(blur * 3) + 2
        left = max(0, round(min(x for x, _ in points) * width) - margin)
        top = max(0, round(min(y for _, y in points) * height) - margin)
        right = min(width, round(max(x for x, _ in points) * width) + margin)
        bottom = min(height, round(max(y for _, y in points) * height) + margin)
        if right <= left or bottom <= top:
            return
        mask = Image.new("L", ((right - left) * 2, (bottom - top) * 2))
        draw(ImageDraw.Draw(mask), lambda p: (round((p[0] * width - left) * 2), round((p[1] * height - top) * 2)))
        mask = mask.reduce(2)
        if blur:
            mask = mask.filter(ImageFilter.BoxBlur(blur)).filter(ImageFilter.BoxBlur(blur))
        self.image.paste(colour, (left, top), mask.point([round(i * opacity) for i in range(256)]))


def _sunburst(stage: Stage) -> None:
    x, y = 0.5, stage.horizon
    for index in range(13):
        if index % 2:
            continue
        turns = [math.pi + index * math.pi / 13, math.pi + (index + 1) * math.pi / 13]
        rim = [(x + cosine(turn) * 1.3, y + sine(turn) * 1.3) for turn in turns]
        stage.fill([(x, y), *rim], mix(stage.look.sky[2], (255, 246, 190), 0.75), 0.55)


def _moonbeam(stage: Stage) -> None:
    x = 0.5 + stage.side * 0.28
    stage.glow(x, 0.16, 0.5, (214, 226, 214), 0.55)
    stage.disc(x, 0.16, 0.075, (240, 240, 220))
    stage.disc(x + 0.012, 0.15, 0.018, (214, 214, 196), 0.7)


def _bokeh(stage: Stage) -> None:
    for _ in range(20):
        colour = mix(stage.dice.pick(((255, 196, 110), (255, 226, 170), (255, 160, 90))), stage.look.key, 0.3)
        x, y = stage.dice.unit(), stage.dice.between(0.02, stage.horizon)
        stage.disc(x, y, stage.dice.between(0.02, 0.065), colour, stage.dice.between(0.3, 0.65), blur=1)


def _grid(stage: Stage) -> None:
    line = mix((90, 220, 255), stage.look.key, 0.2)
    for index in range(-10, 11):
        top, low = 0.5 + index * 0.05, 0.5 + index * 0.26
        stage.fill([(top, stage.horizon), (top + 0.002, stage.horizon), (low + 0.008, 1.0), (low, 1.0)], line, 0.75)
    y, step = stage.horizon, 0.012
    while y < 1:
        stage.bar(0, y, 1, y + 0.004, line, 0.75)
        y, step = y + step, step * 1.5
    for index in range(3):
        stage.bar(0, 0.1 + index * 0.14, 1, 0.106 + index * 0.14, line, 0.35)


def _swatches(stage: Stage) -> None:
    for index in range(7):
        stage.bar(index / 7, 0, (index + 1) / 7, stage.horizon, hue(index / 7 + 0.02, 0.62, 0.98), 0.62)


def _garland(stage: Stage) -> None:
    _strings(stage, ((226, 62, 60), (250, 204, 90), (66, 160, 96), (240, 240, 240)), bulbs=True)


def _bunting(stage: Stage) -> None:
    _strings(stage, ((236, 84, 96), (250, 200, 70), (70, 170, 170), (110, 120, 214)), bulbs=False)


def _strings(stage: Stage, colours: tuple[RGB, ...], bulbs: bool) -> None:
    for row, start in enumerate((0.05, 0.13)):
        for index in range(13):
            x = (index + 0.5 * row) / 12
            y = start + 0.09 * (1 - (2 * x - 1) ** 2)
            colour = colours[index % len(colours)]
            if bulbs:
                stage.glow(x, y, 0.05, colour, 0.8)
                stage.disc(x, y, 0.012, mix(colour, (255, 255, 255), 0.4))
            else:
                stage.fill([(x - 0.03, y), (x + 0.03, y), (x, y + 0.065)], colour)


def _bats(stage: Stage) -> None:
    for _ in range(9):
        x, y, r = stage.dice.unit(), stage.dice.between(0.04, stage.horizon * 0.7), stage.dice.between(0.02, 0.045)
        wing = [(-1.6, -0.3), (-0.9, -0.5), (-0.35, 0.0), (-0.15, -0.4), (0.15, -0.4), (0.35, 0.0), (0.9, -0.5),
                (1.6, -0.3), (1.0, 0.3), (0.5, 0.15), (0.0, 0.5), (-0.5, 0.15), (-1.0, 0.3)]  # fmt: skip
        stage.fill([(x + a * r, y + b * r) for a, b in wing], (24, 14, 32), 0.92)


def _swarm(stage: Stage) -> None:
    for _ in range(16):
        x, y, r = stage.dice.unit(), stage.dice.between(0.04, stage.horizon * 0.6), stage.dice.between(0.012, 0.026)
        stage.fill([(x - r * 1.6, y - r), (x, y), (x + r * 1.6, y - r), (x, y + r * 0.4)], (44, 44, 58), 0.9)


def _pipes(stage: Stage) -> None:
    steel = mix((112, 116, 122), stage.look.shade, 0.25)
    for index in range(3):
        y = 0.06 + index * 0.09
        stage.bar(0, y, 1, y + 0.034, steel)
        stage.bar(0, y, 1, y + 0.008, mix(steel, (255, 255, 255), 0.4))
    for x in (0.12, 0.72):
        stage.bar(x, 0, x + 0.045, stage.horizon, mix(steel, (60, 44, 40), 0.3))
        for y in (0.1, 0.3):
            stage.bar(x - 0.01, y, x + 0.055, y + 0.03, mix(steel, (20, 20, 24), 0.4))


def _tracery(stage: Stage) -> None:
    dark = mix((26, 20, 32), stage.look.shade, 0.3)
    for x in (0.2, 0.5, 0.8):
        wide = 0.1
        arch = [(x - wide, stage.horizon), (x - wide, 0.3), (x - wide * 0.6, 0.14), (x, 0.03), (x + wide * 0.6, 0.14),
                (x + wide, 0.3), (x + wide, stage.horizon)]  # fmt: skip
        stage.fill(arch, mix(stage.look.sky[2], stage.look.key, 0.4), 0.7)
        stage.bar(x - 0.006, 0.06, x + 0.006, stage.horizon, dark)
        for y in (0.22, 0.36, 0.5):
            stage.bar(x - wide, y, x + wide, y + 0.008, dark)
    for x in (0.05, 0.35, 0.65, 0.95):
        stage.bar(x - 0.022, 0, x + 0.022, stage.horizon, dark)


def _tassels(stage: Stage) -> None:
    colours: tuple[RGB, ...] = ((200, 110, 84), (226, 176, 110), (104, 140, 132), (170, 90, 110))
    for index in range(17):
        x, colour = (index + 0.5) / 17, colours[index % 4]
        drop = 0.09 + 0.06 * (1 - abs(2 * x - 1))
        stage.bar(x - 0.003, 0, x + 0.003, drop, (240, 226, 204))
        stage.fill([(x - 0.016, drop + 0.09), (x - 0.006, drop), (x + 0.006, drop), (x + 0.016, drop + 0.09)], colour)


def _shards(stage: Stage) -> None:
    for _ in range(11):
        turn, wide = stage.dice.between(math.pi, 2 * math.pi), stage.dice.between(0.03, 0.09)
        rim = [(0.5 + cosine(turn + w) * 1.1, stage.horizon + sine(turn + w) * 1.1) for w in (-wide, wide)]
        colour = stage.dice.pick(((200, 30, 26), (30, 8, 12), (240, 96, 40)))
        stage.fill([(0.5, stage.horizon), *rim], colour, 0.55)


def _clouds(stage: Stage) -> None:
    for _ in range(7):
        x, y, zoom = stage.dice.unit(), stage.dice.between(0.02, 0.3), stage.dice.between(1.3, 2.4)
        for shift, drop, radius in (
            (-0.08, 0.014, 0.03),
            (-0.02, 0.0, 0.045),
            (0.05, 0.008, 0.038),
            (0.1, 0.018, 0.024),
        ):
            colour = mix((196, 202, 210), stage.look.sky[1], 0.3)
            stage.disc(x + shift * zoom, y + drop * zoom, radius * zoom, colour, 0.8, blur=4)


def _rainbow(stage: Stage) -> None:
    for index in range(7):
        radius = 0.62 - index * 0.026
        stage.disc(0.5 - stage.side * 0.1, stage.horizon + 0.06, radius, hue(index * 0.125, 0.6, 0.98), 0.85)
    stage.disc(0.5 - stage.side * 0.1, stage.horizon + 0.06, 0.62 - 7 * 0.026, stage.look.sky[1])


def _lightning(stage: Stage) -> None:
    x, y = 0.5 + stage.side * stage.dice.between(0.18, 0.34), 0.0
    stage.glow(x, 0.2, 0.6, (214, 220, 255), 0.7)
    left, right = [], []
    for _ in range(7):
        left.append((x - 0.008, y))
        right.append((x + 0.008, y))
        x, y = x + stage.dice.between(-0.06, 0.06), y + stage.horizon / 6.4
    stage.fill([*left, *reversed(right)], (246, 248, 255))


def _aurora(stage: Stage) -> None:
    for index, colour in enumerate(((80, 240, 170), (90, 200, 240), (170, 110, 240), (90, 240, 190))):
        ridge = [(x / 6, 0.12 + 0.07 * index + stage.dice.between(-0.07, 0.07)) for x in range(-1, 8)]
        stage.fill([*ridge, *((x, y + 0.2) for x, y in reversed(ridge))], colour, 0.42, blur=9)


def _fireworks(stage: Stage) -> None:
    for _ in range(5):
        x, y, r = stage.dice.between(0.1, 0.9), stage.dice.between(0.1, 0.4), stage.dice.between(0.08, 0.17)
        colour = hue(stage.dice.unit(), 0.6, 1.0)
        stage.glow(x, y, r * 1.3, colour, 0.4)
        for index in range(16):
            turn = index * math.pi / 8
            tip = (x + cosine(turn) * r, y + sine(turn) * r)
            side = (x + cosine(turn + 0.12) * r * 0.4, y + sine(turn + 0.12) * r * 0.4)
            stage.fill([(x, y), side, tip], mix(colour, (255, 255, 255), 0.3))


def _bare(stage: Stage) -> None:
    """Bare trees on the horizon."""
    dark = mix((86, 84, 96), stage.look.sky[2], 0.25)
    for _ in range(6):
        x, high = stage.dice.unit(), stage.dice.between(0.2, 0.36)
        foot = stage.horizon + 0.01
        stage.fill([(x - 0.008, foot), (x - 0.002, foot - high), (x + 0.002, foot - high), (x + 0.008, foot)], dark)
        for index in range(6):
            y, way = foot - high * (0.35 + 0.1 * index), 1 if index % 2 else -1
            reach = 0.07 * (1.1 - index * 0.13)
            stage.fill([(x, y), (x, y - 0.012), (x + way * reach, y - 0.07), (x + way * reach, y - 0.066)], dark)


_BEHIND: dict[str, Callable[[Stage], None]] = {
    "sunburst": _sunburst, "moonbeam": _moonbeam, "bokeh": _bokeh, "swatches": _swatches,
    "garland": _garland, "bunting": _bunting, "bats": _bats, "swarm": _swarm, "pipes": _pipes, "tracery": _tracery,
    "tassels": _tassels, "shards": _shards, "clouds": _clouds, "rainbow": _rainbow, "lightning": _lightning,
    "aurora": _aurora, "fireworks": _fireworks, "bare": _bare,
}  # fmt: skip


_IN_THE_SKY = frozenset({"rainbow", "aurora", "clouds", "lightning", "moonbeam", "sunburst", "swatches"})


def behind(stage: Stage, *, sky: bool) -> None:
    """Everything of the look that is behind things: what is in the sky before the place is painted, the rest after."""
    for name in stage.look.overlays[:4]:
        if (name in _IN_THE_SKY) == sky and (paint := _BEHIND.get(name)):
            paint(stage)


def on_ground(stage: Stage) -> None:
    """What lies over the ground too."""
    if "grid" in stage.look.overlays:
        _grid(stage)
