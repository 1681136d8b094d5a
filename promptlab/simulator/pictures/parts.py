"""The little language that things are drawn in: parts in a box of about 100 × 100 units, y down, base at y = 100."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.simulator.pictures import angles

__all__ = ["Finish", "Glyph", "Part", "box", "curve", "line", "oval", "poly", "smooth", "warped"]

Point = tuple[float, float]
Finish = Literal["soft", "flat", "glass", "gloss", "glow"]


@dataclass(frozen=True, slots=True)
class Part:
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

    parts: tuple[Part, ...]
    size: float = 1.0
    stands: Literal["table", "bust", "sky"] = "table"
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


def oval(x0: float, y0: float, x1: float, y1: float, colour: str, finish: Finish = "soft") -> Part:
    """An ellipse in a box."""
    return Part("oval", ((x0, y0), (x1, y1)), colour, 0.0, finish)


def box(x0: float, y0: float, x1: float, y1: float, colour: str, radius: float = 0, finish: Finish = "soft") -> Part:
    """A rectangle with round corners."""
    return Part("box", ((x0, y0), (x1, y1)), colour, radius, finish)


def poly(points: str, colour: str, finish: Finish = "soft") -> Part:
    """A polygon with sharp corners: `"0,0 10,0 5,8"`."""
    return Part("poly", _points(points), colour, 0.0, finish)


def curve(points: str, colour: str, finish: Finish = "soft") -> Part:
    """A closed smooth outline through the points."""
    return Part("poly", smooth(_points(points), closed=True), colour, 0.0, finish)


def line(points: str, width: float, colour: str, finish: Finish = "soft") -> Part:
    """A smooth stroke with round ends."""
    return Part("line", smooth(_points(points), closed=False), colour, width, finish)


def _outline(part: Part) -> tuple[Point, ...]:
    """An oval's or a box's edge as points, so that it can be bent."""
    (x0, y0), (x1, y1) = part.points
    if part.kind == "oval":
        turns = [index * math.pi / 16 for index in range(32)]
        return tuple(
            ((x0 + x1) / 2 + (x1 - x0) / 2 * angles.cos(turn), (y0 + y1) / 2 + (y1 - y0) / 2 * angles.sin(turn))
            for turn in turns
        )
    radius = min(part.width, (x1 - x0) / 2, (y1 - y0) / 2)
    if radius <= 0.5:
        return (x0, y0), ((x0 + x1) / 2, y0), (x1, y0), (x1, y1), ((x0 + x1) / 2, y1), (x0, y1)
    corners = ((x1 - radius, y1 - radius, 0), (x0 + radius, y1 - radius, 1), (x0 + radius, y0 + radius, 2),
               (x1 - radius, y0 + radius, 3))  # fmt: skip
    return tuple(
        (x + radius * angles.cos(turn), y + radius * angles.sin(turn))
        for x, y, quarter in corners
        for turn in [(quarter + step / 4) * math.pi / 2 for step in range(5)]
    )


def warped(glyph: Glyph, move: Callable[[float, float], tuple[float, float]]) -> Glyph:
    """The glyph with every point moved; strokes keep their thickness."""
    parts = []
    for part in glyph.parts:
        if part.kind in ("oval", "box"):
            part = Part("poly", _outline(part), part.colour, 0.0, part.finish)
        parts.append(replace(part, points=tuple(move(x, y) for x, y in part.points)))
    return replace(glyph, parts=tuple(parts))
