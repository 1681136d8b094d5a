"""A copy says that it was generated, in every format, without a pixel or anything else of it changing."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from promptlab.export.labels import SOURCE_TYPE, labelled
from promptlab.store import sniff
from promptlab.store.labels import label_of

SHA = "ab" * 32
KEPT = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="a studio"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def saved(format: str, mode: str = "RGB", **more: object) -> bytes:
    picture = Image.effect_noise((64, 47), 60).convert("RGB").convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize((64, 47)))
    out = io.BytesIO()
    picture.save(out, format, **more)
    return out.getvalue()


def exif() -> bytes:
    tags = Image.Exif()
    for tag, value in ((0x011A, 72.0), (0x011B, 72.0), (0x0128, 2), (0x0213, 1), (0x010E, "a cup")):
        tags[tag] = value
    return tags.tobytes()


PICTURES = {
    "png": ("png", saved("PNG")),
    "png, alpha": ("png", saved("PNG", "RGBA")),
    "png, palette": ("png", saved("PNG", "P")),
    "png, exif": ("png", saved("PNG", exif=exif())),
    "jpg": ("jpg", saved("JPEG")),
    "jpg, progressive": ("jpg", saved("JPEG", progressive=True)),
    "jpg, grey": ("jpg", saved("JPEG", "L")),
    "jpg, exif": ("jpg", saved("JPEG", exif=exif())),
    "jpg, profile": ("jpg", saved("JPEG", icc_profile=b"")),
    "jpg, XMP": ("jpg", saved("JPEG", xmp=KEPT)),
    "webp": ("webp", saved("WEBP")),
    "webp, lossless": ("webp", saved("WEBP", lossless=True)),
    "webp, alpha": ("webp", saved("WEBP", "RGBA")),
    "webp, lossless alpha": ("webp", saved("WEBP", "RGBA", lossless=True)),
    "webp, exif": ("webp", saved("WEBP", exif=exif())),
    "webp, XMP": ("webp", saved("WEBP", xmp=KEPT)),
}


def pixels(data: bytes) -> tuple[object, ...]:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.mode, picture.size, picture.tobytes(), picture.getexif().tobytes()


@pytest.mark.parametrize("name", PICTURES)
def test_the_label_changes_no_pixel(name: str) -> None:
    """It is found again, the picture and its Exif are the same, and a second time nothing changes at all."""
    format, data = PICTURES[name]
    made = labelled(data, format, prompt_sha256=SHA)
    assert (label_of(data, format), label_of(made, format)) == ("none", "iptc")
    assert pixels(made) == pixels(data)
    assert sniff(made) == sniff(data)
    assert labelled(made, format, prompt_sha256="another") == made
    assert len(made) < len(data) + 1100


@pytest.mark.parametrize("name", [name for name in PICTURES if "XMP" in name])
def test_what_the_picture_says_already_stays(name: str) -> None:
    """The label is added to a packet that is there, and there is still one."""
    format, data = PICTURES[name]
    made = labelled(data, format, prompt_sha256=SHA)
    assert (b"a studio" in made, made.count(b"<rdf:RDF"), made.count(b"DigitalSourceType=")) == (True, 1, 1)


@pytest.mark.parametrize("name", ["png", "jpg", "webp"])
def test_a_signed_file_is_left_alone(name: str) -> None:
    """One byte more would make it "tampered"."""
    format, data = PICTURES[name]
    signed = {
        "png": data[:33] + b"\0\0\0\0caBX" + b"\x00\x00\x00\x00" + data[33:],
        "jpg": data[:2] + b"\xff\xeb\0\x2aJP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa" + b"\0" * 12 + data[2:],
        "webp": data[:4] + (len(data)).to_bytes(4, "little") + data[8:] + b"C2PA\0\0\0\0",
    }[format]
    assert label_of(signed, format) == "c2pa"
    assert labelled(signed, format, prompt_sha256=SHA) == signed


def test_what_is_simulated_says_so() -> None:
    """In the tool's name: nobody should take it for a model's work."""
    made = labelled(PICTURES["png"][1], "png", prompt_sha256=SHA, simulated=True)
    assert b"SIMULATED" in made
    assert b"SIMULATED" not in labelled(PICTURES["png"][1], "png", prompt_sha256=SHA)


@given(st.sampled_from(sorted(PICTURES)), st.data())
def test_a_damaged_file_is_a_sentence(name: str, data: st.DataObject) -> None:
    """A cut file is labelled or refused with ValueError, and never anything else."""
    format, content = PICTURES[name]
    cut = content[: data.draw(st.integers(12, len(content)))]
    try:
        made = labelled(cut, format, prompt_sha256=SHA)
    except ValueError:
        return
    assert label_of(made, format) == "iptc"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="Debian's libimage-exiftool-perl; .ci/run installs it")
def test_exiftool_has_nothing_against_it(tmp_path: Path) -> None:
    """Every format in every form is valid by `exiftool -validate`, and says what it should."""
    for name, (format, data) in PICTURES.items():
        file = tmp_path / f"{name.replace(', ', '_').replace(' ', '_')}.{format}"
        file.write_bytes(labelled(data, format, prompt_sha256=SHA))
    asked = ["exiftool", "-validate", "-warning", "-error", "-a", "-j", "-DigitalSourceType", "-CreatorTool",
             "-PromptSHA256", str(tmp_path)]  # fmt: skip
    told = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    assert len(told) == len(PICTURES)
    for each in told:
        assert (each["Validate"], each.get("Warning"), each.get("Error")) in (("OK", None, None), (0, None, None)), each
        assert (each["DigitalSourceType"], each["PromptSHA256"]) == (SOURCE_TYPE, SHA)
        assert each["CreatorTool"].startswith("promptlab ")
