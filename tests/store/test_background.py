"""The processes that make images durable and look at their pixels."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptlab.errors import StoreError
from promptlab.store import BadImage, Decoded, Store, background
from promptlab.store.background import Keeper, Pixels


@pytest.fixture(autouse=True)
def _no_part_is_one_of_a_few(monkeypatch):
    """Tests keep a few parts; they ask the child all the same."""
    monkeypatch.setattr(background, "_FEW", 0)


def written(store: Store, data: bytes):
    """A part that holds these bytes."""
    part = store.part()
    part.write(data)
    return part


def look(store: Store, hashes, **options) -> list[tuple[str, Decoded | BadImage]]:
    """What Pixels finds, in the order it is found."""
    found = []

    async def main():
        async with Pixels(store, lambda sha256, result: found.append((sha256, result)), **options) as pixels:
            for sha256 in hashes:
                pixels.look(sha256)
            await pixels.decoded()

    asyncio.run(main())
    return found


def test_keeper(store, picture):
    """Parts are in the store under their hashes, each content once, and no part is left."""
    images = [picture("png", seed=seed) for seed in (1, 2, 3, 1)]

    async def main():
        async with Keeper(store) as keeper:
            return await asyncio.gather(*(keeper.put_new(written(store, data), "png") for data in images))

    kept = asyncio.run(main())
    assert [store.get(stored.sha256) for stored in kept] == images
    assert [stored.bytes for stored in kept] == [len(data) for data in images]
    assert sorted(store.list()) == sorted({hashlib.sha256(data).hexdigest() for data in images})
    assert list((store.folder / ".part").iterdir()) == []


def test_a_few_parts_need_no_process(store, picture, monkeypatch):
    """A run of a few images starts no process to keep them, and says what the disk refuses all the same."""
    monkeypatch.setattr(background, "_FEW", 8)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    refused = picture("png", seed=3)

    async def main():
        async with Keeper(store) as keeper:
            await keeper.put_new(written(store, picture("png")), "png")
            (store.folder / hashlib.sha256(refused).hexdigest()[:2]).write_text("a file is in the way")
            with pytest.raises(StoreError, match="move it away"):
                await keeper.put_new(written(store, refused), "png")

    asyncio.run(main())
    assert store.get(hashlib.sha256(picture("png")).hexdigest()) == picture("png")
    assert list((store.folder / ".part").iterdir()) == []


def test_a_keeper_says_what_the_disk_refuses(store, picture):
    """An image whose folder can't be written is a StoreError with a remedy; those beside it are kept."""
    good, bad = picture("png", seed=1), picture("png", seed=2)
    (store.folder).mkdir()
    (store.folder / hashlib.sha256(bad).hexdigest()[:2]).write_text("a file is in the way")

    async def main():
        async with Keeper(store) as keeper:
            parts = [keeper.put_new(written(store, data), "png") for data in (good, bad, good)]
            return await asyncio.gather(*parts, return_exceptions=True)

    first, refused, last = asyncio.run(main())
    assert first == last
    assert isinstance(refused, StoreError)
    assert "move it away" in str(refused)
    assert list((store.folder / ".part").iterdir()) == []


def test_a_keeper_survives_its_child(store, picture):
    """Where the child is killed, the parts that waited for it are asked for again."""

    async def main():
        async with Keeper(store) as keeper:
            await keeper.put_new(written(store, picture("png")), "png")
            assert keeper._child is not None
            os.kill(keeper._child._process.pid, signal.SIGKILL)
            parts = (written(store, picture("png", seed=seed)) for seed in range(2, 7))
            return await asyncio.gather(*(keeper.put_new(part, "png") for part in parts))

    assert len({stored.sha256 for stored in asyncio.run(main())}) == 5


def test_a_rename_before_a_kill(store, picture):
    """A part that was renamed by a child that was killed before it answered counts as kept."""

    async def main():
        async with Keeper(store) as keeper:
            part = written(store, picture("png"))
            final = store.file_of(part.stored("png"))
            final.parent.mkdir()
            part.path.rename(final)
            return await keeper.put_new(part, "png")

    assert store.get(asyncio.run(main()).sha256) == picture("png")


def test_a_keeper_looks_at_no_pixel(store):
    """What is put is kept as it is; whether it is an image is another's question."""

    async def main():
        async with Keeper(store) as keeper:
            return await keeper.put_new(written(store, b"no image"), "png")

    assert store.get(asyncio.run(main()).sha256) == b"no image"


@pytest.mark.parametrize("thumbnails", [True, False])
def test_pixels(store, kept, picture, thumbnails):
    """Every image that is looked at has its result, good or bad, and a good one its thumbnail if wanted."""
    good = [kept(picture("png", seed=seed)).sha256 for seed in range(5)]
    bad = kept(picture("png", seed=9)[:-12] + b"\0\0\0\0IEND\xaeB`\x83").sha256
    found = dict(look(store, [*good, bad], thumbnails=thumbnails))
    assert found.keys() == {*good, bad}
    assert all(isinstance(found[sha256], Decoded) for sha256 in good)
    assert isinstance(found[bad], BadImage)
    assert [store.thumbnail(sha256) is not None for sha256 in [*good, bad]] == [thumbnails] * 5 + [False]


def test_pixels_of_nothing(store):
    """Without an image no process is started and nothing is waited for."""
    assert look(store, []) == []


def test_pixels_that_are_gone(store):
    """An image whose file is gone is a StoreError for who waits, not a bad image."""
    with pytest.raises(StoreError, match="moved or removed"):
        look(store, ["0" * 64])


def test_an_error_of_the_callback(store, kept):
    """What the callback raises reaches who waits."""

    async def main():
        def found(*_):
            raise StoreError("the log is full")

        async with Pixels(store, found) as pixels:
            pixels.look(kept().sha256)
            await pixels.decoded()

    with pytest.raises(StoreError, match="the log is full"):
        asyncio.run(main())


def test_leaving_early(store, kept, picture):
    """Leaving without waiting ends the processes; what has not been looked at stays so."""
    hashes = [kept(picture("png", seed=seed)).sha256 for seed in range(40)]
    found = []

    async def main():
        async with Pixels(store, lambda *result: found.append(result)) as pixels:
            for sha256 in hashes:
                pixels.look(sha256)

    asyncio.run(main())
    assert len(found) < 40


def test_pixels_survive_a_killed_process(store, kept, picture):
    """A process that is killed is started again, and the image that it was at is decoded."""
    found = []
    hashes = [kept(picture("png", seed=seed)).sha256 for seed in range(5)]

    async def main():
        async with Pixels(store, lambda _, result: found.append(result)) as pixels:
            pixels.look(hashes[0])
            await pixels.decoded()
            os.kill(pixels._idle[0]._process.pid, signal.SIGKILL)
            for sha256 in hashes:
                pixels.look(sha256)
            await pixels.decoded()

    asyncio.run(main())
    assert [type(result) for result in found] == [Decoded] * 6


def test_an_image_that_kills_its_process(store, kept, picture, tmp_path, monkeypatch):
    """An image that kills its process each time is a bad image; those behind it are not."""
    good, deadly, last = (kept(picture("png", seed=seed)).sha256 for seed in (1, 2, 3))
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\necho ready\nwhile read line; do\n"
        f'case $line in *{deadly}*) exit 9;; esac\necho \'["decoded", "0", 1, 1]\'\ndone\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    found = dict(look(store, [good, deadly, last]))
    assert "crashes" in str(found[deadly])
    assert found[good] == found[last] == Decoded("0", 1, 1)


def test_a_process_that_cannot_start(store, kept, picture, monkeypatch):
    """Where no process can be started the user is told, and no image is called bad or lost."""
    stored = kept()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StoreError, match="cannot be started"):
        look(store, [stored.sha256])

    async def keep():
        async with Keeper(store) as keeper:
            await keeper.put_new(written(store, picture("png", seed=2)), "png")

    with pytest.raises(StoreError, match="cannot be started"):
        asyncio.run(keep())


RUN = """
import asyncio, os, pathlib, signal, sys
print("main runs", flush=True)
from promptlab.store import Store
from promptlab.store import background
from promptlab.store.background import Keeper, Pixels
background._FEW = 0
async def main(folder, image, mode):
    store = Store(pathlib.Path(folder))
    async with Keeper(store) as keeper, Pixels(store, lambda *_: None) as pixels:
        part = store.part()
        part.write(pathlib.Path(image).read_bytes())
        pixels.look((await keeper.put_new(part, "png")).sha256)
        await pixels.decoded()
        print(keeper._child._process.pid, *(child._process.pid for child in pixels._idle), flush=True)
        if mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        os.killpg(0, signal.SIGINT)  # what Ctrl-C does
        await asyncio.sleep(5)
try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize("mode", ["interrupt", "kill"])
def test_processes_of_a_script(picture, tmp_path, mode):
    """They neither run the caller's script again, nor print on Ctrl-C, nor outlive a killed parent."""
    (tmp_path / "image").write_bytes(picture("png"))
    (tmp_path / "PIL.py").write_text("raise SystemExit('the wrong PIL')")
    (tmp_path / "script.py").write_text(RUN)
    run = subprocess.run(
        [sys.executable, "-P", "script.py", "images", "image", mode],
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
    children = [int(word) for word in lines[1].split()]
    assert len(children) == 2
    deadline = time.monotonic() + 10
    while any(map(runs, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(runs, children))


def runs(pid: int) -> bool:
    """Whether that process is still there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_processes_see_no_keys_and_are_nice(store, kept, monkeypatch):
    """What decodes untrusted bytes is started without the keys of the environment, and with the lowest priority."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_secret")

    async def main():
        async with Pixels(store, lambda *_: None) as pixels:
            pixels.look(kept().sha256)
            await pixels.decoded()
            pid = pixels._idle[0]._process.pid
            return Path(f"/proc/{pid}/environ").read_bytes(), os.getpriority(os.PRIO_PROCESS, pid)

    environ, priority = asyncio.run(main())
    assert b"kv_secret" not in environ
    assert priority == 19
