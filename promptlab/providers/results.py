"""What an answer holds: images or a job, and errors; plain data that `reading` makes and providers return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = ["ApiError", "Job", "JobStatus", "Output", "Result"]

JobStatus = Literal["waiting", "running", "done", "failed", "cancelled", "expired", "unknown"]


@dataclass(frozen=True, slots=True)
class Output:
    """One image of a result: a URL to fetch, or its bytes; neither where the server named none that can be read."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """An asynchronous job as an answer describes it. `expires_at` is epoch seconds; `status` unknown is not an end."""

    id: str
    status: JobStatus = "waiting"
    poll_url: str | None = None
    expires_at: float | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A read answer: images, or a job that will have them.

    `created` is epoch seconds. `credits` and `cost_usd` are what the response itself says; `usage` its token counts.
    `response` is the body as received with pixels replaced by `<n bytes>`: what the log keeps.
    """

    id: str | None
    model: str | None
    created: float | None
    images: tuple[Output, ...]
    job: Job | None = None
    usage: Mapping[str, Any] | None = None
    credits: float | None = None
    cost_usd: float | None = None
    response: Mapping[str, Any] = field(default_factory=dict)


class ApiError(NamedTuple):
    """An error envelope; each None where the answer doesn't say."""

    code: str | None
    type: str | None
    message: str | None
