"""The Ranking page: the verdict first, then its picture, its figures, whether to trust it, what it would take.

`/-/promptlab/ranking?run=&by=&metric=` says the same words and numbers as `promptlab compare`; `.json`, `.csv` and
`.svg` beside it are the same verdict. How an open blind vote stands is shown to whoever asked for it (`tally_page`),
and to nobody else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import bidirectional

from promptlab.browse import guard, page_data, people, shell
from promptlab.compare.grid import axes_of
from promptlab.compare.pair_votes import PairVote, pair_votes
from promptlab.compare.scenes import compared_axis, some_variants
from promptlab.compare.verdict import Verdict, metrics_of, verdict_as_json, verdict_of
from promptlab.compare.verdict_picture import picture
from promptlab.compare.verdict_tables import rank_text, verdict_as_csv
from promptlab.compare.verdict_words import figure, likely, number
from promptlab.errors import InputError
from promptlab.log import Log

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import OpenLog

__all__ = ["ROUTES"]

_WHOLE = "variant"
_AXIS = "axis."  # ?axis.look=warm holds an axis to one value
_PICTURED = 24  # values that get a picture
_LISTED = 60  # values in the table; the files have all
_MATRIX = 16
_VOTES = 200  # single votes on a page
# The picture is an image of its own: nothing but its style may act in it.
_SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SAMPLE = """
SELECT i.id, i.sha256, g.prompt FROM generations g JOIN images i ON i.generation_id = g.id
WHERE g.experiment = ? AND g.variant_id = ? AND +g.run_id = ? AND i.status = 'stored' LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A verdict and what the page shows around it; `hidden_poll` is the open blind vote that nobody asked about."""

    run: page_data.Row
    by: str | None
    metric: str
    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    verdict: Verdict | None = None
    hidden_poll: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, page_data.Row] = field(default_factory=dict)


class NotThere(Exception):
    """Why there is no ranking: a title and a sentence."""


async def ranking_page(request: Request, datasette: Datasette) -> Response:
    """The verdict as a page."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    try:
        found = await _find(request, datasette, log, around=True)
    except NotThere as reason:
        return shell.message(links, *reason.args)
    query = _query(found)
    return shell.page(
        "ranking.html", links, found=found, verdict=found.verdict, query=query, listed=_LISTED,
        by=found.by or _WHOLE, whole=_WHOLE, csrf=guard.token(request), may_ask=guard.may_write(datasette, log),
        back=links.ranking(**query), matrix=_matrix(found.verdict), about_run=found.run["id"],
        file=lambda kind, **more: links.address(f"/ranking.{kind}", **query, **more), rank=rank_text, figure=figure,
        number=number,
        likely=likely, parts_of=parts_of, isolated=isolated, live=found.run["status"] == "running",
    )  # fmt: skip


async def ranking_json(request: Request, datasette: Datasette) -> Response:
    """The verdict as JSON."""
    return await _file(request, datasette, "json")


async def ranking_csv(request: Request, datasette: Datasette) -> Response:
    """The standings as CSV."""
    return await _file(request, datasette, "csv")


async def ranking_svg(request: Request, datasette: Datasette) -> Response:
    """The picture."""
    return await _file(request, datasette, "svg")


async def _file(request: Request, datasette: Datasette, kind: str) -> Response:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    log, _ = await shell.open_log(request, datasette)
    if log is None:
        return shell.nothing_here(datasette)
    try:
        found = await _find(request, datasette, log, around=False)
    except NotThere as reason:
        return shell.as_json({"ok": False, "error": " ".join(map(str, reason.args))}, status=404)
    if found.verdict is None:
        return shell.as_json({"ok": False, "error": "the tally is hidden until you ask for it"}, status=403)
    if kind == "json":
        return shell.as_json(verdict_as_json(found.verdict))
    headers = dict(shell.HEADERS)
    if kind == "csv":
        headers["content-disposition"] = 'attachment; filename="ranking.csv"'
        return Response(verdict_as_csv(found.verdict), headers=headers, content_type="text/csv; charset=utf-8")
    headers["content-security-policy"] = _SVG_POLICY
    drawn = picture(found.verdict, narrow=bool(request.args.get("narrow")))
    return Response(drawn, headers=headers, content_type="image/svg+xml; charset=utf-8")


async def ranking_votes(request: Request, datasette: Datasette) -> Response:
    """The single votes between two values: where a cell of the win matrix leads."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    value, other = request.args.get("value") or "", request.args.get("other") or ""
    try:
        found = await _find(request, datasette, log, around=False)
    except NotThere as reason:
        return shell.message(links, *reason.args)
    if found.verdict is None:
        return shell.redirect(links.ranking(**_query(found)))
    page = shell.number(request.args.get("page"), 1, 10**6)

    def read(connection: sqlite3.Connection) -> tuple[list[PairVote], dict[str, page_data.Row]]:
        votes = pair_votes(Log(Path(), connection), found.run["id"], found.by, value, other)
        shown = votes[(page - 1) * _VOTES : page * _VOTES]
        ids = {id_ for vote in shown for id_ in (vote.first, vote.second)}
        images = page_data.where_in(connection, "SELECT id, sha256 FROM images WHERE id IN ({})", ids)
        return votes, {row["id"]: row for row in images}

    votes, images = await shell.read(datasette, log, read)
    labels = {each.value: each.label for each in found.verdict.standings}
    return shell.page(
        "rankingvotes.html", links, votes=votes[(page - 1) * _VOTES : page * _VOTES], images=images, page=page,
        pages=max(1, -(-len(votes) // _VOTES)), total=len(votes), run=found.run, by=found.by or _WHOLE, value=value,
        other=other, label=lambda name: labels.get(name, name), query=_query(found), about_run=found.run["id"],
    )  # fmt: skip


# --- what is asked, and what is found -----------------------------------------------------------------------------


async def _find(request: Request, datasette: Datasette, log: OpenLog, *, around: bool) -> Shown:
    who = people.who(request, datasette, log)
    return await shell.read(datasette, log, lambda connection: _read(connection, request.args, who, around=around))


def _read(connection: sqlite3.Connection, args: Mapping[str, str], who: str, *, around: bool) -> Shown:
    name = args.get("run") or args.get("experiment") or "last"
    run = page_data.find_run(connection, name, whole=True)
    if run is None:
        raise NotThere(f"There is no run {name!r} in this log", "The runs page lists every run there is.")
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'polls'").fetchone() is None:
        text = "It was written by an older promptlab; `promptlab browse` brings it up to date."
        raise NotThere("This log has no room for votes yet", text)
    log = Log(Path(), connection)
    try:
        return _verdict(log, run, args, who, around=around)
    except InputError as error:
        raise NotThere("There is nothing to rank so", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def _verdict(log: Log, run: page_data.Row, args: Mapping[str, str], who: str, *, around: bool) -> Shown:
    asked = args.get("by") or None
    by = compared_axis(log, run["id"]) if asked is None else None if asked == _WHOLE else asked
    only = {key[len(_AXIS) :]: args[key] for key in args if key.startswith(_AXIS) and args[key]}
    metric = args.get("metric") or None
    axes = axes_of(some_variants(log, run["id"]).values()) if around else {}
    hidden = _hidden(log, run["id"], by, who) if metric in (None, "votes") else None
    if hidden is not None:
        return Shown(run, by, "votes", axes, [], None, hidden, only)
    where = [{axis: frozenset([value])} for axis, value in only.items()]
    verdict = verdict_of(log, run["id"], by, metric=metric, where=where)
    metrics = metrics_of(log, run["id"]) if around else []
    samples = _samples(log, verdict) if around else {}
    return Shown(run, by, verdict.metric, axes, metrics, verdict, None, only, samples)


def _hidden(log: Log, run_id: str, by: str | None, who: str) -> str | None:
    """The open blind vote on this run and axis whose tally this person did not ask for since they last voted."""
    for poll in log.polls(run_id):
        is_open = poll.blind and poll.closed_at is None and poll.axis == by
        if is_open and log.count_ballots(poll.id) and not log.has_seen_tally(poll.id, by=who):
            return poll.id
    return None


def _samples(log: Log, verdict: Verdict) -> dict[str, page_data.Row]:
    """A picture of each value."""
    first: dict[str, str] = {}
    for id_, axes in some_variants(log, verdict.run_id).items():
        first.setdefault(id_ if verdict.by is None else axes.get(verdict.by, ""), id_)
    found = {}
    for standing in verdict.standings[:_PICTURED]:
        row = log.execute(_SAMPLE, (verdict.experiment, first.get(standing.value), verdict.run_id)).fetchone()
        if row is not None and row[1]:
            found[standing.value] = dict(zip(("id", "sha256", "prompt"), row, strict=True))
    return found


def _query(found: Shown) -> dict[str, Any]:
    only = {_AXIS + axis: value for axis, value in found.only.items()}
    return {"run": found.run["id"], "by": found.by or _WHOLE, "metric": found.metric, **only}


def _matrix(verdict: Verdict | None) -> list[str]:
    """The values of the win matrix, best first; none where nobody voted, or where it would not fit."""
    if verdict is None:
        return []
    names = [each.value for each in verdict.standings if each.shown]
    return names if 2 <= len(names) <= _MATRIX else []


def isolated(text: str, verdict: Verdict) -> str:
    """An English sentence whose right-to-left names don't turn what stands beside them (Unicode's isolates)."""
    for label in {each.label for each in verdict.standings}:
        if any(bidirectional(letter) in ("R", "AL") for letter in label):
            text = text.replace(label, f"\u2068{label}\u2069")
    return text


def parts_of(text: str) -> list[tuple[bool, str]]:
    """A sentence cut at its backticks: (is it a command, text)."""
    return [(bool(at % 2), part) for at, part in enumerate(text.split("`")) if part]


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/ranking\Z", ranking_page),
    (r"^/-/promptlab/ranking\.json\Z", ranking_json),
    (r"^/-/promptlab/ranking\.csv\Z", ranking_csv),
    (r"^/-/promptlab/ranking\.svg\Z", ranking_svg),
    (r"^/-/promptlab/ranking/votes\Z", ranking_votes),
]
