"""The grid: one run, its variants side by side, along any two of its axes, with a slider along a third one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlab.browse import guard, page_data, people, shell
from promptlab.browse.as_csv import as_csv
from promptlab.browse.experiment_facts import ExperimentFacts, facts_of
from promptlab.browse.grid_picks import picks_of
from promptlab.browse.side_by_side import SideBySide, Wanted, side_by_side
from promptlab.compare import Line
from promptlab.compare.layout import ALL, SEED
from promptlab.spec.matcher import matches

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links

__all__ = ["ROUTES"]

_LINES = 60  # grid lines on one page; ?lines= asks for up to _MOST_LINES
_MOST_LINES = 200
_AXIS = "axis."  # ?axis.look=warm keeps only that value
_LISTED = 100  # values of an axis in a list to choose from
_SLID = 1_000  # values that a slider goes through
_MODERATED = ("content_policy", "moderation", "safety")  # parts of the error codes that say so
_COLUMNS = (
    "line", "column", "axes", "seed", "draw", "status", "error_code", "error_message", "generation_id", "variant_id",
    "image_id", "position", "sha256", "mark", "prompt", "negative_prompt", "revised_prompt", "cost_usd", "cost_source",
    "credits", "latency_ms", "provider", "model",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    page: SideBySide
    facts: ExperimentFacts
    picks: Mapping[str, str]


async def compare_page(request: Request, datasette: Datasette) -> Response:
    """One run, its variants side by side."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    may_write = guard.may_write(datasette, log)
    who = people.who(request, datasette, log) if may_write else None
    found = await shell.read(datasette, log, lambda connection: _read(connection, request.args, who))
    if found is None or found.page.run["kind"] == "verify":
        return _no_grid(links, request, found)
    page, layout = found.page, found.page.layout
    prompts = bool(request.args.get("prompts"))
    lines = shell.number(request.args.get("lines"), _LINES, _MOST_LINES)
    asked = {"prompts": 1 if prompts else None, "lines": lines if lines != _LINES else None}
    across = shell.number(request.args.get("across"), 1, 10**6)
    address = _addresser(links.compare, page, asked, across)
    return shell.page(
        "compare.html",
        links,
        found=page,
        grid=page.grid,
        layout=layout,
        facts=found.facts,
        picks=found.picks,
        dimensions=_dimensions(page),
        filters=list(_filters(page)),
        across=across,
        prompts=prompts,
        asked=asked,
        address=address,
        files=lambda kind: _addresser(
            lambda **query: links.address(f"/compare.{kind}", **query), page, asked, across
        )(),
        slider=_slider(page),
        why=why,
        absent=lambda line, column: _absent(found.facts, page, line, column),
        pickable=lambda line: may_write and _is_pickable(page, line),
        everything=lambda line, column: _gallery(links, page, line, column),
        may_write=may_write,
        token=guard.token(request),
        here_path=f"{request.path}?{request.query_string}",
        live=page.run["status"] == "running",
    )


async def compare_json(request: Request, datasette: Datasette) -> Response:
    """The same page as JSON: what stands in which cell."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    found = await shell.read(datasette, log, lambda connection: _read(connection, request.args, None))
    if found is None:
        return shell.as_json({"error": f"there is no run {request.args.get('run')!r} in this log"}, status=404)
    page = found.page
    return shell.as_json({
        "run": page.run["id"], "experiment": page.run["experiment"], "rows": page.layout.rows,
        "columns": page.layout.columns, "scrub": page.layout.scrub, "held": page.held, "only": dict(page.only),
        "axes": {axis: list(values) for axis, values in page.axes.items()}, "seeds": list(page.seeds),
        "page": page.page, "pages": page.pages, "cells": list(_rows(page)),
    })  # fmt: skip


async def compare_csv(request: Request, datasette: Datasette) -> Response:
    """The same page as CSV: a line per image, and per generation without one."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    found = await shell.read(datasette, log, lambda connection: _read(connection, request.args, None))
    if found is None:
        return _no_grid(links, request, found)
    return as_csv("compare", _COLUMNS, ({**row, "axes": json.dumps(row["axes"])} for row in _rows(found.page)))


async def about_image(request: Request, datasette: Datasette) -> Response:
    """What a grid tells of a picture when it is looked at: prompts, cost, values; a part of a page."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    key = request.url_vars["key"]
    found = await shell.read(datasette, log, lambda connection: page_data.image_words(connection, key))
    if found is None:
        return shell.message(links, "There is no such image", "It may be in another log.")
    return shell.page("about.html", links, image=found)


def _no_grid(links: Links, request: Request, found: _Found | None) -> Response:
    if found is None:
        name = request.args.get("run") or request.args.get("experiment") or "last"
        return shell.message(links, f"There is no run {name!r} in this log", "The runs page lists every run there is.")
    reason = "It only checks that images come out the same, so it stays out of comparisons."
    return shell.message(links, "This is a verify run", reason, status=200)


def _read(connection: sqlite3.Connection, args: Mapping[str, str], who: str | None) -> _Found | None:
    run = page_data.find_run(connection, args.get("run") or args.get("experiment") or "last")
    if run is None:
        return None
    facts = facts_of(connection, run["id"])
    wanted = Wanted(
        by=args.get("columns") or args.get("by") or None,
        rows=args.get("rows") or None,
        scrub=args.get("scrub") or None,
        only={key[len(_AXIS) :]: args[key] for key in args if key.startswith(_AXIS) and args[key]},
        page=shell.number(args.get("page"), 1, 10**6),
        across=shell.number(args.get("across"), 1, 10**6),
        size=shell.number(args.get("lines"), _LINES, _MOST_LINES),
        prompts=bool(args.get("prompts")),
        facts=facts,
    )
    page = side_by_side(connection, run, wanted)
    return _Found(page, facts, picks_of(connection, run["id"], page.layout.axis, who) if who else {})


# --- what stands around the cells ---------------------------------------------------------------------------------


def _addresser(link: Callable[..., str], page: SideBySide, asked: Mapping[str, Any], across: int) -> Callable[..., str]:
    """`address(page=2)`: this page, but for that; a new layout or filter begins at its first page."""
    layout = page.layout
    base = {"run": page.run["id"], "rows": layout.rows, "columns": layout.columns, "scrub": layout.scrub, **asked}
    if layout.scrub is None and layout.rows != ALL:
        base["scrub"] = "none"
    held = {_AXIS + axis: value for axis, value in page.only.items()}

    def address(**changes: Any) -> str:
        stays = {"page": page.page, "across": across} if {"page", "across", "prompts"} & changes.keys() else {}
        query = {**base, **held, **stays, **changes}
        return link(**{key: value for key, value in query.items() if (key, value) not in (("page", 1), ("across", 1))})

    return address


def _dimensions(page: SideBySide) -> dict[str, int]:
    """What may be rows or columns: every axis, and the seeds, with how many there are."""
    seeds = {SEED: len(page.seeds)} if page.seeds else {}
    return {axis: len(values) for axis, values in page.axes.items()} | seeds


def _filters(page: SideBySide) -> Iterator[tuple[str, Sequence[str], int]]:
    """What is neither rows nor columns nor slid along: its values, and how many of them are not listed."""
    values = {**page.axes, **({SEED: [str(seed) for seed in page.seeds]} if page.seeds else {})}
    taken = (page.layout.rows, page.layout.columns, page.layout.scrub)
    for axis, those in values.items():
        if axis not in taken and (len(those) > 1 or axis in page.only):
            yield axis, those[:_LISTED], max(0, len(those) - _LISTED)


def _slider(page: SideBySide) -> dict[str, Any] | None:
    """What is slid along: its values, where it stands, and how its field is called."""
    scrub = page.layout.scrub
    if scrub is None:
        return None
    values = [str(seed) for seed in page.seeds] if scrub == SEED else list(page.axes[scrub])
    at = values.index(page.held) if page.held in values else 0
    return {"axis": scrub, "field": _AXIS + scrub, "values": values[:_SLID], "at": at, "count": len(values)}


def why(row: Mapping[str, Any]) -> str:
    """Why a generation has no picture, in a word or two."""
    code = str(row["error_code"] or "")
    if row["status"] == "failed" and any(part in code for part in _MODERATED):
        return "moderated"
    words = {
        "unknown": "outcome unknown",
        "in_flight": "on its way",
        "planned": "not sent yet",
        "completed": "no picture",
    }
    return words.get(row["status"], str(row["status"]).replace("_", " "))


def _absent(facts: ExperimentFacts, page: SideBySide, line: Line, column: Any) -> tuple[str, str]:
    """Why a cell has no generation: what it says, and more of it."""
    axes = {axis: value for axis, value in page.only.items() if axis != SEED} | dict(line.axes)
    if page.layout.axis is not None and column.value is not None:
        axes[page.layout.axis] = column.value
    if any(matches(matcher, axes) for matcher in facts.skip):
        return "skipped", "The experiment leaves this combination out."
    return "not in this run", "This run did not ask for this combination."


def _is_pickable(page: SideBySide, line: Line) -> bool:
    """Whether the best of a row means something: its pictures differ in the column alone."""
    if page.layout.columns in (SEED, ALL) or not (page.scenes or line.matched):
        return False
    filled = [cell for cell in line.cells if any(image["sha256"] for row in cell for image in row["images"])]
    return len(filled) > 1 and all(len(cell) == 1 for cell in filled)


def _gallery(links: Links, page: SideBySide, line: Line, column: Any) -> str:
    """All pictures of a cell."""
    axes = {axis: value for axis, value in page.only.items() if axis != SEED} | dict(line.axes)
    if page.layout.axis is not None and column.value is not None:
        axes[page.layout.axis] = column.value
    return links.gallery(run=page.run["id"], **{_AXIS + axis: value for axis, value in axes.items()})


def _rows(page: SideBySide) -> Iterator[dict[str, Any]]:
    """What stands in which cell: a row per image, and per generation without one."""
    for number, line in enumerate(page.grid.lines, page.first_line):
        for column, cell in zip(page.grid.columns, line.cells, strict=True):
            for row in cell:
                whole = {"line": number, "column": column.label, **row}
                for image in row["images"] or [{}]:
                    told = {**whole, **image, "image_id": image.get("id"), "status": image.get("status", row["status"])}
                    yield {name: told.get(name) for name in _COLUMNS}


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/compare\Z", compare_page),
    (r"^/-/promptlab/compare\.json\Z", compare_json),
    (r"^/-/promptlab/compare\.csv\Z", compare_csv),
    (r"^/-/promptlab/compare/about/(?P<key>[0-9A-Za-z_-]{1,64})\Z", about_image),
]
