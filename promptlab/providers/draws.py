"""How a draw reaches a simulator, whose pictures would be the same for the same body."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from promptlab.model import Request

__all__ = ["DRAW_HEADER", "draw_header"]

DRAW_HEADER = "X-Draw"
_SIMULATED = frozenset({"127.0.0.1", "::1", "localhost", "simulator.invalid"})


def draw_header(request: Request, base_url: str) -> Mapping[str, str]:
    """`X-Draw` for the second draw and later ones, to this process or this machine only.

    A real model makes another image each time it is asked; a simulator must know which time this is. No API
    elsewhere ever sees the header, and a first draw goes out without it.
    """
    if request.draw > 0 and urlsplit(base_url).hostname in _SIMULATED:
        return {DRAW_HEADER: str(request.draw)}
    return {}
