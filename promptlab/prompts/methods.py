"""The attributes and methods a template can reach on each kind of value: a list of what is allowed, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from promptlab.prompts.operators import check_width, format_text, joined, replaced

if TYPE_CHECKING:
    from promptlab.prompts.guard import Guard

Function = Callable[..., Any]


class Method:
    """A method bound to a value: all that a template can do with it is call it."""

    __slots__ = ("function", "value")

    def __init__(self, function: Function, value: Any) -> None:
        self.function = function
        self.value = value

    def call(self, sandbox: Guard, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run it inside the budget, and check what it made."""
        (sandbox.charge_words if self.function in _SLOW else sandbox.charge)(self.value)
        return sandbox.checked(self.function(sandbox, self.value, *arguments, **named))


def _plain(method: Function) -> Function:
    return lambda _sandbox, value, *arguments: method(value, *arguments)


def _padded(method: Function) -> Function:
    return lambda _sandbox, value, width, *fill: method(value, check_width(width), *fill)


_SLOW: set[Function] = set()  # filled below: those that work on each word or character
_TEXT_METHODS = (
    "upper lower title capitalize casefold swapcase strip lstrip rstrip split rsplit splitlines partition rpartition "
    "startswith endswith removeprefix removesuffix find rfind index rindex count "
    "isdigit isalpha isalnum isnumeric isdecimal isspace islower isupper istitle isascii"
)

TEXT: Mapping[str, Function] = {
    **{name: _plain(getattr(str, name)) for name in _TEXT_METHODS.split(" ")},
    **{name: _padded(getattr(str, name)) for name in ("ljust", "rjust", "center", "zfill")},
    "replace": lambda _sandbox, value, old, new, count=-1: replaced(value, old, new, count),
    "join": lambda _sandbox, value, items: joined(value, items),
    "format": lambda sandbox, value, *given, **named: format_text(sandbox.getattr, value, given, named),
}

_SLOW.update(TEXT[name] for name in ("title", "capitalize", "casefold", "swapcase", "split", "rsplit", "splitlines"))

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
