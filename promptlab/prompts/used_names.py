"""Which names a template uses and does not define: over all branches and all files, without running it.

Jinja's `meta.find_undeclared_variables` knows one file, no position, and takes a name set in both branches of an `if`
for undefined. This follows includes with the names that are bound where they stand, blocks to the definition that will
be rendered, and macros where they are used. A name that may be set (in one branch, say) counts as set, so that only
what is certainly wrong is an error here; the rest is caught when each variant is rendered, before anything is sent.
"""

# ruff: noqa: N802, N815 - jinja2 names its visitors after its nodes
from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from promptlab.prompts.parsing import Findings, ParsedFile, Use, base_chain, direct, reference_names
from promptlab.prompts.sandbox.guard import GLOBALS
from promptlab.prompts.sandbox.values import hint

Lookup = Callable[[str], ParsedFile | None]

_MAX_VISITS = 50_000  # what the walk does not come to is found when each variant is rendered, before anything is sent


class _Bound(NamedTuple):
    """What a name stands for, where that is known: a macro, or an imported file."""

    macro: nodes.Macro | None = None
    scope: _Scope | None = None  # where the macro is, or the imported file's own

    @property
    def own(self) -> dict[str, _Bound]:
        """The names of an imported file."""
        return {} if self.scope is None else self.scope.names.maps[0]  # type: ignore[return-value]


class _Scope(NamedTuple):
    """The names that are set at a place of a file; `blind` in a file imported without context."""

    unit: ParsedFile
    names: ChainMap[str, _Bound]
    blind: bool = False

    def inner(self, names: Iterable[str] = (), unit: ParsedFile | None = None) -> _Scope:
        """A scope inside this one, with names that are values."""
        return _Scope(unit or self.unit, self.names.new_child(dict.fromkeys(names, _VALUE)), self.blind)


_VALUE = _Bound()
_GLOBALS = dict.fromkeys(GLOBALS, _VALUE)


def _outermost(unit: ParsedFile, blind: bool = False) -> _Scope:
    return _Scope(unit, ChainMap({}, _GLOBALS), blind)


def find_names(main: ParsedFile, lookup: Lookup) -> Findings:
    """Walk a template and all it uses."""
    walker = _Walker(lookup)
    walker.render(main, _outermost(main))
    return walker.found


class _Walker(NodeVisitor):
    """Reads nodes in the order in which they run, each in its scope."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.found = Findings([], set(), [])
        self.blocks: dict[str, list[tuple[ParsedFile, nodes.Block]]] = {}
        self.rendered: set[str] = set()
        self.seen: set[Any] = set()
        self.modules: dict[Any, _Bound] = {}  # imported files, each read once for the names that it can see
        self.pending: list[tuple[list[nodes.Node], _Scope]] = []  # macros: read when their file's names are known
        self.visits = 0

    def render(self, main: ParsedFile, scope: _Scope, *, included: bool = False) -> None:
        """Read a file and its bases in the order in which they run; macros and blocks at the end."""
        before = self.blocks, self.rendered, self.pending  # an included file has its own blocks and base
        self.blocks, self.rendered, self.pending = {}, set(), []
        chain = base_chain(main, self.lookup)
        for unit in chain:
            for block in unit.tree.find_all(nodes.Block) if unit.tree else ():
                self.blocks.setdefault(block.name, []).append((unit, block))
        for position, unit in enumerate(chain):
            skip_text = position < len(chain) - 1  # what a child writes outside of its blocks is not rendered
            for node in unit.tree.body if unit.tree else ():
                if not (skip_text and isinstance(node, (nodes.Output, nodes.Block))):
                    self.visit(node, scope._replace(unit=unit))
        while self.pending:
            self.body(*self.pending.pop())
        if not included and len(chain) > 1:
            self.unused_blocks(main)
        self.blocks, self.rendered, self.pending = before

    def unused_blocks(self, main: ParsedFile) -> None:
        inherited = {name for name, found in self.blocks.items() if found[-1][0] is not main}
        for name, found in self.blocks.items():
            unit, block = found[0]
            if unit is main and name not in inherited and name not in self.rendered:
                message = f"block {name!r} is in no base template, so it is never rendered{hint(name, inherited)}"
                column = unit.source.column(name, block.lineno)
                self.problem(unit, "unused-block", message, block.lineno, column, "warning")

    def problem(self, unit: ParsedFile, *about: Any) -> None:
        self.found.problems.append(unit.source.problem(*about))

    def body(self, found: Iterable[nodes.Node], scope: _Scope) -> None:
        for node in found:
            self.visit(node, scope)

    # --- nodes ----------------------------------------------------------------------------------------------------

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> None:
        """Read one node, as long as there are not too many."""
        self.visits += 1
        if self.visits <= _MAX_VISITS:
            super().visit(node, *args, **kwargs)

    def use(self, use: Use, scope: _Scope) -> None:
        bound = scope.names.get(use.name)
        if bound is None:
            self.found.uses.append(use._replace(blind=scope.blind))
            if use.guarded:
                self.found.guarded.add((use.name, use.field))
        elif bound.macro is not None:
            self.macro_body(bound)
        elif bound.scope is not None and use.field is not None:
            self.member(use.field, use.line, use.field_column, bound, scope)

    def member(self, name: str, line: int, column: int | None, bound: _Bound, scope: _Scope) -> None:
        """`lib.name`, or a name of `from ... import`."""
        assert bound.scope is not None
        if (macro := bound.own.get(name)) is not None:
            self.macro_body(macro)
            return
        known = [key for key in bound.own if not key.startswith("_")]
        message = f"{bound.scope.unit.source.path!r} defines no {name!r}{hint(name, known)}"
        self.problem(scope.unit, "undefined-macro", message, line, column)

    def macro_body(self, bound: _Bound) -> None:
        macro = bound.macro
        if macro is None or bound.scope is None or macro in self.seen:
            return
        self.seen.add(macro)
        inner = bound.scope.inner([*(argument.name for argument in macro.args), "caller", "kwargs", "varargs"])
        self.pending.append(([*macro.defaults, *macro.body], inner))

    def visit_Name(self, node: nodes.Name, scope: _Scope) -> None:
        if node.ctx != "load":
            scope.names[node.name] = _VALUE
        else:
            self.visit_place(node, scope)

    def visit_place(self, node: Any, scope: _Scope) -> None:
        """`look`, `look.light` or `look['light']`, or one of them with a default; else what it is made of."""
        use = direct(node, scope.unit)
        if use is None:
            self.generic_visit(node, scope)
            return
        if use.name == "self" and use.field is not None:
            self.render_block(use.field, scope)
        else:
            self.use(use, scope)
        if use.guarded:
            self.body(node.iter_child_nodes(exclude=("node",)), scope)

    visit_Getattr = visit_Getitem = visit_Filter = visit_Test = visit_place

    def visit_For(self, node: nodes.For, scope: _Scope) -> None:
        self.visit(node.iter, scope)
        inner = scope.inner(["loop"])
        self.body([node.target, *([node.test] if node.test is not None else []), *node.body], inner)
        self.body(node.else_, scope.inner())

    def visit_Macro(self, node: nodes.Macro, scope: _Scope) -> None:
        scope.names[node.name] = _Bound(node, scope)

    def visit_CallBlock(self, node: nodes.CallBlock, scope: _Scope) -> None:
        self.visit(node.call, scope)
        self.body([*node.defaults, *node.body], scope.inner(argument.name for argument in node.args))

    def visit_With(self, node: nodes.With, scope: _Scope) -> None:
        self.body(node.values, scope)
        self.body([*node.targets, *node.body], scope.inner())

    def visit_Assign(self, node: nodes.Assign, scope: _Scope) -> None:
        self.visit(node.node, scope)
        self.visit(node.target, scope)
        # `{% set frame = lib.frame %}` keeps what it stands for
        if isinstance(node.target, nodes.Name) and isinstance(node.node, nodes.Name):
            scope.names[node.target.name] = scope.names.get(node.node.name) or _VALUE

    def visit_AssignBlock(self, node: Any, scope: _Scope) -> None:
        """`{% set x %}...{% endset %}` and `{% filter ... %}`: names set inside stay there."""
        self.body(node.body, scope.inner())
        self.body(node.iter_child_nodes(exclude=("body",)), scope)

    visit_FilterBlock = visit_AssignBlock

    def visit_Block(self, node: nodes.Block, scope: _Scope) -> None:
        outermost = ChainMap(*scope.names.maps[-2:])  # the file's own names and the globals
        self.render_block(node.name, scope if node.scoped else scope._replace(names=outermost))

    def render_block(self, name: str, scope: _Scope) -> None:
        """The child's version of a block; with `super()`, its base's too."""
        self.rendered.add(name)
        for unit, block in self.blocks.get(name, []):
            if block in self.seen:
                return
            self.seen.add(block)
            self.pending.append((block.body, scope.inner(("super", "self"), unit)))
            if not any(used.name == "super" for used in block.find_all(nodes.Name)):
                return

    # --- other files ----------------------------------------------------------------------------------------------

    def file(self, node: Any, scope: _Scope) -> tuple[ParsedFile, _Scope, Any] | None:
        """The file that a tag names, the scope it runs in, and what tells one such read from another."""
        units = (self.lookup(name) for name in reference_names(node) or ())
        unit = next((unit for unit in units if unit is not None), None)
        if unit is None:
            return None
        if node.with_context:
            return unit, scope.inner(unit=unit), (unit.source.path, scope.blind, frozenset(scope.names))
        return unit, _outermost(unit, blind=True), (unit.source.path, True, None)

    def visit_Include(self, node: nodes.Include, scope: _Scope) -> None:
        found = self.file(node, scope)
        if found is not None and found[2] not in self.seen:
            self.seen.add(found[2])
            self.render(found[0], found[1], included=True)

    def module(self, node: Any, scope: _Scope) -> _Bound:
        """An imported file, with the names that it defines."""
        found = self.file(node, scope)
        if found is None or found[0].tree is None:
            return _VALUE
        unit, inner, key = found
        if key not in self.modules:
            self.modules[key] = _Bound(None, inner)
            self.body(unit.tree.body if unit.tree else (), inner)
        return self.modules[key]

    def visit_Import(self, node: nodes.Import, scope: _Scope) -> None:
        scope.names[node.target] = self.module(node, scope)

    def visit_FromImport(self, node: nodes.FromImport, scope: _Scope) -> None:
        bound = self.module(node, scope)
        for entry in node.names:
            name, alias = (entry, entry) if isinstance(entry, str) else entry
            if bound.scope is not None and name not in bound.own:
                self.member(name, node.lineno, scope.unit.source.column(name, node.lineno), bound, scope)
            scope.names[alias] = bound.own.get(name, _VALUE)
