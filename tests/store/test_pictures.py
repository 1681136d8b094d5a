"""Full decode, thumbnails, hashes, and the worker that makes them."""

import asyncio
import io
import os
import pickle
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from promptlab.errors import StoreError
from promptlab.store import BadImage, Decoded, Decoder, Store, decode_and_thumbnail


def perceptual_hash(path: str) -> str:
    """Of a file that can be decoded."""
    found = decode_and_thumbnail(path, None)
    assert isinstance(found, Decoded)
    return str(found.perceptual_hash)


def distance(one: str, two: str) -> int:
    """How many of the 64 bits differ."""
    return (int(one, 16) ^ int(two, 16)).bit_count()


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file; its path as text."""

    def to(data: bytes, name: str = "image") -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return to


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_thumbnail(picture, write, tmp_path, format, mode):
    """Any image gives a WebP of at most 384 px in its shape, a hash of 16 digits, and its size; all of it pickles."""
    if (format, mode) == ("jpg", "RGBA"):
        mode = "RGB"
    found = decode_and_thumbnail(write(picture(format, size=(800, 400), mode=mode)), str(tmp_path / "t" / "a.webp"))
    assert isinstance(found, Decoded)
    assert found == Decoded(found.perceptual_hash, 800, 400)
    assert len(found.perceptual_hash) == 16
    assert pickle.loads(pickle.dumps(found)) == found
    with Image.open(tmp_path / "t" / "a.webp") as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (384, 192))
        assert (thumbnail.mode == "RGBA") == (mode == "RGBA")
    assert os.listdir(tmp_path / "t") == ["a.webp"]


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
    assert decode_and_thumbnail(write(file.getvalue()), str(tmp_path / "t.webp")) == Decoded("0" * 16, 400, 200)
    with Image.open(tmp_path / "t.webp") as thumbnail:
        assert thumbnail.size == (192, 384)
        assert not thumbnail.getexif()
    assert b"secret" not in (tmp_path / "t.webp").read_bytes()


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
    found = decode_and_thumbnail(write(with_pixels(picture("png"), b"\0" * 100)), None)
    assert isinstance(found, BadImage)
    assert found.kind == "damaged"


def test_pixels_without_end(picture, write):
    """A small PNG that inflates to 200 MB is decoded to its size and no further."""
    found = decode_and_thumbnail(write(with_pixels(picture("png"), b"\0" * 200_000_000)), None)
    assert isinstance(found, (Decoded, BadImage))


@pytest.mark.parametrize("data", [b"<html>", b"", b"\x89PNG\r\n\x1a\n"])
def test_bad_images_are_returned(write, tmp_path, data):
    """What is not an image is a result, and makes no thumbnail."""
    assert isinstance(decode_and_thumbnail(write(data), str(tmp_path / "t.webp")), BadImage)
    assert not (tmp_path / "t.webp").exists()


def test_thumbnail_that_cannot_be_written(picture, write, tmp_path):
    """A disk that refuses is a StoreError, not a bad image."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="thumbnail"):
        decode_and_thumbnail(write(picture("png")), str(tmp_path / "file" / "t.webp"))


def test_store_makes_thumbnails(store, kept):
    """A store makes, finds and removes the thumbnail of a content."""
    stored = kept()
    assert store.thumbnail(stored.sha256) is None
    assert isinstance(store.make_thumbnail(stored.sha256), Decoded)
    assert store.thumbnail(stored.sha256) == store.thumbnail_path(stored.sha256)
    store.remove(stored.sha256)
    assert store.thumbnail(stored.sha256) is None


def test_decoder(picture, write, tmp_path):
    """A decoder answers as the function does: images, bad images, and errors of the disk, in order."""
    good, bad = Path(write(picture("png"), "good")), Path(write(b"<html>", "bäd"))

    async def main():
        async with Decoder() as decoder:
            first = decoder.decode(good, tmp_path / "t.webp")
            second = decoder.decode(bad, None)
            third = decoder.decode(tmp_path / "nowhere", None)
            return await asyncio.gather(first, second, third, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert first == decode_and_thumbnail(str(good), None)
    assert (second.kind, type(third)) == ("not_an_image", StoreError)
    assert (tmp_path / "t.webp").exists()


def test_decoder_keeps(picture, tmp_path):
    """A part that a decoder keeps is in the store under its hash, with its thumbnail, and is not a part any more."""
    store = Store(tmp_path / "images")
    data = picture("png")

    async def main():
        async with Decoder() as decoder:
            part = store.part()
            part.write(data)
            return await decoder.keep(part, "png", store.thumbnail_path(part.sha256))

    stored, decoded = asyncio.run(main())
    assert store.read(stored.sha256) == data
    assert store.thumbnail(stored.sha256) is not None
    assert isinstance(decoded, Decoded)
    assert list((tmp_path / "images" / ".part").iterdir()) == []


def test_decoder_survives_its_worker(picture, write):
    """A worker that is killed is started again, and the images that waited for it are decoded."""
    good = Path(write(picture("png")))

    async def main():
        async with Decoder() as decoder:
            await decoder.decode(good, None)
            os.kill(decoder.pid or 0, signal.SIGKILL)
            return await asyncio.gather(*(decoder.decode(good, None) for _ in range(5)))

    assert all(isinstance(found, Decoded) for found in asyncio.run(main()))


def test_an_image_that_kills_the_worker(picture, write, tmp_path, monkeypatch):
    """An image that kills the worker each time is a bad image; those that waited behind it are not."""
    good, deadly = Path(write(picture("png"), "good")), tmp_path / "deadly"
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\necho ready\nwhile read line; do\n"
        'case $line in *deadly*) exit 9;; esac\necho \'["decoded", "0", 1, 1]\'\ndone\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))

    async def main():
        async with Decoder() as decoder:
            return await asyncio.gather(*(decoder.decode(path, None) for path in (good, deadly, good, good)))

    first, second, *rest = asyncio.run(main())
    assert "crashes" in second.message
    assert [type(found) for found in (first, *rest)] == [Decoded] * 3


def test_a_decoder_that_cannot_start(picture, write, monkeypatch):
    """Where no worker can be started the user is told, and no image is called bad."""
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def main():
        async with Decoder() as decoder:
            await decoder.decode(Path(write(picture("png"))), None)

    with pytest.raises(StoreError, match="cannot be started"):
        asyncio.run(main())


RUN = """
import asyncio, os, pathlib, signal, sys
print("main runs", flush=True)
from promptlab.store import Decoder
async def main(path, mode):
    decoder = Decoder()
    await decoder.decode(path, None)
    print(decoder.pid, flush=True)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os.killpg(0, signal.SIGINT)  # what Ctrl-C does
    await asyncio.sleep(5)
try:
    asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize("mode", ["interrupt", "kill"])
def test_worker_of_a_script(picture, write, tmp_path, mode):
    """The worker neither runs the caller's script again, nor prints on Ctrl-C, nor outlives a killed parent."""
    image = write(picture("png"))
    (tmp_path / "PIL.py").write_text("raise SystemExit('the wrong PIL')")
    (tmp_path / "script.py").write_text(RUN)
    run = subprocess.run(
        [sys.executable, "-P", "script.py", image, mode],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
        timeout=20,
        check=False,
    )
    lines = run.stdout.splitlines()
    assert lines[0] == "main runs"
    assert lines[2:] == (["interrupted"] if mode == "interrupt" else [])
    assert run.stderr == ""
    assert run.returncode == (0 if mode == "interrupt" else -signal.SIGKILL)
    deadline = time.monotonic() + 10
    while runs(int(lines[1])) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(int(lines[1]))


def runs(pid: int) -> bool:
    """Whether that process is still there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_worker_sees_no_keys(picture, write, monkeypatch):
    """The worker, which reads untrusted bytes, is started without the keys of the environment."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_secret")
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc")

    async def main():
        async with Decoder() as decoder:
            await decoder.decode(Path(write(picture("png"))), None)
            return Path(f"/proc/{decoder.pid}/environ").read_bytes()

    assert b"kv_secret" not in asyncio.run(main())
