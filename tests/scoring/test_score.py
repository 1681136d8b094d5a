"""`promptlab score`: what it writes, skips and tells; scorers of other packages; checks."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.log import Log
from promptlab.scoring import BUILT_IN, reading, scorer

Cli = Callable[..., Any]
EXAMPLE = Path(__file__).parent / "example_scorer"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path where packages can be installed; the registry looks afresh before and after."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(str(folder))
    scorer.__globals__["_entry_points"].cache_clear()
    yield folder
    scorer.__globals__["_entry_points"].cache_clear()
    for name in ("promptlab_warmth", "other_scorer"):
        sys.modules.pop(name, None)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A `tesseract` on the PATH that is a shell script; without a call there is no reader at all."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    reading._reader.cache_clear()

    def write(script: str) -> None:
        program = folder / "tesseract"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        reading._reader.cache_clear()

    yield write
    reading._reader.cache_clear()


def plugin(site: Path, name: str, body: str) -> None:
    """An installed package with one scorer."""
    info = site / "other_scorer-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-scorer\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[promptlab.scorers]\n{name} = other_scorer:Other\n")
    (site / "other_scorer.py").write_text(body)


def scores(studio: Path, name: str) -> list[tuple[Any, ...]]:
    with Log.open(studio / "promptlab.db") as log:
        return list(log.rows("SELECT number, text, version FROM scores WHERE name = ? ORDER BY image_id", (name,)))


def test_every_image_gets_its_scores_and_again_nothing_is_done(studio: Path, cli: Cli) -> None:
    """The first time everything is measured; the second time all of it is there."""
    first = cli("score", "last", "--scorer", "sharpness", "--scorer", "drift", "--json")
    told = json.loads(first.out)
    assert (first.code, told["images"], told["scored"], told["changed"]) == (0, 8, 16, 16)
    again = json.loads(cli("score", "last", "--scorer", "sharpness", "--scorer", "drift", "--json").out)
    assert (again["scored"], again["skipped"], again["changed"]) == (0, 16, 0)
    assert len(scores(studio, "sharpness")) == 8
    assert all(number > 0 for number, _, _ in scores(studio, "sharpness"))


def test_fresh_measures_again_and_the_same_value_changes_nothing(studio: Path, cli: Cli) -> None:
    """--fresh does the work again; a score that comes out as it was keeps its row."""
    cli("score", "last", "--scorer", "contrast")
    told = json.loads(cli("score", "last", "--scorer", "contrast", "--fresh", "--json").out)
    assert (told["scored"], told["changed"]) == (8, 0)


def test_where_and_a_scores_name_narrow_it(studio: Path, cli: Cli) -> None:
    """Only the variants asked for; `--scorer size_off` is the scorer `size`."""
    told = json.loads(cli("score", "last", "--where", "prompt=teapot", "--scorer", "aspect_off", "--json").out)
    assert (told["images"], told["scorers"]) == (4, ["size"])
    assert len(scores(studio, "aspect_off")) == 4


def test_near_duplicates_are_of_the_whole_run(studio: Path, cli: Cli, log: Log) -> None:
    """Each image knows how many others look the same, and the later ones which is the first."""
    ids = [id_ for (id_,) in log.rows("SELECT i.id FROM images i JOIN generations g ON g.id = i.generation_id "
                                      "ORDER BY g.sequence")]  # fmt: skip
    for place, id_ in enumerate(ids):
        value = 0 if place in (1, 5) else int.from_bytes(bytes([(place * 31 + 63) % 256] * 8), "big")
        log.execute("UPDATE images SET perceptual_hash = ? WHERE id = ?", (f"{value:016x}", id_))
    assert cli("score", "last", "--scorer", "duplicates").code == 0
    found = {
        str(score.image_id): score.number
        for score in log.scores_of_images(ids)
        if score.name == "near_duplicates" and score.number
    }
    assert {ids[1], ids[5]} <= set(found)
    first = {score.image_id: score.text for score in log.scores_of_images(ids) if score.name == "duplicate_of"}
    assert (first[ids[5]], first[ids[1]]) == (ids[1], "none")


def test_near_duplicates_look_beyond_where(studio: Path, cli: Cli, log: Log) -> None:
    """An image that --where picks is compared with those that it leaves out, and only the picked ones are written."""
    log.execute("UPDATE images SET perceptual_hash = printf('%016x', 0)")
    assert cli("score", "last", "--scorer", "near_duplicates", "--where", "prompt=teapot").code == 0
    assert [number for number, _, _ in scores(studio, "near_duplicates")] == [7.0] * 4


def test_an_unknown_scorer_gets_the_nearest_name(studio: Path, cli: Cli) -> None:
    """A misspelt scorer is exit 2, and nothing is scored."""
    told = cli("score", "last", "--scorer", "sharpnes")
    assert told.code == 2
    assert "did you mean 'sharpness'? [no-such-scorer]" in told.err


def test_a_run_without_an_image_is_an_error(studio: Path, cli: Cli, log: Log) -> None:
    """A check must not pass because everything failed: exit 2."""
    log.execute("UPDATE images SET status = 'lost'")
    for words in ((), ("--check",)):
        told = cli("score", "last", *words)
        assert (told.code, "has no image to score" in told.err) == (2, True)


def test_a_run_is_needed(studio: Path, cli: Cli) -> None:
    """Without a run, and with --junit without --check, it says what to add."""
    assert "name the run" in cli("score").err
    assert "add --check" in cli("score", "last", "--junit", "x.xml").err


def test_a_missing_file_is_told_for_its_image_and_the_rest_goes_on(studio: Path, cli: Cli, log: Log) -> None:
    """An image whose file is gone has a sentence of its own; exit 1, the other seven are scored."""
    sha256, path = log.execute("SELECT sha256, path FROM images ORDER BY id LIMIT 1").fetchone()
    for file in (studio / "images").rglob(f"{sha256}*"):
        file.unlink()
    told = cli("score", "last", "--scorer", "sharpness")
    assert told.code == 1
    assert f"! sharpness: {path}" in told.err
    assert "its file was moved or removed" in told.err
    assert len(scores(studio, "sharpness")) == 7


def test_the_documented_example_installs_and_scores(
    site: Path, studio: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example package is installed by pip, listed with its network use, and scores in the child processes."""
    source = shutil.copytree(EXAMPLE, tmp_path / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", str(site), str(source)], check=True)
    (listed,) = [each for each in json.loads(cli("score", "--list", "--json").out) if each["name"] == "warmth"]
    assert (listed["network"], listed["version"]) == (False, "1")
    assert cli("score", "last", "--scorer", "warmth").code == 0
    found = scores(studio, "warmth")
    assert len(found) == 8
    assert len({number for number, _, _ in found}) > 1


def test_the_example_of_the_page_is_the_one_that_is_tested() -> None:
    """The scorer in docs/scoring.md is, to the letter, the package that is installed here."""
    page = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")
    assert f"```python\n{(EXAMPLE / 'promptlab_warmth.py').read_text()}```" in page


def test_every_built_in_score_is_documented() -> None:
    """docs/scoring.md has a row for each score of each scorer."""
    page = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")
    missing = [name for each in BUILT_IN for name in scorer(each).scores if f"| `{each}` | `{name}` |" not in page]
    assert missing == []


OTHER = """
class Other:
    name = "other"
    version = "3"
    network = {network}
    scores = {{"length": "words", "key": "whether a key is visible"}}

    def score(self, image, row):
        import os
        print("this is no answer")
        {body}
"""


def test_a_scorer_that_raises_costs_its_image_alone(site: Path, studio: Path, cli: Cli) -> None:
    """What it raises is a sentence for that image; the others are scored, and the exit code is 1."""
    body = 'if "poster" in row.prompt: raise KeyError("colour")\n        return {"length": len(row.prompt.split())}'
    plugin(site, "other", OTHER.format(network=False, body=body))
    told = cli("score", "last", "--scorer", "other", "--json")
    assert told.code == 1
    found = json.loads(told.out)
    assert len(found["unscored"]) == 4
    assert found["unscored"][0]["reason"] == "KeyError: 'colour'"
    assert found["unscored"][0]["variant"].startswith("prompt=poster")
    assert [version for _, _, version in scores(studio, "length")] == ["3"] * 4


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 3", "score() gave int, not a map"),
        ('return {"width": 3}', "which `scores` does not name"),
        ('return {"length": float("nan")}', "a score is a finite number or a text"),
        ('return {"length": True}', "a score is a finite number or a text"),
    ],
)
def test_a_wrong_score_is_a_sentence(site: Path, studio: Path, cli: Cli, body: str, reason: str) -> None:
    """What is not a map of declared names to finite numbers or texts is refused with a reason."""
    plugin(site, "other", OTHER.format(network=False, body=body))
    told = json.loads(cli("score", "last", "--scorer", "other", "--where", "prompt=teapot", "--json").out)
    assert reason in told["unscored"][0]["reason"]
    assert told["changed"] == 0


def test_a_scorer_that_ends_its_process_is_told(site: Path, studio: Path, cli: Cli) -> None:
    """A crash of the decoder, say: tried twice, then told; the others go on in a new process."""
    body = 'if row.seed is not None and "golden" in row.prompt: os._exit(9)\n        return {"length": 1}'
    plugin(site, "other", OTHER.format(network=False, body=body))
    told = cli("score", "last", "--scorer", "other", "--json")
    found = json.loads(told.out)
    assert (told.code, found["changed"], len(found["unscored"])) == (1, 4, 4)
    assert "ends the process" in found["unscored"][0]["reason"]


@pytest.mark.parametrize(("network", "visible"), [(False, 0.0), (True, 1.0)])
def test_keys_are_visible_to_scorers_that_declare_the_network(
    site: Path, studio: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, network: bool, visible: float
) -> None:
    """A scorer without the network gets no key of the environment."""
    monkeypatch.setenv("SOME_API_KEY", "sk-not-a-real-one")
    plugin(site, "other", OTHER.format(network=network, body='return {"key": float("SOME_API_KEY" in os.environ)}'))
    cli("score", "last", "--scorer", "other", "--where", "prompt=teapot")
    assert {number for number, _, _ in scores(studio, "key")} == {visible}


def test_scorers_with_and_without_the_network_have_their_own_processes(
    site: Path, studio: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for together, the one without the network still sees no key."""
    monkeypatch.setenv("SOME_API_KEY", "sk-not-a-real-one")
    body = 'return {"key": float("SOME_API_KEY" in os.environ)}'
    text = OTHER.format(network=False, body=body)
    online = text.replace("class Other", "class Online").replace('"other"', '"online"').replace('"key"', '"key_online"')
    plugin(site, "other", text + online.replace("network = False", "network = True"))
    with (site / "other_scorer-1.dist-info" / "entry_points.txt").open("a") as file:
        file.write("online = other_scorer:Online\n")
    told = json.loads(cli("score", "last", "--scorer", "other", "--scorer", "online", "--json").out)
    assert (told["scored"], told["unscored"]) == (16, [])
    assert {number for number, _, _ in scores(studio, "key")} == {0.0}
    assert {number for number, _, _ in scores(studio, "key_online")} == {1.0}


def test_applies_that_raises_is_told(site: Path, studio: Path, cli: Cli) -> None:
    """A fault there is a sentence for each image, as one in score() is; a check of it fails with that reason."""
    body = 'return {"length": 1}\n\n    def applies(self, row):\n        raise KeyError("colour")'
    plugin(site, "other", OTHER.format(network=False, body=body))
    add_checks(studio, '{length: "> 0"}')
    told = json.loads(cli("score", "last", "--check", "--where", "prompt=teapot", "--json").out)
    assert [each["reason"] for each in told["unscored"]] == ["applies() raised KeyError: 'colour'"] * 4
    assert {each["reason"] for each in told["checked"]["failed"]} == {"applies() raised KeyError: 'colour'"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('name = "other"', 'name = "another"'), "has the name 'another'"),
        (('version = "3"', "version = 3"), "has no `version`"),
        (("network = False", "network = None"), "does not say in `network`"),
        (('{"length": "words", "key": "whether a key is visible"}', "{}"), "has no `scores`"),
        (("def score(", "def rate("), "has no score"),
        (("class Other:", "import nothing_of_the_kind\nclass Other:"), "does not load"),
    ],
)
def test_a_broken_scorer_is_one_clear_message(
    site: Path, studio: Path, cli: Cli, change: tuple[str, str], problem: str
) -> None:
    """An entry point that does not load, or is no scorer, names its package; unasked it is left out."""
    plugin(site, "other", OTHER.format(network=False, body="return {}").replace(*change))
    told = cli("score", "last", "--scorer", "other")
    assert told.code == 2
    assert problem in told.err
    assert "[broken-scorer]" in told.err
    assert cli("score", "--list").code == 0


def test_an_interrupted_scoring_keeps_what_is_done(studio: Path, log: Log) -> None:
    """Stopped in the middle, what was scored is written; the same call does the rest."""

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        promptlab.score("last", ["sharpness"], progress=stop)
    assert len(scores(studio, "sharpness")) == 3
    rest = promptlab.score("last", ["sharpness"])
    assert (rest.scoring.scored, rest.scoring.skipped, rest.exit_code) == (5, 3, 0)


def test_no_process_is_left(studio: Path) -> None:
    """When scoring returns, its processes have ended."""
    promptlab.score("last", ["sharpness"])
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# --- text read back -----------------------------------------------------------------------------------------------


def test_quoted_text_is_read_back(studio: Path, cli: Cli, reader: Callable[[str], None]) -> None:
    """Every image whose prompt quotes a text has what was read and its error rate; the others have no such score."""
    reader('/bin/cat > /dev/null; echo "simulated  SALE TODAV"')
    assert cli("score", "last", "--scorer", "text").code == 0
    assert {text for _, text, _ in scores(studio, "text")} == {"differs"}
    assert {number for number, _, _ in scores(studio, "text_error")} == {0.1}
    assert len(scores(studio, "text")) == 4
    _, text, version = scores(studio, "text_read")[0]
    assert json.loads(text) == [{"asked": "SALE TODAY", "read": "SALE TODAV", "error": 0.1}]
    assert version == "1+tesseract"


def test_the_best_of_several_looks_counts(studio: Path, cli: Cli, reader: Callable[[str], None]) -> None:
    """tesseract is asked with another threshold where the first look misses a letter."""
    reader('/bin/cat > /dev/null; case "$*" in *method=2*) echo SALE TODAY;; *) echo ALE TODAY;; esac')
    cli("score", "last", "--scorer", "text")
    assert {text for _, text, _ in scores(studio, "text")} == {"exact"}


def test_a_reader_that_fails_is_told(studio: Path, cli: Cli, reader: Callable[[str], None]) -> None:
    """tesseract's own last words are the reason."""
    reader('/bin/cat > /dev/null; echo "no language data" >&2; exit 1')
    told = cli("score", "last", "--scorer", "text")
    assert told.code == 1
    assert "tesseract ended with 1: no language data" in told.err


def test_without_a_reader_there_is_no_score_and_it_says_so(
    studio: Path, cli: Cli, reader: Callable[[str], None]
) -> None:
    """Absent, not zero: nothing is written, the reason and the cure are told, exit 0."""
    told = cli("score", "last", "--scorer", "text")
    assert told.code == 0
    assert "no reader of text is installed: install tesseract" in told.err
    assert scores(studio, "text_error") == []


# --- checks -------------------------------------------------------------------------------------------------------


def add_checks(studio: Path, text: str) -> None:
    path = studio / "experiments" / "signs.yaml"
    path.write_text(path.read_text() + f"checks: {text}\n")


def test_checks_that_pass_are_exit_0(studio: Path, cli: Cli) -> None:
    """Only the scorers that the checks need are used."""
    add_checks(studio, '{sharpness: "> 1", aspect_off: 0, empty_border: between 0 and 1}')
    told = cli("score", "last", "--check", "--json")
    found = json.loads(told.out)
    assert (told.code, found["checked"]["passed"], found["checked"]["failed"]) == (0, 24, [])
    assert found["scorers"] == ["sharpness", "empty_border", "size"]


def test_a_check_that_fails_is_exit_1_with_the_list(studio: Path, cli: Cli) -> None:
    """Each image with variant, file, score and what was wanted."""
    add_checks(studio, '{sharpness: "> 1e9"}')
    told = cli("score", "last", "--check", "--where", "prompt=teapot", "--json")
    assert told.code == 1
    failed = json.loads(told.out)["checked"]["failed"]
    assert len(failed) == 4
    assert failed[0]["variant"].startswith("prompt=teapot")
    assert failed[0]["path"].startswith("results/signs/teapot")
    assert (failed[0]["score"], failed[0]["wanted"]) == ("sharpness", "> 1e9")
    assert failed[0]["value"] > 0
    shown = cli("score", "last", "--check")
    assert "✗ 0 of 8 checks passed" in shown.out
    assert "results/signs/teapot" in shown.out


def test_text_that_cant_be_read_fails_and_images_without_any_do_not(
    studio: Path, cli: Cli, reader: Callable[[str], None]
) -> None:
    """Without a reader a check of text fails for want of a measure; prompts that quote nothing are left out."""
    add_checks(studio, "{text: exact}")
    found = json.loads(cli("score", "last", "--check", "--json").out)["checked"]
    assert (found["held"], len(found["failed"]), found["does_not_apply"]) == (4, 4, {"text": 4})
    assert "no reader" in found["failed"][0]["reason"]
    reader("/bin/cat > /dev/null; echo SALE TODAY")
    assert cli("score", "last", "--check").code == 0


def test_a_check_of_an_unknown_score_is_exit_2_at_its_place(studio: Path, cli: Cli) -> None:
    """path:line:column, the nearest name, and nothing is scored."""
    add_checks(studio, '{sharpnes: "> 20"}')
    told = cli("score", "last", "--check")
    assert told.code == 2
    assert (
        "experiments/signs.yaml:6:20: there is no score 'sharpnes'; did you mean 'sharpness'? [unknown-score]"
        in told.err
    )
    assert scores(studio, "sharpness") == []


def test_scores_from_outside_can_be_checked(studio: Path, cli: Cli) -> None:
    """A name that only the log has is no mistake; images without it fail, and say why."""
    (studio / "r.csv").write_text("file,stars\n" + "".join(f"{path.name},{number}\n" for number, path in enumerate(
        sorted((studio / "results" / "signs").iterdir())[:2], 4)))  # fmt: skip
    assert cli("scores", "import", "r.csv", "--key", "file", "--number", "stars").code == 0
    add_checks(studio, '{stars: ">= 5"}')
    failed = json.loads(cli("score", "last", "--check", "--json").out)["checked"]["failed"]
    assert len(failed) == 7
    assert {(each["value"], each["reason"]) for each in failed} == {(4.0, None), (None, "it has no such score")}


def test_an_experiment_without_checks_says_how_to_write_them(studio: Path, cli: Cli) -> None:
    """--check without checks is exit 2."""
    told = cli("score", "last", "--check")
    assert told.code == 2
    assert "has no checks; write some" in told.err


def test_checks_come_from_the_log_where_the_file_is_gone(studio: Path, cli: Cli) -> None:
    """A run knows the checks that its experiment had."""
    add_checks(studio, '{sharpness: "> 1e9"}')
    assert cli("run", "experiments/signs.yaml").code == 0
    (studio / "experiments" / "signs.yaml").unlink()
    assert cli("score", "last", "--check").code == 1


def test_junit_for_ci(studio: Path, cli: Cli) -> None:
    """A test case for each image, a failure for each check that failed."""
    add_checks(studio, '{sharpness: "> 1e9", contrast: "< 1"}')
    assert cli("score", "last", "--check", "--junit", "out.xml").code == 1
    suite = ET.parse(studio / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("8", "8")
    assert len(suite.findall("testcase/failure")) == 8
    assert "wanted > 1e9" in str(suite.findall("testcase/failure")[0].get("message"))


def test_checks_change_no_request(studio: Path, cli: Cli) -> None:
    """With checks, every request hash and variant id is what it was: a second run sends nothing."""
    before = promptlab.preview(promptlab.prepare(studio / "experiments" / "signs.yaml"), None)
    add_checks(studio, '{sharpness: "> 1"}')
    told = json.loads(cli("run", "experiments/signs.yaml", "--json").out)
    assert (told["cached"], before.requests) == (8, 8)


def test_score_is_public(studio: Path) -> None:
    """What the command does can be done from Python, with the same exit code."""
    add_checks(studio, '{sharpness: "> 1e9"}')
    found = promptlab.score("last", check=True)
    assert found.checked is not None
    assert (found.exit_code, len(found.checked.failed)) == (1, 8)
    assert {"sharpness", "text"} <= {each.name for each in promptlab.scorers()}
