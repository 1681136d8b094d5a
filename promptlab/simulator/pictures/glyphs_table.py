"""Things that stand on a table: crockery, food, gadgets."""

from __future__ import annotations

from promptlab.simulator.pictures.parts import Glyph, box, curve, line, oval, poly

__all__ = ["TABLE"]

_TEAPOT = Glyph((
    line("80,58 98,46 101,64 94,80 78,82", 6, "a"),
    poly("26,66 6,40 2,36 10,33 15,38 32,54", "a"),
    curve("50,38 74,44 86,64 82,84 68,98 50,100 32,98 18,84 14,64 26,44", "a", "gloss"),
    line("18,66 34,73 50,75 66,73 82,66", 3.4, "b", "flat"),
    curve("50,28 64,32 71,41 70,44 50,48 30,44 29,41 36,32", "a+", "gloss"),
    oval(44, 18, 56, 30, "b", "gloss"),
), 1.0)  # fmt: skip

_MUG = Glyph((
    line("76,40 96,40 98,70 76,80", 7, "a"),
    curve("18,24 18,24 82,24 82,24 80,84 72,98 50,100 28,98 20,84", "a", "gloss"),
    line("20,72 34,78 50,80 66,78 80,72", 5, "b", "flat"),
    oval(18, 15, 82, 33, "a+"),
    oval(23, 18, 77, 31, "coffee", "flat"),
    line("34,24 42,22 52,23", 1.6, "brown+", "flat"),
), 0.72)  # fmt: skip

_TEACUP = Glyph((
    oval(8, 88, 92, 101, "b"),
    oval(24, 88, 76, 96, "b-", "flat"),
    line("74,46 92,42 92,64 72,72", 5, "a"),
    curve("18,34 18,34 82,34 82,34 76,68 62,90 50,92 38,90 24,68", "a", "gloss"),
    oval(18, 27, 82, 41, "a+"),
    oval(23, 29, 77, 39, "coffee+", "flat"),
), 0.6)  # fmt: skip

_GLASS = Glyph((
    poly("26,10 74,10 68,98 32,98", "glass", "glass"),
    poly("29,44 71,44 67,96 33,96", "b", "glass"),
    oval(29, 40, 71, 49, "b+"),
    oval(26, 5, 74, 15, "glass+", "glass"),
    box(46, 30, 60, 48, "white", 3, "glass"),
    line("33,18 37,84", 2, "white", "flat"),
), 0.85)  # fmt: skip

_WINE = Glyph((
    oval(30, 93, 70, 101, "glass", "glass"),
    line("50,56 50,95", 3, "glass"),
    curve("28,6 28,6 72,6 72,6 74,34 62,54 50,58 38,54 26,34", "glass", "glass"),
    curve("27,30 27,30 73,30 73,30 68,46 58,54 50,56 42,54 32,46", "plum", "gloss"),
    line("34,12 33,34", 2, "white", "flat"),
), 0.95)  # fmt: skip

_BOTTLE = Glyph((
    box(43, -6, 57, 4, "c", 2),
    curve("44,2 44,2 56,2 56,2 57,26 70,42 72,56 72,94 68,100 50,101 32,100 28,94 28,56 30,42 43,26", "a", "gloss"),
    box(28, 54, 72, 84, "paper", 1, "flat"),
    line("34,62 66,62", 3, "b", "flat"),
    line("34,70 58,70", 2, "dark", "flat"),
    line("34,76 62,76", 2, "dark", "flat"),
), 1.15)  # fmt: skip

_JAR = Glyph((
    curve("24,30 24,30 76,30 76,30 82,44 82,92 74,100 50,101 26,100 18,92 18,44", "a", "gloss"),
    box(22, 16, 78, 31, "wood", 5),
    box(28, 50, 72, 80, "paper", 3, "flat"),
    oval(42, 56, 58, 72, "b", "flat"),
), 0.85)  # fmt: skip

_VASE = Glyph((
    line("50,30 46,4 38,-22", 2.4, "moss"),
    line("52,30 56,0 62,-14", 2.4, "moss"),
    line("50,30 64,12 78,6", 2.4, "moss"),
    curve("38,-22 24,-26 30,-40 42,-36", "c"),
    curve("62,-14 56,-28 68,-36 74,-22", "c+"),
    curve("78,6 76,-8 90,-10 92,2", "c"),
    curve("46,6 32,4 28,-6 42,-4", "leaf"),
    curve("40,30 60,30 58,44 76,60 78,78 66,98 50,101 34,98 22,78 24,60 42,44", "a", "gloss"),
    oval(39, 26, 61, 34, "a-"),
), 1.2)  # fmt: skip

_BOWL = Glyph((
    oval(22, 26, 52, 58, "orange", "gloss"),
    oval(48, 24, 80, 58, "red", "gloss"),
    oval(36, 16, 66, 48, "yellow", "gloss"),
    curve("6,46 6,46 94,46 94,46 84,76 66,94 50,96 34,94 16,76", "a", "gloss"),
    box(34, 92, 66, 101, "a-", 3),
    line("9,54 30,60 50,62 70,60 91,54", 2.4, "b", "flat"),
), 0.7)  # fmt: skip

_PLATE = Glyph((
    oval(-10, 78, 110, 101, "a"),
    oval(10, 81, 90, 96, "a+"),
    curve("30,84 36,64 56,58 70,68 74,86 52,92", "crust"),
    curve("40,72 46,62 56,60 62,66 56,74", "leaf"),
), 0.5)  # fmt: skip

_CAKE = Glyph((
    oval(0, 88, 100, 102, "white"),
    box(14, 52, 86, 96, "crust", 5),
    box(14, 66, 86, 74, "cream", 0, "flat"),
    curve("12,50 30,44 70,44 88,50 88,60 80,70 74,60 66,74 58,60 48,70 40,60 30,76 24,60 14,66", "a"),
    oval(24, 36, 38, 50, "red", "gloss"),
    oval(43, 34, 57, 48, "red", "gloss"),
    oval(62, 36, 76, 50, "red", "gloss"),
), 0.8, colours=("pink",))  # fmt: skip

_BREAD = Glyph((
    curve("2,82 6,58 28,46 52,42 78,48 96,62 98,84 88,98 50,101 12,98", "crust"),
    line("28,52 36,66 34,78", 4, "cream", "flat"),
    line("48,48 56,62 54,76", 4, "cream", "flat"),
    line("68,50 76,64 74,76", 4, "cream", "flat"),
), 0.62)  # fmt: skip

_APPLE = Glyph((
    curve("50,36 68,28 88,38 92,62 80,90 64,101 50,97 36,101 20,90 8,62 12,38 32,28", "a", "gloss"),
    line("50,38 50,26 56,16", 3.4, "bark"),
    curve("56,22 66,8 82,8 74,22", "leaf"),
), 0.6, colours=("red",))  # fmt: skip

_LEMON = Glyph((
    curve("2,70 14,60 30,46 56,44 78,54 90,66 100,72 90,80 76,94 52,100 28,96 12,82", "yellow", "gloss"),
    curve("60,46 66,32 82,30 76,44", "leaf"),
), 0.5)  # fmt: skip

_CANDLE = Glyph((
    curve("50,-4 58,12 58,20 50,26 42,20 42,12", "flame", "glow"),
    curve("50,8 54,16 53,21 50,23 47,21 46,16", "white", "glow"),
    line("50,24 50,34", 1.8, "dark", "flat"),
    box(34, 32, 66, 96, "a", 4),
    oval(34, 28, 66, 38, "a+"),
    oval(22, 90, 78, 102, "brass", "gloss"),
), 0.85, colours=("cream",))  # fmt: skip

_BOOK = Glyph((
    box(4, 80, 96, 101, "a", 3),
    box(10, 83, 98, 98, "paper", 1, "flat"),
    box(4, 80, 14, 101, "a", 3),
    box(10, 62, 88, 81, "b", 3),
    box(16, 65, 90, 78, "paper", 1, "flat"),
    box(10, 62, 20, 81, "b", 3),
    poly("8,62 80,62 92,56 22,56", "c"),
), 0.5)  # fmt: skip

_LAPTOP = Glyph((
    poly("14,30 86,30 90,86 10,86", "metal"),
    poly("18,34 82,34 86,82 14,82", "screen", "gloss"),
    poly("26,44 56,44 57,50 26,50", "white", "flat"),
    poly("26,56 70,56 71,60 26,60", "sky", "flat"),
    poly("26,66 62,66 63,70 26,70", "sky", "flat"),
    poly("10,86 90,86 102,98 -2,98", "metal+"),
    box(-2, 96, 102, 101, "metal-", 2),
    poly("40,91 60,91 62,96 38,96", "metal-", "flat"),
), 0.95)  # fmt: skip

_PHONE = Glyph((
    box(28, 0, 72, 100, "dark", 9, "gloss"),
    box(31, 4, 69, 96, "screen", 6),
    box(35, 28, 48, 41, "a", 4, "flat"), box(52, 28, 65, 41, "b", 4, "flat"),
    box(35, 46, 48, 59, "c", 4, "flat"), box(52, 46, 65, 59, "yellow", 4, "flat"),
    box(38, 12, 62, 20, "white", 3, "flat"),
    line("44,91 56,91", 1.6, "white", "flat"),
), 0.9)  # fmt: skip

_WATCH = Glyph((
    box(38, -6, 62, 30, "b", 5),
    box(38, 70, 62, 101, "b", 5),
    oval(20, 20, 80, 80, "metal", "gloss"),
    oval(26, 26, 74, 74, "a"),
    line("50,50 50,33", 2.6, "white", "flat"),
    line("50,50 63,56", 2.6, "white", "flat"),
    box(79, 46, 85, 54, "metal", 1),
    *(oval(49 + x, 49 + y, 51 + x, 51 + y, "white", "flat") for x, y in ((0, -21), (21, 0), (0, 21), (-21, 0))),
), 0.85, colours=("navy", "brown"))  # fmt: skip

_RING = Glyph((
    line("50,42 29,51 20,72 29,93 50,101 71,93 80,72 71,51 50,42", 7, "gold", "gloss"),
    poly("34,22 66,22 74,32 50,52 26,32", "sky+", "gloss"),
    poly("42,22 58,22 62,32 50,50 38,32", "white", "gloss"),
), 0.55)  # fmt: skip

_CLOCK = Glyph((
    line("30,88 22,101", 6, "b"), line("70,88 78,101", 6, "b"),
    oval(18, 8, 44, 30, "b", "gloss"), oval(56, 8, 82, 30, "b", "gloss"),
    oval(8, 14, 92, 98, "a", "gloss"),
    oval(17, 23, 83, 89, "paper"),
    line("50,56 50,32", 3.6, "dark", "flat"),
    line("50,56 68,64", 3.6, "dark", "flat"),
    oval(46, 52, 54, 60, "red", "flat"),
), 0.85)  # fmt: skip

_CAMERA = Glyph((
    box(34, 22, 66, 44, "a", 5),
    box(0, 34, 100, 98, "a", 8),
    box(0, 48, 100, 84, "dark", 0),
    oval(26, 40, 74, 90, "metal", "gloss"),
    oval(32, 46, 68, 84, "black", "gloss"),
    oval(39, 53, 61, 77, "navy", "gloss"),
    oval(43, 56, 50, 63, "white", "flat"),
    box(8, 28, 24, 36, "metal", 2), oval(82, 39, 90, 46, "red", "flat"),
), 0.75)  # fmt: skip

_HEADPHONES = Glyph((
    line("14,66 14,34 30,10 50,4 70,10 86,34 86,66", 8, "a", "gloss"),
    box(4, 56, 26, 98, "b", 10), box(74, 56, 96, 98, "b", 10),
    box(20, 60, 32, 94, "dark", 6), box(68, 60, 80, 94, "dark", 6),
), 0.85)  # fmt: skip

_PERFUME = Glyph((
    box(38, 6, 62, 28, "gold", 3, "gloss"),
    box(42, 26, 58, 36, "metal", 1, "gloss"),
    box(18, 34, 82, 100, "a", 10, "glass"),
    box(24, 54, 76, 95, "a", 7, "gloss"),
    box(36, 60, 64, 80, "paper", 2, "flat"),
    line("42,70 58,70", 2, "dark", "flat"),
), 0.85)  # fmt: skip

_SPOON = Glyph((
    line("50,34 50,98", 7, "a"),
    curve("50,-4 66,4 68,22 58,38 50,40 42,38 32,22 34,4", "a"),
    oval(40, 4, 60, 30, "a-"),
), 1.0, colours=("wood",))  # fmt: skip

_SPATULA = Glyph((
    line("50,46 50,98", 7, "wood"),
    box(46.5, 38, 53.5, 54, "metal", 1, "gloss"),
    box(32, -8, 68, 42, "a", 6, "gloss"),
    box(38, 2, 42, 32, "a-", 2, "flat"), box(48, 2, 52, 32, "a-", 2, "flat"), box(58, 2, 62, 32, "a-", 2, "flat"),
), 1.05)  # fmt: skip

_KNIFE = Glyph((
    box(43, 58, 57, 101, "a", 4),
    curve("43,58 43,58 42,10 50,-8 58,10 57,58 57,58", "metal", "gloss"),
), 1.0, colours=("wood",))  # fmt: skip

TABLE: dict[str, Glyph] = {
    "teapot": _TEAPOT, "mug": _MUG, "teacup": _TEACUP, "glass": _GLASS, "wineglass": _WINE, "bottle": _BOTTLE,
    "jar": _JAR, "vase": _VASE, "bowl": _BOWL, "plate": _PLATE, "cake": _CAKE, "bread": _BREAD, "apple": _APPLE,
    "lemon": _LEMON, "candle": _CANDLE, "book": _BOOK, "laptop": _LAPTOP, "phone": _PHONE, "watch": _WATCH,
    "ring": _RING, "clock": _CLOCK, "camera": _CAMERA, "headphones": _HEADPHONES, "perfume": _PERFUME,
    "spoon": _SPOON, "spatula": _SPATULA, "knife": _KNIFE,
}  # fmt: skip
