"""The filters and tests of the language: a closed list, each within the budget, each giving the same every time.

Left out of Jinja's: `random` (nothing random without a seed), `attr`, `safe`, `escape` and their kin (a prompt is not
HTML), `pprint`, `xmlattr`, `urlize`, `striptags`, `filesizeformat`, `wordwrap` (a prompt's line breaks collapse).
Those that give a lazy sequence in Jinja (`map`, `select`, `unique`, ...) give a list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined, pass_environment
from jinja2.exceptions import FilterArgumentError, TemplateRuntimeError
from jinja2.filters import FILTERS as STOCK
from jinja2.tests import TESTS as STOCK_TESTS

from promptlab.prompts.sandbox.limits import LimitReached, check_length
from promptlab.prompts.sandbox.operators import check_width, joined, printf, replaced
from promptlab.prompts.sandbox.values import Fields, as_text

if TYPE_CHECKING:
    from promptlab.prompts.sandbox.guard import Guard

Function = Callable[..., Any]


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


def _getter(sandbox: Guard, attribute: Any) -> Function:
    """`'a.b.0'` → a function that looks it up, with the sandbox's rules."""
    if attribute is None:
        return lambda item: item
    if not isinstance(attribute, (str, int)):
        raise FilterArgumentError("an attribute is named by a text such as 'size.width', or by a number")
    sandbox.tick(1 + (len(attribute) >> 2) if isinstance(attribute, str) else 1)
    path = [int(part[:12]) if part.isdecimal() else part for part in str(attribute).split(".")]
    if len(path) == 1:
        return lambda item: sandbox.getitem(item, path[0])

    def look(item: Any) -> Any:
        sandbox.tick(len(path))
        for part in path:
            item = sandbox.getitem(item, part)
        return item

    return look


def _key(sandbox: Guard, attribute: Any, case_sensitive: bool) -> Function:
    """What to compare an item by: its attribute, texts without regard to case."""
    look = _getter(sandbox, attribute)
    if case_sensitive:
        return look

    def folded(item: Any) -> Any:
        found = look(item)
        if not isinstance(found, str):
            return found
        if len(found) > 64:
            sandbox.charge_letters(found)
        return found.lower()

    return folded


# --- text ---------------------------------------------------------------------------------------------------------


def _truncate(sandbox: Guard, value: Any, length: int = 255, *rest: Any, **named: Any) -> Any:
    return STOCK["truncate"](sandbox, as_text(value), length, *rest, **named)


def _indent(_sandbox: Guard, value: Any, width: int = 4, first: bool = False, blank: bool = False) -> Any:
    text = as_text(value)
    check_length(len(text) + check_width(width) * (len(text.splitlines()) + 2))
    return STOCK["indent"](text, width, first, blank)


def _trim(sandbox: Guard, value: Any, chars: str | None = None) -> str:
    text = as_text(value)
    sandbox.charge_product(text, chars)
    return text.strip(chars)


def _replace(sandbox: Guard, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    sandbox.charge_product(value, old)
    return replaced(value, old, new, -1 if count is None else count)


def _format(sandbox: Guard, value: Any, *given: Any, **named: Any) -> str:
    if given and named:
        raise FilterArgumentError("give format either values or names, not both")
    sandbox.charge_places(value, "%")
    text = printf(as_text(value), named or given)
    sandbox.tick(len(text) >> 6)
    return text


def _join(sandbox: Guard, value: Any, separator: Any = "", attribute: Any = None) -> str:
    return joined(separator, map(_getter(sandbox, attribute), value))


def _to_json(_sandbox: Guard, value: Any, indent: int | None = None) -> str:
    """JSON as a prompt wants it: keys in order, no escapes for HTML."""
    width = None if indent is None else min(check_width(indent), 8)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=width, allow_nan=False)


# --- numbers ------------------------------------------------------------------------------------------------------


def _int(_sandbox: Guard, value: Any, default: Any = 0, base: int = 10) -> Any:
    return STOCK["int"](_short_number(value), default, base)


def _float(_sandbox: Guard, value: Any, default: Any = 0.0) -> Any:
    return STOCK["float"](_short_number(value), default)


def _short_number(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 60:
        raise LimitReached(f"a number written with {len(value):,} characters")
    return value


def _round(sandbox: Guard, value: Any, precision: int = 0, method: str = "common") -> Any:
    if not isinstance(precision, int) or abs(precision) > 30:
        raise LimitReached("a number rounded to more than 30 places")
    if not isinstance(value, (int, float)):  # `'a' | round(5, 'ceil')` would first repeat the text
        raise TemplateRuntimeError(f"{as_text(value)[:60]!r} is not a number; write `| float` before `| round`")
    sandbox.tick(10 if abs(value) > 1e30 else 1)  # all its digits are worked out
    return STOCK["round"](value, precision, method)


def _sum(sandbox: Guard, value: Iterable[Any], attribute: Any = None, start: float = 0) -> Any:
    look = _getter(sandbox, attribute)
    numbers = [look(item) for item in value]
    for number in (start, *numbers):
        if not isinstance(number, (int, float)):
            raise TemplateRuntimeError(f"{as_text(number)!r} is not a number, so it has no sum; write `| map('float')`")
    return sum(numbers, start)


# --- lists --------------------------------------------------------------------------------------------------------


def _first(sandbox: Guard, value: Iterable[Any]) -> Any:
    return next(iter(sandbox.each(value, 0)), sandbox.undefined("the list is empty, so it has no first item"))


def _last(sandbox: Guard, value: Any) -> Any:
    return next(reversed(sandbox.each(value, 0)), sandbox.undefined("the list is empty, so it has no last item"))


def _reverse(_sandbox: Guard, value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else list(value)[::-1]


def _extreme(choose: Function) -> Function:
    def run(sandbox: Guard, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
        key = _key(sandbox, attribute, case_sensitive)
        return (
            choose(value, key=key) if value else sandbox.undefined(f"the list is empty, so it has no {choose.__name__}")
        )

    return run


def _sort(
    sandbox: Guard, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    names = attribute.split(",") if isinstance(attribute, str) else [attribute]
    if len(names) > 1:
        sandbox.tick(len(names) * (4 + len(value)))
    keys = [_key(sandbox, name, case_sensitive) for name in names]
    if len(keys) == 1:
        return sorted(value, key=keys[0], reverse=reverse)
    return sorted(value, key=lambda item: [key(item) for key in keys], reverse=reverse)


def _unique(sandbox: Guard, value: Any, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    key = _key(sandbox, attribute, case_sensitive)
    found: dict[Any, Any] = {}
    for item in value:
        found.setdefault(key(item), item)
    return list(found.values())


def _map(sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> list[Any]:
    if arguments:
        name, *rest = arguments
        sandbox.tick(len(rest) * len(value) >> 2)
        return [sandbox.call_filter(name, item, rest, named) for item in _items(sandbox, value)]
    if "attribute" not in named or named.keys() - {"attribute", "default"}:
        raise FilterArgumentError("map takes the name of a filter, or attribute=... and default=...")
    look = _getter(sandbox, named["attribute"])
    found = [look(item) for item in _items(sandbox, value)]
    if "default" in named:
        return [named["default"] if isinstance(item, Undefined) else item for item in found]
    return found


def _items(sandbox: Guard, value: Any) -> list[Any]:
    """The items of a list, each charged as a step of a loop."""
    return list(sandbox.each(value, 1))


def _selector(by_attribute: bool, wanted: bool) -> Function:
    def select(sandbox: Guard, value: Any, *arguments: Any, **named: Any) -> list[Any]:
        if by_attribute and not arguments:
            raise FilterArgumentError("name the attribute to select by, as in selectattr('stock')")
        look = _getter(sandbox, arguments[0] if by_attribute else None)
        test = arguments[1:] if by_attribute else arguments

        def holds(item: Any) -> bool:
            found = look(item)
            return bool(sandbox.call_test(test[0], found, test[1:], named)) if test else bool(found)

        return [item for item in _items(sandbox, value) if holds(item) is wanted]

    return select


class Group(tuple[Any, Any]):
    """A group of `groupby`: `(grouper, list)`, also by those names."""

    __slots__ = ()


def _groupby(
    sandbox: Guard, value: Any, attribute: Any, default: Any = None, case_sensitive: bool = False
) -> list[Group]:
    look = _getter(sandbox, attribute)

    def key(item: Any) -> Any:
        found = look(item)
        return default if default is not None and isinstance(found, Undefined) else found

    fold = _key(sandbox, None, case_sensitive)

    def order(item: Any) -> Any:
        return fold(key(item))

    groups = [list(items) for _, items in groupby(sorted(_items(sandbox, value), key=order), order)]
    return [Group((key(items[0]), items)) for items in groups]


def _pairs(_sandbox: Guard, value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Fields):
        return list(value.fields.items())
    if not isinstance(value, dict):
        raise TemplateRuntimeError("items are those of a map")
    return list(value.items())


def _dictsort(
    sandbox: Guard, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[tuple[Any, Any]]:
    if by not in ("key", "value"):
        raise FilterArgumentError("dictsort sorts by 'key' or by 'value'")
    key, place = _key(sandbox, None, case_sensitive), by == "value"
    return sorted(_pairs(sandbox, value), key=lambda pair: key(pair[place]), reverse=reverse)


def _batch(_sandbox: Guard, value: Any, count: int, fill_with: Any = None) -> list[Any]:
    return list(_batches(list(value), check_width(count), fill_with))


def _batches(items: list[Any], count: int, fill: Any) -> Iterator[list[Any]]:
    if count < 1:
        raise FilterArgumentError("a batch has at least one item")
    for start in range(0, len(items), count):
        part = items[start : start + count]
        yield part if fill is None else part + [fill] * (count - len(part))


def _slice(_sandbox: Guard, value: Any, slices: int, fill_with: Any = None) -> list[Any]:
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
    "format": _guarded(_format, "charge_words"),
    "join": _items_of(_join),
    "tojson": _guarded(_to_json, "charge_tree"),
    "int": _guarded(_int),
    "float": _guarded(_float),
    "round": _guarded(_round),
    "abs": abs,
    "sum": _items_of(_sum),
    "min": _items_of(_extreme(min)),
    "max": _items_of(_extreme(max)),
    "sort": _items_of(_sort),
    "first": pass_environment(_first),
    "last": pass_environment(_last),
    "list": _items_of(lambda _sandbox, value: list(value)),
    "reverse": _items_of(_reverse),
    "unique": _items_of(_unique),
    "map": _items_of(_map),
    "select": _items_of(_selector(False, True)),
    "reject": _items_of(_selector(False, False)),
    "selectattr": _items_of(_selector(True, True)),
    "rejectattr": _items_of(_selector(True, False)),
    "groupby": _items_of(_groupby),
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


def _contained(sandbox: Guard, value: Any, inside: Any) -> bool:
    return bool(sandbox.compare(value, "in", inside))


def _compared(name: str) -> Function:
    @pass_environment
    def test(sandbox: Guard, value: Any, other: Any) -> bool:
        return bool(sandbox.compare(value, name, other))

    return test


def _stock_test(name: str) -> Function:
    found: Function = STOCK_TESTS[name]  # type: ignore[assignment]  # jinja2 annotates the table with `function`
    return found


_ALIASES = {
    "eq": ("==", "eq", "equalto"),
    "ne": ("!=", "ne"),
    "gt": (">", "gt", "greaterthan"),
    "gteq": (">=", "ge"),
    "lt": ("<", "lt", "lessthan"),
    "lteq": ("<=", "le"),
}
_SHARED = "defined undefined none boolean true false integer float string mapping number sequence iterable"

TESTS: Mapping[str, Function] = {
    **{name: _stock_test(name) for name in _SHARED.split(" ")},
    **{alias: _compared(name) for name, aliases in _ALIASES.items() for alias in aliases},
    "lower": _text(str.islower, "charge_letters"),
    "upper": _text(str.isupper, "charge_letters"),
    "in": pass_environment(_contained),
    "divisibleby": _divides,
    "even": lambda value: _divides(value, 2),
    "odd": lambda value: not _divides(value, 2),
}
