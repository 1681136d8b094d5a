"""HTML from what `rows` read: the template environment, and how figures, times and texts are written for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from promptlab.browse.navigation import navigation
from promptlab.compare import Line, word_diff

__all__ = [
    "ago",
    "compile_templates",
    "cost",
    "diff_html",
    "dollars",
    "duration",
    "names",
    "pretty_json",
    "render",
    "risk",
    "spent",
]

Bounds = tuple[float | None, float | None]  # the least and the most; None is unknown

#: Everything the pages load is bundled and comes from this address; nothing runs that is not a file of ours.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page as HTML, everything in it escaped."""
    return _environment().get_template(template).render(context)


def compile_templates() -> None:
    """Compile every template now, which takes a third of a second, so that the first page need not wait for it."""
    for name in _environment().list_templates():
        _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {
            "ago": ago,
            "clock": clock,
            "diff": diff_html,
            "dollars": dollars,
            "duration": duration,
            "pretty": pretty_json,
            "count": lambda number: f"{number:,}",
            "groupby_axes": group_lines,
            "names": names,
            "is_hash": lambda text: re.fullmatch("[0-9a-f]{64}", text) is not None,
        }
    )
    environment.globals.update(
        {"cost": cost, "risk": risk, "seconds_between": seconds_between, "spent": spent, "navigation": navigation}
    )
    return environment


def group_lines(lines: Sequence[Line]) -> list[tuple[Mapping[str, str], list[Line]]]:
    """The lines of a grid under the axis values they share, both in their order."""
    groups: dict[tuple[tuple[str, str], ...], list[Line]] = {}
    for line in lines:
        groups.setdefault(tuple(line.axes.items()), []).append(line)
    return [(dict(shared), members) for shared, members in groups.items()]


# --- figures ------------------------------------------------------------------------------------------------------


def dollars(usd: float | None) -> str:
    """`$0.04`, `$0.0375`, `$1,204.50`: cents, and finer only where a price needs it."""
    if usd is None:
        return "–"
    if abs(usd) >= 1 or usd == 0:
        return f"${usd:,.2f}"
    digits = f"{usd:.4f}".rstrip("0")
    whole, _, part = digits.partition(".")
    return f"${whole}.{part.ljust(2, '0')}"


def spent(usd: Bounds, credits: Bounds) -> str:
    """What was billed, as two bounds where it is not known exactly: `~$8.00 to ~$18.00`, else in credits."""
    known = [figure for figure in (*usd, *credits) if figure is not None]
    if known and not any(known):
        return "nothing"
    in_usd = _between(usd, lambda figure: f"~{dollars(figure)}", "")
    return in_usd or _between(credits, "{:,.6g}".format, " credits") or "–"


def _between(found: Bounds, show: Callable[[float], str], unit: str) -> str:
    low, high = found
    if low is None or high is None:
        known = low if high is None else high
        return f"at {'least' if high is None else 'most'} {show(known)}{unit}" if known else ""
    return f"{show(high)}{unit}" if high - low < 1e-9 else f"{show(low)} to {show(high)}{unit}"


def risk(attempts: Sequence[Mapping[str, Any]]) -> str:
    """What a generation's attempts may have been billed on top of its cost; nothing where there is none."""
    at_risk = [attempt for attempt in attempts if attempt["may_be_billed"]]
    for column in ("cost_usd_at_risk", "credits_at_risk"):
        figures = [attempt[column] for attempt in at_risk if attempt[column] is not None]
        if at_risk and len(figures) == len(at_risk):
            most = f"~{dollars(sum(figures))}" if column == "cost_usd_at_risk" else f"{sum(figures):g} credits"
            return f"up to {most} more"
    return "more, how much is not known" if at_risk else ""


def cost(row: Mapping[str, Any], *, simulated: bool = False) -> str:
    """What a generation cost, in one short text; a figure from a price table is an estimate and says `~`."""
    if row.get("cached_from"):
        return "free, from cache"
    usd, credits = row.get("cost_usd"), row.get("credits")
    if usd is None and credits is None:
        return "cost not known"
    sign = "" if row.get("cost_source") in ("response", "usage") else "~"
    text = f"{sign}{dollars(usd)}" if usd is not None else f"{sign}{credits:,.6g} credits"
    return f"{text} simulated" if simulated else text


def duration(seconds: float | None) -> str:
    """`820 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or seconds < 0:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def parse_time(text: str | None) -> datetime | None:
    """A time of the log, or None where there is none that can be read."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def ago(text: str | None, now: datetime) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `yesterday`, then the day."""
    moment = parse_time(text)
    if moment is None:
        return text or "–"
    seconds = (now - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86400:
        return f"{round(seconds / 3600)} h ago"
    if seconds < 2 * 86400:
        return "yesterday"
    return f"{moment.day} {moment:%b %Y}"


def clock(text: str | None) -> str:
    """`22 Nov 2026, 13:00:50 UTC`."""
    moment = parse_time(text)
    if moment is None:
        return text or "–"
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"  # %-d is not there on Windows


def seconds_between(start: str | None, end: str | None) -> float | None:
    """The time between two of the log's times."""
    first, last = parse_time(start), parse_time(end)
    return (last - first).total_seconds() if first and last else None


# --- texts --------------------------------------------------------------------------------------------------------


def diff_html(before: str | None, after: str | None) -> Markup:
    """The rewriting of a prompt as marked-up text."""
    return segments_html(word_diff(before or "", after or ""))


def segments_html(segments: Sequence[Sequence[str]]) -> Markup:
    """Segments of a word difference as text with <del> and <ins>."""
    tags = {"removed": "del", "added": "ins"}
    parts = []
    for op, text in segments:
        words, tail = text.rstrip(), text[len(text.rstrip()) :]
        parts.append(f"<{tags[op]}>{escape(words)}</{tags[op]}>{tail}" if op in tags else escape(text))
    return Markup("".join(parts))  # noqa: S704  every text in it was escaped


def pretty_json(text: object) -> str:
    """JSON text laid out in lines; any other text as it is."""
    if not isinstance(text, str):
        return json.dumps(text, indent=2, ensure_ascii=False)
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def names(text: str | None) -> list[str]:
    """A JSON list of names, or none where there is no such list."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []
