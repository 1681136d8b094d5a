"""Faults as they show on the wire, and the sending of answers whole or broken."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from promptlab._version import __version__
from promptlab.simulator.faults import Rule
from promptlab.simulator.responses import Answer, ApiError, SimulatedReset, error_answer

__all__ = ["SIMULATED_BY", "after_work", "before_work", "send_answer", "with_rates"]

#: Named in every answer, errors and files too: what a client reads to know that nothing here is real.
SIMULATED_BY = "X-Simulated-By"

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_STATUS = {
    "500": ("internal_error", "The server had an error while processing your request.", "server_error"),
    "503": ("service_unavailable", "The service is temporarily overloaded.", "server_error"),
    "504": ("gateway_timeout", "The upstream did not answer in time.", "server_error"),
}


def with_rates(answer: Answer, headers: Mapping[str, str]) -> Answer:
    """The answer with more headers; its own win."""
    return replace(answer, headers={**headers, **answer.headers})


def _refusal(rule: Rule, now: float) -> ApiError:
    """The error of a 429, 500, 503 or 504, with its wait stated as the rule says."""
    if rule.kind == "429":
        code, message, type_ = "rate_limit_exceeded", "Rate limit exceeded.", "rate_limit_error"
    else:
        code, message, type_ = _STATUS[rule.kind]
    headers: dict[str, str] = {}
    if rule.retry_after is not None:
        if rule.form == "seconds":
            headers["Retry-After"] = f"{rule.retry_after:g}"
        elif rule.form == "date":  # a date has whole seconds: rounded up, so that no client comes too early
            headers["Retry-After"] = formatdate(math.ceil(now + rule.retry_after), usegmt=True)
        if rule.form in ("seconds", "message"):
            message += f" Retry after {rule.retry_after:g} seconds."
    return ApiError(int(rule.kind), code, message, type_, headers)


def before_work(rule: Rule, now: float) -> None:
    """Refuse or break where the fault comes before any work; nothing is made or billed."""
    if rule.kind == "reset_before":
        raise SimulatedReset("before the work")
    if rule.kind == "moderation":
        message = "Your request was refused by the content policy."
        raise ApiError(400, "content_policy_violation", message, "invalid_request_error")
    if rule.kind in ("429", "500", "503") and not rule.work:
        raise _refusal(rule, now)


def after_work(rule: Rule, answer: Answer, rates: Mapping[str, str], now: float) -> Answer:
    """What the client sees of an answer whose images are made and billed."""
    if rule.kind == "reset_after":
        raise SimulatedReset("after the work")
    if rule.kind == "502":
        return Answer(502, _BAD_GATEWAY, content_type="text/html")
    if rule.kind in ("429", "500", "503", "504"):
        return error_answer(_refusal(rule, now))
    if rule.kind == "truncated_json":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    if rule.kind == "remaining_zero":
        return replace(answer, headers={**rates, **answer.headers, "X-RateLimit-Remaining": "0"})
    if rule.kind == "missing_remaining":
        return replace(answer, headers={**answer.headers, "X-RateLimit-Limit": ""})
    return answer


async def send_answer(
    answer: Answer, method: str, send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], cut: Callable[[bool], None] | None,
) -> None:  # fmt: skip
    """Send an answer; one shorter than it declares ends with its connection, where there is one."""
    length = answer.declared if answer.declared is not None else len(answer.body)
    headers = {"Content-Type": answer.content_type, "Content-Length": str(length), **answer.headers}
    headers[SIMULATED_BY] = f"promptlab/{__version__}"  # on everything, so that it is never booked as real money
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items() if value]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    body = b"" if method == "HEAD" else answer.body
    broken = answer.declared is not None and cut is not None and method != "HEAD"
    await send({"type": "http.response.body", "body": body, "more_body": broken})
    if broken and cut is not None:
        cut(False)
        await receive()
