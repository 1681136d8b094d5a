"""What things do: an action lifts, turns and bends a thing, and leaves marks in the air around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image, ImageDraw

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.glyphs import Glyph, warped
from promptlab.simulator.pictures.palette import RGB
from promptlab.simulator.pictures.rng import Dice, cosine, sine

__all__ = ["Move", "bent", "draw_marks", "move_of"]


@dataclass(frozen=True, slots=True)
class Move:
    """How an action shows. `lift` is in parts of the picture's height, `turn` in degrees, clockwise."""

    lift: float = 0.0
    turn: float = 0.0
    lean: float = 0.0
    wide: float = 1.0
    tall: float = 1.0
    marks: str = ""


_MOVES = {name: Move(**row) for name, row in tables("actions")["moves"].items()}


def move_of(action: str | None, still: bool = False) -> Move:
    """The move of an action; a figure that has a pose already only keeps its lift and marks."""
    move = _MOVES.get(action or "", Move())
    if not still:
        return move
    turn = 84.0 if action == "sleep" else 62.0 if action in ("swim", "fly") else 28.0 if action == "fall" else 0.0
    marks = "" if move.marks in ("base", "rays", "sweat", "lines", "sight") else move.marks
    return Move(lift=max(0.0, move.lift) * 0.8, turn=turn, marks=marks)


def bent(glyph: Glyph, move: Move) -> Glyph:
    """The thing bent and turned about its middle."""
    if (move.turn, move.lean, move.wide, move.tall) == (0, 0, 1, 1):
        return glyph
    turn = math.radians(move.turn)
    sin, cos = sine(turn), cosine(turn)
    x0, y0, x1, y1 = glyph.bounds()
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2

    def step(x: float, y: float) -> tuple[float, float]:
        a, b = (x - cx) * move.wide - (y - 100) * move.lean * 0.5, (y - cy) * move.tall
        return cx + a * cos - b * sin, cy + a * sin + b * cos

    out = warped(glyph, step)
    down = 100 - out.bounds()[3]
    return warped(out, lambda x, y: (x, y + down))


def draw_marks(
    image: Image.Image, marks: str, area: tuple[int, int, int, int], side: int, colour: RGB, dice: Dice
) -> None:
    """The marks beside a thing that fills `area`; `side` is where it comes from."""
    if not marks:
        return
    x0, y0, x1, y1 = area
    pad = max(x1 - x0, y1 - y0) // 3
    size = (max(8, (x1 - x0 + 2 * pad) // 2), max(8, (y1 - y0 + 2 * pad) // 2))
    mask = Image.new("L", size)
    _Pen(ImageDraw.Draw(mask), size, side, dice).draw(marks)
    whole = mask.resize((size[0] * 2, size[1] * 2), Image.Resampling.BICUBIC)
    image.paste(colour, (x0 - pad, y0 - pad), whole)


class _Pen:
    """Marks in a box where the thing fills the middle 60 %."""

    def __init__(self, pen: ImageDraw.ImageDraw, size: tuple[int, int], side: int, dice: Dice) -> None:
        self.pen, self.size, self.side, self.dice = pen, size, side, dice
        self.weight = max(1, min(size) // 75)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Parts of the box; x runs away from `side`, so that one drawing serves both."""
        return (x if self.side < 0 else 1 - x) * self.size[0], y * self.size[1]

    def line(self, *points: tuple[float, float], weight: float = 1.0) -> None:
        corners = [self.at(x, y) for x, y in points]
        self.pen.line(corners, fill=190, width=max(1, round(self.weight * weight)), joint="curve")

    def dot(self, x: float, y: float, r: float) -> None:
        px, py = self.at(x, y)
        r *= min(self.size)
        self.pen.ellipse((px - r, py - r, px + r, py + r), fill=235)

    def arc(self, x: float, y: float, r: float, start: float, stop: float, weight: float = 1.0) -> None:
        steps = [start + (stop - start) * index / 12 for index in range(13)]
        self.line(*((x + r * cosine(a), y + r * sine(a)) for a in steps), weight=weight)

    def draw(self, marks: str) -> None:
        if marks == "speed":
            for index in range(6):
                y = 0.26 + index * 0.1
                self.line((0.0, y), (0.17 + self.dice.between(-0.05, 0.05), y), weight=1.2)
        elif marks == "trail":
            for index in range(5):
                y = 0.4 + index * 0.09
                self.line((-0.02, y + 0.16), (0.1, y + 0.06), (0.22, y))
        elif marks in ("steps", "drop", "hop"):
            self._ground_marks(marks)
        elif marks == "zzz":
            for x, y, r in ((0.68, 0.26, 0.05), (0.78, 0.15, 0.07), (0.9, 0.02, 0.09)):
                self.line((x, y), (x + r, y), (x, y + r), (x + r, y + r), weight=1.3)
        elif marks == "notes":
            for x, y in ((0.14, 0.2), (0.84, 0.12), (0.9, 0.46), (0.06, 0.5)):
                self.dot(x, y, 0.026)
                self.line((x + 0.022, y), (x + 0.022, y - 0.11), (x + 0.075, y - 0.08), weight=1.1)
        elif marks in ("arcs", "rings"):
            for index in range(3):
                r = 0.4 + index * 0.045
                self.arc(0.5, 0.5, r, 3.5, 5.0)
                self.arc(0.5, 0.5, r, 0.4, 1.9)
        elif marks in ("rays", "burst", "blast"):
            count, near, far = {"rays": (10, 0.4, 0.46), "burst": (14, 0.38, 0.48), "blast": (26, 0.33, 0.52)}[marks]
            for index in range(count):
                turn = index * 2 * math.pi / count + self.dice.between(-0.05, 0.05)
                reach = far + self.dice.between(-0.04, 0.04)
                self.line((0.5 + near * cosine(turn), 0.5 + near * sine(turn)),
                          (0.5 + reach * cosine(turn), 0.5 + reach * sine(turn)), weight=1.3)  # fmt: skip
        else:
            self._small_marks(marks)

    def _ground_marks(self, marks: str) -> None:
        if marks == "steps":
            for index in range(4):
                self.dot(0.02 + index * 0.08, 0.84 + (index % 2) * 0.03, 0.02)
        elif marks == "drop":
            for index in range(5):
                x = 0.26 + index * 0.12
                self.line((x, 0.0), (x, 0.15 + 0.04 * (index % 2)))
        else:
            for index in range(3):
                self.arc(0.5, 0.82 + index * 0.05, 0.2 - index * 0.05, 0.5, 2.64)

    def _small_marks(self, marks: str) -> None:
        if marks == "waves":
            for row in range(3):
                y = 0.66 + row * 0.08
                self.line(*((x / 16, y + 0.02 * sine(x * 1.4 + row)) for x in range(17)), weight=1.4)
        elif marks == "arrow":
            self.line((0.86, 0.4), (1.0, 0.4), weight=1.4)
            self.line((0.95, 0.35), (1.0, 0.4), (0.95, 0.45), weight=1.4)
        elif marks == "sight":
            for y in (0.3, 0.36):
                for index in range(5):
                    self.line((0.8 + index * 0.05, y), (0.825 + index * 0.05, y))
        elif marks in ("drips", "sweat"):
            for index in range(4):
                x, y = 0.82 + 0.04 * (index % 2), 0.3 + index * 0.12
                self.dot(x, y, 0.018)
                self.line((x, y - 0.05), (x, y))
        elif marks == "crumbs":
            for _ in range(14):
                self.dot(self.dice.between(0.2, 0.8), self.dice.between(0.8, 0.95), self.dice.between(0.006, 0.014))
        elif marks == "steam":
            for index in range(3):
                x = 0.38 + index * 0.12
                self.line(*((x + 0.02 * sine(s * 1.2), 0.16 - s * 0.03) for s in range(6)))
        elif marks == "hearts":
            for x, y in ((0.2, 0.14), (0.76, 0.1), (0.5, 0.02)):
                self.dot(x - 0.02, y, 0.026)
                self.dot(x + 0.02, y, 0.026)
                self.pen.polygon(
                    [self.at(x - 0.042, y + 0.01), self.at(x + 0.042, y + 0.01), self.at(x, y + 0.08)], fill=235
                )
        elif marks == "grass":
            for index in range(30):
                x = 0.1 + index * 0.028
                self.line(
                    (x, 0.86), (x + self.dice.between(-0.02, 0.02), 0.6 + self.dice.between(-0.05, 0.06)), weight=1.5
                )
        elif marks in ("lines", "base"):
            for index in range(4):
                y = 0.84 + index * 0.035 if marks == "base" else 0.12 + index * 0.04
                self.line((0.3 + 0.04 * index, y), (0.7 - 0.04 * index, y))
