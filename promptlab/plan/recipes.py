"""From a cell to its prompt: which values a template sees, typed once, rendered with as few renders as can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from promptlab.errors import InputError, Problem
from promptlab.model import Axis, Place, Value
from promptlab.prompts import Fields, Template

from .parameters import Report
from .product import LARGE, Cell, Space

__all__ = ["Recipe", "visible"]

MEMO = 4096  # prompts kept where some axes do not reach the template


def visible(axis: Axis) -> bool:
    """Whether templates see an axis: not the choice of template itself, and not a parameter."""
    return axis.kind == "value"


def context_value(value: Value) -> str:
    """What `{{ axis }}` is for one value: its text, with its fields as attributes."""
    return Fields(value.text, value.fields) if value.fields else value.text


class _Contexts(Sequence[object]):
    """What `{{ axis }}` is for each value of a large axis, made when it is asked for."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return context_value(self._values[index])


#: axis → what its values are for a template that declares no type for it; all templates share them.
Shared = dict[str, Sequence[object]]


class Recipe:
    """One template with the values that reach it. Values that its declarations refuse are reported."""

    def __init__(self, template: Template, space: Space, report: Report, shared: Shared | None = None) -> None:
        shared = {} if shared is None else shared
        self.template = template
        self._render: Callable[[Mapping[str, object]], str] = template.render
        self._constants = {
            name: _typed(template, name, value, report.place("vars", name), report)
            for name, value in report.experiment.vars.items()
            if name in template.names
        }
        self._used = [
            (axis.name, at, _table(template, axis, report, shared))
            for at, axis in enumerate(space.axes)
            if axis.name in template.names and visible(axis)
        ]
        self.positions = [at for _, at, _ in self._used]
        unused = any(at not in self.positions and len(a.values) > 1 for at, a in enumerate(space.axes))
        self._key: Callable[[Cell], Any] | None = None
        if unused:  # else every cell has its own prompt, and remembering them would only cost
            self._key = itemgetter(*self.positions) if self.positions else lambda _: None
        self._memo: dict[Any, str] = {}

    def prompt(self, cell: Cell) -> str:
        """The rendered prompt of a cell; InputError with template:line where the template fails on its values."""
        if self._key is None:
            return self._fresh(cell)
        key = self._key(cell)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            found = self._memo[key] = self._fresh(cell)
        return found

    def context(self, cell: Cell) -> dict[str, object]:
        """The variables of a cell that the template uses."""
        context = self._constants.copy()
        for name, at, table in self._used:
            index = cell[at].index
            if index >= 0:
                context[name] = table[index]
        return context

    def _fresh(self, cell: Cell) -> str:
        prompt = self._render(self.context(cell))
        if not prompt:
            problem = Problem("empty-prompt", "the prompt is empty for these values")
            raise InputError(self.template.at_beginning(problem))
        return prompt


def _table(template: Template, axis: Axis, report: Report, shared: Shared) -> Sequence[object]:
    """What an axis' values are for a template, by their place."""
    if axis.name in template.declared:
        return [_typed(template, axis.name, context_value(v), v.place, report) for v in axis.values]
    if axis.name not in shared:
        large = len(axis.values) >= LARGE
        shared[axis.name] = _Contexts(axis.values) if large else [context_value(value) for value in axis.values]
    return shared[axis.name]


def _typed(template: Template, name: str, value: object, place: Place | None, report: Report) -> object:
    """A value by the template's declaration, where it has one; once, not at each render."""
    if name not in template.declared:
        return value
    try:
        return template.coerce(name, value, place)
    except InputError as error:
        for problem in error.problems:
            report.add(problem.code, problem.message, place)
        return value
