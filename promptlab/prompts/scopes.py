"""Which names a template uses and does not define: over all branches and all files, without running it.

Jinja's `meta.find_undeclared_variables` knows one file, no position, and takes a name set in both branches of an `if`
for undefined. This follows includes with the names that are bound where they stand, blocks to the definition that will
be rendered, and macros where they are used. A name that may be set (in one branch, say) counts as set, so that only
what is certainly wrong is an error here; the rest is caught when each variant is rendered, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from promptlab.errors import Problem
from promptlab.prompts.parsing import Unit, reference_names
from promptlab.prompts.sandbox.environment import GLOBALS
from promptlab.prompts.sandbox.values import did_you_mean
from promptlab.prompts.template_files import column_of

Lookup = Callable[[str], Unit | None]

_GUARDS = frozenset({"default", "d"})
_GUARD_TESTS = frozenset({"defined", "undefined"})
_MAX_VISITS = 50_000  # what the walk does not come to is found when each variant is rendered, before anything is sent


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a name that nothing in the template defines is used, or a field of it."""

    name: str
    field: str | None
    unit: Unit
    line: int  # of the name; mostly a Line, which has the column
    field_column: int | None
    blind: bool  # in a file imported without context, which sees no variable


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a name stands for, where that is known: a macro, or an imported file."""

    macro: nodes.Macro | None = None
    unit: Unit | None = None  # of the macro, or the imported file itself
    scope: _Scope | None = None


_VALUE = _Bound()


@dataclass(eq=False, slots=True)
class _Scope:
    unit: Unit
    parent: _Scope | None = None
    names: dict[str, _Bound] = field(default_factory=dict)
    blind: bool = False

    def find(self, name: str) -> _Bound | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return _VALUE if name in GLOBALS else None

    def inner(self, names: Iterable[str] = ()) -> _Scope:
        return _Scope(self.unit, self, dict.fromkeys(names, _VALUE), self.blind)

    def all_names(self) -> frozenset[str]:
        return frozenset(self.names) | (self.parent.all_names() if self.parent else frozenset())


@dataclass
class Findings:
    """What the walk found."""

    uses: list[Use] = field(default_factory=list)
    guarded: set[tuple[str, str | None]] = field(default_factory=set)  # with a default, or tested to be defined
    problems: list[Problem] = field(default_factory=list)


def find_names(main: Unit, lookup: Lookup) -> Findings:
    """Walk a template and all it uses."""
    return _Walker(main, lookup).walk()


class _Walker:
    def __init__(self, main: Unit, lookup: Lookup) -> None:
        self.lookup = lookup
        self.found = Findings()
        self.main = main
        self.blocks: dict[str, list[tuple[Unit, nodes.Block]]] = {}
        self.rendered: set[str] = set()
        self.seen: set[Any] = set()
        self.modules: dict[Any, _Bound] = {}  # imported files, each read once for the names that it can see
        self.pending: list[tuple[list[nodes.Node], _Scope]] = []  # macros: read when their file's names are known
        self.visits = 0

    def walk(self) -> Findings:
        chain = self.render(_Scope(self.main))
        self.unused_blocks(chain)
        return self.found

    def render(self, scope: _Scope) -> list[Unit]:
        """Read the main file and its bases in the order in which they run; macros and blocks at the end."""
        chain = base_chain(self.main, self.lookup)
        for unit in chain:
            for block in unit.tree.find_all(nodes.Block) if unit.tree else ():
                self.blocks.setdefault(block.name, []).append((unit, block))
        for position, unit in enumerate(chain):
            scope.unit = unit
            skip_text = position < len(chain) - 1  # what a child writes outside of its blocks is not rendered
            self.top_level(unit, scope, skip_text=skip_text)
        while self.pending:
            self.body(*self.pending.pop())
        return chain

    def unused_blocks(self, chain: list[Unit]) -> None:
        inherited = {name for name, found in self.blocks.items() if found[-1][0] is not chain[0]}
        for name, found in self.blocks.items():
            unit, block = found[0]
            if len(chain) > 1 and unit is chain[0] and name not in inherited and name not in self.rendered:
                message = f"block {name!r} is in no base template, so it is never rendered"
                column = unit.source.column(name, block.lineno)
                text = message + did_you_mean(name, inherited)
                self.found.problems.append(unit.source.problem("unused-block", text, block.lineno, column, "warning"))

    def top_level(self, unit: Unit, scope: _Scope, *, skip_text: bool = False) -> None:
        for node in unit.tree.body if unit.tree else ():
            if not (skip_text and isinstance(node, (nodes.Output, nodes.Block))):
                self.visit(node, scope)

    def body(self, found: Iterable[nodes.Node], scope: _Scope) -> None:
        for node in found:
            self.visit(node, scope)

    # --- nodes ----------------------------------------------------------------------------------------------------

    def visit(self, node: Any, scope: _Scope) -> None:
        """Read one node in a scope, in the order in which it runs."""
        self.visits += 1
        if self.visits > _MAX_VISITS:
            return
        special = _VISITORS.get(type(node))
        if special is not None:
            special(self, node, scope)
        else:
            self.body(node.iter_child_nodes(), scope)

    def name(self, node: nodes.Name, scope: _Scope) -> None:
        if node.ctx != "load":
            scope.names[node.name] = _VALUE
            return
        self.use(_Path(node.name, None, node.lineno), scope)

    def use(self, path: _Path, scope: _Scope, *, guarded: bool = False) -> None:
        bound = scope.find(path.name)
        if bound is None:
            use = Use(path.name, path.field, scope.unit, path.line, path.field_column, scope.blind)
            self.found.uses.append(use)
            if guarded:
                self.found.guarded.add((path.name, path.field))
        elif bound.macro is not None:
            self.macro_body(bound)
        elif bound.unit is not None and bound.scope is not None and path.field is not None:
            self.member(path.field, path.line, path.field_column, bound, scope)

    def member(self, name: str, line: int, column: int | None, bound: _Bound, scope: _Scope) -> None:
        """`lib.name`, or a name of `from ... import`."""
        assert bound.scope is not None
        macro = bound.scope.names.get(name)
        if macro is not None:
            self.macro_body(macro)
            return
        assert bound.unit is not None
        known = [key for key in bound.scope.names if not key.startswith("_")]
        message = f"{bound.unit.source.path!r} defines no {name!r}{did_you_mean(name, known)}"
        self.found.problems.append(scope.unit.source.problem("undefined-macro", message, line, column))

    def macro_body(self, bound: _Bound) -> None:
        macro, unit, outer = bound.macro, bound.unit, bound.scope
        if macro is None or unit is None or outer is None or macro in self.seen:
            return
        self.seen.add(macro)
        names = [*(argument.name for argument in macro.args), "caller", "kwargs", "varargs"]
        inner = _Scope(unit, outer, dict.fromkeys(names, _VALUE), outer.blind)
        self.pending.append(([*macro.defaults, *macro.body], inner))

    def attribute(self, node: Any, scope: _Scope) -> None:
        """`look.light` or `look['light']`."""
        path = _path(node)
        if path is None:
            self.body(node.iter_child_nodes(), scope)
        elif path.name == "self" and path.field is not None:
            self.render_block(path.field, scope)
        else:
            self.use(path, scope)

    def guard(self, node: Any, scope: _Scope) -> None:
        """`x is defined` and `x | default(...)`: a name that may be undefined there."""
        guards = _GUARDS if isinstance(node, nodes.Filter) else _GUARD_TESTS
        path = _path(node.node) if node.name in guards and node.node is not None else None
        if path is None:
            self.body(node.iter_child_nodes(), scope)
            return
        self.use(path, scope, guarded=True)
        self.body(node.iter_child_nodes(exclude=("node",)), scope)

    def loop(self, node: nodes.For, scope: _Scope) -> None:
        self.visit(node.iter, scope)
        inner = scope.inner(["loop"])
        self.visit(node.target, inner)
        if node.test is not None:
            self.visit(node.test, inner)
        self.body(node.body, inner)
        self.body(node.else_, scope.inner())

    def macro(self, node: nodes.Macro, scope: _Scope) -> None:
        scope.names[node.name] = _Bound(node, scope.unit, scope)

    def call_block(self, node: nodes.CallBlock, scope: _Scope) -> None:
        self.visit(node.call, scope)
        inner = scope.inner([argument.name for argument in node.args])
        self.body([*node.defaults, *node.body], inner)

    def with_(self, node: nodes.With, scope: _Scope) -> None:
        self.body(node.values, scope)
        inner = scope.inner()
        self.body([*node.targets, *node.body], inner)

    def assign(self, node: nodes.Assign, scope: _Scope) -> None:
        self.visit(node.node, scope)
        self.visit(node.target, scope)
        # `{% set frame = lib.frame %}` keeps what it stands for
        if isinstance(node.target, nodes.Name) and isinstance(node.node, nodes.Name):
            scope.names[node.target.name] = scope.find(node.node.name) or _VALUE

    def captured(self, node: Any, scope: _Scope) -> None:
        """`{% set x %}...{% endset %}` and `{% filter ... %}`: names set inside stay there."""
        self.body(node.body, scope.inner())
        self.body(node.iter_child_nodes(exclude=("body",)), scope)

    def block(self, node: nodes.Block, scope: _Scope) -> None:
        self.render_block(node.name, scope if node.scoped else self.outermost(scope))

    def outermost(self, scope: _Scope) -> _Scope:
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def render_block(self, name: str, scope: _Scope) -> None:
        """The child's version of a block; with `super()`, its base's too."""
        self.rendered.add(name)
        for unit, block in self.blocks.get(name, []):
            if block in self.seen:
                return
            self.seen.add(block)
            inner = _Scope(unit, scope, dict.fromkeys(("super", "self"), _VALUE), scope.blind)
            self.pending.append((block.body, inner))
            if not any(used.name == "super" for used in block.find_all(nodes.Name)):
                return

    # --- other files ----------------------------------------------------------------------------------------------

    def include(self, node: nodes.Include, scope: _Scope) -> None:
        for name in reference_names(node) or ():
            unit = self.lookup(name)
            if unit is None:
                continue
            blind = scope.blind or not node.with_context
            mark = (unit.source.path, blind, scope.all_names() if node.with_context else None)
            if mark not in self.seen:
                self.seen.add(mark)
                self.included(unit, _Scope(unit, scope if node.with_context else None, {}, blind))
            return

    def included(self, unit: Unit, scope: _Scope) -> None:
        """An included file may have its own blocks and base."""
        walker = _Walker(unit, self.lookup)
        walker.found, walker.seen, walker.visits, walker.modules = self.found, self.seen, self.visits, self.modules
        walker.render(scope)
        self.visits = walker.visits

    def module(self, node: Any, scope: _Scope) -> _Bound:
        """The scope of an imported file, where its macros are."""
        for name in reference_names(node) or ():
            unit = self.lookup(name)
            if unit is not None and unit.tree is not None:
                blind = scope.blind or not node.with_context
                key = (unit.source.path, blind, scope.all_names() if node.with_context else None)
                if key not in self.modules:
                    inner = _Scope(unit, scope if node.with_context else None, {}, blind)
                    self.modules[key] = _Bound(None, unit, inner)
                    self.top_level(unit, inner)
                return self.modules[key]
        return _VALUE

    def import_(self, node: nodes.Import, scope: _Scope) -> None:
        scope.names[node.target] = self.module(node, scope)

    def from_import(self, node: nodes.FromImport, scope: _Scope) -> None:
        bound = self.module(node, scope)
        for entry in node.names:
            name, alias = (entry, entry) if isinstance(entry, str) else entry
            if bound.scope is not None and name not in bound.scope.names:
                self.member(name, node.lineno, scope.unit.source.column(name, node.lineno), bound, scope)
            scope.names[alias] = bound.scope.names.get(name, _VALUE) if bound.scope else _VALUE


_VISITORS: Mapping[type[Any], Callable[[_Walker, Any, _Scope], None]] = {
    nodes.Name: _Walker.name,
    nodes.Getattr: _Walker.attribute,
    nodes.Getitem: _Walker.attribute,
    nodes.Filter: _Walker.guard,
    nodes.Test: _Walker.guard,
    nodes.For: _Walker.loop,
    nodes.Macro: _Walker.macro,
    nodes.CallBlock: _Walker.call_block,
    nodes.With: _Walker.with_,
    nodes.Assign: _Walker.assign,
    nodes.AssignBlock: _Walker.captured,
    nodes.FilterBlock: _Walker.captured,
    nodes.Block: _Walker.block,
    nodes.Include: _Walker.include,
    nodes.Import: _Walker.import_,
    nodes.FromImport: _Walker.from_import,
}


def base_chain(unit: Unit, lookup: Lookup) -> list[Unit]:
    """The template, its base, the base's base."""
    found = [unit]
    while True:
        names = [reference.names[0] for reference in found[-1].references if reference.kind == "extends"]
        base = lookup(names[0]) if names else None
        if base is None or base in found:
            return found
        found.append(base)


@dataclass(frozen=True, slots=True)
class _Path:
    """`name` or `name.field`, and where both stand."""

    name: str
    field: str | None
    line: int
    field_column: int | None = None


def _path(node: Any) -> _Path | None:
    """`x`, `x.y` and `x['y']`; None for anything else."""
    if isinstance(node, nodes.Name) and node.ctx == "load":
        return _Path(node.name, None, node.lineno)
    if isinstance(node, (nodes.Getattr, nodes.Getitem)) and isinstance(node.node, nodes.Name):
        name, line = node.node.name, node.node.lineno
        if isinstance(node, nodes.Getattr):
            return _Path(name, node.attr, line, column_of(node.lineno, offset=1))  # after the dot
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return _Path(name, node.arg.value, line, column_of(node.arg.lineno, offset=1))  # after the quote
    return None
