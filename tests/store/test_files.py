"""The store: once by content, whole or not at all, under names that stay inside."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import StoreError
from promptlab.store import Store
from promptlab.store import local as files_module
from promptlab.store.local import safe_name


def everything(folder: Path) -> list[str]:
    """All files below, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_kept_by_content(store, kept, picture):
    """A file is kept under its hash, once, whatever the number of times it comes."""
    data = picture("png")
    first, second = kept(data), kept(data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert first == second
    assert (first.sha256, first.bytes) == (sha256, len(data))
    assert everything(store.folder) == [f"{sha256[:2]}/{sha256}.png"]
    assert store.get(sha256) == data
    assert store.head(sha256) == first
    assert store.local_copy(sha256).read_bytes() == data
    assert store.sign(sha256) is None
    assert list(store.list()) == [sha256]


def test_nothing_is_written_by_looking(store):
    """Opening and reading an empty store makes no folder."""
    assert store.head("0" * 64) is None
    assert store.missing(["0" * 64]) == ["0" * 64]
    assert list(store.list()) == []
    assert not store.folder.exists()


def test_discarded(store, picture):
    """A part that is not kept leaves nothing, also when its block raises."""
    with store.part() as part:
        part.write(b"half")
        assert part.read(1, 2) == b"al"
        part.write(b"!")
        assert part.head == b"half!"
        assert part.sha256 == hashlib.sha256(b"half!").hexdigest()
    with suppress(ZeroDivisionError), store.part() as part:
        part.write(b"half" * 100_000)
        raise ZeroDivisionError
    assert everything(store.folder) == []


def test_verify(store, kept):
    """Verify reads the bytes again; a damaged file is replaced when its content comes again in another size."""
    stored = kept()
    assert store.verify(stored.sha256) == "ok"
    store.local_copy(stored.sha256).write_bytes(b"cut")
    assert store.verify(stored.sha256) == "damaged"
    kept()
    assert store.verify(stored.sha256) == "ok"
    assert store.delete(stored.sha256) == stored.bytes
    assert store.verify(stored.sha256) == "missing"
    with pytest.raises(StoreError, match="moved or removed"):
        store.get(stored.sha256)


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 65])
def test_only_hashes_become_paths(store, text):
    """A text that is not a sha256 is never made into a path."""
    for method in (store.head, store.get, store.delete, store.sign, store.local_copy, store.thumbnail, store.verify):
        with pytest.raises(StoreError, match="is not the sha256"):
            method(text)


def test_unknown_format(store):
    """Only the three formats are kept."""
    with store.part() as part, pytest.raises(StoreError, match="png, jpg, webp"):
        store.put_new(part, "../x")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "quota"), (errno.EROFS, "read-only"), (errno.EACCES, "permiss")],
)
@pytest.mark.parametrize("step", ["fsync", "rename", "mkdir"])
def test_disk_refuses(store, kept, monkeypatch, number, words, step):
    """A full or read-only disk is a sentence with a remedy, and no part and no half file stays."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    (store.folder / ".part").mkdir(parents=True)
    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(files_module.os, "fsync", refuse)
        elif step == "rename":
            patch.setattr(Path, "replace", refuse)
        else:
            patch.setattr(files_module, "_make_folder", refuse)
        with pytest.raises(StoreError, match=words):
            kept()
    assert everything(store.folder) == []
    kept()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_really_full(store):
    """A disk that is full when the buffer is written out is reported by write or keep, and the part goes."""
    with store.part() as part:
        path = part.path
        part._file.close()
        part._file = open("/dev/full", "wb", buffering=1024)  # noqa: SIM115 - the part closes it
        with pytest.raises(StoreError, match="free some space"):
            part.write(b"x" * 2000)
    assert not path.exists()


def test_folder_is_a_file(tmp_path):
    """An images folder that is a file is a sentence with a remedy."""
    (tmp_path / "images").write_text("")
    with pytest.raises(StoreError, match="choose another"):
        Store(tmp_path / "images").part()


KILLED = """
import os, pathlib, signal, sys
from promptlab.store import Store
part = Store(pathlib.Path(sys.argv[1])).part()
part.write(b"x" * 1000000)
part._file.flush()
print("written", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_leftovers_are_swept(store):
    """What a killed process left is removed by the next one; what a live one is writing stays."""
    with store.part() as mine:
        killed = subprocess.run([sys.executable, "-c", KILLED, store.folder], stdout=subprocess.PIPE, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(everything(store.folder)) == 2
        with Store(store.folder).part():
            assert len(everything(store.folder)) == 2
            assert mine.path.exists()


def test_link(store, kept, picture):
    """A readable name is a hard link; linking again changes nothing; another content takes the name over."""
    one, two = kept(picture("png", seed=1)), kept(picture("png", seed=2))
    path = store.link(one.sha256, "hero/style=film_s1.png")
    assert path == store.names / "hero" / "style=film_s1.png"
    assert path.samefile(store.local_copy(one.sha256))
    assert store.link(one.sha256, path) == path
    assert store.link(two.sha256, Path("hero/style=film_s1.png")).samefile(store.local_copy(two.sha256))
    assert everything(store.names) == ["hero/style=film_s1.png"]


def test_a_name_that_is_a_symlink_is_replaced(store, kept, tmp_path):
    """Taking over a name that is a symbolic link replaces the link, not what it points at."""
    stored, outside = kept(), tmp_path / "outside"
    outside.write_text("precious")
    store.names.mkdir()
    (store.names / "a.png").symlink_to(outside)
    assert store.link(stored.sha256, "a.png").samefile(store.local_copy(stored.sha256))
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_copy_where_links_are_refused(store, kept, picture, monkeypatch, number):
    """Across disks and on filesystems without links a name is a copy, taken over in one step too."""

    def refuse(source, target):
        raise OSError(errno.EEXIST if os.path.lexists(target) else number, "refused")

    monkeypatch.setattr(files_module.os, "link", refuse)
    for seed in (1, 2, 2):
        data = picture("png", seed=seed)
        path = store.link(kept(data).sha256, "a.png")
        assert path.read_bytes() == data
    assert everything(store.names) == ["a.png"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second filesystem")
def test_names_on_another_disk(tmp_path, picture):
    """Names on another filesystem than the images are real copies."""
    names = Path("/dev/shm") / f"promptlab-{os.getpid()}"
    store = Store(tmp_path / "images", names)
    try:
        with store.part() as part:
            part.write(picture("jpg"))
            stored = store.put_new(part, "jpg")
        assert store.link(stored.sha256, "a.jpg").read_bytes() == picture("jpg")
    finally:
        shutil.rmtree(names, ignore_errors=True)


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "/etc/x", "a\0b", "a\nb", "../x"])
def test_names_stay_inside(store, kept, name):
    """What is not a name, or leads outside, is refused."""
    with pytest.raises(StoreError, match="name"):
        store.link(kept().sha256, name)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=400))
def test_long_names(text):
    """A part of any length becomes one of at most 255 bytes, the same each time; a short one stays as it is."""
    if text in (".", ".."):
        return
    root = Path("/studio/results")
    short = safe_name(Path("x", f"{text}.png"), root)
    assert all(len(part.encode()) <= 255 for part in short.parts)
    assert short.name.endswith(".png")
    assert len(f"{text}.png".encode()) > 255 or short.name == f"{text}.png"
    assert safe_name(Path("x", f"{text}!.png"), root) != short


def test_long_names_on_the_disk(store, kept):
    """A shortened name can really be written."""
    path = store.link(kept().sha256, "ü" * 300 + ".png")
    assert path.exists()
    assert len(path.name.encode()) <= 255
