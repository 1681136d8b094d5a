"""What the pictures know, as files: words, drawn things, colours, lights, moods, cameras, moves, materials, letters."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

__all__ = ["tables", "text"]


def text(name: str) -> str:
    """A file of this folder. A wheel is always unpacked, and importlib.resources costs more than all that is read."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@functools.cache
def tables(name: str) -> dict[str, Any]:
    """The tables of a JSON file, by their name; lists come as tuples, since colours are compared and hashed."""
    found: dict[str, Any] = _frozen(json.loads(text(f"{name}.json")))
    return found


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return value
