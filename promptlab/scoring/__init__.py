"""Scores of images: what can be measured, read back or judged, and checks that an experiment asks for."""

from __future__ import annotations

from promptlab.scoring.scorer import BUILT_IN, ImageFile, ImageRow, Scorer, scorer, scorer_names

__all__ = ["BUILT_IN", "ImageFile", "ImageRow", "Scorer", "scorer", "scorer_names"]
