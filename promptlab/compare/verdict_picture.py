"""A verdict as one SVG picture: by votes each value's chance with its interval, else its figure as a bar.

It stands alone (its own style, no script), is legible on light and dark, and has a title for who can't see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from promptlab.compare import verdict_words as words
from promptlab.compare.verdict_model import Standing, Verdict
from promptlab.compare.verdict_tables import plain, rank_text

__all__ = ["picture"]

_LETTERS = 24  # of a label
_MOST = 40  # values in one picture


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things stand: the whole width, the scale's ends, a row's height; `narrow` has labels above their bars."""

    width: int
    left: int
    right: int
    row: int
    narrow: bool
    top: int = 34
    bottom: int = 30

    def x(self, share: float) -> str:
        """A share of the scale."""
        return f"{self.left + min(max(share, 0.0), 1.0) * (self.right - self.left):.1f}"


_STYLE = """
text { font: 14px ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  fill: #1d1c1a; font-variant-numeric: tabular-nums; }
.quiet { fill: #6d6a64; font-size: 12px; }
.name { font-weight: 600; text-anchor: end; }
.tick { text-anchor: middle; }
.end { text-anchor: end; }
.begin, .above { text-anchor: start; }
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


def picture(verdict: Verdict, *, narrow: bool = False) -> str:
    """The standings that can be ranked, best first, as a whole SVG document; `narrow` is for a phone."""
    shown = [each for each in verdict.standings if each.rank_low is not None][:_MOST]
    frame = _frame(shown, narrow=narrow)
    height = frame.top + frame.row * max(len(shown), 1) + frame.bottom
    described = "; ".join(f"{plain(each.label)}: {_said(verdict, each)}" for each in shown)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width} {height}" width="{frame.width}" '
        f'height="{height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{_text(verdict.headline)}</title>',
        f'<desc id="d">{_text(described)}</desc>',
        f"<style>{_STYLE}</style>",
        *_rows(verdict, shown, frame),
        "</svg>",
        "",
    ])  # fmt: skip


def _frame(shown: list[Standing], *, narrow: bool) -> _Frame:
    if narrow:
        return _Frame(360, 10, 350, 58, narrow=True)
    letters = max((len(_cut(each.label)) for each in shown), default=0)
    left = min(40 + 8 * letters, 220)
    return _Frame(left + 570, left, left + 370, 40, narrow=False)


def _text(text: str) -> str:
    """Text of any kind inside SVG: escaped, and without what XML can't hold."""
    return escape(plain(text))


def _rows(verdict: Verdict, shown: list[Standing], frame: _Frame) -> Iterator[str]:
    if not shown:
        yield f'<text class="quiet tick" x="{frame.width / 2:.0f}" y="{frame.top + 22}">Nothing to draw yet</text>'
        return
    by_votes = verdict.metric == "votes"
    yield from _scale(verdict, frame, frame.top + frame.row * len(shown)) if by_votes else ()
    most = max((each.estimate or 0.0 for each in shown), default=0.0)
    for at, standing in enumerate(shown):
        top = frame.top + frame.row * at
        middle = top + (40 if frame.narrow else frame.row // 2)
        yield f'<g class="{"first" if standing.value == verdict.leader else "other"}">'
        yield from _words(verdict, standing, frame, top)
        yield from _interval(standing, frame, middle) if by_votes else _bar(standing, frame, middle, most)
        yield "</g>"


def _words(verdict: Verdict, standing: Standing, frame: _Frame, top: int) -> Iterator[str]:
    """The label and the figures: on both sides of the bar, or above it."""
    label, said = _text(_cut(standing.label)), _text(_said(verdict, standing))
    if frame.narrow:
        yield f'<text class="name above" x="{frame.left}" y="{top + 22}">{label}</text>'
        yield f'<text class="end" x="{frame.right}" y="{top + 22}">{said}</text>'
        return
    middle = top + frame.row // 2
    yield f'<text class="name" x="{frame.left - 16}" y="{middle + 5}">{label}</text>'
    yield f'<text x="{frame.right + 18}" y="{middle + 1}">{said}</text>'
    yield f'<text class="quiet" x="{frame.right + 18}" y="{middle + 16}">{_text(_small(standing))}</text>'


def _scale(verdict: Verdict, frame: _Frame, bottom: int) -> Iterator[str]:
    for percent in (0, 25, 50, 75, 100):
        x = frame.x(percent / 100)
        yield f'<line class="{"half" if percent == 50 else "grid"}" x1="{x}" x2="{x}" y1="{frame.top}" y2="{bottom}"/>'
        side = " end" if frame.narrow and percent == 100 else " begin" if frame.narrow and percent == 0 else ""
        yield f'<text class="quiet tick{side}" x="{x}" y="{bottom + 18}">{percent}</text>'
    reference = verdict.label(verdict.reference or "")
    role = "the baseline" if verdict.reference == verdict.baseline else "the leader"
    head = f"preferred to {_cut(reference)} ({role}), in 100 decided votes"
    yield f'<text class="quiet" x="{frame.left}" y="{frame.top - 12}">{_text(head)}</text>'


def _interval(standing: Standing, frame: _Frame, middle: int) -> Iterator[str]:
    if standing.chance is None:
        yield f'<path class="mark" d="M {frame.x(0.5)} {middle - 8} l 8 8 l -8 8 l -8 -8 z"/>'
        return
    if standing.low is not None and standing.high is not None:
        ends = f'x1="{frame.x(standing.low)}" x2="{frame.x(standing.high)}"'
        yield f'<line class="range" {ends} y1="{middle}" y2="{middle}"/>'
    yield f'<circle class="dot" cx="{frame.x(standing.chance)}" cy="{middle}" r="6"/>'


def _bar(standing: Standing, frame: _Frame, middle: int, most: float) -> Iterator[str]:
    share = max(standing.estimate or 0.0, 0.0) / most if most > 0 else 0.0
    width = share * (frame.right - frame.left)
    yield f'<rect class="bar" x="{frame.left}" y="{middle - 9}" width="{width:.1f}" height="18" rx="3"/>'


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
    best = "" if standing.chance_best is None else f", best: {words.likely(standing.chance_best)}"
    return f"rank {rank_text(standing)}{best}"


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
