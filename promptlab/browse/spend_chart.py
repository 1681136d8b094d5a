"""Spending as a picture: one SVG, made here, with its words for those who do not see it; the table has all figures.

Each bar is what was billed at least, and lighter on top of it what may have been billed too. Colours are classes of
`spend.css`, so that light and dark are the page's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

__all__ = ["Bar", "columns", "every_day", "rows"]

_WIDTH, _HEIGHT = 960, 240
_LEFT, _BOTTOM, _TOP = 70, 26, 12
_MOST_DAYS = 120
_LINE = 30  # of one row


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, what was billed at least, at most, and the words that say both."""

    name: str
    low: float
    high: float
    words: str


def every_day(bars: Sequence[Bar]) -> list[Bar]:
    """The days with those between them on which nothing was spent; of very many, the latest that have bars."""
    if not bars:
        return []
    try:
        first, last = date.fromisoformat(bars[0].name), date.fromisoformat(bars[-1].name)
    except ValueError:  # a day that is none: a row without a time
        return list(bars[-_MOST_DAYS:])
    if (last - first).days >= _MOST_DAYS:
        return list(bars[-_MOST_DAYS:])
    known = {bar.name: bar for bar in bars}
    days = [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]
    return [known.get(day) or Bar(day, 0, 0, "nothing") for day in days]


def columns(bars: Sequence[Bar], show: Callable[[float], str], title: str) -> Markup:
    """Bars that stand beside each other, along days."""
    top, step = _scale(max((bar.high for bar in bars), default=0))
    room = _HEIGHT - _BOTTOM - _TOP
    each = (_WIDTH - _LEFT) / max(len(bars), 1)
    wide = max(1.0, min(each - 2 if each > 4 else each * 0.8, 64))
    parts = []
    for number in range(round(top / step) + 1):
        y = _TOP + room * (1 - number * step / top)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="mark-y" x="{_LEFT - 8}" y="{y + 4:.1f}">{escape(show(number * step))}</text>')
    every = max(1, math.ceil(len(bars) * 64 / (_WIDTH - _LEFT)))
    for index, bar in enumerate(bars):
        x = _LEFT + each * index + (each - wide) / 2
        low, high = room * bar.low / top, room * bar.high / top
        inner = _bar("risk", x, _TOP + room - high, wide, high - low) + _bar("sure", x, _TOP + room - low, wide, low)
        parts.append(f"<g><title>{escape(bar.name)}: {escape(bar.words)}</title>{inner}{_target(x, wide, room)}</g>")
        if index % every == 0:
            text = escape(_day(bar.name))
            parts.append(f'<text class="mark-x" x="{x + wide / 2:.1f}" y="{_HEIGHT - 8}">{text}</text>')
    return _svg(parts, _HEIGHT, title)


def rows(bars: Sequence[Bar], title: str) -> Markup:
    """Bars that lie below each other, one per name."""
    most = max((bar.high for bar in bars), default=0) or 1
    left = min(250, 24 + max((7 * len(bar.name) for bar in bars), default=0))
    right = 20 + max((7 * len(bar.words) for bar in bars), default=0)
    room = _WIDTH - left - right
    parts = []
    for index, bar in enumerate(bars):
        y = index * _LINE
        low, high = room * bar.low / most, room * bar.high / most
        name = bar.name if len(bar.name) <= 34 else bar.name[:33] + "…"
        inner = _bar("risk", left + low, y + 6, high - low, 18) + _bar("sure", left, y + 6, low, 18)
        label = f'<text class="mark-y" x="{left - 10}" y="{y + 20}">{escape(name)}</text>'
        figure = f'<text class="figure" x="{left + high + 8:.1f}" y="{y + 20}">{escape(bar.words)}</text>'
        parts.append(f"<g><title>{escape(bar.name)}: {escape(bar.words)}</title>{label}{inner}{figure}</g>")
    return _svg(parts, max(len(bars), 1) * _LINE, title)


def _day(text: str) -> str:
    """`18 Nov`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {day:%b}"


def _bar(kind: str, x: float, y: float, width: float, height: float) -> str:
    if width <= 0 or height <= 0:
        return ""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5"/>'


def _target(x: float, width: float, height: float) -> str:
    """Where the words appear under the pointer: the whole column, not the bar alone."""
    return f'<rect class="target" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{height:.1f}"/>'


def _scale(most: float) -> tuple[float, float]:
    """A round top above the largest figure, and the step of three to five lines."""
    if most <= 0:
        return 1.0, 1.0
    rough = most / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough - 1e-12)
    return step * math.ceil(most / step - 1e-9), step


def _svg(parts: Sequence[str], height: int, title: str) -> Markup:
    text = "".join(parts)
    return Markup(  # noqa: S704  every text in it was escaped
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{text}</svg>"
    )
