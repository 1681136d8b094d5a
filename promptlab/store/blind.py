"""Pictures that tell nothing but what they show: one format, one size in pixels, one length in bytes, no metadata.

For votes. Files of two variants may differ in format, size, length and metadata, each of which would tell a voter, or
somebody who watches the traffic, what is what; so each is decoded, fitted into one frame and encoded again, and all
that are shown together get the same length.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptlab.errors import StoreError
from promptlab.store.decode import _in_plain_mode, pixels
from promptlab.store.formats import BadImage, sniff
from promptlab.store.local import Store

__all__ = ["BACKGROUND", "Frame", "blind_picture", "common_frame", "padded", "same_length"]

#: Beside a picture that does not fill the frame; what shows it has the same colour around.
BACKGROUND = (27, 27, 26)
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Frame:
    """Width and height in pixels that every picture is fitted into."""

    width: int
    height: int


def common_frame(sizes: Iterable[tuple[int | None, int | None]], side: int) -> Frame:
    """The smallest frame that pictures of these sizes fit into, once each is at most `side` pixels long.

    One for all pictures of a vote, so that it says nothing of any of them. A size that is not known is a square.
    """
    width = height = 1
    for given_width, given_height in sizes:
        w, h = (given_width, given_height) if given_width and given_height else (side, side)
        scale = side / max(w, h)
        width, height = max(width, round(w * scale)), max(height, round(h * scale))
    return Frame(width, height) if (width, height) != (1, 1) else Frame(side, side)


def same_length(jpegs: Sequence[bytes], length: int) -> list[bytes]:
    """These files with the same number of bytes: `length`, or twice, four times, ... as much where one needs it."""
    while any(len(each) > length for each in jpegs):
        length *= 2
    return [padded(each, length) for each in jpegs]


def padded(jpeg: bytes, length: int) -> bytes:
    """A JPEG with bytes by chance behind its end, which nothing looks at (ITU T.81, B.2.1)."""
    return jpeg + os.urandom(length - len(jpeg))


def blind_picture(store: Store, sha256: str, frame: Frame) -> bytes:
    """One content as a JPEG in a frame, without anything but its pixels; StoreError where it can't be read."""
    from PIL import Image

    data = store.get(sha256)
    seen = sniff(data)
    try:
        if isinstance(seen, BadImage):
            raise seen
        picture = _in_plain_mode(pixels(data, seen, 2 * max(frame.width, frame.height)))
    except BadImage as bad:
        raise StoreError(f"the image {sha256[:12]} can't be shown: {bad}") from bad
    scale = min(frame.width / picture.width, frame.height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    has_alpha = picture.mode == "RGBA"
    picture = picture.convert("RGBA" if has_alpha else "RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    whole = Image.new("RGB", (frame.width, frame.height), BACKGROUND)
    at = ((frame.width - size[0]) // 2, (frame.height - size[1]) // 2)
    whole.paste(picture, at, picture if has_alpha else None)
    out = io.BytesIO()
    whole.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
