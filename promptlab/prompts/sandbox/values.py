"""What a template sees: text with fields, and undefined names that explain themselves."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Never

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Macro
from jinja2.utils import missing

from promptlab.spec.names import nearest


class Fields(str):
    """A text that has fields: `{{ look }}` is the text, `{{ look.light }}` a field. Immutable, and picklable.

    A field comes before a method of str, so that a column named `title` or `format` is that column.
    """

    __slots__ = ("fields",)
    fields: Mapping[str, Any]

    def __new__(cls, text: str, fields: Mapping[str, Any]) -> Fields:
        """A text with these fields; the mapping is copied."""
        made = super().__new__(cls, text)
        object.__setattr__(made, "fields", MappingProxyType(dict(fields.items())))
        return made

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __reduce__(self) -> tuple[type[Fields], tuple[str, dict[str, Any]]]:
        return (Fields, (str.__str__(self), dict(self.fields)))


class Missing(StrictUndefined):
    """An undefined name or field: anything but `is defined` and `default` raises, with the nearest name."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint or not isinstance(self._undefined_name, str):
            return super()._undefined_message
        name, owner = self._undefined_name, self._undefined_obj
        known = field_names(owner)
        if known is None:
            return f"undefined {'variable' if owner is missing else 'field'} {name!r}"
        return f"undefined field {name!r}{did_you_mean(name, known)}"


def form(name: str) -> str:
    """A name as Python reads it: those that differ only in their Unicode form (NFKC) are one."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def field_names(value: object) -> list[str] | None:
    """The fields of a value, or None when it is not of a kind that has them."""
    if isinstance(value, Fields):
        return list(value.fields)
    if isinstance(value, dict):
        return [str(key) for key in value]
    return [] if isinstance(value, (str, int, float, list, tuple)) else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'subject'?`, or what there is, or nothing."""
    names = sorted(set(known))
    near = nearest(name, names)
    if near is not None:
        return f"; did you mean {near!r}?"
    return f"; there is {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else ""


def as_text(value: object) -> str:
    """How a value reads in a prompt: text, numbers and true/false do; a list, a map or a macro is a mistake.

    A list would read `['a', 'b']`, nothing would read `None`, and a macro's name holds an address that differs from
    run to run: each costs money to notice, so each is an error.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]  # narrowed by identity, which is the fast path
    if isinstance(value, str):
        return str.__str__(value)
    if kind is int or kind is float or kind is bool:
        return str(value)
    if isinstance(value, Undefined):
        return str(value)  # raises, except for `{{ 'x' if y }}`, whose missing else is empty
    raise TemplateRuntimeError(f"{_named(value)} cannot be written into a prompt{_remedy(value)}")


def _named(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, dict):
        return "a map"
    if value is None:
        return "none"
    return "a macro" if isinstance(value, Macro) else "a value of this kind"


def _remedy(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "; write `| join(', ')` after it"
    if isinstance(value, dict):
        return "; name one of its fields, or write `| tojson` after it"
    if value is None:
        return "; write `| default('...', true)` after it"
    return "; call it with ()" if isinstance(value, Macro) else ""
