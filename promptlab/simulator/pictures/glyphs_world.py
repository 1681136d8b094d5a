"""Plants, animals, people, vehicles, buildings, the sky; and a turned object for every word without a drawing."""

from __future__ import annotations

import functools

from promptlab.simulator.pictures.parts import Glyph, Part, box, curve, line, oval, poly, smooth
from promptlab.simulator.pictures.rng import Dice

__all__ = ["WORLD", "unknown"]

_PLANT = Glyph((
    curve("50,62 30,50 10,22 12,2 34,20 48,46", "leaf"),
    curve("50,62 70,50 92,26 92,6 68,22 54,46", "leaf"),
    curve("50,62 40,30 42,-4 52,-22 62,0 58,34", "leaf+"),
    curve("50,64 26,62 2,50 -4,36 24,42 44,56", "moss"),
    curve("50,64 76,62 98,52 104,38 78,44 56,56", "moss"),
    line("50,62 51,20 52,-10", 1.2, "pine", "flat"),
    poly("26,64 74,64 67,100 33,100", "a"),
    box(22, 58, 78, 70, "a+", 3),
), 1.1, colours=("terracotta",))  # fmt: skip

_FLOWER = Glyph((
    line("50,98 48,70 50,34", 3.4, "leaf"),
    curve("49,80 30,76 18,60 36,62", "leaf"), curve("50,70 66,66 80,50 62,54", "leaf+"),
    *(oval(50 + x - 13, 22 + y - 13, 50 + x + 13, 22 + y + 13, "a")
      for x, y in ((0, -19), (18, -6), (11, 15), (-11, 15), (-18, -6))),
    oval(40, 12, 60, 32, "yellow"),
), 1.0, colours=("coral",))  # fmt: skip

_BOUQUET = Glyph((
    *(line(f"50,70 {x},{y}", 2, "leaf") for x, y in ((20, 22), (36, 8), (54, 2), (72, 12), (84, 28))),
    *(oval(x - 13, y - 13, x + 13, y + 13, c) for x, y, c in
      ((18, 22, "a"), (84, 28, "b"), (36, 8, "c"), (72, 10, "a+"), (54, 0, "b+"), (48, 24, "a"), (66, 30, "c"))),
    poly("26,42 76,42 58,100 44,100", "paper"), line("40,72 62,72", 4, "b", "flat"),
), 1.1)  # fmt: skip

_TREE = Glyph((
    poly("44,52 56,52 60,100 40,100", "bark"),
    line("50,70 66,54", 4, "bark"),
    oval(4, 14, 58, 64, "leaf-"), oval(42, 12, 98, 64, "leaf"), oval(20, -16, 80, 44, "leaf+"),
), 1.5)  # fmt: skip

_PALM = Glyph((
    line("56,100 50,60 60,14", 6, "bark"),
    *(line(f"60,14 {a} {b}", 6, c) for a, b, c in
      (("36,0", "8,16", "leaf"), ("40,14", "22,40", "pine"), ("84,0", "112,16", "leaf"), ("80,16", "98,42", "pine"),
       ("62,-8", "80,-24", "leaf+"), ("50,-10", "30,-20", "leaf+"))),
    oval(54, 14, 62, 22, "brown"), oval(60, 16, 68, 24, "brown"),
), 1.5)  # fmt: skip

_CACTUS = Glyph((
    line("28,60 18,56 18,38", 10, "leaf"), line("72,50 82,46 82,26", 10, "leaf"),
    box(36, 4, 64, 76, "leaf", 14),
    line("50,10 50,70", 1.6, "leaf+", "flat"), line("43,14 43,70", 1.2, "leaf+", "flat"),
    oval(42, -6, 56, 8, "pink"),
    poly("22,70 78,70 71,100 29,100", "a"), box(18, 64, 82, 75, "a+", 3),
), 1.0, colours=("terracotta",))  # fmt: skip

_CAT = Glyph((
    line("76,92 100,84 102,58 94,46", 7, "a"),
    curve("50,44 68,52 82,76 80,98 50,101 22,98 20,76 34,52", "a"),
    curve("50,62 60,70 62,92 50,99 38,92 40,70", "a+"),
    poly("24,26 26,-4 46,12", "a"), poly("76,26 74,-4 54,12", "a"),
    poly("29,18 30,4 40,12", "pink", "flat"), poly("71,18 70,4 60,12", "pink", "flat"),
    oval(20, 6, 80, 54, "a"),
    oval(33, 22, 43, 34, "yellow", "flat"), oval(57, 22, 67, 34, "yellow", "flat"),
    oval(36.5, 22, 40, 34, "black", "flat"), oval(60.5, 22, 64, 34, "black", "flat"),
    poly("46,37 54,37 50,42", "pink", "flat"), line("50,42 45,46 41,45", 1.4, "dark", "flat"),
    line("50,42 55,46 59,45", 1.4, "dark", "flat"),
    line("30,40 8,36", 0.9, "white", "flat"), line("30,43 8,46", 0.9, "white", "flat"),
    line("70,40 92,36", 0.9, "white", "flat"), line("70,43 92,46", 0.9, "white", "flat"),
    oval(32, 90, 48, 101, "a+"), oval(52, 90, 68, 101, "a+"),
), 1.0, colours=("orange",))  # fmt: skip

_DOG = Glyph((
    line("78,84 98,70 100,60", 6, "a"),
    curve("50,46 70,54 82,78 80,98 50,101 22,98 20,78 32,54", "a"),
    curve("50,64 60,72 62,94 50,99 38,94 40,72", "cream"),
    oval(22, 4, 78, 58, "a"),
    curve("26,12 14,14 4,36 10,52 20,50 30,28", "a-"), curve("74,12 86,14 96,36 90,52 80,50 70,28", "a-"),
    oval(34, 30, 66, 60, "cream"), oval(43, 33, 57, 43, "black", "gloss"),
    line("50,43 50,50 43,53", 1.6, "dark", "flat"), line("50,50 57,53", 1.6, "dark", "flat"),
    curve("46,53 54,53 54,62 50,65 46,62", "coral", "flat"),
    oval(33, 20, 42, 30, "black", "flat"), oval(58, 20, 67, 30, "black", "flat"),
    oval(36, 21, 39, 24, "white", "flat"), oval(61, 21, 64, 24, "white", "flat"),
    line("30,58 50,64 70,58", 4.4, "b", "flat"), oval(46, 62, 54, 70, "gold", "gloss"),
    oval(32, 90, 48, 101, "cream"), oval(52, 90, 68, 101, "cream"),
), 1.05, colours=("brown", "red"))  # fmt: skip

_BIRD = Glyph((
    line("44,84 42,100", 2.2, "orange"), line("54,84 56,100", 2.2, "orange"),
    poly("10,66 -14,84 -10,90 24,78", "a-"),
    curve("8,68 20,40 46,24 64,30 78,52 70,78 46,88 20,84", "a"),
    oval(48, 10, 86, 46, "a"), poly("84,24 102,30 84,36", "orange"),
    oval(68, 20, 75, 27, "black", "flat"), oval(70, 21, 73, 24, "white", "flat"),
    curve("16,66 32,46 52,48 56,64 38,76", "b"), curve("52,76 66,64 72,62 68,76", "cream"),
), 0.75)  # fmt: skip

_FISH = Glyph((
    poly("78,62 104,42 100,62 104,84", "a-"), curve("40,44 54,28 66,44", "b"),
    curve("0,64 20,44 48,38 72,50 86,63 72,78 46,88 20,82", "a", "gloss"),
    line("38,46 44,64 38,82", 1.6, "a-", "flat"), line("52,48 57,64 52,80", 1.6, "a-", "flat"),
    oval(13, 54, 23, 64, "white", "flat"), oval(15.5, 56.5, 20.5, 61.5, "black", "flat"),
), 0.6, colours=("orange",))  # fmt: skip

_PERSON = Glyph((
    curve("28,20 34,-8 66,-8 74,20 78,54 68,62 32,62 22,54", "hair"),
    curve("-2,100 2,82 26,70 50,72 74,70 98,82 102,100 102,112 -2,112", "a"),
    curve("42,50 42,50 58,50 58,50 60,72 50,80 40,72", "skin-"),
    curve("40,72 50,80 60,72 64,76 50,90 36,76", "a-", "flat"),
    curve("50,-2 66,4 70,26 66,46 56,58 50,60 44,58 34,46 30,26 34,4", "skin"),
    curve("30,28 30,4 48,-6 66,-2 72,14 71,30 66,18 52,10 38,14", "hair"),
    oval(38, 27, 45, 32, "white", "flat"), oval(55, 27, 62, 32, "white", "flat"),
    oval(40, 27, 44, 32, "dark", "flat"), oval(57, 27, 61, 32, "dark", "flat"),
    line("37,23 41,21 46,23", 1.5, "hair", "flat"), line("54,23 59,21 63,23", 1.5, "hair", "flat"),
    line("50,30 48,39 51,41", 1.3, "skin-", "flat"),
    curve("44,47 50,45.5 56,47 50,51", "coral-", "flat"),
    oval(33, 36, 42, 43, "coral", "glass"), oval(58, 36, 67, 43, "coral", "glass"),
), 1.4, "bust")  # fmt: skip

_CAR = Glyph((
    curve("10,58 26,30 44,22 84,22 102,34 114,58", "a"),
    curve("24,55 33,37 44,30 60,29 60,55", "glass"), curve("66,55 66,29 82,29 93,38 101,55", "glass"),
    curve("-30,62 -6,56 20,54 116,54 134,62 138,82 130,88 -28,88 -34,78", "a", "gloss"),
    box(122, 64, 138, 72, "lamp", 3, "glow"), box(-34, 64, -26, 72, "red", 2, "flat"),
    line("-26,78 130,78", 1.6, "a-", "flat"), box(46, 62, 54, 65, "metal", 1, "flat"),
    *(part for x in (2, 102) for part in
      (oval(x - 17, 70, x + 17, 102, "black"), oval(x - 9, 77, x + 9, 95, "metal", "gloss"))),
), 0.72)  # fmt: skip

_BICYCLE = Glyph((
    *(part for x in (-2, 102) for part in
      (line(" ".join(f"{x + dx},{70 + dy}" for dx, dy in
            ((28, 0), (20, 20), (0, 28), (-20, 20), (-28, 0), (-20, -20), (0, -28), (20, -20), (28, 0))), 3.4, "dark"),
       line(f"{x - 26},70 {x + 26},70", 0.6, "metal", "flat"), line(f"{x},44 {x},96", 0.6, "metal", "flat"),
       oval(x - 3, 67, x + 3, 73, "metal", "flat"))),
    line("-2,70 30,30", 3.6, "a"), line("30,30 84,30", 3.6, "a"), line("84,30 44,72", 3.6, "a"),
    line("44,72 -2,70", 3.6, "a"), line("26,18 44,72", 3.6, "a"), line("102,70 82,14", 3.6, "a"),
    line("16,14 38,14", 6, "brown"), line("82,14 96,10 100,18", 3.4, "dark"),
    oval(37, 65, 51, 79, "metal", "gloss"),
), 0.95)  # fmt: skip

_HOUSE = Glyph((
    box(68, -6, 80, 24, "terracotta"),
    box(8, 38, 92, 100, "a"),
    poly("-4,42 50,-2 104,42", "b"),
    box(42, 62, 60, 100, "c"), oval(54, 80, 57, 83, "gold", "flat"),
    *(part for x in (18, 68) for part in
      (box(x, 54, x + 16, 74, "lamp", 1, "glow"), line(f"{x + 8},54 {x + 8},74", 1.2, "white", "flat"))),
    oval(-6, 84, 16, 101, "leaf"), oval(82, 82, 110, 101, "leaf"),
), 1.4, colours=("cream", "terracotta", "teal"))  # fmt: skip

_TOWER = Glyph((
    box(24, -30, 76, 100, "a"),
    *(box(30 + 15 * column, -22 + 18 * row, 40 + 15 * column, -10 + 18 * row, "lamp" if (row * 7 + column * 3) % 4 else
          "screen", 0, "glow") for row in range(6) for column in range(3)),
    line("50,-30 50,-46", 2, "metal"),
), 1.6, colours=("navy",))  # fmt: skip

_BOAT = Glyph((
    line("50,-20 50,80", 3, "wood"),
    curve("53,-16 53,-16 90,40 92,66 92,66 53,66 53,66", "a"), curve("46,-4 46,-4 46,66 46,66 16,64 26,36", "b"),
    curve("-6,76 -6,76 106,76 106,76 92,98 80,101 20,101 8,98", "c", "gloss"), line("0,83 100,83", 2, "white", "flat"),
), 1.2)  # fmt: skip

_ROBOT = Glyph((
    line("50,-2 50,-14", 2.4, "metal"), oval(45, -22, 55, -12, "red", "glow"),
    box(20, -2, 80, 40, "a", 10, "gloss"), box(28, 8, 72, 30, "dark", 8),
    oval(35, 13, 46, 24, "sky", "glow"), oval(54, 13, 65, 24, "sky", "glow"),
    box(14, 44, 86, 88, "a", 10), box(32, 54, 68, 74, "b", 4),
    line("10,52 -4,72", 8, "metal"), line("90,52 104,72", 8, "metal"),
    box(24, 86, 42, 101, "metal", 3), box(58, 86, 76, 101, "metal", 3),
), 1.15)  # fmt: skip

_SUN = Glyph((oval(10, 10, 90, 90, "flame", "glow"),), 0.6, "sky")
_MOON = Glyph((oval(10, 10, 90, 90, "cream", "glow"), oval(28, 26, 44, 42, "sand", "glow"),
               oval(52, 52, 74, 72, "sand", "glow"), oval(58, 26, 66, 34, "sand", "glow")), 0.45, "sky")  # fmt: skip
_CLOUD = Glyph(
    (oval(-30, 40, 60, 80, "white"), oval(10, 16, 80, 76, "white"), oval(50, 34, 130, 82, "white")), 0.35, "sky"
)
_BALLOON = Glyph((
    line("36,72 44,88", 1.2, "brown"), line("64,72 56,88", 1.2, "brown"), box(42, 86, 58, 100, "wood", 2),
    curve("50,-10 82,6 88,36 68,66 50,76 32,66 12,36 18,6", "a"),
    curve("50,-10 62,8 64,38 56,66 50,76 44,66 36,38 38,8", "b"),
), 0.7, "sky")  # fmt: skip

WORLD: dict[str, Glyph] = {
    "plant": _PLANT, "flower": _FLOWER, "bouquet": _BOUQUET, "tree": _TREE, "palm": _PALM, "cactus": _CACTUS,
    "cat": _CAT, "dog": _DOG, "bird": _BIRD, "fish": _FISH, "person": _PERSON, "car": _CAR, "bicycle": _BICYCLE,
    "house": _HOUSE, "tower": _TOWER, "boat": _BOAT, "robot": _ROBOT, "sun": _SUN, "moon": _MOON, "cloud": _CLOUD,
    "balloon": _BALLOON,
}  # fmt: skip


@functools.lru_cache(maxsize=256)
def unknown(word: str) -> Glyph:
    """A turned object whose profile comes from the word: the same word always has the same shape."""
    dice = Dice("profile", word)
    levels = [(y, dice.between(14, 44)) for y in (18, 36, 54, 72, 88)]
    rim, foot = dice.between(10, 30), dice.between(18, 34)
    right = [(50 + rim, 4.0)] * 2 + [(50 + r, float(y)) for y, r in levels] + [(50 + foot, 100.0)] * 2
    outline = tuple(right) + tuple((100 - x, y) for x, y in reversed(right))
    parts: list[Part] = []
    if dice.chance(0.5):
        side = levels[1][1]
        parts.append(line(f"{50 + side - 4},34 {50 + side + 22},30 {50 + side + 20},62 {48 + levels[2][1]},64", 6, "b"))
    parts.append(Part("poly", smooth(outline, closed=True), "a", 0.0, "gloss"))
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
