"""A summary in a notebook: as HTML with its pictures, and as a table of pandas."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from promptlab.errors import PromptlabError

__all__ = ["Shown"]

PICTURES = 12
_STYLE = "display:flex;flex-wrap:wrap;gap:6px;margin-top:6px"
_FIGURE = "margin:0;width:160px;font-size:11px;overflow-wrap:anywhere"


class Shown:
    """What a Summary can do besides holding these figures."""

    __slots__ = ()
    run_id: str
    experiment: str
    status: str
    simulated: bool
    planned: int
    completed: int
    images: int
    credits: float | None
    cost_usd: float | None
    credits_at_most: float | None
    cost_usd_at_most: float | None
    stopped: str | None
    failures: tuple[tuple[str, int], ...]
    next_commands: tuple[str, ...]
    db: str | None
    store: str | None

    def _repr_html_(self) -> str:
        return "".join(_html(self))

    def to_frame(self) -> Any:
        """A pandas DataFrame: one row per image, with the columns of the view `gallery` (docs/log.md) and of each axis.

        Needs pandas, which promptlab does not install; PromptlabError says so where it is missing.
        """
        try:
            import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
        except ImportError as error:
            message = "to_frame() needs pandas: `pip install pandas`; without it, `open_log().rows(...)` gives dicts"
            raise PromptlabError(message) from error
        return pandas.DataFrame(list(_records(self)))


def _rows(summary: Shown) -> Iterator[dict[str, Any]]:
    from promptlab.log.reader import LogReader

    if summary.db is None:
        raise PromptlabError("this summary does not say which log it was read from")
    with LogReader.open(Path(summary.db)) as log:
        yield from log.rows(
            "SELECT * FROM gallery WHERE run_id = ? ORDER BY generation_rowid, position", (summary.run_id,)
        )


def _records(summary: Shown) -> Iterator[dict[str, Any]]:
    for row in _rows(summary):
        axes = json.loads(row["axes"] or "{}")
        yield row | {(f"axis_{name}" if name in row else name): value for name, value in axes.items()}


def _html(summary: Shown) -> Iterator[str]:
    simulated = " <b>SIMULATED</b>" if summary.simulated else ""
    yield f"<div><b>{escape(summary.experiment)}</b>{simulated}<br>"
    yield f"run <code>{escape(summary.run_id)}</code> {escape(summary.status)}: {summary.completed:,} of "
    yield f"{summary.planned:,} done, {summary.images:,} {'image' if summary.images == 1 else 'images'}, "
    yield f"{escape(_cost(summary))}"
    if summary.stopped:
        yield f"<br>stopped: {escape(summary.stopped)}"
    for message, number in summary.failures[:8]:
        yield f"<br>{number:,} × {escape(message)}"
    for command in summary.next_commands:
        yield f"<br><code>{escape(command)}</code>"
    yield from _pictures(summary)
    yield "</div>"


def _cost(summary: Shown) -> str:
    """The cost of results, and the most that can have been billed where that is not the same."""
    known = _money(summary.credits, summary.cost_usd)
    if summary.simulated:
        return f"cost nothing (would have been {known})"
    most = _money(summary.credits_at_most, summary.cost_usd_at_most)
    return f"cost {known}" if known == most else f"cost between {known} and {most}"


def _money(credits: float | None, usd: float | None) -> str:
    parts = [f"{credits:,.10g} credits"] if credits is not None else []
    parts += [f"~${usd:,.2f}"] if usd is not None else []
    return ", ".join(parts) or "an unknown amount"


def _pictures(summary: Shown) -> Iterator[str]:
    """The first pictures, each small and inside the page, so that a saved notebook keeps them."""
    if not summary.images:
        return
    try:
        rows = list(islice((row for row in _rows(summary) if row["thumbnail"]), PICTURES))
    except PromptlabError as error:
        yield f"<br><i>{escape(str(error))}</i>"
        return
    yield f'<div style="{_STYLE}">'
    for row in rows:
        source = _thumbnail(summary, row["thumbnail"])
        prompt = escape(row["prompt"], quote=True)
        picture = f'<img src="{source}" alt="{prompt}" title="{prompt}" width="160">' if source else "<i>no file</i>"
        label = ", ".join(filter(None, (row["variant"], f"seed {row['seed']}" if row["seed"] is not None else "")))
        yield f'<figure style="{_FIGURE}">{picture}<figcaption dir="auto">{escape(label)}</figcaption></figure>'
    yield "</div>"
    if summary.images > len(rows):
        yield f"and {summary.images - len(rows):,} more: <code>promptlab browse</code>"


def _thumbnail(summary: Shown, sha256: str) -> str | None:
    """The small picture as a data URI; made now where there is none yet."""
    from promptlab.store import Store, thumbnail_of

    if summary.store is None:
        return None
    store = Store(Path(summary.store))
    small = thumbnail_of(store, sha256) if store.head(sha256) is not None else None
    if small is None:
        return None
    kind = "jpeg" if small.format == "jpg" else small.format
    return f"data:image/{kind};base64," + base64.b64encode(small.data).decode()
