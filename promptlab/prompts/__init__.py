"""Template text → rendered prompt: a guarded sandbox, front matter, static checks, template identity and provenance."""

from promptlab.prompts.expressions import expression, render_text
from promptlab.prompts.frontmatter import Declaration
from promptlab.prompts.library import Library
from promptlab.prompts.outline import template_id
from promptlab.prompts.problem_codes import CODES
from promptlab.prompts.sandbox.values import Fields
from promptlab.prompts.template import Template, clean
from promptlab.prompts.tracing import Segment

__all__ = [
    "CODES",
    "Declaration",
    "Fields",
    "Library",
    "Segment",
    "Template",
    "clean",
    "expression",
    "render_text",
    "template_id",
]
