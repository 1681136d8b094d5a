"""Template text → rendered prompt: a guarded sandbox, front matter, static checks, template identity and provenance."""

from promptlab.prompts.expressions import expression, render_text
from promptlab.prompts.frontmatter import Declaration
from promptlab.prompts.library import Library
from promptlab.prompts.problem_codes import CODES
from promptlab.prompts.sandbox.values import Fields
from promptlab.prompts.template import Template, clean

__all__ = [
    "CODES",
    "Declaration",
    "Fields",
    "Library",
    "Template",
    "clean",
    "expression",
    "render_text",
]
