"""Blind voting: two pictures of a matched cell, or four, and nothing on the page that says what they are.

`/-/promptlab/vote?run=&by=` asks once for the goal and the kind, then shows one ballot after the other; `vote.json` is
the same for its script. What is cast is in the log before the next ballot is shown. All writes are forms:
`vote/start`, `vote/cast`, `vote/skip`, `vote/again`, `vote/undo`, `vote/close`. A ballot is named by its ticket's
token alone (`polls`): one that is gone, used, somebody else's or of another poll writes nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from promptlab.browse import guard, image_routes, page_data, people, shell
from promptlab.browse.polls import LivePoll, Ticket, live_poll, tickets
from promptlab.browse.writes import Given, change, one
from promptlab.compare.answers import FOUR, comparisons_of, read_answer
from promptlab.compare.next_ballot import Shown
from promptlab.compare.voting_scenes import read_voting_scenes
from promptlab.errors import InputError, StoreError
from promptlab.log.votes import Ballot, BallotKind, Poll, Votes
from promptlab.store.blind import blind_picture, same_length

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links, OpenLog
    from promptlab.log import Log

__all__ = ["ROUTES"]

_AXIS = "axis."  # ?axis.look=warm votes on that value alone
_READY = 50  # ballots of a poll that are made ready ahead
_TRIES = 8  # ballots whose files can't be read, until that is said
PLACES = {"pair": ("left", "right"), "best_worst": ("first", "second", "third", "fourth")}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: a poll of the log, or the run and axis of one that may not be open yet."""

    run: page_data.Row
    by: str | None  # an axis, "variant" for whole variants; None: it does not say
    only: Mapping[str, str]
    poll: Poll | None

    @property
    def axis(self) -> str | None:
        """The axis as the log has it."""
        return None if self.by == "variant" else self.by


class NotThere(Exception):
    """Why there is nothing to vote on, for a page: its title, and a sentence."""


# --- pages ---------------------------------------------------------------------------------------------------------


async def vote_page(request: Request, datasette: Datasette) -> Response:
    """The next ballot; before the first one the question what the vote is for."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    try:
        asked = await shell.read(datasette, log, partial(_asked, args=request.args))
        if not guard.may_write(datasette, log):
            raise NotThere(
                "No votes here", "This Datasette shows the log and does not write to it; `promptlab browse` does."
            )
        if asked.poll is None or asked.poll.closed_at is not None:
            return await _start_page(request, datasette, log, links, asked)
        if asked.only and not request.args.get("poll"):  # an address with values in it is no address to vote at
            return shell.redirect(links.vote(poll=asked.poll.id, kind=request.args.get("kind")))
        if not people.who(request, datasette, log):
            return shell.redirect(links.address("/name", back=links.vote(poll=asked.poll.id)))
        found = await _next(request, datasette, log, asked.poll)
    except NotThere as reason:
        return shell.message(links, *reason.args)
    return shell.page(
        "vote.html", links, csrf=guard.token(request), who=people.who(request, datasette, log), **found,
        poll=asked.poll, names=PLACES[found["kind"]], address=_addresses(links, asked.poll, found["kind"]),
        pictures=_pictures(links, found["ticket"]),
    )  # fmt: skip


async def vote_json(request: Request, datasette: Datasette) -> Response:
    """The next ballot for the page's script: its token and where its pictures are."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    try:
        asked = await shell.read(datasette, log, partial(_asked, args=request.args))
        if not guard.may_write(datasette, log):
            raise NotThere("No votes here", "This Datasette does not write.")
        if asked.poll is None or asked.poll.closed_at is not None:
            return shell.as_json({"state": "closed"})
        if not people.who(request, datasette, log):
            raise NotThere("No name", people.NO_NAME)
        found = await _next(request, datasette, log, asked.poll)
    except NotThere as reason:
        return shell.as_json({"state": "none", "reason": reason.args[1]}, status=404)
    ticket: Ticket | None = found["ticket"]
    return shell.as_json({
        "state": "open" if ticket else "done", "kind": found["kind"], "token": ticket.token if ticket else None,
        "pictures": _pictures(links, ticket), "yours": found["yours"], "skipped": found["skipped"],
    })  # fmt: skip


async def ballot_picture(request: Request, datasette: Datasette) -> Response:
    """One picture of a ballot, to its own voter."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    ticket = tickets.get(request.url_vars["token"])
    place = int(request.url_vars["place"])
    if ticket is None or place >= len(ticket.files) or ticket.voter != people.who(request, datasette, log):
        return image_routes.gone_response()
    return image_routes.ballot_response(ticket.files[place])


async def _start_page(request: Request, datasette: Datasette, log: OpenLog, links: Links, asked: Asked) -> Response:
    """The question what to vote on, and what for."""

    def read(connection: sqlite3.Connection) -> dict[str, Any]:
        votes = Votes(Path(), connection)
        axes = _axes(connection, asked.run)
        if asked.by is None:
            return {"axes": axes, "by": None, "values": 0, "scenes": 0, "earlier": [], "seeded": True}
        ground = read_voting_scenes(votes, asked.run["id"], asked.axis, asked.only)
        earlier = [
            (poll, votes.count_ballots(poll.id))
            for poll in votes.polls(asked.run["id"])
            if poll.axis == asked.axis and poll.blind and poll.closed_at is not None
        ]
        return {
            "axes": axes, "by": asked.by, "values": ground.most_values, "scenes": len(ground.scenes),
            "earlier": earlier, "seeded": ground.seeded,
        }  # fmt: skip

    try:
        found = await shell.read(datasette, log, read)
    except InputError as error:
        raise NotThere("Nothing to vote on", f"{_sentence(error)}.") from error
    return shell.page(
        "votestart.html", links, csrf=guard.token(request), who=people.who(request, datasette, log), run=asked.run,
        only={_AXIS + axis: value for axis, value in asked.only.items()}, **found,
    )  # fmt: skip


def _axes(connection: sqlite3.Connection, run: page_data.Row) -> list[tuple[str, int]]:
    """The axes of a run that have two values at least, with how many."""
    values: dict[str, set[str]] = {}
    sql = (
        "SELECT axes FROM variants WHERE experiment = ? AND id IN (SELECT variant_id FROM generations WHERE run_id = ?)"
    )
    for (text,) in connection.execute(sql, (run["experiment"], run["id"])):
        for axis, value in shell.mapping(text).items():
            values.setdefault(axis, set()).add(value)
    return [(axis, len(found)) for axis, found in values.items() if len(found) > 1]


def _asked(connection: sqlite3.Connection, args: Any) -> Asked:
    """The poll that an address names by `poll`, or the open one of its `run`, `by` and `axis.…`."""
    log = Votes(Path(), connection)
    if args.get("poll"):
        poll = log.poll(args["poll"])
        run = page_data.find_run(connection, poll.run_id) if poll is not None else None
        if poll is None or run is None:
            raise NotThere("There is no such vote", "It may have been deleted with its run.")
        return Asked(run, poll.axis or "variant", poll.only, poll)
    name = args.get("run") or "last"
    run = page_data.find_run(connection, name, whole=True)
    if run is None:
        raise NotThere(f"There is no run {name!r} in this log", "The runs page lists every run there is.")
    if run["kind"] == "verify":
        raise NotThere(
            "This is a verify run", "It only checks that images come out the same: there is nothing to vote on."
        )
    only = {key[len(_AXIS) :]: args[key] for key in args if key.startswith(_AXIS) and args[key]}
    asked = Asked(run, args.get("by") or None, only, None)
    if asked.by is None:
        return asked
    wanted = (asked.axis, only, True)
    polls = [each for each in log.polls(run["id"]) if (each.axis, dict(each.only), each.blind) == wanted]
    return replace(asked, poll=next((each for each in polls if each.closed_at is None), None))


# --- the next ballot -----------------------------------------------------------------------------------------------


async def _next(request: Request, datasette: Datasette, log: OpenLog, poll: Poll) -> dict[str, Any]:
    """What a voter has in front of them, made where there is nothing yet, with all its pictures."""
    voter = people.who(request, datasette, log)
    live = live_poll(_path(datasette, log), poll)
    wanted = request.args.get("kind") or live.kinds.get(voter)
    try:
        await shell.read(datasette, log, live.prepare)
        kind: BallotKind = "best_worst" if wanted == "best_worst" and live.values >= FOUR else "pair"
        ticket = tickets.current(poll.id, voter, kind)
        if ticket is None:
            ticket = await _issue(datasette, log, live, voter, kind)
    except InputError as error:
        raise NotThere("Nothing to vote on", f"{_sentence(error)}.") from error
    yours = await shell.read(datasette, log, lambda db: Votes(Path(), db).count_ballots(poll.id, by=voter))
    return {
        "ticket": ticket, "kind": kind, "yours": yours, "skipped": live.skipped(voter), "frame": live.frame,
        "fours": live.values >= FOUR,
    }  # fmt: skip


Made = tuple[Shown, list[bytes]]


async def _issue(datasette: Datasette, log: OpenLog, live: LivePoll, voter: str, kind: BallotKind) -> Ticket | None:
    """A new ballot; while it is looked at, the one after it is made ready, so that nobody waits for pictures.

    So the time of an answer says nothing of what the pictures took to make, either.
    """
    made = await _made_ready(live, voter, kind) or await _make(datasette, log, live, voter, kind)
    if made is None:
        return None
    shown, files = made[0], same_length(made[1], live.length)
    live.sent(len(files[0]))
    ticket = tickets.issue(live.poll.id, voter, shown, tuple(files))
    if (voter, kind) not in live.ready:
        live.ready[voter, kind] = asyncio.create_task(_make_ahead(datasette, log, live, voter, kind))
        while len(live.ready) > _READY:
            live.ready.popitem(last=False)
    return ticket


async def _made_ready(live: LivePoll, voter: str, kind: BallotKind) -> Made | None:
    """What was made ready for this voter, if it still is something new to them."""
    if live.waits_for(voter, kind):
        return None
    task: asyncio.Task[Made | None] | None = live.ready.pop((voter, kind), None)
    if task is None or task.cancelled() or task.get_loop() is not asyncio.get_running_loop():
        return None
    made = await task
    return made if made is not None and live.is_fresh(voter, made[0]) else None


async def _make_ahead(datasette: Datasette, log: OpenLog, live: LivePoll, voter: str, kind: BallotKind) -> Made | None:
    """As `_make`; what can't be made now is found out again, and said, by who asks for it."""
    try:
        return await _make(datasette, log, live, voter, kind)
    except (NotThere, InputError):
        return None


async def _make(datasette: Datasette, log: OpenLog, live: LivePoll, voter: str, kind: BallotKind) -> Made | None:
    """What a voter sees next, with its pictures; None where nothing is left."""
    store = log.store()
    for _ in range(_TRIES):
        shown = await shell.read(datasette, log, lambda db: live.next(db, voter, kind))
        if shown is None:
            return None
        hashes = [each.sha256 for each in shown.pictures]
        try:
            if store is None:
                raise StoreError("no folder of images")
            loop = asyncio.get_running_loop()
            made = [loop.run_in_executor(_makers(), blind_picture, store, each, live.frame) for each in hashes]
            return shown, await asyncio.gather(*made)
        except StoreError:  # a file was deleted or damaged: nobody can judge this pair
            live.skip(voter, shown)
    raise NotThere(
        "The pictures can't be read", "Their files are gone or damaged; look at one on its own page to see why."
    )


@cache
def _makers() -> ThreadPoolExecutor:
    """Two threads prepare pictures: twenty voters must not take the machine."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="promptlab-ballot")


def _path(datasette: Datasette, log: OpenLog) -> Path:
    return Path(str(datasette.get_database(log.database).path))


def _pictures(links: Links, ticket: Ticket | None) -> list[str]:
    """Where the pictures of a ballot are, from the left."""
    return [links.address(f"/ballot/{ticket.token}/{place}") for place in range(len(ticket.files))] if ticket else []


def _addresses(links: Links, poll: Poll, kind: BallotKind) -> dict[str, str]:
    """Where the page's forms and links lead; they name the poll alone."""
    shown = {"kind": kind}
    return {
        "here": links.vote(poll=poll.id, **shown),
        "name": links.address("/name", back=links.vote(poll=poll.id, **shown)),
        "json": links.address("/vote.json", poll=poll.id, **shown),
        "pairs": links.vote(poll=poll.id, kind="pair"),
        "fours": links.vote(poll=poll.id, kind="best_worst"),
        "tally": links.address("/vote/tally", poll=poll.id),
    } | {name: links.address(f"/vote/{name}") for name in ("cast", "skip", "again", "undo", "close")}


def _sentence(error: InputError) -> str:
    """What is wrong, without its code."""
    message = error.problems[0].message
    return message[:1].upper() + message[1:]


# --- writes --------------------------------------------------------------------------------------------------------


async def start(request: Request, datasette: Datasette) -> Response:
    """Open the poll, or take part in the one that is open."""
    return await change(request, datasette, _start)


def _start(log: Log, who: str, given: Given) -> dict[str, Any]:
    run = log.find_run(one(given, "run"))
    by = None if one(given, "by") == "variant" else one(given, "by")
    goal, kind = one(given, "goal") or "best", one(given, "kind") or "pair"
    if goal not in ("best", "rank") or kind not in ("pair", "best_worst"):
        raise InputError("a vote finds the best or ranks all, by pairs or by the best and worst of four")
    only = {name[len(_AXIS) :]: one(given, name) for name in given if name.startswith(_AXIS)}
    if not read_voting_scenes(log, run.id, by, only).scenes:
        raise InputError(f"run {run.id} has no two pictures that could be compared by {by or 'variant'}")
    poll = log.open_poll(run.id, by, by=who, only=only, goal=cast(Literal["best", "rank"], goal), blind=True)
    live_poll(log.path, poll).kinds[who] = cast(BallotKind, kind)
    return {"poll": poll.id, "goal": poll.goal}


async def cast_ballot(request: Request, datasette: Datasette) -> Response:
    """Write a ballot; one whose token is gone, used, somebody else's or of another poll writes nothing."""
    written: list[tuple[Path, Poll, Ticket]] = []
    answer = await change(request, datasette, partial(_cast, written))
    if answer.status < 400:  # it is committed: only now its ticket is used up
        for path, poll, ticket in written:
            tickets.drop(ticket.token)
            live_poll(path, poll).noted(ticket.voter, ticket.ballot_id, ticket.shown)
    return answer


def _cast(written: list[tuple[Path, Poll, Ticket]], log: Log, who: str, given: Given) -> dict[str, Any]:
    ticket = _ticket(who, given)
    if ticket is None:
        return {"counted": False, "reason": "that ballot was not open any more; here is the next one"}
    kind = ticket.shown.kind
    answer = read_answer(kind, len(ticket.files), one(given, "outcome"), one(given, "best"), one(given, "worst"))
    said = comparisons_of([each.image_id for each in ticket.shown.pictures], answer)
    counted = log.cast(Ballot(ticket.ballot_id, ticket.poll_id, kind, who, said, shown_at=ticket.shown_at))
    if counted and (poll := log.poll(ticket.poll_id)) is not None:
        written.append((log.path, poll, ticket))
    return {"counted": counted, "yours": log.count_ballots(ticket.poll_id, by=who)}


def _ticket(who: str, given: Given) -> Ticket | None:
    """The open ballot that a form is about, if it is this voter's and of this poll."""
    ticket = tickets.get(one(given, "token"))
    mine = ticket is not None and (ticket.voter, ticket.poll_id) == (who, one(given, "poll"))
    return ticket if mine else None


async def skip(request: Request, datasette: Datasette) -> Response:
    """Another ballot instead of this one; nothing is written."""
    return await change(request, datasette, _skip)


def _skip(log: Log, who: str, given: Given) -> dict[str, Any]:
    ticket = _ticket(who, given)
    poll = log.poll(ticket.poll_id) if ticket is not None else None
    if ticket is not None and poll is not None:
        live_poll(log.path, poll).skip(who, ticket.shown)
        tickets.drop(ticket.token)
    return {"skipped": ticket is not None}


async def again(request: Request, datasette: Datasette) -> Response:
    """Show what was skipped."""
    return await change(request, datasette, _again)


def _again(log: Log, who: str, given: Given) -> dict[str, Any]:
    poll = log.poll(one(given, "poll"))
    if poll is not None:
        live_poll(log.path, poll).show_skipped(who)
    return {}


async def undo(request: Request, datasette: Datasette) -> Response:
    """Take back this voter's last ballot; its pictures come next."""
    return await change(request, datasette, _undo)


def _undo(log: Log, who: str, given: Given) -> dict[str, Any]:
    poll = log.poll(one(given, "poll"))
    undone = log.undo_ballot(poll.id, by=who) if poll is not None else None
    if poll is None or undone is None:
        return {"undone": False}
    live_poll(log.path, poll).undone(who, undone)
    for each in tickets.of_poll(poll.id):
        if each.voter == who:
            tickets.drop(each.token)
    return {"undone": True, "yours": log.count_ballots(poll.id, by=who)}


async def close(request: Request, datasette: Datasette) -> Response:
    """End the vote."""
    return await change(request, datasette, _close)


def _close(log: Log, who: str, given: Given) -> dict[str, Any]:
    poll = log.poll(one(given, "poll"))
    if poll is None:
        raise InputError("there is no such vote")
    log.close_poll(poll.id)
    return {"closed": True}


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/vote\Z", vote_page),
    (r"^/-/promptlab/vote\.json\Z", vote_json),
    (r"^/-/promptlab/vote/start\Z", start),
    (r"^/-/promptlab/vote/cast\Z", cast_ballot),
    (r"^/-/promptlab/vote/skip\Z", skip),
    (r"^/-/promptlab/vote/again\Z", again),
    (r"^/-/promptlab/vote/undo\Z", undo),
    (r"^/-/promptlab/vote/close\Z", close),
    (r"^/-/promptlab/ballot/(?P<token>[A-Za-z0-9_-]{32})/(?P<place>[0-3])\Z", ballot_picture),
]
