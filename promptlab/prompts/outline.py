"""What a template is, without compiling it: for the history of a template, over thousands of commits."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from promptlab.prompts import frontmatter
from promptlab.prompts.closure import identity
from promptlab.prompts.limits import MAX_FILE, MAX_FILES
from promptlab.prompts.parsing import parse_unit
from promptlab.prompts.sandbox import Sandbox
from promptlab.prompts.sources import SourceFile, decoded

Read = Callable[[str], bytes | None]

_TAG = re.compile(r"\{%[-+]?\s*(?:include|import|from|extends)\b")
_PLAIN = re.compile(_TAG.pattern + r"""\s+(?:'([^'\\\n]*)'|"([^"\\\n]*)")(?=\s*(?:[-+]?%\}|[a-z]))""")
_HIDING = re.compile(r"\{#|\{%[-+]?\s*raw\b|\{\{[^}]*\{%")  # what could make a tag of these no tag


def template_id(read: Read, name: str) -> str | None:
    """The id that a Template of these files has; None where the main file is not there or is no text.

    What is wrong with the files does not matter: a version that cannot be rendered is a version.
    """
    main = _text(read(name))
    if main is None:
        return None
    others: dict[str, str] = {}
    todo = list(references(main))
    while todo and len(others) <= MAX_FILES:
        path = todo.pop()
        text = None if path in others or path == name else _text(read(path))
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


def _text(data: bytes | None) -> str | None:
    if data is None or len(data) > MAX_FILE:
        return None
    try:
        return decoded(data)
    except UnicodeDecodeError:
        return None
