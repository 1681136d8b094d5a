"""What a template is, without compiling it: for lists of thousands of templates, and histories of thousands of commits.

Text with plain places (`{{ item.name | upper }}`) need not even be parsed for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from promptlab.prompts import frontmatter
from promptlab.prompts.frontmatter import Declaration
from promptlab.prompts.parsing import Closure, ParsedFile, base_chain, declarations, identity, parse_unit
from promptlab.prompts.sandbox.compiler import Sandbox
from promptlab.prompts.sandbox.functions import FILTERS
from promptlab.prompts.sandbox.guard import GLOBALS
from promptlab.prompts.sandbox.limits import MAX_FILE, MAX_FILES
from promptlab.prompts.template_files import SourceFile, decoded
from promptlab.prompts.used_names import find_names


@dataclass(frozen=True, slots=True)
class Outline:
    """What a list shows of a template: as the attributes of Template."""

    id: str
    description: str | None
    declared: Mapping[str, Declaration]
    names: frozenset[str]


_PLACE = re.compile(r"\{\{[-+]?\s*([A-Za-z_]\w*)(?:\.[A-Za-z]\w*)*\s*(?:\|\s*(\w+)\s*)?[-+]?\}\}", re.ASCII)
_WORDS = frozenset(
    ["true", "True", "false", "False", "none", "None", "not", "self", "super", "loop", "caller", *GLOBALS]
)
_MOST_PLACES = 200


def plain_names(body: str) -> frozenset[str] | None:
    """The variables of a text whose only tags are plain places; None where it takes the parser to know."""
    if "{%" in body or "{#" in body or "{{{" in body:
        return None
    found = _PLACE.findall(body)
    names = frozenset(name for name, _ in found)
    if len(found) != body.count("{{") or len(found) > _MOST_PLACES or not names.isdisjoint(_WORDS):
        return None
    return names if all(not name or name in FILTERS for _, name in found) else None


def outlined(text: str, name: str, shown: str) -> Outline | None:
    """The outline of a text of plain places without errors; None where it takes the parser."""
    head, body = frontmatter.split(text)
    names = plain_names(body)
    if names is None:
        return None
    front, problems = frontmatter.read(SourceFile(name, shown, text, body), head)
    if any(problem.severity == "error" for problem in problems):
        return None
    return Outline(identity(text, {}), front.description, front.variables, names)


def outline_of(closure: Closure, lookup: Callable[[str], ParsedFile | None]) -> Outline:
    """The outline of any template, parsed with all it includes."""
    uses = find_names(closure.main, lookup).uses
    declared = declarations(closure, base_chain(closure.main, lookup))
    names = frozenset(use.name for use in uses if not use.blind)
    return Outline(closure.identity(), closure.main.front.description, declared, names)


Read = Callable[[str], bytes | None]

_TAG = re.compile(r"\{%[-+]?\s*(?:include|import|from|extends)\b")
_PLAIN = re.compile(_TAG.pattern + r"""\s+(?:'([^'\\\n]*)'|"([^"\\\n]*)")(?=\s*(?:[-+]?%\}|[a-z]))""")
_HIDING = re.compile(r"\{#|\{%[-+]?\s*raw\b|\{\{[^}]*\{%")  # what could make a tag of these no tag


def template_id(read: Read, name: str) -> str | None:
    """The id that a Template of these files has; None where the main file is not there or is not text.

    What is wrong with the files does not matter: a version that cannot be rendered is a version.
    """
    main = text_of(read(name))
    if main is None:
        return None
    others: dict[str, str] = {}
    todo = list(references(main))
    while todo and len(others) <= MAX_FILES:
        path = todo.pop()
        text = None if path in others or path == name else text_of(read(path))
        if text is not None:
            others[path] = text
            todo += references(text)
    return identity(main, others)


@lru_cache(maxsize=4096)
def references(text: str) -> tuple[str, ...]:
    """The files that a text may include, import or extend."""
    head, body = frontmatter.split(text)
    tags = len(_TAG.findall(body))
    if not tags:
        return ()
    plain = _PLAIN.findall(body)
    if len(plain) == tags and not _HIDING.search(body):
        return tuple(single or double for single, double in plain)
    unit = parse_unit(Sandbox(lambda _name: None), SourceFile("", "", text, body), head)
    return tuple(name for reference in unit.references for name in reference.names)


def text_of(data: bytes | None) -> str | None:
    """The text of a file; None where there is none, it is too large, or it is not UTF-8."""
    if data is None or len(data) > MAX_FILE:
        return None
    try:
        return decoded(data)
    except UnicodeDecodeError:
        return None
