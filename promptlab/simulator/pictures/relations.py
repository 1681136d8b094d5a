"""How things stand to one another: on, under, in, behind, before, held or worn."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.simulator.pictures import paint
from promptlab.simulator.pictures.camera import Camera
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.words import Thing

__all__ = ["Placed", "Scene", "relate"]


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
