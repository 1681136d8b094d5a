"""Light and style as data: what a word does to the backdrop, the lamp, the shadows and the finished picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from promptlab.simulator.pictures.airs import AIRS, Air
from promptlab.simulator.pictures.palette import FIXED, RGB, hue, mix, multiply, shaded, shift_hue
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.words import Reading

__all__ = ["Look", "look_of"]


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
_ROOMS: tuple[tuple[RGB, RGB, RGB, RGB, RGB], ...] = (
    ((214, 224, 222), (228, 232, 226), (238, 236, 226), (226, 216, 200), (206, 192, 172)),
    ((236, 214, 200), (242, 224, 210), (246, 232, 218), (232, 206, 184), (212, 180, 156)),
    ((206, 216, 230), (220, 228, 236), (232, 234, 236), (214, 216, 222), (190, 194, 206)),
    ((224, 220, 204), (234, 230, 216), (242, 238, 226), (220, 214, 192), (196, 190, 164)),
    ((230, 210, 214), (240, 222, 222), (246, 232, 228), (228, 206, 204), (204, 178, 180)),
    ((200, 218, 208), (216, 228, 218), (232, 236, 226), (208, 214, 194), (182, 190, 166)),
)


def _room(reading: Reading) -> Look:
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
    """The look under a light; the table of lights, one row each."""
    if light == "golden":
        return replace(
            base, sky=((246, 196, 132), (252, 214, 148), (255, 232, 176)), ground=((236, 182, 122), (196, 128, 82)),
            key=(255, 222, 150), shade=(118, 62, 74), contrast=1.15, shadow=0.5, softness=0.016, reach=1.9, glow=0.85,
            vignette=0.22, gain=(255, 240, 214),
        )  # fmt: skip
    if light == "sunset":
        return replace(
            base, sky=((92, 74, 138), (226, 112, 122), (255, 190, 120)), ground=((214, 126, 118), (120, 74, 104)),
            key=(255, 186, 120), shade=(82, 46, 106), contrast=1.2, shadow=0.5, reach=1.7, glow=0.8, vignette=0.2,
        )  # fmt: skip
    if light == "sunrise":
        return replace(
            base, sky=((164, 190, 222), (232, 206, 214), (255, 226, 196)), ground=((232, 208, 200), (188, 172, 186)),
            key=(255, 226, 204), shade=(104, 98, 142), shadow=0.36, reach=1.5, glow=0.6,
        )  # fmt: skip
    if light == "neon":
        return replace(
            base, sky=((20, 14, 44), (38, 18, 70), (70, 24, 96)), ground=((44, 20, 76), (14, 12, 36)),
            key=(255, 60, 168), shade=(28, 178, 236), contrast=1.35, shadow=0.55, softness=0.03, reach=0.5, glow=0.0,
            rim=0.52, vignette=0.3, saturation=1.12, dark=True,
        )  # fmt: skip
    if light == "night":
        return replace(
            base, sky=((14, 22, 52), (28, 42, 84), (54, 72, 118)), ground=((46, 60, 98), (18, 26, 54)),
            key=(186, 206, 255), shade=(14, 20, 58), contrast=1.25, shadow=0.55, reach=1.2, glow=0.45, vignette=0.32,
            gain=(150, 172, 232), rim=0.18, dark=True,
        )  # fmt: skip
    if light == "candlelight":
        return replace(
            base, sky=((26, 18, 18), (52, 30, 22), (96, 54, 30)), ground=((112, 66, 36), (36, 22, 18)),
            key=(255, 190, 96), shade=(30, 14, 16), contrast=1.4, shadow=0.6, softness=0.026, glow=0.95, vignette=0.42,
            gain=(255, 214, 160), rim=0.12, dark=True,
        )  # fmt: skip
    return _lit_quietly(base, light)


def _lit_quietly(base: Look, light: str | None) -> Look:
    top, middle, low = base.sky
    if light == "soft":
        pale = tuple(mix(colour, (250, 250, 248), 0.45) for colour in base.sky)
        return replace(
            base, sky=(pale[0], pale[1], pale[2]), shadow=0.26, softness=0.05, reach=0.5, contrast=0.78, glow=0.3
        )
    if light == "flash":
        wall = mix(middle, (255, 255, 255), 0.3)
        return replace(
            base, sky=(mix(wall, (90, 90, 100), 0.35), wall, mix(wall, (255, 255, 255), 0.5)), key=(255, 255, 255),
            shade=(34, 32, 44), contrast=1.5, shadow=0.8, softness=0.003, reach=0.32, glow=0.95, vignette=0.5,
            saturation=1.18,
        )  # fmt: skip
    if light == "noon":
        return replace(
            base, sky=((112, 178, 232), (164, 210, 244), (222, 240, 250)), key=(255, 252, 232), shade=(62, 84, 132),
            contrast=1.25, shadow=0.58, softness=0.005, reach=0.7, saturation=1.12,
        )  # fmt: skip
    if light == "studio":
        clean = ((226, 226, 228), (240, 240, 241), (248, 248, 248))
        return replace(
            base, sky=clean, ground=((246, 246, 246), (226, 226, 229)), shadow=0.34, softness=0.026, reach=0.6, glow=0.5
        )
    if light == "hard":
        return replace(base, contrast=1.55, shadow=0.72, softness=0.002, reach=1.5, key=(255, 250, 238), vignette=0.24)
    if light == "highkey":
        white = ((250, 250, 250), (254, 254, 254), (255, 255, 255))
        return replace(
            base, sky=white, ground=((252, 252, 252), (244, 244, 246)), shadow=0.16, softness=0.05, contrast=0.62,
            lift=(46, 46, 48), glow=0.6, vignette=0.0,
        )  # fmt: skip
    if light == "lowkey":
        return replace(
            base, sky=((14, 14, 18), (30, 29, 34), (54, 50, 54)), ground=((52, 47, 48), (16, 15, 19)), shade=(8, 8, 14),
            contrast=1.6, shadow=0.75, glow=0.34, vignette=0.6, rim=0.1, gain=(214, 206, 204),
        )  # fmt: skip
    if light == "bluehour":
        return replace(
            base, sky=((34, 58, 128), (78, 112, 186), (172, 176, 214)), ground=((94, 112, 168), (40, 52, 104)),
            key=(206, 216, 255), shade=(26, 34, 92), contrast=1.1, shadow=0.36, glow=0.3, gain=(188, 204, 255),
            vignette=0.22,
        )  # fmt: skip
    if light == "warm":
        return replace(
            base, sky=_toward(base.sky, (255, 206, 150), 0.4),
            ground=(mix(base.ground[0], (240, 180, 120), 0.4), mix(base.ground[1], (200, 130, 80), 0.4)),
            key=(255, 226, 176), shade=(112, 66, 62), gain=(255, 236, 206),
        )  # fmt: skip
    if light == "cool":
        return replace(
            base, sky=((150, 176, 200), (186, 206, 220), (214, 226, 232)), ground=((186, 202, 214), (134, 158, 182)),
            key=(226, 240, 255), shade=(66, 84, 128), shadow=0.32, softness=0.04, gain=(226, 240, 255), glow=0.25,
        )  # fmt: skip
    return replace(base, sky=(shift_hue(top, 0, 1.25, 0.97), middle, low))


def _styled(look: Look, style: str | None) -> Look:
    """The look in a style; only noir, poster and pastel change the light itself."""
    changes: dict[str, dict[str, object]] = {
        "film": {"grain": 0.16, "lift": (26, 22, 30), "gain": mix(look.gain, (255, 236, 204), 0.6), "saturation": 0.86,
                 "vignette": 0.4},
        "watercolour": {"saturation": 1.15, "contrast": look.contrast * 0.8, "shadow": look.shadow * 0.8,
                        "vignette": 0.0},
        "noir": {"saturation": 0.0, "contrast": 1.6, "shadow": 0.8, "softness": 0.006, "reach": 1.7, "vignette": 0.6,
                 "grain": 0.08, "key": (255, 255, 255), "shade": (12, 12, 16), "dark": True, "rim": 0.25,
                 "sky": ((30, 30, 34), (66, 66, 70), (104, 104, 108)), "ground": ((92, 92, 96), (26, 26, 30))},
        "ink": {"saturation": 0.0, "vignette": 0.0},
        "oil": {"saturation": 1.3, "contrast": look.contrast * 1.15, "vignette": 0.25},
        "poster": {"saturation": 1.3, "contrast": look.contrast * 1.2, "vignette": 0.0, "softness": 0.003, "glow": 0.5},
        "riso": {"vignette": 0.0, "contrast": look.contrast * 1.15},
        "pixel": {"saturation": 1.3, "vignette": 0.0},
        "pastel": {"saturation": 0.8, "lift": (52, 46, 58), "shadow": look.shadow * 0.6,
                   "contrast": look.contrast * 0.75},
        "cinematic": {"gain": mix(look.gain, (216, 238, 244), 0.7), "lift": (6, 22, 30), "vignette": 0.5,
                      "contrast": look.contrast * 1.2, "shadow": 0.55},
        "retro": {"gain": mix(look.gain, (255, 222, 168), 0.85), "lift": (44, 30, 30), "saturation": 0.7, "grain": 0.07,
                  "vignette": 0.35},
        "sepia": {"vignette": 0.45, "grain": 0.1, "contrast": look.contrast * 0.95},
        "pencil": {"saturation": 0.0, "vignette": 0.0}, "crayon": {"vignette": 0.0},
        "impressionist": {"saturation": 1.2, "vignette": 0.1}, "comic": {"vignette": 0.0, "softness": 0.003},
        "popart": {"vignette": 0.0, "contrast": look.contrast * 1.3},
        "artdeco": {"vignette": 0.0, "contrast": look.contrast * 1.3}, "lowpoly": {"vignette": 0.0},
        "papercut": {"vignette": 0.0, "shadow": look.shadow * 0.6}, "blueprint": {"vignette": 0.0},
        "polaroid": {"saturation": 0.8, "vignette": 0.35}, "graffiti": {"vignette": 0.2},
        "clay": {"shadow": 0.5, "softness": 0.03, "vignette": 0.1},
        "photo": {"contrast": look.contrast * 1.12, "saturation": 1.08, "vignette": 0.26,
                  "softness": max(look.softness, 0.014)},
    }  # fmt: skip
    return replace(look, treatment=style, **changes.get(style or "", {}))  # type: ignore[arg-type] # rows above


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


def _backed(look: Look, reading: Reading) -> Look:
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


def look_of(reading: Reading) -> Look:
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
