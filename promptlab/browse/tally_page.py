"""How an open vote stands: hidden until somebody asks, and asking is logged.

`POST /-/promptlab/vote/tally` notes who asks; then `GET` shows it to them until they vote again. While people may
vote, what is said is what may be looked at after every vote (`stats.live`); the ranking has the rest.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.browse import guard, people, shell
from promptlab.browse.writes import Given, change, one
from promptlab.compare.verdict import Verdict, verdict_as_json, verdict_of
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.votes import Poll

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]


@dataclass(frozen=True, slots=True)
class AskedTally:
    """A poll, and how it stands for somebody who asked; None for who did not, or voted since."""

    poll: Poll
    verdict: Verdict | None


async def tally(request: Request, datasette: Datasette) -> Response:
    """Note who asks (POST), or show how the vote stands to who asked (GET)."""
    if request.method == "POST":
        return await change(request, datasette, _ask)
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    who = people.who(request, datasette, log)
    found = await shell.read(datasette, log, lambda db: _tally(db, request.args.get("poll") or "", who))
    if found is None:
        return shell.message(links, "There is no such vote", "It may have been deleted with its run.")
    poll = found.poll
    return shell.page(
        "votetally.html", links, csrf=guard.token(request), poll=poll, verdict=found.verdict, who=who,
        may_ask=guard.may_write(datasette, log), address=links.address("/vote/tally", poll=poll.id),
        by=poll.axis or "variant",
    )  # fmt: skip


async def tally_json(request: Request, datasette: Datasette) -> Response:
    """The same for scripts; 403 for who did not ask."""
    log, _ = await shell.open_log(request, datasette)
    if log is None:
        return shell.nothing_here(datasette)
    who = people.who(request, datasette, log)
    found = await shell.read(datasette, log, lambda db: _tally(db, request.args.get("poll") or "", who))
    if found is None or found.verdict is None:
        reason = "there is no such vote" if found is None else "the tally is hidden until you ask for it"
        return shell.as_json({"ok": False, "error": reason}, status=404 if found is None else 403)
    return shell.as_json(verdict_as_json(found.verdict))


def _tally(connection: sqlite3.Connection, poll_id: str, who: str) -> AskedTally | None:
    log = Log(Path(), connection)
    poll = log.poll(poll_id)
    if poll is None:
        return None
    asked = log.has_seen_tally(poll_id, by=who)
    return AskedTally(poll, verdict_of(log, poll.run_id, poll.axis) if asked else None)


def _ask(log: Log, who: str, given: Given) -> dict[str, Any]:
    poll_id = one(given, "poll")
    if log.poll(poll_id) is None:
        raise InputError("there is no such vote")
    log.note_tally_view(poll_id, by=who)
    return {"poll": poll_id}


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/vote/tally\Z", tally),
    (r"^/-/promptlab/vote/tally\.json\Z", tally_json),
]
