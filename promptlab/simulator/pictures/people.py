"""People: a bust with a face for portraits, and a whole figure that walks, sits, jumps or sleeps."""

from __future__ import annotations

import functools
import math

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.glyphs import Glyph, GlyphPart, box, curve, line, oval, poly
from promptlab.simulator.pictures.rng import cosine, sine

__all__ = ["POSES", "bust", "figure"]


_TABLES = tables("people")
_HAIR: dict[str, str] = _TABLES["hair"]
_HATS: dict[str, str] = _TABLES["hats"]
_LIKE: dict[str, str] = _TABLES["like"]
_SHORT, _YOUNG, _OLD = (frozenset(_TABLES[name]) for name in ("short_haired", "young", "old"))
#: Joints of a pose, from the hip at (50, 58): neck, then elbow and hand of both arms, knee and foot of both legs.
POSES: dict[str, tuple[tuple[float, float], ...]] = _TABLES["poses"]


def _hair_colour(word: str, traits: tuple[str, ...]) -> str:
    for trait in reversed(traits):
        if trait in _HAIR:
            return _HAIR[trait]
    return "light" if word in _OLD else "hair"


def _hair(short: bool, traits: tuple[str, ...], colour: str) -> tuple[list[GlyphPart], list[GlyphPart]]:
    """What is behind the head, and what lies over the forehead."""
    if "bald" in traits:
        return [], []
    top = curve("30,28 30,4 48,-6 66,-2 72,14 71,30 66,18 52,10 38,14", colour)
    if "curly" in traits:
        back = [
            oval(x - 15, y - 15, x + 15, y + 15, colour)
            for x, y in ((28, 10), (22, 32), (32, -6), (50, -14), (68, -6), (78, 10), (78, 32), (74, 48), (26, 48))
        ]
        return back, [oval(x - 9, y - 8, x + 9, y + 8, colour) for x, y in ((36, 8), (48, 2), (60, 3), (68, 12))]
    if short or "shorthair" in traits:
        return [curve("29,30 29,0 44,-12 60,-12 72,0 72,30 64,36 36,36", colour)], [top]
    if "longhair" in traits:
        return [curve("26,20 32,-10 68,-10 76,20 84,70 80,98 66,90 34,90 20,98 16,70", colour)], [top]
    return [curve("28,20 34,-8 66,-8 74,20 78,54 68,62 32,62 22,54", colour)], [top]


def _eyes(traits: tuple[str, ...]) -> list[GlyphPart]:
    if "eyesclosed" in traits:
        return [line("37,30 41,32 46,30", 1.6, "dark", "flat"), line("54,30 59,32 63,30", 1.6, "dark", "flat")]
    tall = 3.0 if "surprise" in traits else 0.0
    return [
        oval(38, 27 - tall, 45, 32 + tall, "white", "flat"), oval(55, 27 - tall, 62, 32 + tall, "white", "flat"),
        oval(40, 27, 44, 32, "dark", "flat"), oval(57, 27, 61, 32, "dark", "flat"),
    ]  # fmt: skip


def _brows(traits: tuple[str, ...], colour: str) -> list[GlyphPart]:
    inner, outer = {"angryface": (25, 18), "frown": (18, 23), "surprise": (15, 17)}.get(_mood(traits), (21, 23))
    return [
        line(f"37,{outer} 41,{(inner + outer) / 2 - 1} 46,{inner}", 1.6, colour, "flat"),
        line(f"54,{inner} 59,{(inner + outer) / 2 - 1} 63,{outer}", 1.6, colour, "flat"),
    ]


def _mood(traits: tuple[str, ...]) -> str:
    faces = [trait for trait in traits if trait in ("smile", "frown", "angryface", "surprise", "serious")]
    return faces[-1] if faces else ""


def _mouth(traits: tuple[str, ...]) -> list[GlyphPart]:
    lips = "red" if "makeup" in traits else "coral-"
    face = _mood(traits)
    if face == "smile":
        return [curve("40,44 46,46 54,46 60,44 57,52 50,55 43,52", lips, "flat"),
                curve("43,46 50,47.5 57,46 54,49 46,49", "white", "flat")]  # fmt: skip
    if face == "frown":
        tear = curve("37,36 40,42 37,46 34,42", "sky", "flat")
        return [line("43,52 50,47 57,52", 2.6, lips, "flat"), tear]
    if face == "angryface":
        return [box(43, 46, 57, 51, "white", 1, "flat"), line("42,46 50,45 58,46", 1.8, lips, "flat"),
                line("42,52 50,51 58,52", 1.8, lips, "flat")]  # fmt: skip
    if face == "surprise":
        return [oval(45, 43, 55, 55, "plum", "flat")]
    if face == "serious":
        return [line("43,48 50,47.5 57,48", 2.2, lips, "flat")]
    return [curve("44,47 50,45.5 56,47 50,51", lips, "flat")]


def _hat(kind: str | None) -> list[GlyphPart]:
    if kind == "toque":
        return [oval(18, -44, 50, -10, "white"), oval(50, -44, 82, -10, "white"), oval(32, -56, 68, -14, "white"),
                box(28, -22, 72, 4, "white", 4)]  # fmt: skip
    if kind == "crown":
        return [poly("28,4 24,-28 38,-12 50,-34 62,-12 76,-28 72,4", "gold", "gloss"),
                oval(46, -12, 54, -4, "red", "gloss")]  # fmt: skip
    if kind == "cone":
        return [curve("30,2 30,2 56,-62 56,-62 70,2 70,2", "b"), oval(10, -8, 90, 10, "b-")]
    if kind == "brim":
        return [oval(6, -12, 94, 8, "b"), curve("30,-2 32,-26 44,-34 58,-34 68,-26 70,-2 50,4", "b"),
                line("31,-5 50,-1 69,-5", 5, "c", "flat")]  # fmt: skip
    if kind == "knit":
        return [curve("26,8 26,-14 38,-26 62,-26 74,-14 74,8", "b"), box(24, -2, 76, 14, "b+", 5),
                oval(43, -36, 57, -22, "c")]  # fmt: skip
    if kind == "cap":
        return [curve("28,4 30,-16 44,-24 60,-24 72,-14 74,4", "b"), curve("40,0 76,-2 90,6 70,10 44,8", "b-")]
    if kind == "dome":
        return [curve("22,14 22,-14 38,-30 62,-30 78,-14 78,14 66,4 34,4", "b", "gloss"), box(18, 4, 82, 12, "b-", 4)]
    if kind == "veil":
        return [curve("20,30 26,-12 50,-20 74,-12 80,30 88,92 74,92 70,10 50,-2 30,10 26,92 12,92", "white", "glass")]
    if kind == "halo":
        return [line("26,-18 50,-26 74,-18 50,-12 26,-18", 4, "flame", "glow")]
    if kind == "band":
        return [box(28, 6, 73, 16, "b", 3)]
    return []


@functools.lru_cache(maxsize=128)
def bust(word: str, traits: tuple[str, ...] = (), seen_from: str = "") -> Glyph:
    """Head and shoulders, after the word for the person, and traits; from behind there is no face."""
    short, colour = word in _SHORT or "beard" in traits, _hair_colour(word, traits)
    old = word in _OLD or "elderly" in traits
    behind, over = _hair(short, traits, colour)
    wide = 10 if "muscular" in traits else -12 if word in _YOUNG else 0
    body: list[GlyphPart] = [
        curve(f"{-2 - wide},100 {2 - wide},82 26,70 50,72 74,70 {98 + wide},82 {102 + wide},100 {102 + wide},112 "
              f"{-2 - wide},112", "a"),
        curve("42,50 42,50 58,50 58,50 60,72 50,80 40,72", "skin-"),
        curve("40,72 50,80 60,72 64,76 50,90 36,76", "a-", "flat"),
    ]  # fmt: skip
    head = curve("50,-2 66,4 70,26 66,46 56,58 50,60 44,58 34,46 30,26 34,4", "skin")
    if seen_from == "back":
        cover = curve("50,-6 68,0 74,26 70,52 58,62 42,62 30,52 26,26 32,0", colour if behind else "skin")
        return Glyph((*body, head, cover, *_hat(_HATS.get(word))), 1.4, "bust")
    face: list[GlyphPart] = [*_eyes(traits), *_brows(traits, "grey" if old else "hair"),
                        line("50,30 48,39 51,41", 1.3, "skin-", "flat"), *_mouth(traits)]  # fmt: skip
    if not old:
        face += [oval(33, 36, 42, 43, "coral", "glass"), oval(58, 36, 67, 43, "coral", "glass")]
    else:
        face += [
            line("36,36 38,40 37,44", 1, "skin-", "flat"),
            line("64,36 62,40 63,44", 1, "skin-", "flat"),
            line("41,13 50,12 59,13", 1, "skin-", "flat"),
            line("42,17 50,16 58,17", 1, "skin-", "flat"),
        ]
    if "freckles" in traits:
        face += [oval(x, y, x + 1.6, y + 1.6, "brown", "flat") for x, y in
                 ((36, 37), (39, 39), (42, 37), (40, 42), (58, 37), (61, 39), (64, 37), (60, 42))]  # fmt: skip
    if "beard" in traits:
        face += [curve("31,34 36,50 42,52 50,44 58,52 64,50 69,34 68,56 58,70 50,72 42,70 32,56", colour),
                 *_mouth(traits)]  # fmt: skip
    if "glasses" in traits:
        face += [line(f"{x},24 {x + 9},30 {x},36 {x - 9},30 {x},24", 1.8, "dark", "flat") for x in (41, 59)]
        face.append(line("48,29 52,29", 1.8, "dark", "flat"))
    return Glyph((*behind, *body, head, *face, *over, *_hat(_HATS.get(word))), 1.4, "bust")


def pose_of(action: str | None) -> str:
    """The pose that shows an action."""
    name = _LIKE.get(action or "stand", action or "stand")
    return name if name in POSES else "stand"


@functools.lru_cache(maxsize=128)
def figure(word: str, action: str | None, traits: tuple[str, ...] = (), seen_from: str = "") -> Glyph:
    """The whole person in the pose of an action."""
    joints = POSES[pose_of(action)]
    neck, left, right = joints[0], joints[1:3], joints[3:5]
    short, colour = word in _SHORT or "beard" in traits, _hair_colour(word, traits)
    stout = 1.2 if "muscular" in traits else 0.85 if word in _YOUNG else 1.0
    shoulders = ((neck[0] - 9 * stout, neck[1] + 3), (neck[0] + 9 * stout, neck[1] + 3))
    hips = ((46.0, 57.0), (54.0, 57.0))
    parts: list[GlyphPart] = []
    if action == "sit":
        parts.append(box(34, 64, 66, 101, "stone", 3))
    for (knee, foot), hip, tone in (((joints[5], joints[6]), hips[0], "b-"), ((joints[7], joints[8]), hips[1], "b")):
        parts.append(line(_path(hip, knee, foot), 8.4 * stout, tone))
        ahead = 6 if foot[1] > 70 else 2
        parts.append(line(f"{foot[0] - 1},{foot[1] - 1} {foot[0] + ahead},{foot[1]}", 6, "dark"))
    parts.append(line(_path(shoulders[0], *left), 6 * stout, "a-"))
    if not short:
        parts.append(curve(_ring(neck[0], neck[1] - 9, 11, 15), colour))
    waist = (50.0, 58.0)
    if word in ("woman", "girl", "lady", "princess", "queen", "dancer", "ballerina", "bride", "witch", "fairy"):
        parts.append(curve("43,50 57,50 72,80 50,84 28,80", "a"))
    parts.append(
        curve(
            f"{shoulders[0][0] - 2},{shoulders[0][1]} {neck[0]},{neck[1] - 1} {shoulders[1][0] + 2},{shoulders[1][1]} "
            f"{waist[0] + 8 * stout},{waist[1]} {waist[0]},{waist[1] + 5} {waist[0] - 8 * stout},{waist[1]}",
            "a",
        )
    )
    parts.append(line(f"{neck[0]},{neck[1] - 4} {neck[0]},{neck[1] + 2}", 5, "skin-"))
    parts.append(oval(neck[0] - 9, neck[1] - 24, neck[0] + 9, neck[1] - 2, "skin"))
    if seen_from == "back":
        parts.append(
            oval(neck[0] - 9.5, neck[1] - 25, neck[0] + 9.5, neck[1] - 3, "skin" if "bald" in traits else colour)
        )
    else:
        parts += _small_face(neck, traits)
        if "bald" not in traits:
            parts.append(curve(
                f"{neck[0] - 10},{neck[1] - 12} {neck[0] - 7},{neck[1] - 24} {neck[0] + 4},{neck[1] - 26} "
                f"{neck[0] + 10},{neck[1] - 20} {neck[0] + 9},{neck[1] - 13} {neck[0] + 4},{neck[1] - 19} "
                f"{neck[0] - 4},{neck[1] - 19}", colour))  # fmt: skip
    parts += [_moved(part, neck) for part in _hat(_HATS.get(word))]
    parts.append(line(_path(shoulders[1], *right), 6 * stout, "a+"))
    for hand in (left[1], right[1]):
        parts.append(oval(hand[0] - 3.4, hand[1] - 3.4, hand[0] + 3.4, hand[1] + 3.4, "skin"))
    return Glyph(tuple(parts), 1.55 if word not in _YOUNG else 1.1)


def _path(*points: tuple[float, float]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _ring(x: float, y: float, wide: float, high: float) -> str:
    turns = [index * math.pi / 4 for index in range(8)]
    return " ".join(f"{x + wide * cosine(turn):.2f},{y + high * sine(turn):.2f}" for turn in turns)


def _small_face(neck: tuple[float, float], traits: tuple[str, ...]) -> list[GlyphPart]:
    x, y = neck[0] + 1, neck[1] - 12
    face = _mood(traits)
    smile = {"smile": 2.4, "frown": -2.0, "angryface": -1.4, "serious": 0.0}.get(face, 0.9)
    mouth = (
        oval(x - 2, y + 4, x + 2, y + 8, "plum", "flat") if face == "surprise" else
        line(f"{x - 3},{y + 5} {x},{y + 5 + smile} {x + 3},{y + 5}", 1.1, "coral-", "flat")
    )  # fmt: skip
    return [
        oval(x - 5, y - 1, x - 2.6, y + 2, "dark", "flat"),
        oval(x + 2.6, y - 1, x + 5, y + 2, "dark", "flat"),
        mouth,
    ]


def _moved(part: GlyphPart, neck: tuple[float, float]) -> GlyphPart:
    """A hat made for the bust, on the figure's smaller head."""
    scale = 0.46
    points = tuple((neck[0] + (x - 50) * scale, neck[1] - 22 + y * scale) for x, y in part.points)
    return GlyphPart(part.kind, points, part.colour, part.width * scale, part.finish)
