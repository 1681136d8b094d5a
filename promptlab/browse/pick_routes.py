"""The best of a row, or its best and its worst, picked from a page that shows what is what.

`POST /-/promptlab/pick` takes `run`, `by` (an axis, or `variant`), `best`, with it perhaps `worst`, and `among` (the
images that were on the screen; without it all of the row), and answers with the ballot's id: a pick is one ballot of
the run's open, not blind poll. A second pick on the same row takes the place of the first. `POST
/-/promptlab/pick/undo` takes back this person's last one, and the one before it on that row holds again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptlab.browse import shell
from promptlab.browse.writes import Given, change, one
from promptlab.compare.answers import BallotAnswer, comparisons_of
from promptlab.compare.voting_scenes import read_scene_of
from promptlab.errors import InputError
from promptlab.log.rows import paid_images
from promptlab.log.votes import Ballot, Poll, Votes
from promptlab.model import new_id

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.log import Log

__all__ = ["ROUTES"]

_MOST = 500  # images of one row


async def pick(request: Request, datasette: Datasette) -> Response:
    """Pick the best of a row, as the person who is looking."""
    return await change(request, datasette, _pick)


async def undo(request: Request, datasette: Datasette) -> Response:
    """Take back the last pick of the person who is looking."""
    return await change(request, datasette, _undo)


def _pick(log: Log, who: str, given: Given) -> dict[str, Any]:
    run, by = log.find_run(one(given, "run")), _axis(given)
    best, worst, among = one(given, "best"), one(given, "worst"), list(given.get("among", ()))
    if not best or len(among) > _MOST:
        raise InputError("name the best image, and at most 500 among which it is", code="bad-ballot")
    named = list(dict.fromkeys([best, *([worst] if worst else []), *among]))
    paid = paid_images(log, named)
    scene = read_scene_of(log, run.id, by, [paid[id_] for id_ in named])
    value_of = {each.image_id: value for value, cell in scene.pictures.items() for each in cell}
    shown = [paid[id_] for id_ in among] or list(value_of)
    ids = _compared(value_of, shown, paid[best], paid[worst] if worst else None)
    places = BallotAnswer("best", ids.index(paid[best]), ids.index(paid[worst]) if worst else None)
    said = tuple(
        each for each in comparisons_of(ids, places) if value_of[each.left_image] != value_of[each.right_image]
    )
    poll = log.open_poll(run.id, by, by=who, blind=False)
    ballot = Ballot(new_id(), poll.id, "best_worst" if worst else "best", who, said)
    replaced = log.replace_ballot(ballot, list(value_of))
    return {
        "ballot": ballot.id,
        "poll": poll.id,
        "best": best,
        "worst": worst or None,
        "images": len(ids),
        "replaced": replaced,
    }


def _compared(value_of: Mapping[str, str], shown: list[str], best: str, worst: str | None) -> list[str]:
    """The images that a pick is about; InputError where they are all of one value, or the best is the worst."""
    ids = list(dict.fromkeys([best, *([worst] if worst is not None else []), *shown]))
    if unknown := [id_ for id_ in ids if id_ not in value_of]:
        raise InputError(f"no stored picture of that row: {', '.join(unknown[:3])}", code="not-one-scene")
    if best == worst:
        raise InputError("the best can't be the worst too", code="bad-ballot")
    if len({value_of[id_] for id_ in ids}) < 2 or (worst is not None and value_of[best] == value_of[worst]):
        raise InputError("a pick compares pictures of different values, and these are of one", code="bad-ballot")
    return ids


def _undo(log: Log, who: str, given: Given) -> dict[str, Any]:
    run, by = log.find_run(one(given, "run")), _axis(given)
    poll = _open(log, run.id, by)
    return {"ballot": log.undo_ballot(poll.id, by=who) if poll is not None else None}


def _axis(given: Given) -> str | None:
    return None if one(given, "by") in ("", "variant") else one(given, "by")


def _open(log: Votes, run_id: str, by: str | None) -> Poll | None:
    polls = log.polls(run_id)
    return next(
        (each for each in polls if each.closed_at is None and not each.blind and (each.axis, each.only) == (by, {})),
        None,
    )


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/pick\Z", pick),
    (r"^/-/promptlab/pick/undo\Z", undo),
]
