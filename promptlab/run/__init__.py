"""Running: preview (plan minus cache), the runner (claim → reserve → pace → send → download → store → log), resume.

Nothing heavy is imported before it is used: a plan needs no HTTP client, a list of runs no templates.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .against import RevisionChanges, compare_revision
    from .alerts import alerts_of, deliver
    from .consent import Ahead, Confirm
    from .events import Finished, Listener, Message, Planned, RunEvent, Summary, Waiting
    from .marking import choose_images
    from .options import Options
    from .previewing import PlanChoice, Preview, preview
    from .rows import request_of
    from .runner import resume, run
    from .studio import Job, Studio, prepare
    from .summary import summarise
    from .versions import template_blame, template_diff, template_log, template_uses

__all__ = [
    "Ahead",
    "Confirm",
    "Finished",
    "Job",
    "Listener",
    "Message",
    "Options",
    "PlanChoice",
    "Planned",
    "Preview",
    "RevisionChanges",
    "RunEvent",
    "Studio",
    "Summary",
    "Waiting",
    "alerts_of",
    "choose_images",
    "compare_revision",
    "deliver",
    "prepare",
    "preview",
    "request_of",
    "resume",
    "run",
    "summarise",
    "template_blame",
    "template_diff",
    "template_log",
    "template_uses",
]

_HOME = {
    **dict.fromkeys(("RevisionChanges", "compare_revision"), "against"),
    **dict.fromkeys(("Finished", "Listener", "Message", "Planned", "RunEvent", "Summary", "Waiting"), "events"),
    **dict.fromkeys(("PlanChoice", "Preview", "preview"), "previewing"),
    **dict.fromkeys(("Ahead", "Confirm"), "consent"),
    "Options": "options",
    **dict.fromkeys(("resume", "run"), "runner"),
    **dict.fromkeys(("Job", "Studio", "prepare"), "studio"),
    **dict.fromkeys(("alerts_of", "deliver"), "alerts"),
    **dict.fromkeys(("template_blame", "template_diff", "template_log", "template_uses"), "versions"),
    "choose_images": "marking",
    "request_of": "rows",
    "summarise": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
