"""`export --picked`: one file per product, named by the experiment, written once, never over what others wrote."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import promptlab
from promptlab.errors import InputError, StoreError
from promptlab.export.folder import MEMORY, Folder
from promptlab.export.picked import LIST, Exported, export_picked
from promptlab.export.product_list import shop_cell
from promptlab.store.labels import label_of
from tests.export.conftest import SHOP, make


@pytest.fixture
def kept(shop: Path) -> Path:
    """T-1 and T-2 kept."""
    promptlab.mark("shop", "keep", where="item=T-1,T-2", by="ada")
    return shop


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != MEMORY)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / LIST).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_are_called_as_the_experiment_says(kept: Path) -> None:
    """One flat file per pick, labelled, its pixels those of the original; who has none is named."""
    done = export_picked("shop", "out")
    assert names(Path("out")) == ["T-1.webp", "T-2.webp", LIST]
    assert (done.products, done.written, done.unchanged, done.simulated) == (2, 2, 0, True)
    assert [(each.variant, each.why) for each in done.missing] == [("item=T-3,look=oak", "to be judged")]
    for row in rows(Path("out")):
        data = Path("out", row["file"]).read_bytes()
        (original,) = Path("images").glob(f"*/{row['original_sha256']}.webp")
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        assert label_of(data, "webp") == "iptc"
        with Image.open(io.BytesIO(data)) as copy, Image.open(original) as before:
            assert copy.tobytes() == before.tobytes()


def test_the_list_has_what_a_shop_needs(kept: Path) -> None:
    """Axis values, the row's fields, the prompt as alternative text, and nothing that a spreadsheet would run."""
    export_picked("shop", "out")
    first, second = rows(Path("out"))
    assert (first["file"], first["item"], first["item.name"], first["look"]) == ("T-1.webp", "T-1", "a cup", "oak")
    assert (first["item.price"], second["item.price"]) == ("'=1+1", "-5")
    assert first["alt_text"] == first["prompt"] == "a cup on oak"
    assert (first["picked_by"], first["simulated"], first["credits"]) == ("ada", "1", "50.0")
    assert int(first["bytes"]) == Path("out/T-1.webp").stat().st_size
    assert not Path("out", LIST).read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""), ("=SUM(A1)", "'=SUM(A1)"), ("+1 555", "'+1 555"), ("-2+3", "'-2+3"), ("@x", "'@x"), ("\tx", "'\tx"),
        ("-5", "-5"), ("+1.5e3", "+1.5e3"), (-5, -5), ("-12,5 %", "'-12,5 %"), ("a=b", "a=b"), ("", ""),
        ("\rx", "'\rx"), ("🫖 كوب", "🫖 كوب"),
    ],
)  # fmt: skip
def test_a_cell_is_no_formula(value: object, cell: str) -> None:
    """What a spreadsheet would run gets an apostrophe in front, and numbers stay numbers."""
    assert shop_cell(value) == cell


def test_again_nothing_is_written(kept: Path) -> None:
    """Not even a file's time changes; and a pick that changes is the one file that does."""
    export_picked("shop", "out")
    before = state(Path("out"))
    done = export_picked("shop", "out")
    assert (done.written, done.unchanged, state(Path("out")) == before) == (0, 2, True)
    os.utime("out/T-1.webp", (1, 1))  # touched, and the same
    assert export_picked("shop", "out").written == 0
    promptlab.mark("shop", "keep", where="item=T-3")
    assert (export_picked("shop", "out").written, "T-3.webp" in names(Path("out"))) == (1, True)


def test_where_exports_a_part(kept: Path) -> None:
    """The variants that it picks, and only they are missed; the rest of the folder is no business of this export."""
    export_picked("shop", "out")
    done = export_picked("shop", "out", where="item=T-2,T-3")
    assert (done.products, [each.axes["item"] for each in done.missing], done.stale) == (1, ["T-3"], ())
    assert [row["item"] for row in rows(Path("out"))] == ["T-2"]


def test_the_newest_pick_replaces_the_old_one(kept: Path) -> None:
    """A kept image of a redo takes the product's name over."""
    export_picked("shop", "out")
    before = Path("out/T-1.webp").read_bytes()
    redo = promptlab.prepare_redo("shop", where="item=T-1")
    assert redo.job is not None
    made = promptlab.run_experiment(redo.job, promptlab.Options(thumbnails=False))
    promptlab.mark(made.run_id, "keep", where="item=T-1")
    done = export_picked("shop", "out")  # the name means the run that was redone
    assert (done.products, done.written, done.unchanged) == (2, 1, 1)
    assert Path("out/T-1.webp").read_bytes() != before


def test_a_copy_is_safe_to_edit(kept: Path) -> None:
    """No file is a link to the original, whatever was asked."""
    export_picked("shop", "out")
    originals = {path.stat().st_ino for path in Path("images").rglob("*.webp")}
    assert originals.isdisjoint(path.stat().st_ino for path in Path("out").iterdir())


def test_what_others_wrote_is_left_alone(kept: Path) -> None:
    """A file in the way, or one that was edited since: a sentence that names it, and nothing written at all."""
    Path("out").mkdir()
    Path("out/T-2.webp").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"T-2\.webp was not written by this export") as caught:
        export_picked("shop", "out")
    assert caught.value.problems[0].code == "target-exists"
    assert names(Path("out")) == ["T-2.webp"]
    export_picked("shop", "out", force=True)
    Path("out/T-1.webp").write_bytes(b"edited")
    with pytest.raises(InputError, match=r"T-1\.webp"):
        export_picked("shop", "out")
    assert Path("out/T-1.webp").read_bytes() == b"edited"


def test_a_killed_export_goes_on(kept: Path) -> None:
    """What it wrote is recognised though nothing remembers it, and its half file is removed."""
    export_picked("shop", "out")
    Path("out", MEMORY).unlink()
    Path("out", LIST).unlink()
    Path("out/T-2.webp").unlink()
    for name in ("0123", "4567"):
        Path(f"out/.promptlab-{name}.part").write_bytes(b"half")
    os.utime("out/.promptlab-0123.part", (1, 1))  # the other is of an export that is going on
    before = state(Path("out"))["T-1.webp"]
    done = export_picked("shop", "out")
    assert (done.written, done.unchanged) == (1, 1)
    assert names(Path("out")) == [".promptlab-4567.part", "T-1.webp", "T-2.webp", LIST]
    assert state(Path("out"))["T-1.webp"] == before


@pytest.mark.parametrize("memory", [b"", b"{", b"[]", b'{"files": {"T-1.webp": {}}}', b'{"files": 3}', b"\xff\xfe"])
def test_a_broken_memory_is_none(kept: Path, memory: bytes) -> None:
    """It is compared byte by byte instead, and written anew."""
    export_picked("shop", "out")
    Path("out", MEMORY).write_bytes(memory)
    assert (export_picked("shop", "out").written, len(Folder(Path("out")).files)) == (0, 2)


def test_an_interrupted_export_remembers_what_it_wrote(kept: Path) -> None:
    """Ctrl-C between two files: the first is known, and no part is left."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_picked("shop", "out", progress=stop)
    assert len(Folder(Path("out")).files) >= 1
    assert not list(Path("out").glob("*.part"))
    assert export_picked("shop", "out").products == 2


def test_a_full_disk_is_a_sentence(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to do, and that the same command goes on."""

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"the disk is full: free some space.*the same command goes on"):
        export_picked("shop", "out")


def test_two_products_of_one_name_are_refused(shop: Path) -> None:
    """Both are named, also where only case differs, and nothing is written."""
    make(shop, 'prompt: "{{ a }}"\naxes: {a: {x: one, X: two}}\nfiles: "{a}.{ext}"\n', "case")
    promptlab.mark("case", "keep", where="a=*")
    assert export_picked("case", "out").products == 2  # slugs differ even where case is ignored
    text = 'prompt: "{{ a }} {{ b }}"\naxes: {a: [x, y], b: [1, 2]}\nfiles: "{a}_{b}.{ext}"\n'
    make(shop, text, "two")
    promptlab.mark("two", "keep", where="a=*")
    with sqlite3.connect("promptlab.db") as log:
        log.execute("UPDATE runs SET spec_text = replace(spec_text, '{a}_{b}', '{a}')")
    with pytest.raises(InputError) as caught:
        export_picked("two", "other")
    assert [problem.code for problem in caught.value.problems] == ["same-file", "same-file"]
    assert "a=x,b=1 and a=x,b=2" in str(caught.value)
    assert not Path("other").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "x_1.png"),
        ('files: "{a}/{b}_{seed}_{draw}_{position}.{ext}"', "x_1_1399756067_0_0.png"),
        ('files: "{a}-{b}"', "x-1.png"),
        ('files: "{a} {b}.JPG"', "x 1.JPG"),
        ('files: "v1.5 {a} {b}"', "v1.5 x 1.png"),
        ('files: "' + "n" * 240 + '{a}{b}.{ext}"', None),
    ],
    ids=["none", "a path", "no extension", "a fixed one", "a dot", "a long one"],
)
def test_every_pattern_gives_a_flat_name(line: str, expected: str | None, shop: Path) -> None:
    """Without `files:` the variant's values; a slash becomes an underscore, a missing extension is added."""
    make(shop, f'prompt: "{{{{ a }}}} {{{{ b }}}}"\naxes: {{a: [x], b: [1]}}\nseeds: 1\n{line}\n', "named")
    promptlab.mark("named", "keep", where="a=x")
    export_picked("named", "out")
    (name,) = set(names(Path("out"))) - {LIST}
    assert name == expected or (expected is None and len(name.encode()) <= 255 and name.endswith(".png"))


def test_a_fixed_extension_asks_for_its_format(shop: Path) -> None:
    """`{item}.jpg` makes JPEG files of what came as webp: the name never lies about the content."""
    make(shop, (SHOP % "webp").replace("{ext}", "jpg"))
    promptlab.mark("shop", "keep", where="item=T-1")
    done = export_picked("shop", "out")
    assert (done.converted, done.written) == (1, 1)
    with Image.open("out/T-1.jpg") as picture:
        assert picture.format == "JPEG"
    assert export_picked("shop", "out").written == 0


def test_it_is_converted_where_that_is_asked(kept: Path) -> None:
    """Format, size and quality; the copy is labelled, and the original stays."""
    before = {path: path.read_bytes() for path in Path("images").rglob("*.webp")}
    done = export_picked("shop", "out", format="jpg", max_size=200, quality=70)
    with Image.open("out/T-1.jpg") as picture:
        assert (picture.format, max(picture.size)) == ("JPEG", 200)
    assert (done.converted, label_of(Path("out/T-1.jpg").read_bytes(), "jpg")) == (2, "iptc")
    assert int(rows(Path("out"))[0]["width"]) == 200 or int(rows(Path("out"))[0]["height"]) == 200
    assert all(path.read_bytes() == data for path, data in before.items())
    again = export_picked("shop", "out", format="webp")  # what it is already: nothing is re-encoded
    assert (again.converted, again.written) == (0, 2)
    assert again.stale == ("T-1.jpg", "T-2.jpg")
    assert Path("out/T-1.jpg").is_file()


def sign(shop: Path, item: str) -> bytes:
    """Put a signed picture into the store, as the image of an item."""
    with sqlite3.connect(shop / "promptlab.db") as log:
        sql = "SELECT id, sha256 FROM images WHERE path LIKE ?"
        image, sha256 = log.execute(sql, (f"%{item}.webp",)).fetchone()
        data = (shop / "images" / sha256[:2] / f"{sha256}.webp").read_bytes()
        data = data[:4] + len(data).to_bytes(4, "little") + data[8:] + b"C2PA\0\0\0\0"
        new = hashlib.sha256(data).hexdigest()
        (shop / "images" / new[:2]).mkdir(exist_ok=True)
        (shop / "images" / new[:2] / f"{new}.webp").write_bytes(data)
        log.execute("UPDATE images SET sha256 = ?, label = NULL WHERE id = ?", (new, image))
    return data


def test_a_signed_file_is_copied_byte_for_byte(kept: Path) -> None:
    """Its signature holds; where a conversion is asked for, it is said that it does not."""
    signed = sign(kept, "T-1")
    done = export_picked("shop", "out")
    assert (Path("out/T-1.webp").read_bytes() == signed, done.signed, done.signatures_lost) == (True, 1, 0)
    done = export_picked("shop", "out", format="png")
    assert (done.signed, done.signatures_lost) == (0, 1)
    assert label_of(Path("out/T-1.png").read_bytes(), "png") == "iptc"


def test_a_signed_file_is_not_converted_by_its_name(shop: Path) -> None:
    """A fixed extension alone costs no signature: the file keeps its format, and its name says which."""
    promptlab.mark("shop", "keep", where="item=T-1,T-2")
    with sqlite3.connect("promptlab.db") as log:
        log.execute("UPDATE runs SET spec_text = replace(spec_text, '{ext}', 'jpg')")
    signed = sign(shop, "T-1")
    done = export_picked("shop", "out")
    assert names(Path("out")) == ["T-1.webp", "T-2.jpg", LIST]
    assert (done.renamed, Path("out/T-1.webp").read_bytes() == signed) == (("T-1.webp",), True)


def test_nothing_kept_is_a_sentence(shop: Path) -> None:
    """An export without any product says what to do, and makes no folder."""
    with pytest.raises(InputError, match=r"no variant of run .* has a kept image; keep some first") as caught:
        export_picked("shop", "out")
    assert (caught.value.problems[0].code, Path("out").exists()) == ("without-pick", False)


def test_all_or_nothing(kept: Path) -> None:
    """A variant without a pick, or whose file is gone, is an error where all are wanted."""
    with pytest.raises(InputError, match="item=T-3,look=oak has no kept image"):
        export_picked("shop", "out", all_or_nothing=True)
    assert not Path("out").exists()
    promptlab.mark("shop", "keep", where="item=T-3")
    with sqlite3.connect("promptlab.db") as log:
        (sha256,) = log.execute("SELECT sha256 FROM images WHERE path LIKE '%T-3.webp'").fetchone()
    (Path("images") / sha256[:2] / f"{sha256}.webp").unlink()
    with pytest.raises(InputError, match="item=T-3,look=oak: its file is no longer in the store"):
        export_picked("shop", "out", all_or_nothing=True)
    assert export_picked("shop", "out").gone == ("item=T-3,look=oak",)


@pytest.mark.parametrize(
    "wrong", [{"format": "gif"}, {"quality": 0}, {"quality": True}, {"max_size": 0}, {"max_size": "2000"}]
)
def test_a_wrong_option_is_a_sentence(shop: Path, wrong: Any) -> None:
    """Before the log is opened."""
    with pytest.raises(InputError, match="is not"):
        export_picked("shop", "out", **wrong)


def test_a_run_records_what_its_files_say(shop: Path) -> None:
    """`images.label` is there for each image that was kept, copies from the cache included."""
    make(shop, SHOP % "webp")
    with sqlite3.connect("promptlab.db") as log:
        assert log.execute("SELECT label, count(*) FROM images GROUP BY 1").fetchall() == [("none", 6)]


def test_the_command_line_says_it(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written on stdout, what is missing on stderr; --json is one document; without a folder it is exit 2."""
    from promptlab.cli.main import main

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["export", "shop", *words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    code, out, err = call("--picked", "out")
    assert (code, out.splitlines()[0]) == (0, "✓ 2 products in out (SIMULATED): 2 written")
    assert "1 variant has no kept image: item=T-3,look=oak (to be judged)" in err
    code, out, _ = call("--picked", "out", "--json")
    found = json.loads(out)
    assert (code, found["written"], found["missing"][0]["why"]) == (0, 0, "to be judged")
    assert set(found) == set(Exported.__dataclass_fields__)
    assert call("--picked", "out", "--all-or-nothing")[0] == 2
    code, _, err = call()
    assert (code, "--picked DIR" in err) == (2, True)
    code, out, _ = call("--picked", "small", "--as", "jpg", "--max-size", "100")
    assert (code, "2 converted" in out) == (0, True)
