"""Where things stand: how many there are, beside, on, under, in or before one another, held or worn, and how large."""

from __future__ import annotations

from dataclasses import dataclass, replace

from promptlab.simulator.pictures import materials, paint, palette, people
from promptlab.simulator.pictures.actions import Move, bent, move_of
from promptlab.simulator.pictures.camera import Camera, seen
from promptlab.simulator.pictures.glyphs import GLYPHS, Glyph, unknown, warped
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.prompt_reader import PromptReading, Thing
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.vocabulary import singular

__all__ = ["Placed", "Scene", "place", "relate"]


@dataclass(slots=True)
class Placed:
    """A drawn thing and where its foot is; `lift` is how far above the ground, `z` the order of painting."""

    sprite: paint.Sprite
    x: int
    y: int
    stands: str = "table"
    lift: int = 0
    z: float = 0.0
    marks: str = ""
    glow: str = ""

    @property
    def corner(self) -> tuple[int, int]:
        """Where the sprite's upper left corner goes."""
        return self.x - self.sprite.foot[0], self.y - self.sprite.foot[1] - self.lift

    @property
    def area(self) -> tuple[int, int, int, int]:
        """The box that it fills."""
        x, y = self.corner
        return x, y, x + self.sprite.image.width, y + self.sprite.image.height


@dataclass(frozen=True, slots=True)
class Scene:
    """All that placing depends on beside the words."""

    size: tuple[int, int]
    horizon: float
    look: Look
    camera: Camera
    lamp: paint.Lamp
    seed: int
    position: int


#: How high things stand on other things, as a part of the lower one's height.
_SEATS = {"sofa": 0.44, "chair": 0.5, "armchair": 0.5, "stool": 0.8, "table": 0.72, "desk": 0.62, "bicycle": 0.66,
          "horse": 0.5, "boat": 0.3, "bag": 0.6, "shelf": 1.0, "plate": 0.5, "hat": 0.9, "car": 0.92}  # fmt: skip


def relate(thing: Thing, before: Thing, upper: list[Placed], lower: list[Placed], scene: Scene) -> None:
    """Put the thing said first (`upper`) on, under, in, behind or before the one said second (`lower`)."""
    relation = thing.relation
    if upper[0].stands == "sky" or lower[0].stands == "sky":
        return
    if relation == "hold" or (relation == "with" and before.glyph == "person" and thing.glyph in _HELD):
        _hold(upper[0], lower)
    elif relation == "wear":
        _wear(upper[0], lower)
    elif "bust" in (upper[0].stands, lower[0].stands):
        return
    elif relation in ("on", "in"):
        _stack(upper, lower[0], thing, relation == "on", before.glyph == "person", scene)
        _centre([*upper, *lower], scene)
    elif relation in ("under", "over"):
        _above(upper, lower[0], relation == "over", scene)
        _centre([*upper, *lower], scene)
    elif relation in ("behind", "front"):
        near, far = (lower, upper) if relation == "behind" else (upper, lower)
        for one in far:
            one.x = near[0].x + round(near[0].sprite.image.width * 0.3)
            one.y, one.z = near[0].y - round(scene.size[1] * 0.05), near[0].z - 1


def _hold(holder: Placed, held: list[Placed]) -> None:
    """In the hand."""
    tall = holder.sprite.image.height
    for one in held:
        one.sprite = paint.scaled(one.sprite, min(1.0, 0.34 * tall / max(1, one.sprite.image.height)))
        one.x = holder.x + round(holder.sprite.image.width * 0.2)
        one.y = holder.y - round(tall * (0.08 if holder.stands == "bust" else 0.38))
        one.stands, one.z, one.marks = "held", holder.z + 2, ""


def _wear(holder: Placed, worn: list[Placed]) -> None:
    """On the head."""
    share = 0.62 if holder.stands == "bust" else 0.3
    for one in worn:
        one.sprite = paint.scaled(one.sprite, holder.sprite.image.width * share / max(1, one.sprite.image.width))
        one.x, one.y = holder.x, holder.corner[1] + round(holder.sprite.image.height * 0.1)
        one.stands, one.z = "held", holder.z + 1


def _stack(upper: list[Placed], base: Placed, thing: Thing, on: bool, person: bool, scene: Scene) -> None:
    """On the seat or the top of the base; or half inside it. People sit."""
    wide = min(1.6, max(0.8, 0.62 * scene.size[0] / max(1, base.sprite.image.width)))
    base.sprite = paint.scaled(base.sprite, min(wide, 1.25 if on else 1.0))
    seat = base.sprite.image.height * (_SEATS.get(thing.glyph or "", 0.9) if on else 0.56)
    for index, one in enumerate(upper):
        one.sprite = paint.scaled(one.sprite, 0.74)
        offset = (index - (len(upper) - 1) / 2) * base.sprite.image.width / max(2, len(upper) + 1)
        sunk = round(one.sprite.image.height * 0.4) if person and on else 0
        one.x, one.y = base.x + round(offset), base.y
        one.lift = (0 if sunk else one.lift) + round(seat) - sunk
        one.z, one.stands = base.z + (1 if on else -1), "held"


def _above(upper: list[Placed], base: Placed, over: bool, scene: Scene) -> None:
    """Over it in the air, or under it."""
    if not over:
        base.sprite = paint.scaled(base.sprite, 1.25)
    for one in upper:
        one.sprite = paint.scaled(one.sprite, 0.6 if over else 0.56)
        one.x, one.y, one.z = base.x, base.y, base.z - 1
        if over:
            one.lift = base.sprite.image.height + round(scene.size[1] * 0.02)
        else:
            one.y, one.z = base.y + round(scene.size[1] * 0.012), base.z + 1


_HELD = frozenset(
    {
        "umbrella",
        "book",
        "mug",
        "teacup",
        "camera",
        "phone",
        "bag",
        "guitar",
        "flower",
        "bouquet",
        "balloon",
        "knife",
        "spoon",
        "candle",
        "apple",
        "ball",
        "gift",
        "key",
        "glass",
        "wineglass",
        "lamp",
    }
)


def _centre(group: list[Placed], scene: Scene) -> None:
    """Move a stack so that it is inside the picture."""
    left, right = min(one.area[0] for one in group), max(one.area[2] for one in group)
    width = scene.size[0]
    shift = max(0, 20 - left) - max(0, right - (width - 20))
    for one in group:
        one.x += shift
    high = min(one.area[1] for one in group)
    foot = max(one.y for one in group)
    margin = round(scene.size[1] * 0.04)
    if high < margin:
        down = min(margin - high, max(0, round(scene.size[1] * 0.96) - foot))
        fit = min(1.0, (foot + down - margin) / max(1, foot - high))
        for one in group:
            one.y += down
            one.lift = round(one.lift * fit)
            one.sprite = paint.scaled(one.sprite, fit)


Spot = tuple[float, float, float]


_SIZES = {"giant": 1.55, "big": 1.25, "small": 0.68, "tiny": 0.4}
_BUILDS = {"tall": (0.86, 1.3), "wide": (1.34, 0.94), "thin": (0.62, 1.06), "short": (1.12, 0.74)}
_CLOTHES = frozenset({"shirt", "dress"})
#: Parts of things that take the colour asked for, where the thing's own `a` is something else.
_REPAINT = {
    "plant": ("leaf", "moss", "pine"), "tree": ("leaf",), "palm": ("leaf", "pine"), "cactus": ("leaf",),
    "laptop": ("metal",), "phone": ("dark",), "glass": ("glass",), "wineglass": ("glass", "plum"),
    "watch": ("metal",), "ring": ("gold",), "bread": ("crust",), "knife": ("metal",), "sun": ("flame",),
    "moon": ("cream",), "cloud": ("white",), "plane": ("white",), "lemon": ("yellow",), "turtle": ("leaf",),
}  # fmt: skip


_LOOKS = frozenset({"smile", "frown", "angryface", "surprise", "serious", "eyesclosed"})
#: Moods that show in a face that has no other look.
_FACES = {
    "sad": "frown",
    "lonely": "frown",
    "happy": "smile",
    "playful": "smile",
    "festive": "smile",
    "angry": "angryface",
    "scary": "surprise",
    "calm": "eyesclosed",
    "dreamy": "eyesclosed",
    "hopeful": "smile",
    "dramatic": "serious",
    "romantic": "smile",
    "cozy": "smile",
}


def _glyph(thing: Thing, camera: Camera, crowd: int, action: str | None, moods: tuple[str, ...]) -> Glyph:
    if thing.glyph != "person":
        return GLYPHS[thing.glyph] if thing.glyph else unknown(thing.word)
    face = next((_FACES[mood] for mood in reversed(moods) if mood in _FACES), None)
    told = _LOOKS & set(thing.traits)
    traits = thing.traits if face is None or told else (*thing.traits, face)
    back = "back" if camera.view == "back" else ""
    posed = action is not None and camera.framing not in ("close", "half")
    if posed or camera.framing == "full" or crowd > 3 or camera.horizon == 0.0:
        return people.figure(singular(thing.word), action, traits, back)
    return people.bust(singular(thing.word), traits, back)


def _built(glyph: Glyph, thing: Thing) -> Glyph:
    """The thing's own proportions: from words about its size, from synonyms, and from adjectives without a drawing."""
    wide = tall = 1.0
    for size in thing.sizes:
        grown = _BUILDS.get(size, (1.0, 1.0))
        wide, tall = wide * grown[0], tall * grown[1]
    if thing.glyph and thing.word not in (thing.glyph, f"{thing.glyph}s"):
        dice = Dice("build", thing.word)
        wide, tall = wide * dice.between(0.9, 1.12), tall * dice.between(0.92, 1.1)
    for word in thing.extras:
        dice = Dice("build", word)
        wide, tall = wide * dice.between(0.78, 1.26), tall * dice.between(0.84, 1.18)
    if (wide, tall) == (1.0, 1.0):
        return glyph
    return warped(glyph, lambda x, y: (50 + (x - 50) * wide, 100 + (y - 100) * tall))


def _painted(glyph: Glyph, thing: Thing, asked: bool) -> Glyph:
    roles = _REPAINT.get(thing.glyph or "", ()) if asked else ()
    if not roles:
        return glyph
    parts = (
        replace(part, colour="a" + part.colour[len(part.colour.rstrip("+-")) :])
        if part.colour.rstrip("+-") in roles
        else part
        for part in glyph.parts
    )
    return replace(glyph, parts=tuple(parts))


def _sprite(glyph: Glyph, thing: Thing, tall: float, scene: Scene, flip: bool, wear: Thing | None) -> paint.Sprite:
    """The thing, drawn in its colours, material and pattern, in this light."""
    material = materials.material_of(thing.material, thing.material or "")
    asked = tuple(filter(None, (thing.colour or (material.colour if material else None), *thing.colours)))
    shade, pattern = thing.shade, thing.pattern
    if wear is not None:
        asked, shade, pattern = tuple(filter(None, (wear.colour, *wear.colours))) or asked, wear.shade, wear.pattern
    looks = [trait for trait in thing.traits if trait not in _LOOKS]
    word = " ".join([singular(thing.word), *looks]) if wear is None else f"{thing.word} {wear.word}"
    colours = palette.thing_colours(word, glyph.colours, asked, Dice("wear", word, scene.seed), shade)
    for extra in thing.extras:  # an adjective without a drawing changes the trimmings
        trim = Dice("trim", extra)
        colours["b"], colours["c"] = palette.hue(trim.unit(), 0.5, 0.85), palette.hue(trim.unit(), 0.5, 0.7)
        colours["a"] = palette.mix(colours["a"], palette.hue(trim.unit(), 0.5, 0.8), 0.3)
    lamp = scene.lamp if material is None else replace(scene.lamp, contrast=scene.lamp.contrast * material.contrast)
    repainted = _painted(glyph, thing, bool(asked))
    sprite = paint.draw_sprite(repainted, tall, colours, lamp, flip, material.finish if material else None)
    person = thing.glyph == "person"
    if material or pattern or thing.conditions:
        sprite = materials.dress(
            sprite, None if person else material, pattern, thing.conditions, colours["b"], lamp, person
        )
    return sprite if glyph.stands == "sky" else paint.relit(sprite, scene.look)


def _slots(count: int, dice: Dice, wide: bool, hero_x: float | None) -> list[tuple[float, float]]:
    """Places for the hero and its companions: x and depth (0 far, 1 near), as parts of the ground."""
    hero = dice.pick((0.36, 0.43, 0.5, 0.57, 0.64)) if count > 1 else dice.pick((0.38, 0.46, 0.5, 0.54, 0.62))
    hero = hero if hero_x is None else hero_x
    toward = 1 if hero < 0.5 or (hero == 0.5 and dice.chance(0.5)) else -1
    step = 0.27 if wide else 0.31
    slots = [(hero, dice.between(0.32, 0.58))]
    for index in range(1, count):
        away = (index + 1) // 2
        direction = toward if index % 2 else -toward
        x = min(0.9, max(0.1, hero + direction * step * away + dice.between(-0.03, 0.03)))
        slots.append((x, dice.pick((0.12, 0.22, 0.72)) if index < 3 else 0.08))
    return slots


_ROWS = {2: (2,), 3: (3,), 4: (2, 2), 5: (2, 3), 6: (3, 3), 7: (3, 4), 8: (4, 4), 9: (3, 3, 3), 10: (3, 3, 4),
         11: (3, 4, 4), 12: (4, 4, 4)}  # fmt: skip


def _copies(count: int, alone: bool, centre: tuple[float, float], dice: Dice) -> list[Spot]:
    """x, depth and scale of each of several equal things, far rows first."""
    rows = _ROWS[min(12, max(2, count))]
    spread = 0.8 if alone else 0.34
    spots = []
    for index, inside in enumerate(rows):
        depth = 0.3 if len(rows) == 1 else 0.02 + 0.8 * index / (len(rows) - 1)
        depth = depth if alone else centre[1] + (depth - 0.3) * 0.5
        gap = spread / max(inside, 1)
        for column in range(inside):
            x = centre[0] + (column - (inside - 1) / 2) * gap + dice.between(-0.018, 0.018)
            x += gap * 0.22 * (1 if index % 2 else -1) * (len(rows) > 1)
            spots.append((min(0.95, max(0.05, x)), depth, 0.86 + 0.14 * index / max(1, len(rows) - 1)))
    return spots


#: How much smaller each of several equal things is.
_SHARES = {1: 1.0, 2: 0.8, 3: 0.66, 4: 0.62, 5: 0.56, 6: 0.54}
_BUST, _FACE = 120.0, 28.0  # of the glyph of a person: its height, and where the face is


def _shape(things: tuple[Thing, ...], index: int, reading: PromptReading, camera: Camera) -> tuple[Glyph, Move]:
    """The outline of a thing as it is seen, and what it does."""
    thing = things[index]
    action = thing.action
    if thing.glyph == "person" and index + 1 < len(things) and things[index + 1].relation == "on":
        action = "ride"  # sits on what comes next
    crowd = sum(thing.count for thing in things)
    if action is None and any(other.glyph == "person" and other.action for other in things):
        action = "stand" if thing.glyph == "person" else None  # people in one picture are all whole
    glyph = _glyph(thing, camera, crowd, action, reading.of("moods"))
    bust = glyph.stands == "bust"
    move = move_of(thing.action, still=thing.glyph == "person" and not bust)
    return seen(bent(_built(glyph, thing), Move() if bust else move), camera), move


def _height(glyph: Glyph, reading: PromptReading, index: int, hero: float, depth: float, scene: Scene) -> float:
    """How tall a thing is drawn, in pixels."""
    (width, height), thing, zoom = scene.size, reading.things[index], scene.camera.zoom
    for size in thing.sizes:
        zoom *= _SIZES.get(size, 1.0)
    x0, y0, x1, y1 = glyph.bounds()
    several = _SHARES.get(thing.count, 0.44)
    if glyph.stands == "bust":  # a hat does not make a person smaller
        tall = height * 0.78 * max(0.4, zoom) * (y1 - y0) / _BUST
        return tall * (0.72 if thing.count > 1 else 1.0) * (1.0 if index == 0 else 0.8)
    share = 1.0 if index == 0 else max(0.45, min(1.35, glyph.size / hero)) * (0.72 + 0.2 * depth)
    share *= 1.0 if len(reading.things) < 2 else 0.86 if thing.count == 1 else 0.73
    share *= 1.3 if thing.glyph == "person" and thing.count == 1 else 1.0
    reach = (min(scene.size) + abs(width - height) * 0.25) * (0.84 if reading.texts else 1.0)
    large = zoom if zoom > 1 or not thing.sizes else max(0.6, zoom)
    return several * min(
        reach * 0.52 * zoom * share,
        (0.62 if index == 0 else 0.4) * width * large * (y1 - y0) / (x1 - x0),
        height * 0.8 * large,
    )


def _spots(reading: PromptReading, index: int, slot: tuple[float, float], camera: Camera, dice: Dice) -> list[Spot]:
    """Where each copy of a thing stands: x, depth, scale."""
    count, alone = reading.things[index].count, len(reading.things) == 1
    if count == 1:
        return [(*slot, 1.0)]
    centre = 0.5 if alone and camera.x is None else slot[0]
    return _copies(count, alone, (centre, slot[1]), dice)


def place(reading: PromptReading, scene: Scene) -> list[Placed]:
    """Every thing's sprite where it stands, in the order of painting. A removed thing leaves its slot empty."""
    dice, things, camera = Dice("things", scene.seed, scene.position), reading.things, scene.camera
    slots = _slots(len(things), dice, scene.size[0] > scene.size[1], camera.x)
    jitter, flips = dice.between(0.86, 1.1), [dice.chance(0.5) for _ in range(8)]
    placed: list[list[Placed]] = []
    worn, hero = _worn(things), 1.0
    for index, thing in enumerate(things):
        placed.append([])
        if reading.removed & {thing.glyph, thing.word} or index in worn:
            continue
        glyph, move = _shape(things, index, reading, camera)
        hero = glyph.size if index == 0 else hero
        tall = _height(glyph, reading, index, hero, slots[index][1], scene) * jitter
        wear = next((things[i] for i in worn if worn[i] == index), None)
        sprite = _sprite(glyph, thing, tall, scene, flips[index], wear)
        for x, depth, scale in _spots(reading, index, slots[index], camera, dice):
            placed[index].append(_stand(sprite, glyph, x, depth, scale, scene, move, thing))
    later = [index for index, thing in enumerate(things) if thing.relation in ("wear", "hold")]
    for index in [*(index for index in range(1, len(things)) if index not in later), *later]:
        thing, other = things[index], index - 1
        if other and things[other].relation in ("wear", "hold") and thing.relation not in ("wear", "hold"):
            other -= 1  # who wears or holds something is meant, not what
        if placed[index] and placed[other]:
            relate(thing, things[other], placed[other], placed[index], scene)
    flat = [one for group in placed for one in group]
    return sorted(flat, key=lambda one: (one.stands != "sky", one.z))


def _worn(things: tuple[Thing, ...]) -> dict[int, int]:
    """Clothes that are worn: their index → the wearer."""
    return {
        index: index - 1
        for index, thing in enumerate(things)
        if index
        and thing.glyph in _CLOTHES
        and things[index - 1].glyph == "person"
        and thing.relation in ("in", "wear", "with")
    }


def _stand(
    sprite: paint.Sprite, glyph: Glyph, x: float, depth: float, scale: float, scene: Scene, move: Move, thing: Thing
) -> Placed:
    width, height = scene.size
    if scale != 1.0:
        sprite = paint.scaled(sprite, scale)
    tall = sprite.image.height
    foot = scene.horizon * height + (0.1 + depth * 0.62) * (1 - scene.horizon) * height
    if glyph.stands == "bust":
        foot = height * 1.04
        if scene.camera.framing == "close":  # the face in the middle
            low, high = glyph.bounds()[1], glyph.bounds()[3]
            foot = height * 0.5 + (100 - _FACE) * tall / (high - low)
    elif glyph.stands == "sky":
        foot = height * 0.3 + tall * 0.2
    elif scene.camera.middle is not None:
        spread = (depth - 0.4) * 0.5 * height if scene.horizon < 0.3 else (depth - 0.4) * 0.2 * height
        foot = scene.camera.middle * height + tall * 0.5 + spread
    margin = sprite.image.width // 2 + round(width * 0.03)
    middle = round(x * width)
    if scene.camera.x is None and scene.camera.framing != "close":
        middle = min(max(middle, margin), max(width - margin, width // 2))
    elif scene.camera.framing == "close":
        middle = round(width * (0.5 + (x - 0.5) * 0.6))
    lift = round(move.lift * height * (1.0 if scene.camera.zoom > 0.6 else 0.5))
    lift = min(lift, max(0, round(foot) - sprite.foot[1] - round(height * 0.03)))
    if glyph.stands == "bust":
        lift = 0
    glow = next((name for name in thing.conditions if name in ("glowing", "burning")), "")
    return Placed(sprite, middle, round(foot), glyph.stands, lift, foot, move.marks, glow)
