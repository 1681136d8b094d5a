"""A verdict as one SVG picture: by votes each value's chance with its interval, else its figure as a bar.

It stands alone (its own style, no script), is legible on light and dark, and has a title for who can't see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from promptlab.compare import verdict_words as words
from promptlab.compare.verdict_model import Standing, Verdict
from promptlab.compare.verdict_tables import plain, rank_text

__all__ = ["picture"]

_WIDTH, _ROW, _TOP, _BOTTOM = 760, 40, 34, 30
_LEFT, _RIGHT = 190, 560  # where the scale begins and ends
_LETTERS = 24  # of a label
_MOST = 40  # values in one picture

_STYLE = """
text { font: 14px ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  fill: #1d1c1a; font-variant-numeric: tabular-nums; }
.quiet { fill: #6d6a64; font-size: 12px; }
.name { font-weight: 600; text-anchor: end; }
.tick { text-anchor: middle; }
.grid { stroke: #e4e1da; stroke-width: 1; }
.half { stroke: #8a8780; stroke-width: 1; stroke-dasharray: 3 3; }
.range { stroke: #0b6b63; stroke-width: 10; stroke-linecap: round; opacity: 0.22; }
.dot { fill: #0b6b63; }
.bar { fill: #0b6b63; opacity: 0.75; }
.first .dot, .first .bar { fill: #c2461f; }
.first .range { stroke: #c2461f; }
.mark { fill: #f7f6f3; stroke: #6d6a64; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #eceae5; }
  .quiet { fill: #9d9a92; }
  .grid { stroke: #302f2c; }
  .half { stroke: #77746d; }
  .range { stroke: #5cc7bb; opacity: 0.3; }
  .dot, .bar { fill: #5cc7bb; }
  .first .dot, .first .bar { fill: #f0784f; }
  .first .range { stroke: #f0784f; }
  .mark { fill: #131312; stroke: #9d9a92; }
}
"""


def picture(verdict: Verdict) -> str:
    """The standings that can be ranked, best first, as a whole SVG document."""
    shown = [each for each in verdict.standings if each.rank_low is not None][:_MOST]
    rows = list(_rows(verdict, shown))
    height = _TOP + _ROW * max(len(shown), 1) + _BOTTOM
    described = "; ".join(f"{plain(each.label)}: {_said(verdict, each)}" for each in shown)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'role="img" aria-labelledby="t d">',
        f'<title id="t">{_text(verdict.headline)}</title>',
        f'<desc id="d">{_text(described)}</desc>',
        f"<style>{_STYLE}</style>",
        *rows,
        "</svg>",
        "",
    ])  # fmt: skip


def _text(text: str) -> str:
    """Text of any kind inside SVG: escaped, and without what XML can't hold."""
    return escape(plain(text))


def _rows(verdict: Verdict, shown: list[Standing]) -> Iterator[str]:
    if not shown:
        yield f'<text class="quiet tick" x="{_WIDTH / 2:.0f}" y="{_TOP + 22}">Nothing to draw yet</text>'
        return
    bottom = _TOP + _ROW * len(shown)
    by_votes = verdict.metric == "votes"
    yield from _scale(verdict, shown, bottom) if by_votes else ()
    most = max((each.estimate or 0.0 for each in shown), default=0.0)
    for at, standing in enumerate(shown):
        middle = _TOP + _ROW * at + _ROW // 2
        kind = "first" if standing.value == verdict.leader else "other"
        yield f'<g class="{kind}">'
        yield f'<text class="name" x="{_LEFT - 16}" y="{middle + 5}">{_text(_cut(standing.label))}</text>'
        yield from _interval(standing, middle) if by_votes else _bar(standing, middle, most)
        yield f'<text x="{_RIGHT + 18}" y="{middle + 1}">{_text(_said(verdict, standing))}</text>'
        yield f'<text class="quiet" x="{_RIGHT + 18}" y="{middle + 16}">{_text(_small(standing))}</text>'
        yield "</g>"


def _scale(verdict: Verdict, shown: list[Standing], bottom: int) -> Iterator[str]:
    for percent in (0, 25, 50, 75, 100):
        x = _x(percent / 100)
        yield f'<line class="{"half" if percent == 50 else "grid"}" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text class="quiet tick" x="{x}" y="{bottom + 18}">{percent}</text>'
    reference = verdict.label(verdict.reference or "")
    role = "the baseline" if verdict.reference == verdict.baseline else "the leader"
    head = f"preferred to {_cut(reference)} ({role}), in 100 decided votes"
    yield f'<text class="quiet" x="{_LEFT}" y="{_TOP - 12}">{_text(head)}</text>'


def _x(share: float) -> str:
    return f"{_LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT):.1f}"


def _interval(standing: Standing, middle: int) -> Iterator[str]:
    if standing.chance is None:
        x = float(_x(0.5))
        yield f'<path class="mark" d="M {x:.1f} {middle - 8} l 8 8 l -8 8 l -8 -8 z"/>'
        return
    if standing.low is not None and standing.high is not None:
        ends = f'x1="{_x(standing.low)}" x2="{_x(standing.high)}"'
        yield f'<line class="range" {ends} y1="{middle}" y2="{middle}"/>'
    yield f'<circle class="dot" cx="{_x(standing.chance)}" cy="{middle}" r="6"/>'


def _bar(standing: Standing, middle: int, most: float) -> Iterator[str]:
    share = max(standing.estimate or 0.0, 0.0) / most if most > 0 else 0.0
    width = share * (_RIGHT - _LEFT)
    yield f'<rect class="bar" x="{_LEFT}" y="{middle - 9}" width="{width:.1f}" height="18" rx="3"/>'


def _said(verdict: Verdict, standing: Standing) -> str:
    """The figure beside the bar."""
    if verdict.metric != "votes":
        if standing.estimate is None:
            return "–"
        return words.figure(verdict.metric, standing.estimate, is_rate=standing.trials is not None)
    if standing.chance is None:
        return "the baseline" if standing.value == verdict.baseline else "the leader"
    ends = ""
    if standing.low is not None and standing.high is not None:
        ends = f" ({words.ends(standing.low, standing.high)})"
    return f"{words.hundred(standing.chance)}{ends}"


def _small(standing: Standing) -> str:
    best = "" if standing.chance_best is None else f", best: {words.percent(standing.chance_best)}"
    return f"rank {rank_text(standing)}{best}"


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
