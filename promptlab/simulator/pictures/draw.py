"""From an order to the bytes of an image file, and back for edits: the one door into this package."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageOps, ImageStat

from promptlab.simulator.pictures import textures
from promptlab.simulator.pictures.compose import SIZES, PictureRequest, compose
from promptlab.simulator.pictures.lettering import mark
from promptlab.simulator.pictures.rng import Dice, digest

__all__ = ["SourceImage", "blend", "decode", "draw", "encode", "pad", "small"]


_MAX_SOURCE_PIXELS = 40_000_000
_RLE = 3  # zlib's run-length strategy: faster and smaller here, and the same bytes from every zlib


def encode(image: Image.Image, output_format: str) -> bytes:
    """A complete file of the format `png`, `jpg` or `webp`."""
    stream = io.BytesIO()
    if output_format == "png":
        image.save(stream, "PNG", compress_level=1, compress_type=_RLE)
    elif output_format == "jpg":
        image.save(stream, "JPEG", quality=90)
    else:
        image.save(stream, "WEBP", quality=86, method=0)
    return stream.getvalue()


def decode(data: bytes) -> Image.Image:
    """A source image as RGB, or ValueError saying what is wrong with it."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            if image.width * image.height > _MAX_SOURCE_PIXELS:
                raise ValueError(f"the source image has {image.width}x{image.height} pixels, too many")
            if image.mode in ("RGBA", "LA", "P", "PA"):
                over = image.convert("RGBA")
                sheet = Image.new("RGB", over.size, (255, 255, 255))
                sheet.paste(over, (0, 0), over.getchannel("A"))
                return sheet
            return image.convert("RGB")
    except (OSError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError("the source image is not a readable PNG, JPEG, WebP or GIF") from error


def small(name: str, size: tuple[int, int], output_format: str, target: int = 0) -> bytes:
    """A tiny picture unique to `name`, padded to about `target` bytes: well under a millisecond."""
    unique = digest("small", name)
    cells = Image.frombytes("RGB", (3, 3), unique[:27])
    longest = max(size)
    image = cells.resize((max(8, 64 * size[0] // longest), max(8, 64 * size[1] // longest)), Image.Resampling.NEAREST)
    data = encode(image, output_format)
    return pad(data, output_format, target, name) if target > len(data) else data


def pad(data: bytes, output_format: str, target: int, name: str) -> bytes:
    """The same picture in a file of `target` bytes (or a few more): noise in a place that decoders skip."""
    extra = target - len(data)
    if output_format == "png":
        noise = Dice("pad", name).bytes(max(0, extra - 12))
        chunk = b"plAb" + noise
        return data[:-12] + struct.pack(">I", len(noise)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[-12:]
    if output_format == "jpg":
        noise, segments = Dice("pad", name).bytes(max(0, extra)), []
        for start in range(0, len(noise), 65_529):
            piece = noise[start : start + 65_529]
            segments.append(b"\xff\xfe" + struct.pack(">H", len(piece) + 2) + piece)
        return data[:2] + b"".join(segments) + data[2:]
    return _pad_webp(data, Dice("pad", name).bytes(max(0, extra - 26) & ~1))


def _pad_webp(data: bytes, noise: bytes) -> bytes:
    """An extended WebP (RFC 9649): a VP8X header, the image as it was, and a chunk of an unknown kind."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    header = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = (
        b"WEBP" + b"VP8X" + struct.pack("<I", 10) + header + data[12:] + b"plab" + struct.pack("<I", len(noise)) + noise
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


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


@dataclass(frozen=True, slots=True)
class SourceImage:
    """The source of an edit: its bytes, or the words to draw a stand-in from where it could not be fetched."""

    data: bytes | None
    words: str


def draw(
    recipe: PictureRequest, output_format: str, *, source: SourceImage | None = None, strength: float = 0.8,
    fast: bool = False, fast_bytes: int = 0,
) -> bytes:  # fmt: skip
    """The image file of a recipe in `png`, `jpg` or `webp`; an edit when there is a source.

    ValueError when the source's bytes are not an image. With `fast`, a tiny prepared picture, padded to `fast_bytes`.
    """
    if fast:
        # As the classes were called in 0.1: a prepared picture comes from this text, and its bytes are a promise, too.
        asked = repr(recipe).replace(PictureRequest.__name__, "Recipe", 1)
        edited = repr(source).replace(SourceImage.__name__, "Source", 1)
        name = f"{asked} {edited} {strength if source else ''}"
        return small(name, SIZES[recipe.aspect_ratio], output_format, fast_bytes)
    picture = compose(recipe)
    if source is not None:
        picture = mark(blend(_source_picture(source, recipe), picture, strength, recipe.seed))
    return encode(picture, output_format)


def _source_picture(source: SourceImage, recipe: PictureRequest) -> Image.Image:
    if source.data is not None:
        return decode(source.data)
    stand_in = PictureRequest(
        recipe.model, source.words, "blurry, watermark, text, low quality, distorted", recipe.aspect_ratio, 0, 0
    )
    return compose(stand_in)
