"""From a compiled template and values to prompts: one at a time, or the many prompts of one product of axes."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from jinja2 import nodes

from promptlab.prompts.cleaning import clean
from promptlab.prompts.failures import FAILURES, explain
from promptlab.prompts.sandbox.environment import GLOBALS, Compiled, RenderContext, Sandbox
from promptlab.prompts.sandbox.limits import MAX_STEPS, MAX_TEXT, LimitReached
from promptlab.prompts.sandbox.values import as_text

#: The number of a value in each table of `bind`, in their order; -1 where a variable is not given.
Indices = Sequence[int]

#: Latin letters, punctuation, Chinese and Japanese characters: none changes with what stands before it, as a combining
#: accent or a Hangul vowel does (Unicode TR 15). Others could be added; a prompt is right without them, only slower.
_ALONE = re.compile("[\x00-\u02ff\u2010-\u206f\u3041-\u3096\u30a0-\u30ff\u3400-\u9fff]")


def run(compiled: Compiled, variables: dict[str, Any]) -> list[str]:
    """The chunks a template yields, within the budget of one render."""
    sandbox: Any = compiled.environment
    sandbox.meter.reset()
    context = RenderContext.quick(compiled, variables)
    try:
        chunks = list(compiled.root_render_func(context))
        if sum(map(len, chunks)) > MAX_TEXT:
            sandbox.meter.reset()
            _find_overflow(compiled.root_render_func(context))
    except FAILURES as error:
        raise explain(error, compiled.source, variables.keys() - GLOBALS.keys()) from None
    return chunks


def _find_overflow(stream: Iterator[str]) -> None:
    """Run again, and fail at the line whose output is one too many."""
    length = 0
    running: Any = stream
    for chunk in running:
        length += len(chunk)
        if length > MAX_TEXT:
            running.throw(LimitReached(f"a prompt of more than {MAX_TEXT:,} characters"))


def bind(
    compiled: Compiled,
    tree: nodes.Template,
    fixed: dict[str, Any],
    tables: Sequence[tuple[str, Sequence[object]]],
    *,
    keep: bool = False,
) -> Callable[[Indices], str]:
    """The cleaned prompt as a function of the numbers of the values that it has.

    A template that is text with places of one variable each, as most are, is not run for each prompt: what a place
    shows for a value is made and cleaned once, and a prompt is those pieces in a row. Where that could make a
    difference (a value with spaces at its ends, a long one, one that fails), the template is run as a whole.
    """
    given = [(at, name, table) for at, (name, table) in enumerate(tables)]
    places = {name: at for at, name, _ in given}

    def whole(indices: Indices) -> str:
        variables = fixed.copy()
        for at, name, table in given:
            if (index := indices[at]) >= 0:
                variables[name] = table[index]
        return clean("".join(run(compiled, variables)), keep=keep)

    parts = None if keep else _parts(tree)
    slots = None if parts is None else _slots(compiled.environment, parts, fixed, places)
    if slots is None:
        return whole
    if not slots:
        return _only(whole)
    pieces = [(places[slot.name], slot.pieces(tables[places[slot.name]][1])) for slot in slots]

    def prompt(indices: Indices) -> str:
        try:
            return "".join([table[indices[at]] for at, table in pieces])  # type: ignore[misc]
        except TypeError:  # one of them is None
            return whole(indices)

    return prompt


def _only(whole: Callable[[Indices], str]) -> Callable[[Indices], str]:
    """The prompt of a template that no table reaches: rendered when it is asked for, and once."""
    made: list[str] = []

    def prompt(indices: Indices) -> str:
        if not made:
            made.append(whole(indices))
        return made[0]

    return prompt


def _parts(tree: nodes.Template) -> list[nodes.Expr] | None:
    """The texts and places of a file that has nothing else; None where it has."""
    found: list[nodes.Expr] = []
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return None
        found += node.nodes
    return found if all(isinstance(part, nodes.TemplateData) or _variable(part) for part in found) else None


def _variable(node: nodes.Node | None) -> str | None:
    """The variable that an expression is a function of: itself, a field of it, either through filters; else None."""
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getitem):
            if not isinstance(node.arg, nodes.Const):
                return None
        elif isinstance(node, nodes.Filter):
            values = [*node.args, *(keyword.value for keyword in node.kwargs)]
            if node.dyn_args or node.dyn_kwargs or not all(isinstance(value, nodes.Const) for value in values):
                return None
        elif not isinstance(node, nodes.Getattr):
            return None
        node = node.node
    return node.name


def _shown(sandbox: Any, node: Any, value: Any) -> Any:
    """What an expression of one variable is for a value of it: the calls that the compiled template would make."""
    if isinstance(node, nodes.Name):
        return value
    inner = _shown(sandbox, node.node, value)
    if isinstance(node, nodes.Getattr):
        return sandbox.getattr(inner, node.attr)
    if isinstance(node, nodes.Getitem):
        return sandbox.getitem(inner, node.arg.as_const())
    arguments = [argument.as_const() for argument in node.args]
    return sandbox.call_filter(node.name, inner, arguments, {each.key: each.value.as_const() for each in node.kwargs})


@dataclass
class _Slot:
    """A place whose variable has a table, with the fixed text around it."""

    sandbox: Sandbox
    name: str
    node: nodes.Expr
    room: int  # characters that it may have, and steps that it may take: together all slots stay within the limits
    steps: int
    before: str = ""  # only of the first
    after: str = ""

    def piece(self, value: object) -> str | None:
        """The cleaned text of the place for a value, or None where the prompt has to be rendered as a whole."""
        self.sandbox.meter.reset()
        try:
            text = as_text(_shown(self.sandbox, self.node, value))
        except FAILURES:
            return None  # the render says what is wrong, and where
        if len(text) > self.room or self.sandbox.meter.left < MAX_STEPS - self.steps or not _stands(text):
            return None
        return self.before + text + self.after

    def pieces(self, table: Sequence[object]) -> Sequence[str | None]:
        """The pieces of a table's values; the last, which -1 finds, is that of a variable that is not given."""
        if isinstance(table, (list, tuple)):
            return [*map(self.piece, table), None]
        return _Passing(self, table)


class _Passing(Sequence["str | None"]):
    """The pieces of a table that makes its values when they are asked for."""

    def __init__(self, slot: _Slot, table: Sequence[object]) -> None:
        self._piece = slot.piece
        self._table = table

    def __len__(self) -> int:
        return len(self._table) + 1

    @overload
    def __getitem__(self, index: int) -> str | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str | None]: ...
    def __getitem__(self, index: Any) -> Any:
        return None if index < 0 else self._piece(self._table[index])


def _stands(text: str) -> bool:
    """Whether a text stays what it is between any two others when the whole is cleaned."""
    return _ALONE.match(text) is not None and clean(text) == text and text.strip() == text


def _slots(
    sandbox: Any, parts: list[nodes.Expr], fixed: Mapping[str, Any], tables: Container[str]
) -> list[_Slot] | None:
    """The places that differ from prompt to prompt; all others are part of the text around them."""
    names = [_variable(part) or "" for part in parts]
    share = len(parts) + sum(name in tables for name in names)
    slots: list[_Slot] = []
    texts = [""]  # before the first slot, between each two, after the last
    sandbox.meter.reset()
    for part, name in zip(parts, names, strict=True):
        if isinstance(part, nodes.TemplateData):
            texts[-1] += part.data
        elif name in tables:
            slots.append(_Slot(sandbox, name, part, MAX_TEXT // share, MAX_STEPS // share))
            texts.append("")
        elif name not in fixed:
            return None
        else:
            try:
                texts[-1] += as_text(_shown(sandbox, part, fixed[name]))
            except FAILURES:
                return None
    spent = MAX_STEPS - sandbox.meter.left
    if sum(map(len, texts)) > MAX_TEXT // 2 or spent > MAX_STEPS // 2:
        return None
    for at, text in enumerate(texts if slots else ()):
        # The signs at the ends keep the spaces that stand between two pieces; at the ends of a prompt there are none.
        left, right = "." * (at > 0), "." * (at < len(slots))
        kept = clean(left + text + right)
        kept = kept[len(left) : len(kept) - len(right)]
        if at and kept and not _ALONE.match(kept):
            return None
        if at == 0:
            slots[0].before = kept
        else:
            slots[at - 1].after = kept
    return slots
