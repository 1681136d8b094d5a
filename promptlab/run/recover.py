"""What may be done with a generation that an earlier process left behind: pure rules, a table in the tests.

PROVIDERS.md's outcome classes decide: what was never sent, was rejected or failed may be sent again; what may have been
billed and is not known is collected where there is a way (its stored response, its job id), else never sent again
unless the user asks for it.
"""

from __future__ import annotations

from typing import Literal

from promptlab.model import Generation, is_simulated

__all__ = ["Action", "after_interruption", "is_simulated", "may_resend"]

Action = Literal["decode", "fetch", "poll", "again", "unknown", "keep"]
OPEN = ("in_flight", "lost", "unknown")


def after_interruption(generation: Generation, *, answered: bool = False, in_process: bool = False) -> Action:
    """How to settle a generation that has no end, or a bad one that may be fixed free of charge.

    An answer that was kept (`answered`) is decoded, again if need be; a stored result's files are fetched; a job is
    polled; what was in flight without any of these is unknown. What was simulated is planned again, since it costs
    nothing: at once where the simulator is in the process (`in_process`), whose files end with it.
    """
    if generation.status not in OPEN:
        return "keep"
    if in_process:
        return "again"
    if answered:
        return "decode"
    if generation.response is not None and generation.latency_ms is not None:  # a result, not a job's acceptance
        return "keep" if generation.status == "unknown" else "fetch"
    if generation.job_id is not None:
        return "poll"
    if generation.status != "in_flight":
        return "keep"
    return "again" if is_simulated(generation) else "unknown"


def may_resend(generation: Generation, last_outcome: str | None, *, unknown: bool = False, lost: bool = False) -> bool:
    """Whether `resume` sends this generation (again); `unknown` and `lost` are the user's explicit consent.

    What is simulated costs nothing and needs none. `last_outcome` is the class of its last attempt: a fatal one (a
    refused prompt, say) would only fail again.
    """
    if is_simulated(generation) and generation.status in ("unknown", "lost", "skipped"):
        return True
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
