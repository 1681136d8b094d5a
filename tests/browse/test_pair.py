"""The page that compares two: which pairs, what differs, the votes, and what it says where something is not there."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette, pair_data, pair_page
from promptlab.browse.as_csv import csv_text
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import RunTemplate, TemplateFile
from promptlab.store import Store

Get = Callable[..., Any]
PAGE = "/-/promptlab/pair"


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


@pytest.fixture
def own(demo: Any, tmp_path: Path) -> Any:
    """A copy of the demo's log to write into; the images are shared."""
    shutil.copy(demo.db, tmp_path / "promptlab.db")
    return replace(demo, folder=tmp_path, db=tmp_path / "promptlab.db")


def pairs(get: Get, site: Any, **query: str) -> Any:
    """The page as data."""
    answer = get(site, f"{PAGE}.json", params=query)
    assert answer.status_code == 200
    return answer.json()


def test_two_values_are_compared_in_all_matched_cells(site: Any, demo: Any, get: Get) -> None:
    """The main effect: every cell with the same other values and seed; a failed or unknown one counts as missing."""
    found = pairs(get, site, run=demo.shelf, **{"axis.style": "film..studio"})
    assert (found["by"], found["a"], found["b"], found["pairs"]) == ("style", "film", "studio", 4)
    assert found["missing"] == {"failed": 1, "unknown": 1}
    assert found["only_a"] == found["only_b"] == 0
    assert {(row["axes"]["look"], row["seed"]) for row in found["rows"]} == {
        ("warm", 11), ("warm", 12), ("warm", 13), ("cold", 13),
    }  # fmt: skip
    assert all("35 mm film" in row["a"]["prompt"] and "studio strobe" in row["b"]["prompt"] for row in found["rows"])
    text = get(site, PAGE, params={"run": demo.shelf, "by": "style", "a": "film", "b": "studio"}).text
    assert "4 matched pairs: the same seed and all else." in text
    assert "1 pair without both images: failed." in text
    assert "1 pair without both images: unknown." in text


@pytest.mark.parametrize(
    ("query", "by", "sides"),
    [
        ({}, "look", ("warm", "cold")),
        ({"by": "style"}, "style", ("film", "studio")),
        ({"by": "look"}, "look", ("warm", "cold")),
        ({"a": "ink", "b": "film"}, "style", ("ink", "film")),
        ({"b": "film"}, "style", ("studio", "film")),
        ({"by": "variant"}, "variant", ("style=film,look=warm", "style=film,look=cold")),
        ({"a": "style=ink,look=warm", "b": "style=film,look=warm"}, "variant",
         ("style=ink,look=warm", "style=film,look=warm")),
    ],
)  # fmt: skip
def test_what_is_left_out_is_found_out(
    site: Any, demo: Any, get: Get, query: dict[str, str], by: str, sides: tuple[str, str]
) -> None:
    """Names say themselves what they are; what is not named is what one would look at first."""
    found = pairs(get, site, run=demo.shelf, **query)
    assert (found["by"], (found["a"], found["b"])) == (by, sides)
    assert found["pairs"] >= 2


def test_the_chosen_pair_and_its_neighbours(site: Any, demo: Any, get: Get) -> None:
    """`pair=2` is in the middle, with the way on and back, its seed, and both pictures in full."""
    text = get(site, PAGE, params={"run": demo.shelf, "by": "style", "a": "film", "b": "ink", "pair": "2"}).text
    assert "pair 2 of 5" in text
    assert re.search(r'<a rel="prev" href="[^"]*pair=1[^"0-9]', text)
    assert re.search(r'<a rel="next" href="[^"]*pair=3[^"0-9]', text)
    stage = text.split('class="stage')[1].split("</figure>")[0]
    assert stage.count("/-/promptlab/file/") == 2
    assert text.count("aria-current") >= 3
    prompt = text.split("<h3>Prompt</h3>")[1].split("</section>")[0]
    assert "<del>35 mm film, visible grain</del>" in prompt
    assert "<ins>ink and wash drawing</ins>" in prompt
    assert "480 × 320" in text


@pytest.mark.parametrize("view", ["side", "slider", "overlay", "difference", "nonsense"])
def test_every_view_works_without_script(site: Any, demo: Any, get: Get, view: str) -> None:
    """The address alone says how the two are laid over each other; an unknown way is side by side."""
    text = get(site, PAGE, params={"run": demo.shelf, "view": view}).text
    shown = view if view in pair_page.VIEWS else "side"
    assert f'class="stage view-{shown}"' in text
    assert f'data-view="{shown}" aria-current="true"' in text


def test_several_images_of_a_call_are_pairs_of_their_own(site: Any, demo: Any, get: Get) -> None:
    """Images of a call stand against those at their place in the other call; unseeded ones are not called matched."""
    found = pairs(get, site, run=demo.unseeded)
    assert found["pairs"] == 2
    assert found["matched"] == 0
    assert [row["pair"] for row in found["rows"]] == ["1", "1.2", "2", "2.2"]
    text = get(site, PAGE, params={"run": demo.unseeded, "pair": "1.2"}).text
    assert "not the same seed" in text
    assert "2 pairs, 0 of them of the same seed" in text
    assert re.search(r'<a rel="next" href="[^"]*pair=2[^"0-9.]', text)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"by": "style", "a": "film", "b": "oil"}, "has no value"),
        ({"by": "variant", "a": "x", "b": "y"}, "has no variant"),
        ({"by": "template", "a": "none.j2", "b": "none.j2@v1"}, "used a template"),
        ({"by": "style", "a": "film", "b": "film"}, "both sides are the same"),
        ({"axis.style": "film..oil"}, "has no value"),
        ({"by": "style", "a": "<script>x</script>", "b": "film"}, "has no value"),
    ],
)
def test_what_is_not_there_is_said(site: Any, demo: Any, get: Get, query: dict[str, str], said: str) -> None:
    """A side that is not there is a sentence on the page, escaped, with the choice still open."""
    answer = get(site, PAGE, params={"run": demo.shelf, **query})
    assert answer.status_code == 200
    assert said in answer.text.lower() or said in answer.text
    assert "<script>x" not in answer.text
    assert "<form" in answer.text


@pytest.mark.parametrize("suffix", ["", ".json", ".csv"])
def test_an_unknown_run_is_404(site: Any, get: Get, suffix: str) -> None:
    """The page and its data say that there is no such run."""
    assert get(site, f"{PAGE}{suffix}", params={"run": "nothing"}).status_code == 404


def test_texts_are_text_everywhere(site: Any, demo: Any, get: Get) -> None:
    """A prompt with HTML is shown, diffed and given as JSON as what it is."""
    text = get(site, PAGE, params={"run": demo.evil}).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert pairs(get, site, run=demo.evil)["rows"][0]["a"]["prompt"].startswith("<script>alert")


def test_csv_has_a_line_per_pair_and_no_formula(site: Any, demo: Any, get: Get) -> None:
    """Every pair is a line with prompts, parameters and costs; a text that looks like a formula is kept from one."""
    answer = get(site, f"{PAGE}.csv", params={"run": demo.shelf, "by": "style", "a": "film", "b": "ink"})
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(lines) == 5
    assert {line["axis.look"] for line in lines} == {"warm", "cold"}
    assert {line["a.cost_usd"] for line in lines} == {"0.04"}
    assert (
        csv_text(["x"], [{"x": "=1+1"}, {"x": "@a"}, {"x": -1}, {"x": "plain"}])
        == "x\r\n'=1+1\r\n'@a\r\n-1\r\nplain\r\n"
    )


def test_a_long_list_of_pairs_goes_on(site: Any, demo: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON gives so many pairs, and where the next ones are; the strip shows the part with the pair in it."""
    monkeypatch.setattr(pair_page, "_JSON", 2)
    monkeypatch.setattr(pair_page, "_WINDOW", 3)
    found = pairs(get, site, run=demo.shelf, by="style", a="film", b="ink")
    assert [row["pair"] for row in found["rows"]] == ["1", "2"]
    rest = get(site, found["next"]).json()
    assert [row["pair"] for row in rest["rows"]] == ["3", "4"]
    assert get(site, get(site, found["next"]).json()["next"]).json()["next"] is None
    text = get(site, PAGE, params={"run": demo.shelf, "by": "style", "a": "film", "b": "ink", "pair": "4"}).text
    assert text.split('class="pairs"')[1].split("</nav>")[0].count("<a ") == 2


# --- votes --------------------------------------------------------------------------------------------------------


def vote(own: Any, get: Get, outcomes: list[str], *, swapped: bool = False, judge: str | None = None) -> str:
    """Votes on the pairs of film and ink, one each; gives the poll."""
    rows = pairs(get, build_datasette(own.db, own.images), run=own.shelf, by="style", a="film", b="ink")["rows"]
    with Log.open(own.db) as log:
        poll = log.open_poll(own.shelf, "style", by="ana")
        for number, (row, outcome) in enumerate(zip(rows, outcomes, strict=False)):
            sides = (row["a"]["image_id"], row["b"]["image_id"])
            left, right = reversed(sides) if swapped else sides
            comparison = Comparison(left, right, outcome)  # type: ignore[arg-type]
            id_ = f"{poll.id}{number}{swapped}{judge}"
            log.cast(Ballot(id_, poll.id, "pair", "ana", (comparison,), judge))
    return poll.id


def close(own: Any, poll: str) -> None:
    with Log.open(own.db) as log:
        log.close_poll(poll)


def test_votes_count_for_the_side_they_were_for(own: Any, get: Get) -> None:
    """Whichever side of the screen an image stood on, its vote counts for its value; a judge's are apart."""
    vote(own, get, ["left", "left", "right", "tie", "bad"])
    vote(own, get, ["left", "right"], judge="gpt")
    close(own, vote(own, get, ["left", "right"], swapped=True))
    site = build_datasette(own.db, own.images)
    votes = pairs(get, site, run=own.shelf, by="style", a="film", b="ink")["votes"]
    assert votes == {"left": 3, "right": 2, "tie": 1, "bad": 1, "judges": 2, "hidden": False}
    turned = pairs(get, site, run=own.shelf, by="style", a="ink", b="film")["votes"]
    assert (turned["left"], turned["right"]) == (2, 3)
    assert pairs(get, site, run=own.shelf, by="look")["votes"]["left"] == 0
    text = get(site, PAGE, params={"run": own.shelf, "by": "style", "a": "film", "b": "ink"}).text
    assert "preferred in <b>3</b>" in text
    assert 'class="headline"' in text


def test_who_said_what_of_a_pair(own: Any, get: Get) -> None:
    """Below the pictures of a pair stands what each person said of it, whichever side it was on then."""
    vote(own, get, ["left", "tie"])
    close(own, vote(own, get, ["left", "bad"], swapped=True))
    site, query = build_datasette(own.db, own.images), {"run": own.shelf, "by": "style", "a": "film", "b": "ink"}

    def said(pair: str) -> list[str]:
        text = get(site, PAGE, params={**query, "pair": pair}).text
        voices = re.search(r'<p class="quiet voices">(.*?)</p>', text, re.DOTALL)
        return re.findall(r"<span>(.*?)</span>", re.sub(r"</?(?:bdi|b)[^>]*>", "", voices[1])) if voices else []

    assert said("1") == ["ana preferred A", "ana preferred B"]
    assert said("2") == ["ana said equal", "ana said both bad"]
    assert said("3") == []


def test_a_running_run_shows_new_pairs_by_itself(site: Any, demo: Any, get: Get) -> None:
    """The page of a run that is writing fetches itself again; of one that has ended it does not."""
    assert "data-live" in get(site, PAGE, params={"run": demo.running}).text
    assert "data-live" not in get(site, PAGE, params={"run": demo.shelf}).text


def test_while_people_vote_blindly_nothing_says_who_leads(own: Any, get: Get) -> None:
    """An open blind vote hides the tally and the verdict from the page and from its data."""
    poll = vote(own, get, ["left", "left"])
    site = build_datasette(own.db, own.images)
    text = get(site, PAGE, params={"run": own.shelf, "by": "style", "a": "film", "b": "ink"}).text
    assert "voting blindly" in text
    assert 'class="tally"' not in text
    assert 'class="headline"' not in text
    found = pairs(get, site, run=own.shelf, by="style", a="film", b="ink")
    assert (found["votes"], found["verdict"]) == ({}, None)
    close(own, poll)
    assert pairs(get, site, run=own.shelf, by="style", a="film", b="ink")["votes"]["left"] == 2


def test_the_verdict_is_the_one_of_compare(own: Any, get: Get) -> None:
    """The headline is `compare`'s own sentence on these two values; of two variants, on the axis they differ in."""
    close(own, vote(own, get, ["left", "left", "right", "left", "left"]))
    from promptlab.compare.verdict import verdict_of

    with Log.open(own.db) as log:
        said = verdict_of(log, own.shelf, "style", where={"style": frozenset({"film", "ink"})}, command=False).headline
    site = build_datasette(own.db, own.images)
    assert pairs(get, site, run=own.shelf, by="style", a="film", b="ink")["verdict"] == said
    one = pairs(get, site, run=own.shelf, by="variant", a="style=film,look=warm", b="style=ink,look=warm")
    assert one["verdict"]
    two = pairs(get, site, run=own.shelf, by="variant", a="style=film,look=warm", b="style=ink,look=cold")
    assert two["verdict"] is None


def test_a_verdict_on_a_long_run_waits_to_be_asked_for(own: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it takes longer than a page may, the page has the tally and a link, and its script asks for the rest."""
    monkeypatch.setattr(pair_page, "_LONG", 5)
    close(own, vote(own, get, ["left", "left"]))
    site, query = build_datasette(own.db, own.images), {"run": own.shelf, "by": "style", "a": "film", "b": "ink"}
    text = get(site, PAGE, params=query).text
    later = re.search(r'data-later="([^"]+)"', text)
    assert later is not None
    assert get(site, later[1].replace("&amp;", "&")).json()["verdict"]
    assert "data-later" not in get(site, PAGE, params={**query, "verdict": "1"}).text


# --- templates ----------------------------------------------------------------------------------------------------


@pytest.fixture
def versions(own: Any, writer_class: Any) -> Any:
    """A second run of the shelf with another text of its template, made at another commit."""
    with Log.open(own.db) as log:
        writer = writer_class(log, Store(own.images), own.folder)
        run = writer.run("01SECOND", "shelf_photos", started_at="2026-11-23T10:00:00.000Z")
        used = RunTemplate(None, "u" * 64, "hero.j2", "v2", "c0ffee12" * 5, False)
        files = [TemplateFile("hero.j2", "{# hero #}\nA porcelain teapot on linen, {{ style }}\n"),
                 TemplateFile("base.j2", "{# base #}")]  # fmt: skip
        log.add_templates(run.id, [(used, files)])
        for sequence, seed in enumerate((11, 12, 99)):
            made = writer.generation(run, sequence, {"style": "film", "look": "warm"}, seed=seed, prompt="porcelain")
            log.execute("UPDATE generations SET template_id = ? WHERE id = ?", ("u" * 64, made.id))
            writer.image(made, (own.images / own.sha256[:2] / f"{own.sha256}.png").read_bytes())
    return own


@pytest.mark.parametrize("second", ["hero.j2@v2", "hero.j2@c0ffee12", "u" * 64])
def test_two_versions_of_a_template(versions: Any, get: Get, second: str) -> None:
    """Versions are named by revision, commit or id; the pairs are of all runs, with the same values and seed, and the
    source is compared file by file, line by line."""
    site = build_datasette(versions.db, versions.images)
    found = pairs(get, site, by="template", a="t" * 64, b=second)
    assert (found["by"], found["pairs"], found["experiment"]) == ("template", 2, "shelf_photos")
    assert {row["seed"] for row in found["rows"]} == {11, 12}
    assert found["only_b"] == 1
    assert [each["path"] for each in found["templates"]] == ["hero.j2"]
    text = get(site, PAGE, params={"by": "template", "a": "t" * 64, "b": second}).text
    assert "<ins>porcelain</ins>" in text.split('class="sources"')[1]
    assert "from all runs of this experiment" in text
    assert "base.j2" not in text.split('class="sources"')[1].split("</section>")[0]


def test_a_revision_of_git(own: Any, get: Get) -> None:
    """A revision that no run used comes from git, with its includes; the working copy is the name alone."""
    folder = own.folder / "templates"
    folder.mkdir()
    (own.folder / "promptlab.yaml").write_text("user: ana\n")

    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(own.folder), *arguments]
        subprocess.run(command, check=True, capture_output=True)

    (folder / "_light.j2").write_text("soft light")
    (folder / "cup.j2").write_text("a cup, {% include '_light.j2' %}")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("tag", "v1.2")
    (folder / "_light.j2").write_text("hard light")
    site = build_datasette(own.db, own.images)
    found = pairs(get, site, run=own.shelf, by="template", a="cup.j2@v1.2", b="cup.j2")
    assert (found["problem"], found["a"], found["b"]) == (None, "cup.j2@v1.2", "cup.j2@working copy")
    assert [(each["path"], each["changes"][0]["segments"][0]) for each in found["templates"]] == [
        ("_light.j2", ["removed", "soft "])
    ]
    assert found["pairs"] == 0
    missing = pairs(get, site, run=own.shelf, by="template", a="cup.j2@v9", b="cup.j2")
    assert "nor in git" in missing["problem"]


def test_marks_are_forms(site: Any, demo: Any, get: Get) -> None:
    """Each side can be kept and rejected without script, and its form leads back to this very pair."""
    text = get(site, PAGE, params={"run": demo.shelf, "by": "style", "a": "film", "b": "ink", "pair": "3"}).text
    forms = re.findall(r'<form class="marking".*?</form>', text, re.DOTALL)
    assert len(forms) == 2
    assert all('name="csrftoken"' in form and "pair=3" in form.split('name="back"')[1] for form in forms)
    quiet = build_datasette(demo.db, demo.images, write=False)
    assert 'class="marking"' not in get(quiet, PAGE, params={"run": demo.shelf}).text


def test_a_step_matches_nothing_again(site: Any, demo: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that has ended the pairs are matched once, and every step to another pair reads that pair alone."""
    query = {"run": demo.shelf, "by": "style", "a": "studio", "b": "ink"}
    first = get(site, PAGE, params=query).text
    monkeypatch.setattr(pair_data, "pairs_of", lambda *_: pytest.fail("matched again"))
    second = get(site, PAGE, params={**query, "pair": "2"}).text
    assert "pair 1 of 5" in first
    assert "pair 2 of 5" in second


def test_json_is_json(site: Any, demo: Any, get: Get) -> None:
    """The data is of its content type, never cached, and has no HTML in it."""
    answer = get(site, f"{PAGE}.json", params={"run": demo.shelf})
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert "<" not in json.dumps(answer.json()["rows"])
