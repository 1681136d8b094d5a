"""The fault plan: which requests go wrong and how, from a seed and the request's number, so that it can be repeated.

A plan is YAML (or the same as a mapping)::

    seed: 7
    faults:
      - {kind: 429, rate: 0.1, retry_after: 2}          # a tenth of all requests
      - {kind: reset_after, nth: [3, 9]}                # the third and the ninth
      - {kind: truncated_image, rate: 0.05, times: 1}   # the file's first download only
      - {kind: slow, nth: 5, seconds: 3}

Rules are tried in order and the first that hits is the request's fault. Numbers count, from 1, the POSTs that passed
the rate limit.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, fields, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any, Literal

import yaml

from promptlab._version import __version__
from promptlab.errors import InputError, Problem, nearest
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.responses import ApiRefusal, Response, SimulatedReset, error_answer

__all__ = [
    "KINDS",
    "SIMULATED_BY",
    "FaultPlan",
    "Rule",
    "after_work",
    "before_work",
    "load_faults",
    "parse_faults",
    "send_answer",
    "with_rates",
]


#: Every kind and what it does.
KINDS: Mapping[str, str] = {
    "429": "rejected; retry_after and form say how the wait is stated",
    "500": "server error before the work, or after it with work: true",
    "502": "bad gateway after the work, an HTML body as proxies send it: made and billed",
    "503": "unavailable; with retry_after it says for how long",
    "504": "gateway timeout after the work: made and billed",
    "reset_before": "the connection breaks before any work",
    "reset_after": "the connection breaks when the image is made and billed",
    "truncated_json": "200 whose JSON is cut in half, after the work",
    "truncated_image": "the image file stops half way",
    "wrong_content_type": "the image URL answers an HTML page",
    "expired_url": "the image URL expires at once",
    "slow": "the answer comes `seconds` later, after the work",
    "short": "fewer images than asked for: `keep` of them, or one less",
    "remaining_zero": "200 that says X-RateLimit-Remaining: 0",
    "missing_remaining": "200 without any X-RateLimit header",
    "moderation": "400, refused by the content policy",
    "job_failed": "an asynchronous job ends as failed; a 500 where there is no job",
}
_FORMS = ("seconds", "date", "message", "none")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `times`: how many downloads of a file are spoilt (None: all). `work`: made and billed first."""

    kind: str
    rate: float | None = None
    nth: frozenset[int] = frozenset()
    operation: Literal["generate", "edit"] | None = None
    retry_after: float | None = None
    form: Literal["seconds", "date", "message", "none"] = "seconds"
    seconds: float = 1.0
    keep: int | None = None
    times: int | None = None
    work: bool = False


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A seeded list of rules; empty by default."""

    seed: int = 0
    rules: tuple[Rule, ...] = ()

    def pick(self, number: int, operation: str) -> Rule | None:
        """The fault of the request with this number (from 1), or None; pure."""
        for index, rule in enumerate(self.rules):
            if rule.operation not in (None, operation):
                continue
            if number in rule.nth:
                return rule
            if rule.rate and Dice("fault", self.seed, index, number).unit() < rule.rate:
                return rule
        return None


def load_faults(path: Path) -> FaultPlan:
    """Read a plan from a YAML file; InputError names every problem with its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(Problem("fault-plan", f"the fault plan cannot be read: {reason}", str(path))) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        message = getattr(error, "problem", None) or "it nests too deeply or holds an impossible value"
        raise InputError(Problem("fault-plan", f"the fault plan is not YAML: {message}", str(path), *place)) from error
    return parse_faults(data if data is not None else {}, path=str(path), lines=_rule_lines(node))


def _rule_lines(node: yaml.Node | None) -> list[int]:
    """The line of every rule, in order."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "faults" and isinstance(value, yaml.SequenceNode):
                return [rule.start_mark.line + 1 for rule in value.value]
    return []


def parse_faults(data: object, *, path: str = "fault plan", lines: list[int] | None = None) -> FaultPlan:
    """A plan from a mapping `{seed: 0, faults: [...]}`; InputError names every problem at once."""
    problems: list[Problem] = []

    def wrong(message: str, index: int | None = None) -> None:
        line = lines[index] if lines and index is not None and index < len(lines) else None
        where = f"rule {index + 1}: " if index is not None else ""
        problems.append(Problem("fault-plan", where + message, path, line))

    if not isinstance(data, Mapping):
        raise InputError(Problem("fault-plan", "a fault plan is a mapping with `seed` and `faults`", path))
    for key in data:
        if key not in ("seed", "faults"):
            wrong(f"unknown key {key!r}; a fault plan has `seed` and `faults`")
    seed, listed = data.get("seed", 0), data.get("faults", [])
    if type(seed) is not int:
        wrong(f"seed is {seed!r}; it has to be a whole number")
    if not isinstance(listed, list):
        wrong("faults has to be a list of rules")
        listed = []
    rules = []
    for index, item in enumerate(listed):
        rule, messages = _rule(item)
        for message in messages:
            wrong(message, index)
        rules.append(rule)
    if problems:
        raise InputError(problems)
    return FaultPlan(seed, tuple(rule for rule in rules if rule))


def _rule(item: object) -> tuple[Rule | None, list[str]]:
    if not isinstance(item, Mapping):
        return None, ["a rule is a mapping such as {kind: 429, rate: 0.1}"]
    known = [one.name for one in fields(Rule)]
    messages = [_unknown("key", str(key), known) for key in item if key not in known]
    values: dict[str, Any] = {key: value for key, value in item.items() if key in known}
    kind = str(values.pop("kind", ""))
    if kind not in KINDS:
        messages.append(_unknown("kind", kind, list(KINDS)) if kind else f"no kind; there are {', '.join(KINDS)}")
    nth = values.get("nth", [])
    values["nth"] = nth = [nth] if type(nth) is int else nth
    if not isinstance(nth, list) or not all(type(n) is int and n > 0 for n in nth):
        messages.append(f"nth is {nth!r}; it is a request's number from 1, or a list of them")
    elif not nth and values.get("rate") is None:
        messages.append("neither rate nor nth: it would never happen")
    messages += [message for name, value in values.items() if (message := _check(name, value))]
    if messages:
        return None, messages
    values["nth"] = frozenset(nth)
    return Rule(kind, **values), []


def _unknown(what: str, name: str, known: list[str]) -> str:
    near = nearest(name, known, 0.5)
    return f"unknown {what} {name!r}; " + (f"did you mean {near!r}?" if near else f"there are {', '.join(known)}")


def _check(name: str, value: object) -> str | None:
    is_number = type(value) in (int, float) and math.isfinite(float(str(value)))
    if name == "rate" and not (is_number and 0 <= float(str(value)) <= 1):
        return f"rate is {value!r}; it is a part from 0 to 1"
    if name in ("retry_after", "seconds") and not (is_number and float(str(value)) >= 0):
        return f"{name} is {value!r}; it is a number of seconds"
    if name in ("keep", "times") and not (type(value) is int and value >= 0):
        return f"{name} is {value!r}; it is a whole number from 0"
    if name == "operation" and value not in ("generate", "edit"):
        return f"operation is {value!r}; it is generate or edit"
    if name == "form" and value not in _FORMS:
        return f"form is {value!r}; there are {', '.join(_FORMS)}"
    if name == "work" and type(value) is not bool:
        return f"work is {value!r}; it is true or false"
    return None


#: Named in every answer, errors and files too: what a client reads to know that nothing here is real.
SIMULATED_BY = "X-Simulated-By"

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_STATUS = {
    "500": ("internal_error", "The server had an error while processing your request.", "server_error"),
    "503": ("service_unavailable", "The service is temporarily overloaded.", "server_error"),
    "504": ("gateway_timeout", "The upstream did not answer in time.", "server_error"),
}


def with_rates(answer: Response, headers: Mapping[str, str]) -> Response:
    """The answer with more headers; its own win."""
    return replace(answer, headers={**headers, **answer.headers})


def _refusal(rule: Rule, now: float) -> ApiRefusal:
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
    return ApiRefusal(int(rule.kind), code, message, type_, headers)


def before_work(rule: Rule, now: float) -> None:
    """Refuse or break where the fault comes before any work; nothing is made or billed."""
    if rule.kind == "reset_before":
        raise SimulatedReset("before the work")
    if rule.kind == "moderation":
        message = "Your request was refused by the content policy."
        raise ApiRefusal(400, "content_policy_violation", message, "invalid_request_error")
    if rule.kind in ("429", "500", "503") and not rule.work:
        raise _refusal(rule, now)


def after_work(rule: Rule, answer: Response, rates: Mapping[str, str], now: float) -> Response:
    """What the client sees of an answer whose images are made and billed."""
    if rule.kind == "reset_after":
        raise SimulatedReset("after the work")
    if rule.kind == "502":
        return Response(502, _BAD_GATEWAY, content_type="text/html")
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
    answer: Response, method: str, send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
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
