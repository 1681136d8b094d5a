"""Blind voting: nothing tells the variant, and only one honest request writes one vote."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from promptlab.browse import build_datasette, polls, vote_page
from promptlab.store import Store
from tests.browse.voters import (
    LOCAL,
    LOOKS,
    SEEDS,
    STYLES,
    Studio,
    Voter,
    make_studio,
    pictures,
    pictures_of,
    run,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, writer_class: Any) -> Path:
    return make_studio(tmp_path_factory.mktemp("votes") / "studio", writer_class)


@pytest.fixture
def studio(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Pictures are small here: to make them ready is most of what a ballot costs."""
    monkeypatch.setattr(polls, "SIDE", 96)
    monkeypatch.setattr(polls, "LENGTH", 8192)
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    return Studio(folder, build_datasette(folder / "promptlab.db", folder / "images", user="owner"))


def test_it_asks_once_for_the_goal_and_the_kind(studio: Studio) -> None:
    """Before the first vote; opening the page writes nothing, and once it is open everybody votes in it."""

    async def check() -> None:
        ana, ben = Voter(studio), Voter(studio, "ben")
        page = (await ana.get(f"vote?run={studio.run}&by=style")).text
        assert all(text in page for text in ("Find the best", "Rank all", "The best and the worst of four"))
        assert studio.counts() == (0, 0, 0, 0)
        await ana.start(goal="rank")
        page = (await ben.get(f"vote?run={studio.run}&by=style")).text
        assert "Find the best" not in page
        assert ben.poll == ana.poll
        assert page.count("/-/promptlab/ballot/") == 2
        with studio.log() as log:
            assert [(poll.goal, poll.blind, poll.opened_by) for poll in log.polls(studio.run)] == [
                ("rank", True, "ana")
            ]
        assert "of four" not in (await ana.get(f"vote?run={studio.run}&by=look")).text

    run(check())


def test_nothing_on_the_way_tells_the_variant(studio: Studio) -> None:
    """No value, prompt, id, hash, path, size or cost in any page, answer, header or cookie; all pictures are alike."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        with studio.log() as log:
            rows = list(
                log.rows(
                    "SELECT i.id, i.sha256, g.id, g.prompt, g.variant_id, i.path "
                    "FROM images i JOIN generations g ON g.id = i.generation_id"
                )
            )
            secrets = {str(each) for row in rows for each in row if each} | {*STYLES, *LOOKS, "secretads", "0.04"}
        sizes = set()
        for kind in ("pair", "best_worst"):
            for step in range(6):
                page = await ana.get(f"vote?poll={ana.poll}&kind={kind}")
                found = await ana.get(f"vote.json?poll={ana.poll}&kind={kind}")
                token = found.json()["token"]
                for answer in (page, found):
                    said = f"{answer.text} {list(answer.headers.items())} {dict(answer.cookies)}"
                    assert [secret for secret in secrets if secret in said] == []
                    assert "no-store" in answer.headers["cache-control"]
                for address in found.json()["pictures"]:
                    assert re.fullmatch(r"/-/promptlab/ballot/[\w-]{32}/[0-3]", address)
                    picture = await ana.get(address.removeprefix("/-/promptlab/"))
                    opened = Picture.open(io.BytesIO(picture.content))
                    names = {name: value for name, value in picture.headers.items() if name != "set-cookie"}
                    sizes.add(
                        (
                            len(picture.content),
                            opened.size,
                            opened.format,
                            opened.mode,
                            len(opened.getexif()),
                            json.dumps(names),
                        )
                    )
                    assert "no-store" in names["cache-control"]
                    assert not {"etag", "last-modified", "content-disposition"} & names.keys()
                choice = {"outcome": "left"} if kind == "pair" else {"outcome": "best", "best": "1", "worst": "3"}
                answer = await ana.post("vote/cast", token=token, **choice)
                assert sorted(answer.json()) == ["counted", "ok", "yours"]
                assert answer.json()["yours"] == step + 1 + 6 * (kind == "best_worst")
        assert len(sizes) == 1

    run(check())


def test_one_picture_is_never_sent_twice_alike(studio: Studio) -> None:
    """Neither its address nor its bytes say that it was there before."""

    async def check() -> None:
        bodies, addresses = [], []
        for name in ("ana", "ben", "cleo"):
            voter = Voter(studio, name)
            await voter.start()
            for _ in range(8):
                found = await voter.next()
                addresses += found["pictures"]
                for address in found["pictures"]:
                    bodies.append((await voter.get(address.removeprefix("/-/promptlab/"))).content)
                await voter.post("vote/cast", token=found["token"], outcome="tie")
        assert len(set(bodies)) == len(bodies) == 48
        assert len(set(addresses)) == 48

    run(check())


def test_what_is_cast_is_what_was_seen(studio: Studio) -> None:
    """The picture on the chosen side wins, of the same scene, and both sides carry the better one about as often."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start(goal="rank")
        wins: Counter[tuple[str, str]] = Counter()
        for _ in range(20):
            found = await ana.next()
            bodies = [(await ana.get(address.removeprefix("/-/promptlab/"))).content for address in found["pictures"]]
            left, right = map(pictures, bodies)
            outcome = "left" if STYLES.index(left) < STYLES.index(right) else "right"
            wins[tuple(sorted((left, right), key=STYLES.index))] += 1  # type: ignore[index]
            assert (await ana.post("vote/cast", token=found["token"], outcome=outcome)).json()["counted"]
        with studio.log() as log:
            rows = list(log.rows("SELECT left_variant, outcome, right_variant FROM vote_results"))
        logged: Counter[tuple[str, str]] = Counter()
        for left, outcome, right in rows:
            one, other = (dict(part.split("=") for part in each.split(",")) for each in (left, right))
            assert one["look"] == other["look"]
            better, worse = (one, other) if outcome == "left" else (other, one)
            logged[better["style"], worse["style"]] += 1
        assert logged == wins
        assert 2 <= sum(outcome == "left" for _, outcome, _ in rows) <= 18

    run(check())


def test_a_ballot_sent_twice_counts_once(studio: Studio) -> None:
    """One after the other, or both at the same time."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        for expected in (1, 2):
            token = (await ana.next())["token"]
            answers = await asyncio.gather(*(ana.post("vote/cast", token=token, outcome="left") for _ in range(4)))
            assert sorted(each.json()["counted"] for each in answers) == [False, False, False, True]
            assert studio.counts()[1:3] == (expected, expected)

    run(check())


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"headers": {"sec-fetch-site": "cross-site"}}, 403),
        ({"headers": {"origin": "http://evil.example"}}, 403),
        ({"csrftoken": "forged"}, 403),
        ({"csrftoken": ""}, 403),
        ({"cookies": {"promptlab_name": "ana"}}, 403),
        ({"token": "A" * 32}, 200),
        ({"token": ""}, 200),
        ({"poll": "01ANOTHERPOLL"}, 200),
        ({"outcome": "everything"}, 400),
        ({"outcome": ""}, 400),
        ({"best": "0", "worst": "1"}, 400),
    ],
)
def test_a_wrong_vote_writes_nothing(studio: Studio, change: dict[str, Any], status: int) -> None:
    """Cross-site, forged, without a cookie, with a token that is gone or of another poll, or saying nothing."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        token = (await ana.next())["token"]
        answer = await ana.post("vote/cast", **{"token": token, "outcome": "left"} | change)
        assert answer.status_code == status
        assert '"counted":true' not in answer.text
        assert studio.counts()[1:3] == (0, 0)
        assert (await ana.next())["state"] == "open"

    run(check())


def test_another_voters_ballot_is_not_ones_own(studio: Studio) -> None:
    """Neither its pictures nor its vote; and nothing says whether it is there."""

    async def check() -> None:
        ana, eve = Voter(studio), Voter(studio, "eve")
        await ana.start()
        await eve.start()
        found = await ana.next()
        stolen = await eve.get(found["pictures"][0].removeprefix("/-/promptlab/"))
        gone = await eve.get("ballot/" + "A" * 32 + "/0")
        assert (stolen.status_code, stolen.content) == (gone.status_code, gone.content) == (404, gone.content)
        assert not (await eve.post("vote/cast", token=found["token"], outcome="left")).json()["counted"]
        assert not (await eve.post("vote/skip", token=found["token"])).json()["skipped"]
        assert (await ana.next())["token"] == found["token"]
        assert studio.counts()[1] == 0

    run(check())


def test_a_foreign_host_and_a_get_write_nothing(studio: Studio) -> None:
    """Through the whole application, as `promptlab browse` serves it."""
    from promptlab.browse.serve import application

    async def check() -> None:
        import httpx

        ana = Voter(studio)
        await ana.start()
        token = (await ana.next())["token"]
        transport = httpx.ASGITransport(app=application(studio.datasette))
        fields = {"csrftoken": ana.csrf, "poll": ana.poll, "token": token, "outcome": "left"}
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example:8001") as client:
            answer = await client.post("/-/promptlab/vote/cast", data=fields, headers=LOCAL)
        assert answer.status_code == 403
        assert (
            await ana.get(f"vote/cast?token={token}&outcome=left&poll={ana.poll}&csrftoken={ana.csrf}")
        ).status_code == 403
        assert studio.counts()[1] == 0

    run(check())


def test_undo_and_skip(studio: Studio) -> None:
    """Undo takes back one's own last ballot and shows its pictures again; a skipped pair comes when it is asked for."""

    async def check() -> None:
        ana, ben = Voter(studio), Voter(studio, "ben")
        await ana.start(by="look")
        await ben.start(by="look")
        await ben.vote()
        seen = []
        for _ in range(3):
            found = await ana.next()
            seen.append([pictures_of(found["token"])])
            await ana.post("vote/cast", token=found["token"], outcome="right")
        assert (await ana.post("vote/undo")).json() == {"ok": True, "undone": True, "yours": 2}
        assert [pictures_of((await ana.next())["token"])] == seen[-1]
        skipped = pictures_of((await ana.next())["token"])
        await ana.post("vote/skip", token=(await ana.next())["token"])
        rest = []
        while (found := await ana.next())["state"] == "open":
            rest.append(pictures_of(found["token"]))
            await ana.post("vote/cast", token=found["token"], outcome="bad")
        assert len(rest) == 10 - 2 - 1
        assert skipped not in rest
        assert found["skipped"] == 1
        assert "Nothing is left but what you skipped" in (await ana.get(f"vote?poll={ana.poll}")).text
        await ana.post("vote/again")
        assert pictures_of((await ana.next())["token"]) == skipped
        await ana.vote("tie")
        assert "Nothing is left to judge" in (await ana.get(f"vote?poll={ana.poll}")).text
        with studio.log() as log:
            assert log.voters(ana.poll) == {"ana": 10, "ben": 1}
        for expected in (True, False):
            assert (await ben.post("vote/undo")).json()["undone"] is expected

    run(check())


def test_a_page_that_is_loaded_again_shows_the_same(studio: Studio) -> None:
    """So that nobody looks for a better pair by reloading."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        assert (await ana.next())["token"] == (await ana.next())["token"]

    run(check())


def test_the_next_ballot_is_made_while_one_is_looked_at(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time of an answer says nothing of its pictures; what was skipped meanwhile is made anew."""
    made: list[frozenset[str]] = []
    original = vote_page._make

    async def make(*given: Any) -> Any:
        found = await original(*given)
        if found is not None:
            made.append(frozenset(each.image_id for each in found[0].pictures))
        return found

    monkeypatch.setattr(vote_page, "_make", make)

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        first = await ana.next()
        (live,) = [each for each in polls._lives.values() if each.poll.id == ana.poll]
        await asyncio.wait_for(asyncio.shield(live.ready["ana", "pair"]), 30)
        assert len(made) == 2
        await ana.post("vote/cast", token=first["token"], outcome="left")
        second = await ana.next()
        assert pictures_of(second["token"]) == made[1]
        await asyncio.wait_for(asyncio.shield(live.ready["ana", "pair"]), 30)
        await ana.post("vote/undo")
        assert pictures_of((await ana.next())["token"]) == made[0]

    run(check())


def test_without_a_script_a_form_votes(studio: Studio) -> None:
    """The answer leads back to the page, which has the next pair."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        page = (await ana.get(f"vote?poll={ana.poll}&kind=best_worst")).text
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        assert page.count('type="radio"') == 8
        answer = await ana.post(
            "vote/cast", headers={"accept": "text/html"}, token=fields["token"], outcome="best", best="2", worst="0",
            back=fields["back"].replace("&amp;", "&"),
        )  # fmt: skip
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/-/promptlab/vote?poll={ana.poll}&kind=best_worst"
        assert studio.counts()[1:3] == (1, 5)
        after = (await ana.get(answer.headers["location"].removeprefix("/-/promptlab/"))).text
        assert fields["token"] not in after
        assert '<b id="yours">1</b>' in after

    run(check())


def test_the_kind_one_began_with_is_remembered(studio: Studio) -> None:
    """And an address that holds other axes to a value leads to one without values."""

    async def check() -> None:
        ana, ben = Voter(studio), Voter(studio, "ben")
        await ana.start(kind="best_worst")
        page = f"vote?run={studio.run}&by=style"
        assert (await ana.get(page)).text.count("/-/promptlab/ballot/") == 4
        assert (await ben.get(page)).text.count("/-/promptlab/ballot/") == 2
        await ana.start(**{"axis.look": "warmlight"})
        answer = await ana.get(f"{page}&axis.look=warmlight")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/-/promptlab/vote?poll={ana.poll}")

    run(check())


def test_a_guest_says_a_name_first(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then there are no pictures to vote on."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        monkeypatch.setattr("promptlab.browse.people.who", lambda *_: "")
        answer = await ana.get(f"vote?run={studio.run}&by=style")
        assert (answer.status_code, "/name?back=" in answer.headers["location"]) == (303, True)
        assert (await ana.next())["state"] == "none"
        assert (await ana.post("vote/cast", token="A" * 32, outcome="left")).status_code == 403

    run(check())


def test_the_tally_is_hidden_until_asked_for(studio: Studio) -> None:
    """Asking is logged with the name, is one's own, and is over with the next vote."""

    async def check() -> None:
        ana, ben = Voter(studio), Voter(studio, "ben")
        await ana.start()
        await ben.start()
        for _ in range(3):
            await ana.vote()
        address = f"vote/tally?poll={ana.poll}"
        for voter in (ana, ben):
            assert "The tally is hidden" in (await voter.get(address)).text
        assert (await ana.get(f"vote/tally.json?poll={ana.poll}")).status_code == 403
        assert studio.counts()[3] == 0
        assert (await ana.post("vote/tally")).status_code == 200
        page = (await ana.get(address)).text
        assert "The vote is open." in page
        assert any(style in page for style in STYLES)
        assert (await ana.get(f"vote/tally.json?poll={ana.poll}")).json()["live"] is True
        assert "The tally is hidden" in (await ben.get(address)).text
        with studio.log() as log:
            assert list(log.rows('SELECT "by" FROM tally_views')) == [("ana",)]
        await asyncio.sleep(0.002)  # the clock of the log has milliseconds
        await ana.vote()
        assert "The tally is hidden" in (await ana.get(address)).text

    run(check())


def test_a_closed_vote_takes_nothing_and_a_new_one_is_another(studio: Studio) -> None:
    """What was on a screen is refused; the page says how it went on, and starts again with the question."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        await ana.vote()
        token, poll = (await ana.next())["token"], ana.poll
        assert (await ana.post("vote/close")).json()["closed"]
        late = await ana.post("vote/cast", token=token, outcome="left")
        assert (late.status_code, "closed" in late.json()["error"]) == (400, True)
        assert (await ana.next())["state"] == "closed"
        page = (await ana.get(f"vote?run={studio.run}&by=style")).text
        assert "Start a blind vote" in page
        assert "with 1 ballot:" in page
        await ana.start()
        assert ana.poll != poll
        assert studio.counts()[:2] == (2, 1)

    run(check())


def test_only_held_values_are_shown(studio: Studio) -> None:
    """`axis.look=warmlight` votes on that light alone."""

    async def check() -> None:
        ana = Voter(studio)
        await ana.start(**{"axis.look": "warmlight"})
        number = 0
        warm = {studio.image(style, "warmlight", seed) for style in STYLES for seed in SEEDS}
        while (found := await ana.next())["state"] == "open":
            assert pictures_of(found["token"]) <= warm
            await ana.post("vote/cast", token=found["token"], outcome="tie")
            number += 1
        assert number == 2 * 10

    run(check())


def test_a_picture_that_is_gone_is_passed_over(studio: Studio) -> None:
    """Nobody can judge it; where none is left the page says so."""
    with studio.log() as log:
        for style in STYLES[:3]:
            sql = "SELECT i.sha256 FROM images i JOIN generations g ON g.id = i.generation_id WHERE g.prompt = ?"
            for (sha256,) in list(log.rows(sql, (f"{style} teapot",))):
                Store(studio.folder / "images").delete(sha256)

    async def check() -> None:
        ana = Voter(studio)
        await ana.start()
        found = {}
        for _ in range(60):  # each request gives up after some pictures
            found = await ana.next()
            if found["state"] == "open":
                break
        assert {STYLES[int(id_[1:]) // 4] for id_ in pictures_of(found["token"])} == set(STYLES[3:])

    run(check())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("run=nothing&by=style", "There is no run"),
        ("run={run}&by=stile", "did you mean"),
        ("poll=01NOTHING", "There is no such vote"),
    ],
)
def test_what_is_not_there_is_said(studio: Studio, query: str, said: str) -> None:
    """A run, an axis, a poll."""

    async def check() -> None:
        answer = await Voter(studio).get("vote?" + query.format(run=studio.run))
        assert answer.status_code == 404
        assert said in answer.text

    run(check())


def test_a_datasette_that_only_shows_takes_no_votes(studio: Studio) -> None:
    """The page says which command does."""
    studio.datasette = build_datasette(studio.folder / "promptlab.db", studio.folder / "images", write=False)

    async def check() -> None:
        assert "promptlab browse" in (await Voter(studio).get(f"vote?run={studio.run}&by=style")).text

    run(check())


def test_tickets_are_bounded_and_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes, in one voter's tabs, and in time."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    tickets = polls.Tickets(most_bytes=100)
    shown: Any = None
    first = tickets.issue("p", "ana", shown, (b"x" * 40,))
    clock[0] = 10.0
    second = tickets.issue("p", "ben", shown, (b"x" * 40,))
    third = tickets.issue("p", "cleo", shown, (b"x" * 40,))
    assert [tickets.get(each.token) for each in (first, second, third)] == [None, second, third]
    mine = [tickets.issue("q", "ana", shown, (b"",)) for _ in range(4)]
    assert [tickets.get(each.token) is not None for each in mine] == [False, True, True, True]
    clock[0] = 4000.0
    assert tickets.of_poll("p") == tickets.of_poll("q") == []


def test_many_voters_in_one_process(studio: Studio) -> None:
    """Ten at once, each in an own poll state: all of theirs are counted, and no scene is shown to all of them."""

    async def check() -> None:
        voters = [Voter(studio, f"voter{number}") for number in range(10)]
        for voter in voters:
            await voter.start()

        async def some(voter: Voter) -> int:
            return sum([(await voter.vote("tie"))["counted"] for _ in range(4)])

        assert await asyncio.gather(*map(some, voters)) == [4] * 10
        assert studio.counts()[1] == 40
        with studio.log() as log:
            assert log.voters(voters[0].poll) == {voter.name: 4 for voter in voters}

    run(check())
