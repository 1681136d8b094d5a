"""What templates can call: methods, filters and tests, in closed lists; each within the budget, each always the same.

Left out of Jinja's filters: `random` (nothing random without a seed), `attr`, `safe`, `escape` and their kin (a prompt
is not HTML), `pprint`, `xmlattr`, `urlize`, `striptags`, `filesizeformat`, `wordwrap` (a prompt's line breaks
collapse). What is here is Jinja's own behind a guard that charges for it, where Jinja's can be bounded so; the filters
that give a lazy sequence there (`map`, `select`, `unique`, ...) give a list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from jinja2 import filters, pass_context, pass_environment
from jinja2.exceptions import FilterArgumentError, TemplateRuntimeError
from jinja2.filters import FILTERS as STOCK
from jinja2.runtime import Context
from jinja2.tests import TESTS as STOCK_TESTS

from promptlab.prompts.sandbox.limits import LimitReached
from promptlab.prompts.sandbox.values import (
    Fields,
    as_text,
    check_length,
    check_width,
    format_text,
    joined,
    printf,
    replaced,
)

Guard = Any  # guard.Guard, which imports this module
Function = Callable[..., Any]


# --- methods ------------------------------------------------------------------------------------------------------


class Method:
    """A method bound to a value: all that a template can do with it is call it."""

    __slots__ = ("function", "value")

    def __init__(self, function: Function, value: Any) -> None:
        self.function = function
        self.value = value

    def call(self, sandbox: Guard, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run it inside the budget, and check what it made."""
        getattr(sandbox, _PRICES.get(self.function, "charge"))(self.value)
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


def _format_braces(sandbox: Guard, value: str, *given: Any, **named: Any) -> str:
    sandbox.charge_places(value, "{")
    text = format_text(sandbox.getattr, value, given, named)
    sandbox.tick(len(text) >> 6)
    return text


def _padded(method: Function) -> Function:
    return lambda _sandbox, value, width, *fill: method(value, check_width(width), *fill)


def _replace(sandbox: Guard, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    sandbox.charge_product(value, old)
    return replaced(value, old, new, -1 if count is None else count)


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
    "format": _format_braces,
}

_WORD_BY_WORD = "title capitalize casefold swapcase split rsplit splitlines"
_LETTER_BY_LETTER = "upper lower isdigit isalpha isalnum isnumeric isdecimal isspace islower isupper istitle"
#: What calling a method costs by its text (a method of Guard); where it is not here, a glance at the text as a whole.
_PRICES: Mapping[Function, str] = {
    **{TEXT[name]: "charge_words" for name in _WORD_BY_WORD.split(" ")},
    **{TEXT[name]: "charge_letters" for name in _LETTER_BY_LETTER.split(" ")},
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


# --- guards of filters --------------------------------------------------------------------------------------------


def _guarded(function: Function, price: str = "charge") -> Function:
    """A filter whose work is charged by the size of what it gets, and whose result is checked.

    `price` names the method of the sandbox that charges: for a text as a whole, by its words, by items, or in full.
    """

    @pass_environment
    def run(sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> Any:
        getattr(sandbox, price)(value)
        for argument in arguments:
            sandbox.charge(argument)
        return sandbox.checked(function(sandbox, value, *arguments, **named))

    return run


def _text(function: Callable[[str], Any], price: str = "charge") -> Function:
    return _guarded(lambda _sandbox, value: function(as_text(value)), price)


def _items_of(function: Function) -> Function:
    return _guarded(function, "charge_items")


def getter(sandbox: Guard, attribute: Any, count: int) -> Function:
    """What Jinja looks an attribute up with (`'a.b.0'`; None: the item itself), charged for so many items."""
    if attribute is None:
        return lambda item: item
    if not isinstance(attribute, (str, int)):
        raise FilterArgumentError("an attribute is named by a text such as 'size.width', or by a number")
    if isinstance(attribute, str):
        steps = attribute.count(".")
        sandbox.tick(1 + (len(attribute) >> 2) + (steps + 1 if steps else 0) * count)
    return filters.make_attrgetter(sandbox, attribute)


def _keyed(name: str, at: int) -> Function:
    """A filter of Jinja's that compares items by an attribute, the argument `at`, and texts without regard to case."""
    stock: Function = STOCK[name]

    def run(sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> Any:
        attribute = named.get("attribute", arguments[at] if len(arguments) > at else None)
        keys = attribute.split(",") if isinstance(attribute, str) else [attribute]
        if len(keys) > 1:
            sandbox.tick(len(keys) * (4 + len(value)))
        for key in keys:
            look = getter(sandbox, key, len(value))
            _charge_letters(sandbox, map(look, value))
        return stock(sandbox, value, *arguments, **named)

    return run


def _charge_letters(sandbox: Guard, values: Iterable[Any]) -> None:
    """Charge for folding the case of long texts, which sorting and its kin do."""
    for value in values:
        if isinstance(value, str) and len(value) > 64:
            sandbox.charge_letters(value)


def _listed(function: Function) -> Function:
    return lambda *arguments, **named: list(function(*arguments, **named))


def _extreme(name: str) -> Function:
    keyed = _keyed(name, 1)

    def run(sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> Any:
        if not value:
            return sandbox.undefined(f"the list is empty, so it has no {name}")
        return keyed(sandbox, value, *arguments, **named)

    return run


def _each(stock: Function) -> Function:
    """A filter of Jinja's that calls a filter, a test or nothing on each item, or on an attribute of it."""

    @pass_context
    def run(context: Context, value: Any, *arguments: Any, **named: Any) -> list[Any]:
        sandbox: Any = context.environment
        sandbox.each(value, 2)
        for argument in arguments:
            sandbox.charge(argument)
        sandbox.tick(len(arguments[1:]) * len(value) >> 2)
        # What Jinja calls by name (`map('upper')`) it looks up in the sandbox's own filters and tests, so that it is
        # charged there; the argument is a name only, and a list of arguments has been charged above.
        by_attribute = stock in (filters.sync_do_selectattr, filters.sync_do_rejectattr)
        getter(sandbox, arguments[0] if by_attribute and arguments else named.get("attribute"), len(value))
        found: list[Any] = sandbox.checked(list(stock(context, value, *arguments, **named)))
        return found

    return run


# --- filters of text and numbers ----------------------------------------------------------------------------------


def _truncate(sandbox: Guard, value: Any, length: int = 255, *rest: Any, **named: Any) -> Any:
    return STOCK["truncate"](sandbox, as_text(value), length, *rest, **named)


def _indent(_sandbox: Guard, value: Any, width: int = 4, first: bool = False, blank: bool = False) -> Any:
    text = as_text(value)
    check_length(len(text) + check_width(width) * (len(text.splitlines()) + 2))
    return STOCK["indent"](text, width, first, blank)


def _trim(sandbox: Guard, value: Any, chars: str | None = None) -> Any:
    text = as_text(value)
    sandbox.charge_product(text, chars)
    return STOCK["trim"](text, chars)


def _format_percent(sandbox: Guard, value: Any, *given: Any, **named: Any) -> str:
    if given and named:
        raise FilterArgumentError("give format either values or names, not both")
    sandbox.charge_places(value, "%")
    text = printf(as_text(value), named or given)
    sandbox.tick(len(text) >> 6)
    return text


def _join(sandbox: Guard, value: Any, separator: Any = "", attribute: Any = None) -> str:
    return joined(separator, map(getter(sandbox, attribute, len(value)), value))


def _to_json(_sandbox: Guard, value: Any, indent: int | None = None) -> str:
    """JSON as a prompt wants it: keys in order, no escapes for HTML."""
    width = None if indent is None else min(check_width(indent), 8)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=width, allow_nan=False)


def _number(name: str) -> Function:
    """Jinja's `int` and `float`, of a text that is short enough to be a number."""

    def run(_sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(value, str) and len(value) > 60:
            raise LimitReached(f"a number written with {len(value):,} characters")
        return STOCK[name](value, *arguments, **named)

    return run


def _round(sandbox: Guard, value: Any, precision: int = 0, method: str = "common") -> Any:
    if not isinstance(precision, int) or abs(precision) > 30:
        raise LimitReached("a number rounded to more than 30 places")
    if not isinstance(value, (int, float)):  # `'a' | round(5, 'ceil')` would first repeat the text
        raise TemplateRuntimeError(f"{as_text(value)[:60]!r} is not a number; write `| float` before `| round`")
    sandbox.tick(10 if abs(value) > 1e30 else 1)  # all its digits are worked out
    return STOCK["round"](value, precision, method)


def _sum(sandbox: Guard, value: Any, attribute: Any = None, start: float = 0) -> Any:
    numbers = [*map(getter(sandbox, attribute, len(value)), value)]
    for number in (start, *numbers):
        if not isinstance(number, (int, float)):
            raise TemplateRuntimeError(f"{as_text(number)!r} is not a number, so it has no sum; write `| map('float')`")
    return sum(numbers, start)


# --- filters of lists and maps ------------------------------------------------------------------------------------


def _first(sandbox: Guard, value: Iterable[Any]) -> Any:
    return next(iter(sandbox.each(value, 0)), sandbox.undefined("the list is empty, so it has no first item"))


def _last(sandbox: Guard, value: Any) -> Any:
    return next(reversed(sandbox.each(value, 0)), sandbox.undefined("the list is empty, so it has no last item"))


def _reverse(_sandbox: Guard, value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else list(value)[::-1]


def _pairs(_sandbox: Guard, value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Fields):
        return list(value.fields.items())
    if not isinstance(value, dict):
        raise TemplateRuntimeError("items are those of a map")
    return list(value.items())


def _dictsort(sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> Any:
    pairs = _pairs(sandbox, value)
    for pair in pairs:
        _charge_letters(sandbox, pair)
    return STOCK["dictsort"](dict(pairs), *arguments, **named)


def _batch(_sandbox: Guard, value: Any, count: int, fill_with: Any = None) -> list[Any]:
    if check_width(count) < 1:
        raise FilterArgumentError("a batch has at least one item")
    return list(STOCK["batch"](value, count, fill_with))


def _slice(_sandbox: Guard, value: Any, slices: int, fill_with: Any = None) -> list[Any]:
    """Not Jinja's, which puts `fill_with` into each slice where all are equally long."""
    if check_width(slices) < 1:
        raise FilterArgumentError("there is at least one slice")
    items = list(value)
    each, extra = divmod(len(items), slices)
    ends = [min(number, extra) + number * each for number in range(slices + 1)]
    parts = [items[start:end] for start, end in pairwise(ends)]
    if fill_with is not None and extra:
        parts[extra:] = [[*part, fill_with] for part in parts[extra:]]
    return parts


FILTERS: Mapping[str, Function] = {
    **dict.fromkeys(("default", "d"), STOCK["default"]),
    **dict.fromkeys(("length", "count"), len),
    "string": as_text,
    "upper": _text(str.upper, "charge_letters"),
    "lower": _text(str.lower, "charge_letters"),
    "title": _text(STOCK["title"], "charge_words"),
    "capitalize": _text(str.capitalize, "charge_words"),
    "wordcount": _text(STOCK["wordcount"], "charge_words"),
    "urlencode": _text(STOCK["urlencode"], "charge_words"),
    "trim": _guarded(_trim),
    "replace": _guarded(_replace),
    "center": _guarded(lambda _sandbox, value, width=80: as_text(value).center(check_width(width))),
    "truncate": _guarded(_truncate),
    "indent": _guarded(_indent, "charge_words"),
    "format": _guarded(_format_percent, "charge_words"),
    "join": _items_of(_join),
    "tojson": _guarded(_to_json, "charge_tree"),
    "int": _guarded(_number("int")),
    "float": _guarded(_number("float")),
    "round": _guarded(_round),
    "abs": abs,
    "sum": _items_of(_sum),
    "min": _items_of(_extreme("min")),
    "max": _items_of(_extreme("max")),
    "sort": _items_of(_keyed("sort", 2)),
    "first": pass_environment(_first),
    "last": pass_environment(_last),
    "list": _items_of(lambda _sandbox, value: list(value)),
    "reverse": _items_of(_reverse),
    "unique": _items_of(_listed(_keyed("unique", 1))),
    "map": _each(filters.sync_do_map),
    "select": _each(filters.sync_do_select),
    "reject": _each(filters.sync_do_reject),
    "selectattr": _each(filters.sync_do_selectattr),
    "rejectattr": _each(filters.sync_do_rejectattr),
    "groupby": _items_of(_keyed("groupby", 0)),
    "items": _items_of(_pairs),
    "dictsort": _items_of(_dictsort),
    "batch": _items_of(_batch),
    "slice": _items_of(_slice),
}


# --- tests --------------------------------------------------------------------------------------------------------


def _divides(value: Any, number: Any) -> bool:
    if not isinstance(value, int) or not isinstance(number, int):  # `'%999999999d' is odd` would be a format
        raise TemplateRuntimeError("odd, even and divisibleby are about whole numbers; write `| int` before it")
    return value % number == 0


def _compared(name: str) -> Function:
    @pass_environment
    def test(sandbox: Guard, value: Any, other: Any) -> bool:
        return bool(sandbox.compare(value, name, other))

    return test


_ALIASES = {
    "eq": ("==", "eq", "equalto"),
    "ne": ("!=", "ne"),
    "gt": (">", "gt", "greaterthan"),
    "gteq": (">=", "ge"),
    "lt": ("<", "lt", "lessthan"),
    "lteq": ("<=", "le"),
    "in": ("in",),
}
_STOCK_TESTS: Mapping[str, Any] = STOCK_TESTS
_SHARED = "defined undefined none boolean true false integer float string mapping number sequence iterable"

TESTS: Mapping[str, Function] = {
    **{name: _STOCK_TESTS[name] for name in _SHARED.split(" ")},
    **{alias: _compared(name) for name, aliases in _ALIASES.items() for alias in aliases},
    "lower": _text(str.islower, "charge_letters"),
    "upper": _text(str.isupper, "charge_letters"),
    "divisibleby": _divides,
    "even": lambda value: _divides(value, 2),
    "odd": lambda value: not _divides(value, 2),
}
