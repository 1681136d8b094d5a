"""What a value is in a template, what it may be, and the operators on it: too large a result is refused unmade."""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import Formatter
from types import MappingProxyType
from typing import Any, Never

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Macro
from jinja2.utils import missing

from promptlab.prompts.sandbox.limits import (
    MAX_BITS,
    MAX_NESTING,
    MAX_SIZE,
    MAX_TEXT,
    MAX_WIDTH,
    LimitReached,
)
from promptlab.spec.names import did_you_mean, listed

# --- what a template sees -----------------------------------------------------------------------------------------


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
        return f"undefined field {name!r}{hint(name, known)}"


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


def hint(name: str, known: Iterable[str]) -> str:
    """What to say after "undefined x": the nearest name, or what there is, or nothing."""
    names = sorted(set(known))
    return (did_you_mean(name, names) or f"; there is {listed(names, 8)}") if names else ""


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
    what, remedy = next((said for kinds, *said in _NO_TEXT if isinstance(value, kinds)), ("a value of this kind", ""))
    raise TemplateRuntimeError(f"{what} cannot be written into a prompt{remedy}")


_NO_TEXT: tuple[tuple[Any, str, str], ...] = (
    ((list, tuple), "a list", "; write `| join(', ')` after it"),
    (dict, "a map", "; name one of its fields, or write `| tojson` after it"),
    (type(None), "none", "; write `| default('...', true)` after it"),
    (Macro, "a macro", "; call it with ()"),
)


# --- how large it may be ------------------------------------------------------------------------------------------


def check_length(length: int) -> None:
    """Refuse a text before it is made."""
    if length > MAX_TEXT:
        raise LimitReached(f"a text of {length:,} characters; a prompt can have {MAX_TEXT:,}")


def size(value: object) -> tuple[int, int]:
    """(characters and items, items visited) of a value, as far as printing or comparing it would walk.

    Shared parts count as often as they are reachable: forty times `[x, x]` is small in memory and slow to compare.
    """
    total = items = 0
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        items += len(level)
        for item in level:
            if isinstance(item, str):
                total += len(item)
            elif isinstance(item, (list, tuple)):
                below.extend(item) if len(item) + len(below) <= MAX_SIZE else _too_large()
            elif isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values()) if len(item) + len(below) <= MAX_SIZE else _too_large()
        if total + items + len(below) > MAX_SIZE:
            _too_large()
        depth += 1
        if depth > MAX_NESTING:
            raise LimitReached(f"a list or map nested more than {MAX_NESTING} deep")
        level = below
    return total + items, items


def _too_large() -> None:
    raise LimitReached(f"a list or map of more than {MAX_SIZE:,} characters and items")


# --- operators ----------------------------------------------------------------------------------------------------

_PRINTF = r"%(?:\((\w+)\))?([-+ 0#]{0,3}\d{0,3}(?:\.\d{1,3})?)([sdifgGeExXo%])"
_SPEC = r"(?s)(?:[^{}]?[<>=^])?[-+ ]?#?0?\d{0,3}[,_]?(?:\.\d{1,3})?[bdeEfFgGosxX%]?"
_FIELD = r"(\w*)((?:\.\w+)*)"

Getter = Callable[[Any, str], Any]


def _whole(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise LimitReached(f"a number of more than {MAX_BITS * 3 // 10} digits")
    return value


def add(left: Any, right: Any) -> Any:
    """`+` of numbers, texts or lists."""
    if isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        _room(left, len(left) + len(right))
    return _whole(left + right)


def multiply(left: Any, right: Any) -> Any:
    """`*`: a text or list times a number is refused by the length it would have."""
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, (str, list, tuple)) and isinstance(count, int):
            _room(sequence, len(sequence) * max(count, 0))
    return _whole(left * right)


def power(left: Any, right: Any) -> Any:
    """`**`, refused by the bits it would have."""
    if isinstance(left, int) and isinstance(right, int) and right > 0 and left.bit_length() * right > 2 * MAX_BITS:
        _whole(1 << (MAX_BITS + 1))
    return _whole(left**right)


def modulo(left: Any, right: Any) -> Any:
    """`%` of numbers, or a printf-style format."""
    if isinstance(left, str):
        return printf(left, right)
    return left % right


def _room(value: Any, length: int) -> None:
    if isinstance(value, str):
        check_length(length)
    elif length > MAX_SIZE:
        raise LimitReached(f"a list of {length:,} items")


BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "*": multiply,
    "**": power,
    "%": modulo,
    "-": lambda left, right: _whole(left - right),
    "/": operator.truediv,
    "//": operator.floordiv,
}

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}


def printf(text: str, values: Any) -> str:
    """`text % values` and `| format`: widths below 1,000, no `*`, texts and numbers only."""
    given: Sequence[Any] = values if isinstance(values, tuple) else (values,)
    named: Mapping[str, Any] = values if isinstance(values, dict) else {}
    parts: list[str] = []
    length = end = used = 0
    for match in re.finditer(_PRINTF, text):
        name, layout, kind = match.groups()
        parts.append(_plain(text[end : match.start()]))
        end = match.end()
        if kind == "%":
            value = "%"
        elif name is not None:
            value = _printed(layout, kind, named[name])
        else:
            value = _printed(layout, kind, given[used] if used < len(given) else _short("%"))
            used += 1
        parts.append(value)
        length += len(parts[-2]) + len(value)
        check_length(length)
    parts.append(_plain(text[end:]))
    if used < len(given) and not named:
        raise TemplateRuntimeError("the text has fewer placeholders than there are values")
    check_length(length + len(parts[-1]))
    return "".join(parts)


def _plain(text: str) -> str:
    if "%" in text:
        raise TemplateRuntimeError(
            "a placeholder in a text to format is written like %s, %d or %.2f; a percent sign is %%"
        )
    return text


def _printed(layout: str, kind: str, value: Any) -> str:
    return str(f"%{layout}{kind}" % (as_text(value) if kind == "s" else _number(value),))


def _number(value: Any) -> int | float:
    if isinstance(value, (int, float)):
        return value
    raise TemplateRuntimeError(f"{as_text(value)!r} is not a number; write %s, or `| float` after it")


def _short(sign: str) -> Any:
    raise TemplateRuntimeError(f"the text has more placeholders ({sign}) than there are values")


def format_text(getter: Getter, text: str, given: Sequence[Any], named: Mapping[str, Any]) -> str:
    """`'{} of {name}'.format(...)`: names and fields only, widths below 1,000, texts and numbers only."""
    parts: list[str] = []
    length = automatic = 0
    for literal, field, layout, conversion in Formatter().parse(text):
        parts.append(literal)
        if field is not None:
            match = re.fullmatch(_FIELD, field)
            if match is None or conversion not in (None, "s") or not re.fullmatch(_SPEC, layout or ""):
                raise TemplateRuntimeError(f"{{{field[:40]}}} cannot be formatted; write {{}}, {{name}} or {{:.2f}}")
            key = match[1] or str(automatic)
            automatic += not match[1]
            value = _given(key, given, named)
            for name in match[2].split(".")[1:]:
                value = getter(value, name)
            scalar = value if isinstance(value, (int, float)) else as_text(value)
            parts.append(format(scalar, layout or ""))
            length += len(parts[-1])
        length += len(literal)
        check_length(length)
    return "".join(parts)


def _given(key: str, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    if key.isdigit():
        return given[int(key[:6])] if int(key[:6]) < len(given) else _short("{}")
    if key not in named:
        raise TemplateRuntimeError(f"nothing named {key!r} is given to format")
    return named[key]


def replaced(text: str, old: str, new: str, count: int = -1) -> str:
    """`.replace` and `| replace`, refused by the length it would have."""
    text, old, new = as_text(text), as_text(old), as_text(new)
    times = text.count(old) if count < 0 else min(text.count(old), count)
    check_length(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, count)


def joined(separator: Any, items: Any) -> str:
    """`.join` and `| join`, refused by the length it would have."""
    between = as_text(separator)
    texts = [as_text(item) for item in items]
    check_length(sum(map(len, texts)) + len(between) * max(len(texts) - 1, 0))
    return between.join(texts)


def check_width(width: Any) -> int:
    """A width to pad to."""
    if not isinstance(width, int) or width > MAX_WIDTH:
        raise LimitReached(f"a width above {MAX_WIDTH:,}")
    return width
