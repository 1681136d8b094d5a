"""Light, style, mood and weather: what a word does to the backdrop, the lamp, the shadows and the whole picture.

The rows are in data/looks.json; moods, weathers and seasons are `Air`s over a look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.palette import FIXED, RGB, hue, mix, multiply, shaded, shift_hue
from promptlab.simulator.pictures.prompt_reader import PromptReading
from promptlab.simulator.pictures.rng import Dice

__all__ = ["AIRS", "Air", "Look", "look_of"]


@dataclass(frozen=True, slots=True)
class Air:
    """Factors for a look; 1 and white change nothing. `amount` is how far backdrops go to `tint`."""

    tint: RGB
    amount: float
    gain: RGB = (255, 255, 255)
    saturation: float = 1.0
    contrast: float = 1.0
    vignette: float = 0.0
    shadow: float = 1.0
    glow: float = 0.0
    lift: RGB = (0, 0, 0)
    overlays: tuple[str, ...] = ()


AIRS = {name: Air(**row) for name, row in tables("looks")["airs"].items()}


@dataclass(frozen=True, slots=True)
class Look:
    """Everything light and style decide. Strengths are 0 to 1, lengths are parts of the picture's height."""

    sky: tuple[RGB, RGB, RGB]  # backdrop: top, middle, at the horizon
    ground: tuple[RGB, RGB]  # surface: far, near
    key: RGB = (255, 244, 226)  # the light's colour
    shade: RGB = (84, 76, 104)  # what shadows turn to
    contrast: float = 1.0
    shadow: float = 0.42
    softness: float = 0.02
    reach: float = 0.9  # length of cast shadows, in heights of the thing
    glow: float = 0.35  # strength of the light's pool on the backdrop
    rim: float = 0.0
    vignette: float = 0.12
    grain: float = 0.0
    saturation: float = 1.0
    gain: RGB = (255, 255, 255)  # colour the whole picture is multiplied by
    lift: RGB = (0, 0, 0)  # where black goes
    dark: bool = False
    treatment: str | None = None
    accents: tuple[RGB, RGB] = ((255, 64, 160), (60, 220, 255))
    direction: str | None = None  # where the light comes from, if it is said
    seamless: bool = False  # one backdrop from wall to floor
    overlays: tuple[str, ...] = ()  # what falls, floats or shines in front


#: Quiet backdrops, chosen by the prompt's words where no light is named: sky, middle, horizon, far and near ground.
_ROOMS: tuple[tuple[RGB, RGB, RGB, RGB, RGB], ...] = tables("looks")["rooms"]


def _room(reading: PromptReading) -> Look:
    words = sorted(thing.word for thing in reading.things) or [reading.place or "", reading.ground or ""]
    top, middle, low, far, near = Dice("room", *words).pick(_ROOMS)
    look = Look((top, middle, low), (far, near))
    if reading.place in _OPEN and not reading.lights:  # a fair day
        return replace(
            look, sky=_toward(((118, 176, 224), (178, 214, 240), (232, 240, 244)), middle, 0.12), key=(255, 246, 226),
            shade=(70, 82, 122), contrast=1.1, shadow=0.46, saturation=1.08,
        )  # fmt: skip
    return look


_OPEN = frozenset({"mountains", "sea", "beach", "forest", "city", "garden", "desert", "sky"})


def _lights(base: Look, lights: tuple[str, ...]) -> Look:
    """The last light counts; those before it lend it a little, and how hard they are where it does not say."""
    look = _lit(base, lights[-1] if lights else None)
    for name in lights[-4:-1]:
        other = _lit(base, name)
        look = replace(
            look, sky=_three(look.sky, other.sky, 0.24), ground=_two(look.ground, other.ground, 0.24),
            key=mix(look.key, other.key, 0.2), gain=mix(look.gain, other.gain, 0.3),
            vignette=look.vignette * 0.7 + other.vignette * 0.3,
        )  # fmt: skip
        if name in ("soft", "hard", "flash"):
            look = replace(look, softness=other.softness, contrast=other.contrast, shadow=other.shadow)
    return look


def _three(one: tuple[RGB, RGB, RGB], other: tuple[RGB, RGB, RGB], amount: float) -> tuple[RGB, RGB, RGB]:
    return mix(one[0], other[0], amount), mix(one[1], other[1], amount), mix(one[2], other[2], amount)


def _two(one: tuple[RGB, RGB], other: tuple[RGB, RGB], amount: float) -> tuple[RGB, RGB]:
    return mix(one[0], other[0], amount), mix(one[1], other[1], amount)


def _lit(base: Look, light: str | None) -> Look:
    """The look under a light: a row of data/looks.json, or what only changes the colours that are there."""
    top, middle, low = base.sky
    if row := tables("looks")["lights"].get(light):
        return replace(base, **row)
    if light == "soft":
        pale = _toward(base.sky, (250, 250, 248), 0.45)
        return replace(base, sky=pale, shadow=0.26, softness=0.05, reach=0.5, contrast=0.78, glow=0.3)
    if light == "flash":
        wall = mix(middle, (255, 255, 255), 0.3)
        return replace(
            base, sky=(mix(wall, (90, 90, 100), 0.35), wall, mix(wall, (255, 255, 255), 0.5)), key=(255, 255, 255),
            shade=(34, 32, 44), contrast=1.5, shadow=0.8, softness=0.003, reach=0.32, glow=0.95, vignette=0.5,
            saturation=1.18,
        )  # fmt: skip
    if light == "warm":
        return replace(
            base, sky=_toward(base.sky, (255, 206, 150), 0.4),
            ground=(mix(base.ground[0], (240, 180, 120), 0.4), mix(base.ground[1], (200, 130, 80), 0.4)),
            key=(255, 226, 176), shade=(112, 66, 62), gain=(255, 236, 206),
        )  # fmt: skip
    return replace(base, sky=(shift_hue(top, 0, 1.25, 0.97), middle, low))


def _styled(look: Look, style: str | None) -> Look:
    """The look in a style: a row of data/looks.json. `_by` multiplies, `_toward` mixes, `_least` is a lower bound."""
    changes: dict[str, Any] = {}
    for name, value in tables("looks")["styles"].get(style, {}).items():
        field, _, how = name.partition("_")
        old = getattr(look, field)
        if how == "by":
            value = old * value
        elif how == "toward":
            value = mix(old, *value)
        elif how == "least":
            value = max(old, value)
        changes[field] = value
    return replace(look, treatment=style, **changes)


def _toward(sky: tuple[RGB, RGB, RGB], colour: RGB, amount: float) -> tuple[RGB, RGB, RGB]:
    return mix(sky[0], colour, amount), mix(sky[1], colour, amount), mix(sky[2], colour, amount)


def _directed(look: Look, directions: tuple[str, ...]) -> Look:
    """Where the light comes from; the last word about it counts."""
    where = directions[-1] if directions else None
    if where == "back":
        bright = mix(look.key, (255, 255, 255), 0.5)
        return replace(
            look, direction=where, sky=(mix(look.sky[0], bright, 0.3), mix(look.sky[1], bright, 0.62), bright),
            contrast=1.5, shade=mix(look.shade, (20, 16, 34), 0.6), shadow=0.5, reach=1.3, glow=1.0, vignette=0.3,
        )  # fmt: skip
    if where == "silhouette":
        return replace(look, direction=where, contrast=1.0, shadow=0.55, glow=1.0, vignette=0.35, saturation=1.1)
    if where == "front":
        return replace(
            look, direction=where, contrast=look.contrast * 0.4, shadow=look.shadow * 0.35, softness=0.012, reach=0.2,
            vignette=0.34, glow=0.2,
        )  # fmt: skip
    if where in ("side", "left", "right"):
        return replace(look, direction=where, contrast=look.contrast * 1.5, reach=1.9, shadow=max(look.shadow, 0.5))
    if where == "top":
        return replace(look, direction=where, contrast=look.contrast * 1.3, reach=0.12, shadow=0.6, vignette=0.36)
    if where == "under":
        return replace(
            look, direction=where, contrast=look.contrast * 1.6, shadow=0.1, vignette=0.5,
            sky=(mix(look.sky[0], (20, 16, 30), 0.62), mix(look.sky[1], (40, 34, 50), 0.4), look.sky[2]),
        )  # fmt: skip
    if where == "spot":
        dim = (22, 20, 28)
        return replace(
            look, direction=where, sky=_toward(look.sky, dim, 0.78), ground=_two(look.ground, (dim, dim), 0.62),
            contrast=1.4, shadow=0.7, reach=0.3, vignette=0.5,
        )  # fmt: skip
    return look


def _gelled(look: Look, gel: str | None) -> Look:
    """Coloured light: everything that it falls on takes its colour."""
    if gel is None:
        return look
    colour = FIXED[gel]
    pale = mix(colour, (255, 255, 255), 0.2)
    return replace(
        look, key=pale, sky=_toward(look.sky, colour, 0.5), ground=_two(look.ground, (colour, colour), 0.42),
        gain=mix(look.gain, mix(colour, (255, 255, 255), 0.35), 0.55),
    )  # fmt: skip


def _backed(look: Look, reading: PromptReading) -> Look:
    """A backdrop in a colour runs from the wall to the floor, whatever the light."""
    if reading.backdrop is None:
        return look
    if reading.backdrop_colour is None:
        if reading.backdrop == "gradient":
            far, near = shift_hue(look.sky[0], 0.42, 3.2, 0.82), shift_hue(look.sky[2], 0.06, 4.5, 0.98)
            return replace(
                look, seamless=True, sky=(far, mix(far, near, 0.5), near), ground=(near, shift_hue(near, 0.1))
            )
        if reading.backdrop in ("plain", "transparent background", "gradient"):
            floor = mix(look.sky[2], look.ground[0], 0.3)
            return replace(look, seamless=True, ground=(look.sky[2], floor))
        return look
    name = reading.backdrop_colour
    colour = shaded(FIXED[name.rstrip("+-")], {"+": "lighter", "-": "darker"}.get(name[-1]))
    if name == "black":
        colour = (20, 20, 23)
    dim = 0.45 if look.dark else 0.0
    wall = mix(colour, look.sky[0], dim)
    lit = mix(wall, look.key, 0.12)
    return replace(
        look, seamless=True, sky=(mix(wall, (0, 0, 0), 0.1), wall, lit), ground=(lit, mix(wall, (0, 0, 0), 0.16)),
        glow=look.glow * (0.25 if name in ("black", "white") else 0.5),
    )  # fmt: skip


def look_of(reading: PromptReading) -> Look:
    """The look of a prompt: its room, under its light, in its mood, weather and style, less what is ruled out."""
    look = _directed(_gelled(_lights(_room(reading), reading.lights), reading.gel), reading.of("directions"))
    look = _backed(look, reading)
    for section in ("seasons", "weather", "moods", "quality"):
        for name in reading.of(section)[-4:]:
            if air := AIRS.get(name):
                look = breathe(look, air)
    for face in (trait for thing in reading.things[:2] for trait in thing.traits):
        if air := AIRS.get(face):
            look = breathe(look, air)
    for style in reading.styles[-3:-1]:
        other = _styled(look, style)
        look = replace(
            look, saturation=(look.saturation + other.saturation) / 2, gain=mix(look.gain, other.gain, 0.3),
            grain=other.grain / 2,
        )  # fmt: skip
    look = _styled(look, reading.style)
    look = _tinted(look, reading.nuances, 0.075)
    look = _tinted(look, reading.strange, 0.3)
    overlays = (*look.overlays, *reading.of("effects"))
    look = replace(look, overlays=tuple(one for one in dict.fromkeys(overlays) if one not in reading.removed))
    if "shadow" in reading.calm:
        look = replace(look, shadow=0.0)
    if "grain" in reading.calm:
        look = replace(look, grain=0.0)
    if "vignette" in reading.calm:
        look = replace(look, vignette=0.0)
    return look


def breathe(look: Look, air: Air) -> Look:
    """A mood or a weather over a look."""
    shade = mix(air.tint, (10, 8, 20), 0.5)
    return replace(
        look,
        sky=look.sky if look.seamless else _toward(look.sky, air.tint, air.amount),
        ground=_two(look.ground, (air.tint, shade), air.amount * 0.45),
        gain=mix(look.gain, multiply(look.gain, air.gain), 1.0),
        lift=mix(look.lift, air.lift, 0.5) if look.lift != (0, 0, 0) else air.lift,
        saturation=look.saturation * air.saturation,
        contrast=look.contrast * air.contrast,
        vignette=min(0.75, max(look.vignette, air.vignette)),
        shadow=min(0.85, look.shadow * air.shadow),
        glow=min(1.0, look.glow + air.glow),
        overlays=(*look.overlays, *air.overlays),
    )  # fmt: skip


def _tinted(look: Look, words: tuple[str, ...], amount: float) -> Look:
    """Each word pulls the colours its own way, earlier ones more."""
    amount /= 1 + 0.22 * max(0, min(len(words), 12) - 1)
    for word in words[:12]:
        dice = Dice("tint", word)
        colour = hue(dice.unit(), dice.between(0.45, 0.75), dice.between(0.7, 0.98))
        pull = amount * dice.between(0.75, 1.25)
        look = replace(
            look,
            sky=_toward(look.sky, colour, pull * (0.35 if look.seamless else 1.0)),
            ground=_two(look.ground, (colour, mix(colour, (30, 26, 40), 0.3)), pull * 0.8),
            gain=multiply(look.gain, mix((255, 255, 255), colour, pull * 0.7)),
            saturation=look.saturation * (1 + (dice.unit() - 0.45) * amount),
            contrast=look.contrast * (1 + (dice.unit() - 0.5) * amount),
        )  # fmt: skip
        amount *= 0.85
    return look
