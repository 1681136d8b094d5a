"""Who wrote which part of a prompt: a render whose texts remember where they come from.

The same files run in a second sandbox in which text is a subclass of str that carries its parts. What is written out
or joined keeps its parts; what a filter changes becomes one new part. Nothing is put into the text itself, so lengths,
comparisons and filters see what they always see, and the parts together are the render.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from jinja2 import nodes, pass_environment
from jinja2.compiler import Frame

from promptlab.prompts.sandbox.compiler import Compiled, Generator, Sandbox
from promptlab.prompts.sandbox.functions import getter
from promptlab.prompts.sandbox.values import Fields, as_text


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a prompt: the file and line that wrote it, and the variable that filled it (None: plain text)."""

    text: str
    path: str
    line: int
    variable: str | None = None


class Traced(Fields):
    """A text that knows its parts, or (a value that no template wrote) the name of its variable."""

    __slots__ = ("parts", "variable")
    parts: tuple[Segment, ...]
    variable: str | None

    @classmethod
    def of(cls, text: str, parts: Iterable[Segment] = (), variable: str | None = None) -> Traced:
        """A text with its parts or its variable; fields are traced too."""
        name = f"{variable}." if variable else ""
        fields = text.fields if isinstance(text, Fields) else {}
        made = cls(text, {key: traced(value, name + key) for key, value in fields.items()})
        object.__setattr__(made, "parts", tuple(parts))
        object.__setattr__(made, "variable", variable)
        return made


def traced(value: Any, variable: str) -> Any:
    """A value of a variable, with all that is in it."""
    if isinstance(value, str):
        return Traced.of(value, variable=variable)
    if isinstance(value, (list, tuple)):
        return [traced(item, variable) for item in value]
    if isinstance(value, dict):
        return {key: traced(item, f"{variable}.{key}") for key, item in value.items()}
    return value


class TracingGenerator(Generator):
    """Writes every output through `environment.mark` with its file, line and expression."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        raise nodes.Impossible

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("environment.mark(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        name = None if isinstance(node, (nodes.TemplateData, nodes.Const)) else _named(node)
        self.write(f", {self.name!r}, {node.lineno}, {name!r})")


class TracingSandbox(Sandbox):
    """A sandbox whose texts carry their parts."""

    code_generator_class = TracingGenerator

    def __init__(self, lookup: Callable[[str], Compiled | None]) -> None:
        super().__init__(lookup)
        self.filters["join"] = pass_environment(_joined)

    def mark(self, value: Any, path: str, line: int, variable: str | None) -> str:
        """A value as it is written out at a place of a template."""
        text = as_text(value)
        if isinstance(value, Traced):
            if any(part.variable or part.path for part in value.parts):
                return Traced.of(
                    text, [part if part.path else replace(part, path=path, line=line) for part in value.parts]
                )
            variable = value.variable or variable
        if variable is not None:
            return Traced.of(text, [Segment(text, path, line, variable)])
        rows = text.splitlines(keepends=True)
        return Traced.of(text, [Segment(row, path, line + number) for number, row in enumerate(rows)])

    def concat(self, chunks: Iterable[str]) -> str:
        """Join texts and their parts."""
        found = list(chunks)
        text = super().concat(found)
        parts = [part for chunk in found for part in _parts(chunk)]
        return Traced.of(text, parts) if "".join(part.text for part in parts) == text else text

    def glue(self, values: Sequence[Any]) -> str:
        """`a ~ b`: the parts of each; those not written out yet get their place when they are."""
        return Traced.of(super().concat([as_text(value) for value in values]), _all_parts(values))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`+` of texts keeps their parts."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self.glue((left, right))
        return super().call_binop(context, operator, left, right)


def _all_parts(values: Iterable[Any]) -> Iterable[Segment]:
    """The parts of several values in a row."""
    for value in values:
        yield from _parts(value) or (Segment(as_text(value), "", 0, getattr(value, "variable", None)),)


def _parts(chunk: Any) -> tuple[Segment, ...]:
    return chunk.parts if isinstance(chunk, Traced) else ()


def _joined(sandbox: Sandbox, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """The filter `join`, keeping the parts of what it joins."""
    items = map(getter(sandbox, attribute, len(value)), sandbox.each(value, 1))
    between = [part for item in items for part in (separator, item)][1:]
    return sandbox.glue(between)


def _named(node: nodes.Expr) -> str | None:
    """The variable that an expression is about: the first name in it that is not called."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        owner = _named(node.node)
        return f"{owner}.{node.attr}" if owner else None
    if isinstance(node, nodes.Call):
        children: list[Any] = [*node.args, *(keyword.value for keyword in node.kwargs)]
        if isinstance(node.node, nodes.Getattr) and not children:
            children = [node.node.node]
    else:
        children = list(node.iter_child_nodes())
    return next((name for child in children if (name := _named(child)) is not None), None)


def segments(chunks: Iterable[str]) -> list[Segment]:
    """The parts of a traced render; neighbours of one origin are one."""
    parts = [part for chunk in chunks for part in _parts(chunk)]
    merged = []
    for _, group in groupby(parts, key=lambda part: (part.path, part.line, part.variable)):
        same = list(group)
        merged.append(replace(same[0], text="".join(part.text for part in same)))
    return merged
