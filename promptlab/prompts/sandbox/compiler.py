"""From parsed template to guarded Python, which is tried on bombs and escapes before it is trusted.

Nothing is folded at compile time, and what can grow calls the sandbox. To do so, methods are overridden that are
private to jinja2. A version that no longer calls one of them would not fail: it would let the bomb through. So before
the first template of a process, a file of probes is compiled: each has to be refused, and is harmless where it is not.
"""

# ruff: noqa: N802 - jinja2 names its visitors after its nodes
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import Template, TemplateModule
from jinja2.exceptions import SecurityError, TemplateNotFound, TemplateRuntimeError
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.utils import Namespace

from promptlab.errors import InputError
from promptlab.prompts.sandbox.guard import GLOBALS, Guard, RenderContext
from promptlab.prompts.sandbox.limits import LimitReached
from promptlab.prompts.sandbox.values import size

EACH = "each"  # the method of the sandbox that the iterable of every loop passes through

NODES_A_STEP = 6  # of the parsed tree; measured, as the prices in guard are
CONTAINERS = (list, tuple, dict)


def weigh(body: list[nodes.Node]) -> int:
    """How many steps one run through these nodes is; loops and calls inside charge for themselves as well."""
    count, todo = 0, list(body)
    while todo:
        node = todo.pop()
        count += 1
        if isinstance(node, nodes.Const) and isinstance(node.value, CONTAINERS):
            count += size(node.value)[1]
        todo.extend(node.iter_child_nodes())
    return 1 + count // NODES_A_STEP


def condense(node: nodes.Node) -> None:
    """Make one constant of each list and map of constants, so that a long one is walked through once."""
    for name, value in node.iter_fields():
        if isinstance(value, list):
            value[:] = [_condensed(item) if isinstance(item, nodes.Node) else item for item in value]
        elif isinstance(value, nodes.Node):
            setattr(node, name, _condensed(value))


def _condensed(node: nodes.Node) -> nodes.Node:
    condense(node)
    if isinstance(node, (nodes.List, nodes.Tuple)) and all(isinstance(item, nodes.Const) for item in node.items):
        values = [item.value for item in node.items]  # type: ignore[attr-defined]
        return nodes.Const(values if isinstance(node, nodes.List) else tuple(values), lineno=node.lineno)
    if isinstance(node, nodes.Dict) and all(
        isinstance(part, nodes.Const) and not isinstance(part.value, (list, dict))
        for pair in node.items
        for part in (pair.key, pair.value)
    ):
        pairs = {pair.key.value: pair.value.value for pair in node.items}  # type: ignore[attr-defined]
        return nodes.Const(pairs, lineno=node.lineno)
    return node


def prepare(tree: nodes.Template) -> None:
    """Put the charges in: on the iterable of each loop, and at the head of each macro and block.

    These are the only places where a template does more than its text is long, so that nothing else has to count.
    """
    found: list[Any] = list(tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)))
    for node in found:
        weight = weigh(node.body)
        if isinstance(node, nodes.For):
            owner = nodes.EnvironmentAttribute(EACH, lineno=node.lineno)  # no template can write one
            arguments = [node.iter, nodes.Const(weight, lineno=node.lineno)]
            node.iter = nodes.Call(owner, arguments, [], None, None, lineno=node.lineno)
        else:
            weight += len(getattr(node, "args", ())) + len(getattr(node, "defaults", ()))
            charge = nodes.EnvironmentAttribute(f"tick({weight})", lineno=node.lineno)
            node.body.insert(0, nodes.ExprStmt(charge, lineno=node.lineno))
    tree.set_environment(tree.environment)  # type: ignore[arg-type]


class Generator(CodeGenerator):
    """jinja2's generator, with calls into the sandbox where a value is made, compared or written out."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        # Folding would compute `'a' * 10**9` before any check; only what is in the file is constant.
        if isinstance(node, nodes.TemplateData) or (
            isinstance(node, nodes.Const) and node.value is not None and not isinstance(node.value, CONTAINERS)
        ):
            return super()._output_child_to_const(node, frame, finalize)
        raise nodes.Impossible

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("environment.text(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:
        if node.node is not None:
            super().visit_Filter(node, frame)
            return
        self._written(node, frame, super().visit_Filter)  # of `{% filter ... %}`: written out as it is

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        if isinstance(node.node, nodes.EnvironmentAttribute):  # EACH, put in by `prepare`
            self.write(f"environment.{node.node.name}(")
            for argument in node.args:
                self.visit(argument, frame)
                self.write(", ")
            self.write(")")
            return
        if not forward_caller:
            super().visit_Call(node, frame)
            return
        visit = super().visit_Call  # of `{% call ... %}`
        self._written(node, frame, lambda node, frame: visit(node, frame, forward_caller=True))

    def _written(self, node: nodes.Expr, frame: Frame, visit: Any) -> None:
        self._output_child_pre(node, frame, None)
        visit(node, frame)
        self._output_child_post(node, frame, None)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.glue((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    # A comparison walks both sides, a shared part as often as it is reachable: sixty lists can hold 2^60 items.
    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        self.write("environment.compare(")
        self.visit(node.expr, frame)
        for operand in node.ops:
            self.write(f", {operand.op!r}, ")
            self.visit(operand.expr, frame)
        self.write(")")

    # A slice makes a list or a text; jinja2 writes it as Python's own subscript, which no hook sees.
    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self.write("environment.part(")
        self.visit(node.node, frame)
        for bound in (node.arg.start, node.arg.stop, node.arg.step):
            self.write(", ")
            self.write("None") if bound is None else self.visit(bound, frame)
        self.write(")")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._built(node, frame, node.items, super().visit_List)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        values = [part for pair in node.items for part in (pair.key, pair.value)]
        self._built(node, frame, values, super().visit_Dict)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx != "load":
            super().visit_Tuple(node, frame)  # `for key, value in ...`: a target, not a value
            return
        self._built(node, frame, node.items, super().visit_Tuple)

    def _built(self, node: Any, frame: Frame, parts: list[nodes.Expr], visit: Any) -> None:
        constant = all(isinstance(part, nodes.Const) and not isinstance(part.value, CONTAINERS) for part in parts)
        self.write("" if constant else "environment.built(")
        visit(node, frame)
        self.write("" if constant else ")")


# --- compiled files -----------------------------------------------------------------------------------------------


class LineNumber(int):
    """A line number that knows its column. Jinja's tokens and nodes carry a line only, and carry this just as well."""

    column: int

    @classmethod
    def at(cls, line: int, column: int) -> LineNumber:
        """Line and column, both 1-based."""
        made = cls(line)
        made.column = column
        return made


def with_columns(source: str, tokens: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """Raw tokens, each with a LineNumber. Stripped white space is skipped by looking for the next."""
    position = before = 0  # `before` is where the last line break was looked for, `start` where its line begins
    start = -1
    for line, kind, text in tokens:
        found = source.find(text, position)
        if found >= 0:
            start = max(start, source.rfind("\n", before, found))
            before = found
            line = LineNumber.at(line, found - start)
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
        super().__init__()
        self.lookup = lookup

    def _tokenize(self, source: str, name: Any, filename: Any = None, state: Any = None) -> TokenStream:
        """The tokens of a file, with the column in each line number."""
        tokens = with_columns(source, self.lexer.tokeniter(source, name, filename, state))
        return TokenStream(self.lexer.wrap(tokens, name, filename), name, filename)

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


# --- the sandbox, tried -------------------------------------------------------------------------------------------

#: What has to be refused. Each is just above a limit, so that one that passes costs milliseconds.
BOMBS: Mapping[str, str] = {
    "multiplied": "{{ ('a' * 200000) | length }}",
    "joined": "{{ ('a' * 90000 ~ 'a' * 90000) | length }}",
    "multiplied in a loop": "{% for i in range(99) %}{{ '' if 'a' * 99999 }}{% endfor %}",
    "sliced": "{% for i in range(9) %}{{ '' if range(9999)[1:] }}{% endfor %}",
    "compared": "{% for i in range(9) %}{{ range(9999) == range(9998) }}{% endfor %}",
    "looped over": "{% for i in range(300) %}{% for i in range(300) %}{% endfor %}{% endfor %}",
    "put in lists": "{% for i in range(30) %}{% set n.x = [n.x] %}{% endfor %}",
    "put in maps": "{% for i in range(30) %}{% set n.x = {'a': n.x} %}{% endfor %}",
    "called": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}
ESCAPES: Mapping[str, str] = {
    "an attribute": "{{ ''.__class__ | length }}",
    "an item": "{{ ''['__class__'] | length }}",
    "an attribute in a filter": "{{ [''] | map(attribute='__class__') | first | length }}",
    "a function": "{{ function() }}",
    "a list as text": "{{ [1] }}",
}
_COUNTED = "{% import 'library' as l %}{{ l.count() }}"
_LIBRARY = "{% set n = namespace(x=0) %}{% macro count() %}{% set n.x = n.x + 1 %}{{ n.x }}{% endmacro %}"


@cache
def ensure_sound() -> None:
    """InputError where the installed jinja2 lets one of the probes pass; nothing is rendered then."""
    name = _weakness()
    if name is not None:
        message = (
            f"jinja2 {jinja2.__version__} does not hold what keeps templates within bounds ({name}), so nothing is "
            "rendered; install the version that promptlab asks for: pip install 'jinja2>=3.1.5,<3.2'"
        )
        raise InputError(message, code="jinja-version")


class _WithoutColumns(Sandbox):
    """The same sandbox. Where a probe stands in its line is nobody's concern, and takes a tenth of the time."""

    _tokenize = Guard._tokenize


def _weakness() -> str | None:
    """The first probe that passes, or None."""
    library: list[Compiled] = []
    sandbox = _WithoutColumns(lambda _name: library[0])
    library.append(_compile(sandbox, _LIBRARY))
    probes = {**BOMBS, **ESCAPES}
    texts = [_COUNTED, *probes.values()]
    branches = "".join(f"{{% elif probe == {number} %}}{text}" for number, text in enumerate(texts))
    compiled = _compile(sandbox, "{% if false %}" + branches + "{% endif %}")
    if [_render(compiled, 0), _render(compiled, 0)] != ["1", "1"]:
        return "one render changes the next"
    for number, name in enumerate(probes, 1):
        try:
            _render(compiled, number)
        except LimitReached:
            continue
        except (SecurityError, TemplateRuntimeError):
            if name in ESCAPES:
                continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not the sandbox that refused
            return f"{name}: {type(error).__name__}"
        return name
    return None


def _render(compiled: Compiled, probe: int) -> str:
    sandbox: Any = compiled.environment
    sandbox.meter.reset()
    variables = {**GLOBALS, "probe": probe, "n": Namespace(x=[]), "function": lambda: "called"}
    return "".join(compiled.root_render_func(RenderContext.quick(compiled, variables)))


def _compile(sandbox: Sandbox, text: str) -> Compiled:
    """Compile without the checks that come before, so that the sandbox is alone with the probe."""
    tree = Parser(sandbox, text, "probe", "probe").parse()
    prepare(tree)
    return sandbox.compiled(tree, "probe")
