"""Light and style as data: what a word does to the backdrop, the lamp, the shadows and the finished picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from promptlab.simulator.pictures.palette import RGB, mix, shift_hue
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
    return Look((top, middle, low), (far, near))


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
        "photo": {"contrast": look.contrast * 1.12, "saturation": 1.08, "vignette": 0.26,
                  "softness": max(look.softness, 0.014)},
    }  # fmt: skip
    return replace(look, treatment=style, **changes.get(style or "", {}))  # type: ignore[arg-type] # rows above


def look_of(reading: Reading) -> Look:
    """The look of a prompt: its room, under its light, in its style, less what the negative prompt rules out."""
    look = _styled(_lit(_room(reading), reading.light), reading.style)
    if "shadow" in reading.calm:
        look = replace(look, shadow=0.0)
    if "grain" in reading.calm:
        look = replace(look, grain=0.0)
    if "vignette" in reading.calm:
        look = replace(look, vignette=0.0)
    return look
