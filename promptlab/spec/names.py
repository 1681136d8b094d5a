"""Names: the nearest one that is known, and those that smell of a key or an address."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from itertools import islice

from promptlab.errors import nearest

__all__ = [
    "CHAIN_AXIS",
    "all_differ",
    "did_you_mean",
    "is_address",
    "is_secret",
    "is_secret_value",
    "listed",
    "nearest",
    "pair",
    "quoted",
]

#: The axis whose values are the images that a chain (`image: {from: …}`) edits; only the log knows their ids.
CHAIN_AXIS = "source"

_SECRET = re.compile(
    r"(?i)key|(?:.*[_-])?(?:api_?key|access_?key|secret_?key|private_?key|token|secret|password|passwd|authorization"
    r"|bearer|credentials?)"
)
_SECRET_VALUE = re.compile(r"^(?:Bearer\s+)?(?:kv_|sk-)[A-Za-z0-9_-]{8,}$")
_ADDRESSES = frozenset(
    {"base_url", "baseurl", "url", "api_url", "api_base", "endpoint", "address", "host", "origin", "server"}
)


def all_differ(numbers: Iterable[int]) -> bool:
    """Whether no two of some 64-bit numbers agree; looked at in parts, since a million of them in a set are 80 MB."""
    kept = array("q", numbers)
    parts = 1 if len(kept) < 20_000 else 16
    for part in range(parts):
        found = [number for number in kept if number % parts == part]
        if len(set(found)) < len(found):
            return False
    return True


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'seeds'?`, or nothing, to be put after a sentence."""
    close = nearest(name, names)
    return "" if close is None else f"; did you mean {close!r}?"


def listed(names: Iterable[str], most: int = 12) -> str:
    """`a, b, c` for a message; long lists are cut, and say so."""
    known = [name if name.isprintable() else repr(name) for name in islice(names, most + 1)]
    return ", ".join(known[:most]) + (", …" if len(known) > most else "")


def is_secret(name: str) -> bool:
    """Whether a setting of this name would hold a key, a token or a password."""
    return _SECRET.fullmatch(name) is not None


def is_secret_value(text: str) -> bool:
    """Whether a text looks like an API key, whatever it is called."""
    return _SECRET_VALUE.match(text) is not None


def pair(key: str, value: str, most: int = 60) -> str:
    """`key: value` for a message that shows how something is written; no secret in it."""
    value = value.strip()
    return f"{key}: {'…' if is_secret(key) or is_secret_value(value) or len(value) > most else value}"


def is_address(name: str) -> bool:
    """Whether a setting of this name would say where requests go."""
    return name.casefold().replace("-", "_") in _ADDRESSES


def quoted(text: str, most: int = 60) -> str:
    """A text in quotes for a message, cut where it is long."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")
