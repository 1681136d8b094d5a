"""The types that a template can declare for its variables, and how the text of an experiment becomes them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from promptlab.prompts.sandbox.values import Fields

Kind = Literal["string", "integer", "number", "boolean", "list", "map"]

TYPES: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}


def convert(kind: Kind | None, name: str, value: Any) -> Any:
    """The value as the declared type; ValueError says what it is and what it has to be."""
    if kind is None:
        return value
    if kind in ("list", "map"):
        wanted = (list, tuple) if kind == "list" else (Mapping,)
        if isinstance(value, wanted) or (kind == "map" and isinstance(value, Fields) and value.fields):
            return value  # a row has its columns as fields
        shape = "[a, b]" if kind == "list" else "{a: b}"
        raise ValueError(f"{name!r} is {_shown(value)}; it has to be a {kind}, written {shape}")
    if isinstance(value, (list, tuple, Mapping)) or value is None:
        raise ValueError(f"{name!r} is {_shown(value)}; it has to be {_NAMES[kind]}")
    if kind == "string":
        return value if isinstance(value, (Fields, str)) else _text(value)
    return _scalar(kind, name, value)


def _scalar(kind: str, name: str, value: Any) -> Any:
    text = _text(value).strip()
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        return int(text)
    if kind == "number" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", text[:60], re.ASCII):
        number = float(text)
        if math.isfinite(number):
            return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else number
    raise ValueError(f"{name!r} is {_shown(text)}; it has to be {_NAMES[kind]}")


_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a map"
    return "nothing" if value is None else repr(str(value)[:60])
