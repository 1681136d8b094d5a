"""Colours: small arithmetic on RGB, the named colours and materials of prompts, and what things wear by default."""

from __future__ import annotations

import colorsys

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.rng import Dice

__all__ = ["FIXED", "RGB", "grey", "hue", "mix", "multiply", "role", "shaded", "shift_hue", "thing_colours"]


RGB = tuple[int, int, int]

#: Roles that do not change with the thing that wears them.
FIXED: dict[str, RGB] = tables("palette")["colours"]


def mix(one: RGB, other: RGB, amount: float) -> RGB:
    """`one` at 0, `other` at 1."""
    keep = 1 - amount
    return (
        round(one[0] * keep + other[0] * amount),
        round(one[1] * keep + other[1] * amount),
        round(one[2] * keep + other[2] * amount),
    )


def multiply(one: RGB, other: RGB) -> RGB:
    """Both as filters, one behind the other."""
    return round(one[0] * other[0] / 255), round(one[1] * other[1] / 255), round(one[2] * other[2] / 255)


def hue(turn: float, saturation: float, value: float) -> RGB:
    """The colour at a fraction of the colour circle."""
    r, g, b = colorsys.hsv_to_rgb(turn % 1, saturation, value)
    return round(r * 255), round(g * 255), round(b * 255)


def grey(colour: RGB) -> int:
    """Luma, 0 to 255."""
    return round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])


def shift_hue(colour: RGB, turn: float, saturation: float = 1.0, value: float = 1.0) -> RGB:
    """Turn the hue by a fraction of the circle and scale the others."""
    h, s, v = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    r, g, b = colorsys.hsv_to_rgb((h + turn) % 1, min(s * saturation, 1), min(v * value, 1))
    return round(r * 255), round(g * 255), round(b * 255)


def role(name: str, colours: dict[str, RGB]) -> RGB:
    """The colour of a part's role, `a`, `leaf`, `b-` (darker) or `c+` (lighter)."""
    base = name.rstrip("+-")
    colour = colours.get(base) or FIXED[base]
    for sign in name[len(base) :]:
        colour = mix(colour, (255, 255, 255), 0.28) if sign == "+" else mix(colour, (24, 18, 30), 0.3)
    return colour


def shaded(colour: RGB, shade: str | None) -> RGB:
    """A colour made lighter, darker or more vivid."""
    if shade == "lighter":
        return mix(colour, (255, 255, 255), 0.45)
    if shade == "darker":
        return mix(colour, (18, 14, 26), 0.48)
    if shade == "vivid":
        return shift_hue(colour, 0, 1.5, 1.15)
    return colour


def thing_colours(
    word: str, own: tuple[str, ...], asked: tuple[str, ...], dice: Dice, shade: str | None = None
) -> dict[str, RGB]:
    """What a thing wears: the colours asked for, its own, or some from its word; jittered a little by the seed."""
    choice = Dice("wardrobe", word)
    names = list(own)
    while len(names) < 3:
        name = choice.pick(tables("palette")["wardrobe"])
        if name not in names:
            names.append(name)
    names[: len(asked)] = asked
    turn = dice.between(-0.035, 0.035)
    worn = {key: shift_hue(FIXED[name], turn) for key, name in zip("abc", names, strict=False)}
    return {key: shaded(colour, shade) if key == "a" else colour for key, colour in worn.items()}
