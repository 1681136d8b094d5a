"""What PyYAML's errors mean for the user, with what to do."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from .names import is_secret, pair, quoted
from .report import split_lines

__all__ = ["GLUED", "YamlFault", "describe", "unquoted_template"]

# Patterns are compiled when they are first needed: most files are YAML.
#: A key with its value stuck to it, as in `seeds:3`; not a URL, not a Windows path.
GLUED = r"([A-Za-z_][\w.-]{0,40}):((?!//|\\|:)\S.*)"
_GLUED_LINE = rf"(\s*(?:-\s+)?){GLUED}"
_KEY_LINE = r"\s*(?:-\s+)?[\"']?[\w.-]+[\"']?:(?:\s|$)"
_OF_MAPS = "axes|params|vars|limits|alerts|baseline|prompts|templates|values|match|when"
_TEMPLATE_VALUE = r"(?:^|[:\-\[,?]\s+|[\[{])(\{[{%#])"
_ADVICE = (
    ("mapping values are not allowed", "a text with ': ' in it has to be quoted"),
    ("unexpected end of stream", "a quote is opened here and never closed"),
    ("expected ',' or ']'", "the list opened with [ is not closed, or an item with a comma or bracket needs quotes"),
    ("expected ',' or '}'", "the map opened with { is not closed, or a text with a comma or bracket needs quotes"),
    ("expected ',' or", "a bracket is not closed, or a text with a comma or bracket needs quotes"),
    ("cannot start any token", "a text that begins with this character has to be quoted"),
    ("block end", "the indentation does not fit the lines above, or a text needs quotes"),
    ("expected key", "the indentation does not fit the lines above, or a text needs quotes"),
    (
        "could not find expected ':'",
        "this is not a key: indent it to make it part of the text above, or write `key: …`",
    ),
    ("block sequence entries", "the dashes of a list begin on a new line; on one line write [a, b]"),
    ("expected <document start>", "nothing can follow the line `...`; take it out"),
    ("escape", "in double quotes \\ begins an escape; use single quotes, or write \\\\"),
    ("incompatible YAML", "leave the %YAML line out"),
)


class YamlFault(NamedTuple):
    """A YAML error: code, sentence, position (1-based)."""

    code: str
    message: str
    line: int
    column: int


def describe(error: yaml.MarkedYAMLError, text: str) -> YamlFault:
    """The sentence and place for an error of PyYAML's scanner or parser."""
    lines = split_lines(text)
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    for number in dict.fromkeys((line, opened.line if opened else line)):
        found = re.search(_TEMPLATE_VALUE, _line(lines, number))
        if found and "{" in found[1]:
            message = 'a text that begins with { is a map in YAML: quote it, as in "{{ subject }}"'
            return YamlFault("unquoted-template", message, number + 1, found.start(1) + 1)
    if glued := _glued(lines, line) or _commented(lines, line) or _indented(lines, line, str(error.problem)):
        return glued
    source = _line(lines, line)
    indent = source[: len(source) - len(source.lstrip())]
    if "\t" in indent or source[column : column + 1] == "\t":
        at = indent.find("\t") if "\t" in indent else column
        return YamlFault("yaml-tab", "YAML is indented with spaces, not with tabs", line + 1, at + 1)
    problem = str(error.problem or "the text ends too early")
    advice = next((what for sign, what in _ADVICE if sign in problem), None)
    cut = re.search(r"[ \t](#\S.{0,20})", _line(lines, opened.line)) if opened and "expected ','" in problem else None
    if opened and cut:
        message = (
            f"this is not YAML: {quoted(cut[1])} is a comment, and cuts the list or map; quote a text that holds ' #'"
        )
        return YamlFault("yaml-syntax", message, opened.line + 1, cut.start(1) + 1)
    if inner := re.match(rf"(\s*(?:{_OF_MAPS}):\s+)([\w.-]+):(?:\s|$)", source):
        message = f"this is not YAML: `{inner[2]}:` belongs on a separate line, indented; quote it if it is a text"
        return YamlFault("yaml-syntax", message, line + 1, len(inner[1]) + 1)
    if opened and ("end of stream" in problem or "expected ','" in problem or "expected ':'" in problem):
        line, column = opened.line, opened.column  # the bracket or quote is the place to look at, not the file's end
    return YamlFault("yaml-syntax", f"this is not YAML: {advice or problem}", line + 1, column + 1)


def _glued(lines: list[str], line: int) -> YamlFault | None:
    """A missing space after a colon: YAML reads on, and stumbles at the next key, a line or more below."""
    for number in range(line, max(line - 10, -1), -1):
        source = _line(lines, number)
        if found := re.fullmatch(_GLUED_LINE, source):
            message = f"a key needs a space after its colon: write `{pair(found[2], found[3])}`"
            return YamlFault("yaml-syntax", message, number + 1, len(found[1]) + len(found[2]) + 2)
        if number < line and re.match(_KEY_LINE, source):
            break
    return None


def _commented(lines: list[str], line: int) -> YamlFault | None:
    """A text that begins with `{#`: a map that a comment never lets end, so that the fault shows far below."""
    for number in range(min(line, len(lines) - 1), -1, -1):
        if found := re.search(r"(?:^|[:\-\[,?]\s+)(\{#)", lines[number]):
            message = 'a text that begins with {# is a map and a comment in YAML: quote it, as in "{# note #} a cup"'
            return YamlFault("unquoted-template", message, number + 1, found.start(1) + 1)
    return None


def _indented(lines: list[str], line: int, problem: str) -> YamlFault | None:
    """A key below a text and further right than its key, which makes it a part of that text."""
    found = re.match(r"(\s+)([\w.-]+):(?:\s|$)", _line(lines, line))
    if found is None or "mapping values are not allowed" not in problem:
        return None
    above = re.match(r"\s*([\w.-]+):", _line(lines, line - 1))
    name = "this key" if above and is_secret(above[1]) else f"`{found[2]}:`"
    message = f"this is not YAML: {name} is indented further than the key above; move it left, or quote the text"
    return YamlFault("yaml-syntax", message, line + 1, len(found[1]) + 1)


def unquoted_template(text: str, line: int, column: int) -> bool:
    """Whether a template expression is unquoted at a position (1-based)."""
    source = _line(split_lines(text), line - 1)
    return source[column - 1 : column + 1] in ("{{", "{%", "{#")


def _line(lines: list[str], number: int) -> str:
    return lines[number] if 0 <= number < len(lines) else ""
