"""The one matcher, a map of axis to id or ids, and `--where`, the text that picks variants on the command line.

A text is one or more conditions, all of which must hold: `look=neon,item=S-204`. A condition is an axis (or a field of
its rows, `item.colour`) and ids, one of which must match: `item=S-204,S-205`. A part with `=` opens a new condition
where an axis is before it; an id with `=` or `,` is in double quotes. Ids may be globs (`S-*`, `?`,
`[ab]`); an id in quotes is taken as it is. Several texts must all hold, also two about one axis.

`resolve` turns all of that into plain matchers against the values that are there, of a plan or of a log, so that
nothing that picks variants knows globs or fields, and what picks nothing is an error that names the nearest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from typing import Any, NamedTuple, NoReturn

from promptlab.errors import InputError, Problem
from promptlab.model import Matcher

from .names import did_you_mean, listed, quoted

__all__ = ["Values", "Where", "conditions", "matches", "parse_matcher", "resolve"]

#: What picks variants: a text, a matcher, or several of them, all of which must hold.
Where = str | Matcher | Sequence[str | Matcher]
#: axis → value id → the value used: its text, or its fields.
Values = Mapping[str, Mapping[str, Any]]

_HOW = "write axis=id, axis=id,id or axis=id,axis=id"
_GLOB = re.compile(r"[*?\[]")


class Condition(NamedTuple):
    """One axis or field, and what is accepted of it: texts, each with whether it may be a glob."""

    name: str
    accepts: tuple[tuple[str, bool], ...]


def conditions(where: Where, is_name: Callable[[str], bool] | None = None) -> list[Condition]:
    """All conditions of a `where`; without `is_name` every unquoted `name=` opens a condition."""
    found: list[Condition] = []
    for each in [where] if isinstance(where, str | Mapping) else where:
        if isinstance(each, str):
            found += _read(each, is_name)
        elif isinstance(each, Mapping):
            found += [Condition(name, tuple((id_, True) for id_ in sorted(ids))) for name, ids in each.items()]
        else:
            raise InputError(f"{each!r} is not a condition; {_HOW}", code="bad-matcher")
    return found


def parse_matcher(pairs: str | Iterable[str | tuple[str, str]]) -> Matcher:
    """The matcher of `axis=id,id` texts, or of (axis, ids) pairs, before it is held against any experiment.

    Each axis once: what has to match twice is two texts for `where`. InputError says how one is written.
    """
    picked: dict[str, frozenset[str]] = {}
    for pair in [pairs] if isinstance(pairs, str) else pairs:
        for condition in _read(pair, None) if isinstance(pair, str) else [_pair(*pair)]:
            if condition.name in picked:
                message = f"{condition.name!r}occurs twice; one axis takes several ids as axis=id,id"
                raise InputError(message, code="bad-matcher")
            picked[condition.name] = frozenset(text for text, _ in condition.accepts)
    return picked


def _pair(name: str, ids: str) -> Condition:
    (condition,) = _read(f"{name}={ids}", lambda _: False)
    return condition


def matches(matcher: Matcher, axes: Mapping[str, str]) -> bool:
    """Whether a variant has one of the matcher's ids on every axis it names; an axis that is unset fits nothing."""
    return all(axes.get(axis) in ids for axis, ids in matcher.items())


# --- reading ------------------------------------------------------------------------------------------------------

_NAME = re.compile(r'\s*([^=,"]*?)\s*=')
_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?=,|$)')
_PLAIN = re.compile(r"[^,]*")


def _read(text: str, is_name: Callable[[str], bool] | None) -> Iterator[Condition]:
    """The conditions of one text."""
    name, accepts, at = "", list[tuple[str, bool]](), 0
    while True:
        if (opened := _NAME.match(text, at)) and (at == 0 or is_name is None or is_name(opened[1])):
            if at:
                yield _condition(name, accepts, text)
            name, accepts, at = opened[1], [], opened.end()
        elif at == 0:
            _refuse(text)
        if found := _QUOTED.match(text, at):
            accepts.append((found[1].replace('""', '"'), False))
        elif text[at:].lstrip().startswith('"'):
            message = f"{quoted(text)} can't be read: a double quote is not closed, or is followed by something"
            raise InputError(f"{message}; put an id with a comma in double quotes", code="bad-matcher")
        else:
            found = _PLAIN.match(text, at)
            assert found is not None
            if found[0].strip():
                accepts.append((found[0].strip(), True))
        at = found.end() + 1
        if at > len(text):
            yield _condition(name, accepts, text)
            return


def _condition(name: str, accepts: list[tuple[str, bool]], text: str) -> Condition:
    if not name or not accepts:
        _refuse(text)
    return Condition(name, tuple(dict.fromkeys(accepts)))


def _refuse(text: str) -> NoReturn:
    raise InputError(f"{text!r} picks nothing; {_HOW}", code="bad-matcher")


# --- resolving ----------------------------------------------------------------------------------------------------


def resolve(where: Where, values: Values, what: str = "--where") -> tuple[Matcher, ...]:
    """The plain matchers of a `where`, one for each condition; InputError with everything that is not there.

    `what` opens each message.
    """
    problems: list[Problem] = []
    found: list[Matcher] = []
    for condition in conditions(where, lambda name: _axis_of(name, values) is not None):
        try:
            found.append(_resolved(condition, values))
        except _NotThere as missing:
            problems.append(Problem(missing.code, f"{what}: {missing}"))
    if problems:
        raise InputError(dict.fromkeys(problems))
    return tuple(found)


class _NotThere(Exception):
    """A name or an id that nothing has."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _axis_of(name: str, values: Values) -> str | None:
    """The axis that a name or `axis.field` belongs to."""
    axis = name
    while axis not in values:
        axis, dot, _ = axis.rpartition(".")
        if not dot:
            return None
    return axis


def _resolved(condition: Condition, values: Values) -> Matcher:
    name = condition.name
    axis = _axis_of(name, values)
    if axis is None:
        advice = did_you_mean(name, values) or f"; there are {listed(values) or 'none'}"
        raise _NotThere("unknown-axis", f"no axis {quoted(name)}{advice}")
    if axis == name:
        return {axis: frozenset(_picked(condition, values[axis], f"'{axis}' has no value", values))}
    field = name[len(axis) + 1 :]
    ids = _ids_by_field(axis, field, values[axis])
    chosen = _picked(condition, ids, f"no value of '{axis}' has the {field}", values)
    return {axis: frozenset(id_ for text in chosen for id_ in ids[text])}


def _picked(condition: Condition, known: Mapping[str, object], nothing: str, axes: Iterable[str]) -> list[str]:
    """The known texts that a condition accepts; one that accepts none is an error."""
    found: list[str] = []
    for text, may_glob in condition.accepts:
        if text in known:
            found.append(text)
            continue
        like = re.compile(translate(text)).match if may_glob and _GLOB.search(text) else None
        chosen = [other for other in known if like(other)] if like else []
        if not chosen:
            advice = did_you_mean(text, known) or f"; there are {listed(known)}"
            if may_glob and "=" in text:  # surely meant as a separate condition
                name = text.partition("=")[0].strip()
                near = did_you_mean(name, axes) or f"; there are {listed(axes)}"
                advice = f", and no axis is called {quoted(name)}{near}"
            raise _NotThere("unknown-id", f"{nothing} {quoted(text)}{advice}")
        found += chosen
    return found


def _ids_by_field(axis: str, field: str, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """text of a field → the ids of the values that have it; a list in a field counts as each of its texts."""
    ids: dict[str, list[str]] = {}
    names: dict[str, None] = {}
    for id_, value in values.items():
        if not isinstance(value, Mapping):
            continue
        names.update(dict.fromkeys(map(str, value)))
        for text in _texts(value, field):
            ids.setdefault(text, []).append(id_)
    if not ids:
        advice = did_you_mean(field, names) or (f"; there are {listed(names)}" if names else ", only texts")
        raise _NotThere("unknown-axis", f"the values of '{axis}' have no field {quoted(field)}{advice}")
    return ids


def _texts(value: Any, path: str) -> list[str]:
    """The value of a field: `size`, or `size.width` of a map in a map."""
    if isinstance(value, Mapping):
        if path in value:
            return _leaves(value[path])
        first, _, rest = path.partition(".")
        return _texts(value[first], rest) if rest and first in value else []
    return []


def _leaves(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return [] if isinstance(value, Mapping) else [str(value)]
