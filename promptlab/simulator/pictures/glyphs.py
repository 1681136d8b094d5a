"""Things as shapes: the parts they are made of, read from data/things.txt, and a turned object for unknown words."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.simulator.pictures.data import text
from promptlab.simulator.pictures.rng import Dice, cosine, sine

__all__ = [
    "GLYPHS",
    "Finish",
    "Glyph",
    "GlyphPart",
    "box",
    "curve",
    "line",
    "oval",
    "poly",
    "smooth",
    "unknown",
    "warped",
]


Point = tuple[float, float]
Finish = Literal["soft", "flat", "glass", "gloss", "glow"]
Stands = Literal["table", "bust", "sky"]
_FINISHES: tuple[Finish, ...] = ("flat", "glass", "gloss", "glow")


@dataclass(frozen=True, slots=True)
class GlyphPart:
    """One shape. `colour` is a role (`a`, `b`, `c`, or a name of palette.FIXED), with `+` lighter or `-` darker.

    `width` is the corner radius of a box and the thickness of a line, in units.
    """

    kind: Literal["oval", "box", "poly", "line"]
    points: tuple[Point, ...]
    colour: str
    width: float = 0.0
    finish: Finish = "soft"

    def bounds(self) -> tuple[float, float, float, float]:
        """The box around it: x0, y0, x1, y1."""
        grow = self.width / 2 if self.kind == "line" else 0.0
        xs, ys = [x for x, _ in self.points], [y for _, y in self.points]
        return min(xs) - grow, min(ys) - grow, max(xs) + grow, max(ys) + grow


@dataclass(frozen=True, slots=True)
class Glyph:
    """A drawn thing. `size` is its height beside others (a teapot is 1); `stands` says where it belongs."""

    parts: tuple[GlyphPart, ...]
    size: float = 1.0
    stands: Stands = "table"
    colours: tuple[str, ...] = ()  # names of palette.FIXED for a, b, c; else from the word's hash

    def bounds(self) -> tuple[float, float, float, float]:
        """The box around all parts."""
        boxes = [part.bounds() for part in self.parts]
        return (
            min(b[0] for b in boxes),
            min(b[1] for b in boxes),
            max(b[2] for b in boxes),
            max(b[3] for b in boxes),
        )


def _points(text: str) -> tuple[Point, ...]:
    pairs = (pair.split(",") for pair in text.split())
    return tuple((float(x), float(y)) for x, y in pairs)


def smooth(points: tuple[Point, ...], closed: bool, steps: int = 8) -> tuple[Point, ...]:
    """A Catmull-Rom spline through the points; a point given twice stays a corner."""
    count, out = len(points), []
    for index in range(count if closed else count - 1):
        ring = [
            points[(index + k) % count] if closed else points[min(max(index + k, 0), count - 1)] for k in range(-1, 3)
        ]
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = ring
        if (x1, y1) == (x2, y2):
            continue
        for step in range(steps):
            t = step / steps
            out.append(
                (
                    0.5
                    * (
                        2 * x1
                        + (x2 - x0) * t
                        + (2 * x0 - 5 * x1 + 4 * x2 - x3) * t**2
                        + (3 * x1 - x0 - 3 * x2 + x3) * t**3
                    ),
                    0.5
                    * (
                        2 * y1
                        + (y2 - y0) * t
                        + (2 * y0 - 5 * y1 + 4 * y2 - y3) * t**2
                        + (3 * y1 - y0 - 3 * y2 + y3) * t**3
                    ),
                )
            )
    if not closed:
        out.append(points[-1])
    return tuple(out)


def oval(x0: float, y0: float, x1: float, y1: float, colour: str, finish: Finish = "soft") -> GlyphPart:
    """An ellipse in a box."""
    return GlyphPart("oval", ((x0, y0), (x1, y1)), colour, 0.0, finish)


def box(
    x0: float, y0: float, x1: float, y1: float, colour: str, radius: float = 0, finish: Finish = "soft"
) -> GlyphPart:
    """A rectangle with round corners."""
    return GlyphPart("box", ((x0, y0), (x1, y1)), colour, radius, finish)


def poly(points: str, colour: str, finish: Finish = "soft") -> GlyphPart:
    """A polygon with sharp corners: `"0,0 10,0 5,8"`."""
    return GlyphPart("poly", _points(points), colour, 0.0, finish)


def curve(points: str, colour: str, finish: Finish = "soft") -> GlyphPart:
    """A closed smooth outline through the points."""
    return GlyphPart("poly", smooth(_points(points), closed=True), colour, 0.0, finish)


def line(points: str, width: float, colour: str, finish: Finish = "soft") -> GlyphPart:
    """A smooth stroke with round ends."""
    return GlyphPart("line", smooth(_points(points), closed=False), colour, width, finish)


def _outline(part: GlyphPart) -> tuple[Point, ...]:
    """An oval's or a box's edge as points, so that it can be bent."""
    (x0, y0), (x1, y1) = part.points
    if part.kind == "oval":
        turns = [index * math.pi / 16 for index in range(32)]
        return tuple(
            ((x0 + x1) / 2 + (x1 - x0) / 2 * cosine(turn), (y0 + y1) / 2 + (y1 - y0) / 2 * sine(turn)) for turn in turns
        )
    radius = min(part.width, (x1 - x0) / 2, (y1 - y0) / 2)
    if radius <= 0.5:
        return (x0, y0), ((x0 + x1) / 2, y0), (x1, y0), (x1, y1), ((x0 + x1) / 2, y1), (x0, y1)
    corners = ((x1 - radius, y1 - radius, 0), (x0 + radius, y1 - radius, 1), (x0 + radius, y0 + radius, 2),
               (x1 - radius, y0 + radius, 3))  # fmt: skip
    return tuple(
        (x + radius * cosine(turn), y + radius * sine(turn))
        for x, y, quarter in corners
        for turn in [(quarter + step / 4) * math.pi / 2 for step in range(5)]
    )


def warped(glyph: Glyph, move: Callable[[float, float], tuple[float, float]]) -> Glyph:
    """The glyph with every point moved; strokes keep their thickness."""
    parts = []
    for part in glyph.parts:
        if part.kind in ("oval", "box"):
            part = GlyphPart("poly", _outline(part), part.colour, 0.0, part.finish)
        parts.append(replace(part, points=tuple(move(x, y) for x, y in part.points)))
    return replace(glyph, parts=tuple(parts))


def _read(block: str) -> Glyph:
    """A thing of data/things.txt."""
    head, *lines = block.splitlines()
    _, size, *rest = head.split()
    stands: Stands = "bust" if "bust" in rest else "sky" if "sky" in rest else "table"
    return Glyph(tuple(map(_part, lines)), float(size), stands, tuple(word for word in rest if word != stands))


def _part(described: str) -> GlyphPart:
    """A line of it: shape, points, colour, and a number and a finish if there are any."""
    shape, *words = described.split()
    points = " ".join(word for word in words if "," in word)
    colour, *rest = (word for word in words if "," not in word)
    finish: Finish = next((finish for finish in _FINISHES if finish in rest), "soft")
    number = next((float(word) for word in rest if word not in _FINISHES), 0.0)
    if shape in ("oval", "box"):
        return GlyphPart("oval" if shape == "oval" else "box", _points(points), colour, number, finish)
    if shape == "line":
        return line(points, number, colour, finish)
    return curve(points, colour, finish) if shape == "curve" else poly(points, colour, finish)


class _Things(Mapping[str, Glyph]):
    """Every drawn thing by its name; each is built when it is first drawn, since most never are."""

    def __init__(self) -> None:
        self._blocks: dict[str, str] = {}
        self._built: dict[str, Glyph] = {}

    def __getitem__(self, name: str) -> Glyph:
        if name not in self._built:
            self._built[name] = _read(self._all()[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        if not self._blocks:
            for block in text("things.txt").split("\n\n"):
                if not block.startswith("#"):
                    self._blocks[block.split(" ", 1)[0]] = block.strip()
        return self._blocks


#: The words for them are in data/vocabulary.txt.
GLYPHS: Mapping[str, Glyph] = _Things()


@functools.lru_cache(maxsize=256)
def unknown(word: str) -> Glyph:
    """A turned object whose profile comes from the word: the same word always has the same shape."""
    dice = Dice("profile", word)
    levels = [(y, dice.between(14, 44)) for y in (18, 36, 54, 72, 88)]
    rim, foot = dice.between(10, 30), dice.between(18, 34)
    right = [(50 + rim, 4.0)] * 2 + [(50 + r, float(y)) for y, r in levels] + [(50 + foot, 100.0)] * 2
    outline = tuple(right) + tuple((100 - x, y) for x, y in reversed(right))
    parts: list[GlyphPart] = []
    if dice.chance(0.5):
        side = levels[1][1]
        parts.append(line(f"{50 + side - 4},34 {50 + side + 22},30 {50 + side + 20},62 {48 + levels[2][1]},64", 6, "b"))
    parts.append(GlyphPart("poly", smooth(outline, closed=True), "a", 0.0, "gloss"))
    for y, radius in levels[1:4]:
        if dice.chance(0.6):
            parts.append(
                line(f"{50 - radius + 3},{y} 50,{y + 4} {50 + radius - 3},{y}", dice.between(2, 5), "b", "flat")
            )
    parts.append(oval(50 - rim, 0, 50 + rim, 9, "a-"))
    top = dice.pick(("knob", "cone", "ball", "none"))
    if top == "knob":
        parts += [oval(50 - rim, -4, 50 + rim, 8, "c"), oval(43, -14, 57, 0, "c", "gloss")]
    elif top == "cone":
        parts.append(curve(f"{50 - rim},5 {50 - rim},5 50,-26 50,-26 {50 + rim},5 {50 + rim},5", "c"))
    elif top == "ball":
        parts.append(oval(50 - rim, -2 * rim + 6, 50 + rim, 8, "c", "gloss"))
    return Glyph(tuple(parts), 0.9)
