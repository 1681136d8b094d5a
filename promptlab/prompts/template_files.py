"""A template's text, and where in which file each part of it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from promptlab.errors import Problem
from promptlab.model import Place
from promptlab.prompts.sandbox.compiler import LineNumber
from promptlab.spec.positions import position_in_file
from promptlab.spec.report import split_lines


def decoded(data: bytes) -> str:
    """The text of a file, with line breaks as `\\n`: one text, one identity, however a checkout writes it."""
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


Severity = Literal["error", "warning"]


def column_of(line: int | None, *, offset: int = 0) -> int | None:
    """The column of a LineNumber, moved by an offset; None where a plain number is all there is."""
    return line.column + offset if isinstance(line, LineNumber) else None


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One file, or one inline text of an experiment (then with the `place` where its value begins).

    `text` is as read, with line breaks as `\\n`; `body` is what Jinja gets: front matter is blank lines there, so that
    line numbers stay true.
    """

    path: str  # relative to the templates folder; of an inline text, the experiment's
    shown: str  # as messages name it
    text: str
    body: str = ""
    blob: str | None = None
    place: Place | None = None
    folder: Path | None = None  # that `shown` of an inline text is relative to

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.split("\n")

    def problem(
        self, code: str, message: str, line: int | None, column: int | None = None, severity: Severity = "error"
    ) -> Problem:
        """A problem at a line and column of this text; a LineNumber brings its own column."""
        line, column = (None if line is None else int(line)), column_of(line) if column is None else column
        if self.place is not None:
            line, column, source = self._in_experiment(self.place, line or 1, column)
        else:
            source = self.lines[line - 1] if line and line <= len(self.lines) else None
            if line and column is None and source is not None:
                column = len(source) - len(source.lstrip()) + 1
        return Problem(code, message, self.shown, line, column, source, severity)

    def _in_experiment(self, place: Place, line: int, column: int | None) -> tuple[int, int, str | None]:
        """Where a position of an inline text lies in the YAML file; the value's place if it is not there."""
        file = self._experiment_lines(place)
        found = position_in_file(file, (place.line, place.column), self.text, (line, column or 1))
        row, at = found or (place.line, place.column)
        own = self.lines[line - 1] if line <= len(self.lines) else ""
        return row, at, file[row - 1] if row <= len(file) else own

    def _experiment_lines(self, place: Place) -> list[str]:
        try:
            text = ((self.folder or Path()) / place.path).read_text("utf-8")
        except (OSError, ValueError):  # the text of a past run, say, whose file is gone
            return []
        return split_lines(text)

    def column(self, name: str, line: int, *, field: bool = False) -> int | None:
        """The first column of a name on a line: a whole word inside a tag, outside of quotes.

        For what has no column number; a `field` is after a dot or in brackets.
        """
        if not 1 <= line <= len(self.lines):
            return None
        text, word = self.lines[line - 1], re.escape(name)
        before = r"[.\['\"]" if field else r"(?<![\w.])"
        pattern = re.compile(rf"{before}({word})(?!\w)")
        tags = [match.span() for match in re.finditer(_TAG, text)] or [(0, len(text))]
        strings = [match.span() for match in re.finditer(_STRING, text)] if not field else []
        for start, end in tags:
            for match in pattern.finditer(text, start, end):
                if not any(low < match.start() < high for low, high in strings):
                    return match.start(1) + 1
        found = re.search(rf"(?<!\w){word}(?!\w)", text)
        return found.start() + 1 if found else None


_TAG = r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)"
_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
