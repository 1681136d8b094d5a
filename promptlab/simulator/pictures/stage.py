"""What stands behind and under things: a soft half-size layer with sky or wall, a motif or place, and the ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.paint import gradient, radial
from promptlab.simulator.pictures.palette import FIXED, RGB, mix
from promptlab.simulator.pictures.parts import smooth
from promptlab.simulator.pictures.rng import Dice

__all__ = ["Stage", "build", "place_ground"]

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


def _tint(stage: Stage, amount: float, toward: RGB | None = None) -> RGB:
    return mix(stage.look.sky[1], toward or stage.accent, amount)


# --- motifs: what stands behind a thing where no place is named -----------------------------------------------------


def _motif_disc(stage: Stage) -> None:
    x = 0.5 - stage.side * stage.dice.between(0.02, 0.14)
    stage.disc(x, stage.horizon - 0.24, stage.dice.between(0.25, 0.32), _tint(stage, 0.42))


def _motif_arch(stage: Stage) -> None:
    x, half = stage.dice.between(0.4, 0.6), 0.23
    aspect = stage.image.width / stage.image.height
    for grow, amount in ((0.03, 0.2), (0.0, 0.48)):
        wide, top = (half + grow) / max(aspect, 0.8), 0.17 - grow
        rise = wide * aspect
        steps = [(-1.0, 0.0), (-0.92, -0.38), (-0.71, -0.71), (-0.38, -0.92), (0.0, -1.0)]
        steps += [(-a, b) for a, b in reversed(steps[:-1])]
        arc = [(x + wide * a, top + rise + rise * b) for a, b in smooth(tuple(steps), closed=False)]
        stage.fill([(x - wide, stage.horizon), *arc, (x + wide, stage.horizon)], _tint(stage, amount))


def _motif_panel(stage: Stage) -> None:
    edge = stage.dice.between(0.34, 0.66)
    left = stage.dice.chance(0.5)
    stage.bar(0 if left else edge, 0, edge if left else 1, stage.horizon, _tint(stage, 0.4))


def _motif_window(stage: Stage) -> None:
    """Light through panes, thrown on the wall."""
    start, lit = 0.5 + stage.side * 0.1, mix(stage.look.sky[2], stage.look.key, 0.75)
    lean = -stage.side * 0.16
    for row in range(2):
        for column in range(2):
            x, y = start + (column - 1) * 0.21, 0.1 + row * 0.22
            shape = [(x, y), (x + 0.19, y), (x + 0.19 + lean, y + 0.2), (x + lean, y + 0.2)]
            stage.fill([(a + lean * row, b) for a, b in shape], lit, 0.7, blur=2)


def _motif_waves(stage: Stage) -> None:
    for index in range(3):
        y = stage.horizon - 0.42 + index * 0.14
        ridge = [(x / 5, y + stage.dice.between(-0.08, 0.08)) for x in range(-1, 7)]
        stage.fill([*smooth(tuple(ridge), closed=False), (1.2, 1.0), (-0.2, 1.0)], _tint(stage, 0.16 + 0.15 * index))


def _motif_plain(stage: Stage) -> None:
    """Only light: a wider pool."""
    stage.glow(0.5, stage.horizon - 0.25, 0.6, stage.look.key, 0.35)


_MOTIFS = (_motif_disc, _motif_arch, _motif_panel, _motif_window, _motif_waves, _motif_plain)


def _tubes(stage: Stage) -> None:
    """Neon tubes with their halo on the wall."""
    width, height = stage.image.size
    kind = stage.dice.pick(("ring", "bars", "triangle", "arch"))
    x, y = stage.dice.between(0.35, 0.65) * width, (stage.horizon - 0.28) * height
    size = stage.dice.between(0.22, 0.28) * height
    for index, colour in enumerate(stage.look.accents):
        mask = Image.new("L", stage.image.size)
        pen, reach = ImageDraw.Draw(mask), size * (1 - 0.28 * index)
        if kind == "ring":
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=255, width=4)
        elif kind == "bars":
            for k in range(3):
                at = x + (k - 1) * size * 0.8 + index * size * 0.36 - size * 0.2
                pen.line((at, y - reach, at + size * 0.25, y + reach), fill=255, width=4)
        elif kind == "triangle":
            pen.polygon(
                [(x, y - reach), (x + reach, y + reach * 0.7), (x - reach, y + reach * 0.7)], outline=255, width=4
            )
        else:
            pen.arc((x - reach, y - reach, x + reach, y + reach * 1.4), 180, 360, fill=255, width=4)
        halo = (
            mask.filter(ImageFilter.BoxBlur(9))
            .filter(ImageFilter.BoxBlur(14))
            .point([min(255, i * 5) for i in range(256)])
        )
        stage.image.paste(colour, (0, 0), halo.point([round(i * 0.62) for i in range(256)]))
        stage.image.paste(mix(colour, (255, 255, 255), 0.7), (0, 0), mask.filter(ImageFilter.BoxBlur(1)))


# --- places ---------------------------------------------------------------------------------------------------------


def _ridge(stage: Stage, base: float, rise: float, peaks: int) -> list[tuple[float, float]]:
    points = []
    for index in range(peaks * 2 + 1):
        high = rise * stage.dice.between(0.55, 1.0) if index % 2 else rise * stage.dice.between(0.0, 0.35)
        points.append((index / (peaks * 2) * 1.2 - 0.1, base - high))
    return points


def _mountains(stage: Stage) -> None:
    cold = mix(stage.look.shade, (84, 104, 142), 0.5)
    for index, (rise, peaks) in enumerate(((0.46, 3), (0.3, 4), (0.16, 5))):
        ridge = _ridge(stage, stage.horizon + 0.02, rise, peaks)
        colour = mix(stage.look.sky[2], cold, 0.34 + 0.24 * index)
        stage.fill([*ridge, (1.2, 1.0), (-0.2, 1.0)], colour)
        if index == 0:
            for (xa, ya), (x, y), (xb, yb) in zip(ridge, ridge[1:], ridge[2:], strict=False):
                if y < ya and y < yb:  # snow on the lit side of each peak
                    flank = (xa, ya) if stage.side < 0 else (xb, yb)
                    edge = (x + (flank[0] - x) * 0.45, y + (flank[1] - y) * 0.45)
                    reach = edge[0] - x
                    cap = [(x, y), edge, (x + reach * 0.2, y + 0.07), (x - reach * 0.25, y + 0.05)]
                    stage.fill(cap, mix((250, 250, 255), stage.look.key, 0.4), 0.92)


def _water(stage: Stage, top: float, bottom: float) -> None:
    width, height = stage.image.size
    deep = mix((44, 112, 150), stage.look.shade, 0.35)
    rows = gradient(
        (width, max(1, round((bottom - top) * height))),
        (mix(stage.look.sky[2], deep, 0.35), mix(deep, stage.look.sky[0], 0.25), deep),
    )
    stage.image.paste(rows, (0, round(top * height)))
    for _ in range(46):
        depth = stage.dice.unit() ** 1.5
        x, y = stage.dice.unit(), top + 0.01 + (bottom - top) * depth
        length = 0.01 + 0.07 * depth
        near = 1 - min(1.0, abs(x - (0.5 + stage.side * 0.2)) * 2)
        stage.bar(x - length, y, x + length, y + 0.004, mix(stage.look.sky[2], stage.look.key, 0.6), 0.15 + 0.5 * near)


def _sea(stage: Stage) -> None:
    stage.disc(0.5 + stage.side * 0.2, stage.horizon - 0.1, 0.085, mix(stage.look.key, (255, 255, 255), 0.3), 0.95)
    _water(stage, stage.horizon, 1.0)


def _beach(stage: Stage) -> None:
    stage.disc(0.5 + stage.side * 0.2, stage.horizon - 0.14, 0.09, mix(stage.look.key, (255, 255, 255), 0.3), 0.95)
    _water(stage, stage.horizon - 0.07, stage.horizon + 0.06)
    shore = [(x / 6, stage.horizon + 0.03 + stage.dice.between(-0.012, 0.02)) for x in range(-1, 8)]
    line = smooth(tuple(shore), closed=False)
    stage.fill([*((x, y - 0.016) for x, y in line), (1.2, 1.0), (-0.2, 1.0)], (250, 250, 246), 0.85)
    stage.fill([*line, (1.2, 1.0), (-0.2, 1.0)], stage.look.ground[0])
    _palm(stage, 0.5 - stage.side * stage.dice.between(0.3, 0.4))


def _palm(stage: Stage, x: float) -> None:
    dark, lean = mix((30, 74, 62), stage.look.shade, 0.35), stage.side * 0.06
    base, top = stage.horizon + 0.07, stage.horizon - 0.42
    trunk = [(x, base), (x + lean * 0.3, base - 0.22), (x + lean, top)]
    left = smooth(tuple((a - 0.011, b) for a, b in trunk), closed=False)
    right = smooth(tuple((a + 0.013, b) for a, b in trunk), closed=False)
    stage.fill([*left, *reversed(right)], mix((96, 66, 50), stage.look.shade, 0.35))
    for reach, drop in (
        (-0.2, 0.1),
        (-0.16, -0.05),
        (-0.06, -0.11),
        (0.07, -0.1),
        (0.17, -0.04),
        (0.2, 0.11),
        (-0.09, 0.15),
        (0.1, 0.16),
    ):
        tip, mid = (x + lean + reach, top + drop), (x + lean + reach * 0.5, top + drop * 0.5 - 0.06)
        under = (mid[0], mid[1] + 0.045)
        stage.fill(smooth(((x + lean, top), mid, tip, under), closed=True), dark)


def _forest(stage: Stage) -> None:
    green = mix((44, 92, 70), stage.look.shade, 0.25)
    for layer in range(3):
        colour = mix(stage.look.sky[2], green, 0.35 + 0.27 * layer)
        for _ in range(9):
            x, high = stage.dice.between(-0.05, 1.05), stage.dice.between(0.22, 0.4) * (0.8 + 0.25 * layer)
            base = stage.horizon + 0.02
            for tier in range(3):
                y, wide = base - high * (0.1 + 0.28 * tier), 0.075 * (1 - 0.24 * tier)
                stage.fill([(x - wide, y), (x + wide, y), (x, y - high * 0.42)], colour)


def _city(stage: Stage) -> None:
    lights = mix((255, 214, 130), stage.look.key, 0.3)
    for layer in range(2):
        x = -0.03
        while x < 1.0:
            wide, high = stage.dice.between(0.07, 0.13), stage.dice.between(0.14, 0.46) * (1 - 0.3 * layer)
            top = stage.horizon + 0.02 - high
            colour = mix(stage.look.sky[2], mix(stage.look.shade, (70, 78, 108), 0.5), 0.4 + 0.3 * layer)
            stage.bar(x, top, x + wide * 0.94, stage.horizon + 0.03, colour)
            for row in range(int(high / 0.035)):
                for column in range(int(wide / 0.024)):
                    if stage.dice.chance(0.6 if stage.look.dark else 0.3):
                        a, b = x + 0.008 + column * 0.024, top + 0.014 + row * 0.035
                        stage.bar(a, b, a + 0.011, b + 0.017, lights, 0.85 if stage.look.dark else 0.4)
            x += wide


def _lobby(stage: Stage) -> None:
    """Glass walls with a view, mullions, a ceiling with lights."""
    glass = mix(stage.look.sky[1], (176, 212, 226), 0.5)
    width, height = stage.image.size
    stage.image.paste(
        gradient((width, round(stage.horizon * height)), (mix(glass, (120, 160, 190), 0.4), glass, stage.look.sky[2])),
        (0, 0),
    )
    for _ in range(7):
        x, high = stage.dice.unit(), stage.dice.between(0.1, 0.32)
        stage.bar(x, stage.horizon - high, x + 0.1, stage.horizon, mix(glass, stage.look.shade, 0.26), 0.7)
    panes, frame = 5 + int(stage.dice.unit() * 3), mix(stage.look.shade, (70, 74, 84), 0.6)
    for index in range(panes + 1):
        x = index / panes
        stage.bar(x - 0.006, 0.1, x + 0.006, stage.horizon, frame)
        if stage.dice.chance(0.6):
            stage.fill(
                [(x + 0.03, 0.12), (x + 0.07, 0.12), (x + 0.01, stage.horizon), (x - 0.03, stage.horizon)],
                (255, 255, 255),
                0.22,
            )
    stage.bar(0, 0.33, 1, 0.342, frame)
    stage.bar(0, 0, 1, 0.1, mix(stage.look.sky[2], (120, 110, 104), 0.4))
    for index in range(6):
        stage.disc(0.1 + index * 0.16, 0.07, 0.014, (255, 246, 220))
        stage.glow(0.1 + index * 0.16, 0.1, 0.2, stage.look.key, 0.35)


def _window(stage: Stage) -> None:
    x = 0.5 + stage.side * 0.24
    frame = mix((250, 248, 244), stage.look.shade, 0.12)
    stage.bar(x - 0.2, 0.05, x + 0.2, stage.horizon - 0.12, frame)
    width, height = stage.image.size
    view = gradient(
        (round(0.37 * width), round((stage.horizon - 0.2) * height)),
        (
            mix(stage.look.sky[0], (150, 200, 236), 0.5),
            mix(stage.look.key, (255, 255, 255), 0.4),
            mix((150, 190, 130), stage.look.key, 0.3),
        ),
    )
    stage.image.paste(view, (round((x - 0.185) * width), round(0.065 * height)))
    stage.bar(x - 0.008, 0.05, x + 0.008, stage.horizon - 0.13, frame)
    stage.bar(x - 0.2, 0.24, x + 0.2, 0.255, frame)
    stage.bar(x - 0.23, stage.horizon - 0.13, x + 0.23, stage.horizon - 0.1, mix(frame, stage.look.shade, 0.2))
    stage.glow(x, 0.25, 0.6, stage.look.key, 0.5)


def _shelves(stage: Stage) -> None:
    wood = mix(FIXED["bark"], stage.look.sky[1], 0.35)
    for row in range(4):
        y = stage.horizon - 0.02 - row * 0.17
        x = 0.0
        while x < 1.0:
            wide, high = stage.dice.between(0.014, 0.04), stage.dice.between(0.07, 0.13)
            name = stage.dice.pick(("terracotta", "teal", "mustard", "sage", "navy", "plum", "cream", "coral"))
            if stage.dice.chance(0.86):
                stage.bar(x, y - high, x + wide * 0.92, y, mix(FIXED[name], stage.look.sky[1], 0.4))
            x += wide
        stage.bar(0, y, 1, y + 0.018, wood)


def _garden(stage: Stage) -> None:
    for index in range(3):
        ridge = [(x / 4, stage.horizon - 0.14 + 0.06 * index + stage.dice.between(-0.04, 0.04)) for x in range(-1, 6)]
        green = mix(stage.look.sky[2], (92, 150, 82), 0.45 + 0.22 * index)
        stage.fill([*smooth(tuple(ridge), closed=False), (1.2, 1.0), (-0.2, 1.0)], green)
    for _ in range(16):
        y = stage.dice.between(stage.horizon, 0.98)
        colour = FIXED[stage.dice.pick(("coral", "yellow", "white", "pink", "lilac"))]
        stage.disc(stage.dice.unit(), y, 0.006 + 0.014 * (y - stage.horizon), colour, 0.9)


def _space(stage: Stage) -> None:
    for _ in range(120):
        stage.disc(
            stage.dice.unit(),
            stage.dice.between(0, stage.horizon),
            stage.dice.between(0.001, 0.004),
            (255, 255, 255),
            stage.dice.between(0.3, 1),
        )
    x, y = 0.5 - stage.side * 0.28, 0.22
    stage.glow(x, y, 0.3, stage.accent, 0.8)
    stage.disc(x, y, 0.11, mix(stage.accent, (30, 20, 60), 0.25))
    stage.disc(x - 0.015, y - 0.02, 0.085, mix(stage.accent, (255, 255, 255), 0.25), 0.5, blur=6)


_PLACES: dict[str, Callable[[Stage], None]] = {
    "mountains": _mountains, "sea": _sea, "beach": _beach, "forest": _forest, "city": _city, "lobby": _lobby,
    "window": _window, "shelves": _shelves, "garden": _garden, "space": _space,
}  # fmt: skip

_OWN_GROUND = {
    "beach": "sand", "garden": "grass", "forest": "grass", "mountains": "grass", "city": "concrete", "lobby": "tile",
    "shelves": "wood", "window": "wood",
}  # fmt: skip


def place_ground(place: str | None) -> str | None:
    """The ground a place brings along, where the prompt names none."""
    return _OWN_GROUND.get(place or "")


def _outdoors(stage: Stage, place: str) -> None:
    """Stars and a moon at night, clouds by day."""
    if stage.look.dark:
        for _ in range(70):
            stage.disc(
                stage.dice.unit(),
                stage.dice.between(0, stage.horizon - 0.1),
                stage.dice.between(0.001, 0.003),
                (255, 255, 255),
                0.8,
            )
        if place != "space":
            stage.disc(0.5 + stage.side * 0.3, 0.16, 0.055, (250, 244, 222))
        return
    for _ in range(3):
        x, y, zoom = stage.dice.unit(), stage.dice.between(0.08, 0.26), stage.dice.between(0.8, 1.4)
        for shift, drop, radius in (
            (-0.07, 0.012, 0.026),
            (0.0, 0.0, 0.042),
            (0.045, 0.008, 0.034),
            (0.09, 0.018, 0.02),
        ):
            colour = mix(stage.look.sky[1], (255, 255, 255), 0.5)
            stage.disc(x + shift * zoom, y + drop * zoom, radius * zoom, colour, 0.86, blur=4)


def build(
    size: tuple[int, int], look: Look, place: str | None, horizon: float, side: int, dice: Dice, accent: RGB
) -> Image.Image:
    """The layer behind everything, half of `size`."""
    width, height = size[0] // 2, size[1] // 2
    image = Image.new("RGB", (width, height))
    edge = round(horizon * height)
    image.paste(gradient((width, edge), look.sky), (0, 0))
    stage = Stage(image, look, horizon, side, dice, accent)
    if look.glow:
        stage.glow(0.5 + side * 0.34, 0.16, 0.75, look.key, look.glow)
    if place in ("mountains", "sea", "beach", "forest", "city", "garden", "space"):
        _outdoors(stage, place)
    motif = dice.pick(_MOTIFS)
    if look.treatment != "noir" and look.key == (255, 60, 168):
        _tubes(stage)
    if place:
        _PLACES[place](stage)
    elif not look.dark:
        motif(stage)
    else:
        _dark_motif(stage)
    if place not in ("sea", "beach"):
        image.paste(gradient((width, height - edge), look.ground), (0, edge))
        stage.glow(0.5 + side * 0.2, horizon + 0.16, 0.5, look.key, look.glow * 0.5)
        stage.bar(0, horizon, 1, horizon + 0.012, mix(look.ground[0], look.shade, 0.35), 0.35)
    else:
        shore = horizon + 0.12
        if place == "beach":
            image.paste(gradient((width, height - round(shore * height)), look.ground), (0, round(shore * height)))
    return image


def _dark_motif(stage: Stage) -> None:
    """Out-of-focus lights; through blinds in noir."""
    if stage.look.treatment == "noir":
        for index in range(9):
            y = 0.05 + index * 0.065
            lean = stage.side * 0.09
            stage.fill(
                [(0.12, y - lean), (0.88, y + lean), (0.88, y + 0.03 + lean), (0.12, y + 0.03 - lean)],
                (226, 226, 230),
                0.5,
                blur=1,
            )
        return
    for _ in range(16):
        colour = mix(stage.dice.pick((*stage.look.accents, (255, 190, 110))), stage.look.key, 0.35)
        x, y = stage.dice.unit(), stage.dice.between(0.03, stage.horizon - 0.05)
        stage.disc(x, y, stage.dice.between(0.012, 0.038), colour, stage.dice.between(0.12, 0.42), blur=1)
