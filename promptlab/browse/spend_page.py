"""What was spent: `/-/promptlab/spend?since=&by=day|experiment|template|user|model|project`, also as JSON and CSV."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from promptlab.browse import page_rendering, shell, spend_chart, spend_data
from promptlab.browse.as_csv import as_csv
from promptlab.browse.page_data import has_table
from promptlab.browse.spend_data import Spending
from promptlab.log.sums import Spent, usage_sql

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from markupsafe import Markup

    from promptlab.browse.open_logs import Links

__all__ = ["ROUTES"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BARS = 20  # of anything but days
_LINES = 400  # of the table; the CSV has all
_OLD = "An older promptlab wrote this log. `promptlab browse` brings it up to date, and then shows what was spent."


async def spend_page(request: Request, datasette: Datasette) -> Response:
    """The page."""
    links, found = await _found(request, datasette)
    if links is None:
        return shell.nothing_here(datasette)
    if found is None:
        return shell.message(links, "Spending is not known yet", _OLD, status=503)
    today = datetime.now(UTC).date()
    return shell.page(
        "spend.html",
        links,
        found=found,
        groups=("day", "experiment", "template", "user", "model", "project"),
        periods=spend_data.periods(today),
        lines=found.rows[:_LINES] if found.by != "day" else found.rows[-_LINES:][::-1],
        chart=_chart(found),
        shown=_BARS if found.by != "day" else None,
        sql=_sql(links, found),
        figure=_figure(found),
        where=lambda row: _where(links, found, row),
    )


async def spend_json(request: Request, datasette: Datasette) -> Response:
    """The figures as `promptlab usage --json` has them, with the caps."""
    links, found = await _found(request, datasette)
    if links is None:
        return shell.nothing_here(datasette)
    if found is None:
        return shell.as_json({"ok": False, "error": _OLD}, status=503)
    document = {
        "by": found.by,
        "since": found.since or None,
        "rows": [spend_data.spent_row(row) for row in found.rows],
        "total": spend_data.spent_row(found.total),
        "apart": asdict(found.apart),
        "caps": [asdict(cap) | {"share": cap.share} for cap in found.caps],
    }
    return shell.as_json(document)


async def spend_csv(request: Request, datasette: Datasette) -> Response:
    """One line per day, experiment, template ..."""
    links, found = await _found(request, datasette)
    if links is None:
        return shell.nothing_here(datasette)
    if found is None:
        return shell.as_json({"ok": False, "error": _OLD}, status=503)
    rows = [{found.by: row["key"], **row} for row in map(spend_data.spent_row, found.rows)]
    columns = [found.by, *(name for name in spend_data.spent_row(found.total) if name != "key")]
    return as_csv(f"spend_by_{found.by}", columns, rows)


async def _found(request: Request, datasette: Datasette) -> tuple[Links | None, Spending | None]:
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return None, None
    path = Path(str(datasette.get_database(log.database).path))
    since, by = request.args.get("since") or "", request.args.get("by") or "day"
    since = since if _DAY.fullmatch(since) else ""

    def read(connection: sqlite3.Connection) -> Spending | None:
        current = has_table(connection, "run_parts") and has_table(connection, "judge_calls")
        return spend_data.spending(connection, path, by, since) if current else None

    return links, await shell.read(datasette, log, read)


# --- as a picture -------------------------------------------------------------------------------------------------


def _figure(found: Spending) -> Callable[[Spent], str]:
    """What a row cost, in dollars where they are known, else in credits."""
    return lambda row: page_rendering.spent(
        (row.cost_usd, row.cost_usd_at_most) if found.in_dollars else (None, None), (row.credits, row.credits_at_most)
    )


def _chart(found: Spending) -> Markup:
    title = f"Spent by {found.by}" + (f" since {found.since}" if found.since else "")
    if found.by == "day":
        bars = spend_chart.every_day([_bar(found, row) for row in found.rows])
        return spend_chart.columns(bars, _round if found.in_dollars else "{:,.6g}".format, title)
    bars = [_bar(found, row) for row in found.rows[:_BARS]]
    return spend_chart.rows(bars, title)


def _round(usd: float) -> str:
    """`$6,000`: a line of the scale."""
    return page_rendering.dollars(usd).removesuffix(".00")


def _bar(found: Spending, row: Spent) -> spend_chart.Bar:
    low, high = (row.cost_usd, row.cost_usd_at_most) if found.in_dollars else (row.credits, row.credits_at_most)
    kept = f", {row.kept:,} kept" if row.kept else ""
    return spend_chart.Bar(row.key or "none named", low or 0, max(high or 0, low or 0), f"{_figure(found)(row)}{kept}")


# --- where it leads -----------------------------------------------------------------------------------------------


def _sql(links: Links, found: Spending) -> str:
    """Datasette's page of the very query that the figures come from."""
    return f"{links.database()}?{urlencode({'sql': usage_sql(found.by), 'since': found.since})}"


def _where(links: Links, found: Spending, row: Spent) -> str:
    """What a row of the table leads to."""
    if found.by == "experiment" and row.key:
        return links.runs(experiment=row.key)
    query: dict[str, object] = {found.by: row.key} if row.key else {f"{found.by}__isnull": 1}
    return links.table("spending", **query)


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/spend\Z", spend_page),
    (r"^/-/promptlab/spend\.json\Z", spend_json),
    (r"^/-/promptlab/spend\.csv\Z", spend_csv),
]
