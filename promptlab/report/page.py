"""A report as one page of HTML that loads nothing: style, script and pictures are inside.

Its content security policy allows what is in it and no more: pictures as data, and the one style and the one script by
their hashes. The script adds copy buttons; without it everything can still be read and selected.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from promptlab._version import __version__
from promptlab.report.contents import Contents
from promptlab.report.pictures import Packed, data_uri
from promptlab.report.words import clock, count, dollars, missing_text

if TYPE_CHECKING:
    from promptlab.compare.verdict import Standing, Verdict

__all__ = [
    "headline_of", "methods_of", "price", "rank", "render", "same_negative", "share", "share_title", "states",
    "winner_title",
]  # fmt: skip

_FILES = Path(__file__).parent / "page_files"


def render(contents: Contents, packed: Packed, *, chart: str | None, words: Sequence[str]) -> str:
    """The page. `chart` is the verdict's picture as SVG, `words` the verdict as the terminal says it."""
    style, script = _file("report.css"), _file("report.js")
    verdict = contents.verdict
    standings = verdict.standings if verdict else ()
    context: dict[str, Any] = {
        "c": contents, "p": contents.provenance, "packed": packed, "data_uri": data_uri, "missing": missing_text,
        "clock": clock, "count": count, "rank": rank, "share": share, "share_title": share_title(verdict),
        "price": price,
        "headline": headline_of(contents), "methods": methods_of(contents), "winner_title": winner_title(contents),
        "won": winner_title(contents) == "The winner", "generator": f"promptlab {__version__}",
        "chart": _svg_uri(chart), "words": "\n".join(words), "bad": states(contents),
        "level": f"{verdict.level * 100:g}" if verdict else "",
        "votes": any(each.wins or each.losses or each.ties or each.bad for each in standings),
        "marks": any(each.kept or each.rejected for each in standings),
        "same_negative": same_negative(contents),
        "seeded": any("seed " in line.title for line in contents.grid.lines),
        "style": Markup(style), "style_hash": _hash(style),  # noqa: S704  files of ours
        "script": Markup(script), "script_hash": _hash(script),  # noqa: S704
    }  # fmt: skip
    return _environment().get_template("report.html").render(context)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _file(name: str) -> str:
    return "\n" + (_FILES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy calls an inline style or script (CSP level 3, section 2.3.1)."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _svg_uri(svg: str | None) -> str | None:
    """As a picture: its styles hold there, and nothing in it can act on the page."""
    return None if svg is None else f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


# --- words that HTML and Markdown share ---------------------------------------------------------------------------


def headline_of(contents: Contents) -> str:
    """The first sentence."""
    return contents.verdict.headline if contents.verdict is not None else contents.no_verdict


def winner_title(contents: Contents) -> str:
    """What the value in front may be called: a winner only where it is first beyond the interval."""
    if contents.verdict is not None and contents.verdict.live:
        return "In front while voting is open"
    if contents.verdict is not None and contents.verdict.winner is not None:
        return "The winner"
    return "In front, but not surely"


def rank(standing: Standing) -> str:
    """`1`, or `2 to 4` where the order is not known."""
    low, high = standing.rank_low, standing.rank_high
    if low is None or high is None:
        return "–"
    return f"{low}" if low == high else f"{low} to {high}"


def share(standing: Standing, verdict: Verdict) -> str:
    """`62 of 100 (53 to 71)`: how often it is preferred to the reference, with its interval; else the metric's value.

    A share or a rate is shown in percent, a score as it is.
    """
    if standing.chance is None and standing.estimate is None:
        return "the reference" if standing.value == verdict.reference else "–"
    if standing.chance is not None:
        value, scale, unit = standing.chance, 100.0, " of 100"
    elif verdict.metric == "kept" or standing.trials is not None:
        value, scale, unit = standing.estimate or 0.0, 100.0, " %"
    else:
        value, scale, unit = standing.estimate or 0.0, 1.0, ""
    digits = ".3g" if scale == 1 else ".0f" if standing.chance is not None else ".1f"
    text = f"{value * scale:{digits}}{unit}"
    if standing.low is None or standing.high is None:
        return text
    return f"{text} ({standing.low * scale:{digits}} to {standing.high * scale:{digits}})"


def share_title(verdict: Verdict | None) -> str:
    """What the column of `share` is called."""
    if verdict is None or verdict.metric != "votes":
        return verdict.metric.capitalize() if verdict else ""
    return f"Preferred to {verdict.label(verdict.reference)}" if verdict.reference else "Preferred"


def price(usd: float | None) -> str:
    """What one image costs; a dash where that is not known."""
    return "–" if usd is None else dollars(usd)


def same_negative(contents: Contents) -> str | None:
    """The negative prompt that all values have: said once then."""
    found = {entry.recipe.negative_prompt for entry in contents.entries if entry.recipe}
    return found.pop() if len(found) == 1 else None


def states(contents: Contents) -> dict[str, int]:
    """Status → generations of the run without an image, those that there are."""
    t = contents.totals
    found = {"failed": t.failed, "unknown": t.unknown, "lost": t.lost, "skipped": t.skipped,
             "in_flight": t.in_flight, "planned": t.planned}  # fmt: skip
    return {status: number for status, number in found.items() if number}


def methods_of(contents: Contents) -> list[str]:
    """How the images were made and shown, and how they were judged."""
    found = []
    if contents.by is not None:
        found.append(
            f"Images are compared in matched cells: they differ in {contents.by} alone and share every other value, "
            "the seed and the draw. Which cells are shown was decided by their place in the plan."
        )
    if contents.verdict is not None and contents.verdict.methods:
        found.append(contents.verdict.methods)
    elif not contents.judged:
        found.append("Nobody has judged these images yet, so nothing is said about which is better.")
    found.append(
        "Every text, figure and picture comes from the log of the run. Pictures are smaller copies of the originals, "
        "re-encoded to fit into this file; their hashes are listed under provenance."
    )
    return found
