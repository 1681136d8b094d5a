"""Full decode, thumbnails and perceptual hashes."""

import io
import os
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from promptlab.errors import StoreError
from promptlab.store import BadImage, Decoded, Thumbnail, thumbnail_of
from promptlab.store import decode as decode_module
from promptlab.store.decode import decode_file


def perceptual_hash(path: Path) -> str:
    """Of a file that can be decoded."""
    found = decode_file(path, None)
    assert isinstance(found, Decoded)
    return str(found.perceptual_hash)


def distance(one: str, two: str) -> int:
    """How many of the 64 bits differ."""
    return (int(one, 16) ^ int(two, 16)).bit_count()


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file; its path."""

    def to(data: bytes, name: str = "image") -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return to


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_thumbnail(picture, write, tmp_path, format, mode):
    """Any image gives a thumbnail of at most 384 px in its shape, a hash of 16 digits, and its size.

    It is a JPEG, or a WebP where something is transparent.
    """
    if (format, mode) == ("jpg", "RGBA"):
        mode = "RGB"
    found = decode_file(write(picture(format, size=(800, 400), mode=mode)), tmp_path / "t" / "a")
    assert isinstance(found, Decoded)
    assert found == Decoded(found.perceptual_hash, 800, 400)
    assert len(found.perceptual_hash) == 16
    name = "a.webp" if mode == "RGBA" else "a.jpg"
    with Image.open(tmp_path / "t" / name) as thumbnail:
        assert thumbnail.size == (384, 192)
        assert (thumbnail.format, thumbnail.mode) == {"RGBA": ("WEBP", "RGBA")}.get(
            mode, ("JPEG", "RGB" if format == "webp" else mode)
        )
    assert os.listdir(tmp_path / "t") == [name]


@pytest.mark.parametrize("side", [300, 384, 385, 500, 768, 1000, 1024, 1100, 1536, 2047])
def test_thumbnails_are_large_enough(picture, write, tmp_path, side):
    """A thumbnail fills what a page shows: 320 to 384 px, or the whole of a small picture."""
    decode_file(write(picture("png", size=(side, 40))), tmp_path / "t")
    with Image.open(tmp_path / "t.jpg") as thumbnail:
        assert min(side, 320) <= thumbnail.width <= 384


def test_an_opaque_alpha_channel(picture, write, tmp_path):
    """A picture with an alpha channel that hides nothing has a JPEG, too."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(picture("png"))) as opened:
        opened.convert("RGBA").save(file, "PNG")
    decode_file(write(file.getvalue()), tmp_path / "t")
    assert (tmp_path / "t.jpg").exists()


@given(data=st.data())
def test_every_byte_of_a_png_counts(picture, data):
    """A PNG with any byte changed is refused."""
    whole = bytearray(picture("png"))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadImage):
        decode_module._decode(bytes(whole))


@given(st.sampled_from(["png", "jpg", "webp"]), st.data())
def test_any_bytes_have_an_answer(picture, format, data):
    """Whatever the bytes, they are decoded or a BadImage; nothing else is raised."""
    whole = bytearray(picture(format))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(BadImage):
        assert len(decode_module._decode(bytes(whole))[0].perceptual_hash) == 16


def test_unreadable_file(tmp_path):
    """A file that can't be read is a StoreError with its name, not a bad image."""
    with pytest.raises(StoreError, match="cannot read the image") as caught:
        decode_file(tmp_path / "no.png", None)
    assert not isinstance(caught.value, BadImage)


def test_another_size_than_announced(picture, write):
    """A WebP whose canvas is not the size of its picture is damaged."""
    webp = bytearray(picture("webp", mode="RGBA", exif=b"Exif\0\0odd"))
    webp[24] += 1
    assert isinstance(decode_file(write(bytes(webp)), None), BadImage)


def test_hash_follows_the_picture(picture, write):
    """The perceptual hash is near for the same picture in another format and size, far for another picture."""
    hashes = [
        perceptual_hash(write(picture(format, size=size, seed=seed)))
        for format, size, seed in [("png", (900, 600), 1), ("jpg", (450, 300), 1), ("png", (900, 600), 2)]
    ]
    assert distance(hashes[0], hashes[1]) <= 6
    assert distance(hashes[0], hashes[2]) >= 16


def test_no_metadata(write, tmp_path):
    """A thumbnail is upright and carries neither EXIF nor text."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret"
    file = io.BytesIO()
    Image.new("RGB", (400, 200), "red").save(file, "JPEG", exif=exif)
    assert decode_file(write(file.getvalue()), tmp_path / "t") == Decoded("0" * 16, 400, 200)
    with Image.open(tmp_path / "t.jpg") as thumbnail:
        assert thumbnail.size == (192, 384)
        assert not thumbnail.getexif()
    assert b"secret" not in (tmp_path / "t.jpg").read_bytes()


def test_sixteen_bit_grey(write):
    """A 16-bit grey PNG keeps its shades: darker to the right and brighter to the right are told apart."""
    hashes = []
    for shades in (range(65_535, 0, -256), range(0, 65_535, 256)):
        ramp, file = b"".join(shade.to_bytes(2, "little") for shade in shades), io.BytesIO()
        Image.frombytes("I;16", (256, 1), ramp).resize((256, 64)).save(file, "PNG")
        hashes.append(perceptual_hash(write(file.getvalue())))
    assert hashes == ["0" * 16, "f" * 16]


def with_pixels(png: bytes, pixels: bytes) -> bytes:
    """The PNG with other compressed pixels, its checksums right."""
    start = png.index(b"IDAT") - 4
    length = int.from_bytes(png[start : start + 4], "big")
    body = zlib.compress(pixels, 9)
    chunk = len(body).to_bytes(4, "big") + b"IDAT" + body + zlib.crc32(b"IDAT" + body).to_bytes(4, "big")
    return png[:start] + chunk + png[start + 12 + length :]


def test_pixels_that_are_missing(picture, write):
    """A PNG whose structure is right but whose pixels end early is damaged."""
    found = decode_file(write(with_pixels(picture("png"), b"\0" * 100)), None)
    assert isinstance(found, BadImage)
    assert found.kind == "damaged"


def test_pixels_without_end(picture, write):
    """A small PNG that inflates to 200 MB is decoded to its size and no further."""
    found = decode_file(write(with_pixels(picture("png"), b"\0" * 200_000_000)), None)
    assert isinstance(found, (Decoded, BadImage))


@pytest.mark.parametrize("data", [b"<html>", b"", b"\x89PNG\r\n\x1a\n"])
def test_bad_images_are_returned(write, tmp_path, data):
    """What is not an image is a result, and makes no thumbnail."""
    assert isinstance(decode_file(write(data), tmp_path / "t"), BadImage)
    assert not list(tmp_path.glob("t.*"))


def test_thumbnail_that_cannot_be_written(picture, write, tmp_path):
    """A disk that refuses is a StoreError, not a bad image."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="thumbnail"):
        decode_file(write(picture("png")), tmp_path / "file" / "t")


def test_store_makes_thumbnails(store, kept):
    """A store makes, finds and removes the thumbnail of a content."""
    stored = kept()
    assert store.thumbnail(stored.sha256) is None
    made = thumbnail_of(store, stored.sha256)
    assert made is not None
    assert made == store.thumbnail(stored.sha256) == thumbnail_of(store, stored.sha256)
    assert made.data[:3] == b"\xff\xd8\xff"
    store.delete(stored.sha256)
    assert store.thumbnail(stored.sha256) is None


def test_thumbnails_of_an_old_store(store, kept):
    """A WebP that an earlier promptlab made is used as it is, and goes with its image."""
    stored = kept()
    old = store.folder / ".thumbnails" / stored.sha256[:2] / f"{stored.sha256}.webp"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"as it was")
    assert thumbnail_of(store, stored.sha256) == Thumbnail("webp", b"as it was")
    store.delete(stored.sha256)
    assert not old.exists()


def test_no_thumbnail_of_what_is_no_image(store, kept):
    """A content that is no image has none."""
    assert thumbnail_of(store, kept(b"not a picture").sha256) is None
