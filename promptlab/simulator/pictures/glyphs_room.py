"""Furniture, clothes and bags."""

from __future__ import annotations

from promptlab.simulator.pictures.parts import Glyph, box, curve, line, oval, poly

__all__ = ["ROOM"]

_STOOL = Glyph((
    line("30,30 18,99", 6, "wood-"), line("70,30 82,99", 6, "wood-"),
    line("26,70 74,70", 4, "wood-"),
    line("40,30 36,96", 6, "wood"), line("60,30 64,96", 6, "wood"),
    box(14, 18, 86, 34, "a", 8), oval(14, 12, 86, 30, "a+"),
), 1.1, colours=("wood",))  # fmt: skip

_CHAIR = Glyph((
    line("28,58 22,100", 5, "wood-"), line("76,58 82,100", 5, "wood-"),
    line("32,62 32,100", 5.5, "wood"), line("70,62 70,100", 5.5, "wood"),
    curve("24,4 30,0 74,0 80,4 78,46 72,50 32,50 26,46", "a"),
    curve("20,54 26,50 78,50 84,54 82,64 74,67 30,67 22,64", "a+"),
), 1.25)  # fmt: skip

_ARMCHAIR = Glyph((
    line("20,88 18,100", 6, "wood"), line("80,88 82,100", 6, "wood"),
    box(14, 12, 86, 84, "a", 20),
    box(20, 52, 80, 76, "a+", 9),
    box(2, 42, 24, 92, "a", 10), box(76, 42, 98, 92, "a", 10),
    box(14, 74, 86, 92, "a-", 6),
    box(36, 34, 64, 60, "b", 7),
), 1.2)  # fmt: skip

_SOFA = Glyph((
    line("-30,88 -32,100", 6, "wood"), line("130,88 132,100", 6, "wood"),
    box(-34, 22, 134, 84, "a", 16),
    box(-26, 54, 49, 76, "a+", 8), box(51, 54, 126, 76, "a+", 8),
    box(-46, 44, -22, 92, "a", 11), box(122, 44, 146, 92, "a", 11),
    box(-34, 74, 134, 92, "a-", 6),
    box(-14, 34, 16, 62, "b", 7), box(84, 34, 114, 62, "c", 7),
), 0.95)  # fmt: skip

_TABLE = Glyph((
    line("2,40 -4,99", 6, "wood-"), line("98,40 104,99", 6, "wood-"),
    line("14,44 12,92", 5, "wood-"), line("86,44 88,92", 5, "wood-"),
    box(-14, 32, 114, 46, "a", 5), oval(-14, 24, 114, 42, "a+"),
), 0.9, colours=("wood",))  # fmt: skip

_DESK = Glyph((
    box(-30, 50, -4, 100, "a-", 2),
    box(-26, 60, -8, 74, "a", 2), box(-26, 78, -8, 92, "a", 2),
    line("122,50 126,99", 6, "a-"),
    box(-40, 40, 140, 52, "a", 3),
), 0.75, colours=("wood",))  # fmt: skip

_LAMP = Glyph((
    oval(26, 90, 74, 101, "b"),
    line("50,92 46,66 50,44", 4.5, "b", "gloss"),
    poly("34,4 66,4 86,46 14,46", "a"),
    oval(14, 40, 86, 52, "lamp", "glow"),
    oval(34, 1, 66, 8, "a+"),
), 1.15)  # fmt: skip

_SHOE = Glyph((
    curve("-4,88 -4,88 116,88 116,88 116,99 108,101 4,101 -4,98", "white"),
    curve("0,88 -2,60 4,38 30,40 44,46 58,60 84,68 108,76 114,88", "a"),
    curve("78,88 84,72 104,76 113,88", "b"),
    curve("2,40 2,40 30,42 34,58 4,64", "a-"),
    line("40,50 50,44", 2.6, "white", "flat"), line("47,57 57,51", 2.6, "white", "flat"),
    line("55,63 64,57", 2.6, "white", "flat"),
    line("10,76 30,80 52,72", 5, "c", "flat"),
    line("0,93 112,93", 1.6, "b", "flat"),
), 0.62)  # fmt: skip

_BOOT = Glyph((
    box(16, 92, 106, 101, "dark", 3),
    curve("22,0 22,0 58,0 58,0 58,52 76,64 100,72 104,92 104,92 20,92 20,92", "a"),
    box(20, -2, 60, 12, "a+", 4), line("58,24 46,26", 2.4, "b", "flat"), line("58,36 46,38", 2.4, "b", "flat"),
    line("60,48 48,50", 2.4, "b", "flat"),
), 0.95, colours=("brown",))  # fmt: skip

_BAG = Glyph((
    line("30,40 32,8 50,-2 68,8 70,40", 5, "b"),
    curve("14,36 14,36 86,36 86,36 94,92 84,100 50,101 16,100 6,92", "a"),
    curve("14,36 14,36 86,36 86,36 80,58 66,68 50,70 34,68 20,58", "a+"),
    oval(44, 60, 56, 74, "gold", "gloss"),
), 0.95)  # fmt: skip

_BACKPACK = Glyph((
    line("36,12 38,-4 62,-4 64,12", 4, "b"),
    curve("18,40 22,14 40,6 60,6 78,14 82,40 84,92 72,100 28,100 16,92", "a"),
    box(26, 56, 74, 92, "a-", 8), line("28,64 72,64", 2, "gold", "flat"),
    box(8, 50, 18, 88, "b", 5), box(82, 50, 92, 88, "b", 5),
    line("30,34 50,38 70,34", 2.4, "b", "flat"),
), 1.05)  # fmt: skip

_HAT = Glyph((
    oval(-10, 72, 110, 101, "a"),
    curve("20,86 22,48 34,34 50,40 66,34 78,48 80,86 50,93", "a"),
    curve("20,86 21,70 50,78 79,70 80,86 50,93", "b", "flat"),
), 0.6)  # fmt: skip

_SHIRT = Glyph((
    curve("30,4 30,4 40,10 60,10 70,4 70,4 100,26 102,32 86,48 80,42 80,42 80,98 76,101 24,101 20,98 20,42 20,42 14,48"
          " -2,32 0,26", "a"),
    curve("38,4 42,14 50,18 58,14 62,4 50,9", "a-", "flat"),
    oval(38, 40, 62, 64, "b", "flat"),
), 1.1)  # fmt: skip

_DRESS = Glyph((
    line("36,0 38,18", 3.4, "a"), line("64,0 62,18", 3.4, "a"),
    curve("34,14 42,20 58,20 66,14 66,34 62,44 90,96 70,101 30,101 10,96 38,44 34,34", "a"),
    line("38,44 50,47 62,44", 4, "b", "flat"),
), 1.3)  # fmt: skip

_GUITAR = Glyph((
    box(45, -46, 55, 40, "bark", 1),
    box(41, -64, 59, -44, "dark", 3),
    curve("50,24 68,24 76,36 70,50 80,64 82,82 68,100 50,102 32,100 18,82 20,64 30,50 24,36 32,24", "a", "gloss"),
    oval(40, 50, 60, 70, "dark", "flat"),
    box(36, 82, 64, 87, "bark", 1, "flat"),
    line("48,-50 48,84", 0.7, "white", "flat"), line("52,-50 52,84", 0.7, "white", "flat"),
), 1.4, colours=("orange",))  # fmt: skip

_SHELF = Glyph((
    box(-20, 0, 120, 100, "a", 2), box(-14, 6, 114, 46, "a-", 0, "flat"), box(-14, 52, 114, 94, "a-", 0, "flat"),
    box(-8, 14, 2, 46, "red"), box(4, 18, 12, 46, "teal"), box(14, 12, 26, 46, "mustard"), box(28, 20, 36, 46, "navy"),
    box(60, 30, 84, 46, "cream", 4, "gloss"), oval(90, 26, 108, 46, "leaf"),
    box(-6, 66, 30, 94, "b", 3), box(56, 62, 66, 94, "plum"), box(68, 58, 78, 94, "coral"), box(80, 64, 92, 94, "sage"),
), 1.2, colours=("wood",))  # fmt: skip

_GIFT = Glyph((
    box(10, 40, 90, 100, "a", 3), box(4, 28, 96, 46, "a+", 3),
    box(42, 28, 58, 100, "b", 0), curve("50,28 24,24 22,4 40,8", "b"), curve("50,28 60,8 78,4 76,24", "b"),
), 0.8)  # fmt: skip

ROOM: dict[str, Glyph] = {
    "stool": _STOOL, "chair": _CHAIR, "armchair": _ARMCHAIR, "sofa": _SOFA, "table": _TABLE, "desk": _DESK,
    "lamp": _LAMP, "shoe": _SHOE, "boot": _BOOT, "bag": _BAG, "backpack": _BACKPACK, "hat": _HAT, "shirt": _SHIRT,
    "dress": _DRESS, "guitar": _GUITAR, "shelf": _SHELF, "gift": _GIFT,
}  # fmt: skip
