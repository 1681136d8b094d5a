"""A report as one page of HTML that loads nothing: style, script and pictures are inside.

Its content security policy allows what is in it and no more: pictures as data, and the one style and the one script by
their hashes. The script adds copy buttons; without it everything can still be read and selected.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from promptlab._version import __version__
from promptlab.compare import verdict_words as said
from promptlab.compare.verdict_tables import rank_text
from promptlab.report.contents import Contents
from promptlab.report.pictures import Packed, data_uri
from promptlab.report.words import clock, count, dollars, missing_text

if TYPE_CHECKING:
    from promptlab.compare.verdict import Standing, Verdict

__all__ = [
    "Drawn", "coded", "headline_of", "methods_of", "price", "render", "same_negative", "share", "share_title", "states",
    "winner_title",
]  # fmt: skip

_COMMAND = re.compile(r"`(promptlab [^`]*)`")
_FILES = Path(__file__).parent / "page_files"


@dataclass(frozen=True, slots=True)
class Drawn:
    """The verdict's picture as SVG, another one for phones, and its words as the terminal prints them."""

    chart: str | None = None
    narrow: str | None = None
    words: Sequence[str] = ()


def render(contents: Contents, packed: Packed, drawn: Drawn) -> str:
    """The page, with the verdict as it was drawn."""
    style, script = _file("report.css"), _file("report.js")
    verdict = contents.verdict
    standings = verdict.standings if verdict else ()
    context: dict[str, Any] = {
        "c": contents, "p": contents.provenance, "packed": packed, "data_uri": data_uri, "missing": missing_text,
        "clock": clock, "count": count, "rank": rank_text, "share": share, "share_title": share_title(verdict),
        "price": price, "coded": coded,
        "headline": headline_of(contents), "methods": methods_of(contents), "winner_title": winner_title(contents),
        "won": winner_title(contents) == "The winner", "generator": f"promptlab {__version__}",
        "chart": _svg_uri(drawn.chart), "narrow_chart": _svg_uri(drawn.narrow), "words": "\n".join(drawn.words),
        "bad": states(contents),
        "level": f"{verdict.level * 100:g}" if verdict else "",
        "votes": any(each.wins or each.losses or each.ties or each.bad for each in standings),
        "priced": any(each.cost_usd is not None for each in standings),
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


def share(standing: Standing, verdict: Verdict) -> str:
    """`62 of 100 (53–71)`: how often it is preferred to the reference; else the metric's figure, with its interval.

    In the words of the terminal and the Ranking page.
    """
    if standing.chance is None and standing.estimate is None:
        if standing.value != verdict.reference:
            return "–"
        return "the baseline" if standing.value == verdict.baseline else "the leader"
    if standing.chance is not None:
        ends = "" if standing.low is None or standing.high is None else f" ({said.ends(standing.low, standing.high)})"
        return f"{said.hundred(standing.chance)}{ends}"
    is_rate = standing.trials is not None
    low, value, high = (
        "" if each is None else said.figure(verdict.metric, each, is_rate=is_rate)
        for each in (standing.low, standing.estimate, standing.high)
    )
    return f"{value} ({low} to {high})" if low and high else value


def share_title(verdict: Verdict | None) -> str:
    """What the column of `share` is called."""
    if verdict is None or verdict.metric != "votes":
        return verdict.metric.capitalize() if verdict else ""
    return f"Preferred to {verdict.label(verdict.reference)}" if verdict.reference else "Preferred"


def coded(text: str) -> list[tuple[bool, str]]:
    """A sentence in parts: a command of ours between backticks is to be shown as one; other backticks are text."""
    return [(number % 2 == 1, part) for number, part in enumerate(_COMMAND.split(text)) if part]


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
    if contents.verdict is not None and contents.judged:
        found.append(contents.verdict.methods)
    else:
        found.append("Nobody has judged these images yet, so nothing is said about which is better.")
    found.append(
        "Every text, figure and picture comes from the log of the run. Pictures are smaller copies of the originals, "
        "re-encoded to fit into this file; their hashes are listed under provenance."
    )
    return found
