"""Single expressions and texts of an experiment, in the same sandbox: `where:` of an axis, `image:`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from jinja2 import nodes

from promptlab.errors import InputError, Problem
from promptlab.model import Place
from promptlab.prompts.parsing import Inspector, parse, parse_unit
from promptlab.prompts.rendering import FAILURES, compiled, explain, run
from promptlab.prompts.sandbox.compiler import Compiled, Sandbox
from promptlab.prompts.sandbox.guard import GLOBALS, RenderContext
from promptlab.prompts.template import clean
from promptlab.prompts.template_files import SourceFile

_RESULT = "result"


@cache
def _sandbox() -> Sandbox:
    return Sandbox(lambda _name: None)


def expression(text: str, place: Place | None = None) -> Callable[[Mapping[str, object]], bool]:
    """A condition over a row: `price | float > 10 and stock == 'yes'` → a function of the row.

    InputError at `place` when it cannot be read; the function raises one when it cannot be evaluated for a row (an
    unknown column, say).
    """
    source = _source(text, place)
    problems: list[Problem] = []
    tree = parse(_sandbox(), source, problems, state="variable")
    if tree is not None:
        Inspector(_sandbox(), source, problems, names=False).inspect(tree)
    if problems:
        raise InputError(problems)
    body: list[nodes.Node] = [nodes.Assign(nodes.Name(_RESULT, "store"), tree, lineno=1)]
    made = compiled(_sandbox(), nodes.Template(body, lineno=1), source)

    def holds(row: Mapping[str, object]) -> bool:
        _sandbox().meter.reset()
        context = RenderContext.quick(made, {**GLOBALS, **row})
        try:
            for _ in made.root_render_func(context):
                pass
            return bool(context.vars[_RESULT])
        except FAILURES as error:
            raise explain(error, source, row) from None

    return holds


def render_text(text: str, context: Mapping[str, object], place: Place | None = None) -> str:
    """A short text such as `photos/{{ item.sku }}.jpg`, filled in; control characters go, inner spaces stay."""
    if "{" not in text:
        return clean(text, keep=True)
    return clean("".join(run(_compiled_text(text, place), {**GLOBALS, **context})), keep=True)


@lru_cache(maxsize=256)
def _compiled_text(text: str, place: Place | None) -> Compiled:
    source = _source(text, place)
    unit = parse_unit(_sandbox(), source, None)
    problems = [problem for problem in unit.problems if problem.severity == "error"]
    if unit.references:
        line = unit.references[0].line
        problems.append(source.problem("template-feature", "a text like this one cannot include other files", line))
    if problems or unit.tree is None:
        raise InputError(problems)
    return compiled(_sandbox(), unit.tree, source)


def _source(text: str, place: Place | None) -> SourceFile:
    path = place.path if place else "<expression>"
    return SourceFile(path, path, text, text, place=place)
