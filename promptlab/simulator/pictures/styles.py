"""Styles as treatments of the finished pixels, by their name in vocabulary.txt."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from promptlab.simulator.pictures import paints, photos, prints
from promptlab.simulator.pictures.rng import Dice

__all__ = ["STYLES"]

STYLES: dict[str, Callable[[Image.Image, Dice, Image.Image], Image.Image]] = {
    "watercolour": paints.watercolour,
    "ink": paints.ink,
    "oil": paints.oil,
    "poster": prints.poster,
    "riso": prints.riso,
    "pixel": prints.pixel,
    "film": photos.leak,
    "pencil": paints.pencil,
    "crayon": paints.crayon,
    "impressionist": paints.impressionist,
    "popart": prints.popart,
    "artdeco": prints.artdeco,
    "comic": paints.comic,
    "ukiyoe": paints.ukiyoe,
    "lowpoly": prints.lowpoly,
    "mosaic": prints.mosaic,
    "papercut": prints.papercut,
    "clay": paints.clay,
    "embroidery": paints.embroidery,
    "blueprint": prints.blueprint,
    "infrared": photos.infrared,
    "thermal": photos.thermal,
    "glitch": photos.glitch,
    "graffiti": paints.graffiti,
    "tiltshift": photos.tiltshift,
    "doubleexposure": photos.double,
    "surreal": photos.surreal,
    "polaroid": photos.polaroid,
    "steampunk": photos.steampunk,
    "hdr": photos.hdr,
    "sepia": photos.sepia,
}
