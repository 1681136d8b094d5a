"""Sine and cosine, rounded, so that no platform's last bit can move a pixel."""

from __future__ import annotations

import math

__all__ = ["cos", "sin"]


def sin(turn: float) -> float:
    """The sine to nine digits."""
    return round(math.sin(turn), 9)


def cos(turn: float) -> float:
    """The cosine to nine digits."""
    return round(math.cos(turn), 9)
