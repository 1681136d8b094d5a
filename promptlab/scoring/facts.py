"""Scores of what the log knows: size and shape against what was asked, drift of the revised prompt, the label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from promptlab.compare.text import similarity
from promptlab.scoring.scorer import ImageFile, ImageRow, Scorer
from promptlab.spec.score_checks import BUILT_IN_SCORES

__all__ = ["Drift", "Label", "Size"]

_PAIR = r"([1-9]\d{0,4})\s*([x:×])\s*([1-9]\d{0,4})"


def _asked(value: object, sign: str) -> tuple[int, int] | None:
    """The two numbers of `1536x1024` or `16:9`; None for `auto` and where nothing was asked."""
    match = re.fullmatch(_PAIR, str(value or ""))
    return (int(match[1]), int(match[3])) if match and match[2] in sign else None


class Size(Scorer):
    """How far width, height and shape are from what was asked; nothing where nothing was asked."""

    name: ClassVar[str] = "size"
    version = "1"
    scores: ClassVar[Mapping[str, str]] = {each: BUILT_IN_SCORES[each] for each in ("size_off", "aspect_off")}

    def applies(self, row: ImageRow) -> bool:
        """Where a size or an aspect ratio was asked for."""
        return bool(_asked(row.params.get("size"), "x×") or _asked(row.params.get("aspect_ratio"), ":"))

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, float]:
        """`size_off` where a size was asked for, `aspect_off` where a size or an aspect ratio was."""
        width, height = (row.width, row.height) if row.width and row.height else image.picture.size
        found: dict[str, float] = {}
        size = _asked(row.params.get("size"), "x×")
        if size is not None:
            found["size_off"] = max(abs(width - size[0]) / size[0], abs(height - size[1]) / size[1])
        shape = size or _asked(row.params.get("aspect_ratio"), ":")
        if shape is not None:
            shapes = width / height, shape[0] / shape[1]
            found["aspect_off"] = max(shapes) / min(shapes) - 1
        return found


class Drift(Scorer):
    """How much of the prompt the model changed; nothing where it gave no revised prompt."""

    name: ClassVar[str] = "drift"
    version = "1"
    scores: ClassVar[Mapping[str, str]] = {name: BUILT_IN_SCORES[name]}

    def applies(self, row: ImageRow) -> bool:
        """Where there is a revised prompt."""
        return bool(row.revised_prompt)

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, float]:
        """1 minus the share of words that both prompts have in the same order."""
        return {self.name: 1 - similarity(row.prompt, row.revised_prompt or "")}


class Label(Scorer):
    """What the file says of its making, as it was found when it was kept; nothing where nobody looked."""

    name: ClassVar[str] = "label"
    version = "1"
    scores: ClassVar[Mapping[str, str]] = {name: BUILT_IN_SCORES[name]}

    def applies(self, row: ImageRow) -> bool:
        """Where the log knows it."""
        return row.label is not None

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, str]:
        """The log's word for it: c2pa, iptc, c2pa iptc, or none."""
        return {self.name: row.label or "none"}
