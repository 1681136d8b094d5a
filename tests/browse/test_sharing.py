"""`browse --host`: nobody is answered without a link, and a link says who may do what."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest
from click.testing import CliRunner

from promptlab.browse import application, build_datasette, hosts, serve, sharing
from promptlab.browse.sharing import Keys, gate, limit_bodies
from promptlab.cli.main import cli
from promptlab.errors import InputError
from tests.browse.shop import JSON, Browser, Shop, copy_shop, make_shop, visitors

KEYS = Keys("owner-token-0123456789", "guest-token-0123456789")
MARK, RUNS, NAME = "/-/promptlab/mark", "/-/promptlab", "/-/promptlab/name"
#: Every kind of address there is: ours, Datasette's, pictures, data, files.
ADDRESSES = [
    "/", RUNS, f"{RUNS}/review", f"{RUNS}/review.json", f"{RUNS}/image/x", f"{RUNS}/file/{'a' * 64}",
    f"{RUNS}/thumbnail/{'a' * 64}", f"{RUNS}/static/promptlab.css", "/promptlab", "/promptlab/gallery",
    "/promptlab/gallery.json", "/promptlab/images.csv", "/promptlab?sql=select+1", "/-/metadata.json",
    "/-/static/app.css", "/promptlab.db", "/favicon.ico", "/nothing",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, writer_class: Any) -> Shop:
    """The log that each test gets a copy of."""
    return make_shop(tmp_path_factory.mktemp("shop"), writer_class)


@pytest.fixture
def shop(made: Shop, tmp_path: Path) -> Shop:
    """A small log."""
    return copy_shop(made, tmp_path)


@pytest.fixture
def visit() -> Iterator[Any]:
    """Browsers of this test."""
    with visitors() as visit:
        yield visit


def shared(shop: Shop, *, base_url: str = "/", read_only: bool = False) -> tuple[Any, Any]:
    """A Datasette, and the app of `browse --host` around it."""
    site = build_datasette(shop.db, shop.images, user="ada", base_url=base_url, hosts=["0.0.0.0"])
    app = gate(application(site, hosts=["0.0.0.0"]), KEYS, port=8001, base_url=base_url, read_only=read_only)
    return site, app


def enter(browser: Browser, token: str, path: str = RUNS, **headers: str) -> Any:
    """Open a link; the browser has its cookie then."""
    return browser.get(f"{path}?token={token}", headers=headers)


def test_without_a_link_nothing_is_answered(shop: Shop, visit: Any) -> None:
    """403 everywhere, from this machine too, with a wrong token, a wrong cookie, two tokens, or one in a form."""
    site, app = shared(shop)
    browser = visit(site, app=app)
    wrong: list[dict[str, Any]] = [
        {},
        {"params": {"token": "wrong"}},
        {"params": {"token": ""}},
        {"params": {"token": [KEYS.guest, KEYS.guest]}},
        {"headers": {"cookie": f"promptlab_key_8001={KEYS.owner}"}},
        {"headers": {"cookie": f"promptlab_key_9={KEYS.cookie('owner')}"}},
        {"headers": {"authorization": f"Bearer {KEYS.owner}", "x-forwarded-for": "127.0.0.1"}},
    ]
    for address in ADDRESSES:
        for more in wrong:
            answer = browser.get(address, **more)
            assert answer.status_code == 403, (address, more)
            assert "set-cookie" not in answer.headers
    posted = browser.post(f"{MARK}?token={KEYS.owner}", {"image": shop.ids[0], "mark": "keep", "token": KEYS.owner})
    assert (posted.status_code, shop.events()) == (403, 0)


def test_a_link_sets_a_cookie_and_leaves_the_address(shop: Shop, visit: Any) -> None:
    """The token is gone from the address at once; the cookie is strict, unseen by scripts, and not the token."""
    site, app = shared(shop)
    browser = visit(site, app=app)
    answer = enter(browser, KEYS.owner, "/promptlab/gallery")
    assert (answer.status_code, answer.headers["location"]) == (303, "/promptlab/gallery")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert KEYS.owner not in cookie
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    for address in ("/promptlab/gallery", RUNS, "/-/metadata.json"):
        found = browser.get(address)
        assert found.status_code == 200
        assert found.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert KEYS.owner not in found.text
        assert KEYS.guest not in found.text


def test_the_rest_of_a_links_query_stays(shop: Shop, visit: Any) -> None:
    """Only the token is taken out, and an address that would lead elsewhere does not."""
    site, app = shared(shop)
    browser = visit(site, app=app)
    answer = browser.get(f"{RUNS}/review?run=last&token={KEYS.owner}&axis.look=a%26b")
    assert answer.headers["location"] == f"{RUNS}/review?run=last&axis.look=a%26b"
    sent: list[Any] = []
    scope = {"type": "http", "method": "GET", "path": "//evil.example/\\x", "headers": [],
             "query_string": f"token={KEYS.owner}".encode()}  # fmt: skip

    async def send(message: Any) -> None:
        sent.append(message)

    async def open_link() -> None:
        await app(scope, None, send)

    asyncio.run(open_link())
    assert dict(sent[0]["headers"])[b"location"] == b"/evil.example/%5Cx"


def test_a_link_that_was_clicked_elsewhere_works(shop: Shop, visit: Any) -> None:
    """From a web mail the browser leaves a strict cookie out of a redirect: a page of ours goes on instead."""
    site, app = shared(shop)
    browser = visit(site, app=app)
    answer = browser.get(f"{RUNS}?a=1&token={KEYS.owner}", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert f'content="0;url={RUNS}?a=1"' in answer.text
    assert "set-cookie" in answer.headers
    later = Browser(site, app=app)
    try:
        refused = later.get(f"{RUNS}?a=1", headers={"sec-fetch-site": "cross-site"})
        assert (refused.status_code, f'href="{RUNS}?a=1"' in refused.text) == (403, True)
    finally:
        later.close()


def test_a_guest_says_a_name_once(shop: Shop, visit: Any) -> None:
    """The link leads to the page that asks; until then nothing is written; then marks are under that name."""
    site, app = shared(shop)
    browser = visit(site, app=app, host="192.168.1.7:8001")
    answer = enter(browser, KEYS.guest, f"{RUNS}/review")
    asked = urlsplit(answer.headers["location"])
    assert (asked.path, parse_qs(asked.query)["back"]) == (NAME, [f"{RUNS}/review"])
    assert "What is your name?" in browser.get(answer.headers["location"]).text
    refused = browser.post(MARK, {"image": shop.ids[0], "mark": "keep"})
    assert (refused.status_code, shop.events()) == (403, 0)
    assert "say your name first" in refused.json()["error"]
    asking = browser.post(MARK, {"image": shop.ids[0], "mark": "keep", "back": "/x"}, headers={"accept": "text/html"})
    assert (asking.status_code, asking.headers["location"]) == (303, f"{NAME}?back=%2Fx")
    assert shop.events() == 0
    for name, words in (("  ", "at least one letter"), ("Ada", "the name of whoever shares"), ("ADA", "take another")):
        wrong = browser.post(NAME, {"name": name, "back": "/x"})
        assert (wrong.status_code, words in wrong.json()["error"]) == (400, True)
    done = browser.post(NAME, {"name": "  Ben\n<b> ", "back": f"{RUNS}/review"})
    assert (done.status_code, done.headers["location"]) == (303, f"{RUNS}/review")
    assert {"HttpOnly", "SameSite=Strict"} <= set(done.headers["set-cookie"].split("; "))
    assert browser.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 200
    assert shop.marks() == [(shop.ids[0], "Ben <b>", "keep")]
    assert "as <b><bdi>Ben &lt;b&gt;</bdi></b>" in browser.get(f"{RUNS}/review").text
    assert enter(browser, KEYS.guest, f"{RUNS}/review").headers["location"] == f"{RUNS}/review"


def test_a_guest_is_not_the_owner(shop: Shop, visit: Any) -> None:
    """A cookie with the owner's name is no name; the owner is asked for none."""
    site, app = shared(shop)
    guest = visit(site, app=app)
    enter(guest, KEYS.guest)
    guest.get(NAME)
    guest.client.cookies.set("promptlab_name", "aDa")
    assert guest.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 403
    owner = visit(site, app=app)
    enter(owner, KEYS.owner)
    owner.get(NAME)
    assert owner.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 200
    assert shop.marks() == [(shop.ids[0], "ada", "keep")]


def test_a_link_for_looking_does_not_write(shop: Shop, visit: Any) -> None:
    """With read_only guests see no buttons, are asked no name and write nothing; the owner still does."""
    site, app = shared(shop, read_only=True)
    guest = visit(site, app=app)
    assert enter(guest, KEYS.guest, f"{RUNS}/review").headers["location"] == f"{RUNS}/review"
    text = guest.get(f"{RUNS}/review").text
    assert '<form class="keepreject"' not in text
    owner = visit(site, app=app)
    enter(owner, KEYS.owner)
    owner.get(NAME)
    guest.client.cookies.set("promptlab_name", "ben")
    guest.client.cookies.set("ds_csrftoken", owner.client.cookies["ds_csrftoken"])
    guest.token = owner.token
    answer = guest.post(MARK, {"image": shop.ids[0], "mark": "keep"})
    assert (answer.status_code, "for looking" in answer.json()["error"]) == (403, True)
    assert shop.events() == 0
    assert owner.post(MARK, {"image": shop.ids[0], "mark": "keep"}).status_code == 200


@pytest.mark.parametrize("base_url", ["/", "/lab/"])
def test_guests_see_no_settings(shop: Shop, visit: Any, base_url: str) -> None:
    """Datasette's pages about itself name folders of this machine: they are the owner's, by every spelling."""
    site, app = shared(shop, base_url=base_url)
    guest, owner = visit(site, app=app), visit(site, app=app)
    enter(guest, KEYS.guest, f"{base_url}-/promptlab")
    enter(owner, KEYS.owner, f"{base_url}-/promptlab")
    for page in ("metadata.json", "databases.json", "settings", "plugins", "threads", "versions", "actor.json"):
        assert owner.get(f"{base_url}-/{page}").status_code == 200
        for address in (f"{base_url}-/{page}", f"/-/{page}", f"{base_url}/-/{page}"):
            answer = guest.get(address)
            assert answer.status_code in (403, 404), address
            assert str(shop.db.parent) not in answer.text
    assert guest.get(f"{base_url}-/static/app.css").status_code == 200
    assert guest.get(f"{base_url}promptlab/runs").status_code == 200


def test_pictures_are_kept_by_the_browser_alone(demo: Any, visit: Any) -> None:
    """Fetched once and not with each page, cookies or not; and no shared proxy may keep them for somebody else."""
    site = build_datasette(demo.db, demo.images)
    browser = visit(site, app=gate(application(site), KEYS, port=8001))
    enter(browser, KEYS.owner)
    answer = browser.get(f"/-/promptlab/file/{demo.sha256}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, max-age=31536000, immutable")


def test_tokens_are_long_and_new() -> None:
    """Two starts share nothing, a token has at least 128 bits, and a cookie tells no token."""
    first, second = Keys.new(), Keys.new()
    assert len({first.owner, first.guest, second.owner, second.guest}) == 4
    assert min(map(len, (first.owner, first.guest))) >= 32  # 6 bits each
    assert first.holder(first.guest) == "guest"
    assert first.holder(second.owner) is None
    assert first.bearer(first.owner) is None
    assert first.bearer(first.cookie("owner")) == "owner"
    assert first.bearer("ünïcode") is None


def test_everybody_is_the_owner_without_sharing() -> None:
    """Who a request is from holds for its time only."""
    assert sharing.visitor() == "owner"
    with sharing.as_visitor("guest"):
        assert sharing.visitor() == "guest"
    assert sharing.visitor() == "owner"


def test_large_bodies_are_not_kept() -> None:
    """A body without a length is stopped once it is too large, before anything else has read it."""
    read = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not asked")

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def post() -> None:
        await limit_bodies(app, 1000)({"type": "http", "method": "POST"}, receive, send)

    asyncio.run(post())
    assert (sent[0]["status"], read) == (413, 3)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.9.1", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.7", False), ("studio.local", False), ("10.0.0.1", False), ("0", False), ("", False), ("127.1", False)],
)  # fmt: skip
def test_what_is_this_machine_alone(host: str, loopback: bool) -> None:
    """Everything that others can reach needs a link."""
    assert hosts.is_loopback(host) is loopback


#: Shared, and still on loopback: nothing of a test is open to others.
SERVER = """
import sys
from pathlib import Path
from promptlab.browse import hosts, serve
hosts.is_loopback = lambda host: False
say = lambda links: print(*links, sep="\\n", flush=True)
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, user="ada", open_browser=False, read_only=True,
      ready=lambda url: say([url, "ready"]), invite=say)
"""


def test_a_real_server_is_closed_to_who_has_no_link(shop: Shop) -> None:
    """Through uvicorn: 403 without a link; with one the page; a guest's link looks and does not write."""
    command = [sys.executable, "-c", SERVER, str(shop.db), str(shop.images)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [line.strip() for line in iter(process.stdout.readline, "ready\n")]
            link, own = lines
            assert parse_qs(urlsplit(link).query)["token"] != parse_qs(urlsplit(own).query)["token"]
            bare = f"http://{urlsplit(own).netloc}/-/promptlab"
            with pytest.raises(HTTPError) as refused:
                urlopen(bare, timeout=20)
            assert refused.value.code == 403
            refused.value.close()
            for address, buttons in ((own, True), (link, False)):
                opener = build_opener(HTTPCookieProcessor())
                opener.open(address, timeout=20).close()
                with opener.open(f"{bare}/review", timeout=20) as page:
                    assert ('<form class="keepreject"' in page.read().decode()) is buttons
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
    assert "token" not in errors


def test_kill_loses_no_acknowledged_mark(shop: Shop) -> None:
    """A server that is killed while people judge has every mark that it said it had."""
    import http.client
    import json
    import threading
    from urllib.parse import urlencode

    script = SERVER.replace("hosts.is_loopback = lambda host: False", "").replace("read_only=True", "read_only=False")
    command = [sys.executable, "-c", script, str(shop.db), str(shop.images)]
    acknowledged: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        own = [line.strip() for line in iter(process.stdout.readline, "ready\n")][-1]
        address = urlsplit(own).netloc
        with urlopen(f"http://{address}{NAME}", timeout=20) as page:
            cookie = page.headers["set-cookie"].partition(";")[0]
            found = re.search(r'name="csrftoken" value="([^"]+)"', page.read().decode())
            assert found

        def judge() -> None:
            connection = http.client.HTTPConnection(address, timeout=20)
            headers = {**JSON, "cookie": cookie, "content-type": "application/x-www-form-urlencoded",
                       "sec-fetch-site": "same-origin"}  # fmt: skip
            try:
                for number, id_ in enumerate(shop.ids * 1000):
                    mark = "keep" if number // len(shop.ids) % 2 else "reject"
                    body = urlencode({"csrftoken": found[1], "image": id_, "mark": mark})
                    connection.request("POST", MARK, body, headers)
                    answer = json.loads(connection.getresponse().read())
                    acknowledged.append(answer["batch"])
                    if len(acknowledged) == 60:
                        process.kill()
            except (OSError, http.client.HTTPException, ValueError):
                pass  # it is gone, as it should be
            finally:
                connection.close()

        judge_thread = threading.Thread(target=judge)
        judge_thread.start()
        judge_thread.join(timeout=60)
        process.kill()
        process.wait()
    assert len(acknowledged) >= 60
    kept = {batch for (batch,) in shop.rows("SELECT batch FROM mark_events")}
    assert set(acknowledged) <= kept


def test_an_address_of_another_machine_is_a_sentence(shop: Shop) -> None:
    """What can't be listened on is said before anything is served."""
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        serve(shop.db, shop.images, host="192.0.2.1", port=0, open_browser=False)
    with pytest.raises(InputError, match="name the address to listen on"):
        serve(shop.db, shop.images, host=" ", port=0, open_browser=False)


def test_the_command_says_what_is_shared_with_whom(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """--host hands on, and prints the guests' link with what they may do, then the owner's."""
    asked: dict[str, Any] = {}

    def noted(db: Path, images: Path, **more: Any) -> None:
        asked.update(more)
        more["invite"](["http://192.168.1.7:8001/-/promptlab?token=guest"])
        more["ready"]("http://127.0.0.1:8001/-/promptlab?token=own")

    monkeypatch.setattr("promptlab.browse.serve", noted)
    for flags, words in (([], "mark and vote under names of their own"), (["--read-only"], "change nothing")):
        result = CliRunner().invoke(cli, ["browse", "--host", "0.0.0.0", "--no-open", "--db", str(shop.db), *flags])
        assert result.exit_code == 0, result.output
        assert words in result.output
        assert "sees every picture, prompt and cost in promptlab.db" in result.output
        assert result.output.index("token=guest") < result.output.index("For you alone") < result.output.index("=own")
        assert (asked["host"], asked["read_only"]) == ("0.0.0.0", bool(flags))
