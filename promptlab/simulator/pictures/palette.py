"""Colours: small arithmetic on RGB, the named colours and materials of prompts, and what things wear by default."""

from __future__ import annotations

import colorsys

from promptlab.simulator.pictures.rng import Dice

__all__ = ["COLOUR_WORDS", "FIXED", "MATERIALS", "RGB", "grey", "mix", "role", "shift_hue", "thing_colours"]

RGB = tuple[int, int, int]

#: Roles that do not change with the thing that wears them.
FIXED: dict[str, RGB] = {
    "dark": (46, 44, 52),
    "black": (34, 33, 38),
    "light": (244, 238, 228),
    "white": (248, 246, 242),
    "leaf": (86, 132, 88),
    "moss": (120, 150, 84),
    "pine": (48, 96, 84),
    "wood": (178, 124, 78),
    "bark": (122, 84, 60),
    "metal": (176, 182, 190),
    "gold": (222, 172, 82),
    "brass": (196, 154, 76),
    "skin": (226, 172, 138),
    "brown": (138, 92, 66),
    "hair": (74, 50, 42),
    "glass": (198, 224, 228),
    "screen": (92, 142, 190),
    "paper": (246, 240, 226),
    "flame": (255, 196, 84),
    "lamp": (255, 228, 164),
    "crust": (206, 144, 78),
    "cream": (250, 234, 206),
    "coffee": (92, 58, 42),
    "red": (206, 66, 58),
    "orange": (236, 140, 62),
    "yellow": (244, 200, 84),
    "green": (92, 150, 96),
    "teal": (58, 142, 142),
    "blue": (68, 118, 186),
    "navy": (46, 66, 112),
    "purple": (128, 92, 168),
    "pink": (236, 156, 172),
    "coral": (238, 122, 100),
    "grey": (150, 150, 154),
    "terracotta": (202, 112, 80),
    "mustard": (222, 172, 70),
    "sage": (148, 170, 138),
    "sand": (224, 198, 160),
    "plum": (122, 70, 98),
    "sky": (142, 190, 222),
    "stone": (186, 180, 172),
    "lilac": (180, 160, 208),
}

COLOUR_WORDS: dict[str, str] = {name: name for name in FIXED if name not in {"leaf", "light", "dark", "screen", "skin"}}
COLOUR_WORDS |= {"gray": "grey", "crimson": "red", "scarlet": "red", "violet": "purple", "turquoise": "teal"}
COLOUR_WORDS |= {
    "beige": "sand",
    "ivory": "cream",
    "golden": "gold",
    "emerald": "green",
    "rose": "pink",
    "indigo": "navy",
}

#: Material → the colour it lends and whether it shines.
MATERIALS: dict[str, tuple[str, bool]] = {
    "oak": ("wood", False), "wooden": ("wood", False), "walnut": ("bark", False), "bamboo": ("sand", False),
    "brass": ("brass", True), "copper": ("terracotta", True), "steel": ("metal", True), "silver": ("metal", True),
    "chrome": ("metal", True), "leather": ("brown", False), "porcelain": ("white", True), "stoneware": ("stone", False),
    "clay": ("terracotta", False), "terracotta": ("terracotta", False), "denim": ("blue", False),
    "jade": ("sage", True),
}  # fmt: skip

_WARDROBE = ("terracotta", "teal", "mustard", "sage", "coral", "blue", "plum", "sky", "pink", "navy", "lilac", "cream")


def mix(one: RGB, other: RGB, amount: float) -> RGB:
    """`one` at 0, `other` at 1."""
    keep = 1 - amount
    return (
        round(one[0] * keep + other[0] * amount),
        round(one[1] * keep + other[1] * amount),
        round(one[2] * keep + other[2] * amount),
    )


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


def thing_colours(word: str, own: tuple[str, ...], asked: str | None, dice: Dice) -> dict[str, RGB]:
    """What a thing wears: the colour asked for, its own, or one from its word; jittered a little by the seed."""
    choice = Dice("wardrobe", word)
    names = list(own)
    while len(names) < 3:
        name = choice.pick(_WARDROBE)
        if name not in names:
            names.append(name)
    if asked:
        names[0] = asked
    turn = dice.between(-0.035, 0.035)
    return {key: shift_hue(FIXED[name], turn) for key, name in zip("abc", names, strict=False)}
