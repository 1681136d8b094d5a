"""What a render may cost: everything that can grow passes through here, is charged, and is looked at when done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Joiner, Namespace

from promptlab.prompts.limits import Meter, check_length, size
from promptlab.prompts.operators import BINARY, COMPARE
from promptlab.prompts.values import as_text

SIMPLE = frozenset({int, float, bool, type(None)})
_LISTS = (list, tuple, dict)


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
        self.tick(1 + (len(value) if isinstance(value, (str, *_LISTS, range)) else 0))

    def charge_words(self, value: Any) -> None:
        """Charge for work on each word of a text."""
        self.tick(1 + (len(value) >> 1 if isinstance(value, str) else 0))

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

    def each(self, value: Any, weight: int) -> Iterable[Any]:
        """The iterable of a `for`, charged in full before its first step."""
        if isinstance(value, (Joiner, Namespace)):
            raise TypeError("this cannot be looped over")
        items = value if isinstance(value, (str, range, *_LISTS)) else list(value)
        self.tick(1 + weight * len(items))
        return items

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
        result = BINARY[operator](left, right)
        if type(result) not in SIMPLE:
            self.charge(result)
            self.checked(result)
        return result

    def compare(self, value: Any, *rest: Any) -> Any:
        """`a < b == c`: operators and values by turns. What walks long texts or lists is charged."""
        result: Any = True
        for operator, other in zip(rest[::2], rest[1::2], strict=True):
            if type(value) not in SIMPLE and type(other) not in SIMPLE:
                self._charge_comparison(value)
                self._charge_comparison(other)
            result = COMPARE[operator](value, other)
            if not result:
                return result
            value = other
        return result

    def _charge_comparison(self, value: Any) -> None:
        if isinstance(value, str):
            if len(value) > 256:
                self.tick(len(value) >> 7)
        elif isinstance(value, _LISTS):
            self.tick(1 + (size(value)[1] >> 2))

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
