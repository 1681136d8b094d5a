"""From whatever went wrong inside a template to an InputError with the template's line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from jinja2.exceptions import SecurityError, TemplateError, TemplateNotFound, UndefinedError

from promptlab.errors import InputError
from promptlab.prompts.sandbox.limits import LimitReached
from promptlab.prompts.sandbox.values import did_you_mean
from promptlab.prompts.template_files import SourceFile

#: What running a template can raise: Jinja's own errors, and what Python's operators and methods say to wrong values.
FAILURES = (
    *(TemplateError, LimitReached, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(NameError, RuntimeError, MemoryError, AssertionError),
)


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
            message += did_you_mean(named[1], known)
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
