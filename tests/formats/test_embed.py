"""Prompts inside copies: as the web UIs write and read them, pixels equal, signed files untouched."""

from __future__ import annotations

import io
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from promptlab.export.embed import embedded, parameters_text

ROW = {
    "prompt": 'a jug, "é" 😀 <b> שלום', "negative_prompt": "blurry", "seed": 7, "width": 63, "height": 41,
    "model": "gpt-image-2", "strength": None, "variant": "style=film,look=warm", "provider": "kairval",
    "simulated": False,
}  # fmt: skip
TEXT = parameters_text(ROW)


def read_back(data: bytes) -> str:
    """The parameters as AUTOMATIC1111 reads them: a PNG's text, else EXIF UserComment as UTF-16 big endian."""
    with Picture.open(io.BytesIO(data)) as picture:
        picture.load()
        if picture.format == "PNG":
            return str(picture.info["parameters"])
        comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment.startswith(b"UNICODE\0")
    return str(comment[8:].decode("utf-16-be"))


def test_the_layout() -> None:
    """Prompt, negative prompt, and a line of `Key: value` whose values with commas are quoted."""
    first, second, third = TEXT.split("\n")
    assert first == ROW["prompt"]
    assert second == "Negative prompt: blurry"
    assert third.startswith(
        'Seed: 7, Size: 63x41, Model: gpt-image-2, Variant: "style=film,look=warm", Provider: kairval'
    )


def test_what_is_not_known_is_left_out() -> None:
    """Without a seed or a negative prompt there is no line and no key for them; a simulated image says so."""
    text = parameters_text({"prompt": "a jug", "model": "m", "simulated": True})
    assert text.split("\n")[0] == "a jug"
    assert "Seed" not in text
    assert "Negative" not in text
    assert "SIMULATED: true" in text


def test_the_prompt_is_read_back(picture: tuple[str, bytes]) -> None:
    """From a copy in each format the text comes back to the letter."""
    copy = embedded(picture[1], TEXT)
    assert copy.why_not is None
    assert read_back(copy.data) == TEXT


def test_pixels_are_equal(picture: tuple[str, bytes]) -> None:
    """A copy has the mode, the size and every pixel of the original."""
    with (
        Picture.open(io.BytesIO(picture[1])) as before,
        Picture.open(io.BytesIO(embedded(picture[1], TEXT).data)) as after,
    ):
        assert (before.mode, before.size) == (after.mode, after.size)
        assert before.tobytes() == after.tobytes()


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_has_nothing_against_it(picture: tuple[str, bytes], tmp_path: Path) -> None:
    """`exiftool -validate` finds no error and no warning, and reads the same text."""
    path = tmp_path / picture[0]
    path.write_bytes(embedded(picture[1], TEXT).data)
    said = subprocess.run(["exiftool", "-validate", "-warning", "-error", "-a", path], capture_output=True, text=True)
    assert said.stdout.split(":")[1].strip() == "OK", said.stdout
    read = subprocess.run(["exiftool", "-b", "-UserComment", "-Parameters", path], capture_output=True, text=True)
    assert read.stdout == TEXT


def test_it_is_embedded_once() -> None:
    """A PNG that had parameters has the new ones alone."""
    from tests.formats.conftest import PICTURES  # type: ignore[import-not-found,unused-ignore]

    once = embedded(PICTURES["rgb.png"], "old")
    assert embedded(once.data, TEXT).data.count(b"parameters\0") == 1


def signed(name: str, data: bytes) -> bytes:
    """The file with the beginnings of a C2PA manifest where such a file has it."""
    box = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\0\0\0\0\0\0\0\0\0\0\0"
    if name.endswith(".png"):
        chunk = b"caBX" + box
        return data[:33] + len(box).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[33:]
    if name.endswith(".jpg"):
        body = b"JP\0\1\0\0\0\1" + box
        return data[:2] + b"\xff\xeb" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    whole = data + b"C2PA" + len(box).to_bytes(4, "little") + box
    return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]


def test_a_signed_file_stays_byte_for_byte(picture: tuple[str, bytes]) -> None:
    """A file with C2PA is copied as it is, and the reason is said."""
    data = signed(*picture)
    copy = embedded(data, TEXT)
    assert copy.data == data
    assert "signed" in str(copy.why_not)


def test_exif_of_its_own_stays() -> None:
    """A camera's EXIF is not replaced."""
    out = io.BytesIO()
    exif = Picture.Exif()
    exif[0x010F] = "a camera"
    Picture.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
    copy = embedded(out.getvalue(), TEXT)
    assert copy.data == out.getvalue()
    assert "EXIF" in str(copy.why_not)


def test_a_prompt_too_long_for_a_jpeg_is_said() -> None:
    """A JPEG's EXIF holds 64 KB: a longer text leaves the file as it is."""
    out = io.BytesIO()
    Picture.new("RGB", (8, 8)).save(out, "JPEG")
    copy = embedded(out.getvalue(), "x" * 40_000)
    assert copy.data == out.getvalue()
    assert copy.why_not


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=400))
def test_any_text_survives(text: str) -> None:
    """Any text is read back from a PNG and a WebP as it was."""
    for kind in ("PNG", "WEBP"):
        out = io.BytesIO()
        Picture.new("RGB", (3, 2)).save(out, kind)
        assert read_back(embedded(out.getvalue(), text).data) == text


@given(st.binary(max_size=200))
def test_what_is_no_image_is_left(data: bytes) -> None:
    """Bytes that are no image come back as they are, with a reason."""
    copy = embedded(data, TEXT)
    assert copy.data == data
    assert copy.why_not
