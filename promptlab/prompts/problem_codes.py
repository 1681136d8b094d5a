"""The stable codes of problems that this package finds; docs/errors.md has a paragraph for each.

A front matter also uses the codes of spec/: those of its YAML reader, and where the fault is the same unknown-key,
wrong-type, bad-value and template-in-data.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        # files
        "template-missing": "A template, or one that another includes, is not in the templates folder.",
        "template-path": "A template's name leads out of the templates folder.",
        "template-unreadable": "A template is not a file of UTF-8 text, or is too large.",
        "template-revision": "A template's @revision is not in git, or there is no git here.",
        "template-cycle": "A template that includes, imports or extends itself, through others or not.",
        "front-matter": "The front matter of a template has no end, or uses YAML that is not supported there.",
        "late-front-matter": "Front matter that begins after a blank line, and so is text of the prompt (warning).",
        # the language
        "template-syntax": "A template that Jinja cannot read.",
        "template-feature": "A part of Jinja that prompts do not support, since it cannot be bounded or repeated.",
        "computed-include": "An include, import or extends whose name is computed: its text could not be versioned.",
        "unknown-filter": "An unknown filter.",
        "unknown-test": "An unknown test (`is ...`).",
        "undefined-variable": "A name that nothing defines.",
        "undefined-field": "A field that no value of the axis or variable has.",
        "undefined-macro": "A macro that the imported file does not define.",
        "unused-block": "A block that no base template has, so that it is never rendered (warning).",
        "ignored-front-matter": "Front matter of an included or imported file that has no effect (warning).",
        "defaulted-variable": "A name with a default that nothing defines, and that looks like one that is (warning).",
        "unicode-name": "A name that is read as another, since they differ in their Unicode form only (warning).",
        # at work
        "variable-type": "A value that is not of the type that the template declares.",
        "template-error": "A template that fails while it renders.",
        "template-limit": "A template that makes or does more than any prompt needs.",
        "template-sandbox": "A template that uses what it may not.",
        "jinja-version": "The installed jinja2 does not hold what keeps templates within bounds.",
        "expression": "An expression that cannot be read or evaluated.",
    }
)
