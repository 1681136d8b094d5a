"""The half-size layer behind everything, and the shapes that are painted on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.paint import radial
from promptlab.simulator.pictures.palette import RGB
from promptlab.simulator.pictures.rng import Dice

__all__ = ["Stage"]

Points = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Stage:
    """The half-size layer being painted. Coordinates are parts of its width and height, 0 to 1."""

    image: Image.Image
    look: Look
    horizon: float
    side: int  # -1: light from the left, 1: from the right
    dice: Dice
    accent: RGB

    def fill(self, points: Points, colour: RGB, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Fill an antialiased polygon."""
        self._paste(lambda pen, at: pen.polygon([at(p) for p in points], fill=255), points, colour, opacity, blur)

    def disc(self, x: float, y: float, radius: float, colour: RGB, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Fill a circle; the radius is a part of the height."""
        wide = radius * self.image.height / self.image.width
        corners = [(x - wide, y - radius), (x + wide, y + radius)]
        self._paste(lambda pen, at: pen.ellipse([at(p) for p in corners], fill=255), corners, colour, opacity, blur)

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: RGB, opacity: float = 1.0) -> None:
        """Fill a rectangle."""
        width, height = self.image.size
        area = (round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
        if area[2] > area[0] and area[3] > area[1]:
            mask = Image.new("L", (area[2] - area[0], area[3] - area[1]), round(255 * opacity))
            self.image.paste(colour, (area[0], area[1]), mask)

    def glow(self, x: float, y: float, radius: float, colour: RGB, strength: float) -> None:
        """A round pool of light."""
        width, height = self.image.size
        mask = radial(self.image.size, (x * width, y * height), radius * height, strength)
        self.image.paste(ImageChops.screen(self.image, Image.new("RGB", self.image.size, colour)), (0, 0), mask)

    def _paste(self, draw: Callable[..., None], points: Points, colour: RGB, opacity: float, blur: float) -> None:
        width, height = self.image.size
        margin = round(blur * 3) + 2
        left = max(0, round(min(x for x, _ in points) * width) - margin)
        top = max(0, round(min(y for _, y in points) * height) - margin)
        right = min(width, round(max(x for x, _ in points) * width) + margin)
        bottom = min(height, round(max(y for _, y in points) * height) + margin)
        if right <= left or bottom <= top:
            return
        mask = Image.new("L", ((right - left) * 2, (bottom - top) * 2))
        draw(ImageDraw.Draw(mask), lambda p: (round((p[0] * width - left) * 2), round((p[1] * height - top) * 2)))
        mask = mask.reduce(2)
        if blur:
            mask = mask.filter(ImageFilter.BoxBlur(blur)).filter(ImageFilter.BoxBlur(blur))
        self.image.paste(colour, (left, top), mask.point([round(i * opacity) for i in range(256)]))
