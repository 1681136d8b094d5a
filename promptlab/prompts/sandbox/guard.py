"""What a render may cost: everything that can grow passes through here, is charged, and is looked at when done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from promptlab.prompts.sandbox.limits import Meter, check_length, size
from promptlab.prompts.sandbox.operators import BINARY, COMPARE
from promptlab.prompts.sandbox.values import as_text

SIMPLE = frozenset({int, float, bool, type(None)})
_LISTS = (list, tuple, dict)
_MEMBERSHIP = frozenset({"in", "notin"})


class Guard(ImmutableSandboxedEnvironment):
    """A sandbox that counts: operators, comparisons, loops and texts charge one meter a render."""

    intercepted_binops = frozenset(BINARY)
    default_binop_table: ClassVar[dict[str, Callable[[Any, Any], Any]]] = dict(BINARY)  # type: ignore[misc]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.meter = Meter()
        self.tick = self.meter.charge
        self.text = as_text

    def charge(self, value: Any) -> None:
        """Charge for walking a value once."""
        if isinstance(value, str):
            self.tick(1 + (len(value) >> 7))
        elif isinstance(value, (*_LISTS, range)):
            self.tick(1 + len(value))
        else:
            self.tick(1)

    def charge_items(self, value: Any) -> None:
        """Charge for taking a value apart, a text into its characters too."""
        self.each(value, 1)

    def charge_words(self, value: Any) -> None:
        """Charge for work on each word of a text."""
        self.tick(1 + (len(value) >> 1 if isinstance(value, str) else 0))

    def charge_letters(self, value: Any) -> None:
        """Charge for changing each letter of a text, which takes ten times as long outside ASCII."""
        self.tick(1 + (len(value) >> (7 if value.isascii() else 4)) if isinstance(value, str) else 1)

    def charge_product(self, text: Any, part: Any) -> None:
        """Charge for looking for one text in another: in the worst case, each character is compared with each."""
        if isinstance(text, str) and isinstance(part, str):
            self.tick(1 + (len(text) * len(part) >> 10))

    def charge_places(self, text: Any, sign: str) -> None:
        """Charge for a format: its places, and the steps of the paths in them."""
        if isinstance(text, str):
            self.tick(1 + 2 * text.count(sign) + text.count(".") + (len(text) >> 7))

    def charge_tree(self, value: Any) -> None:
        """Charge for writing out a value with all that is in it."""
        length, items = size(value)
        self.tick(1 + 2 * items + (length >> 5))

    def checked(self, value: Any) -> Any:
        """The same value, when it is not too large to be kept; charges for looking."""
        if isinstance(value, str):
            check_length(len(value))
        elif isinstance(value, _LISTS):
            self.tick(1 + (size(value)[1] >> 2))
        return value

    def each(self, value: Any, weight: int) -> Any:
        """The iterable of a `for`, charged in full before its first step."""
        if not isinstance(value, (str, range, *_LISTS)):
            iter(value)  # says what is undefined, or no list at all
            raise TypeError("this cannot be looped over")  # `loop`, say: taking from it would end the loop
        self.tick(1 + weight * len(value))
        return value

    def concat(self, chunks: Iterable[str]) -> str:
        """The text of a macro, a block or a captured `set`."""
        parts = list(chunks)
        length = sum(map(len, parts))
        check_length(length)
        self.tick(1 + (length >> 8))
        return "".join(parts)

    def glue(self, values: Sequence[Any]) -> str:
        """`a ~ b`."""
        return self.concat([as_text(value) for value in values])

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator, refused where its result would be too large."""
        if operator == "%" and isinstance(left, str):
            self.charge_places(left, "%")
            result = BINARY[operator](left, right)
            self.tick(len(result) >> 6)
            return result
        result = BINARY[operator](left, right)
        if type(result) not in SIMPLE:
            self.charge(result)
            self.checked(result)
        return result

    def compare(self, value: Any, *rest: Any) -> Any:
        """`a < b == c`: operators and values by turns. What walks long texts or lists is charged."""
        result: Any = True
        for operator, other in zip(rest[::2], rest[1::2], strict=True):
            if operator in _MEMBERSHIP:
                self._charge_membership(value, other)
            elif type(value) not in SIMPLE and type(other) not in SIMPLE:
                self._charge_comparison(value)
                self._charge_comparison(other)
            result = COMPARE[operator](value, other)
            if not result:
                return result
            value = other
        return result

    def _charge_membership(self, value: Any, other: Any) -> None:
        if isinstance(other, str):
            self.charge_product(other, value)
        elif type(value) in SIMPLE:  # a whole number is found in a range, and anything in a map, without a search
            if not isinstance(other, dict) and not (isinstance(other, range) and isinstance(value, int)):
                self.tick(1 + (len(other) >> 4) if isinstance(other, (list, tuple, range)) else 1)
        else:
            self._charge_comparison(value)
            self._charge_comparison(other)

    def _charge_comparison(self, value: Any) -> None:
        if isinstance(value, str):
            if len(value) > 256:
                self.tick(len(value) >> 7)
        elif isinstance(value, _LISTS):
            self.tick(1 + (size(value)[1] >> 2))
        elif isinstance(value, range):
            self.tick(1 + (len(value) >> 2))

    def built(self, value: Any) -> Any:
        """A list or map written in the template."""
        self.tick(1 + (size(value)[1] >> 3))
        return value

    def part(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """`value[start:stop:step]`."""
        if not isinstance(value, (str, list, tuple, range)):
            raise TypeError("only a text or a list has a part like [1:3]")
        self.charge(value)
        return value[start:stop:step]
