"""promptlab's own pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.browse import page_rendering as pages
from promptlab.log import Log

Get = Callable[..., Any]
EVIL = '<script>alert("x")'


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


def test_runs_show_pictures_counts_and_where_to_go(site: Any, demo: Any, get: Get) -> None:
    """Each run has its thumbnails, how many are done, failed and unknown, its spend and its links."""
    answer = get(site, "/-/promptlab")
    assert answer.status_code == 200
    card = answer.text.split(f'id="run-{demo.shelf}"')[1].split("</article>")[0]
    assert card.count("/-/promptlab/thumbnail/") == 12
    assert "/-/promptlab/file/" not in answer.text
    for part in ("16<small> of 18", "<dt>failed</dt><dd>1<", "<dt>outcome unknown</dt><dd>1<", "~$0.64"):
        assert part in card
    assert f"/-/promptlab/compare?run={demo.shelf}" in card
    assert f"/-/promptlab/gallery?run={demo.shelf}" in card
    assert f"/promptlab/failures?run={demo.shelf}" in card


def test_what_is_simulated_says_so(site: Any, demo: Any, get: Get) -> None:
    """SIMULATED stands on the run, on its grid and on its images, and on no other."""
    cards = get(site, "/-/promptlab").text.split("<article")
    assert [f"run-{demo.evil}" in card for card in cards if "SIMULATED" in card] == [True]
    assert "SIMULATED" in get(site, f"/-/promptlab/compare?run={demo.evil}").text
    assert "SIMULATED" not in get(site, f"/-/promptlab/compare?run={demo.shelf}").text
    assert "SIMULATED" not in get(site, f"/-/promptlab/image/{demo.image}").text


def test_only_a_running_run_refreshes(site: Any, demo: Any, get: Get) -> None:
    """A page with a running run fetches itself again; any other stays as it is."""
    assert "data-live" in get(site, "/-/promptlab").text
    assert "data-live" not in get(site, "/-/promptlab?experiment=shelf_photos").text
    assert "data-live" in get(site, f"/-/promptlab/compare?run={demo.running}").text


def test_side_by_side(site: Any, demo: Any, get: Get) -> None:
    """Columns are the values of the axis, lines the seeds, and what failed says why in its place."""
    text = get(site, f"/-/promptlab/compare?run={demo.shelf}&by=style").text
    assert re.findall(r'<th scope="col"><bdi>(.*?)</bdi></th>', text) == ["film", "studio", "ink"]
    assert "hand-thrown" not in text  # costs and revised prompts are told when a picture is looked at
    told = get(site, f"/-/promptlab/compare/about/{demo.image}").text
    assert "<ins>hand-thrown</ins>" in told
    assert "~$0.04" in told
    text = get(site, f"/-/promptlab/compare?run={demo.shelf}&by=style&prompts=1").text
    assert text.count("<figure") == 16
    assert text.count('class="hole failed moderated"') == text.count('class="hole unknown"') == 1
    assert "The prompt was refused: try other words." in text
    assert text.count('class="seed"') == 6
    assert "kept</span>" in text
    assert "rejected</span>" in text
    assert "<ins>hand-thrown</ins>" in text


def test_cached_copies_show_the_mark_of_the_paid_image(site: Any, demo: Any, get: Get) -> None:
    """A copy from the cache is free and shows what people said of the paid image."""
    text = get(site, f"/-/promptlab/compare?run={demo.cached}&prompts=1").text
    assert "free, from cache" in text
    assert "kept</span>" in text


def test_unseeded_lines_are_not_called_matched(site: Any, demo: Any, get: Get) -> None:
    """Draws without a seed are shown side by side with a word of warning, never as the same seed."""
    text = get(site, f"/-/promptlab/compare?run={demo.unseeded}").text
    assert "Unseeded: nothing ties the images" in text
    assert "the same seed too" not in text
    assert text.count("<figure") == 8


@pytest.mark.parametrize(
    ("query", "figures", "lines"),
    [
        ("by=variant", 16, 3),
        ("by=look", 16, 9),
        ("by=style&axis.look=cold", 7, 3),
        ("by=nonsense", 16, 9),
        ("by=style&lines=2&page=2", 5, 2),
        ("by=style&page=999", 0, 0),
        ("by=style&lines=-1&page=x&across=0", 16, 6),
        ("by=style&axis.look=nowhere", 0, 0),
    ],
)
def test_side_by_side_narrowed(site: Any, demo: Any, get: Get, query: str, figures: int, lines: int) -> None:
    """Another axis, whole variants, one value only, another page; nonsense falls back to what is sensible."""
    text = get(site, f"/-/promptlab/compare?run={demo.shelf}&{query}").text
    assert (text.count("<figure"), text.count('class="seed"')) == (figures, lines)


@pytest.mark.parametrize("run", ["", "?run=last", "?run=live", "?experiment=live"])
def test_runs_are_found_as_on_the_command_line(site: Any, demo: Any, get: Get, run: str) -> None:
    """A run is named by last, by its experiment, or by the start of its id."""
    assert demo.running in get(site, f"/-/promptlab/compare{run}").text
    assert demo.shelf in get(site, f"/-/promptlab/compare?run={demo.shelf[:10]}").text


@pytest.mark.parametrize("run", ["nothing", "%", "' or 1=1 --", "<script>"])
def test_an_unknown_run_is_not_found(site: Any, get: Get, run: str) -> None:
    """A run that is not there is a plain 404 page, escaped."""
    answer = get(site, "/-/promptlab/compare", params={"run": run})
    assert answer.status_code == 404
    assert "There is no run" in answer.text
    assert "<script>" not in answer.text


def test_image_page_has_everything(site: Any, demo: Any, get: Get) -> None:
    """An image's page has its file, prompts, rewriting, values, cost, hash, template, attempt, rows and siblings."""
    text = get(site, f"/-/promptlab/image/{demo.image}").text
    for part in (
        f'src="/-/promptlab/file/{demo.sha256}"',
        "A ceramic teapot on linen, 35 mm film, visible grain, warm light",
        "text, watermark",
        "<ins>hand-thrown</ins>",
        "~$0.04",
        demo.sha256,
        "hero.j2",
        "{# base #}",
        "Same seed, other variants",
        "Same variant, other seeds",
        "film · cold",
        f"/promptlab/images/{demo.image}",
        f"/promptlab/runs/{demo.shelf}",
        "8.2 s",
        "1:1 (the default)",
        "<dt>not sent</dt><dd>style</dd>",
        "quality",
    ):
        assert part in text, part
    assert get(site, f"/-/promptlab/image/{demo.sha256}").status_code == 200
    assert get(site, "/-/promptlab/image/NOTHING").status_code == 404


def test_nothing_of_a_prompt_is_html(site: Any, demo: Any, get: Get) -> None:
    """Prompts, negative prompts and rewritings with tags and quotes stay text on every page and in every cell."""
    found = get(site, f"/promptlab/gallery.json?run_id={demo.evil}&_shape=array").json()
    paths = ["/-/promptlab", f"/-/promptlab/compare?run={demo.evil}&prompts=1"]
    paths += [f"/-/promptlab/image/{found[0]['image_id']}", f"/promptlab/gallery?run_id={demo.evil}"]
    paths += [
        "/promptlab/what_the_model_rewrote",
        "/promptlab/generations",
        f"/promptlab/images/{found[0]['image_id']}",
    ]
    for path in paths:
        text = get(site, path).text
        assert EVIL not in text, path
        assert "&lt;script&gt;alert(" in text, path


def test_pages_forbid_what_is_not_theirs(site: Any, demo: Any, get: Get) -> None:
    """The pages load only what is bundled, run no inline script, and name no other host."""
    for path in ("/-/promptlab", f"/-/promptlab/compare?run={demo.shelf}", f"/-/promptlab/image/{demo.image}"):
        answer = get(site, path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r'<script>|<style|\son\w+="|style="|(?:src|href)="https?:|"//', answer.text)


def test_base_url_is_kept(demo: Any, get: Get) -> None:
    """Below a base_url every address on the pages and in the cells has it."""
    site = build_datasette(demo.db, demo.images, base_url="/lab/")
    paths = ["/-/promptlab", f"/-/promptlab/compare?run={demo.shelf}", f"/-/promptlab/image/{demo.image}"]
    for path in [*paths, "/promptlab/gallery", "/promptlab/variants_side_by_side?axis=style"]:
        answer = get(site, path)
        assert answer.status_code == 200, path
        local = re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
        assert local
        assert [address for address in local if not address.startswith("/lab/")] == []
    for address in re.findall(r'(?:href|src)="(/lab/-/promptlab/(?:static|thumbnail)[^"]*)"', get(site, paths[0]).text):
        assert get(site, address.removeprefix("/lab").replace("&amp;", "&")).status_code == 200


def test_an_empty_log_says_what_to_do(empty: Any, tmp_path: Any, get: Get) -> None:
    """A log without runs shows the first command to type."""
    site = build_datasette(empty, tmp_path)
    answer = get(site, "/-/promptlab")
    assert answer.status_code == 200
    assert "promptlab try" in answer.text
    assert get(site, "/-/promptlab/compare").status_code == 404


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (pages.dollars(None), "–"),
        (pages.dollars(0), "$0.00"),
        (pages.dollars(0.04), "$0.04"),
        (pages.dollars(0.0375), "$0.0375"),
        (pages.dollars(1204.5), "$1,204.50"),
        (pages.cost({"cost_usd": 0.04, "cost_source": "table"}), "~$0.04"),
        (pages.cost({"cost_usd": 0.04, "cost_source": "response"}), "$0.04"),
        (pages.cost({"credits": 4.0, "cost_usd": None, "cost_source": "usage"}), "4 credits"),
        (pages.cost({"cost_usd": None, "credits": None}), "cost not known"),
        (pages.duration(0.82), "820 ms"),
        (pages.duration(4.2), "4.2 s"),
        (pages.duration(200), "3 min 20 s"),
        (pages.duration(7500), "2 h 5 min"),
        (pages.duration(None), "–"),
        (pages.ago("2026-11-22T11:59:50Z", NOW), "just now"),
        (pages.ago("2026-11-22T11:55:00Z", NOW), "5 min ago"),
        (pages.ago("2026-11-22T09:00:00Z", NOW), "3 h ago"),
        (pages.ago("2026-11-21T09:00:00Z", NOW), "yesterday"),
        (pages.ago("2026-11-01T09:00:00Z", NOW), "1 Nov 2026"),
        (pages.ago("some day", NOW), "some day"),
        (pages.pretty_json("{no"), "{no"),
    ],
)
def test_figures_and_times(made: str, expected: str) -> None:
    """Amounts, durations and times are written for people, and an estimate says so."""
    assert made == expected


def test_times_are_written_on_every_system() -> None:
    """Days have no leading zero, and no code that only some C libraries have (%-d) is used for it."""
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert pages.ago("2026-11-02T13:00:50Z", now) == "2 Nov 2026"
    assert pages.clock("2026-11-02T13:00:50+02:00") == "2 Nov 2026, 11:00:50 UTC"
    package = Path(pages.__file__).parents[1]
    code = re.compile(r"strftime\([^)]*%[-#]")
    assert [file for file in package.rglob("*.py") if code.search(file.read_text(encoding="utf-8"))] == []


def test_one_term_for_one_thing(site: Any, demo: Any, get: Get) -> None:
    """Pages say "negative prompt" and "revised prompt", as YAML, SQL and the API do; prompts choose their direction."""
    for address in (f"/-/promptlab/image/{demo.image}", f"/-/promptlab/compare?run={demo.shelf}&prompts=1"):
        text = get(site, address).text
        assert re.search("(?i)negative prompt", text)
        assert re.search("(?i)revised prompt", text)
        assert not re.search("(?i)>without<|made of it|rewritten", text)
        assert '<html lang="en">' in text
        assert re.search(r"<title>[^<]*\S · promptlab</title>", text)
        assert not re.search(r'<p class="prompt">', text)
        assert not re.search(r"<img(?![^>]*\balt=\"[^\"]+\")", text)


def test_hidden_runs_are_not_listed(site: Any, demo: Any, get: Get) -> None:
    """A run that was hidden is left out of the runs page, and its own page still opens."""
    with Log.open(demo.db) as log:
        log.hide_run(demo.shelf)
        try:
            assert f"run-{demo.shelf}" not in get(site, "/-/promptlab").text
            assert get(site, f"/-/promptlab/compare?run={demo.shelf}").status_code == 200
        finally:
            log.unhide_run(demo.shelf)
    assert f"run-{demo.shelf}" in get(site, "/-/promptlab").text
