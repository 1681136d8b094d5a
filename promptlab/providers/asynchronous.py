"""Kairval's asynchronous contract, as data: the guide promises submit, poll and webhook, but names no endpoint.

Every part is an assumption, and can be overridden under `providers: {kairval: {async: {...}}}` in promptlab.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, cast, get_args
from urllib.parse import quote

from promptlab.errors import InputError
from promptlab.http import Unreadable, join, parse_url
from promptlab.providers.base import Job, JobStatus
from promptlab.providers.response import number, text

__all__ = ["AsyncContract", "read_job", "read_states"]

_STATES: Mapping[str, JobStatus] = {
    name: status
    for status, names in cast(
        Mapping[JobStatus, str],
        {
            "waiting": "queued pending submitted in_queue starting created",
            "running": "processing in_progress running generating",
            "done": "completed succeeded success ready complete",
            "failed": "failed error failure",
            "cancelled": "canceled cancelled aborted",
            "expired": "expired",
        },
    ).items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class AsyncContract:
    """How a job is submitted, polled and read. `submit_path` None: the same path as the synchronous call."""

    submit_field: str = "async"
    submit_path: str | None = None
    webhook_field: str = "webhook_url"
    poll_path: str = "/v1/jobs/{id}"
    id_fields: tuple[str, ...] = ("id", "job_id", "task_id", "request_id")
    status_fields: tuple[str, ...] = ("status", "state")
    poll_fields: tuple[str, ...] = ("poll_url", "polling_url", "status_url")
    result_fields: tuple[str, ...] = ("result", "output")
    expires_fields: tuple[str, ...] = ("expires_at", "expires")
    states: Mapping[str, JobStatus] = field(default_factory=lambda: _STATES)

    @classmethod
    def read(cls, options: Any) -> AsyncContract:
        """The contract with a studio's overrides; InputError for a part that there is not."""
        if options is None:
            return cls()
        known = {each.name for each in fields(cls)}
        if not isinstance(options, Mapping) or set(options) - known:
            raise InputError(f"providers.kairval.async is a mapping of {', '.join(sorted(known))}", code="async")
        changes: dict[str, Any] = {}
        for name, value in options.items():
            if name == "states":
                changes[name] = read_states(value)
            elif name.endswith("_fields"):
                changes[name] = (value,) if isinstance(value, str) else tuple(str(item) for item in value)
            else:
                changes[name] = None if value is None else str(value)
        contract = cls(**changes)
        if "{id}" not in contract.poll_path:
            raise InputError("providers.kairval.async.poll_path needs {id}, such as /v1/jobs/{id}", code="async")
        return contract

    def poll_path_of(self, job_id: str) -> str:
        """The path that polls a job."""
        return self.poll_path.replace("{id}", quote(job_id, safe=""))


def read_states(options: Any) -> Mapping[str, JobStatus]:
    """The table of states with overrides: {class: name or [names]} or {name: class}."""
    known = [status for status in get_args(JobStatus) if status != "unknown"]
    states: dict[str, JobStatus] = dict(_STATES)
    for key, value in options.items() if isinstance(options, Mapping) else ():
        if key in known and not (isinstance(value, str) and value in known):
            names: Sequence[Any] = [value] if isinstance(value, str) else value
            states.update({str(name).casefold(): cast(JobStatus, key) for name in names})
        elif value in known:
            states[str(key).casefold()] = cast(JobStatus, value)
        else:
            raise InputError(f"async.states.{key}: {value!r} is not one of {', '.join(known)}", code="async")
    return states


def read_job(body: Mapping[str, Any], headers: Mapping[str, str], contract: AsyncContract, base_url: str) -> Job:
    """The job that an answer describes; Unreadable if it has no id."""
    if isinstance(body.get("job"), dict):
        body = body["job"]
    name = next((found for key in contract.id_fields if (found := text(body.get(key), 300))), None)
    polled = _poll_url(body, headers, contract, base_url)
    if name is None:
        raise Unreadable("the answer holds neither an image nor a job id")
    state = next((found for key in contract.status_fields if (found := text(body.get(key), 100))), "")
    status = contract.states.get(state.casefold(), "unknown" if state else "waiting")
    code, message = _problem(body)
    return Job(name, status, polled, _moment(body, contract), code, message)


def _poll_url(
    body: Mapping[str, Any], headers: Mapping[str, str], contract: AsyncContract, base_url: str
) -> str | None:
    """Where the server says the job is to be polled; only on the API's own origin, since the key goes there."""
    urls = body.get("urls")
    candidates = [body.get(key) for key in contract.poll_fields]
    candidates += [urls.get("get") if isinstance(urls, dict) else None, headers.get("location")]
    base = parse_url(base_url + "/")
    for candidate in candidates:
        if not isinstance(candidate, str) or not candidate:
            continue
        try:
            target = join(base, candidate)
        except ValueError:
            continue
        if target.origin == base.origin:
            return str(target)
    return None


def _problem(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """A failed job's code and message, from its `error`, or its own fields."""
    error = body.get("error")
    if isinstance(error, dict):
        return text(error.get("code") or error.get("type"), 100), text(error.get("message"))
    return text(body.get("error_code"), 100), text(error) or text(body.get("error_message"))


def _moment(body: Mapping[str, Any], contract: AsyncContract) -> float | None:
    """Epoch seconds of the job's end of life: a number in s or ms, or ISO 8601."""
    for key in contract.expires_fields:
        value = body.get(key)
        if (seconds := number(value)) is not None and seconds > 1e9:
            return seconds / 1000 if seconds >= 1e11 else seconds
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            if moment.tzinfo is not None:
                return moment.timestamp()
    return None
