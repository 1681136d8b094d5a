"""The review queue: one picture after the other, or a whole cell or row of them, kept or rejected by a key.

`/review` is a page that works as forms; its script asks `/review.json` for what comes next and sends marks behind the
reader's back (`mark_routes`). Pictures that somebody looks at are leased (`leases`), so that two people do not judge
the same one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args
from urllib.parse import urlencode

from promptlab.browse import guard, page_data, page_rendering, people, shell
from promptlab.browse.as_csv import as_csv
from promptlab.browse.leases import LEASE_SECONDS, Leases, leases_of
from promptlab.browse.review_data import COLUMNS, Step, group_rows, listed_rows
from promptlab.browse.review_index import Counts, Group, RunIndex, Show, View, Wanted, index_of
from promptlab.browse.writes import Accepted, accept, new_once
from promptlab.errors import InputError

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links, OpenLog

__all__ = ["ROUTES"]

_AXIS, _FIELD = "axis.", "field."
_AHEAD = 24  # groups in one answer, at most
_HELD = 100  # images that one request may hold
_TAGS = 9  # as many as there are keys for
_LISTED = 60  # values of a filter that are listed; more are typed
Where = Literal["at", "after", "before"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for: the queue, and where in it."""

    run: str
    wanted: Wanted
    start: tuple[Where, str] | None
    count: int
    hold: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found for it."""

    run: page_data.Row
    steps: Sequence[Step]
    counts: Counts
    tags: Sequence[tuple[str, int]]
    elsewhere: Mapping[str, int]  # who else looks at how many pictures
    axes: Mapping[str, Sequence[str]]
    fields: Mapping[str, Sequence[str]]
    by: str | None


async def review_page(request: Request, datasette: Datasette) -> Response:
    """The queue of one run, one step of it."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    asked = _asked(request)
    seen = await _look(request, datasette, log, asked)
    if isinstance(seen, str):
        return shell.message(links, "There is no such queue", seen)
    step = seen.steps[0] if seen.steps else None
    context = _context(request, datasette, log, links, asked, seen)
    return shell.page(
        "review.html",
        links,
        **context,
        seen=seen,
        step=step,
        query=_query(asked),
        filtered=bool(asked.wanted.where or asked.wanted.tag),
        address=lambda **more: _address(links, asked, **more),
        csv=links.address("/review.csv") + _joined(links, urlencode(_query(asked))),
        json=links.address("/review.json") + _joined(links, urlencode(_query(asked))),
        lease=int(LEASE_SECONDS),
        about_run=seen.run["id"],
    )


async def review_json(request: Request, datasette: Datasette) -> Response:
    """What comes next in the queue, with the counts; `html=1` adds each step as the page shows it."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    asked = _asked(request)
    seen = await _look(request, datasette, log, asked)
    if isinstance(seen, str):
        return shell.as_json({"ok": False, "error": seen}, status=404)
    context = _context(request, datasette, log, links, asked, seen)
    items = [_item(step, links) for step in seen.steps]
    if request.args.get("html"):
        for item, step in zip(items, seen.steps, strict=True):
            again = {**context, "once": new_once, "links": links, "step": step}
            item["html"] = page_rendering.render("review_step.html", {**again, "now": shell.now()})
    counts = {name: getattr(seen.counts, name) for name in ("total", "judged", "keep", "reject")}
    return shell.as_json(
        {
            "ok": True,
            "run": seen.run["id"],
            "experiment": seen.run["experiment"],
            "counts": counts,
            "items": items,
            "elsewhere": dict(seen.elsewhere),
            "tags": [list(pair) for pair in seen.tags],
            "who": context["who"],
            "may_write": context["may_write"],
            "csrftoken": context["token"],
        }
    )


async def review_csv(request: Request, datasette: Datasette) -> Response:
    """Every image of the queue with the mark that holds of it, for a spreadsheet."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    asked, who, path = _asked(request), people.who(request, datasette, log), _path(datasette, log)

    def read(connection: sqlite3.Connection) -> list[page_data.Row] | str:
        index = _index(connection, path, asked)
        if isinstance(index, str):
            return index
        with index.lock:
            index.refresh(connection)
            try:
                return listed_rows(connection, index, asked.wanted, who)
            except InputError as error:
                return _sentence(error)

    rows = await shell.read(datasette, log, read)
    if isinstance(rows, str):
        return shell.message(links, "There is no such queue", rows)
    return as_csv("review", COLUMNS, rows)


async def release(request: Request, datasette: Datasette) -> Response:
    """Give back what this person holds: the page was closed."""
    form = await accept(request, datasette)
    if not isinstance(form, Accepted):
        return form
    by = people.who(request, datasette, form.log)
    paid = await shell.read(datasette, form.log, lambda connection: _paid(connection, form.given.get("image", ())))
    _leases(datasette, form.log).release(by, paid)
    return shell.as_json({"ok": True, "released": len(paid)})


# --- what a request asks ------------------------------------------------------------------------------------------


def _asked(request: Request) -> _Asked:
    args = request.args
    where = []
    for key in sorted(args):
        prefix = _AXIS if key.startswith(_AXIS) else _FIELD if key.startswith(_FIELD) else ""
        texts = tuple(text for text in args.getlist(key) if text) if prefix else ()
        if texts:
            where.append((key[len(prefix) :], texts))
    start: list[tuple[Where, str]] = [(name, args[name]) for name in get_args(Where) if args.get(name)]
    return _Asked(
        run=args.get("run") or args.get("experiment") or "last",
        wanted=Wanted(
            where=tuple(where),
            show=_choice(args.get("mark"), cast("Sequence[Show]", get_args(Show))),
            tag=args.get("tag") or "",
            view=_choice(args.get("view"), cast("Sequence[View]", get_args(View))),
            by=args.get("by") or "",
        ),
        start=start[0] if start else None,
        count=0 if args.get("count") == "0" else shell.number(args.get("count"), 1, _AHEAD),
        hold=[id_ for id_ in (args.get("hold") or "").split(",") if id_][:_HELD],
    )


def _choice(given: str | None, choices: Sequence[Any]) -> Any:
    """One of the choices; the first for anything else."""
    return given if given in choices else choices[0]


def _query(asked: _Asked, **more: str | None) -> list[tuple[str, str]]:
    """The query string of a queue, the same again with some of it changed (None: left out)."""
    wanted = asked.wanted
    one = {"run": asked.run, "mark": wanted.show, "tag": wanted.tag, "view": wanted.view, "by": wanted.by, **more}
    standard = {"mark": "unjudged", "view": "one"}
    pairs = [(name, value) for name, value in one.items() if value and standard.get(name) != value]
    return pairs + [(_filter_name(name), text) for name, texts in wanted.where for text in texts]


def _filter_name(name: str) -> str:
    return (_FIELD if "." in name else _AXIS) + name


def _address(links: Links, asked: _Asked, **more: str | None) -> str:
    return links.review() + _joined(links, urlencode(_query(asked, **more)))


def _joined(links: Links, query: str) -> str:
    return f"{'&' if '?' in links.review() else '?'}{query}" if query else ""


# --- what is found ------------------------------------------------------------------------------------------------


async def _look(request: Request, datasette: Datasette, log: OpenLog, asked: _Asked) -> _Seen | str:
    """What the request asks for, leased to whoever asked; or what is wrong with it, in a sentence."""
    who = people.who(request, datasette, log)
    leases = _leases(datasette, log)
    holds = bool(who) and guard.may_write(datasette, log) and guard.is_ours(request)
    path = _path(datasette, log)

    def read(connection: sqlite3.Connection) -> _Seen | str:
        index = _index(connection, path, asked)
        if isinstance(index, str):
            return index
        with index.lock:
            index.refresh(connection)
            try:
                counts = index.counts(asked.wanted)
            except InputError as error:
                return _sentence(error)
            groups = _groups(index, asked, who, leases)
            steps = group_rows(connection, index, asked.wanted, groups)
            if holds:
                _hold(index, leases, who, asked, steps)
            return _Seen(
                run=index.run,
                steps=steps,
                counts=counts,
                tags=index.top_tags(_TAGS),
                elsewhere={name: number for name, number in leases.holders().items() if name != who},
                axes=index.axes,
                fields=index.fields(_LISTED),
                by=index.by_axis(asked.wanted),
            )

    return await shell.read(datasette, log, read)


def _index(connection: sqlite3.Connection, path: str, asked: _Asked) -> RunIndex | str:
    run = page_data.find_run(connection, asked.run)
    if run is None:
        return f"There is no run {asked.run!r} in this log; the runs page lists every run there is."
    return index_of(path, run)


def _sentence(error: InputError) -> str:
    """What is wrong with the filter, for a page: without the codes that the command line adds."""
    text = "; ".join(problem.message for problem in error.problems)
    return f"{text[:1].upper()}{text[1:]}."


def _groups(index: RunIndex, asked: _Asked, who: str, leases: Leases) -> Sequence[Group]:
    """The groups that are asked for; what others hold is passed over, except where it is named."""
    name, image_id = asked.start or (None, "")
    place = index.place_of(image_id)
    if asked.count == 0:
        return ()
    if name == "at" and place is not None:
        return (index.group_of(asked.wanted, place),)
    if name == "before" and place is not None:
        found = index.previous(asked.wanted, who, place)
        return () if found is None else (found,)
    held = leases.of_others(who) if asked.wanted.show == "unjudged" else {}
    return index.upcoming(asked.wanted, who, after=place, count=asked.count, skip=held)


def _hold(index: RunIndex, leases: Leases, who: str, asked: _Asked, steps: Sequence[Step]) -> None:
    """Hold what is shown now, and go on holding what the page still has; what is judged needs no lease."""
    again = [index.entries[place].paid_id for id_ in asked.hold if (place := index.place_of(id_)) is not None]
    new = [row["paid_id"] for step in steps for row in step.images if not row["marks"]]
    leases.take(who, [*again, *new])


def _paid(connection: sqlite3.Connection, image_ids: Sequence[str]) -> list[str]:
    sql = """
        SELECT coalesce((SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position),
          i.id) AS id
        FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id IN ({})
    """
    return [str(row["id"]) for row in page_data.where_in(connection, sql, list(image_ids)[:_HELD])]


def _path(datasette: Datasette, log: OpenLog) -> str:
    return str(datasette.get_database(log.database).path)


def _leases(datasette: Datasette, log: OpenLog) -> Leases:
    return leases_of(_path(datasette, log))


# --- what is shown ------------------------------------------------------------------------------------------------


def _context(
    request: Request, datasette: Datasette, log: OpenLog, links: Links, asked: _Asked, seen: _Seen
) -> dict[str, Any]:
    """What both the page and its steps need."""
    may_write = guard.may_write(datasette, log)
    return {
        "who": people.who(request, datasette, log),
        "may_write": may_write,
        "token": guard.token(request) if may_write else "",
        "once": new_once,
        "view": asked.wanted.view,
        "tags": seen.tags,
        "by": seen.by,
        "simulated": bool(seen.run["simulated"]),
        "mark_address": links.address("/mark"),
        "undo_address": links.address("/mark/undo"),
        "go": lambda name, image_id: _address(links, asked, **{name: image_id}),
        "shown": asked.wanted.show,
    }


def _item(step: Step, links: Links) -> dict[str, Any]:
    return {
        "key": step.key,
        "images": [_image(row, links) for row in step.images],
        "cell": [row["id"] for row in step.cell],
    }


def _image(row: page_data.Row, links: Links) -> dict[str, Any]:
    mark = row["marks"][0] if row["marks"] else {}
    names = ("id", "sha256", "width", "height", "axes", "seed", "draw", "position", "prompt", "negative_prompt",
             "revised_prompt", "history")  # fmt: skip
    return {
        **{name: row[name] for name in names},
        "file": links.file(row["sha256"]),
        "page": links.image(row["id"]),
        "mark": mark.get("mark"),
        "tags": mark.get("tags", []),
        "note": mark.get("note"),
        "marks": [{name: each[name] for name in ("by", "mark", "tags", "note", "at")} for each in row["marks"]],
    }


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/review\Z", review_page),
    (r"^/-/promptlab/review\.json\Z", review_json),
    (r"^/-/promptlab/review\.csv\Z", review_csv),
    (r"^/-/promptlab/review/release\Z", release),
]
