"""Places: what is behind things where the prompt says where they are."""

from __future__ import annotations

from collections.abc import Callable

from promptlab.simulator.pictures.backdrop import Stage
from promptlab.simulator.pictures.glyphs import smooth
from promptlab.simulator.pictures.paint import gradient
from promptlab.simulator.pictures.palette import FIXED, mix

__all__ = ["PLACES", "outdoors", "place_ground", "water"]


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


def water(stage: Stage, top: float, bottom: float) -> None:
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
    water(stage, stage.horizon, 1.0)


def _beach(stage: Stage) -> None:
    stage.disc(0.5 + stage.side * 0.2, stage.horizon - 0.14, 0.09, mix(stage.look.key, (255, 255, 255), 0.3), 0.95)
    water(stage, stage.horizon - 0.07, stage.horizon + 0.06)
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


def _desert(stage: Stage) -> None:
    sand = mix((226, 180, 118), stage.look.key, 0.2)
    stage.disc(0.5 + stage.side * 0.22, stage.horizon - 0.24, 0.075, mix(stage.look.key, (255, 255, 255), 0.4), 0.95)
    for index in range(3):
        ridge = [(x / 4, stage.horizon - 0.13 + 0.055 * index + stage.dice.between(-0.06, 0.06)) for x in range(-1, 6)]
        colour = mix(mix(stage.look.sky[2], sand, 0.5 + 0.2 * index), stage.look.shade, 0.08 * (2 - index))
        stage.fill([*smooth(tuple(ridge), closed=False), (1.2, 1.0), (-0.2, 1.0)], colour)


def _underwater(stage: Stage) -> None:
    width, height = stage.image.size
    deep, pale = mix((8, 62, 104), stage.look.shade, 0.2), mix((96, 196, 214), stage.look.key, 0.2)
    stage.image.paste(gradient((width, height), (pale, mix(pale, deep, 0.55), deep)), (0, 0))
    for index in range(6):
        x = stage.dice.between(0.0, 1.0)
        stage.fill(
            [(x, 0), (x + 0.05, 0), (x + 0.2, 0.9), (x + 0.02, 0.9)], (214, 246, 250), 0.16 + 0.02 * index, blur=3
        )
    for _ in range(12):
        x, high = stage.dice.unit(), stage.dice.between(0.1, 0.28)
        colour = mix(stage.dice.pick(((214, 98, 104), (226, 152, 86), (94, 156, 120), (160, 104, 170))), deep, 0.35)
        stage.fill(smooth(((x - 0.02, 1.0), (x - 0.05, 1 - high * 0.6), (x, 1 - high), (x + 0.05, 1 - high * 0.5),
                           (x + 0.03, 1.0)), closed=True), colour)  # fmt: skip


def _sky(stage: Stage) -> None:
    width, height = stage.image.size
    low = mix(stage.look.sky[2], (236, 244, 252), 0.4)
    stage.image.paste(gradient((width, height), (stage.look.sky[0], stage.look.sky[1], low)), (0, 0))
    for _ in range(9):
        x, y, zoom = stage.dice.unit(), stage.dice.between(0.35, 1.0), stage.dice.between(1.4, 2.8)
        for shift, drop, radius in ((-0.08, 0.014, 0.03), (0.0, 0.0, 0.046), (0.06, 0.01, 0.036)):
            stage.disc(x + shift * zoom, y + drop * zoom, radius * zoom, mix(low, (255, 255, 255), 0.7), 0.85, blur=4)


def _theatre(stage: Stage) -> None:
    red = mix((140, 26, 38), stage.look.shade, 0.25)
    stage.bar(0, 0, 1, stage.horizon, mix(stage.look.sky[1], (30, 20, 30), 0.7))
    for index in range(14):
        x = index / 14
        if 0.24 < x < 0.72:
            continue
        stage.bar(x, 0, x + 0.045, stage.horizon, red)
        stage.bar(x + 0.045, 0, x + 0.072, stage.horizon, mix(red, (0, 0, 0), 0.35))
    for x in (0.3, 0.7):
        stage.fill([(x - 0.02, 0), (x + 0.02, 0), (0.5 + (x - 0.5) * 0.2 + 0.2, stage.horizon),
                    (0.5 + (x - 0.5) * 0.2 - 0.2, stage.horizon)], stage.look.key, 0.22, blur=4)  # fmt: skip
    stage.bar(0, 0, 1, 0.06, mix(red, (0, 0, 0), 0.2))


def _cave(stage: Stage) -> None:
    rock = mix((70, 62, 66), stage.look.shade, 0.3)
    stage.disc(0.5, stage.horizon - 0.16, 0.3, mix(stage.look.sky[2], (255, 255, 255), 0.3))
    ring = [(-0.1, -0.1), (1.1, -0.1), (1.1, 1.0)]
    hole = [(0.84, 1.0), (0.8, 0.5), (0.72, 0.26), (0.6, 0.15), (0.44, 0.13), (0.3, 0.24), (0.2, 0.46), (0.16, 1.0)]
    hole = [(x + stage.dice.between(-0.02, 0.02), y) for x, y in hole]
    stage.fill([*ring, *hole, (-0.1, 1.0)], rock)
    for index in range(7):
        x, drop = 0.06 + index * 0.145, stage.dice.between(0.08, 0.22)
        stage.fill([(x - 0.03, -0.02), (x + 0.03, -0.02), (x, drop)], mix(rock, (0, 0, 0), 0.2))


PLACES: dict[str, Callable[[Stage], None]] = {
    "mountains": _mountains, "sea": _sea, "beach": _beach, "forest": _forest, "city": _city, "lobby": _lobby,
    "window": _window, "shelves": _shelves, "garden": _garden, "space": _space, "desert": _desert,
    "underwater": _underwater, "sky": _sky, "stage": _theatre, "cave": _cave,
}  # fmt: skip

_OWN_GROUND = {
    "beach": "sand", "garden": "grass", "forest": "grass", "mountains": "grass", "city": "concrete", "lobby": "tile",
    "shelves": "wood", "window": "wood", "desert": "sand", "stage": "wood", "cave": "concrete",
}  # fmt: skip


def place_ground(place: str | None) -> str | None:
    """The ground a place brings along, where the prompt names none."""
    return _OWN_GROUND.get(place or "")


def outdoors(stage: Stage, place: str) -> None:
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
