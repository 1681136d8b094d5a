"""The review queue: what comes next, what is counted, who holds what; the page as forms, its JSON and CSV."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.browse import build_datasette
from promptlab.browse.leases import LEASE_SECONDS, Leases
from promptlab.browse.page_data import find_run
from promptlab.browse.review_index import Queue, RunIndex, Show, View
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.model import Image
from tests.browse.shop import Browser, Shop, copy_shop, make_shop, visitors

REVIEW, MARK, UNDO = "/-/promptlab/review", "/-/promptlab/mark", "/-/promptlab/mark/undo"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, writer_class: Any) -> Shop:
    """The log that each test gets a copy of."""
    return make_shop(tmp_path_factory.mktemp("shop"), writer_class)


@pytest.fixture
def shop(made: Shop, tmp_path: Path) -> Shop:
    """Twelve images: three products in two looks, two seeds each."""
    return copy_shop(made, tmp_path)


@pytest.fixture
def visit() -> Iterator[Any]:
    """Browsers of this test."""
    with visitors() as visit:
        yield visit


@pytest.fixture
def browser(shop: Shop, visit: Any) -> Browser:
    """The owner, at this machine."""
    found: Browser = visit(build_datasette(shop.db, shop.images, user="ada"))
    return found


def ask(browser: Browser, **query: Any) -> dict[str, Any]:
    """The queue's JSON."""
    names = {name.replace("__", "."): value for name, value in query.items()}
    answer = browser.get(f"{REVIEW}.json", params=names)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def keys(answer: Mapping[str, Any]) -> list[str]:
    return [item["key"] for item in answer["items"]]


def keep(browser: Browser, *ids: str, mark: str = "keep", **more: Any) -> None:
    assert browser.post(MARK, {"image": list(ids), "mark": mark, **more}).status_code == 200


# --- what comes next ---


def test_the_queue_is_the_plan_without_what_is_judged(shop: Shop, browser: Browser) -> None:
    """In the order of the plan, from the picture after the one that is named; judged ones are passed over."""
    keep(browser, shop.ids[1], shop.ids[3])
    answer = ask(browser, count=3)
    assert keys(answer) == [shop.ids[0], shop.ids[2], shop.ids[4]]
    assert answer["counts"] == {"total": 12, "judged": 2, "keep": 2, "reject": 0}
    assert keys(ask(browser, count=2, after=shop.ids[4])) == shop.ids[5:7]
    assert keys(ask(browser, before=shop.ids[4])) == [shop.ids[3]]
    assert keys(ask(browser, at=shop.ids[1])) == [shop.ids[1]]


def test_what_was_skipped_comes_again_at_the_end(shop: Shop, browser: Browser) -> None:
    """From the last picture the queue goes on with the first that is not judged."""
    keep(browser, *shop.ids[1:-1])
    assert keys(ask(browser, after=shop.ids[-1], count=5)) == [shop.ids[0], shop.ids[-1]]
    keep(browser, shop.ids[0], shop.ids[-1])
    answer = ask(browser, count=5)
    assert (answer["items"], answer["counts"]["judged"]) == ([], 12)


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({"axis.look": "cold"}, [2, 3, 6, 7, 10, 11]),
    ({"axis.item": ["P-0000", "P-0002"], "axis.look": "warm"}, [8, 9]),
    ({"field.item.category": "shoes"}, [4, 6, 7]),
    ({"field.item.category": "bags & more", "axis.look": "warm"}, [8, 9]),
    ({"mark": "keep"}, [0, 5]),
    ({"mark": "reject"}, [1]),
    ({"mark": "mine"}, [0, 1]),
    ({"mark": "all", "axis.item": "P-0001"}, [4, 5, 6, 7]),
    ({"mark": "all", "tag": "blurred"}, [1]),
    ({"mark": "nonsense", "view": "nonsense", "axis.item": "P-0001"}, [4, 6, 7]),
]


def test_filters(shop: Shop, browser: Browser) -> None:
    """By axis, by a field of the rows, by mark, by who marked and by tag; the JSON and the CSV agree."""
    keep(browser, shop.ids[0])
    keep(browser, shop.ids[1], mark="reject", tag="blurred")
    with Log.open(shop.db) as log:
        log.mark_images([shop.ids[5]], "keep", by="ben")
    for query, places in FILTERS:
        found = browser.get(f"{REVIEW}.json", params={"count": 24, **query}).json()
        assert keys(found) == [shop.ids[place] for place in places], query
        rows = list(csv.DictReader(io.StringIO(browser.get(f"{REVIEW}.csv", params=query).text)))
        assert [row["image_id"] for row in rows] == keys(found), query


def test_a_filter_that_names_nothing_says_so(browser: Browser) -> None:
    """A wrong axis, field or value is a sentence with the nearest name, never a queue of other pictures."""
    for query, words in (
        ("axis.lok=warm", "did you mean &#39;look&#39;"),
        ("axis.look=wram", "did you mean &#39;warm&#39;"),
        ("field.item.colour=red", "no field &#39;colour&#39;"),
        ("run=nothing", "There is no run"),
    ):
        answer = browser.get(f"{REVIEW}?{query}")
        assert (answer.status_code, words in answer.text) == (404, True), query
        assert browser.get(f"{REVIEW}.json?{query}").status_code == 404


def test_a_whole_variant_or_row_at_once(shop: Shop, browser: Browser) -> None:
    """`cell` has all pictures of a variant, `row` those that share everything but one axis: the seed too."""
    cells = ask(browser, view="cell", count=2)
    assert [[image["id"] for image in item["images"]] for item in cells["items"]] == [shop.ids[:2], shop.ids[2:4]]
    rows = ask(browser, view="row", by="look", count=2)
    seen = [[image["id"] for image in item["images"]] for item in rows["items"]]
    assert seen == [[shop.ids[0], shop.ids[2]], [shop.ids[1], shop.ids[3]]]
    assert [image["axes"]["look"] for image in rows["items"][0]["images"]] == ["warm", "cold"]
    assert len({image["seed"] for image in rows["items"][0]["images"]}) == 1
    keep(browser, shop.ids[0])
    assert keys(ask(browser, view="row", by="look"))[0] == shop.ids[0]  # one of the row is still to be judged
    keep(browser, shop.ids[2], mark="reject")
    assert keys(ask(browser, view="row", by="look"))[0] == shop.ids[1]


def test_new_images_and_other_peoples_marks_are_seen(shop: Shop, browser: Browser, writer_class: Any) -> None:
    """What a run or somebody else writes meanwhile is in the next answer, also an undo and another process's mark."""
    assert ask(browser)["counts"]["total"] == 12
    with Log.open(shop.db) as log:
        log.mark_images([shop.ids[0]], "reject", by="ben")
        run = log.find_run(shop.run)
        writer = writer_class(log, None, shop.db.parent)
        made = writer.generation(run, 99, {"item": "P-0009", "look": "warm"}, seed=1)
        log.insert(Image(id="01I9NEW", generation_id=made.id, position=0, sha256="f" * 64, format="png"))
        answer = ask(browser, count=24)
        assert (answer["counts"]["total"], answer["counts"]["reject"], keys(answer)[-1]) == (13, 1, "01I9NEW")
        assert keys(ask(browser, axis__item="P-0009")) == ["01I9NEW"]
        log.undo_marks(by="ben")
        assert ask(browser)["counts"]["judged"] == 0


def test_a_lost_file_leaves_the_queue(shop: Shop, browser: Browser) -> None:
    """An image whose file turned out not to be one is passed over, and not counted from then on."""
    assert keys(ask(browser, count=2)) == shop.ids[:2]
    with Log.open(shop.db) as log:
        log.execute("UPDATE images SET status = 'lost', sha256 = NULL WHERE id = ?", (shop.ids[0],))
    assert keys(ask(browser, count=2)) == [shop.ids[1]]
    assert ask(browser)["counts"]["total"] == 11


def test_copies_share_the_mark_of_the_paid_image(visit: Any, tmp_path: Path, writer_class: Any) -> None:
    """In a run of copies from the cache the queue knows what was judged of the paid images, and judges those."""
    shop = make_shop(tmp_path, writer_class)
    with Log.open(shop.db) as log:
        writer = writer_class(log, None, tmp_path)
        run = writer.run("01SHOP0000000000000000RUN2", "shop", started_at="2026-11-21T10:00:00.000Z")
        paid = log.value("SELECT generation_id FROM images WHERE id = ?", (shop.ids[0],))
        made = writer.generation(run, 0, {"item": "P-0000", "look": "warm"}, seed=11, cached_from=paid)
        log.insert(Image(id="01ICOPY", generation_id=made.id, position=0, sha256="a" * 64, format="png"))
    browser = visit(build_datasette(shop.db, shop.images, user="ada"))
    keep(browser, "01ICOPY")
    assert shop.marks() == [(shop.ids[0], "ada", "keep")]
    assert ask(browser, run=run.id)["counts"]["judged"] == 1
    assert ask(browser, run=shop.run)["counts"]["judged"] == 1


MOVES = st.lists(
    st.tuples(st.sampled_from(["keep", "reject", None, "undo"]), st.sets(st.integers(0, 11), min_size=1, max_size=4),
              st.sampled_from(["ada", "ben"])),
    max_size=8,
)  # fmt: skip


@given(MOVES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_index_that_is_kept_up_is_the_same_as_a_new_one(shop: Shop, moves: list[tuple[Any, set[int], str]]) -> None:
    """Whatever was judged and taken back since, by whom: counts, order, tags and filters are those of a fresh start."""
    with Log.open(shop.db) as log, closing(sqlite3.connect(shop.db)) as connection:
        run = find_run(connection, "last")
        assert run is not None
        kept = RunIndex(run)
        for mark, numbers, by in moves:
            with suppress(InputError):  # nothing to take back
                if mark == "undo":
                    log.undo_marks(by=by)
                else:
                    log.mark_images([shop.ids[number] for number in numbers], mark, by=by, tags=[by, str(mark)])
            kept.refresh(connection)
        fresh = RunIndex(run)
        kept.refresh(connection)
        fresh.refresh(connection)
        assert sorted(kept.top_tags(9)) == sorted(fresh.top_tags(9))
        for show in get_args(Show):
            for view in get_args(View):
                wanted = Queue(show=show, view=view)
                assert kept.counts(wanted) == fresh.counts(wanted)
                assert kept.upcoming(wanted, "ada", count=12) == fresh.upcoming(wanted, "ada", count=12)
        holding = dict(connection.execute("SELECT image_id, mark FROM latest_marks"))
        assert [kept.mark_of(place) for place in range(12)] == [holding.get(id_) for id_ in shop.ids]


# --- several people ---


def test_two_people_get_different_pictures(visit: Any, shop: Shop, browser: Browser) -> None:
    """What one is looking at is not given to the other; who comes back sees what is theirs."""
    ben = visit(browser.site, name="ben")
    mine, his = keys(ask(browser, count=4)), keys(ask(ben, count=4))
    assert (mine, his) == (shop.ids[:4], shop.ids[4:8])
    assert keys(ask(browser, count=4)) == mine
    assert ask(browser)["elsewhere"] == {"ben": 4}
    rest = ask(browser, count=12)
    assert set(keys(rest)) == set(shop.ids) - set(his)
    assert keys(ask(ben, after=his[-1], count=3)) == his[:3]
    assert ben.post(f"{REVIEW}/release", {"image": his}).json() == {"ok": True, "released": 4}
    assert set(keys(ask(browser, count=12))) == set(shop.ids)


def test_a_look_from_another_site_holds_nothing(visit: Any, shop: Shop, browser: Browser) -> None:
    """A page elsewhere that makes the browser ask takes no picture out of anybody's queue."""
    browser.get(f"{REVIEW}.json?count=24", headers={"sec-fetch-site": "cross-site"})
    assert ask(browser, count=0)["elsewhere"] == {}
    ben = visit(browser.site, name="ben")
    assert keys(ask(ben)) == shop.ids[:1]


def test_a_lease_ends_by_itself() -> None:
    """After two minutes without renewal somebody else gets it; renewed, it is held on."""
    now = 0.0
    leases = Leases(clock=lambda: now)
    leases.take("ada", ["a", "b"])
    leases.take("ben", ["b", "c"])
    assert (dict(leases.of_others("ada")), dict(leases.of_others("ben"))) == ({"c": "ben"}, {"a": "ada", "b": "ada"})
    now = LEASE_SECONDS - 1
    leases.take("ada", ["a"])
    now = LEASE_SECONDS + 1
    assert dict(leases.of_others("ben")) == {"a": "ada"}
    leases.take("ben", ["b"])
    assert dict(leases.of_others("ada")) == {"b": "ben"}


STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["take", "release", "wait"]), st.sets(st.integers(0, 70))),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_leases_never_overlap(steps: list[tuple[str, str, set[int]]]) -> None:
    """Whatever is taken and given back: no image is held by two, and nobody holds more than sixty."""
    now = 0.0
    leases = Leases(clock=lambda: now)
    for who, did, numbers in steps:
        images = sorted(map(str, numbers))
        if did == "take":
            leases.take(who, images)
        elif did == "release":
            leases.release(who, images or None)
        else:
            now += 50
        held = [set(leases.of_others(other)) for other in "ab"]  # of b, of a
        assert not held[0] & held[1]
        assert max(map(len, held)) <= 60


# --- the page, as forms ---


def fields(text: str, form: str) -> dict[str, Any]:
    """The hidden fields of the first form of this class."""
    found = re.search(rf'<form class="{form}".*?</form>', text, re.DOTALL)
    assert found
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found[0])
    every: dict[str, Any] = {}
    for name, value in pairs:
        every.setdefault(name, []).append(value.replace("&amp;", "&"))
    return every


def test_the_page_works_as_forms(shop: Shop, browser: Browser) -> None:
    """Without a script: keep, the next picture comes; a double click writes once; undo goes back to the picture."""
    html = {"accept": "text/html"}
    page = browser.get(f"{REVIEW}?axis.look=warm").text
    form = fields(page, "keepreject")
    assert form["image"] == [shop.ids[0]]
    for _ in range(2):
        answer = browser.post(MARK, {**form, "mark": "keep", "tags": ["", "sharp, cover"]}, headers=html)
        assert answer.status_code == 303
    assert shop.rows("SELECT mark, tags FROM marks") == [("keep", '["sharp", "cover"]')]
    assert shop.events() == 1
    after = browser.get(answer.headers["location"]).text
    assert fields(after, "keepreject")["image"] == [shop.ids[1]]
    assert '<b data-count="judged">1</b> of <b data-count="total">6</b> judged' in after
    assert re.search(r'name="tag" value="cover"', after)
    undone = browser.post(UNDO, fields(after, "undo"), headers=html)
    back = browser.get(undone.headers["location"])
    assert (back.status_code, shop.marks()) == (200, [])


def test_the_best_of_a_cell_by_form(shop: Shop, browser: Browser) -> None:
    """Each picture of a variant has a button that keeps it and rejects the others."""
    page = browser.get(f"{REVIEW}?view=cell").text
    form = fields(page, "best")
    assert (form["keep"], form["reject"]) == ([shop.ids[0]], [shop.ids[1]])
    browser.post(MARK, form)
    assert shop.marks() == [(shop.ids[0], "ada", "keep"), (shop.ids[1], "ada", "reject")]


def test_the_history_says_everything(shop: Shop, browser: Browser) -> None:
    """Who did what to a picture, what was taken back and what was said, the latest first."""
    keep(browser, shop.ids[0], tag="sharp", note="for the cover")
    with Log.open(shop.db) as log:
        log.mark_images([shop.ids[0]], "reject", by="ben", tags=["<b>blurred</b>"])
        log.undo_marks(by="ben")
    history = ask(browser, at=shop.ids[0])["items"][0]["images"][0]["history"]
    assert [(each["by"], each["did"], each["undone"]) for each in history] == [
        ("ben", "undo", False), ("ben", "reject", True), ("ada", "keep", False),
    ]  # fmt: skip
    text = browser.get(f"{REVIEW}?at={shop.ids[0]}").text
    assert "&lt;b&gt;blurred&lt;/b&gt;" in text
    assert "for the cover" in text
    assert "<b>blurred" not in text


def test_all_judged_says_what_to_do_next(shop: Shop, browser: Browser) -> None:
    """At the end: how many were kept and rejected, and the command that makes the rejected ones again."""
    keep(browser, *shop.ids[2:])
    keep(browser, *shop.ids[:2], mark="reject")
    text = browser.get(REVIEW).text
    assert "All 12 are judged" in text
    assert "10 kept, 2 rejected" in text
    assert f"promptlab redo {shop.run} --rejected" in text


def test_who_else_has_the_rest_is_said(visit: Any, shop: Shop, browser: Browser) -> None:
    """Where everything that is left is in other hands, the page says whose."""
    keep(browser, *shop.ids[2:])
    ben = visit(browser.site, name="Ben <b>")
    ask(ben, count=2)
    text = browser.get(REVIEW).text
    assert "<bdi>Ben &lt;b&gt;</bdi> has 2 in hand" in text


def test_a_datasette_that_only_reads_shows_no_buttons(visit: Any, shop: Shop) -> None:
    """The queue can be looked through; nothing offers to judge, and no picture is held."""
    browser = visit(build_datasette(shop.db, shop.images, write=False))
    text = browser.get(REVIEW).text
    assert '<form class="keepreject"' not in text
    assert 'rel="next"' in text
    assert ask(browser)["may_write"] is False


def test_an_old_log_is_reviewed_as_it_is(visit: Any, empty: Any, tmp_path: Path) -> None:
    """A log without a run says so."""
    browser = visit(build_datasette(empty, tmp_path))
    assert browser.get(REVIEW).status_code == 404


# --- how fast ---


def reviewed(browser: Browser, run: str, total: int) -> float:
    """Judge every picture of a run as the page's script does, each thirtieth rejected; seconds it took."""
    started, seen = time.perf_counter(), 0
    last: dict[str, str] = {}
    while True:
        answer = ask(browser, run=run, count=6, html=1, **last)
        if not answer["items"]:
            break
        for item in answer["items"]:
            mark = "reject" if seen % 30 == 7 else "keep"
            fields = {mark: item["key"], "once": f"reviewer-{seen:012}"}
            done = browser.post(MARK, fields)
            assert (done.status_code, done.json()["images"]) == (200, 1)
            seen += 1
        last = {"after": answer["items"][-1]["key"]}
    assert seen == total
    return time.perf_counter() - started


def test_a_scripted_reviewer(visit: Any, tmp_path: Path, writer_class: Any) -> None:
    """Every picture of a run comes once, is judged once, and is counted."""
    shop = make_shop(tmp_path, writer_class, items=50)
    browser = visit(build_datasette(shop.db, shop.images, user="ada"))
    reviewed(browser, shop.run, 200)
    assert shop.events() == 200
    assert ask(browser)["counts"] == {"total": 200, "judged": 200, "keep": 193, "reject": 7}


@pytest.mark.storm
def test_four_thousand_pictures(visit: Any, tmp_path: Path, writer_class: Any) -> None:
    """4,000 pictures reviewed through HTTP at far more than five a second."""
    shop = make_shop(tmp_path, writer_class, items=1000)
    browser = visit(build_datasette(shop.db, shop.images, user="ada"))
    seconds = reviewed(browser, shop.run, 4000)
    print(f"{4000 / seconds:.0f} pictures a second")
    assert 4000 / seconds > 5
    assert shop.events() == 4000
