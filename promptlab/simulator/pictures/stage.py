"""What stands behind and under things: sky or wall, a motif or place, and the ground, on a soft half-size layer."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

from promptlab.simulator.pictures.backdrop import Stage, behind, on_ground
from promptlab.simulator.pictures.glyphs import smooth
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.paint import gradient
from promptlab.simulator.pictures.palette import RGB, hue, mix
from promptlab.simulator.pictures.places import PLACES, outdoors, water
from promptlab.simulator.pictures.rng import Dice

__all__ = ["build"]


def _tint(stage: Stage, amount: float, toward: RGB | None = None) -> RGB:
    return mix(stage.look.sky[1], toward or stage.accent, amount)


# --- motifs: what stands behind a thing where no place is named -----------------------------------------------------


def _motif_disc(stage: Stage) -> None:
    x = 0.5 - stage.side * stage.dice.between(0.02, 0.14)
    stage.disc(x, stage.horizon - 0.24, stage.dice.between(0.25, 0.32), _tint(stage, 0.42))


def _motif_arch(stage: Stage) -> None:
    x, half = stage.dice.between(0.4, 0.6), 0.23
    aspect = stage.image.width / stage.image.height
    for grow, amount in ((0.03, 0.2), (0.0, 0.48)):
        wide, top = (half + grow) / max(aspect, 0.8), 0.17 - grow
        rise = wide * aspect
        steps = [(-1.0, 0.0), (-0.92, -0.38), (-0.71, -0.71), (-0.38, -0.92), (0.0, -1.0)]
        steps += [(-a, b) for a, b in reversed(steps[:-1])]
        arc = [(x + wide * a, top + rise + rise * b) for a, b in smooth(tuple(steps), closed=False)]
        stage.fill([(x - wide, stage.horizon), *arc, (x + wide, stage.horizon)], _tint(stage, amount))


def _motif_panel(stage: Stage) -> None:
    edge = stage.dice.between(0.34, 0.66)
    left = stage.dice.chance(0.5)
    stage.bar(0 if left else edge, 0, edge if left else 1, stage.horizon, _tint(stage, 0.4))


def _motif_window(stage: Stage) -> None:
    """Light through panes, thrown on the wall."""
    start, lit = 0.5 + stage.side * 0.1, mix(stage.look.sky[2], stage.look.key, 0.75)
    lean = -stage.side * 0.16
    for row in range(2):
        for column in range(2):
            x, y = start + (column - 1) * 0.21, 0.1 + row * 0.22
            shape = [(x, y), (x + 0.19, y), (x + 0.19 + lean, y + 0.2), (x + lean, y + 0.2)]
            stage.fill([(a + lean * row, b) for a, b in shape], lit, 0.7, blur=2)


def _motif_waves(stage: Stage) -> None:
    for index in range(3):
        y = stage.horizon - 0.42 + index * 0.14
        ridge = [(x / 5, y + stage.dice.between(-0.08, 0.08)) for x in range(-1, 7)]
        stage.fill([*smooth(tuple(ridge), closed=False), (1.2, 1.0), (-0.2, 1.0)], _tint(stage, 0.16 + 0.15 * index))


def _motif_plain(stage: Stage) -> None:
    """Only light: a wider pool."""
    stage.glow(0.5, stage.horizon - 0.25, 0.6, stage.look.key, 0.35)


_MOTIFS = (_motif_disc, _motif_arch, _motif_panel, _motif_window, _motif_waves, _motif_plain)


def _tubes(stage: Stage) -> None:
    """Neon tubes with their halo on the wall."""
    width, height = stage.image.size
    kind = stage.dice.pick(("ring", "bars", "triangle", "arch"))
    x, y = stage.dice.between(0.35, 0.65) * width, (stage.horizon - 0.28) * height
    size = stage.dice.between(0.22, 0.28) * height
    for index, colour in enumerate(stage.look.accents):
        mask = Image.new("L", stage.image.size)
        pen, reach = ImageDraw.Draw(mask), size * (1 - 0.28 * index)
        if kind == "ring":
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=255, width=4)
        elif kind == "bars":
            for k in range(3):
                at = x + (k - 1) * size * 0.8 + index * size * 0.36 - size * 0.2
                pen.line((at, y - reach, at + size * 0.25, y + reach), fill=255, width=4)
        elif kind == "triangle":
            pen.polygon(
                [(x, y - reach), (x + reach, y + reach * 0.7), (x - reach, y + reach * 0.7)], outline=255, width=4
            )
        else:
            pen.arc((x - reach, y - reach, x + reach, y + reach * 1.4), 180, 360, fill=255, width=4)
        halo = (
            mask.filter(ImageFilter.BoxBlur(9))
            .filter(ImageFilter.BoxBlur(14))
            .point([min(255, i * 5) for i in range(256)])
        )
        stage.image.paste(colour, (0, 0), halo.point([round(i * 0.62) for i in range(256)]))
        stage.image.paste(mix(colour, (255, 255, 255), 0.7), (0, 0), mask.filter(ImageFilter.BoxBlur(1)))


def _signs(stage: Stage, words: tuple[str, ...]) -> None:
    """What a word without a drawing leaves on the wall: its own shape, always the same."""
    for word in words[:4]:
        dice = Dice("motif", word)
        colour = hue(dice.unit(), 0.42, 0.86)
        colour = mix(colour, stage.look.sky[0], 0.3 if stage.look.dark else 0.12)
        x, y, reach = dice.between(0.12, 0.88), dice.between(0.1, 0.42), dice.between(0.1, 0.2)
        kind = dice.pick(("disc", "bars", "waves", "slope", "dots", "ring"))
        if kind in ("disc", "ring"):
            stage.disc(x, y, reach, colour, 0.6)
            if kind == "ring":
                stage.disc(x, y, reach * 0.68, stage.look.sky[1], 0.8)
        elif kind == "bars":
            for index in range(4):
                left = x - reach + index * reach * 0.5
                stage.bar(left, max(0.0, y - reach), left + reach * 0.24, y + reach, colour, 0.6)
        elif kind == "waves":
            for index in range(3):
                ridge = [(k / 5, y + index * 0.08 + dice.between(-0.03, 0.03)) for k in range(-1, 7)]
                line = smooth(tuple(ridge), closed=False)
                stage.fill([*line, *((a, b + 0.03) for a, b in reversed(line))], colour, 0.6)
        elif kind == "slope":
            stage.fill([(0, y + reach), (1, y - reach), (1, y - reach + 0.14), (0, y + reach + 0.14)], colour, 0.5)
        else:
            for index in range(9):
                stage.disc(x + (index % 3 - 1) * reach * 0.7, y + (index // 3 - 1) * reach * 0.7, 0.026, colour, 0.75)


def build(
    size: tuple[int, int], look: Look, place: str | None, horizon: float, side: int, dice: Dice, accent: RGB,
    words: tuple[str, ...], empty: bool, ashore: bool,
) -> Image.Image:  # fmt: skip
    """The layer behind everything, half of `size`. `words`: the undrawn ones; `ashore`: with land to stand on."""
    width, height = size[0] // 2, size[1] // 2
    image = Image.new("RGB", (width, height))
    edge = max(1, round(horizon * height))
    image.paste(gradient((width, edge), look.sky), (0, 0))
    stage = Stage(image, look, horizon, side, dice, accent)
    motif = dice.pick(_MOTIFS)
    above = horizon < 0.12  # seen from above, there is only ground
    if not above:
        _backdrop(stage, place, motif, empty)
        _signs(stage, words)
        behind(stage, sky=False)
    if place not in ("sea", "beach", "underwater", "sky") or (above and place == "sky"):
        image.paste(gradient((width, height - edge), look.ground), (0, edge))
        stage.glow(0.5 + side * 0.2, horizon + 0.16, 0.5, look.key, look.glow * 0.5)
        if not look.seamless and not above:
            stage.bar(0, horizon, 1, horizon + 0.012, mix(look.ground[0], look.shade, 0.35), 0.35)
        on_ground(stage)
    elif above:
        water(stage, 0.0, 1.0)
    elif place == "beach":
        shore = min(0.97, horizon + 0.12)
        image.paste(gradient((width, max(1, height - round(shore * height))), look.ground), (0, round(shore * height)))
    elif place == "sea" and ashore:
        _shore(stage)
    return image


def _shore(stage: Stage) -> None:
    """A flat bank of the sea to stand on."""
    top = stage.horizon + 0.26 * (1 - stage.horizon)
    edge = smooth(tuple((x / 5, top + stage.dice.between(-0.012, 0.012)) for x in range(-1, 7)), closed=False)
    stage.fill([*((x, y - 0.012) for x, y in edge), (1.2, 1.1), (-0.2, 1.1)], (248, 250, 248), 0.7)
    far, near = mix((206, 190, 160), stage.look.ground[0], 0.4), mix((164, 142, 116), stage.look.ground[1], 0.4)
    stage.fill([*edge, (1.2, 1.1), (-0.2, 1.1)], far)
    stage.fill([(-0.2, top + 0.1), (1.2, top + 0.1), (1.2, 1.1), (-0.2, 1.1)], near, 0.6, blur=14)


def _backdrop(stage: Stage, place: str | None, motif: Callable[[Stage], None], empty: bool) -> None:
    """Everything above the horizon: sky or wall, the place, or a motif."""
    look = stage.look
    if look.glow:
        at = 0.5 if look.direction in ("back", "silhouette") else 0.5 + stage.side * 0.34
        low = stage.horizon - 0.18 if look.direction in ("back", "silhouette") else 0.16
        stage.glow(at, low, 0.75, look.key, look.glow)
        if look.direction in ("back", "silhouette"):
            stage.disc(at, low, 0.13, mix(look.key, (255, 255, 255), 0.75), 0.9, blur=3)
    if place in ("mountains", "sea", "beach", "forest", "city", "garden", "space", "desert"):
        outdoors(stage, place)
    if look.treatment != "noir" and look.key == (255, 60, 168):
        _tubes(stage)
    if place:
        behind(stage, sky=True)
        PLACES[place](stage)
        return
    if not (look.seamless or empty):
        _dark_motif(stage) if look.dark else motif(stage)
    behind(stage, sky=True)


def _dark_motif(stage: Stage) -> None:
    """Out-of-focus lights; through blinds in noir."""
    if stage.look.treatment == "noir":
        for index in range(9):
            y = 0.05 + index * 0.065
            lean = stage.side * 0.09
            stage.fill(
                [(0.12, y - lean), (0.88, y + lean), (0.88, y + 0.03 + lean), (0.12, y + 0.03 - lean)],
                (226, 226, 230),
                0.5,
                blur=1,
            )
        return
    for _ in range(16):
        colour = mix(stage.dice.pick((*stage.look.accents, (255, 190, 110))), stage.look.key, 0.35)
        x, y = stage.dice.unit(), stage.dice.between(0.03, stage.horizon - 0.05)
        stage.disc(x, y, stage.dice.between(0.012, 0.038), colour, stage.dice.between(0.12, 0.42), blur=1)
