"""The wall of pictures: what is on it, what one chooses by, what the figures say, how one goes on."""

from __future__ import annotations

import csv
import io
import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette, gallery_facets
from promptlab.browse import gallery_data as module
from promptlab.browse.gallery_data import GalleryFilter, GalleryPage, gallery_page, matching, scope_of
from promptlab.browse.gallery_facets import BoundedCount, GalleryFacets, facets_of
from promptlab.log import Log
from promptlab.store import Store

Get = Callable[..., Any]
STYLES, LOOKS = ("film", "ink", "clay"), ("warm", "cold")


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


def tiles(text: str) -> list[str]:
    """The ids of the pictures of a page."""
    return re.findall(r'<li class="tile[^"]*" data-image="(\w+)"', text)


def figures(connection: sqlite3.Connection, wanted: GalleryFilter) -> dict[str, dict[str, str]]:
    """Facet → value → what its count says."""
    return {facet.key: {value: str(count) for value, _, count in facet.values}
            for facet in facets(connection, wanted).facets}  # fmt: skip


def facets(connection: sqlite3.Connection, wanted: GalleryFilter) -> GalleryFacets:
    """The facets of a filter."""
    hits = matching(connection, GalleryFilter(query=wanted.query), scope_of(connection, wanted))[0]
    return facets_of(connection, wanted, scope_of(connection, wanted), scope_of(connection, GalleryFilter()), hits)


def page(connection: sqlite3.Connection, wanted: GalleryFilter, size: int = 5, **more: Any) -> GalleryPage:
    """One page of the wall."""
    return gallery_page(connection, wanted, scope_of(connection, wanted), size=size, **more)


def pages(connection: sqlite3.Connection, wanted: GalleryFilter, size: int) -> Iterator[GalleryPage]:
    """All of its pages."""
    found = page(connection, wanted, size)
    while True:
        yield found
        if found.after is None:
            return
        found = page(connection, wanted, size, after=found.after)


@pytest.mark.parametrize(
    ("query", "pictures"),
    [
        ("", 32),
        ("run={shelf}", 16),
        ("experiment=shelf_photos", 19),
        ("experiment=shelf_photos&axis.look=warm", 12),
        ("run={shelf}&axis.look=warm&axis.style=ink", 3),
        ("run={shelf}&axis.look=nowhere", 0),
        ("run={shelf}&mark=keep", 1),
        ("run={cached}&mark=keep", 1),
        ("run={shelf}&mark=reject", 1),
        ("run={shelf}&mark=unmarked", 14),
        ("mark=nonsense", 32),
        ("provider=simulator", 4),
        ("template=hero.j2", 32),
        ("template=other.j2", 0),
        ("q=teapot+linen", 28),
        ("q=hand-thrown", 16),
        ("q=%22", 0),
        ("q=NOT+%28", 0),
        ("run={shelf}&q=ink+drawing&axis.look=cold", 3),
        ("size=9&after=nowhere", 32),
    ],
)
def test_what_is_on_the_wall(site: Any, demo: Any, get: Get, query: str, pictures: int) -> None:
    """A run, an experiment, an axis, a mark, words of the prompt or the revised prompt; nonsense finds nothing."""
    text = get(site, "/-/promptlab/gallery?" + query.format(shelf=demo.shelf, cached=demo.cached)).text
    assert len(tiles(text)) == pictures


def test_a_run_that_is_not_there(site: Any, get: Get) -> None:
    """A run that the log does not have is said, on the page and in its files."""
    assert get(site, "/-/promptlab/gallery?run=nowhere").status_code == 404
    assert get(site, "/-/promptlab/gallery.csv?run=nowhere").status_code == 404
    assert get(site, "/-/promptlab/gallery.json?run=nowhere").status_code == 404


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pages_go_on_and_back(connection: sqlite3.Connection, size: int) -> None:
    """Through all pages each picture is shown once, and the way back shows the same pages."""
    forward = list(pages(connection, GalleryFilter(), size))
    ids = [image["id"] for each in forward for image in each.images]
    assert len(ids) == len(set(ids)) == 32
    assert forward[0].before is None
    for earlier, later in itertools.pairwise(forward):
        assert later.before is not None
        back = page(connection, GalleryFilter(), size, before=later.before)
        assert [image["id"] for image in back.images] == [image["id"] for image in earlier.images]


def test_the_latest_run_comes_first_in_the_order_of_its_plan(connection: sqlite3.Connection, demo: Any) -> None:
    """Runs stand latest first, and pictures within one as they were planned."""
    images = page(connection, GalleryFilter(), 100).images
    runs = [run for run, _ in itertools.groupby(image["run_id"] for image in images)]
    assert runs == [demo.running, demo.unseeded, demo.evil, demo.cached, demo.shelf]
    shelf = [image["sequence"] for image in images if image["run_id"] == demo.shelf]
    assert shelf == sorted(shelf)


def test_counts_are_those_of_each_choice(connection: sqlite3.Connection, demo: Any) -> None:
    """A figure says how many pictures its choice would leave, with all the other choices made."""
    run = GalleryFilter(run=demo.shelf, experiment="shelf_photos")
    assert figures(connection, run)["axis.style"] == {"film": "5", "studio": "5", "ink": "6"}
    warm = GalleryFilter(run=demo.shelf, experiment="shelf_photos", axes={"look": "warm"})
    found = figures(connection, warm)
    assert found["axis.style"] == {"film": "3", "studio": "3", "ink": "3"}
    assert found["axis.look"] == {"warm": "9", "cold": "7"}
    assert found["mark"] == {"keep": "1", "reject": "0", "unmarked": "8"}
    kept = GalleryFilter(run=demo.shelf, experiment="shelf_photos", mark="keep")
    assert figures(connection, kept)["axis.style"] == {"film": "1", "studio": "0", "ink": "0"}


def test_copies_from_the_cache_are_counted(connection: sqlite3.Connection, demo: Any) -> None:
    """A run that was answered from the cache has pictures, and the marks of what they are copies of."""
    found = facets(connection, GalleryFilter(run=demo.cached, experiment="shelf_photos"))
    assert str(found.total) == "3"
    mark = next(facet for facet in found.facets if facet.key == "mark")
    assert [str(count) for _, _, count in mark.values] == ["1", "0", "2"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"experiment": "shelf_photos"},
        {"experiment": "shelf_photos", "axes": {"style": "ink"}},
        {"mark": "keep"},
        {"mark": "unmarked"},
        {"query": "teapot"},
        {"query": "ink", "axes": {"look": "cold"}},
        {"provider": "simulator"},
        {"template": "hero.j2", "mark": "reject"},
    ],
)
def test_the_total_is_what_the_pages_have(connection: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    """The number above the wall is the number of pictures on all of its pages."""
    chosen = GalleryFilter(**wanted)
    found = sum(len(each.images) for each in pages(connection, chosen, 7))
    assert facets(connection, chosen).total == BoundedCount(found)


@pytest.mark.parametrize(
    ("number", "exact", "said"),
    [
        (0, True, "0"),
        (4000, True, "4,000"),
        (12, False, "12+"),
        (1000, False, "1,000+"),
        (1001, False, "more than 1,000"),
    ],
)
def test_a_bounded_count_never_claims_too_much(number: int, exact: bool, said: str) -> None:
    """What was counted to the end is a figure; what was not is the least that there are."""
    assert str(BoundedCount(number, exact)) == said


def test_counting_stops_at_a_bound(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more hits than are counted one by one, the figures say so."""
    monkeypatch.setattr(gallery_facets, "_COUNTED", 3)
    assert str(facets(connection, GalleryFilter(query="teapot")).total) == "3+"


def test_many_revised_prompts(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search with more hits among revised prompts than are looked up says how to see all of them."""
    assert "Add a word" not in get(site, "/-/promptlab/gallery?q=washed").text
    monkeypatch.setattr(module, "_REVISED", 3)
    assert "Add a word" in get(site, "/-/promptlab/gallery?q=washed").text


def test_the_facets_lead_to_each_choice_and_away(site: Any, demo: Any, get: Get) -> None:
    """A facet's link makes its choice, the chosen one's takes it away, and all others are kept."""
    text = get(site, f"/-/promptlab/gallery?run={demo.shelf}&axis.look=warm&size=5").text
    links = {label: link.replace("&amp;", "&") for link, label in
             re.findall(r'<li><a href="([^"]+)"[^>]*><bdi>([^<]+)</bdi> <small>', text)}  # fmt: skip
    assert f"run={demo.shelf}" in links["ink"]
    assert "axis.look=warm" in links["ink"]
    assert "axis.style=ink" in links["ink"]
    assert "size=5" in links["ink"]
    assert "axis.look" not in links["warm"]
    assert len(tiles(get(site, links["ink"]).text)) == 3
    assert "failures" in text


def test_failures_are_counted_and_led_to(site: Any, demo: Any, get: Get) -> None:
    """What has no picture is no picture, but it is told, with a way to the reasons."""
    text = get(site, f"/-/promptlab/gallery?run={demo.shelf}").text
    assert re.search(rf'failures\?run={demo.shelf}[^"]*">failed <small>1</small>', text)
    assert re.search(r">outcome unknown <small>1</small>", text)


def test_json_and_csv_are_the_same_pictures(site: Any, demo: Any, get: Get) -> None:
    """The page's data as files, with a way on, and no cell that a spreadsheet would run."""
    query = f"run={demo.shelf}&axis.style=ink"
    found = get(site, f"/-/promptlab/gallery.json?{query}").json()
    assert len(found["images"]) == 6
    assert found["next"] is None
    assert found["images"][0]["axes"] == {"style": "ink", "look": "warm"}
    first = get(site, f"/-/promptlab/gallery.json?{query}&limit=4").json()
    rest = get(site, first["next"]).json()
    assert [each["image_id"] for each in first["images"] + rest["images"]] == [
        each["image_id"] for each in found["images"]
    ]
    rows = list(csv.DictReader(io.StringIO(get(site, f"/-/promptlab/gallery.csv?{query}").text)))
    assert [row["image_id"] for row in rows] == [each["image_id"] for each in found["images"]]


def test_a_prompt_is_text_everywhere(tmp_path: Path, writer_class: Any, get: Get) -> None:
    """HTML, quotes and a formula in a prompt, a value or an experiment's words are shown as text."""
    evil = '=cmd()"><script>alert(1)</script> שלום'
    with Log.open(tmp_path / "promptlab.db") as log:
        writer = writer_class(log, Store(tmp_path / "images"), tmp_path)
        run = writer.run("01EVIL", "evil")
        made = writer.generation(run, 0, {"look": evil}, prompt=evil)
        writer.image(made, _pixel())
    site = build_datasette(tmp_path / "promptlab.db", tmp_path / "images")
    for query in ("", "?run=last", "?run=last&axis.look=" + "%3Dcmd()%22%3E%3Cscript%3Ealert(1)%3C/script%3E%20שלום"):
        text = get(site, f"/-/promptlab/gallery{query}").text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert len(tiles(text)) == 1
    rows = list(csv.DictReader(io.StringIO(get(site, "/-/promptlab/gallery.csv").text)))
    assert rows[0]["prompt"].startswith("'=cmd()")


def _pixel() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (4, 4), "teal").save(out, "PNG")
    return out.getvalue()


def test_hidden_and_verify_runs_stay_out(tmp_path: Path, demo: Any, get: Get, site: Any) -> None:
    """Of everything, hidden runs are left out; one that is named is shown."""
    with Log.open(demo.db) as log:
        log.hide_run(demo.evil)
        try:
            assert len(tiles(get(site, "/-/promptlab/gallery").text)) == 28
            assert len(tiles(get(site, f"/-/promptlab/gallery?run={demo.evil}").text)) == 4
        finally:
            log.unhide_run(demo.evil)


def test_a_page_reads_its_own_rows_alone(connection: sqlite3.Connection, demo: Any) -> None:
    """Which generations are shown is found in indexes; no table is read from end to end."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    wanted = GalleryFilter(
        run=demo.shelf, experiment="shelf_photos", axes={"look": "warm"}, mark="keep", query="teapot"
    )
    page(connection, wanted)
    connection.set_trace_callback(None)
    for statement in (each for each in statements if not each.startswith("--")):  # the search index's own
        for step in connection.execute("EXPLAIN QUERY PLAN " + statement).fetchall():
            assert not re.match(r"SCAN (g|i|generations|images)\b", step[3]), (statement, step[3])


def test_only_who_may_write_is_offered_buttons(demo: Any, get: Get) -> None:
    """A Datasette that only shows the log has no keep and reject."""
    text = get(build_datasette(demo.db, demo.images, write=False), "/-/promptlab/gallery").text
    assert 'class="judge"' not in text
    assert "to-keep" not in text


def test_an_old_log_has_a_gallery(tmp_path: Path) -> None:
    """A log without sums is counted picture by picture."""
    with Log.open(tmp_path / "promptlab.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "promptlab.db")) as log:
        log.execute("DROP VIEW variant_summary")
        log.execute("DROP VIEW variant_parts")
        assert facets(log, GalleryFilter()).total == BoundedCount(0)
