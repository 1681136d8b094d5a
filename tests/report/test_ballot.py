"""Ballots as files: one HTML file that tells nothing, and what comes back from it."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import promptlab
from promptlab.errors import InputError, StoreError
from promptlab.log import Log
from promptlab.log.votes import Comparison
from promptlab.model import Generation, Image, Run, RunTemplate, TemplateFile, Variant
from promptlab.plan.identity import variant_id
from promptlab.report.ballot import make_ballot
from promptlab.report.ballot_import import ImportedVotes
from promptlab.report.voting import PollSummary
from promptlab.store import Store

STYLES = ("filmstock", "inkwash", "neonglow", "chalkdust", "pastelly")
RUN = "01RUNRUNRUNRUNRUNRUNRUN00"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio with one run: style by seed, every style of another size and noise."""
    folder = tmp_path_factory.mktemp("ballots") / "studio"
    folder.mkdir()
    store = Store(folder / "images")
    at = "2026-11-22T10:00:00.000Z"
    with Log.open(folder / "promptlab.db") as log:
        log.use_experiment("secretads", None, None, folder)
        run = Run(id=RUN, experiment="secretads", provider="kairval", started_at=at, promptlab_version="1")
        log.insert(run)
        log.add_templates(RUN, [(RunTemplate(None, "t" * 64, "hero.j2"), [TemplateFile("hero.j2", "x")])])
        for number, (style, seed) in enumerate(itertools.product(STYLES, (1, 2, 3))):
            axes = {"style": style, "look": "warmlight"}
            log.add_variants("secretads", [Variant(variant_id(axes), axes)])
            id_ = f"G{number:025d}"
            log.insert(Generation(
                id=id_, run_id=RUN, sequence=number, experiment="secretads", variant_id=variant_id(axes), seed=seed,
                template_id="t" * 64, provider="kairval", model="m", operation="generate", prompt=f"{style} <b>teapot",
                request_hash=id_, status="completed", created_at=at,
            ))  # fmt: skip
            side = 40 + 24 * STYLES.index(style)
            out = io.BytesIO()
            Picture.new("RGB", (side, side), (10 * number, 200 - 9 * number, 90)).save(out, "PNG")
            with store.part() as part:
                part.write(out.getvalue())
                sha256 = store.put_new(part, "png").sha256
            log.insert(
                Image(id=f"I{number:025d}", generation_id=id_, position=0, sha256=sha256, width=side, height=side)
            )
    return folder


@pytest.fixture
def studio(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    monkeypatch.setattr("promptlab.report.ballot._SIDE", 96)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    shutil.copytree(original, tmp_path / "studio")
    return tmp_path / "studio"


def ballot(studio: Path, **more: Any) -> tuple[dict[str, Any], str]:
    """A new file: the data in it, and the whole text."""
    path = studio / "ballot.html"
    promptlab.write_ballot("last", "style", path, studio=studio, **more)
    html = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1]), html


def answered(data: Mapping[str, Any], voter: str = "Änna", number: int = 5, **changes: Any) -> dict[str, Any]:
    """What the file's script gives back."""
    votes = [
        {"token": each["token"], "outcome": ("left", "right", "tie", "bad")[at % 4], "at": "2026-11-23T10:00:00.000Z"}
        for at, each in enumerate(data["ballots"][:number])
    ]
    if data["kind"] == "best_worst":
        votes = [vote | {"outcome": "best", "best": 2, "worst": 0} for vote in votes]
    return checked(
        {"format": "promptlab-votes", "version": 1, "file": data["file"], "voter": voter, "votes": votes} | changes
    )


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """With its check, written here a second time: the script has its own test in a browser."""
    lines = [document["file"], document["voter"]]
    for vote in document["votes"]:
        lines.append("\t".join(str(vote.get(name, "")) for name in ("token", "outcome", "best", "worst", "at")))
    return document | {"check": f"{zlib.crc32(chr(10).join(lines).encode()):08x}"}


def write(studio: Path, document: Any, name: str = "votes.json") -> Path:
    path = studio / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def ballots_of(studio: Path) -> list[tuple[str, str, tuple[Comparison, ...]]]:
    with Log.open(studio / "promptlab.db") as log:
        return [(each.by, each.kind, each.comparisons) for each in log.ballots(RUN)]


def test_the_file_tells_nothing(studio: Path) -> None:
    """No value, prompt, id, hash or path of the log in its source; all pictures are of one size and length."""
    data, html = ballot(studio, pairs=12)
    with Log.open(studio / "promptlab.db") as log:
        rows = list(
            log.rows(
                "SELECT i.id, i.sha256, g.id, g.variant_id, g.prompt FROM images i "
                "JOIN generations g ON g.id = i.generation_id"
            )
        )
        secrets = {str(each) for row in rows for each in row} | {*STYLES, "warmlight", "secretads", RUN}
    assert [secret for secret in secrets if secret in html] == []
    pictures = [base64.b64decode(each) for one in data["ballots"] for each in one["pictures"]]
    assert len(pictures) == 24
    assert len({len(each) for each in pictures}) == 1
    assert {Picture.open(io.BytesIO(each)).size for each in pictures} == {(96, 96)}
    assert len({each["token"] for each in data["ballots"]}) == 12


def test_the_file_needs_no_network(studio: Path) -> None:
    """It names no address, and its own policy lets nothing load; only its own script and style run."""
    _, html = ballot(studio, title='Which "shop" <b>sells</b>? @@DATA@@')
    assert re.findall(r"https?://|//[a-z]", re.sub(r'"pictures":\[[^\]]*\]', "", html)) == []
    assert "default-src &#x27;none&#x27;; img-src data:" in html
    assert "Which &quot;shop&quot; &lt;b&gt;sells&lt;/b&gt;? @@DATA@@" in html
    assert html.count("<script") == 2


@pytest.mark.parametrize("kind", ["pair", "best_worst"])
def test_votes_come_back_as_they_were_given(studio: Path, kind: Any) -> None:
    """The images under a token are those of the log, in the order in which the file shows them."""
    data, _ = ballot(studio, pairs=5, kind=kind)
    (done,) = promptlab.import_votes([write(studio, answered(data))], studio=studio)
    assert (done.voter, done.new, done.already, done.differ, done.gone) == ("Änna", len(data["ballots"]), 0, 0, 0)
    with Log.open(studio / "promptlab.db") as log:
        _, papers = log.papers(data["file"])
        shades = {}
        for number in range(15):
            shades[f"I{number:025d}"] = 10 * number
        for each in data["ballots"]:
            for picture, image in zip(each["pictures"], papers[each["token"]].images, strict=True):
                pixel = Picture.open(io.BytesIO(base64.b64decode(picture))).getpixel((48, 48))
                assert isinstance(pixel, tuple)
                assert abs(pixel[0] - shades[image]) < 5
    for (by, own, said), each in zip(ballots_of(studio), data["ballots"], strict=True):
        images = papers[each["token"]].images
        assert (by, own) == ("Änna", kind)
        if kind == "pair":
            assert (said[0].left_image, said[0].right_image) == images
        else:
            assert {(one.left_image, one.right_image) for one in said} >= {
                (images[2], images[1]),
                (images[1], images[0]),
            }


def test_a_file_counts_once(studio: Path) -> None:
    """Read again it changes nothing; a longer one adds what is new; another answer is told, and not taken."""
    data, _ = ballot(studio, pairs=8)
    first = answered(data, number=3)
    longer = answered(data, number=5)
    for document, new, already, differ in (
        (first, 3, 0, 0),
        (first, 0, 3, 0),
        (longer, 2, 3, 0),
        (checked(longer | {"votes": [vote | {"outcome": "tie"} for vote in longer["votes"]]}), 0, 1, 4),
        (answered(data, voter="Ben", number=5), 5, 0, 0),
    ):
        (done,) = promptlab.import_votes([write(studio, document)], studio=studio)
        assert (done.new, done.already, done.differ) == (new, already, differ)
    assert len(ballots_of(studio)) == 10
    (summary,) = promptlab.votes("last", studio=studio)
    assert dict(summary.ballots) == {"Ben": 5, "Änna": 5}


GOOD: dict[str, Any] = {"format": "promptlab-votes"}
WRONG: dict[str, Any] = {
    "no JSON": "{",
    "another file": {"format": "else"},
    "newer": GOOD | {"version": 2},
    "without votes": GOOD | {"version": 1, "file": "x", "voter": "a", "check": "0"},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_none_is_refused(studio: Path, case: str) -> None:
    """With its name and what to do."""
    with pytest.raises(InputError, match=r"votes\.json: .*\[bad-votes-file\]"):
        promptlab.import_votes([write(studio, WRONG[case])], studio=studio)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"check": "00000000"}, "was changed or cut"),
        ({"voter": "Eve"}, "was changed or cut"),
        ({"votes": []}, "was changed or cut"),
        ({"voter": 7}, "incomplete or was changed"),
        ({"votes": [{"token": "x"}]}, "incomplete or was changed"),
        ({"votes": [{"token": "x", "outcome": "left", "at": "", "best": "1"}]}, "incomplete or was changed"),
    ],
)
def test_a_file_that_was_changed_is_refused(studio: Path, change: dict[str, Any], said: str) -> None:
    """Whatever was changed in it; nothing is written."""
    data, _ = ballot(studio)
    with pytest.raises(InputError, match=said):
        promptlab.import_votes([write(studio, answered(data) | change)], studio=studio)
    assert ballots_of(studio) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one | {"votes": []}, "holds no vote"),
        (lambda one: one | {"voter": "  "}, "needs the voter's name"),
        (lambda one: one | {"voter": "x" * 61}, "needs the voter's name"),
        (lambda one: one | {"votes": [one["votes"][0]] * 2}, "two votes on one ballot"),
        (
            lambda one: one | {"votes": [one["votes"][0] | {"outcome": "best", "best": 0, "worst": 1}]},
            "vote 1: of two pictures",
        ),
        (lambda one: one | {"votes": [one["votes"][0] | {"outcome": "x"}]}, "vote 1: of two pictures"),
        (lambda one: one | {"votes": [one["votes"][0] | {"token": "forged"}]}, "none of its ballots is known"),
    ],
)
def test_votes_that_cannot_be_are_refused(studio: Path, change: Any, said: str) -> None:
    """Also where somebody made the check fit."""
    data, _ = ballot(studio)
    with pytest.raises(InputError, match=said):
        promptlab.import_votes([write(studio, checked(change(answered(data))))], studio=studio)
    assert ballots_of(studio) == []


def test_several_files_are_all_or_nothing(studio: Path) -> None:
    """Every problem of every file is told, and the good one waits."""
    data, _ = ballot(studio)
    good, bad = write(studio, answered(data)), write(studio, "{", "bad.json")
    with pytest.raises(InputError) as caught:
        promptlab.import_votes([bad, good, studio / "nothing.json"], studio=studio)
    assert [problem.code for problem in caught.value.problems] == ["bad-votes-file", "missing-file"]
    assert ballots_of(studio) == []


def test_another_logs_votes_are_refused(studio: Path) -> None:
    """They belong into the log that made the file."""
    data, _ = ballot(studio)
    with pytest.raises(InputError, match=r"not of .*promptlab\.db; .*\[no-such-poll\]"):
        promptlab.import_votes([write(studio, answered(data | {"file": "01OTHER"}))], studio=studio)


def test_late_votes_of_a_closed_poll(studio: Path) -> None:
    """Are refused, and counted in a new poll when that is asked for; once."""
    data, _ = ballot(studio)
    path = write(studio, answered(data))
    (closed,) = promptlab.close_votes("last", "style", studio=studio)
    assert closed.closed_at is not None
    with pytest.raises(InputError, match=r"was closed at .*\[poll-closed\]"):
        promptlab.import_votes([path], studio=studio)
    (done,) = promptlab.import_votes([path], reopen=True, studio=studio)
    assert (done.new, done.poll_id != closed.id) == (5, True)
    (again,) = promptlab.import_votes([path], reopen=True, studio=studio)
    assert (again.new, again.already) == (0, 5)
    assert [each.total for each in promptlab.votes("last", studio=studio)] == [0, 5]
    with pytest.raises(InputError, match=r"by look is open.*\[no-such-poll\]"):
        promptlab.close_votes("last", "look", studio=studio)


def test_a_small_run_gives_what_it_has(studio: Path) -> None:
    """No pair of pictures twice: 3 scenes of 5 values have 30; held to nothing that is there, there is nothing."""
    data, _ = ballot(studio, pairs=200, goal="rank")
    with Log.open(studio / "promptlab.db") as log:
        pairs = [frozenset(paper.images) for paper in log.papers(data["file"])[1].values()]
    assert len(pairs) == len(set(pairs)) == 30
    with pytest.raises(InputError, match=r"no two pictures .*\[nothing-to-vote\]"):
        ballot(studio, only={"look": "coldlight"})
    with pytest.raises(InputError, match=r"1 to 200 ballots \[bad-ballot\]"):
        ballot(studio, pairs=0)


def test_a_picture_that_is_gone_is_said_and_nothing_is_written(studio: Path) -> None:
    """Neither a file nor a poll."""
    for path in (studio / "images").rglob("*.png"):
        path.unlink()
    with pytest.raises(StoreError):
        ballot(studio)
    assert promptlab.votes("last", studio=studio) == []
    assert not (studio / "ballot.html").exists()


def test_the_same_poll_as_on_the_page(studio: Path) -> None:
    """An open blind vote takes the file's votes; progress is told ballot by ballot."""
    with Log.open(studio / "promptlab.db") as log:
        poll = log.open_poll(RUN, "style", by="ana", goal="rank")
        told: list[tuple[int, int]] = []
        done = make_ballot(
            log, Store(studio / "images"), RUN, "style", studio / "b.html", who="ana", pairs=3,
            tell=lambda at, of: told.append((at, of)),
        )  # fmt: skip
    assert done.poll_id == poll.id
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (done.ballots, done.wanted, done.pictures, done.bytes) == (3, 3, 6, (studio / "b.html").stat().st_size)


def test_results_are_plain(studio: Path) -> None:
    """What the functions give can be shown and compared."""
    data, _ = ballot(studio)
    path = write(studio, answered(data))
    (done,) = promptlab.import_votes([path], studio=studio)
    (summary,) = promptlab.votes("last", studio=studio)
    assert done == ImportedVotes(str(path), "Änna", summary.poll.id, RUN, 5, 0, 0, 0)
    assert summary == PollSummary(summary.poll, {"Änna": 5}, 0)
    assert summary.total == 5
