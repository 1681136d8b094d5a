"""Pictures for votes: nothing but what they show is left of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from promptlab.errors import StoreError
from promptlab.store import Store
from promptlab.store.blind import BACKGROUND, Frame, blind_picture, common_frame, same_length


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


def keep(store: Store, picture: Picture.Image, format: str, **more: Any) -> str:
    out = io.BytesIO()
    picture.save(out, {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[format], **more)
    with store.part() as part:
        part.write(out.getvalue())
        return store.put_new(part, format).sha256


def opened(data: bytes) -> Picture.Image:
    picture = Picture.open(io.BytesIO(data))
    picture.load()
    return picture


def close(one: Any, other: Any) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("mode", "colour", "format"),
    [
        ("RGB", (200, 40, 90), "png"),
        ("RGB", (200, 40, 90), "jpg"),
        ("RGB", (200, 40, 90), "webp"),
        ("RGBA", (200, 40, 90, 255), "png"),
        ("RGBA", (200, 40, 90, 255), "webp"),
    ],
)
def test_every_kind_comes_out_alike(store: Store, mode: str, colour: Any, format: str) -> None:
    """A JPEG of the frame's size, with the same pixels, whatever it was, and no metadata."""
    exif = Picture.Exif()
    exif[0x010E] = "a secret"
    sha256 = keep(store, Picture.new(mode, (60, 60), colour), format, exif=exif)
    data = blind_picture(store, sha256, Frame(128, 128))
    found = opened(data)
    assert (found.format, found.mode, found.size, len(found.getexif())) == ("JPEG", "RGB", (128, 128), 0)
    assert b"secret" not in data
    assert close(found.getpixel((64, 64)), colour[:3])


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "1"])
def test_other_modes_are_converted(store: Store, mode: str) -> None:
    """Grey, palettes, 16 bits and black-and-white are shown as they look."""
    grey = Picture.new("L", (40, 40), 255 if mode == "1" else 128)
    picture = Picture.new("I;16", (40, 40), 128 * 256) if mode == "I;16" else grey.convert(mode)
    found = opened(blind_picture(store, keep(store, picture, "png"), Frame(64, 64)))
    assert close(found.getpixel((32, 32)), (255,) * 3 if mode == "1" else (128,) * 3)


def test_a_picture_of_another_shape_gets_bars(store: Store) -> None:
    """It is never stretched or cropped; what is beside it, or shows through it, has the colour of the stage."""
    wide = Picture.new("RGBA", (80, 40), (200, 40, 90, 255))
    wide.paste((0, 0, 0, 0), (0, 0, 20, 40))
    found = opened(blind_picture(store, keep(store, wide, "png"), Frame(128, 128)))
    assert close(found.getpixel((90, 64)), (200, 40, 90))
    for bar in ((64, 10), (64, 118), (10, 64)):
        assert close(found.getpixel(bar), BACKGROUND)


def test_exif_turns_a_picture_upright(store: Store) -> None:
    """As every viewer does."""
    exif = Picture.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture = Picture.new("RGB", (80, 40), (10, 10, 10))
    picture.paste((240, 240, 240), (0, 0, 40, 40))  # the left half becomes the upper one
    found = opened(blind_picture(store, keep(store, picture, "jpg", exif=exif), Frame(64, 64)))
    assert close(found.getpixel((32, 10)), (240,) * 3)
    assert close(found.getpixel((32, 54)), (10,) * 3)


def test_all_pictures_of_a_ballot_have_one_length(store: Store) -> None:
    """Also where one of them needs more than was meant: then all get more; the same one twice is not the same bytes."""
    plain = keep(store, Picture.new("RGB", (64, 64), (1, 2, 3)), "png")
    noisy = keep(store, Picture.effect_noise((256, 256), 100), "png")
    for hashes, lengths in (([plain, plain], {4096}), ([plain, noisy], {16384, 32768, 65536, 131072})):
        found = same_length([blind_picture(store, each, Frame(256, 256)) for each in hashes], 4096)
        assert len({len(each) for each in found}) == 1
        assert len(found[0]) in lengths
        assert found[0] != found[1]
        assert [opened(each).size for each in found] == [(256, 256)] * 2


def test_a_frame_holds_all_sizes() -> None:
    """Each at most `side` pixels long; one shape has no bars, and a size that is not known is a square."""
    assert common_frame([(1536, 1024), (300, 200)], 1024) == Frame(1024, 683)
    assert common_frame([(1536, 1024), (1024, 1536)], 1024) == Frame(1024, 1024)
    assert common_frame([(1536, 1024), (None, None)], 1024) == Frame(1024, 1024)
    assert common_frame([], 512) == Frame(512, 512)


def test_what_cannot_be_read_is_said(store: Store, tmp_path: Path) -> None:
    """A file that is gone, and one that is no picture any more."""
    sha256 = keep(store, Picture.new("RGB", (8, 8)), "png")
    path = store.local_copy(sha256)
    path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="can't be shown"):
        blind_picture(store, sha256, Frame(8, 8))
    path.unlink()
    with pytest.raises(StoreError):
        blind_picture(store, sha256, Frame(8, 8))
