"""How single values look in Datasette's own tables: pictures small and linked, JSON readable, costs with their `~`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from promptlab.browse import page_rendering
from promptlab.browse.open_logs import Links

__all__ = ["COLUMNS", "cell"]

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_PICTURES = frozenset({"thumbnail", "source_image", "sha256"})
_CHIPS = frozenset({"axes", "axis_values", "same_axes", "tags"})
_JSON = frozenset({"params", "defaulted", "dropped", "emulated", "response", "settings", "price_table"})
_ROWS = {"generation_id": "generations", "cached_from": "generations", "run_id": "runs", "template_id": "templates"}
_MONEY = frozenset({"cost_usd", "cost_usd_at_risk", "cost_usd_at_most", "cost_usd_an_image"})
#: Columns that look like anything special; all others are left to Datasette without another thought.
COLUMNS = frozenset(
    {*_PICTURES, *_CHIPS, *_JSON, *_ROWS, *_MONEY, "image_id", "rewriting", "side_by_side", "status", "variant"}
)
_SHOWN = 48  # pictures in one cell


def cell(links: Links, table: str | None, column: str, value: Any, row: Mapping[str, Any]) -> Markup | None:
    """The cell as HTML, or None: Datasette's own way. The value and the row come from the log, so all is escaped."""
    if column in _MONEY:
        return _money(column, value, row) if isinstance(value, (int, float)) else None
    if not isinstance(value, str) or not value:
        return None
    if column in _PICTURES:
        return _picture(links, table, column, value, row)
    if column == "image_id" and _ID.match(value):
        return _id_link(links.image(value), value)
    if column in _ROWS:  # tables have foreign keys, which Datasette links itself
        return None if table in ("generations", "images") else _row_link(links, column, value)
    if column == "variant":  # a long name breaks between axes, not within words
        return Markup(",<wbr>").join(value.split(","))
    if column == "status":
        return Markup('<span class="pl-pill pl-{}">{}</span>').format(value, value.replace("_", " "))
    return _structured(links, column, value)


def _picture(links: Links, table: str | None, column: str, value: str, row: Mapping[str, Any]) -> Markup | None:
    if not _HASH.match(value) or table == "inputs":
        return None
    if column == "sha256" and table not in ("images",):  # beside a thumbnail the hash is a hash
        return Markup('<a href="{}"><code>{}</code></a>').format(links.file(value), value)
    key = _row_key(row, "image_id") or (_row_key(row, "id") if table == "images" else None) or value
    address = links.image(key) if column != "source_image" else links.file(value)
    picture = _img(links, value, address, str(_row_key(row, "prompt") or ""))
    if column == "sha256":
        return picture + Markup('<a href="{}"><code>{}</code></a>').format(links.file(value), value)
    return picture


def _img(links: Links, sha256: str, address: str, text: str) -> Markup:
    return Markup(
        '<a class="pl-thumb" href="{}"><img src="{}" alt="{}" loading="lazy" decoding="async" width="128"></a>'
    ).format(address, links.thumbnail(sha256), text[:200])


def _row_link(links: Links, column: str, value: str) -> Markup | None:
    if not _ID.match(value):
        return None
    address = links.compare(run=value) if column == "run_id" else links.row(_ROWS[column], value)
    return _id_link(address, value)


def _id_link(address: str, value: str) -> Markup:
    """An id by its end, since ids that were made together begin alike."""
    text = value if len(value) <= 20 else f"…{value[-8:]}"
    return Markup('<a href="{}" title="{}"><code>{}</code></a>').format(address, value, text)


def _money(column: str, value: float, row: Mapping[str, Any]) -> Markup:
    known = column == "cost_usd" and _row_key(row, "cost_source") in ("response", "usage")
    return Markup('<span class="pl-money">{}{}</span>').format("" if known else "~", page_rendering.dollars(value))


def _structured(links: Links, column: str, value: str) -> Markup | None:
    try:
        data = json.loads(value)
    except ValueError:
        return None
    if column == "rewriting" and _is_segments(data):
        return Markup('<div class="pl-rewriting">{}</div>').format(page_rendering.segments_html(data))
    if column == "side_by_side" and isinstance(data, list):
        return _side_by_side(links, data)
    if column in _CHIPS and isinstance(data, dict):
        return Markup("").join(
            Markup('<span class="pl-chip">{} <b>{}</b></span>').format(axis, page_rendering.pretty_json(used))
            for axis, used in data.items()
        )
    if column == "tags" and isinstance(data, list):
        return Markup("").join(Markup('<span class="pl-chip"><b>{}</b></span>').format(str(tag)) for tag in data)
    if column in _JSON and isinstance(data, (dict, list)):
        return _folded(page_rendering.pretty_json(data))
    return None


def _folded(text: str) -> Markup:
    """Short JSON as it is; long JSON behind one line."""
    if len(text) <= 160:
        return Markup('<pre class="pl-json">{}</pre>').format(text)
    return Markup('<details><summary>{} lines</summary><pre class="pl-json">{}</pre></details>').format(
        text.count("\n") + 1, text[:20_000]
    )


def _side_by_side(links: Links, data: list[Any]) -> Markup:
    figures = []
    for one in data[:_SHOWN]:
        if not isinstance(one, dict) or not _HASH.match(str(one.get("sha256"))):
            continue
        key, name = str(one.get("image_id") or one["sha256"]), str(one.get("value") or "not used")
        picture = _img(links, one["sha256"], links.image(key), name)
        figures.append(Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(picture, name))
    more = Markup("<p>and {} more</p>").format(len(data) - _SHOWN) if len(data) > _SHOWN else Markup("")
    return Markup('<div class="pl-beside">{}</div>{}').format(Markup("").join(figures), more)


def _is_segments(data: object) -> bool:
    return isinstance(data, list) and all(isinstance(one, list) and len(one) == 2 for one in data)


def _row_key(row: Mapping[str, Any], key: str) -> Any:
    """A value of a row that may not have the column (sqlite3.Row raises IndexError)."""
    return row[key] if key in row.keys() else None  # noqa: SIM118  sqlite3.Row is not a mapping
