"""What a file is, judged from its header and its end alone."""

import pickle
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.store import BadImage, Sniffed, Store, check, sniff

VARIANTS = [
    ("png", {}),
    ("png", {"mode": "RGBA", "optimize": True}),
    ("png", {"mode": "L"}),
    ("jpg", {"quality": 90}),
    ("jpg", {"progressive": True}),
    ("jpg", {"mode": "L", "restart_marker_rows": 1, "comment": b"\xff\xd9 in a comment"}),
    ("webp", {}),
    ("webp", {"lossless": True}),
    ("webp", {"mode": "RGBA", "exif": b"Exif\0\0odd"}),
]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with a right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes, *, depth=8, colour=2) -> bytes:
    """A PNG as written by hand."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def kind_of(data) -> str:
    """Why it is refused."""
    bad = sniff(data)
    assert isinstance(bad, BadImage)
    assert str(bad) == bad.message
    return bad.kind


@pytest.mark.parametrize(("format", "options"), VARIANTS)
@pytest.mark.parametrize("after", [b"", b"\0trailing"])
def test_whole_images(picture, format, options, after, tmp_path):
    """A whole image gives its format and size, from bytes or a part, with bytes after its end or without."""
    data = picture(format, **options) + after
    assert sniff(data) == Sniffed(format, 40, 24)
    with Store(tmp_path / "images").part() as part:
        part.write(data)
        assert sniff(part) == Sniffed(format, 40, 24)
        part.write(b"more")
        assert part.read(len(data), 4) == b"more"


@pytest.mark.parametrize(("format", "options"), VARIANTS)
@given(data=st.data())
def test_no_prefix_is_whole(picture, format, options, data):
    """An image that breaks off anywhere is refused."""
    whole = picture(format, **options)
    kind_of(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.sampled_from(["png", "jpg", "webp"]), st.data())
def test_any_bytes_have_an_answer(picture, format, data):
    """Whatever the bytes, the answer is a format or a BadImage; nothing is raised."""
    whole = bytearray(picture(format))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    seen = sniff(bytes(whole))
    assert isinstance(seen, BadImage) or seen.format in ("png", "jpg", "webp")


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", "empty", "an empty file, not a png, jpg or webp image"),
        (b"<!DOCTYPE html><html><body>gone", "not_an_image", "an HTML page, not a png, jpg or webp image"),
        (b"\xef\xbb\xbf\n <html>", "not_an_image", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "not_an_image", "an XML document"),
        (b"<?xml version='1.0'?>\n<svg xmlns=", "not_an_image", "an svg"),
        (b'{"error": {"code": "expired"}}', "not_an_image", "a JSON document"),
        (b"this URL has expired", "not_an_image", "a text"),
        (b"%PDF-1.7 \xff\xff", "not_an_image", "a pdf"),
        (b"GIF89a\x01\0\x01\0", "unsupported", "a gif image"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "unsupported", "an avif image"),
        (b"\0\x01\x02\x03", "not_an_image", "begins with 00 01 02 03"),
        (b"RIFF\x04\0\0\0WAVE", "not_an_image", "not an image"),
    ],
)
def test_strangers(data, kind, words):
    """What came instead of an image is named."""
    assert kind_of(data) == kind
    bad = sniff(data)
    assert isinstance(bad, BadImage)
    assert words in bad.message


def test_bombs(picture):
    """Headers that claim too many pixels are refused before anything is decoded."""
    assert kind_of(png(50_000, 50_000, b"\0" * 10)) == "too_large"
    webp = bytearray(picture("webp", mode="RGBA", exif=b"Exif\0\0odd"))
    webp[24:30] = b"\xff" * 6
    assert kind_of(bytes(webp)) == "too_large"
    jpg = bytearray(picture("jpg"))
    frame = jpg.index(b"\xff\xc0")
    jpg[frame + 5 : frame + 9] = b"\xff" * 4
    assert kind_of(bytes(jpg)) == "too_large"
    bad = sniff(png(50_000, 50_000, b""))
    assert isinstance(bad, BadImage)
    assert "more than 100,000,000" in bad.message


@pytest.mark.parametrize(
    "data",
    [
        png(0, 3, b"\0"),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xd9",
        b"\xff\xd8\xff\xe0\0\x01ab\xff\xd9",
        b"\xff\xd8\xff\xe0\0\x04abcd\xff\xd9",
        b"RIFF\x0c\0\0\0WEBPEXIF\0\0\0\0",
        b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2e\0\0\0\0\0",
        b"RIFF\x0c\0\0\0WEBPVP8 \xff\0\0\0",
        png(1, 1, b"\0\0\0\0")[:-1] + b"\0 and more",
    ],
)
def test_damaged(data):
    """Structures that are whole but make no image are damaged."""
    assert kind_of(data) == "damaged"


def test_bad_image_travels():
    """A BadImage pickles with its kind and message."""
    bad = pickle.loads(pickle.dumps(BadImage("truncated", "half of it")))
    assert (bad.kind, bad.message, str(bad)) == ("truncated", "half of it", "half of it")


@given(data=st.data())
def test_every_byte_of_a_source_png_counts(picture, data):
    """What is about to be edited has its checksums compared: any byte changed is refused before anything is sent."""
    whole = bytearray(picture("png"))
    assert check(bytes(whole)) == sniff(bytes(whole))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    assert isinstance(check(bytes(whole)), BadImage)
