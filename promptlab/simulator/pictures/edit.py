"""Edits: the source image moves towards the prompt's picture as far as `strength` says."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageOps, ImageStat

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.rng import Dice

__all__ = ["blend"]


def blend(source: Image.Image, target: Image.Image, strength: float, seed: int) -> Image.Image:
    """`source` at strength 0, `target` at 1, and no step back between.

    Up to about 0.3 only light and colour move (the guide: "lighting adjustments, color grading"). Beyond, the new
    picture comes in from the surroundings, and what is in the middle of the source goes last.
    """
    source = ImageOps.fit(source, target.size, Image.Resampling.BICUBIC)
    if strength <= 0:
        return source
    graded = Image.blend(source, _graded(source, target), min(1.0, strength * 1.6))
    return Image.composite(target, graded, _reach(target.size, strength, seed))


def _graded(source: Image.Image, target: Image.Image) -> Image.Image:
    """The source with the target's mean and spread in each channel, half way, and its pools of light."""
    ours, theirs = ImageStat.Stat(source.reduce(8)), ImageStat.Stat(target.reduce(8))
    table: list[int] = []
    for channel in range(3):
        gain = min(1.6, max(0.6, (theirs.stddev[channel] + 24) / (ours.stddev[channel] + 24)))
        for level in range(256):
            moved = (level - ours.mean[channel]) * gain + theirs.mean[channel]
            table.append(max(0, min(255, round(level * 0.4 + moved * 0.6))))
    light = target.reduce(32).resize(source.size, Image.Resampling.BICUBIC)
    return Image.blend(source.point(table), light, 0.16)


def _reach(size: tuple[int, int], strength: float, seed: int) -> Image.Image:
    """Where the new picture is: 255 new, 0 old; every pixel only ever grows with strength."""
    tiny = (size[0] // 16, size[1] // 16)
    middle = ImageChops.invert(Image.radial_gradient("L")).resize(tiny, Image.Resampling.BILINEAR)
    noise = textures.octaves(tiny, Dice("edit", seed), ((6, 6), (14, 14)))
    late = Image.blend(middle, noise, 0.3)  # how late a pixel turns: about 30 at the rim, 220 in the middle
    start = -90 + strength * 430
    mask = late.point([max(0, min(255, round((start - level) * 3))) if strength > 0.2 else 0 for level in range(256)])
    return mask.resize(size, Image.Resampling.BICUBIC)
