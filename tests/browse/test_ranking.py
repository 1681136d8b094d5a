"""The Ranking page: the same words and numbers as `compare`, a picture, its files, and what stays hidden."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.compare.verdict import verdict_as_json, verdict_of
from promptlab.compare.verdict_picture import picture
from promptlab.log import Log
from promptlab.log.scores import Score
from promptlab.log.votes import Ballot, Comparison
from promptlab.store import Store

Get = Callable[..., Any]
EVIL = '=<script>alert("x")</script>'
VALUES = (EVIL, "اردو", "film")


@dataclass
class Voted:
    """A studio in which people voted on a prompt axis with awkward values."""

    db: Path
    images: Path
    run: str
    poll: str


def make(folder: Path, writer_class: Any, *, close: bool = True) -> Voted:
    """Ten seeds of three values; the first wins most, and one cell was refused."""
    from .conftest import draw, id_of

    db, images = folder / "promptlab.db", folder / "images"
    with Log.open(db) as log:
        writer = writer_class(log, Store(images), folder)
        run = writer.run(id_of("ranked", close), "ranked", planned=30)
        ids = {}
        for sequence, (value, seed) in enumerate(itertools.product(VALUES, range(10))):
            refused = (value, seed) == ("film", 3)
            more = {"status": "failed", "error_code": "content_policy"} if refused else {}
            made = writer.generation(run, sequence, {"prompt": value}, seed=seed, seed_index=seed, **more)
            if not refused:
                data = draw("ink", "warm", VALUES.index(value) * 10 + seed, (24, 24))
                ids[value, seed] = writer.image(made, data).id
        poll = log.open_poll(run.id, "prompt", by="ana")
        for seed, other in itertools.product(range(10), VALUES[1:]):
            if (other, seed) in ids:
                outcome = "right" if seed == 9 else "left"
                pair = Comparison(ids[EVIL, seed], ids[other, seed], outcome)  # type: ignore[arg-type]
                log.cast(Ballot(f"{other}{seed}", poll.id, "pair", "ana", (pair,)))
        log.put_scores([Score("sharpness", "sharp", "1", image_id=id_, number=seed) for (_, seed), id_ in ids.items()])
        if close:
            log.close_poll(poll.id)
    return Voted(db, images, run.id, poll.id)


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory, writer_class: Any) -> Voted:
    """A closed vote; tests only read it."""
    return make(tmp_path_factory.mktemp("voted"), writer_class)


@pytest.fixture
def site(voted: Voted) -> Any:
    """A Datasette over it."""
    return build_datasette(voted.db, voted.images)


def test_the_page_says_what_compare_says(site: Any, voted: Voted, get: Get) -> None:
    """Headline, sentences, trust, takes: each line of the verdict is on the page, and its JSON is the verdict's."""
    from markupsafe import escape

    with Log.open(voted.db, create=False, readonly=True) as log:
        verdict = verdict_of(log, voted.run, "prompt")
    answer = get(site, f"/-/promptlab/ranking?run={voted.run}&by=prompt")
    assert answer.status_code == 200
    for text in (verdict.headline, *verdict.sentences, *verdict.missing, *(each.text for each in verdict.trust)):
        assert str(escape(text)) in re.sub("[\u2068\u2069]", "", answer.text)
    found = get(site, f"/-/promptlab/ranking.json?run={voted.run}&by=prompt")
    assert found.json() == json.loads(json.dumps(verdict_as_json(verdict)))


def test_axis_and_metric_are_chosen_and_offered(site: Any, voted: Voted, get: Get) -> None:
    """The latest run, its axis, votes; the others are a click away."""
    text = get(site, "/-/promptlab/ranking").text
    assert 'aria-current="true"><bdi>prompt</bdi>' in text
    assert 'aria-current="true"><bdi>votes</bdi>' in text
    assert "metric=sharpness" in text
    scores = get(site, f"/-/promptlab/ranking?run={voted.run}&by=prompt&metric=sharpness").text
    assert "Every score, in SQL" in scores
    assert "Who beat whom" not in scores


def test_awkward_values_are_text_everywhere(site: Any, voted: Voted, get: Get) -> None:
    """HTML, quotes, a formula and right-to-left text: text on the page, in the picture, in the CSV."""
    query = f"run={voted.run}&by=prompt"
    for address in ("ranking?", "ranking.svg?", "ranking.svg?narrow=1&"):
        assert "<script>alert" not in get(site, f"/-/promptlab/{address}{query}").text
    root = ET.fromstring(get(site, f"/-/promptlab/ranking.svg?{query}").text)
    assert EVIL[:23] in " ".join(root.itertext())
    rows = list(csv.DictReader(io.StringIO(get(site, f"/-/promptlab/ranking.csv?{query}").text)))
    assert [row["value"] for row in rows] == ["'" + EVIL, *sorted(VALUES[1:], key=[r["value"] for r in rows].index)]
    page = get(site, f"/-/promptlab/ranking?{query}").text
    assert "<bdi>اردو</bdi>" in page
    assert "\u2068اردو\u2069" in page  # in a sentence it turns nothing around


def test_the_picture_stands_alone(site: Any, voted: Voted, get: Get) -> None:
    """An SVG with its own style for light and dark, a title, no script; nothing but its style may act in it."""
    answer = get(site, f"/-/promptlab/ranking.svg?run={voted.run}&by=prompt")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "prefers-color-scheme: dark" in answer.text
    assert "<title" in answer.text
    assert "href" not in answer.text
    assert answer.text.count('class="dot"') == 2


def test_narrow_pictures_fit_a_phone(voted: Voted) -> None:
    """360 units wide, and as many rows."""
    with Log.open(voted.db, create=False, readonly=True) as log:
        verdict = verdict_of(log, voted.run, "prompt")
    assert 'width="360"' in picture(verdict, narrow=True)
    assert picture(verdict, narrow=True).count("<g ") == picture(verdict).count("<g ") == 3


def test_a_cell_of_the_matrix_leads_to_its_votes(site: Any, voted: Voted, get: Get) -> None:
    """Eight wins and a loss against film: each vote with both pictures, who and when."""
    page = get(site, f"/-/promptlab/ranking?run={voted.run}&by=prompt").text
    links = [link.replace("&amp;", "&") for link in re.findall(r'class="cell[^"]*" href="([^"]+)"', page)]
    assert len(links) == 4
    votes = get(site, next(link for link in links if "other=film" in link)).text
    assert votes.count("<tr>") == 1 + 9
    assert votes.count('<span class="pill keep">preferred</span>') == 9
    assert votes.count("/-/promptlab/thumbnail/") == 18


def test_what_is_not_there(site: Any, voted: Voted, get: Get) -> None:
    """An unknown run, axis or metric is a page with a sentence, 404; for scripts an error in JSON."""
    for query in ("run=nothing", f"run={voted.run}&by=nope", f"run={voted.run}&by=prompt&metric=nope"):
        assert get(site, f"/-/promptlab/ranking?{query}").status_code == 404
        answer = get(site, f"/-/promptlab/ranking.json?{query}")
        assert (answer.status_code, answer.json()["ok"]) == (404, False)


def test_a_demo_without_votes(demo: Any, get: Get) -> None:
    """A run nobody voted on: marks are the verdict; a run of nothing comparable says so."""
    site = build_datasette(demo.db, demo.images)
    text = get(site, f"/-/promptlab/ranking?run={demo.shelf}").text
    assert 'aria-current="true"><bdi>kept</bdi>' in text
    assert "No votes by look yet: " in get(site, f"/-/promptlab/ranking?run={demo.shelf}&metric=votes").text


def test_an_open_blind_vote_is_hidden_until_asked(tmp_path: Path, writer_class: Any, get: Get) -> None:
    """Page, JSON, CSV, SVG and single votes tell nothing; whoever asked (which is logged) sees the sequence."""
    voted = make(tmp_path, writer_class, close=False)
    site = build_datasette(voted.db, voted.images)
    query = f"run={voted.run}&by=prompt"
    page = get(site, f"/-/promptlab/ranking?{query}")
    assert "is open, and how it stands is hidden" in page.text
    assert "preferred" not in page.text
    for kind in ("json", "csv", "svg"):
        assert get(site, f"/-/promptlab/ranking.{kind}?{query}").status_code == 403
    assert get(site, f"/-/promptlab/ranking/votes?{query}&value=film&other={EVIL}").status_code in (302, 303)
    with Log.open(voted.db) as log:
        log.note_tally_view(voted.poll, by="ana")
    seen = get(site, f"/-/promptlab/ranking?{query}", cookies={"promptlab_name": "ana"})
    assert "The vote is open." in seen.text
    assert get(site, f"/-/promptlab/ranking.json?{query}", cookies={"promptlab_name": "ben"}).status_code == 403


def test_an_older_log_has_no_ranking(tmp_path: Path, get: Get) -> None:
    """A log without polls, which a page does not migrate: a sentence, not an error."""
    import sqlite3

    with Log.open(tmp_path / "promptlab.db") as log:
        log.execute("SELECT 1")
    site = build_datasette(tmp_path / "promptlab.db", tmp_path / "images")
    assert get(site, "/-/promptlab/ranking").status_code == 404
    with sqlite3.connect(tmp_path / "promptlab.db") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
