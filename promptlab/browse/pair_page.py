"""Two variants, values, templates or revisions against each other: `/-/promptlab/pair?run=…&a=…&b=…`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from promptlab.browse import guard, page_data, pair_data, pair_sides, shell
from promptlab.browse.as_csv import as_csv
from promptlab.browse.page_data import Row
from promptlab.browse.pair_data import Pairs, Shown, Tally
from promptlab.browse.pair_sides import Ask, Sides
from promptlab.compare import LineChange, line_diff

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links, OpenLog
    from promptlab.prompts import Library

__all__ = ["ROUTES", "VIEWS"]

T = TypeVar("T")

#: How two pictures are laid over each other; the key is their number.
VIEWS = {"side": "Side by side", "slider": "Slider", "overlay": "Overlay", "difference": "Difference"}
_WINDOW = 24  # pairs below the picture
_JSON, _CSV = 100, 10_000  # pairs of one answer
_KEPT = 16  # matchings and verdicts kept in memory
_FRESH = 10  # seconds after which an edited template is read again
_LONG = 20_000  # generations of a run whose verdict takes longer than a page may
_COLUMNS = (
    "model", "provider", "operation", "aspect_ratio", "output_format", "n", "strength", "source_image",
)  # fmt: skip
_RESULTS = ("cost_usd", "credits", "latency_ms")


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows: the two sides, their pairs, the ones in the strip, and the one in the middle."""

    run: Row
    sides: Sides
    pairs: Pairs
    strip: list[Shown]
    tally: Tally
    headline: str
    votes: list[Row]  # on the chosen pair
    chosen: Shown | None
    previous: str | None
    next: str | None

    @property
    def total(self) -> int:
        """All pairs with two images."""
        return len(self.pairs.matching.pairs)


async def pair_page(request: Request, datasette: Datasette) -> Response:
    """The page."""
    log, links, found = await _found(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    if found is None:
        return _no_run(links, request)
    view = request.args.get("view") or "side"
    return shell.page(
        "pair.html",
        links,
        found=found,
        about_run=found.run["id"],
        live=found.run["status"] == "running",
        sides=found.sides,
        pair_key=_key(found.chosen) if found.chosen else None,
        key=_key,
        view=view if view in VIEWS else "side",
        views=VIEWS,
        address=lambda **more: links.pair(**_query(found, **more)),
        data=lambda kind: links.address(f"/pair.{kind}", **_query(found)),
        facts=list(_facts(found.chosen)) if found.chosen else [],
        sources=list(_sources(found.sides)),
        values=_values(found),
        may_write=guard.may_write(datasette, log),
        token=guard.token(request),
        here_again=links.pair(**_query(found, pair=_key(found.chosen) if found.chosen else None, view=view)),
    )


async def pair_json(request: Request, datasette: Datasette) -> Response:
    """The same as JSON: what is compared, the counts, the votes, and a hundred pairs from `pair` on."""
    log, links, found = await _found(request, datasette, size=_JSON)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    if found is None:
        return shell.as_json({"ok": False, "error": "there is no such run"}, status=404)
    after = _number(request)[0] + _JSON
    document = {
        "run": found.run["id"],
        "experiment": found.run["experiment"],
        "by": found.sides.by,
        "a": found.sides.left.name if found.sides.left else None,
        "b": found.sides.right.name if found.sides.right else None,
        "problem": found.sides.problem or None,
        "pairs": found.total,
        "matched": found.pairs.matching.matched,
        "only_a": found.pairs.matching.left_only,
        "only_b": found.pairs.matching.right_only,
        "missing": dict(found.pairs.matching.missing),
        "cut": found.pairs.cut,
        "verdict": found.headline or None,
        "votes": {name: value for name, value in asdict(found.tally).items() if not found.tally.hidden},
        "templates": [_source_row(path, list(changes)) for path, changes in _sources(found.sides)],
        "rows": [_row(shown, links) for shown in found.strip],
        "next": links.address("/pair.json", **_query(found, pair=after)) if after <= found.total else None,
    }
    return shell.as_json(document)


async def pair_csv(request: Request, datasette: Datasette) -> Response:
    """One line per pair, the first ten thousand from `pair` on."""
    log, links, found = await _found(request, datasette, size=_CSV)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    if found is None:
        return shell.as_json({"ok": False, "error": "there is no such run"}, status=404)
    rows = [_flat(_row(shown, links)) for shown in found.strip]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["pair"]
    return as_csv("pairs", names, rows)


def _no_run(links: Links, request: Request) -> Response:
    asked = request.args.get("run") or "last"
    return shell.message(links, f"There is no run {asked!r}", "Name a run by its id, its experiment, or last.")


# --- what is asked for, and found ---------------------------------------------------------------------------------


async def _found(
    request: Request, datasette: Datasette, *, size: int = _WINDOW
) -> tuple[OpenLog | None, Links | None, Found | None]:
    log, links = await shell.open_log(request, datasette)
    if log is None:
        return None, None, None
    ask, number = _ask(request), _number(request)
    path = Path(str(datasette.get_database(log.database).path))
    named = request.args.get("run") or ""
    now = request.args.get("verdict") == "1"

    def read(connection: sqlite3.Connection) -> Found | None:
        return _read(connection, path, named, ask, number, size, now=now)

    found = await shell.read(datasette, log, read)
    return log, links, found


def _ask(request: Request) -> Ask:
    axes = [(name[5:], request.args.get(name)) for name in request.args if name.startswith("axis.")]
    by, a, b = (request.args.get(name) or "" for name in ("by", "a", "b"))
    return Ask(by, a, b, axes[0] if axes else None)


def _number(request: Request) -> tuple[int, int]:
    """`pair=17.2`: the seventeenth pair, the second image of its calls."""
    number, _, image = (request.args.get("pair") or "").partition(".")
    return shell.number(number, 1, 10**9), shell.number(image, 1, 1000)


def _read(
    connection: sqlite3.Connection, path: Path, named: str, ask: Ask, number: tuple[int, int], size: int, *, now: bool
) -> Found | None:
    templates = ask.by == "template" or any("@" in text or text.endswith(".j2") for text in (ask.a, ask.b))
    run = page_data.find_run(connection, named or (_run_of(connection, ask) if templates else None) or "last")
    if run is None:
        return None
    sides = pair_sides.sides_of(connection, run, ask, _library(path) if templates else None)
    stamp = _stamp(connection, path, run, sides)
    pairs = _pairs(connection, run, sides, stamp)
    total = len(pairs.matching.pairs)
    at = min(number[0], max(total, 1))
    first = at if size != _WINDOW else (at - 1) // size * size + 1
    strip = pair_data.shown_pairs(connection, pairs, first - 1, first - 1 + size)
    tally = pair_data.tally_of(connection, run, sides)
    headline = _headline(connection, run, sides, stamp, now=now) if tally.votes else ""
    found = _placed(Found(run, sides, pairs, strip, tally, headline, [], None, None, None), at, number[1])
    if found.chosen is None or not tally.votes + tally.judges:
        return found
    return replace(found, votes=pair_data.votes_on(connection, found.chosen))


def _run_of(connection: sqlite3.Connection, ask: Ask) -> str | None:
    """The latest run that used one of the two templates, where the address names no run."""
    sql = """
        SELECT rt.run_id FROM run_templates rt JOIN runs r ON r.id = rt.run_id
        WHERE rt.path IN (?1, ?2) OR rt.template_id IN (?3, ?4) ORDER BY r.started_at DESC LIMIT 1
    """
    paths = [text.partition("@")[0] for text in (ask.a, ask.b)]
    row = connection.execute(sql, (*paths, ask.a, ask.b)).fetchone()
    return str(row[0]) if row else None


def _placed(found: Found, number: int, image: int) -> Found:
    """With the pair that was asked for in the middle, and the ones before and after it."""
    if not found.strip:
        return found
    here = [index for index, shown in enumerate(found.strip) if shown.number == number]
    at = here[min(image, len(here)) - 1] if here else 0
    chosen = found.strip[at]
    before = _key(found.strip[at - 1]) if at else str(found.strip[0].number - 1) if found.strip[0].number > 1 else None
    last = found.strip[-1].number
    after = _key(found.strip[at + 1]) if at + 1 < len(found.strip) else str(last + 1) if last < found.total else None
    return replace(found, chosen=chosen, previous=before, next=after)


_memory: dict[tuple[object, ...], Any] = {}
_lock = Lock()


def _remember(key: tuple[object, ...], make: Callable[[], T]) -> T:
    """What `make` gives, kept under a key that says what it depends on."""
    with _lock:
        known: T | None = _memory.get(key)
    if known is None:
        known = make()
        with _lock:
            _memory[key] = known
            while len(_memory) > _KEPT:
                del _memory[next(iter(_memory))]
    return known


def _library(path: Path) -> Library | None:
    """The studio's templates, kept for some seconds: a step to the next pair asks git nothing."""
    key = ("library", path, int(monotonic() / _FRESH))
    return _remember(key, lambda: (pair_sides.library_near(path),))[0]


def _stamp(connection: sqlite3.Connection, path: Path, run: Row, sides: Sides) -> tuple[object, ...]:
    """What the pairs of two sides depend on: the rows of the log, as long as no run is writing."""
    newest = connection.execute("SELECT max(rowid) FROM generations").fetchone()[0]
    names = [side and (side.template.id if side.template else side.name) for side in (sides.left, sides.right)]
    return (path, run["id"], run["status"], run["ended_at"], run["completed"], newest, sides.by, *names)


def _pairs(connection: sqlite3.Connection, run: Row, sides: Sides, stamp: tuple[object, ...]) -> Pairs:
    """The pairs; remembered for a run that has ended, so that a step to the next pair matches nothing."""
    if run["status"] == "running":
        return pair_data.pairs_of(connection, run, sides)
    return _remember(stamp, lambda: pair_data.pairs_of(connection, run, sides))


def _headline(connection: sqlite3.Connection, run: Row, sides: Sides, stamp: tuple[object, ...], *, now: bool) -> str:
    """The verdict in a sentence; of a long run it takes a second, so it is only worked out where `now` says so."""
    count = "SELECT count(*) FROM (SELECT 1 FROM generations WHERE run_id = ? LIMIT ?)"
    if not now and connection.execute(count, (run["id"], _LONG + 1)).fetchone()[0] > _LONG:
        return ""
    sql = "SELECT count(*), count(undone_at), max(rowid), (SELECT count(closed_at) FROM polls) FROM ballots"
    votes = connection.execute(sql).fetchone()
    return _remember((*stamp, *votes), lambda: pair_data.headline_of(connection, run, sides))


def _key(shown: Shown) -> str:
    """How the address names a pair."""
    place = int(shown.left_image["position"])
    return f"{shown.number}.{place + 1}" if place else str(shown.number)


def _query(found: Found, **more: object) -> dict[str, object]:
    """The address's query for these two sides; `more` overrides."""
    sides = found.sides
    names = [None if side is None else _asked(side) for side in (sides.left, sides.right)]
    return {"run": found.run["id"], "by": sides.by, "a": names[0], "b": names[1], **more}


def _asked(side: pair_sides.Side) -> str:
    """How an address names a side: a template by its id, unless its revision has a name."""
    return side.name if side.template is None or side.template.ref else side.template.id


# --- what differs -------------------------------------------------------------------------------------------------


def _facts(shown: Shown) -> Iterator[tuple[str, str, str]]:
    """Parameters and results of the pair, by name: left, right."""
    for name in _COLUMNS:
        if shown.left[name] is not None or shown.right[name] is not None:
            yield name.replace("_", " "), _text(shown.left[name]), _text(shown.right[name])
    left, right = shell.mapping(shown.left["params"]), shell.mapping(shown.right["params"])
    for name in dict.fromkeys([*left, *right]):
        yield str(name), _text(left.get(name)), _text(right.get(name))
    yield "size", _size(shown.left_image), _size(shown.right_image)


def _text(value: object) -> str:
    return "–" if value is None else str(value)


def _size(image: Row) -> str:
    return f"{image['width']} × {image['height']}" if image["width"] else "–"


def _values(found: Found) -> list[tuple[str, str, str]]:
    """The values that the two sides stand for, each as text, where they differ: axis, left, right."""
    if found.chosen is None:
        return []
    left = shell.mapping(found.chosen.left["axis_values"])
    right = shell.mapping(found.chosen.right["axis_values"])
    return [
        (axis, _value(left.get(axis)), _value(right.get(axis)))
        for axis in dict.fromkeys([*left, *right])
        if left.get(axis) != right.get(axis)
    ]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {each}" for name, each in value.items())
    return "" if value is None else str(value)


def _sources(sides: Sides) -> Iterator[tuple[str, list[LineChange]]]:
    """Each file of two templates that differs, with its changed lines."""
    if sides.left is None or sides.right is None or sides.left.template is None or sides.right.template is None:
        return
    left, right = sides.left.template.files, sides.right.template.files
    if sides.left.template.path != sides.right.template.path:
        yield (
            f"{sides.left.template.path} → {sides.right.template.path}",
            list(line_diff(left.get(sides.left.template.path, ""), right.get(sides.right.template.path, ""), around=2)),
        )
    own = {sides.left.template.path, sides.right.template.path}
    for path in dict.fromkeys([*left, *right]):
        if path in own and len(own) == 2:
            continue
        if left.get(path) != right.get(path):
            yield path, list(line_diff(left.get(path, ""), right.get(path, ""), around=2))


# --- as data ------------------------------------------------------------------------------------------------------


def _source_row(path: str, changes: list[LineChange]) -> Row:
    return {"path": path, "changes": [{"line": c.number, "segments": c.segments} for c in changes if c.changed]}


def _row(shown: Shown, links: Links) -> Row:
    axes, seed, draw = shown.cell
    sides = (("a", shown.left, shown.left_image), ("b", shown.right, shown.right_image))
    return {
        "pair": _key(shown),
        "axes": dict(axes),
        "seed": seed,
        "draw": draw,
        "matched": shown.matched,
        **{name: _side_row(row, image, links) for name, row, image in sides},
    }


def _side_row(row: Row, image: Row, links: Links) -> Row:
    return {
        "image_id": image["id"],
        "generation_id": row["generation_id"],
        "prompt": row["prompt"],
        "negative_prompt": row["negative_prompt"],
        "revised_prompt": image["revised_prompt"],
        "params": {name: row[name] for name in _COLUMNS if row[name] is not None} | dict(shell.mapping(row["params"])),
        **{name: row[name] for name in _RESULTS},
        "mark": image["mark"],
        "sha256": image["sha256"],
        "page": links.image(image["id"]),
        "file": links.file(image["sha256"]),
    }


def _flat(row: Row) -> Row:
    """One level: `axis.look`, `a.prompt`; parameters as `a.model`."""
    flat = {"pair": row["pair"], **{f"axis.{axis}": value for axis, value in row["axes"].items()}}
    flat |= {"seed": row["seed"], "draw": row["draw"], "matched": row["matched"]}
    for side in ("a", "b"):
        for name, value in row[side].items():
            own = value.items() if name == "params" else [(name, value)]
            flat |= {f"{side}.{inner}": each for inner, each in own}
    return flat


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/pair\Z", pair_page),
    (r"^/-/promptlab/pair\.json\Z", pair_json),
    (r"^/-/promptlab/pair\.csv\Z", pair_csv),
]
