"""The environment that templates run in: what they may reach, and what it may cost.

A subclass of jinja2's immutable sandbox; nothing of jinja2 is patched. It differs in three ways: attributes, filters,
tests and globals are closed lists; nothing is computed at compile time; and everything that can grow passes through
`guard`, which charges the render's budget and checks the size of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import Undefined, nodes
from jinja2.environment import Template, TemplateModule
from jinja2.exceptions import SecurityError, TemplateNotFound
from jinja2.lexer import TokenStream
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.utils import Joiner, Namespace

from promptlab.prompts.sandbox.codegen import Generator
from promptlab.prompts.sandbox.filters import FILTERS, TESTS, Group
from promptlab.prompts.sandbox.guard import SIMPLE, Guard
from promptlab.prompts.sandbox.limits import MAX_CALLS, MAX_RANGE, LimitReached
from promptlab.prompts.sandbox.methods import LIST, LOOP, LOOP_METHODS, MAP, TEXT, TUPLE, Method
from promptlab.prompts.sandbox.values import Fields, Missing, as_text
from promptlab.prompts.template_files import Line


def bounded_range(*bounds: int) -> range:
    """`range(...)` of at most MAX_RANGE numbers."""
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise LimitReached(f"a range of more than {MAX_RANGE:,} numbers")
    return numbers


#: What a template can call without being given it.
GLOBALS: Mapping[str, Any] = {"range": bounded_range, "dict": dict, "namespace": Namespace, "joiner": Joiner}

_CALLABLE = frozenset({bounded_range, dict, Namespace})


def with_columns(source: str, tokens: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """Raw tokens with a Line in place of the line number. Stripped white space is skipped by looking for the next."""
    position = before = 0  # `before` is where the last line break was looked for, `start` where its line begins
    start = -1
    for line, kind, text in tokens:
        found = source.find(text, position)
        if found >= 0:
            start = max(start, source.rfind("\n", before, found))
            before = found
            line = Line.at(line, found - start)
            position = found + len(text)
        yield line, kind, text


class Compiled(Template):
    """A compiled file. A module that only defines macros is made once; one with state is made again in each render."""

    stateless: bool = False
    weight: int = 1
    source: Any = None  # the SourceFile it came from
    module_: TemplateModule | None = None

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        # A `namespace` at a library's top level would otherwise carry over from one render to the next, and a prompt
        # would depend on which prompts were rendered before it.
        if self.stateless and self.module_ is not None:
            return self.module_
        made: dict[Any, TemplateModule] = self.environment.meter.modules  # type: ignore[attr-defined]
        if self not in made:
            made[self] = self.module_ = self.make_module()
        return made[self]


class Sandbox(Guard):
    """Compiles and runs the files of one folder or revision; `lookup` finds a compiled file by its name."""

    code_generator_class = Generator
    template_class = Compiled

    def __init__(self, lookup: Callable[[str], Compiled | None]) -> None:
        super().__init__(undefined=Missing, autoescape=False, optimized=False, cache_size=0)
        self.context_class = RenderContext
        self.lookup = lookup
        self.globals = dict(GLOBALS)
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)

    def _tokenize(self, source: str, name: Any, filename: Any = None, state: Any = None) -> TokenStream:
        """The tokens of a file, with the column in each line number."""
        tokens = with_columns(source, self.lexer.tokeniter(source, name, filename, state))
        return TokenStream(self.lexer.wrap(tokens, name, filename), name, filename)

    # --- what it may reach ----------------------------------------------------------------------------------------

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a field first, then a method that is allowed."""
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

    # --- other files ----------------------------------------------------------------------------------------------

    def get_template(self, name: Any, parent: Any = None, globals: Any = None) -> Template:
        """A file that an include, import or extends names; what it costs to run is charged."""
        found = self.lookup(name) if isinstance(name, str) else None
        if found is None:
            raise TemplateNotFound(str(name))
        self.tick(5 + found.weight)
        return found

    def select_template(self, names: Any, parent: Any = None, globals: Any = None) -> Template:
        """The first of several files that is there."""
        for name in names:
            if self.lookup(name) is not None:
                return self.get_template(name)
        raise jinja2.TemplatesNotFound(list(names))

    def compiled(self, tree: nodes.Template, name: str) -> Compiled:
        """Compile a parsed and prepared file."""
        made = Compiled.from_code(self, self.compile(tree, name=name, filename=name), self.globals)
        assert isinstance(made, Compiled)
        return made


class RenderContext(Context):
    """A context made without jinja2's bookkeeping, which costs more than rendering a line."""

    @classmethod
    def quick(cls, template: Compiled, variables: dict[str, Any]) -> RenderContext:
        """The context of a render: `variables` hold the globals too."""
        context = cls.__new__(cls)
        context.parent = variables
        context.vars = {}
        context.environment = template.environment
        context.eval_ctx = _EVALUATION
        context.exported_vars = set()
        context.name = template.name
        context.globals_keys = set()
        context.blocks = {name: [block] for name, block in template.blocks.items()}
        return context

    def get_all(self) -> dict[str, Any]:
        """All names, as an include, an import with context and a scoped block copy them: charged by their number."""
        self.environment.tick(1 + (len(self.parent) + len(self.vars) >> 3))  # type: ignore[attr-defined]
        return super().get_all()


_EVALUATION = nodes.EvalContext(Sandbox(lambda _name: None))  # read only: the tag that changes it is refused
