"""How errors are reported: one complete sentence on stderr, an exit code, with --json a document on stdout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats

if TYPE_CHECKING:
    from promptlab.errors import Problem

__all__ = ["failed", "problem_document"]

ISSUES = "please report it, with the line above, where you got promptlab from"


def failed(error: BaseException, words: Sequence[str]) -> int:
    """Tell an error and give its exit code. `words` are the command line, which says whether --json was asked for."""
    code, lines, problems = _told(error)
    for line in lines:
        click.echo(formats.error(line), err=True, color=formats.colour())
    if _wants_json(words):
        import json

        document = {"error": _first_line(lines), "exit_code": code, "problems": [problem_document(p) for p in problems]}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    if os.environ.get("PROMPTLAB_DEBUG") and not isinstance(error, (click.ClickException, click.Abort)):
        import traceback

        from promptlab.errors import presentable

        click.echo(presentable("".join(traceback.format_exception(error)), keep="\n"), err=True)
    return code


def problem_document(problem: Problem) -> dict[str, object]:
    """A problem as --json prints it: every field under its own name."""
    names = ("code", "severity", "message", "path", "line", "column", "source")
    shown = problem.presentable()
    return {name: getattr(shown, name) for name in names}


def _told(error: BaseException) -> tuple[int, list[str], Sequence[Problem]]:
    """Exit code, what to print, and the problems in it."""
    from promptlab.errors import InputError, PromptlabError, presentable  # here, as `promptlab --help` does without

    if isinstance(error, InputError):
        return error.exit_code, _problem_lines(error.problems), error.problems
    if isinstance(error, PromptlabError):
        return error.exit_code, [f"promptlab: {error}"], ()
    if isinstance(error, click.ClickException):
        return 2, [_usage(error)], ()
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return 130, ["interrupted"], ()
    if isinstance(error, OSError) and error.strerror:
        named = f": {error.filename}" if error.filename else ""
        return 1, [f"promptlab: {error.strerror}{named}"], ()
    said = " ".join(presentable(str(error), keep="\n\t").split())[:400]
    return 1, [
        f"promptlab: a bug in promptlab: {type(error).__name__}{f': {said}' if said else ''}",
        f"  {ISSUES}; PROMPTLAB_DEBUG=1 shows the traceback",
    ], ()  # fmt: skip


def _problem_lines(problems: Sequence[Problem]) -> list[str]:
    lines = [str(problem) for problem in problems]
    number = sum(problem.count for problem in problems)
    if number > 1:
        lines.append(f"{number:,} problems; nothing was sent")
    return lines


def _usage(error: click.ClickException) -> str:
    """A wrong flag or argument in one line, with where to read on."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "promptlab"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{path}: {message[:1].lower()}{message[1:]} (`{path} --help` has more)"


def _wants_json(words: Sequence[str]) -> bool:
    before = list(words)[: list(words).index("--")] if "--" in words else words
    return "--json" in before


def _first_line(lines: Sequence[str]) -> str:
    return lines[0].splitlines()[0] if lines and lines[0] else ""
