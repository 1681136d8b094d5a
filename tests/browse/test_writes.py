"""What may write to the log from a page, and that nothing else does."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.log import Log
from tests.browse.shop import JSON, Browser, Shop, make_shop, visitors

MARK, UNDO, NAME = "/-/promptlab/mark", "/-/promptlab/mark/undo", "/-/promptlab/name"


@pytest.fixture
def shop(tmp_path: Path, writer_class: Any) -> Shop:
    """A log of twelve images that this test may write to."""
    return make_shop(tmp_path, writer_class)


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


def test_a_page_marks_and_takes_back(shop: Shop, browser: Browser) -> None:
    """A mark is answered once it is in the file, under the user's name; undo names its command."""
    answer = browser.post(MARK, {"image": shop.ids[:2], "mark": "keep", "tag": ["sharp", "sharp"], "note": "both"})
    assert (answer.status_code, answer.json()["images"]) == (200, 2)
    assert shop.marks() == [(id_, "ada", "keep") for id_ in shop.ids[:2]]
    assert shop.rows("SELECT DISTINCT tags, note FROM marks") == [('["sharp"]', "both")]
    again = browser.post(UNDO, {"batch": answer.json()["batch"]})
    assert (again.status_code, again.json()["image_ids"]) == (200, shop.ids[:2])
    assert shop.marks() == []


def test_the_best_of_a_cell_is_one_commit(shop: Shop, browser: Browser) -> None:
    """`keep` and `reject` together are one command."""
    answer = browser.post(MARK, {"keep": shop.ids[0], "reject": shop.ids[1:4]})
    assert answer.json()["after"] == {"keep": 1, "reject": 3}
    browser.post(UNDO, {})
    assert shop.marks() == []


FORGED: dict[str, dict[str, Any]] = {
    "another site": {"sec-fetch-site": "cross-site"},
    "another port of this machine": {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"},
    "another site's origin": {"origin": "https://evil.example"},
    "no origin at all": {"origin": "null"},
    "an origin that only starts like ours": {"origin": "http://localhost:8001.evil.example"},
    "a name that points here": {"host": "evil.example:8001", "origin": "http://evil.example:8001"},
    "a name with our name in it": {"host": "localhost.evil.example", "origin": "http://localhost.evil.example"},
    "text that looks like a form": {"content-type": "text/plain"},
    "json": {"content-type": "application/json"},
    "no content type": {"content-type": ""},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_forged_request_writes_nothing(shop: Shop, browser: Browser, headers: dict[str, Any]) -> None:
    """Even with this browser's cookie and the right token: where it comes from has to be ours."""
    browser.post(MARK, {"image": shop.ids[0], "mark": "keep"})
    for path in (MARK, UNDO, NAME):
        answer = browser.post(path, {"image": shop.ids[1], "mark": "keep", "name": "eve"}, headers=headers)
        assert answer.status_code == 403
        assert (shop.events(), browser.client.cookies.get("promptlab_name")) == (1, None)


@pytest.mark.parametrize("cookies", [True, False])
def test_a_forged_token_writes_nothing(shop: Shop, browser: Browser, cookies: bool) -> None:
    """No token, another one, and one that came without any cookie."""
    if not cookies:
        browser.client.cookies.clear()
    for token in (*(["ünïcode"] if not cookies else []), "", "x", "A" * 5000):
        answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep", "csrftoken": token})
        assert answer.status_code == 403
    if cookies:
        with pytest.raises(TypeError):  # asgi-csrf compares what is not ASCII; a server answers 500
            browser.post(MARK, {"image": shop.ids[0], "mark": "keep", "csrftoken": "ünïcode"})
    assert shop.events() == 0


def test_a_planted_cookie_is_no_token(shop: Shop, browser: Browser) -> None:
    """Another server of this machine can set any cookie here; only one that was signed by this start counts."""
    browser.client.cookies.set("ds_csrftoken", "planted", domain="localhost.local")
    browser.client.cookies.clear()
    headers = {"cookie": "ds_csrftoken=planted", "authorization": "Bearer skip", "x-csrftoken": "planted"}
    answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep", "csrftoken": "planted"}, headers=headers)
    assert (answer.status_code, shop.events()) == (403, 0)


def test_only_a_post_writes(shop: Shop, browser: Browser) -> None:
    """Not a GET with the fields in its address, not another method, and not one that claims to be a POST."""
    query = {"image": shop.ids[0], "mark": "keep", "csrftoken": browser.token, "_method": "POST"}
    headers = {**JSON, "x-http-method-override": "POST", "x-method-override": "POST", "x-csrftoken": browser.token}
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        send = browser.client.request(method, MARK, params=query, headers=headers)
        assert browser.loop.run_until_complete(send).status_code in (403, 405), method
    assert shop.events() == 0


def test_the_same_mark_twice_is_one_event(shop: Shop, browser: Browser) -> None:
    """Doubled, it is answered as the first was, and the history has one row."""
    for _ in range(3):
        answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep"})
        assert (answer.status_code, answer.json()["images"]) == (200, 1)
    assert shop.events() == 1


def test_a_replayed_request_writes_nothing(shop: Shop, browser: Browser) -> None:
    """A named mark or undo that is sent again after other marks leaves them as they are."""
    first = {"image": shop.ids[0], "mark": "keep", "once": "first-0123456789"}
    browser.post(MARK, first)
    browser.post(MARK, {"image": shop.ids[0], "mark": "reject", "once": "other-0123456789"})
    assert browser.post(MARK, first).status_code == 200
    assert shop.marks() == [(shop.ids[0], "ada", "reject")]
    for _ in range(2):
        assert browser.post(UNDO, {"once": "back--0123456789"}).status_code == 200
    assert shop.marks() == [(shop.ids[0], "ada", "keep")]
    assert shop.events() == 3


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"mark": "keep"}, "name 1 to 1,000 images"),
    "no mark": ({"image": "x"}, "a mark is keep, reject or clear"),
    "another mark": ({"image": "x", "mark": "love"}, "a mark is keep, reject or clear"),
    "no such image": ({"image": "x' OR 1=1 --", "mark": "keep"}, "the log has no image"),
    "too many images": ({"image": [f"i{number}" for number in range(1001)], "mark": "keep"}, "name 1 to 1,000 images"),
    "kept and rejected": ({"keep": "x", "reject": "x"}, "an image is named twice"),
    "both ways at once": ({"image": "x", "mark": "keep", "reject": "y"}, "a mark is keep, reject or clear"),
    "too many tags": ({"image": "x", "mark": "keep", "tags": ",".join(map(str, range(21)))}, "at most 20 tags"),
    "a long note": ({"image": "x", "mark": "keep", "note": "n" * 2001}, "at most 2,000 characters"),
    "a bad name": ({"image": "x", "mark": "keep", "once": "short"}, "`once` is 16 to 64 letters and digits"),
}


def test_wrong_fields_are_a_sentence(shop: Shop, browser: Browser) -> None:
    """400 with what is wrong, and nothing written."""
    for case, (fields, words) in WRONG.items():
        answer = browser.post(MARK, fields)
        assert answer.status_code == 400, case
        assert words in answer.json()["error"], case
    assert shop.events() == 0


def test_one_wrong_image_of_many_marks_none(shop: Shop, browser: Browser) -> None:
    """A batch is one commit: all of it or nothing."""
    assert browser.post(MARK, {"image": [*shop.ids, "nothing"], "mark": "keep"}).status_code == 400
    assert shop.marks() == []


def test_nothing_large_is_read(shop: Shop, browser: Browser) -> None:
    """A body of megabytes is refused before it is parsed."""
    answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep", "note": "n" * 1_100_000})
    assert (answer.status_code, shop.events()) == (413, 0)


def test_tags_are_words_in_one_line(shop: Shop, browser: Browser) -> None:
    """Line ends and control characters are no part of a tag; commas part them; quotes, HTML and emoji stay."""
    tags = ["a\nb\x00c", '<i>"x"</i>', "🙂, second"]
    browser.post(MARK, {"image": shop.ids[0], "mark": "reject", "tag": tags[:2], "tags": tags[2]})
    ((found,),) = shop.rows("SELECT tags FROM marks")
    assert json.loads(found) == ["a b c", '<i>"x"</i>', "🙂", "second"]


@pytest.mark.parametrize(
    "back", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:1", "", "/a b"]
)
def test_a_form_goes_back_to_this_address_only(shop: Shop, browser: Browser, back: str) -> None:
    """A field `back` that leads elsewhere leads to the runs."""
    answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep", "back": back}, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/-/promptlab")


def test_a_datasette_that_was_not_told_to_does_not_write(visit: Any, shop: Shop) -> None:
    """By itself the plugin only reads."""
    browser = visit(build_datasette(shop.db, shop.images, write=False))
    browser.token = browser.token or "x"
    answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep"})
    assert (answer.status_code, shop.events()) == (403, 0)


def plain(shop: Shop, *, immutable: bool = False, **config: Any) -> Any:
    """A plain Datasette with the plugin, without `promptlab browse` around it."""
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

    plugins = {"promptlab": {"write": True, "user": "ada", **config}}
    metadata = {"databases": {"promptlab": {"plugins": plugins}}}
    files, fixed = ([], [str(shop.db)]) if immutable else ([str(shop.db)], [])
    return Datasette(files, immutables=fixed, metadata=metadata)


def test_a_plain_datasette_is_not_written_under_another_name(visit: Any, shop: Shop) -> None:
    """Without `promptlab browse` nothing else refuses a foreign Host (DNS rebinding); a name of its own is listed."""
    for hosts, status in (([], 403), (["studio.example"], 200)):
        browser = visit(plain(shop, hosts=hosts))
        headers = {"host": "studio.example", "origin": "http://studio.example"}
        assert browser.post(MARK, {"image": shop.ids[0], "mark": "keep"}, headers=headers).status_code == status
        assert shop.events() == (status == 200)
        assert browser.post(MARK, {"image": shop.ids[1], "mark": "keep"}).status_code == 200
        browser.post(UNDO, {})
        with sqlite3.connect(shop.db) as connection:
            connection.execute("DELETE FROM mark_events")


def test_an_immutable_log_is_not_written(visit: Any, shop: Shop) -> None:
    """Whatever the settings say."""
    browser = visit(plain(shop, immutable=True))
    browser.token = browser.token or "x"
    assert browser.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 403
    assert shop.events() == 0


def test_a_locked_log_is_a_sentence(shop: Shop, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, nothing acknowledged and nothing written; once it is free, the same request is written."""
    monkeypatch.setattr("promptlab.log.connection.BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(shop.db, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    fields = {"image": shop.ids[0], "mark": "keep", "once": "once-0123456789ab"}
    answer = browser.post(MARK, fields)
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    assert "is locked by another program" in answer.json()["error"]
    holder.execute("ROLLBACK")
    holder.close()
    assert (browser.post(MARK, fields).status_code, shop.events()) == (200, 1)


def test_a_full_disk_acknowledges_nothing(shop: Shop, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commit fails, the answer says so, and the next one works."""
    commits = 0
    execute = Log.execute

    def full(self: Log, sql: str, values: Any = ()) -> Any:
        nonlocal commits
        if sql == "COMMIT":
            commits += 1
            if commits == 1:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                from promptlab.log.connection import explain

                raise explain(error, self.path)
        return execute(self, sql, values)

    monkeypatch.setattr(Log, "execute", full)
    answer = browser.post(MARK, {"image": shop.ids[0], "mark": "keep"})
    assert answer.status_code == 503
    assert "free some space" in answer.json()["error"]
    assert shop.events() == 0
    assert browser.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 200
    assert shop.events() == 1


def test_a_log_that_was_replaced_is_not_written_to(shop: Shop, browser: Browser) -> None:
    """The writer's file is gone from its path: what it would write would be lost, so it says so."""
    assert browser.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 200
    shutil.copyfile(shop.db, shop.db.with_suffix(".new"))
    os.replace(shop.db.with_suffix(".new"), shop.db)
    answer = browser.post(MARK, {"image": shop.ids[1], "mark": "keep"})
    assert answer.status_code == 503
    assert "was deleted or replaced" in answer.json()["error"]


def test_twenty_at_once_lose_none(tmp_path: Path, writer_class: Any) -> None:
    """Twenty people who judge at the same time: every mark that was acknowledged is there, once, under its name."""
    shop = make_shop(tmp_path, writer_class, items=20)
    site = build_datasette(shop.db, shop.images)
    app, failed = site.app(), []

    def person(number: int) -> None:
        with visitors() as visit:
            browser = visit(site, name=f"person{number}", app=app)
            for id_ in shop.ids[number::20]:
                answer = browser.post(MARK, {"image": id_, "mark": "keep"})
                if answer.status_code != 200:
                    failed.append(answer.text)

    people = [threading.Thread(target=person, args=(number,)) for number in range(20)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join()
    assert failed == []
    expected = sorted((id_, f"person{place % 20}", "keep") for place, id_ in enumerate(shop.ids))
    assert shop.marks() == expected
    assert shop.events() == len(shop.ids)
