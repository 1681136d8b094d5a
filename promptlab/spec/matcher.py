"""The one matcher: a map of axis to id or ids, used wherever variants are picked."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping

from promptlab.errors import InputError
from promptlab.model import Matcher

__all__ = ["matches", "parse_matcher"]


def parse_matcher(pairs: str | Iterable[str | tuple[str, str]]) -> Matcher:
    """The matcher of `--where axis=id,id`, given once or several times, or as (axis, ids) pairs.

    Ids are separated by commas; one that holds a comma stands in double quotes, as in a CSV file. The same axis twice
    adds its ids. InputError says how one is written.
    """
    picked: dict[str, list[str]] = {}
    for pair in [pairs] if isinstance(pairs, str) else pairs:
        axis, is_pair, ids = pair.partition("=") if isinstance(pair, str) else (pair[0], "=", pair[1])
        found = _ids(ids)
        if not is_pair or not axis.strip() or not found:
            raise InputError(f"{pair!r} picks nothing; write axis=id or axis=id,id", code="bad-matcher")
        picked.setdefault(axis.strip(), []).extend(found)
    return {axis: frozenset(ids) for axis, ids in picked.items()}


def _ids(text: str) -> list[str]:
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        message = f"{text!r} can't be read ({error}); an id with a comma stands in double quotes"
        raise InputError(message, code="bad-matcher") from None
    return [cell.strip() for row in rows for cell in row if cell.strip()]


def matches(matcher: Matcher, axes: Mapping[str, str]) -> bool:
    """Whether a variant has one of the matcher's ids on every axis it names; an axis that is unset fits nothing."""
    return all(axes.get(axis) in ids for axis, ids in matcher.items())
