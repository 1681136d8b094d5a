"""The grid's page: rows and columns of any kind, what cells without a picture say, picks, and its data as files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.browse.grid_page import why
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import InputFile
from promptlab.store import Store

Get = Callable[..., Any]
SPEC = """
template: hero.j2
vars: {brand: Harbour}
axes:
  item: {from: items.csv, id: sku}
  style: {photo: studio photo, film: 35mm film}
  look: {warm: golden hour, cold: blue hour}
skip: [{style: film, look: cold}]
baseline: {style: photo, look: warm}
seeds: [11, 12]
"""
ITEMS = "sku,name\nA2,Blue teapot\nA1,Oak stool\nA3,\n"


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


@pytest.fixture
def shop(tmp_path: Path, writer_class: Any) -> tuple[Any, str]:
    """A site over a run whose experiment the log has; its rows are not in the order of the file."""
    with Log.open(tmp_path / "promptlab.db") as log:
        writer = writer_class(log, Store(tmp_path / "images"), tmp_path)
        run = writer.run("01SHOP", "shop", spec_text=SPEC, spec_sha256="1" * 64)
        log.add_inputs(run.id, [InputFile("experiments/items.csv", "rows", "2" * 64, ITEMS)])
        cells = [
            (item, style, look) for look in ("cold", "warm") for style in ("film", "photo") for item in ("A1", "A2")
        ]
        number = 0
        for item, style, look in cells:
            if (style, look) != ("film", "cold"):
                for seed in (11, 12):
                    axes = {"item": item, "style": style, "look": look}
                    writer.generation(run, number, axes, seed=seed)
                    number += 1
    return build_datasette(tmp_path / "promptlab.db", tmp_path / "images"), run.id


def heads(text: str) -> tuple[list[str], list[str]]:
    """The rows and the columns of a page, as a reader sees them."""
    plain = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", each)).strip() for each in
             re.findall(r'<th scope="row" class="seed">(.*?)</th>', text, re.DOTALL)]  # fmt: skip
    columns = [re.sub(r"<[^>]+>", "", each) for each in re.findall(r'<th scope="col">(.*?)</th>', text)]
    return plain, columns


@pytest.mark.parametrize(
    ("query", "rows", "columns"),
    [
        ("rows=look&columns=style", ["warm", "cold"], ["film", "studio", "ink"]),
        ("rows=style&columns=seed", ["film", "studio", "ink"], ["11", "12", "13"]),
        ("rows=seed&columns=look", ["seed 11", "seed 12", "seed 13"], ["warm", "cold"]),
        ("rows=style&by=look", ["film", "studio", "ink"], ["warm", "cold"]),
        ("columns=style&scrub=seed", ["look warm", "look cold"], ["film", "studio", "ink"]),
        ("columns=style&rows=look&across=2", ["warm", "cold"], []),
        ("rows=style&columns=look&lines=2&page=2", ["ink"], ["warm", "cold"]),
        ("rows=nonsense&columns=style&scrub=nonsense&lines=1", ["seed 11"], ["film", "studio", "ink"]),
    ],
)
def test_rows_and_columns(site: Any, demo: Any, get: Get, query: str, rows: list[str], columns: list[str]) -> None:
    """Any axis as rows, the seeds too, any as columns, by the old name of the columns as well."""
    assert heads(get(site, f"/-/promptlab/compare?run={demo.shelf}&{query}").text) == (rows, columns)


def test_what_is_slid_along_is_held(site: Any, demo: Any, get: Get) -> None:
    """The slider's axis is a filter: at its first value, or the one of the address, with links to all of them."""
    query = f"/-/promptlab/compare?run={demo.shelf}&rows=look&columns=style"
    text = get(site, query).text
    assert re.search(r'data-shown aria-live="polite"><bdi>11<', text)
    assert text.count("<figure") == 5
    assert len(re.findall(r'<a data-value="\d+" href="[^"]*axis.seed=\d+', text)) == 3
    assert "data-shown" not in get(site, query + "&scrub=none").text
    assert get(site, query + "&scrub=none").text.count("<figure") == 16
    assert re.search(r"<bdi>13<", get(site, query + "&axis.seed=13").text)
    assert get(site, query + "&axis.seed=nonsense").text.count("<figure") == 0


def test_defaults_are_the_experiments(shop: Any, get: Get) -> None:
    """The baseline's axis is compared, values stand in the order of the file, and a row's name beside its id."""
    site, run = shop
    text = get(site, f"/-/promptlab/compare?run={run}").text
    assert heads(text)[1] == ["photo", "film"]
    assert text.index(">A2<") < text.index(">A1<")
    assert "Blue teapot" in text
    rows, columns = heads(get(site, f"/-/promptlab/compare?run={run}&rows=item&columns=look").text)
    assert (rows, columns) == (["A2 Blue teapot", "A1 Oak stool"], ["warm", "cold"])


def test_cells_without_a_picture_say_why(shop: Any, get: Get, tmp_path: Path) -> None:
    """What the experiment skips says so; what this run did not ask for says that."""
    site, run = shop
    text = get(site, f"/-/promptlab/compare?run={run}&rows=look&columns=style&scrub=item").text
    assert len(re.findall(r'class="blank"[^>]*>skipped<', text)) == 1
    assert "not in this run" not in text
    with Log.open(tmp_path / "promptlab.db") as log:
        log.execute("UPDATE runs SET spec_text = NULL, spec_sha256 = NULL")
    text = get(site, f"/-/promptlab/compare?run={run}&rows=look&columns=style&scrub=item").text
    assert len(re.findall(r'class="blank"[^>]*>not in this run<', text)) == 1


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("failed", "content_policy_violation", "moderated"),
        ("failed", "moderation_blocked", "moderated"),
        ("failed", "rate_limit", "failed"),
        ("failed", None, "failed"),
        ("lost", None, "lost"),
        ("unknown", None, "outcome unknown"),
        ("in_flight", None, "on its way"),
        ("planned", None, "not sent yet"),
        ("skipped", None, "skipped"),
        ("completed", None, "no picture"),
    ],
)
def test_why_there_is_no_picture(status: str, code: str | None, said: str) -> None:
    """Each state in a word or two; a refusal by the content policy is told from other failures."""
    assert why({"status": status, "error_code": code}) == said


def test_a_broken_experiment_is_shown_all_the_same(shop: Any, get: Get, tmp_path: Path) -> None:
    """A text that this version does not read says nothing about rows and columns, and stops nothing."""
    site, run = shop
    with Log.open(tmp_path / "promptlab.db") as log:
        log.execute("UPDATE runs SET spec_text = 'axes: [[', spec_sha256 = ?", ("3" * 64,))
    assert get(site, f"/-/promptlab/compare?run={run}").status_code == 200


def test_picks_are_shown(site: Any, demo: Any, get: Get, tmp_path: Path, make: Any) -> None:
    """The best and the worst of a row, as this person picked them; nobody else's, and only where they hold."""
    studio = make(tmp_path)
    mine = build_datasette(studio.db, studio.images, user="zoe")
    query = f"/-/promptlab/compare?run={studio.shelf}&by=style"
    text = get(mine, query).text
    assert text.count('name="best"') == 16  # each picture of a row that has another
    assert 'name="worst"' not in text
    row = re.findall(r'data-image="(\w+)"', text)[:3]
    with Log.open(studio.db) as log:
        poll = log.open_poll(studio.shelf, "style", by="zoe", blind=False)
        pairs = ((row[0], row[1]), (row[0], row[2]), (row[1], row[2]))
        said = tuple(Comparison(left, right, "left") for left, right in pairs)
        log.cast(Ballot("B1", poll.id, "best_worst", "zoe", said))
    text = get(mine, query).text
    assert re.findall(r'<figure class="[^"]*picked-(\w+)"\s+data-image="(\w+)"', text) == [
        ("best", row[0]), ("worst", row[2])
    ]  # fmt: skip
    assert "picked-" not in get(build_datasette(studio.db, studio.images, user="ben"), query).text
    with Log.open(studio.db) as log:
        log.undo_ballot(poll.id, by="zoe")
    assert "picked-" not in get(mine, query).text


def test_only_who_may_write_picks(demo: Any, get: Get) -> None:
    """A Datasette that only shows the log has no buttons."""
    text = get(build_datasette(demo.db, demo.images, write=False), f"/-/promptlab/compare?run={demo.shelf}").text
    assert 'name="best"' not in text
    assert 'class="judge"' not in text


def test_the_page_as_files(site: Any, demo: Any, get: Get) -> None:
    """What stands in which cell, as JSON and as CSV: a line per image, and per generation without one."""
    query = f"run={demo.shelf}&rows=look&columns=style&scrub=none"
    found = get(site, f"/-/promptlab/compare.json?{query}").json()
    assert (found["rows"], found["columns"], found["pages"]) == ("look", "style", 1)
    assert len(found["cells"]) == 18
    assert {cell["column"] for cell in found["cells"]} == {"film", "studio", "ink"}
    rows = list(csv.DictReader(io.StringIO(get(site, f"/-/promptlab/compare.csv?{query}").text)))
    assert [row["generation_id"] for row in rows] == [cell["generation_id"] for cell in found["cells"]]
    assert sum(row["status"] == "stored" for row in rows) == 16
    assert get(site, "/-/promptlab/compare.json?run=nowhere").status_code == 404
    assert get(site, "/-/promptlab/compare.csv?run=nowhere").status_code == 404


def test_more_than_a_cell_shows_leads_to_the_gallery(tmp_path: Path, writer_class: Any, get: Get) -> None:
    """A cell has four generations, and says how many more there are, with the way to all of them."""
    with Log.open(tmp_path / "promptlab.db") as log:
        writer = writer_class(log, Store(tmp_path / "images"), tmp_path)
        run = writer.run("01MANY", "many")
        cells = [(s, k, seed) for s in ("film", "ink") for k in ("warm", "cold") for seed in range(9)]
        for number, (style, look, seed) in enumerate(cells):
            writer.generation(run, number, {"style": style, "look": look}, seed=seed)
    site = build_datasette(tmp_path / "promptlab.db", tmp_path / "images")
    text = get(site, f"/-/promptlab/compare?run={run.id}&rows=style&columns=look&scrub=none").text
    more = re.findall(r'<a class="more" href="([^"]+)">\+ 5 more</a>', text)
    assert len(more) == 4
    assert "axis.style=film" in more[0]
    assert "axis.look=warm" in more[0]


def test_about_a_picture_that_is_not_there(site: Any, get: Get) -> None:
    """A part of a page about nothing is a plain 404."""
    assert get(site, "/-/promptlab/compare/about/NOWHERE").status_code == 404
