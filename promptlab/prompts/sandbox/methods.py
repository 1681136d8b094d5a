"""The attributes and methods a template can reach on each kind of value: a list of what is allowed, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from promptlab.prompts.sandbox.guard import Guard
from promptlab.prompts.sandbox.operators import check_width, format_text, joined, replaced

Function = Callable[..., Any]


class Method:
    """A method bound to a value: all that a template can do with it is call it."""

    __slots__ = ("function", "value")

    def __init__(self, function: Function, value: Any) -> None:
        self.function = function
        self.value = value

    def call(self, sandbox: Guard, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run it inside the budget, and check what it made."""
        _PRICES.get(self.function, Guard.charge)(sandbox, self.value)
        return sandbox.checked(self.function(sandbox, self.value, *arguments, **named))


def _plain(method: Function) -> Function:
    return lambda _sandbox, value, *arguments: method(value, *arguments)


def _searching(method: Function) -> Function:
    """A method that looks for its first argument, or for each of its characters."""

    def run(sandbox: Guard, value: str, *arguments: Any) -> Any:
        if arguments:
            sandbox.charge_product(value, arguments[0])
        return method(value, *arguments)

    return run


def _replace(sandbox: Guard, value: str, old: Any, new: Any, count: int = -1) -> str:
    sandbox.charge_product(value, old)
    return replaced(value, old, new, count)


def _format(sandbox: Guard, value: str, *given: Any, **named: Any) -> str:
    sandbox.charge_places(value, "{")
    text = format_text(sandbox.getattr, value, given, named)
    sandbox.tick(len(text) >> 6)
    return text


def _padded(method: Function) -> Function:
    return lambda _sandbox, value, width, *fill: method(value, check_width(width), *fill)


_TEXT_METHODS = (
    "upper lower title capitalize casefold swapcase splitlines startswith endswith removeprefix removesuffix "
    "isdigit isalpha isalnum isnumeric isdecimal isspace islower isupper istitle isascii"
)
_SEARCHES = "strip lstrip rstrip split rsplit partition rpartition find rfind index rindex count"

TEXT: Mapping[str, Function] = {
    **{name: _plain(getattr(str, name)) for name in _TEXT_METHODS.split(" ")},
    **{name: _searching(getattr(str, name)) for name in _SEARCHES.split(" ")},
    **{name: _padded(getattr(str, name)) for name in ("ljust", "rjust", "center", "zfill")},
    "replace": _replace,
    "join": lambda sandbox, value, items: joined(value, sandbox.each(items, 1)),
    "format": _format,
}

_WORD_BY_WORD = "title capitalize casefold swapcase split rsplit splitlines"
_LETTER_BY_LETTER = "upper lower isdigit isalpha isalnum isnumeric isdecimal isspace islower isupper istitle"
#: What calling a method costs by its text; where it is not here, a glance at the text as a whole.
_PRICES: Mapping[Function, Callable[[Guard, Any], None]] = {
    **{TEXT[name]: Guard.charge_words for name in _WORD_BY_WORD.split(" ")},
    **{TEXT[name]: Guard.charge_letters for name in _LETTER_BY_LETTER.split(" ")},
}

LIST: Mapping[str, Function] = {"index": _plain(list.index), "count": _plain(list.count)}

TUPLE: Mapping[str, Function] = {"index": _plain(tuple.index), "count": _plain(tuple.count)}

MAP: Mapping[str, Function] = {
    "get": lambda _sandbox, value, key, default=None: value.get(key, default),
    "items": lambda _sandbox, value: list(value.items()),
    "keys": lambda _sandbox, value: list(value),
    "values": lambda _sandbox, value: list(value.values()),
}

#: What a loop tells about itself. `loop(...)` of a recursive loop is not here.
LOOP = frozenset(
    ("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0", "previtem", "nextitem")
)
LOOP_METHODS = frozenset({"cycle", "changed"})
