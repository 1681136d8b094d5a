"""The gallery: a wall of pictures of a run, an experiment or everything, chosen by facets and by words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from promptlab.browse import guard, page_data, shell
from promptlab.browse.as_csv import as_csv
from promptlab.browse.experiment_facts import ExperimentFacts, facts_of
from promptlab.browse.gallery_data import (
    GalleryFilter,
    GalleryPage,
    MarkFilter,
    Scope,
    gallery_page,
    matching,
    scope_of,
)
from promptlab.browse.gallery_facets import Facet, GalleryFacets, facets_of

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links

__all__ = ["ROUTES"]

_AXIS = "axis."
_SIZES = 6  # from the smallest pictures to the largest
_SIZE = 3
_ON_PAGE = {1: 240, 2: 200, 3: 120, 4: 90, 5: 60, 6: 40}
_IN_FILE, _MOST_IN_FILE = 1_000, 10_000
_COLUMNS = (
    "image_id", "sha256", "experiment", "run_id", "generation_id", "variant_id", "axes", "seed", "draw", "position",
    "mark", "marked_by", "tags", "template", "provider", "model", "prompt", "revised_prompt", "cost_usd", "simulated",
    "width", "height",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    wanted: GalleryFilter
    run: page_data.Row | None
    page: GalleryPage
    facets: GalleryFacets | None
    facts: ExperimentFacts


async def gallery(request: Request, datasette: Datasette) -> Response:
    """The wall of pictures."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    size = shell.number(request.args.get("size"), _SIZE, _SIZES)
    found = await shell.read(datasette, log, lambda log: _read(log, request.args, _ON_PAGE[size], facets=True))
    if found is None:
        return _no_run(links, request)
    assert found.facets is not None
    kept = _query(found.wanted)
    shown = kept | ({"size": size} if size != _SIZE else {})
    return shell.page(
        "gallery.html",
        links,
        found=found,
        wanted=found.wanted,
        shown=found.page,
        simulated=bool(found.page.images) and all(image["simulated"] for image in found.page.images),
        called=lambda image: " · ".join(
            found.facts.names.get(axis, {}).get(value, value) for axis, value in image["axes"].items()
        ),
        facets=found.facets,
        chosen=list(_chosen(found.facets, links, shown)),
        choose=_chooser(links, shown),
        query=shown,
        size=size,
        sizes=range(1, _SIZES + 1),
        resized=lambda number: links.gallery(**kept, size=number if number != _SIZE else None),
        files=lambda kind: links.address(f"/gallery.{kind}", **kept),
        may_write=guard.may_write(datasette, log),
        token=guard.token(request),
        here_path=f"{request.path}?{request.query_string}" if request.query_string else request.path,
        live=found.run is not None and found.run["status"] == "running",
    )


async def gallery_json(request: Request, datasette: Datasette) -> Response:
    """The same pictures as JSON, up to `limit` of them; `next` is the address of those after them."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    limit = shell.number(request.args.get("limit"), _IN_FILE, _MOST_IN_FILE)
    found = await shell.read(datasette, log, lambda log: _read(log, request.args, limit, facets=False))
    if found is None:
        return shell.as_json({"error": f"there is no run {request.args.get('run')!r} in this log"}, status=404)
    after = found.page.after
    more = links.address("/gallery.json", **_query(found.wanted), limit=limit, after=after) if after else None
    return shell.as_json({"images": list(_rows(found.page)), "next": more})


async def gallery_csv(request: Request, datasette: Datasette) -> Response:
    """The same pictures as CSV, up to `limit` of them."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    limit = shell.number(request.args.get("limit"), _IN_FILE, _MOST_IN_FILE)
    found = await shell.read(datasette, log, lambda log: _read(log, request.args, limit, facets=False))
    return _no_run(links, request) if found is None else as_csv("gallery", _COLUMNS, map(_as_text, _rows(found.page)))


def _no_run(links: Links, request: Request) -> Response:
    name = request.args.get("run")
    return shell.message(links, f"There is no run {name!r} in this log", "The runs page lists every run there is.")


def _read(connection: sqlite3.Connection, args: Mapping[str, str], size: int, *, facets: bool) -> _Found | None:
    """The page that an address asks for; None where it names a run that is not there."""
    named = args.get("run")
    run = page_data.find_run(connection, named) if named else None
    if named and run is None:
        return None
    mark = args.get("mark")
    wanted = GalleryFilter(
        run=run["id"] if run else None,
        experiment=run["experiment"] if run else args.get("experiment") or None,
        axes={key[len(_AXIS) :]: args[key] for key in args if key.startswith(_AXIS) and args[key]},
        mark=cast("MarkFilter", mark) if mark in ("keep", "reject", "unmarked") else None,
        template=args.get("template") or None,
        provider=args.get("provider") or None,
        query=(args.get("q") or "").strip() or None,
    )
    scope = scope_of(connection, wanted)
    page = gallery_page(
        connection, wanted, scope, size=size, after=args.get("after") or None, before=args.get("before") or None
    )
    _name_templates(connection, page)
    found = _facets(connection, wanted, scope) if facets else (None, ExperimentFacts())
    return _Found(wanted, run, page, *found)


def _facets(
    connection: sqlite3.Connection, wanted: GalleryFilter, scope: Scope
) -> tuple[GalleryFacets, ExperimentFacts]:
    """What one may choose, with what the experiment says of it."""
    everything = scope_of(connection, replace(wanted, run=None, experiment=None, provider=None))
    hits = None
    if wanted.query:
        hits, _ = matching(connection, GalleryFilter(query=wanted.query), scope)
    found = facets_of(connection, wanted, scope, everything, hits)
    runs = [wanted.run] if wanted.run else [run["id"] for run in scope.runs[:1]] if wanted.experiment else []
    facts = facts_of(connection, runs[0]) if runs else ExperimentFacts()
    return replace(found, facets=[_as_in_file(facet, facts) for facet in found.facets]), facts


def _as_in_file(facet: Facet, facts: ExperimentFacts) -> Facet:
    """An axis' values in the order of the experiment's file, with their names."""
    if not facet.key.startswith(_AXIS):
        return facet
    axis = facet.key.removeprefix(_AXIS)
    place = {value: number for number, value in enumerate(facts.order.get(axis, ()))}
    names = facts.names.get(axis, {})
    values = sorted(facet.values, key=lambda value: place.get(value[0], len(place)))
    named = [(value, f"{label} {names[value]}" if value in names else label, count) for value, label, count in values]
    return replace(facet, values=named)


def _name_templates(connection: sqlite3.Connection, page: GalleryPage) -> None:
    ids = {image["template_id"] for image in page.images}
    rows = page_data.where_in(connection, "SELECT id, path FROM templates WHERE id IN ({})", ids)
    paths = {row["id"]: row["path"] for row in rows}
    for image in page.images:
        image["template"] = paths.get(image["template_id"])


def _rows(page: GalleryPage) -> Iterator[dict[str, Any]]:
    for image in page.images:
        yield {column: image["id" if column == "image_id" else column] for column in _COLUMNS}


def _as_text(row: dict[str, Any]) -> dict[str, Any]:
    return row | {key: json.dumps(row[key], ensure_ascii=False) for key in ("axes", "tags")}


# --- addresses ----------------------------------------------------------------------------------------------------


def _query(wanted: GalleryFilter) -> dict[str, Any]:
    """The filter as an address has it."""
    named = {
        "run": wanted.run,
        "experiment": None if wanted.run else wanted.experiment,
        "mark": wanted.mark,
        "template": wanted.template,
        "provider": wanted.provider,
        "q": wanted.query,
    }
    kept = {key: value for key, value in named.items() if value}
    return kept | {_AXIS + axis: value for axis, value in wanted.axes.items()}


def _chooser(links: Links, query: Mapping[str, Any]) -> Callable[[Facet, str], str]:
    """The address with one more choice, or without it where it is made already."""

    def choose(facet: Facet, value: str) -> str:
        rest = {key: kept for key, kept in query.items() if key != facet.key}
        if facet.key in ("run", "experiment"):  # the axes of one are not another's
            rest = {key: kept for key, kept in rest.items() if not key.startswith(_AXIS)}
        if facet.key == "experiment":
            rest.pop("run", None)
        return links.gallery(**rest) if facet.chosen == value else links.gallery(**rest, **{facet.key: value})

    return choose


def _chosen(facets: GalleryFacets, links: Links, query: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each choice that is made: its name, its value in words, and the address without it."""
    choose = _chooser(links, query)
    for facet in facets.facets:
        if facet.chosen:
            words = {value: name for value, name, _ in facet.values}
            yield facet.name, words.get(facet.chosen, facet.chosen), choose(facet, facet.chosen)
    if query.get("q"):
        rest = {key: value for key, value in query.items() if key != "q"}
        yield "Words", query["q"], links.gallery(**rest)


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/gallery\Z", gallery),
    (r"^/-/promptlab/gallery\.json\Z", gallery_json),
    (r"^/-/promptlab/gallery\.csv\Z", gallery_csv),
]
