"""Files and folders that appear whole or not at all, and never in place of somebody else's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image as Picture

from promptlab.errors import InputError, StoreError
from promptlab.store import BadImage, Resized, resized
from promptlab.store.whole import keep_strangers, whole_file, whole_folder


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """While it is written the old one stands; then the new one, in folders that are made for it."""
    target = tmp_path / "out" / "a.txt"
    with whole_file(target) as file:
        file.write(b"one")
        assert not target.exists()
    with whole_file(target) as file:
        file.write(b"two")
        assert target.read_bytes() == b"one"
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def write_half_a_file(target: Path) -> None:
    with whole_file(target) as file:
        file.write(b"new")
        raise KeyboardInterrupt


def write_half_a_folder(target: Path) -> None:
    with whole_folder(target) as part:
        (part / "x").write_text("x")
        raise ValueError("no")


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """An exception leaves what was there, and no part beside it; so does Ctrl-C."""
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half_a_file(target)
    with pytest.raises(ValueError, match="no"):
        write_half_a_folder(tmp_path / "folder")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """The new content alone is there afterwards."""
    target = tmp_path / "set"
    for name in ("one", "two"):
        with whole_folder(target) as part:
            (part / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_what_the_disk_refuses_is_a_sentence(tmp_path: Path) -> None:
    """A file in the way of a folder: a StoreError that says what to do."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write the file"), whole_file(tmp_path / "file" / "a.txt"):
        pass


def test_strangers_are_kept(tmp_path: Path) -> None:
    """Only what is ours, an empty folder, or what is forced may be replaced."""
    file, empty = tmp_path / "a.txt", tmp_path / "empty"
    file.write_text("mine")
    empty.mkdir()
    with pytest.raises(InputError, match="not a report of promptlab") as error:
        keep_strangers(file, lambda path: False, "a report", force=False)
    assert error.value.problems[0].code == "target-exists"
    keep_strangers(file, lambda path: True, "a report", force=False)
    keep_strangers(file, lambda path: False, "a report", force=True)
    keep_strangers(empty, lambda path: False, "a report", force=False)
    keep_strangers(tmp_path / "nothing", lambda path: False, "a report", force=False)


@pytest.mark.parametrize(
    ("mode", "format"), [("RGB", "jpg"), ("L", "jpg"), ("RGBA", "webp"), ("P", "jpg"), ("I;16", "jpg")]
)
def test_a_smaller_copy(mode: str, format: str) -> None:
    """A copy keeps its shape, has no metadata, is the same each time, and transparent where the original is."""
    picture = Picture.linear_gradient("L").resize((300, 200))
    if mode == "RGBA":
        picture = picture.convert("RGBA")
        picture.putalpha(Picture.linear_gradient("L").resize((300, 200)))
    else:
        picture = picture.convert("I;16" if mode == "I;16" else mode)
    out = io.BytesIO()
    picture.save(out, "PNG")
    copy = resized(out.getvalue(), 150, 70)
    assert isinstance(copy, Resized)
    assert (copy.format, copy.width, copy.height) == (format, 150, 100)
    assert resized(out.getvalue(), 150, 70) == copy
    assert not Picture.open(io.BytesIO(copy.data)).getexif()


def test_an_image_is_never_enlarged() -> None:
    """A small picture stays as large as it is; what is none says what it is."""
    out = io.BytesIO()
    Picture.new("RGB", (40, 30)).save(out, "PNG")
    copy = resized(out.getvalue(), 1000, 80)
    assert isinstance(copy, Resized)
    assert (copy.width, copy.height) == (40, 30)
    assert isinstance(resized(b"<html>", 100, 80), BadImage)
