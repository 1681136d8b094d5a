"""The sandbox at work: what a running template may reach, and what it may cost.

A subclass of jinja2's immutable sandbox; nothing of jinja2 is patched. Attributes, filters, tests and globals are
closed lists, and everything that can grow is charged to the render's budget and looked at when it is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from jinja2 import Undefined, nodes
from jinja2.environment import Template, TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.filters import _GroupTuple as Group
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Joiner, Namespace

from promptlab.prompts.sandbox.functions import FILTERS, LIST, LOOP, LOOP_METHODS, MAP, TESTS, TEXT, TUPLE, Method
from promptlab.prompts.sandbox.limits import MAX_CALLS, MAX_RANGE, MAX_STEPS, LimitReached
from promptlab.prompts.sandbox.values import BINARY, COMPARE, Fields, Missing, as_text, check_length, size


class Meter(threading.local):
    """What is left of one render's budget, one for each thread that renders."""

    left = MAX_STEPS
    calls = 0

    def __init__(self) -> None:
        self.modules: dict[Any, Any] = {}

    def reset(self) -> None:
        """A new render begins."""
        self.left = MAX_STEPS
        self.calls = 0
        if self.modules:
            self.modules = {}

    def charge(self, steps: int) -> None:
        """Take steps from the budget."""
        self.left -= steps
        if self.left < 0:
            raise LimitReached(f"the template does more than {MAX_STEPS:,} steps; shorten its loops or its lists")


def bounded_range(*bounds: int) -> range:
    """`range(...)` of at most MAX_RANGE numbers."""
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise LimitReached(f"a range of more than {MAX_RANGE:,} numbers")
    return numbers


#: What a template can call without being given it.
GLOBALS: Mapping[str, Any] = {"range": bounded_range, "dict": dict, "namespace": Namespace, "joiner": Joiner}

_CALLABLE = frozenset({bounded_range, dict, Namespace})

SIMPLE = frozenset({int, float, bool, type(None)})
_LISTS = (list, tuple, dict)
_MEMBERSHIP = frozenset({"in", "notin"})


class Guard(ImmutableSandboxedEnvironment):
    """A sandbox that counts: operators, comparisons, loops and texts charge one meter a render."""

    intercepted_binops = frozenset(BINARY)
    default_binop_table: ClassVar[dict[str, Callable[[Any, Any], Any]]] = dict(BINARY)  # type: ignore[misc]

    def __init__(self) -> None:
        super().__init__(undefined=Missing, autoescape=False, optimized=False, cache_size=0)
        self.context_class = RenderContext
        self.globals = dict(GLOBALS)
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)
        self.evaluation = nodes.EvalContext(self)  # one for all renders: the tag that changes it is refused
        self.meter = Meter()
        self.tick = self.meter.charge
        self.text = as_text

    # --- what it may cost -----------------------------------------------------------------------------------------

    # The shifts are measurements: how much of each kind of work is done in a step, which is a microsecond on a slow
    # machine. `>> 7` is 128 characters copied or compared, `>> 1` two characters of work on words, and so on. Work that
    # is cheaper than calling these methods (a sum of two numbers, a name written out) is not charged.

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

    # --- what it may reach ----------------------------------------------------------------------------------------

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a field first, then a method that is allowed."""
        # Neither getattr() nor a type's own attributes are ever asked here: what is not in a table does not exist.
        if isinstance(obj, dict):
            if attribute in obj:
                return obj[attribute]
            return Method(MAP[attribute], obj) if attribute in MAP else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, str):
            if isinstance(obj, Fields) and attribute in obj.fields:
                return obj.fields[attribute]
            if isinstance(obj, Fields) and attribute in MAP:
                return Method(MAP[attribute], dict(obj.fields))
            return Method(TEXT[attribute], obj) if attribute in TEXT else self.undefined(obj=obj, name=attribute)
        return self._other_attribute(obj, attribute)

    def _other_attribute(self, obj: Any, name: str) -> Any:
        if isinstance(obj, Undefined):
            return getattr(obj, name) if not name.startswith("__") else obj._fail_with_undefined_error()
        if isinstance(obj, Group) and name in ("grouper", "list"):
            return obj[name == "list"]
        if isinstance(obj, (list, tuple)):
            table = LIST if isinstance(obj, list) else TUPLE
            return Method(table[name], obj) if name in table else self.undefined(obj=obj, name=name)
        if isinstance(obj, LoopContext):
            return self._of_loop(obj, name)
        if isinstance(obj, TemplateReference):
            return self._block(obj, name)
        if isinstance(obj, BlockReference) and name == "super":
            return obj.super
        if isinstance(obj, (TemplateModule, Namespace)) and not name.startswith("_"):
            return getattr(obj, name, self.undefined(obj=obj, name=name))
        if name.startswith("__"):
            raise SecurityError(f"{name!r} is private, so templates can't use it")
        return self.undefined(obj=obj, name=name)

    def _block(self, reference: TemplateReference, name: str) -> Any:
        try:
            return reference[name]
        except KeyError:
            return self.undefined(obj=reference, name=name)

    def _of_loop(self, loop: LoopContext, name: str) -> Any:
        if name in LOOP:
            return getattr(loop, name)
        if name in LOOP_METHODS:
            return Method(lambda _sandbox, value, *arguments: getattr(value, name)(*arguments), loop)
        return self.undefined(obj=loop, name=name)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`: an item first, then as `obj.argument`."""
        if isinstance(obj, (str, list, tuple, range, dict)) and not isinstance(argument, slice):
            if isinstance(argument, tuple):  # as a key it is hashed, through all that is in it
                self.checked(argument)
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        return obj[argument] if isinstance(obj, Undefined) else self.undefined(obj=obj, name=argument)

    def call(self, context: Context, obj: Any, /, *arguments: Any, **named: Any) -> Any:
        """Call a macro, a block, a method or one of GLOBALS; nothing else can be called."""
        # jinja2 passes these two to macros in loops and blocks; they would count as arguments of the template's
        named.pop("_loop_vars", None)
        named.pop("_block_vars", None)
        if (count := len(arguments) + len(named)) > 8:
            self.tick(count >> 2)
        for value in (*arguments, *named.values()):
            if isinstance(value, str):
                self.charge(value)
            elif type(value) not in SIMPLE:
                self.checked(value)
        if isinstance(obj, Method):
            return obj.call(self, arguments, named)
        if isinstance(obj, (Macro, BlockReference)):
            return self._nested(obj, arguments, named)
        if isinstance(obj, Undefined):
            return obj(*arguments)
        if isinstance(obj, Joiner):
            return as_text(obj(*arguments))
        try:
            known = obj in _CALLABLE or obj is Joiner
        except TypeError:
            known = False
        if not known:
            raise SecurityError(
                "this cannot be called; macros, blocks, methods of a text, range, dict, namespace and joiner can"
            )
        self.tick(2)
        return self.checked(obj(*arguments, **named))

    def _nested(self, obj: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        meter = self.meter
        meter.charge(3)
        if meter.calls >= MAX_CALLS:
            raise LimitReached(f"macros that call each other more than {MAX_CALLS} deep")
        meter.calls += 1
        try:
            return obj(*arguments, **named)
        finally:
            meter.calls -= 1


class RenderContext(Context):
    """A context made without jinja2's bookkeeping, which costs more than rendering a line."""

    @classmethod
    def quick(cls, template: Template, variables: dict[str, Any]) -> RenderContext:
        """The context of a render: `variables` hold the globals too."""
        context = cls.__new__(cls)  # what Context.__init__ would set, less what these templates cannot use
        context.parent = variables
        context.vars = {}
        context.environment = template.environment
        context.eval_ctx = template.environment.evaluation  # type: ignore[attr-defined]
        context.exported_vars = set()
        context.name = template.name
        context.globals_keys = set()
        context.blocks = {name: [block] for name, block in template.blocks.items()}
        return context

    def get_all(self) -> dict[str, Any]:
        """All names, as an include, an import with context and a scoped block copy them: charged by their number."""
        self.environment.tick(1 + (len(self.parent) + len(self.vars) >> 3))  # type: ignore[attr-defined]
        return super().get_all()
