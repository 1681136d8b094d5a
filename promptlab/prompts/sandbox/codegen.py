"""From parsed template to Python: nothing is folded at compile time, and what can grow calls the sandbox."""

# ruff: noqa: N802 - jinja2 names its visitors after its nodes
from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

from promptlab.prompts.sandbox.limits import size

EACH = "each"  # the method of the sandbox that the iterable of every loop passes through

NODES_A_STEP = 6
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
    """Put the charges in: on the iterable of each loop, and at the head of each macro and block."""
    loops: list[nodes.For] = list(tree.find_all(nodes.For))
    for loop in loops:
        weight = nodes.Const(weigh(loop.body), lineno=loop.lineno)
        owner = nodes.EnvironmentAttribute(EACH, lineno=loop.lineno)  # no template can write one
        loop.iter = nodes.Call(owner, [loop.iter, weight], [], None, None, lineno=loop.lineno)
    bodies: list[Any] = list(tree.find_all((nodes.Macro, nodes.CallBlock, nodes.Block)))
    for owner in bodies:
        arguments = len(getattr(owner, "args", ())) + len(getattr(owner, "defaults", ()))
        charge = nodes.EnvironmentAttribute(f"tick({weigh(owner.body) + arguments})", lineno=owner.lineno)
        owner.body.insert(0, nodes.ExprStmt(charge, lineno=owner.lineno))
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

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        self.write("environment.compare(")
        self.visit(node.expr, frame)
        for operand in node.ops:
            self.write(f", {operand.op!r}, ")
            self.visit(operand.expr, frame)
        self.write(")")

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
