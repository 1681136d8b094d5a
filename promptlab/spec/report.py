"""Collecting problems: every one with its file:line:column and source line, no key ever shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from promptlab.errors import InputError, Problem, Problems
from promptlab.model import Note, Place

from .names import is_secret

__all__ = ["Report", "split_lines"]

_SPELLED = 100  # problems of one kind; beyond that, they are only counted
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML 1.1 counts as the end of a line
_PLAIN_BREAKS = re.compile("\r\n|[\r\n]")
_SECRET_ABOVE = re.compile(r"""["']?(?P<name>[\w-]+)["']?\s*:\s*(?:[>|][-+0-9]*|)\s*$""")


def split_lines(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return _BREAKS.split(text)


class Report:
    """What was found so far, and the files that the source lines come from."""

    def __init__(self) -> None:
        self.problems = Problems()
        self.failed_axes: set[str] = set()
        self.lost_base = False  # what the experiment extends could not be read, so what is missing may stand there
        self.notes: list[Note] = []
        self.left_out: Counter[str] = Counter()
        self._spelled: Counter[str] = Counter()
        self._texts: dict[str, tuple[str, bool]] = {}
        self._lines: dict[str, list[str]] = {}
        self._secret_lines: set[tuple[str, int]] = set()

    def show(self, path: str, text: str, *, is_yaml: bool = True) -> None:
        """Take the source lines of a file from its text."""
        self._texts[path] = (text, is_yaml)

    def add(self, code: str, message: str | Callable[[], str], place: Place | None, *, secret: bool = False) -> None:
        """Keep one error; with `secret` its line is not shown, by this error or another one.

        A message that is expensive to make (the nearest of many names) is given as a function.
        """
        self._spelled[code] += 1
        if self._spelled[code] > _SPELLED:
            self.left_out[code] += 1
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
        return len(self.problems.found) + self.left_out.total()

    def is_full(self, code: str) -> bool:
        """Whether a further problem of this kind would only be counted, so that its sentence need not be made."""
        return self._spelled[code] >= _SPELLED

    def tells_of(self, path: str) -> bool:
        """Whether there is a problem in a file already."""
        return any(problem.path == path for problem in self.problems.found)

    def warn(self, code: str, message: str, place: Place | None) -> None:
        """Keep one warning: what loads, and is probably not meant."""
        if place is not None and sum(note.code == code for note in self.notes) < _SPELLED:
            self.notes.append(Note(code, message, place))

    def take(self, error: InputError) -> None:
        """Keep the problems that another package raised."""
        for problem in error.problems:
            self.problems.add(problem)

    def line(self, path: str, number: int) -> str | None:
        """A source line (1-based); starred out where the line above says that it is a key."""
        if path not in self._lines:
            if path not in self._texts:
                return None
            text, is_yaml = self._texts[path]
            self._lines[path] = split_lines(text) if is_yaml else _PLAIN_BREAKS.split(text)
        lines = self._lines[path]
        if not 0 < number <= len(lines):
            return None
        line = lines[number - 1]
        above = _SECRET_ABOVE.search(lines[number - 2]) if number > 1 else None
        return re.sub(r"\S", "*", line) if above and is_secret(above["name"]) and line[:1].isspace() else line

    def raise_errors(self) -> None:
        """Raise InputError with everything found, if there is anything."""
        if self._secret_lines:
            self.problems.found = [self._hidden(problem) for problem in self.problems.found]
        for code, number in self.left_out.items():
            self.problems.add(Problem(code, "more of this kind", count=number))
        self.left_out.clear()
        self.problems.raise_errors()

    def _hidden(self, problem: Problem) -> Problem:
        if problem.path is None or problem.line is None or (problem.path, problem.line) not in self._secret_lines:
            return problem
        return Problem(problem.code, problem.message, problem.path, problem.line, problem.column)
