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

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from promptlab.errors import InputError, Problem
from promptlab.simulator.pictures.rng import Dice

__all__ = ["KINDS", "FaultPlan", "Rule", "load_faults", "parse_faults"]

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
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"unknown {what} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}")


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
