"""Which providers there are. The built-in ones are a table; others are found by their entry point.

Entry points (group `promptlab.providers`, `name = "module:Class"`) are only scanned for a name that is not built in,
or for a list: `importlib.metadata` costs 30 ms.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptlab.errors import InputError
from promptlab.model import Parameter
from promptlab.providers.base import Capabilities, Provider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["BUILT_IN", "GROUP", "get", "merged", "names", "parameters"]

GROUP = "promptlab.providers"
BUILT_IN: Mapping[str, str] = {
    "kairval": "promptlab.providers.kairval:Kairval",
    "openai": "promptlab.providers.openai:OpenAI",
    "simulator": "promptlab.providers.simulated:Simulator",
}


def names() -> list[str]:
    """Every provider's name, the built-in ones first."""
    return [*BUILT_IN, *sorted(set(_entry_points()) - set(BUILT_IN))]


def get(name: str) -> type[Provider]:
    """A provider's class; InputError for an unknown name, and for an entry point that does not load."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: type[Provider] = getattr(import_module(module), attribute)
        return found
    entry = _entry_points().get(name)
    if entry is None:
        known = names()
        close = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
        raise InputError(f"there is no provider {name!r}; {hint}", code="provider")
    return _loaded(entry)


def parameters(name: str | None = None) -> Mapping[str, Parameter]:
    """The parameters of one provider by name; without a name the union of all of them, as wide as its widest part.

    A third-party provider that does not load is left out of the union (`get` says what is wrong with it).
    """
    if name is not None:
        return {parameter.name: parameter for parameter in get(name).capabilities.parameters}
    union: dict[str, Parameter] = {}
    for provider in _loadable():
        for parameter in provider.capabilities.parameters:
            known = union.get(parameter.name)
            union[parameter.name] = parameter if known is None else merged(known, parameter)
    return union


def merged(a: Parameter, b: Parameter) -> Parameter:
    """One parameter that accepts what either accepts."""
    if a == b:
        return a
    if a.type != b.type:
        kind = "number" if {a.type, b.type} == {"integer", "number"} else "string"
        return Parameter(a.name, kind, a.description)  # type: ignore[arg-type]
    return replace(
        a,
        default=a.default if a.default == b.default else None,
        choices=tuple(dict.fromkeys(a.choices + b.choices)) if a.choices and b.choices else (),
        pattern=_wider(a, b),
        minimum=None if a.minimum is None or b.minimum is None else min(a.minimum, b.minimum),
        maximum=None if a.maximum is None or b.maximum is None else max(a.maximum, b.maximum),
        description=a.description if a.description == b.description else f"{a.description}; or {b.description}",
    )


def _wider(a: Parameter, b: Parameter) -> str | None:
    """The pattern that covers both, counting a list of choices as one."""
    patterns = [_pattern(parameter) for parameter in (a, b)]
    if None in patterns or (a.choices and b.choices):
        return None
    return "|".join(dict.fromkeys(pattern for pattern in patterns if pattern))


def _pattern(parameter: Parameter) -> str | None:
    import re

    if parameter.choices:
        return "|".join(re.escape(choice) for choice in parameter.choices)
    return parameter.pattern


def _loadable() -> Iterable[type[Provider]]:
    for name in names():
        try:
            yield get(name)
        except InputError:
            continue


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: EntryPoint) -> type[Provider]:
    owner = f" of {entry.dist.name}" if entry.dist is not None else ""
    where = f"provider {entry.name!r} ({entry.value}{owner})"
    try:
        found = entry.load()
    except Exception as error:  # whatever a third party's import raises becomes this one message
        raise InputError(f"{where} does not load: {type(error).__name__}: {error}", code="provider") from error
    problem = _misfit(found, entry.name)
    if problem is not None:
        raise InputError(f"{where} is not a provider: {problem}", code="provider")
    loaded: type[Provider] = found
    return loaded


def _misfit(found: Any, name: str) -> str | None:
    """What is wrong with an entry point's object, or None."""
    if not isinstance(found, type):
        return "the entry point does not name a class"
    missing = [
        each for each in ("encode", "decode", "error", "price", "cost") if not callable(getattr(found, each, None))
    ]
    if missing:
        return f"it has no {missing[0]}(); subclass promptlab.providers.Provider"
    if not isinstance(getattr(found, "capabilities", None), Capabilities):
        return "its `capabilities` is not a Capabilities"
    if getattr(found, "name", None) != name:
        return f"its `name` is {getattr(found, 'name', None)!r}, not {name!r}"
    return None
