"""The image page: marks, what to copy, the download, chains of edits, near duplicates, votes, scores, label."""

from __future__ import annotations

import csv
import io
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from promptlab.browse import build_datasette, near_duplicates, page_data
from promptlab.browse.chains import chain_of, size
from promptlab.browse.image_story import command_of
from promptlab.log import Log
from promptlab.log.scores import Score
from promptlab.log.votes import Ballot, Comparison
from promptlab.spec.matcher import conditions
from promptlab.store import Store

Get = Callable[..., Any]


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


@pytest.fixture
def own(demo: Any, tmp_path: Path) -> Any:
    """A copy of the demo's log to write into; the images are shared."""
    shutil.copy(demo.db, tmp_path / "promptlab.db")
    return replace(demo, folder=tmp_path, db=tmp_path / "promptlab.db")


def ids(db: Path, run: str) -> list[str]:
    """The images of a run, in order."""
    with sqlite3.connect(db) as log:
        sql = "SELECT i.id FROM images i JOIN generations g ON g.id = i.generation_id WHERE g.run_id = ? ORDER BY "
        return [row[0] for row in log.execute(sql + "g.sequence, i.position", (run,))]


def test_marks_tags_note_and_their_history(own: Any, get: Get) -> None:
    """The mark that holds with its tags and note, the forms to change it, and what was said before."""
    with Log.open(own.db) as log:
        log.set_marks([own.image], "reject", by="ben", tags=["<b>blurry</b>"], note='too "dark"')
        log.undo_marks(by="ben")
        log.set_marks([own.image], "keep", by="ben", tags=["hero"])
    text = get(build_datasette(own.db, own.images), f"/-/promptlab/image/{own.image}").text
    said = text.split("What people said")[1].split("</section>")[0]
    assert '<button class="keep" name="mark" value="keep" aria-pressed="true">' in text
    assert re.search(r'name="tag" value="hero" checked', said)
    assert re.search(r'name="tag" value="cover">', said)  # used elsewhere, to choose
    assert "took back" in said
    assert "rejected it" in said
    assert "&lt;b&gt;blurry&lt;/b&gt;" in said
    assert "<b>blurry" not in text
    assert said.count('name="csrftoken"') == 2


def test_a_page_that_may_not_write_has_no_forms(demo: Any, get: Get) -> None:
    """In a Datasette that shows the log only, the mark is there and its buttons are not."""
    text = get(build_datasette(demo.db, demo.images, write=False), f"/-/promptlab/image/{demo.image}").text
    assert "<form" not in text
    assert "the one" in text


def test_the_command_makes_this_variant_again(site: Any, demo: Any, get: Get) -> None:
    """`promptlab run FILE --where …`, quoted for the shell; without a file, the command that shows the generation."""
    text = get(site, f"/-/promptlab/image/{demo.image}").text
    assert "promptlab run experiments/shelf_photos.yaml --where style=film,look=warm</pre>" in text


@pytest.mark.parametrize(
    "axes", [{"a": "x y"}, {"a": 'say "hi", now'}, {"a": "1=2", "b": "c*"}, {"a": "it's", "b": ""}, {"a": " b "}]
)
def test_where_reads_what_the_command_writes(connection: sqlite3.Connection, demo: Any, axes: dict[str, str]) -> None:
    """Whatever the ids are, `--where` of the copied command picks exactly them."""
    found = page_data.image_detail(connection, demo.image)
    assert found is not None
    words = shlex.split(command_of(replace(found, axes=axes), "exp.yaml"))
    assert words[:4] == ["promptlab", "run", "exp.yaml", "--where"]
    read = conditions(words[4], lambda name: name in axes)
    assert [(each.name, [text for text, _ in each.accepts]) for each in read] == [
        (axis, [value]) for axis, value in axes.items()
    ]
    assert command_of(found, None) == f"promptlab show {found.generation['id']}"


def test_the_curl_command_has_no_key(site: Any, demo: Any, get: Get) -> None:
    """The request as it was, with the key as a variable; what cannot be written so says that."""
    text = get(site, f"/-/promptlab/image/{demo.image}").text
    curl = text.split('<pre id="curl"')[1].split("</pre>")[0]
    assert "Authorization: Bearer $KAIRVAL_API_KEY" in curl
    assert "A ceramic teapot on linen" in curl


def test_downloads_have_their_readable_name(own: Any, get: Get) -> None:
    """The file under its name in results/, byte for byte, whatever signs the name has."""
    name = 'té "a"\\b.png'
    with Log.open(own.db) as log:
        log.execute("UPDATE images SET path = ? WHERE id = ?", (f"results/x/{name}", own.image))
    site = build_datasette(own.db, own.images)
    answer = get(site, f"/-/promptlab/download/{own.image}")
    assert answer.content == Store(own.images).get(own.sha256)
    header = answer.headers["content-disposition"]
    assert header == "attachment; filename=\"t_ _a__b.png\"; filename*=UTF-8''t%C3%A9%20%22a%22%5Cb.png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert get(site, "/-/promptlab/download/nothing").status_code == 404
    assert f"/-/promptlab/download/{own.image}" in get(site, f"/-/promptlab/image/{own.image}").text


def test_on_and_back_pass_every_image(site: Any, demo: Any, get: Get) -> None:
    """Next leads through all images of a run in order, also those of one call, and Previous the same way back."""
    wanted = ids(demo.db, demo.unseeded)
    assert len(wanted) == 8
    for ahead, way in ((wanted, "next"), (wanted[::-1], "previous")):
        for here, then in zip(ahead, [*ahead[1:], None], strict=True):
            assert get(site, f"/-/promptlab/image/{here}.json").json()[way] == then


# --- chains -------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(own: Any, writer_class: Any) -> tuple[Any, list[Any]]:
    """A first image, two edits of it, an edit of the first edit, and one from a file that nobody made."""
    made: list[Any] = []
    with Log.open(own.db) as log:
        writer = writer_class(log, Store(own.images), own.folder)
        run = writer.run("01CHAIN", "edits")

        def image(source: str | None) -> Any:
            number = len(made)
            row = writer.generation(
                run, number, {"n": str(number)}, seed=number, source_image=source, prompt=f"p{number}"
            )
            data = io.BytesIO()
            Picture.new("RGB", (64, 64), (number * 40, 10, 90)).save(data, "PNG")
            made.append(writer.image(row, data.getvalue()))
            return made[-1]

        first = image(None)
        edit = image(first.sha256)
        image(first.sha256)
        image(edit.sha256)
        image("f" * 64)
    return own, made


def told(own: Any, id_: str) -> Any:
    with sqlite3.connect(own.db) as connection:
        found = page_data.image_detail(connection, id_)
        assert found is not None
        return chain_of(connection, found.image, found.generation)


def test_chains_lead_up_and_down(chain: tuple[Any, list[Any]], get: Get) -> None:
    """From the middle: what it was made from above it, what was made from it below, other edits counted."""
    own, (first, edit, _, last, alone) = chain
    tree = told(own, edit.id)
    assert (tree.id, tree.here, tree.more) == (first.id, False, 1)
    assert [(link.id, link.here) for link in tree.children] == [(edit.id, True)]
    assert [link.id for link in tree.children[0].children] == [last.id]
    whole = told(own, first.id)
    assert whole.here
    assert size(whole) == 4
    source = told(own, alone.id)
    assert (source.id, source.sha256) == (None, "f" * 64)
    text = get(build_datasette(own.db, own.images), f"/-/promptlab/image/{edit.id}").text
    tree_text = text.split('class="chain"')[1].split("</section>")[0]
    assert "1 more edit of it" in tree_text
    assert tree_text.count("<img") == 3


def test_a_circle_of_edits_ends(chain: tuple[Any, list[Any]]) -> None:
    """Images that claim to be made from each other are shown once."""
    own, (first, edit, *_) = chain
    with Log.open(own.db) as log:
        log.execute("UPDATE generations SET source_image = ? WHERE id = ?", (edit.sha256, first.generation_id))
    tree = told(own, edit.id)
    assert size(tree) <= 6
    assert told(own, first.id) is not None


def test_a_tree_is_bounded(chain: tuple[Any, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many edits only so many are shown, and the rest are counted."""
    own, (first, *_) = chain
    monkeypatch.setattr("promptlab.browse.chains._WIDE", 1)
    tree = told(own, first.id)
    assert (len(tree.children), tree.more) == (1, 1)


def test_an_image_without_edits_has_no_tree(demo: Any) -> None:
    """Neither an edit nor edited: nothing to show."""
    assert told(demo, demo.image) is None


# --- near duplicates ----------------------------------------------------------------------------------------------


@pytest.fixture
def hashed(own: Any) -> Any:
    """The shelf's images with hashes: the first four 0, 1, 5 and 20 bits from the first one's."""
    with Log.open(own.db) as log:
        for number, value in enumerate((0, 1, 0b11111, (1 << 20) - 1)):
            id_ = ids(own.db, own.shelf)[number]
            log.execute("UPDATE images SET perceptual_hash = ? WHERE id = ?", (f"{value:016x}", id_))
    return own


def near(own: Any, id_: str) -> list[tuple[str, int]]:
    with sqlite3.connect(own.db) as connection:
        found = page_data.image_detail(connection, id_)
        assert found is not None
        rows, total = near_duplicates.near_duplicates(connection, own.db, found.image)
        assert len(rows) == total
        return [(row["id"], row["bits"]) for row in rows]


def test_near_duplicates_are_found_by_bits(hashed: Any, get: Get) -> None:
    """Images within six bits, the nearest first; not the image itself, not its copies, nothing further away."""
    first, second, third, *_ = ids(hashed.db, hashed.shelf)
    assert near(hashed, first) == [(second, 1), (third, 5)]
    text = get(build_datasette(hashed.db, hashed.images), f"/-/promptlab/image/{first}").text
    assert "1 of 64 bits differ" in text
    assert "5 of 64 bits differ" in text


def test_what_came_later_is_found_too(hashed: Any) -> None:
    """Hashes are kept in memory: a hash that is there later, and an image that came later, are found as well."""
    first, second, third, fourth, fifth, *_ = ids(hashed.db, hashed.shelf)
    assert len(near(hashed, first)) == 2
    with Log.open(hashed.db) as log:
        log.execute("UPDATE images SET perceptual_hash = ? WHERE id = ?", (f"{3:016x}", fifth))  # was not decoded yet
        assert near(hashed, first) == [(second, 1), (fifth, 2), (third, 5)]
        columns = "id, generation_id, position, status, sha256, perceptual_hash"
        sql = f"INSERT INTO images ({columns}) VALUES (?, ?, 7, ?, ?, ?)"
        generation = log.value("SELECT generation_id FROM images WHERE id = ?", (fourth,))
        log.execute(sql, ("NEW", generation, "stored", "e" * 64, f"{7:016x}"))
    assert near(hashed, first) == [(second, 1), (fifth, 2), ("NEW", 3), (third, 5)]


def test_an_image_that_was_not_decoded_has_none(demo: Any) -> None:
    """Without a hash there is nothing to compare."""
    assert near(demo, demo.image) == []


# --- votes, scores, label -----------------------------------------------------------------------------------------


def test_votes_scores_and_label(own: Any, get: Get) -> None:
    """How often people preferred it, each score with its scorer, and in words what the file says of its origin."""
    first, second, *_ = ids(own.db, own.shelf)
    with Log.open(own.db) as log:
        poll = log.open_poll(own.shelf, "style", by="ana")
        sides = [(first, second, "left"), (second, first, "left"), (first, second, "tie"), (second, first, "right")]
        for number, (left, right, outcome) in enumerate(sides):
            comparison = Comparison(left, right, outcome)  # type: ignore[arg-type]
            log.cast(Ballot(str(number), poll.id, "pair", "ana", (comparison,)))
        log.put_scores([Score("sharpness", "sharp", "1", image_id=first, number=21.5)])
        log.execute("UPDATE images SET label = 'c2pa' WHERE id = ?", (first,))
        site = build_datasette(own.db, own.images)
        hidden = get(site, f"/-/promptlab/image/{first}").text
        assert "voting blindly" in hidden
        assert "Preferred in" not in hidden
        assert get(site, f"/-/promptlab/image/{first}.json").json()["votes"] is None
        log.close_poll(poll.id)
    text = get(site, f"/-/promptlab/image/{first}").text
    assert "Preferred in <b>2</b> of 4 votes, not preferred in <b>1</b>, equal in 1." in text
    assert "C2PA: the provider signed" in text
    assert "21.5" in text.split("<h3>Scores</h3>")[1].split("</section>")[0]
    # A copy from the cache shows what was said of the paid image.
    copy = ids(own.db, own.cached)[0]
    assert "Preferred in <b>2</b>" in get(site, f"/-/promptlab/image/{copy}").text


def test_the_page_as_data(site: Any, demo: Any, get: Get) -> None:
    """JSON has the rows, CSV a line for each fact; an unknown image is 404 in both."""
    data = get(site, f"/-/promptlab/image/{demo.image}.json").json()
    assert data["image"]["sha256"] == demo.sha256
    assert data["axes"] == {"style": "film", "look": "warm"}
    assert data["marks"][0]["note"] == "the one"
    lines = {
        row["name"]: row["value"]
        for row in csv.DictReader(io.StringIO(get(site, f"/-/promptlab/image/{demo.image}.csv").text))
    }
    assert lines["axes.style"] == "film"
    assert lines["generation.cost_usd"] == "0.04"
    for suffix in (".json", ".csv"):
        assert get(site, f"/-/promptlab/image/nothing{suffix}").status_code == 404
