"""Exports: the rows that are there, their judgement, texts as texts, folders that load elsewhere."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import promptlab
from promptlab.errors import InputError
from promptlab.export import parquet
from promptlab.export.formats import FORMATS
from promptlab.export.image_rows import ImageRows
from promptlab.export.safe_csv import text_of
from promptlab.log import Log
from promptlab.store import Store


def rows_of(log: Log, **more: Any) -> dict[str, dict[str, Any]]:
    """The rows of the run, by variant."""
    return {row["variant"]: row for row in ImageRows(log, log.find_run("last").id, **more)}


def test_a_row_has_its_judgement(log: Log) -> None:
    """Votes of people and of models apart, marks with tags, the pick, scores by name."""
    rows = rows_of(log)
    film, ink = rows["prompt=film,place=home"], rows["prompt=ink,place=home"]
    assert [film[name] for name in ("votes_won", "votes_lost", "votes_tied", "votes_bad")] == [2, 1, 1, 0]
    assert [ink[name] for name in ("votes_won", "votes_lost", "judge_won", "judge_lost")] == [1, 2, 1, 0]
    assert rows["prompt=film,place=shop"]["votes_bad"] == 1
    assert (film["mark"], film["tags"], film["picked"]) == ("keep", ["=cover", "b"], True)
    assert (film["score_sharp"], ink["score_sharp"], ink["score_read_text"]) == (3.0, None, "hi")
    assert (ink["mark"], ink["picked"]) == (None, False)
    assert (film["axis_prompt"], film["axis_place"], film["simulated"]) == ("film", "home", True)


def test_rows_have_the_columns_in_order(log: Log) -> None:
    """Every row has the columns that are announced, in their order, each of its kind."""
    kinds: dict[str, Any] = {"text": str, "integer": int, "number": float, "boolean": bool, "json": (dict, list)}
    rows = ImageRows(log, log.find_run("last").id)
    for row in rows:
        assert list(row) == [column.name for column in rows.columns]
        for column in rows.columns:
            assert row[column.name] is None or isinstance(row[column.name], kinds[column.kind]), column


def test_where_narrows_rows(log: Log) -> None:
    """Only variants that are asked for have rows."""
    assert set(rows_of(log, where="place=shop")) == {"prompt=film,place=shop", "prompt=ink,place=shop"}


def test_pages_are_joined(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of more images than one page has every row once, in the order of the plan."""
    from promptlab.export import image_rows

    whole = [row["image_id"] for row in ImageRows(log, log.find_run("last").id)]
    monkeypatch.setattr(image_rows, "_ROWS", image_rows._ROWS.replace("LIMIT 500", "LIMIT 1"))
    assert [row["image_id"] for row in ImageRows(log, log.find_run("last").id)] == whole
    assert len(whole) == 4


def test_copies_from_the_cache_share_the_judgement(studio: Path) -> None:
    """A second run of the same experiment exports the same votes and marks, at no cost."""
    from tests.formats.conftest import SPEC  # type: ignore[import-not-found,unused-ignore]

    job = promptlab.experiment(SPEC, name="jugs", environ={"PROMPTLAB_STATE": str(studio / ".state")})
    assert promptlab.run_experiment(job, promptlab.Options(thumbnails=False)).cached == 4
    with Log.open(studio / "promptlab.db", readonly=True) as log:
        film = rows_of(log)["prompt=film,place=home"]
    assert film["cached"]
    assert (film["votes_won"], film["mark"], film["picked"], film["score_sharp"]) == (2, "keep", True, 3.0)
    assert film["paid_image_id"] != film["image_id"]


def test_csv_is_safe_and_comes_back(studio: Path, log: Log) -> None:
    """Hostile texts are no formulas, and read back as they were."""
    done = promptlab.export_run("last", "csv")
    assert (done.target, done.rows) == (Path("jugs.csv"), 4)
    read = list(csv.DictReader(io.StringIO(Path("jugs.csv").read_bytes().decode("utf-8-sig"), newline="")))
    for row, cells in zip(rows_of(log).values(), read, strict=True):
        assert text_of(cells["prompt"]) == row["prompt"]
        assert text_of(cells["note"] or "") == (row["note"] or "")
        assert not cells["note"].startswith(("=", "+", "-", "@"))
    assert read[0]["votes_won"] == "2"


def test_jsonl_is_the_rows(studio: Path, log: Log) -> None:
    """One object per line, with lists and maps as they are."""
    promptlab.export_run("last", "jsonl", "out/rows.jsonl")
    lines = Path("out/rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == list(rows_of(log).values())


@pytest.mark.parametrize("format", ["csv", "jsonl", "imagefolder", "pairs"])
def test_the_same_log_gives_the_same_export(studio: Path, format: str) -> None:
    """Exported twice, the second takes the first one's place, byte for byte the same."""
    first = promptlab.export_run("last", format)
    before = _contents(first.target)
    assert promptlab.export_run("last", format) == first
    assert _contents(first.target) == before
    assert [path.name for path in studio.iterdir() if path.name.endswith((".part", ".old"))] == []


def _contents(target: Path) -> dict[str, bytes]:
    files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
    return {str(path.relative_to(target.parent)): path.read_bytes() for path in files}


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_what_is_not_ours_stays(studio: Path, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder that somebody else made is not replaced without force."""
    monkeypatch.setattr(parquet, "find_spec", lambda name: True)
    target = studio / f"mine{FORMATS[format].suffix}"
    if FORMATS[format].suffix:
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    before = _contents(target)
    with pytest.raises(InputError, match="--force"):
        promptlab.export_run("last", format, target)
    assert _contents(target) == before


def test_an_interrupted_export_leaves_nothing(studio: Path, log: Log, store: Store) -> None:
    """What stops an export half way leaves the older one as it was, and no part."""
    first = promptlab.export_run("last", "imagefolder")
    before = _contents(first.target)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FORMATS["pairs"].write(log, store, log.find_run("last").id, Path("pairs"), step=stop)
    assert not Path("pairs").exists()
    assert _contents(first.target) == before
    assert [path.name for path in studio.iterdir() if path.name.endswith((".part", ".old"))] == []


def test_imagefolder_by_its_contract(studio: Path, log: Log) -> None:
    """metadata.jsonl names every image below the folder once; columns have one shape; pixels are the originals'."""
    done = promptlab.export_run("last", "imagefolder")
    lines = [json.loads(line) for line in (done.target / "metadata.jsonl").read_text().splitlines()]
    names = [line["file_name"] for line in lines]
    assert len(set(names)) == len(names) == 4
    assert sorted(path.relative_to(done.target).as_posix() for path in (done.target / "images").iterdir()) == sorted(
        names
    )
    assert len({tuple(line) for line in lines}) == 1
    assert all(isinstance(line["values"], str) for line in lines)
    for line in lines:
        with (
            Picture.open(done.target / line["file_name"]) as copy,
            Picture.open(io.BytesIO(Store(studio / "images").get(line["sha256"]))) as original,
        ):
            assert copy.tobytes() == original.tobytes()
    card = (done.target / "README.md").read_text()
    assert "SIMULATED" in card
    assert "| `prompt` |" in card


def test_imagefolder_loads(studio: Path) -> None:
    """Where Hugging Face's datasets is installed, it loads the folder."""
    datasets = pytest.importorskip("datasets")
    done = promptlab.export_run("last", "imagefolder")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(done.target), cache_dir=str(studio / "cache"))["train"]
    assert loaded.num_rows == 4
    assert loaded[0]["image"].size


def test_embedding_writes_into_copies_alone(studio: Path) -> None:
    """With `embed` the copies carry the prompt; the store's files stay as they were."""
    before = _contents(studio / "images")
    done = promptlab.export_run("last", "imagefolder", embed=True)
    with Picture.open(next((done.target / "images").iterdir())) as picture:
        assert "Negative prompt" in picture.info["parameters"] or "Model: " in picture.info["parameters"]
    assert _contents(studio / "images") == before


def test_pairs_are_what_people_preferred(studio: Path) -> None:
    """One row per pair with a preference; prompt, images, votes and margin; a model's votes do not count."""
    done = promptlab.export_run("last", "pairs")
    (pair,) = [json.loads(line) for line in (done.target / "metadata.jsonl").read_text().splitlines()]
    assert pair["prompt"] is None
    assert pair["chosen_prompt"].startswith("a jug =HYPERLINK")
    assert pair["chosen_variant"] == "prompt=film,place=home"
    assert [pair[name] for name in ("votes_chosen", "votes_rejected", "votes_tied", "voters")] == [2, 1, 1, 3]
    assert pair["margin"] == pytest.approx(0.25)
    assert (done.target / pair["chosen_file_name"]).is_file()
    assert (done.target / pair["rejected_file_name"]).is_file()


def test_votes_have_the_columns_of_pick_a_pic(studio: Path) -> None:
    """One row per vote, labels that add up to one, voters as numbers without names."""
    done = promptlab.export_run("last", "pairs")
    votes = [json.loads(line) for line in (done.target / "votes.jsonl").read_text().splitlines()]
    published = {"caption", "image_0_uid", "image_1_uid", "label_0", "label_1", "best_image_uid", "are_different"}
    published |= {"has_label", "model_0", "model_1", "ranking_id", "user_id", "created_at"}
    assert all(published <= set(vote) for vote in votes)
    assert [vote["label_0"] for vote in votes] == [1.0, 0.0, 0.0, 0.5, 0.5]
    assert all(vote["label_0"] + vote["label_1"] == 1.0 for vote in votes)
    assert [vote["user_id"] for vote in votes] == [0, 1, 2, 0, 0]
    assert [vote["both_bad"] for vote in votes] == [False, False, False, False, True]
    assert "ada" not in (done.target / "votes.jsonl").read_text()


@pytest.mark.parametrize("library", ["pyarrow", "duckdb"])
def test_parquet_is_typed(studio: Path, log: Log, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written by either library, the file has the rows with their types."""
    module = pytest.importorskip(library)
    monkeypatch.setattr(parquet, "find_spec", lambda name: module if name == library else None)
    done = promptlab.export_run("last", "parquet")
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(
        f"SELECT variant, votes_won, picked, score_sharp FROM '{done.target}' ORDER BY variant"
    ).fetchall()
    assert found[0] == ("prompt=film,place=home", 2, True, 3.0)
    assert len(found) == 4
    assert promptlab.export_run("last", "parquet").rows == 4


@pytest.mark.parametrize(
    ("more", "code"),
    [({"format": "xlsx"}, "bad-option"), ({"format": "csv", "embed": True}, "export-embed"),
     ({"run": "nothing"}, "no-such-run"), ({"where": "place=mars"}, "unknown-id"),
     ({"format": "parquet"}, "parquet-missing")],
)  # fmt: skip
def test_what_can_not_be_exported_is_said(
    studio: Path, more: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mistake is an error with its code."""
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    with pytest.raises(InputError) as error:
        promptlab.export_run(**more)
    assert [problem.code for problem in error.value.problems] == [code]


def test_pairs_need_votes(studio: Path) -> None:
    """Without votes on two images there are no pairs, and no folder."""
    with pytest.raises(InputError, match="have not voted"):
        promptlab.export_run("last", "pairs", where="prompt=film")
    assert not Path("jugs_pairs").exists()


def test_a_missing_file_is_said(studio: Path) -> None:
    """An image whose file is gone is left out of the folder, and counted."""
    next((studio / "images").glob("??/*.png")).unlink()
    done = promptlab.export_run("last", "imagefolder")
    assert done.files == 3
    assert any("not in the store" in note for note in done.notes)
