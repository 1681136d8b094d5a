"""A template compiled, and at work: its text, or an InputError with the line where it failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateNotFound, TemplateSyntaxError, UndefinedError

from promptlab.errors import InputError
from promptlab.prompts.sandbox.compiler import Compiled, Sandbox, ensure_sound, prepare
from promptlab.prompts.sandbox.guard import GLOBALS, RenderContext
from promptlab.prompts.sandbox.limits import MAX_TEXT, LimitReached
from promptlab.prompts.sandbox.values import hint
from promptlab.prompts.template_files import SourceFile

#: What running a template can raise: Jinja's own errors, and what Python's operators and methods say to wrong values.
FAILURES = (
    *(TemplateError, LimitReached, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(NameError, RuntimeError, MemoryError, AssertionError),
)


def compiled(sandbox: Sandbox, tree: nodes.Template, source: SourceFile) -> Compiled:
    """Compile a parsed file; InputError where only the compiler finds what is wrong."""
    ensure_sound()
    tree.set_environment(sandbox)
    prepare(tree)
    try:
        made = sandbox.compiled(tree, source.path)
    except TemplateSyntaxError as error:
        message = (error.message or "this is not Jinja").rstrip(".")
        raise InputError(source.problem("template-syntax", message, error.lineno)) from None
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        message = f"tags nested too deep or too many of them: {error}"
        raise InputError(source.problem("template-limit", message, 1)) from None
    made.source = source
    return made


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


def explain(error: BaseException, main: SourceFile, known: Iterable[str]) -> InputError:
    """The error of a render, at the line of the innermost template that was running."""
    source, line = main, 1
    trace = error.__traceback__
    while trace is not None:
        template: Any = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None and template.source is not None:
            source, line = template.source, template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    code, message = _described(error)
    column = None
    if named := re.match(r"undefined (?:variable|field) '([^']+)'", message):
        column = source.column(named[1], line, field=code == "undefined-field")
        if code == "undefined-variable":
            message += hint(named[1], known)
    return InputError(source.problem(code, message, line, column))


def _described(error: BaseException) -> tuple[str, str]:
    message = re.sub(r"\s+", " ", str(error)).strip().rstrip(".")[:300]
    if isinstance(error, LimitReached):
        return "template-limit", message
    if isinstance(error, RecursionError):
        return "template-limit", "macros or values nested too deep"
    if isinstance(error, MemoryError):
        return "template-limit", "more memory than any prompt needs"
    if isinstance(error, SecurityError):
        return "template-sandbox", message
    if isinstance(error, UndefinedError):
        return ("undefined-variable" if message.startswith("undefined variable") else "undefined-field"), message
    if isinstance(error, TemplateNotFound):
        return "template-missing", f"there is no template {message!r}"
    if isinstance(error, TypeError) and "not supported between" in message:
        return "template-error", f"{message}; values are text as written, so put `| int` or `| float` after them"
    if isinstance(error, TypeError):
        message = re.sub(r"^[\w.<>]+\(\)", "this filter, test or method", message)
    return "template-error", message or type(error).__name__
