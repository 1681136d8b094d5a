"""Collecting problems: every one with its file:line:column and source line, no key ever shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from promptlab.errors import InputError, Problem, Problems
from promptlab.model import Place

__all__ = ["Report", "split_lines"]

_MOST = 100  # beyond that, problems are only counted
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML 1.1 counts as the end of a line
_PLAIN_BREAKS = re.compile("\r\n|[\r\n]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # a terminal might obey them
_KEYS = re.compile(
    r"""(?ix) (?: \b(?:kv_|sk-)
               | (?:key|token|secret|password|passwd|authorization|bearer|credentials?)["']?\s*[:=]\s* )
    (?P<secret>[^\s,}\]]+(?:\s+[^\s,}\]\#]+)?)"""
)


def split_lines(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _BREAKS.split(text)


def _without_keys(line: str) -> str:
    """The line with anything that looks like a key starred out, at the same width."""
    return _KEYS.sub(lambda m: m[0][: m.start("secret") - m.start()] + "*" * len(m["secret"]), line)


@dataclass
class Report:
    """What was found so far, and the files that the source lines come from."""

    problems: Problems = field(default_factory=Problems)
    failed_axes: set[str] = field(default_factory=set)
    left_out: int = 0
    _texts: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _secret_lines: set[tuple[str, int]] = field(default_factory=set)

    def show(self, path: str, text: str, *, is_yaml: bool = True) -> None:
        """Take the source lines of a file from its text."""
        self._texts[path] = (text, is_yaml)

    def add(self, code: str, message: str | Callable[[], str], place: Place | None, *, secret: bool = False) -> None:
        """Keep one error; with `secret` its line is not shown, by this error or another one.

        A message that is dear to make (the nearest of many names) is given as a function.
        """
        if len(self.problems.found) >= _MOST:
            self.left_out += 1
            return
        if callable(message):
            message = message()
        if place is None:
            self.problems.add(Problem(code, message))
            return
        if secret:
            self._secret_lines.add((place.path, place.line))
        source = self.line(place.path, place.line)
        self.problems.add(Problem(code, message, place.path, place.line, place.column, source))

    @property
    def count(self) -> int:
        """How many problems there are so far, those only counted included."""
        return len(self.problems.found) + self.left_out

    def take(self, error: InputError) -> None:
        """Keep the problems that another room raised."""
        for problem in error.problems:
            self.problems.add(problem)

    def line(self, path: str, number: int) -> str | None:
        """A source line (1-based), keys starred out."""
        if path not in self._lines:
            if path not in self._texts:
                return None
            text, is_yaml = self._texts[path]
            self._lines[path] = split_lines(text) if is_yaml else _PLAIN_BREAKS.split(text)
        lines = self._lines[path]
        return _CONTROL.sub("\ufffd", _without_keys(lines[number - 1])) if 0 < number <= len(lines) else None

    def raise_errors(self) -> None:
        """Raise InputError with everything found, if there is anything."""
        if self._secret_lines:
            self.problems.found = [self._hidden(problem) for problem in self.problems.found]
        if self.left_out:
            self.problems.add(Problem("more", f"and {self.left_out} more problems"))
            self.left_out = 0
        try:
            self.problems.raise_errors()
        except InputError as error:
            # Problems of one file first, the count of the rest last.
            raise InputError(sorted(error.problems, key=lambda problem: problem.code == "more")) from None

    def _hidden(self, problem: Problem) -> Problem:
        if problem.path is None or problem.line is None or (problem.path, problem.line) not in self._secret_lines:
            return problem
        return Problem(problem.code, problem.message, problem.path, problem.line, problem.column)
