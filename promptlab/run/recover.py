"""What may be done with a generation that an earlier process left behind: pure rules, a table in the tests.

PROVIDERS.md's outcome classes decide: what was never sent, was rejected or failed may be sent again; what may have been
billed and is not known is collected where there is a way (its stored response, its job id), else never sent again
unasked.
"""

from __future__ import annotations

from typing import Literal

from promptlab.model import Generation

__all__ = ["Action", "after_interruption", "may_resend"]

Action = Literal["fetch", "poll", "unknown", "keep"]


def after_interruption(generation: Generation) -> Action:
    """How to settle a generation that has no end, or a bad one that may be mended for nothing.

    A stored result's files are fetched; a job is asked after; what was in flight without either is unknown.
    """
    if generation.status not in ("in_flight", "lost", "unknown"):
        return "keep"
    if generation.response is not None and generation.latency_ms is not None:  # a result, not a job's acceptance
        return "keep" if generation.status == "unknown" else "fetch"
    if generation.job_id is not None:
        return "poll"
    return "unknown" if generation.status == "in_flight" else "keep"


def may_resend(generation: Generation, last_outcome: str | None, *, unknown: bool = False, lost: bool = False) -> bool:
    """Whether `resume` sends this generation (again); `unknown` and `lost` are the person's explicit consent.

    `last_outcome` is the class of its last attempt: a fatal one (a refused prompt, say) would only fail again.
    """
    match generation.status:
        case "planned":
            return True
        case "failed":
            return last_outcome != "fatal"
        case "unknown":
            return unknown
        case "lost":
            return lost
        case "skipped":
            return (generation.error_code != "unknown_before" or unknown) and (
                generation.error_code != "lost_before" or lost
            )
        case _:
            return False
