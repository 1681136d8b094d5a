"""JSON bodies with a large image inside: sent piece by piece, so that calls of one image share its text in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Base64Text", "json_pieces"]

_PIECE = 256 * 1024


class Base64Text(str):
    """Base64: ASCII that JSON writes as it is, so its length is known and no copy of it is needed."""

    __slots__ = ()


def json_pieces(body: Mapping[str, Any]) -> tuple[int, Iterator[bytes]]:
    """The length of a JSON body, and the body in pieces; each value that is a Base64Text is taken as it is."""
    parts: list[bytes | Base64Text] = []
    opening = b"{"
    for name, value in body.items():
        parts.append(opening + _dumps(name) + b":")
        opening = b","
        parts += [b'"', value, b'"'] if isinstance(value, Base64Text) else [_dumps(value)]
    parts.append(b"}" if body else b"{}")
    return sum(map(len, parts)), _pieces(parts)


def _pieces(parts: list[bytes | Base64Text]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        for start in range(0, len(part), _PIECE):
            yield part[start : start + _PIECE].encode("ascii")


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
