"""More things: food, animals and machines that the other tables leave out."""

from __future__ import annotations

from promptlab.simulator.pictures.parts import Glyph, box, curve, line, oval, poly

__all__ = ["MORE"]

_EGG = Glyph((
    curve("50,12 68,26 82,58 76,88 50,101 24,88 18,58 32,26", "a"),
    oval(34, 34, 44, 48, "a+", "flat"),
), 0.5, colours=("cream",))  # fmt: skip

_MUSHROOM = Glyph((
    curve("38,52 62,52 64,78 72,101 28,101 36,78", "cream"),
    curve("-2,56 8,24 34,4 66,4 92,24 102,56 76,62 50,64 24,62", "a", "gloss"),
    oval(20, 28, 34, 42, "white", "flat"), oval(46, 12, 62, 26, "white", "flat"), oval(68, 32, 82, 46, "white", "flat"),
    oval(42, 40, 52, 50, "white", "flat"),
), 0.75, colours=("red",))  # fmt: skip

_PUMPKIN = Glyph((
    line("50,36 48,22 58,12", 7, "moss"),
    oval(-4, 36, 44, 98, "a-"), oval(56, 36, 104, 98, "a-"),
    oval(14, 32, 58, 101, "a"), oval(42, 32, 86, 101, "a"), oval(30, 30, 70, 102, "a+"),
), 0.75, colours=("orange",))  # fmt: skip

_ICECREAM = Glyph((
    poly("28,40 72,40 50,102", "crust"),
    line("36,52 56,84", 1.4, "brown", "flat"), line("64,52 44,84", 1.4, "brown", "flat"),
    oval(22, 10, 60, 48, "a"), oval(42, 10, 80, 48, "b"), oval(32, -16, 70, 24, "c"),
    oval(46, -26, 58, -14, "red", "gloss"),
), 0.95, colours=("pink", "cream", "mint"))  # fmt: skip

_PIZZA = Glyph((
    oval(-6, 44, 106, 101, "crust"), oval(4, 48, 96, 94, "a"),
    *(oval(x - 8, y - 5, x + 8, y + 6, "red", "gloss") for x, y in ((30, 62), (58, 58), (74, 74), (44, 80))),
    oval(40, 64, 48, 70, "leaf", "flat"), oval(62, 82, 70, 88, "leaf", "flat"), oval(18, 72, 25, 78, "leaf", "flat"),
), 0.5, colours=("yellow",))  # fmt: skip

_KEY = Glyph((
    line("50,40 50,100", 8, "a", "gloss"),
    poly("54,78 74,78 74,86 54,86", "a", "gloss"), poly("54,90 68,90 68,98 54,98", "a", "gloss"),
    line("50,0 32,8 26,24 34,40 50,46 66,40 74,24 68,8 50,0", 8, "a", "gloss"),
), 0.7, colours=("brass",))  # fmt: skip

_UMBRELLA = Glyph((
    line("50,10 50,88 56,98 66,98 70,88", 4, "wood"),
    curve("-8,56 4,22 34,0 66,0 96,22 108,56 86,50 66,56 50,50 34,56 14,50", "a"),
    curve("34,55 38,24 50,0 62,24 66,55 50,50", "b"), line("50,0 50,-12", 3, "metal"),
), 1.15)  # fmt: skip

_DOOR = Glyph((
    box(10, -30, 90, 101, "a-", 3), box(18, -22, 82, 101, "a", 2),
    box(26, -12, 74, 32, "a+", 2), box(26, 42, 74, 92, "a+", 2), oval(70, 34, 78, 42, "brass", "gloss"),
), 1.6)  # fmt: skip

_RABBIT = Glyph((
    oval(74, 70, 96, 92, "white"),
    curve("46,50 70,56 84,78 78,98 50,102 24,98 22,76 34,56", "a"),
    curve("34,16 22,-16 24,-44 36,-44 44,-14 46,14", "a"), curve("66,16 78,-16 76,-44 64,-44 56,-14 54,14", "a"),
    curve("36,8 29,-16 30,-34 35,-34 40,-12", "pink", "flat"),
    curve("64,8 71,-16 70,-34 65,-34 60,-12", "pink", "flat"),
    oval(22, 6, 78, 58, "a"), oval(33, 24, 42, 35, "black", "flat"), oval(58, 24, 67, 35, "black", "flat"),
    oval(36, 26, 39, 29, "white", "flat"), oval(61, 26, 64, 29, "white", "flat"),
    oval(45, 37, 55, 43, "pink", "flat"), line("50,43 50,49", 1.4, "dark", "flat"),
    oval(32, 90, 50, 102, "a+"), oval(52, 90, 70, 102, "a+"),
), 0.85, colours=("tan",))  # fmt: skip

_HORSE = Glyph((
    line("-14,44 -28,62 -24,84", 7, "b"),
    line("6,60 2,100", 8, "a-"), line("70,60 72,100", 8, "a-"),
    curve("-16,40 0,30 40,34 70,28 84,40 80,62 56,70 20,70 -10,64", "a"),
    line("-4,62 -8,100", 9, "a"), line("82,58 86,100", 9, "a"),
    curve("60,40 74,10 92,-10 104,-6 96,22 86,54", "a"),
    curve("88,-16 108,-20 130,0 134,12 120,16 102,4", "a"),
    poly("92,-14 94,-30 102,-18", "a-"), oval(108, -10, 114, -4, "black", "flat"),
    line("90,-18 74,6 64,32", 8, "b"), oval(126, 6, 131, 11, "dark", "flat"),
), 1.25, colours=("brown", "dark"))  # fmt: skip

_BUTTERFLY = Glyph((
    curve("48,48 20,8 -10,6 -8,44 24,58", "a"), curve("52,48 80,8 110,6 108,44 76,58", "a"),
    curve("48,54 16,60 6,88 28,98 46,70", "b"), curve("52,54 84,60 94,88 72,98 54,70", "b"),
    oval(4, 20, 22, 38, "c", "flat"), oval(78, 20, 96, 38, "c", "flat"),
    line("50,28 50,88", 7, "dark"), line("48,28 40,8", 1.6, "dark"), line("52,28 60,8", 1.6, "dark"),
), 0.7)  # fmt: skip

_TURTLE = Glyph((
    oval(84, 46, 116, 78, "leaf"), oval(100, 54, 106, 60, "black", "flat"),
    box(6, 82, 26, 101, "leaf-", 8), box(66, 82, 86, 101, "leaf-", 8), poly("-14,84 4,74 6,88", "leaf-"),
    curve("-4,84 4,50 28,32 62,32 86,50 94,84", "a", "gloss"),
    line("20,82 32,54 60,54 72,82", 2.4, "a-", "flat"), line("32,54 24,40", 2.4, "a-", "flat"),
    line("60,54 68,40", 2.4, "a-", "flat"), box(-6, 78, 96, 90, "a+", 6),
), 0.6, colours=("olive",))  # fmt: skip

_PLANE = Glyph((
    poly("-16,18 2,18 16,50 -6,50", "a-"),
    curve("-20,50 10,42 80,42 118,50 126,60 112,70 60,74 0,72 -18,62", "white", "gloss"),
    line("-14,62 114,62", 4, "a", "flat"),
    poly("34,62 64,62 40,101 16,101", "a"), poly("44,44 64,44 52,22 38,22", "a-"),
    *(oval(x, 50, x + 7, 57, "screen", "flat") for x in (20, 34, 48, 62, 76, 90)),
    curve("104,48 118,52 114,57 102,56", "dark", "flat"),
), 0.7)  # fmt: skip

_ROCKET = Glyph((
    curve("40,92 50,128 60,92", "flame", "glow"), curve("45,92 50,112 55,92", "white", "glow"),
    curve("30,60 8,86 10,102 32,90", "b"), curve("70,60 92,86 90,102 68,90", "b"),
    curve("50,-36 66,-8 72,30 68,76 60,94 40,94 32,76 28,30 34,-8", "a", "gloss"),
    curve("50,-36 64,-12 50,-6 36,-12", "b", "gloss"), oval(38, 12, 62, 36, "metal", "gloss"),
    oval(42, 16, 58, 32, "screen", "gloss"), box(33, 62, 67, 68, "b", 1, "flat"),
), 1.35, colours=("white", "red"))  # fmt: skip

_STATUE = Glyph((
    box(18, 84, 82, 101, "a-", 2), box(26, 74, 74, 86, "a", 2),
    curve("14,74 20,52 40,42 60,42 80,52 86,74", "a"),
    curve("42,26 42,26 58,26 58,26 62,46 50,50 38,46", "a-"),
    curve("50,-24 68,-16 72,6 66,26 50,36 34,26 28,6 32,-16", "a"),
    curve("28,0 28,-22 50,-34 72,-22 72,0 64,-10 36,-10", "a-"),
    line("50,2 48,12 52,13", 1.6, "a-", "flat"), line("44,21 50,22 56,21", 1.8, "a-", "flat"),
    oval(38, 2, 45, 7, "a-", "flat"), oval(55, 2, 62, 7, "a-", "flat"),
), 1.2, colours=("stone",))  # fmt: skip

_BALL = Glyph((
    oval(8, 14, 94, 101, "a", "gloss"), line("8,58 30,48 70,48 94,58", 4, "b", "flat"),
    line("50,14 40,40 42,76 50,101", 4, "b", "flat"),
), 0.65)  # fmt: skip

_HEART = Glyph((
    curve("50,98 50,98 14,64 2,36 12,12 32,8 50,26 68,8 88,12 98,36 86,64 50,98", "a", "gloss"),
), 0.75, colours=("red",))  # fmt: skip

_STAR = Glyph((
    poly("50,0 62,36 100,36 70,60 82,98 50,75 18,98 30,60 0,36 38,36", "a", "gloss"),
), 0.75, colours=("gold",))  # fmt: skip

_CASTLE = Glyph((
    box(14, 30, 86, 101, "a"), box(-2, 6, 24, 101, "a+"), box(76, 6, 102, 101, "a+"), box(38, -10, 62, 60, "a-"),
    *(box(x, y, x + 6, y + 9, "a+") for x, y in ((-2, -2), (8, -2), (18, -2), (76, -2), (86, -2), (96, -2))),
    poly("34,-8 50,-40 66,-8", "b"), poly("-6,-1 11,-30 28,-1", "b"), poly("72,-1 89,-30 106,-1", "b"),
    curve("40,101 40,76 50,66 60,76 60,101", "dark"), line("50,-40 50,-56", 1.6, "dark"),
    poly("51,-56 66,-51 51,-46", "c"),
    *(box(x, y, x + 6, y + 12, "lamp", 3, "glow") for x, y in ((8, 30), (86, 30), (47, 8), (26, 46), (68, 46))),
), 1.6, colours=("stone", "navy", "red"))  # fmt: skip

_LIGHTHOUSE = Glyph((
    curve("-10,101 6,88 40,84 70,86 104,92 112,101", "stone-"),
    poly("34,94 66,94 60,8 40,8", "white"), poly("35.4,80 64.6,80 63.2,62 36.8,62", "a"),
    poly("38,46 62,46 60.8,28 39.2,28", "a"), box(34, 2, 66, 10, "dark", 2), box(41, -16, 59, 4, "lamp", 1, "glow"),
    poly("37,-14 63,-14 50,-32", "a"), box(46, 82, 54, 94, "dark", 3), line("50,-32 50,-42", 2, "dark"),
), 1.6, colours=("red",))  # fmt: skip

MORE: dict[str, Glyph] = {
    "castle": _CASTLE, "lighthouse": _LIGHTHOUSE,
    "egg": _EGG, "mushroom": _MUSHROOM, "pumpkin": _PUMPKIN, "icecream": _ICECREAM, "pizza": _PIZZA, "key": _KEY,
    "umbrella": _UMBRELLA, "door": _DOOR, "rabbit": _RABBIT, "horse": _HORSE, "butterfly": _BUTTERFLY,
    "turtle": _TURTLE, "plane": _PLANE, "rocket": _ROCKET, "statue": _STATUE, "ball": _BALL, "heart": _HEART,
    "star": _STAR,
}  # fmt: skip
