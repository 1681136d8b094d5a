"""What a file says of its own making is found where it can stand, whatever else is in the file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from promptlab.store import Store
from promptlab.store.labels import label_of

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><e:DigitalSourceType>'
    b"http://cv.iptc.org/newscodes/digitalsourcetype/%s</e:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)
AI = XMP % b"trainedAlgorithmicMedia"


def picture(format: str, **more: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((40, 30), 60).convert("RGB").save(out, {"jpg": "JPEG"}.get(format, format.upper()), **more)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, late: bool = False) -> bytes:
    data = picture("png")
    at = len(data) - 12 if late else 33
    return data[:at] + b"".join(chunks) + data[at:]


def jumbf() -> bytes:
    """The beginning of a C2PA manifest store: a superbox with its description."""
    uuid = bytes.fromhex("63327061001100108000 00aa00389b71".replace(" ", ""))
    description = uuid + b"\3c2pa\0"
    box = struct.pack(">I", 8 + len(description)) + b"jumd" + description
    return struct.pack(">I", 8 + len(box)) + b"jumb" + box


def jpg(*segments: tuple[int, bytes]) -> bytes:
    data = picture("jpg")
    made = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return data[:2] + made + data[2:]


def webp(kind: bytes, body: bytes) -> bytes:
    data = picture("webp", exif=Image.Exif(), xmp=b"x")  # with VP8X
    data += kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


Content = bytes  # in a class that has an attribute of that name
ITXT = b"XML:com.adobe.xmp\0"
APP11 = b"JP\0\1\0\0\0\1" + jumbf()
APP1 = b"http://ns.adobe.com/xap/1.0/\0"
CASES = {
    "a plain png": ("png", png(), "none"),
    "a plain jpg": ("jpg", jpg(), "none"),
    "a plain webp": ("webp", picture("webp"), "none"),
    "a signed png": ("png", png(chunk(b"caBX", jumbf())), "c2pa"),
    "a signed jpg": ("jpg", jpg((0xEB, APP11)), "c2pa"),
    "a signed webp": ("webp", webp(b"C2PA", jumbf()), "c2pa"),
    "a labelled png": ("png", png(chunk(b"iTXt", ITXT + b"\0\0\0\0" + AI)), "iptc"),
    "one with its text compressed": ("png", png(chunk(b"iTXt", ITXT + b"\1\0en\0\0" + zlib.compress(AI))), "iptc"),
    "one with its text after the pixels": ("png", png(chunk(b"iTXt", ITXT + b"\0\0\0\0" + AI), late=True), "iptc"),
    "a labelled jpg": ("jpg", jpg((0xE1, APP1 + AI)), "iptc"),
    "one whose packet is long": (
        "jpg", jpg((0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"a" * 40 + AI)), "iptc"),
    "a labelled webp": ("webp", webp(b"XMP ", AI), "iptc"),
    "in UTF-16": ("webp", webp(b"XMP ", AI.decode().encode("utf-16")), "iptc"),
    "a composite": ("webp", webp(b"XMP ", XMP % b"compositeWithTrainedAlgorithmicMedia"), "iptc"),
    "both": ("jpg", jpg((0xE1, APP1 + AI), (0xEB, APP11)), "c2pa iptc"),
    "a photo": ("jpg", jpg((0xE1, APP1 + XMP % b"digitalCapture")), "none"),
    "other JUMBF": ("jpg", jpg((0xEB, b"JP\0\1\0\0\0\1" + b"\0\0\0\x20jumb" + b"x" * 40)), "none"),
    "a text that only speaks of it": ("png", png(chunk(b"tEXt", b"Comment\0" + AI)), "none"),
    "XMP without a word of it": ("webp", webp(b"XMP ", b"<x/>"), "none"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_it_says_is_found(case: str, tmp_path: Path) -> None:
    """From bytes, and from the part of a download, alike."""
    format, data, expected = CASES[case]
    assert label_of(data, format) == expected
    with Store(tmp_path / "images").part() as part:
        part.write(data)
        assert label_of(part, format) == expected


@given(st.sampled_from(["png", "jpg", "webp", "gif"]), st.binary(max_size=400))
def test_no_bytes_raise(format: str, data: bytes) -> None:
    """Whatever the bytes, it is one of four words."""
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF\xff\xff\xff\xffWEBP"):
        assert label_of(start + data, format) in ("none", "c2pa", "iptc", "c2pa iptc")


@given(st.sampled_from(sorted(CASES)), st.data())
def test_damage_raises_nothing(case: str, data: st.DataObject) -> None:
    """A file with some bytes changed, or cut, is still one of four words."""
    format, content, _ = CASES[case]
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    assert label_of(bytes(damaged[:cut]), format) in ("none", "c2pa", "iptc", "c2pa iptc")


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("png", b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"") * 400_000),
        ("png", png(chunk(b"iTXt", ITXT + b"\1\0\0\0" + zlib.compress(b"DigitalSourceType" * 9_000_000)))),
        ("jpg", b"\xff\xd8" + b"\xff" * 3_000_000),
        ("jpg", b"\xff\xd8" + (b"\xff\xe1\xff\xff" + APP1.ljust(0xFFFD, b"D")) * 100),
        ("webp", b"RIFF\xff\xff\xff\xffWEBP" + b"XMP \0\0\0\0" * 400_000),
    ],
    ids=["a million chunks", "a bomb", "fill bytes", "packets", "empty packets"],
)
def test_a_hostile_file_is_read_in_bounds(format: str, data: bytes) -> None:
    """Parts, packets and what is unpacked are counted, and then it ends."""
    reads = 0

    class Counted:
        bytes = len(data)

        def read(self, offset: int, length: int) -> Content:
            nonlocal reads
            reads += 1
            assert length <= 1 << 20
            return data[offset : offset + length]

    assert label_of(Counted(), format) == "none"
    assert reads < 10_000
