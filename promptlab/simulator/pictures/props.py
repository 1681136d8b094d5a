"""Small things beside the hero: a stylist's, by seed, and one for a word without a drawing, always the same for it."""

from __future__ import annotations

from promptlab.simulator.pictures import paint, palette
from promptlab.simulator.pictures.glyphs import Glyph, curve, line, oval, poly
from promptlab.simulator.pictures.placing import Placed, Scene
from promptlab.simulator.pictures.prompt_reader import PromptReading
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.vocabulary import singular

__all__ = ["prop_words", "props"]


_PROPS: dict[str, tuple[Glyph, float]] = {
    "ball": (Glyph((oval(20, 40, 80, 100, "a", "gloss"),)), 0.13),
    "balls": (Glyph((oval(0, 44, 56, 100, "a"), oval(50, 64, 86, 100, "b", "gloss"))), 0.14),
    "cube": (Glyph((poly("10,50 50,60 50,101 10,90", "a"), poly("50,60 90,48 90,88 50,101", "a-"),
                    poly("10,50 50,40 90,48 50,60", "a+"))), 0.15),
    "pebbles": (Glyph((curve("4,92 14,76 40,72 58,82 60,96 34,101 10,100", "stone"),
                       curve("50,92 60,82 82,80 96,90 94,100 64,101", "stone-"),
                       curve("26,74 38,60 56,62 62,74 44,80", "stone+"))), 0.1),
    "sprig": (Glyph((line("20,100 40,60 76,20", 2.4, "moss"), curve("34,72 12,66 6,48 28,52", "leaf"),
                     curve("46,54 60,64 82,62 68,50", "leaf"), curve("50,46 36,36 36,16 52,28", "leaf+"),
                     curve("62,34 78,38 94,30 80,22", "leaf"), curve("72,24 70,6 84,-4 86,14", "leaf+"))), 0.26),
    "cone": (Glyph((curve("50,20 50,20 84,96 84,96 68,101 32,101 16,96 16,96", "a"),)), 0.2),
    "arch": (Glyph((curve("10,100 10,100 10,40 24,20 50,12 76,20 90,40 90,100 90,100 68,100 68,100 68,52 50,36 32,52"
                          " 32,100 32,100", "a"),)), 0.3),
}  # fmt: skip
#: For words: bolder shapes, so that each can be told from the others.
_SIGNS: tuple[tuple[Glyph, float], ...] = (
    _PROPS["ball"], _PROPS["balls"], _PROPS["cube"], _PROPS["cone"], _PROPS["arch"], _PROPS["sprig"],
    (Glyph((poly("50,10 90,56 50,101 10,56", "a"), poly("50,10 90,56 50,60", "a+"),
            poly("10,56 50,60 50,101", "a-"))), 0.2),
    (Glyph((oval(14, 66, 86, 101, "a"), oval(22, 42, 78, 76, "b"), oval(32, 22, 68, 52, "c"))), 0.2),
    (Glyph((line("50,100 50,20", 5, "b"), poly("52,20 98,36 52,54", "a"))), 0.26),
    (Glyph((oval(8, 28, 92, 101, "a"), oval(28, 44, 72, 88, "b", "flat"), oval(42, 56, 58, 74, "a", "flat"))), 0.18),
    (Glyph((curve("10,101 10,101 26,62 14,40 34,14 66,14 86,40 74,62 90,101 90,101", "a", "gloss"),)), 0.2),
    (Glyph((poly("20,100 34,30 48,100", "a"), poly("42,100 58,8 74,100", "b"),
            poly("66,100 80,44 92,100", "c"))), 0.24),
    (Glyph((line("20,100 20,54 50,30 80,54 80,100", 9, "a"), oval(40, 60, 60, 80, "b"))), 0.22),
)  # fmt: skip


def prop_words(reading: PromptReading) -> tuple[str, ...]:
    """The words without a drawing that are not drawn as things either: each leaves its own sign."""
    things = {thing.word for thing in reading.things}
    return tuple(word for word in reading.strange if singular(word) not in things)[:6]


def props(reading: PromptReading, scene: Scene, things: list[Placed], words: tuple[str, ...]) -> list[Placed]:
    """The signs of strange words; and none to two props by seed where a prompt leaves room."""
    signs = [sign for index, word in enumerate(words) if (sign := _sign(word, index, scene))]
    alone = len(reading.things) == 1 and reading.things[0].count == 1 and not reading.things[0].action
    room = not reading.place and not scene.camera.empty and scene.camera.framing != "close" and scene.horizon > 0.3
    if "minimal" in reading.of("moods") or not room:
        return signs
    if alone and things and things[0].stands == "table":
        return [*signs, *_stylist(reading, scene, things[0].x / scene.size[0])]
    if not reading.things and not reading.texts:  # nothing is named: a still life to see light and colour on
        return [*signs, *_still_life(reading, scene)]
    return signs


def _still_life(reading: PromptReading, scene: Scene) -> list[Placed]:
    """A few plain bodies, arranged by the seed."""
    dice, placed = Dice("still", scene.seed, scene.position), list[Placed]()
    width, height = scene.size
    names = sorted(_PROPS, key=lambda name: Dice("still", name, scene.seed).unit())[:4]
    for index, name in enumerate(names):
        glyph, share = _PROPS[name]
        colours = palette.thing_colours(name, (), (), Dice("wear", name, scene.seed))
        tall = min(width, height) * share * dice.between(1.7, 2.2) * min(1.5, max(0.5, scene.camera.zoom))
        x, depth = 0.3 + index * 0.15 + dice.between(-0.04, 0.04), dice.pick((0.12, 0.3, 0.5))
        foot = scene.horizon * height + (0.1 + depth * 0.62) * (1 - scene.horizon) * height
        sprite = paint.relit(paint.draw_sprite(glyph, tall, colours, scene.lamp), scene.look)
        placed.append(Placed(sprite, round(x * width), round(foot), "table", 0, foot))
    return placed


def _sign(word: str, index: int, scene: Scene) -> Placed | None:
    """A word's own small thing, always in the same place for it."""
    dice = Dice("sign", word)
    glyph, share = dice.pick(_SIGNS)
    width, height = scene.size
    x = dice.pick((0.1, 0.17, 0.24, 0.76, 0.83, 0.9)) + dice.between(-0.03, 0.03)
    depth = dice.between(0.05, 0.85)
    turn, wide = dice.unit(), dice.between(0.75, 1.3)
    colours = {key: palette.hue(turn + shift, 0.55, 0.82) for key, shift in (("a", 0.0), ("b", 0.12), ("c", 0.5))}
    tall = min(width, height) * share * wide * (1.15 - 0.1 * index)
    foot = max(scene.horizon, 0.12) * height + (0.08 + depth * 0.7) * (1 - max(scene.horizon, 0.12)) * height
    if scene.horizon > 0.85:
        foot = height * 0.97
    sprite = paint.relit(paint.draw_sprite(glyph, tall, colours, scene.lamp, dice.chance(0.5)), scene.look)
    return Placed(sprite, round(x * width), round(foot), "table", 0, foot)


def _stylist(reading: PromptReading, scene: Scene, hero: float) -> list[Placed]:
    """A removed word takes its prop away too."""
    placed, names, dice = list[Placed](), list(_PROPS), Dice("props", scene.seed, scene.position)
    width, height = scene.size
    for index in range(dice.pick((0, 1, 1, 2))):
        name, away = dice.pick(names), dice.between(0.27, 0.4)
        depth, flip = dice.between(0.0, 0.22), dice.chance(0.5)
        x = hero + (away if (hero < 0.5) != (index == 1) else -away)
        glyph, share = _PROPS[name]
        tones = ("cream", "sand", "terracotta", "sage", "mustard", "stone")
        colours = {key: palette.FIXED[dice.pick(tones)] for key in "abc"}
        size = min(width, height * 1.2) * share * dice.between(0.85, 1.25) * min(1.2, scene.camera.zoom)
        if not 0.08 < x < 0.92 or reading.removed & {name, "prop", "props", "clutter"}:
            continue
        foot = scene.horizon * height + (0.1 + depth * 0.62) * (1 - scene.horizon) * height
        sprite = paint.relit(paint.draw_sprite(glyph, size, colours, scene.lamp, flip), scene.look)
        placed.append(Placed(sprite, round(x * width), round(foot), "table", 0, foot))
    return placed
