"""Moods, weathers and seasons as data: what each does to colour and light, and what is in the air."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.simulator.pictures.palette import RGB

__all__ = ["AIRS", "Air"]


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


AIRS: dict[str, Air] = {
    # moods
    "happy": Air((255, 222, 110), 0.5, (255, 248, 226), 1.3, 1.05, glow=0.3, overlays=("sunburst",)),
    "sad": Air((96, 112, 140), 0.72, (196, 208, 232), 0.45, 0.85, 0.42, 0.8, overlays=("drizzle",)),
    "lonely": Air((120, 132, 156), 0.55, (206, 214, 232), 0.5, 0.9, 0.5, 1.2),
    "calm": Air((178, 212, 214), 0.6, (236, 250, 252), 0.8, 0.78, shadow=0.6, lift=(22, 26, 28), overlays=("ripples",)),
    "mysterious": Air((58, 48, 96), 0.7, (190, 184, 232), 0.75, 1.15, 0.6, 1.2, overlays=("mist",)),
    "eerie": Air((64, 96, 78), 0.72, (186, 222, 190), 0.6, 1.2, 0.62, 1.3, overlays=("mist", "moonbeam")),
    "scary": Air((54, 12, 16), 0.78, (226, 150, 146), 0.75, 1.45, 0.75, 1.5, overlays=("scratches",)),
    "dramatic": Air((74, 66, 84), 0.5, (232, 220, 212), 0.95, 1.6, 0.6, 1.6, overlays=("rays",)),
    "romantic": Air((246, 158, 178), 0.55, (255, 226, 232), 1.1, 0.85, glow=0.4, lift=(26, 10, 16),
                    overlays=("hearts",)),
    "cozy": Air((214, 140, 84), 0.5, (255, 228, 190), 1.1, 1.0, 0.36, glow=0.35, overlays=("bokeh",)),
    "energetic": Air((255, 110, 40), 0.5, (255, 244, 232), 1.45, 1.35, overlays=("speed",)),
    "playful": Air((255, 190, 214), 0.5, (255, 250, 250), 1.35, 0.95, overlays=("confetti",)),
    "dreamy": Air((206, 188, 240), 0.55, (244, 234, 255), 0.85, 0.72, lift=(38, 30, 48), glow=0.5,
                  overlays=("bloom", "sparks")),
    "luxurious": Air((70, 52, 30), 0.62, (255, 238, 208), 0.95, 1.3, 0.42, glow=0.3, overlays=("goldframe",)),
    "rustic": Air((186, 140, 96), 0.5, (248, 230, 204), 0.78, 1.08, 0.3, overlays=("paper",)),
    "futuristic": Air((96, 170, 222), 0.55, (216, 238, 255), 0.95, 1.2, 0.1, glow=0.25, overlays=("grid",)),
    "nostalgic": Air((226, 186, 132), 0.45, (250, 224, 184), 0.6, 0.85, 0.4, lift=(36, 26, 22), overlays=("paper",)),
    "minimal": Air((244, 244, 242), 0.75, (255, 255, 255), 0.7, 0.85, shadow=0.7),
    "busy": Air((226, 170, 120), 0.25, (255, 252, 246), 1.2, 1.1, overlays=("clutter",)),
    "angry": Air((170, 26, 24), 0.66, (255, 204, 196), 1.3, 1.5, 0.5, 1.3, overlays=("shards",)),
    "hopeful": Air((252, 226, 170), 0.45, (255, 246, 224), 1.1, 0.95, glow=0.6, overlays=("rays",)),
    "vibrant": Air((255, 92, 160), 0.35, (255, 255, 255), 1.85, 1.2, overlays=("swatches",)),
    "muted": Air((178, 172, 164), 0.5, (238, 234, 230), 0.38, 0.78, lift=(34, 33, 34)),
    "festive": Air((214, 62, 96), 0.35, (255, 244, 228), 1.3, 1.05, glow=0.3, overlays=("confetti", "bunting")),
    "christmas": Air((26, 76, 56), 0.6, (244, 246, 236), 1.15, 1.1, 0.3, overlays=("garland", "snowing")),
    "halloween": Air((74, 28, 84), 0.7, (255, 206, 164), 1.15, 1.25, 0.55, overlays=("bats", "moonbeam")),
    "postapocalyptic": Air((150, 112, 74), 0.65, (226, 202, 170), 0.5, 1.25, 0.5, 1.2, overlays=("dusty", "embers")),
    "industrial": Air((118, 122, 126), 0.55, (228, 232, 236), 0.5, 1.3, 0.35, overlays=("pipes",)),
    "tropical": Air((88, 204, 190), 0.45, (246, 255, 246), 1.4, 1.05, glow=0.3, overlays=("fronds",)),
    "gothic": Air((44, 30, 52), 0.65, (218, 200, 214), 0.65, 1.35, 0.6, 1.2, overlays=("tracery",)),
    "bohemian": Air((212, 150, 118), 0.45, (252, 234, 216), 1.05, 0.95, overlays=("tassels",)),
    "bright": Air((255, 252, 232), 0.6, (255, 255, 250), 1.12, 0.88, glow=0.6, lift=(26, 26, 24)),
    # weather
    "rain": Air((112, 130, 152), 0.6, (208, 220, 236), 0.75, 0.95, 0.28, 0.5, overlays=("rain",)),
    "snowing": Air((212, 224, 238), 0.6, (238, 246, 255), 0.8, 0.9, shadow=0.6, lift=(20, 24, 30),
                   overlays=("snowing",)),
    "fog": Air((206, 212, 218), 0.7, (244, 246, 250), 0.55, 0.65, shadow=0.3, lift=(44, 46, 50), overlays=("fog",)),
    "storm": Air((50, 56, 76), 0.75, (186, 194, 216), 0.7, 1.35, 0.5, overlays=("rain", "lightning")),
    "wind": Air((196, 212, 220), 0.35, (244, 250, 255), 0.95, 1.0, overlays=("gusts",)),
    "cloudy": Air((176, 184, 194), 0.66, (228, 234, 242), 0.72, 0.75, shadow=0.3, overlays=("clouds",)),
    "sunny": Air((120, 190, 244), 0.55, (255, 252, 238), 1.22, 1.15, shadow=1.3, glow=0.5, overlays=("flare",)),
    "rainbow": Air((176, 208, 240), 0.35, (250, 252, 255), 1.15, 1.0, overlays=("rainbow",)),
    "dusty": Air((214, 180, 132), 0.6, (246, 226, 192), 0.7, 0.85, lift=(34, 28, 20), overlays=("dusty",)),
    "frost": Air((196, 222, 242), 0.6, (222, 238, 255), 0.7, 1.05, overlays=("frost",)),
    # seasons
    "spring": Air((214, 234, 180), 0.45, (250, 255, 242), 1.18, 0.92, glow=0.25, overlays=("petals",)),
    "summer": Air((112, 196, 240), 0.45, (255, 250, 226), 1.3, 1.12, glow=0.4, overlays=("flare", "fronds")),
    "autumn": Air((226, 142, 66), 0.5, (255, 230, 196), 1.12, 1.05, 0.25, overlays=("leaves",)),
    "winter": Air((206, 222, 238), 0.6, (226, 238, 255), 0.72, 1.0, overlays=("snowing", "bare")),
    # faces
    "smile": Air((255, 226, 150), 0.26, (255, 250, 236), 1.08, glow=0.15),
    "frown": Air((118, 136, 166), 0.34, (226, 232, 244), 0.8, 0.95, 0.2),
    "angryface": Air((190, 70, 58), 0.3, (255, 232, 226), 1.1, 1.2, 0.25),
    "surprise": Air((255, 214, 96), 0.3, (255, 252, 240), 1.1, 1.1),
    "serious": Air((120, 122, 130), 0.3, (238, 238, 240), 0.85, 1.15, 0.2),
    "eyesclosed": Air((190, 184, 224), 0.28, (246, 242, 255), 0.9, 0.85),
    # quality
    "crisp": Air((240, 242, 244), 0.1, (255, 255, 255), 1.12, 1.22, overlays=("crisp",)),
    "rough": Air((190, 186, 180), 0.25, (244, 240, 232), 0.8, 0.9, overlays=("rough",)),
}  # fmt: skip
