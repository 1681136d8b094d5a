"""A scorer of one's own: how warm an image is."""

from PIL.Image import Resampling

from promptlab import ImageFile, ImageRow, Scorer


class Warmth(Scorer):
    """Mean of red minus mean of blue."""

    name = "warmth"
    version = "1"  # another one where the numbers come to mean something else
    network = False  # nothing leaves this machine
    scores = {"warmth": "mean of red minus mean of blue, of 255; -255 (blue) to 255 (red)"}

    def score(self, image: ImageFile, row: ImageRow) -> dict[str, float]:
        """`image.path`, `image.data` and `image.picture` (Pillow); `row.prompt`, `row.axes`, `row.params` and more."""
        red, _, blue = image.picture.resize((1, 1), Resampling.BOX).tobytes()
        return {"warmth": float(red - blue)}
