"""The operators and methods of the sandbox: each refuses a result that is too large before making it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from jinja2.exceptions import TemplateRuntimeError

from promptlab.prompts.sandbox.limits import MAX_BITS, MAX_SIZE, MAX_WIDTH, LimitReached, check_length
from promptlab.prompts.sandbox.values import as_text

_PRINTF = re.compile(r"%(?:\((\w+)\))?([-+ 0#]{0,3}\d{0,3}(?:\.\d{1,3})?)([sdifgGeExXo%])")
_SPEC = re.compile(r"(?:[^{}]?[<>=^])?[-+ ]?#?0?\d{0,3}[,_]?(?:\.\d{1,3})?[bdeEfFgGosxX%]?", re.DOTALL)
_FIELD = re.compile(r"(\w*)((?:\.\w+)*)")

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
    for match in _PRINTF.finditer(text):
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
            match = _FIELD.fullmatch(field)
            if match is None or conversion not in (None, "s") or not _SPEC.fullmatch(layout or ""):
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
