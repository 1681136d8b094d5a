"""`promptlab scores import`: what a row is about, what is wrong with one, and that importing again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.log import Log

Cli = Callable[..., Any]
RATE = ("--trials", "impressions", "--successes", "sales")


@pytest.fixture
def shown(log: Log) -> list[dict[str, Any]]:
    """The images of the run, in the order of the plan."""
    (run,) = log.runs()
    return list(log.known_of_images(run.id))


@pytest.fixture
def write(studio: Path) -> Callable[..., str]:
    """A file of rows in the studio."""

    def make(*lines: str, name: str = "results.csv") -> str:
        (studio / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return name

    return make


def rates(log: Log, name: str = "sales") -> dict[Any, tuple[Any, ...]]:
    sql = "SELECT ifnull(image_id, variant_id), number, successes, trials, source FROM scores WHERE name = ?"
    return {about: values for about, *rest in log.rows(sql, (name,)) if (values := tuple(rest))}


@pytest.mark.parametrize(
    "of",
    [
        lambda image: image["path"],
        lambda image: Path(image["path"]).name,
        lambda image: Path(image["path"]).stem + ".jpg",  # as an export has converted it
        lambda image: image["path"].removeprefix("results/"),
        lambda image: image["path"].replace("/", "\\"),
    ],
)
def test_a_file_is_found_by_any_of_its_names(log: Log, cli: Cli, shown: Any, write: Any, of: Any) -> None:
    """Path, path under results/, name, exported in another format, or with Windows' slashes."""
    file = write("file,impressions,sales", f"{of(shown[2])},200,5")
    assert cli("scores", "import", file, "--key", "file", *RATE).code == 0
    assert rates(log) == {shown[2]["paid"]: (0.025, 5.0, 200.0, "results.csv")}


def test_an_exported_name_is_the_variants_pick(log: Log, cli: Cli, shown: Any, write: Any) -> None:
    """`export --picked` leaves seed and position out, and makes a slash a `_`: the kept image of the variant counts."""
    name = Path(shown[0]["path"]).name.partition("_s")[0]
    log.set_marks([shown[0]["image_id"]], "keep", by="ada")
    file = write("file,impressions,sales", f"{name}.webp,200,5", f"signs_{Path(shown[1]['path']).stem}.jpg,10,1")
    assert cli("scores", "import", file, "--key", "file", *RATE).code == 0
    assert set(rates(log)) == {shown[0]["paid"], shown[1]["paid"]}


@pytest.mark.parametrize("column", ["image_id", "sha256"])
def test_an_image_is_found_by_id_and_hash(log: Log, cli: Cli, shown: Any, write: Any, column: str) -> None:
    """Either, in upper or lower case."""
    file = write("image,ctr", f"{shown[0][column].lower()},0.5", f"{shown[1][column].upper()},0.25")
    assert cli("scores", "import", file, "--key", "image", "--number", "ctr").code == 0
    assert {about: number for about, (number, *_) in rates(log, "ctr").items()} == {
        shown[0]["image_id"]: 0.5,
        shown[1]["image_id"]: 0.25,
    }


def test_a_variant_is_found_by_id_and_name_in_any_order(log: Log, cli: Cli, shown: Any, write: Any) -> None:
    """The score is of the whole variant, not of its images."""
    names = [image["variant"] for image in shown]
    (first,) = log.rows("SELECT id FROM variants WHERE name = ?", (names[0],))
    other = ",".join(reversed(names[1].split(",")))
    lines = [json.dumps({"ad": first[0], "clicks": 3, "shown": 10}), json.dumps({"ad": other, "clicks": 1, "shown": 4})]
    file = write(*lines, name="ads.jsonl")
    told = cli("scores", "import", file, "--key", "variant=ad", "--trials", "shown", "--successes", "clicks")
    assert told.code == 0
    assert {values[:3] for values in rates(log, "clicks").values()} == {(0.3, 3.0, 10.0), (0.25, 1.0, 4.0)}
    assert log.value("SELECT count(*) FROM scores WHERE image_id IS NOT NULL") == 0


def test_importing_again_changes_nothing(cli: Cli, shown: Any, write: Any) -> None:
    """The same file again: 0 changed; a corrected row: 1."""
    lines = ["file\timpressions\tsales", *(f"{image['path']}\t100\t7" for image in shown)]
    file = write(*lines, name="results.tsv")
    changed = [json.loads(cli("scores", "import", file, "--key", "file", *RATE, "--json").out)["changed"] for _ in "ab"]
    write(*lines[:-1], lines[-1].replace("\t7", "\t8"), name="results.tsv")
    changed.append(json.loads(cli("scores", "import", file, "--key", "file", *RATE, "--json").out)["changed"])
    assert changed == [8, 0, 1]


def test_what_matches_nothing_and_what_nothing_was_said_about(cli: Cli, shown: Any, write: Any) -> None:
    """Both lists, with the line of each row; the rest is written."""
    file = write("file,impressions,sales", f"{shown[0]['path']},100,7", "nobody.png,5,1")
    found = json.loads(cli("scores", "import", file, "--key", "file", *RATE, "--json").out)
    assert (found["rows"], found["matched"], found["changed"]) == (2, 1, 1)
    assert found["unmatched"] == [{"line": 3, "key": "nobody.png"}]
    assert found["unnamed"] == [image["path"] for image in shown[1:]]
    told = cli("scores", "import", file, "--key", "file", *RATE)
    assert "line 3: nobody.png" in told.out
    assert "no row is about 7 images" in told.out


def test_a_dry_run_writes_nothing(log: Log, cli: Cli, shown: Any, write: Any) -> None:
    """It says what would change, before and after it is so."""
    file = write("file,stars", f"{shown[0]['path']},4")
    words = ("scores", "import", file, "--key", "file", "--number", "stars")
    assert "1 score would change; nothing was written" in cli(*words, "--dry-run").out
    assert rates(log, "stars") == {}
    cli(*words)
    assert "0 scores would change" in cli(*words, "--dry-run").out


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        ("{path},100,101", "bad-value", "sales is 101, above impressions, 100; there can't be more"),
        ("{path},-1,0", "bad-value", "impressions is -1; it can't be below 0"),
        ("{path},many,1", "bad-value", "impressions is 'many'; a number is needed"),
        ("{path},nan,1", "bad-value", "impressions is 'nan'"),
        ("{path},1_000,1", "bad-value", "impressions is '1_000'"),
        ("{path},100,", "no-value", "this row has no sales"),
        (",100,1", "no-value", "this row has no file"),
        ("{path},100", "ragged-row", "this row has 2 cells for 3 columns"),
        ("{first},100,1", "duplicate-row", "is what line 2 is about already"),
        ("{first_name},100,1", "duplicate-row", "is what line 2 is about already"),
    ],
)
def test_a_wrong_row_is_exit_2_at_its_line_and_nothing_is_written(
    log: Log, cli: Cli, shown: Any, write: Any, row: str, code: str, message: str
) -> None:
    """path:line, what is wrong, and not even the rows that are right are written."""
    first = shown[0]["path"]
    row = row.format(path=shown[1]["path"], first=first, first_name=Path(first).name)
    file = write("file,impressions,sales", f"{first},100,7", row)
    told = cli("scores", "import", file, "--key", "file", *RATE)
    assert told.code == 2
    assert "results.csv:3" in told.err
    assert message in told.err
    assert f"[{code}]" in told.err
    assert rates(log) == {}


def test_all_wrong_rows_are_told_at_once(cli: Cli, shown: Any, write: Any) -> None:
    """One run of the command finds every one."""
    file = write("file,impressions,sales", f"{shown[0]['path']},a,7", f"{shown[1]['path']},5,6", ",1,1")
    told = cli("scores", "import", file, "--key", "file", *RATE)
    assert [f"results.csv:{line}:" in told.err for line in (2, 3, 4)] == [True] * 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--key", "file"), "say what the score is"),
        (("--key", "file", "--trials", "impressions"), "a rate needs both"),
        (("--key", "file", *RATE, "--number", "sales"), "say what the score is"),
        (("--key", "picture", *RATE), "named by 'picture'; --key can be image, variant, file"),
        (("--key", "file", "--trials", "impresions", "--successes", "sales"), "did you mean 'impressions'?"),
        (("--key", "file=name", *RATE), "no column 'name'"),
        (("--key", "variant", *RATE), "no column of the file names the variant"),
        (("--key", "file", *RATE, "--experiment", "sings"), "did you mean 'signs'?"),
        (("--key", "file", *RATE, "--run", "last", "--experiment", "signs"), "name a run or an experiment"),
    ],
)
def test_wrong_flags_say_what_to_write(cli: Cli, write: Any, shown: Any, words: tuple[str, ...], message: str) -> None:
    """Exit 2 and the fix."""
    told = cli("scores", "import", write("file,impressions,sales", f"{shown[0]['path']},3,1"), *words)
    assert (told.code, message in told.err) == (2, True), told.err


def test_nothing_that_matches_is_an_error(cli: Cli, write: Any) -> None:
    """A file of which no row matches was surely not meant: exit 2 and the first of them."""
    told = cli("scores", "import", write("file,impressions,sales", "x.png,3,1"), "--key", "file", *RATE)
    assert told.code == 2
    assert "no row matches an image; the first is 'x.png' in line 2 [nothing-matches]" in told.err


@pytest.mark.parametrize(("name", "code"), [("none.csv", "missing-file"), ("results.xlsx", "rows-format")])
def test_a_file_that_cant_be_read(cli: Cli, studio: Path, name: str, code: str) -> None:
    """A file that is not there, or of another kind."""
    told = cli("scores", "import", name, "--key", "file", *RATE)
    assert (told.code, f"[{code}]" in told.err) == (2, True)


def test_a_name_that_several_variants_have_is_ambiguous(cli: Cli, studio: Path, write: Any, shown: Any) -> None:
    """Two experiments with files of one name: --experiment says which."""
    text = (studio / "experiments" / "signs.yaml").read_text().replace("on linen", "on slate")
    (studio / "experiments" / "other.yaml").write_text(text)
    assert cli("run", "experiments/other.yaml").code == 0
    file = write("file,stars", f"{Path(shown[-1]['path']).name},4")
    told = cli("scores", "import", file, "--key", "file", "--number", "stars")
    assert told.code == 2
    assert "names images of 2 variants" in told.err
    assert "[ambiguous-key]" in told.err
    assert cli("scores", "import", file, "--key", "file", "--number", "stars", "--experiment", "signs").code == 0


def test_cached_copies_and_later_runs_are_the_same_image(log: Log, cli: Cli, shown: Any, write: Any) -> None:
    """A second run takes everything from the log: its file names and ids mean the paid images."""
    assert cli("run", "experiments/signs.yaml").code == 0
    copy = next(log.known_of_images(log.find_run("last").id))
    assert copy["image_id"] != copy["paid"]
    file = write("image,stars", f"{copy['image_id']},4")
    assert cli("scores", "import", file, "--key", "image", "--number", "stars", "--run", "last").code == 0
    assert list(rates(log, "stars")) == [shown[0]["image_id"]]


def test_of_one_file_name_the_kept_image_counts(log: Log, cli: Cli, studio: Path, write: Any, shown: Any) -> None:
    """A redone image takes the name over: the pick is what was exported, else the newest."""
    assert cli("run", "experiments/signs.yaml", "--fresh").code == 0
    redone = list(log.known_of_images(log.find_run("last").id))
    assert redone[0]["path"] == shown[0]["path"]
    file = write("file,stars", f"{Path(shown[0]['path']).name},4")
    words = ("scores", "import", file, "--key", "file", "--number", "stars")
    assert cli(*words, "--name", "newest").code == 0
    log.set_marks([shown[0]["image_id"]], "keep", by="ada")
    assert cli(*words, "--name", "kept").code == 0
    assert list(rates(log, "newest")) == [redone[0]["image_id"]]
    assert list(rates(log, "kept")) == [shown[0]["image_id"]]


def test_import_is_public(studio: Path, log: Log, shown: Any, write: Any) -> None:
    """The same from Python."""
    file = write("file,note", f"{shown[0]['path']},<b>loved</b>")
    found = promptlab.import_scores(studio / file, "file", text="note", name="comment")
    assert (found.changed, found.name) == (1, "comment")
    assert log.value("SELECT text FROM scores WHERE name = 'comment'") == "<b>loved</b>"
