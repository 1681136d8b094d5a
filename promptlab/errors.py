"""Every exception promptlab raises, as one tree.

::

    PromptlabError                 one complete sentence; the CLI prints it without a traceback
    ├── InputError          2      the input is wrong; holds every Problem found, nothing was sent
    │   └── ConfirmationNeeded     a paid run that was not confirmed
    ├── StoppedError        3      the run stopped cleanly and can be resumed
    │   ├── BudgetReached          a budget or a cap would be passed
    │   ├── QuotaReached           the daily quota is used up; says until when
    │   ├── AccountRefused         no key, a refused key, or no credits left
    │   ├── Unreachable            request after request did not reach the server
    │   └── TakenOver              another process has taken over this run
    ├── GenerationError     1      one generation went wrong; the others go on
    ├── ProviderFault       1      a provider's own code raised; the run stops, its answer is kept
    ├── StoreError          1      a file could not be kept or read (a full disk, say)
    ├── LogError            1      the database cannot be used
    └── GitError            1      git refused; "no git here" is not an error

The number is the exit code of `promptlab`. See docs/errors.md for the codes of problems.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, Literal

__all__ = [
    "AccountRefused",
    "BudgetReached",
    "ConfirmationNeeded",
    "GenerationError",
    "GitError",
    "InputError",
    "LogError",
    "Problem",
    "Problems",
    "PromptlabError",
    "ProviderFault",
    "QuotaReached",
    "StopReason",
    "StoppedError",
    "StoreError",
    "TakenOver",
    "Unreachable",
    "at_most_ten",
    "nearest",
    "presentable",
]

StopReason = Literal["budget", "quota", "account", "network", "taken_over"]


Severity = Literal["error", "warning"]
#: Problems of one kind that are spelled out; the rest is counted. Missing files are put right together: more of them.
MOST_OF_A_KIND = 10
_MOST = {"missing-image": 100, "missing-file": 100}

# Patterns are compiled when they are first needed: a command that finds nothing wrong shows none.
#: What a terminal might obey, or hide, or fail to print: controls, bidi marks and overrides, half characters.
_UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
_KEY_VARIABLE = r"(?i)(key|token|secret|password)$"
_NAME = (
    r"(?: (?:api|access|secret|private) [_-]? key [\w-]{0,40} | (?<![a-z]) keys? \d{0,9}"
    r" | (?:token|secret|password|passwd|authorization|bearer|credential) s? (?:[_-][\w-]{0,40})? ) [\"']?"
)
_QUOTED = r"""(?: "(?P<double>[^"]+) | '(?P<single>[^']+) )"""
#: What is a secret wherever it is, and what a message quotes as the value of one.
_SECRETS = rf"""(?ix) \b (?:kv_|sk-) (?P<value>[\w-]{{4,}})
    | :// (?P<user>[^/\s@'"]+) @
    | {_NAME} [:=] (?P<glued>[^\s'"]+)
    | {_NAME} (?: \s*[:=]\s* | \s+ is \s+ (?:the\ text\s+)? ) {_QUOTED}"""
#: What a source line gives to a name that means a secret.
_GIVEN = rf"""(?ix) {_NAME} \s* [:=] (?: [\s{{]* {_QUOTED} | \s* \[ (?P<list>[^\]]+)
    | [\s{{]* (?P<plain>[^\s,}}\]"'{{][^,}}\]\#\n]*) )"""


def presentable(text: str, keep: str = "") -> str:
    """The text with secrets starred out at their width, and escapes for what a terminal might obey (but for `keep`)."""
    return re.sub(_UNSAFE, lambda m: m[0] if m[0] in keep else _escape(m[0]), _without_secrets(text))


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")


def _as_pictures(line: str) -> str:
    """The line with signs of the same width, so that a caret below stays where it points."""
    return re.sub(
        _UNSAFE, lambda m: m[0] if m[0] == "\t" else chr(0x2400 + ord(m[0])) if m[0] < " " else "\ufffd", line
    )


def _without_secrets(text: str) -> str:
    for name, value in os.environ.items():
        if len(value) >= 6 and value in text and re.search(_KEY_VARIABLE, name):
            text = text.replace(value, "*" * len(value))
    return re.sub(_SECRETS, _starred, text)


def _starred(match: re.Match[str]) -> str:
    name = match.lastgroup or "value"
    start, end = match.start(name) - match.start(), match.end(name) - match.start()
    return match[0][:start] + "*" * (end - start) + match[0][end:]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the input, where, and what to do.

    `line` and `column` are 1-based; None where there is no position. `code` is stable and documented in
    docs/errors.md. A warning never stops a run. `count` is how many problems it stands for ("and 90 more like this").
    """

    code: str
    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    source: str | None = None  # the source line, for the caret
    severity: Severity = "error"
    count: int = 1

    @property
    def place(self) -> str:
        """`path:line:column`, as much of it as is known."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def presentable(self) -> Problem:
        """The same without a secret, and without a character that a terminal might obey."""
        return replace(
            self,
            message=presentable(self.message),
            path=None if self.path is None else presentable(self.path),
            source=None
            if self.source is None
            else _as_pictures(re.sub(_GIVEN, _starred, _without_secrets(self.source))),
        )

    def headline(self) -> str:
        """The first line, complete in itself: place, what is wrong, what to do, and the code."""
        where = f"{self.place}: " if self.place else ""
        kind = "" if self.severity == "error" else "warning: "
        return f"{presentable(where)}{kind}{presentable(self.message)} [{self.code}]"

    def __str__(self) -> str:
        shown = self.presentable()
        if shown.source is None or shown.column is None:
            return shown.headline()
        source = shown.source.expandtabs(1)
        caret = " " * (shown.column - 1) + "^"
        if shown.column > 110:  # a long inline prompt: show the part around the fault
            start = shown.column - 80
            source, caret = "…" + source[start:], " " * (shown.column - start) + "^"
        return f"{shown.headline()}\n    {source[:160]}\n    {caret}"


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name closest to `name`, or None where none is close: what "did you mean" says, everywhere."""
    known = list(islice((other for other in names if abs(len(other) - len(name)) <= 3 + len(name) // 3), 300))
    folded = {_fold(other): other for other in reversed(known)}
    if (same := folded.get(_fold(name))) is not None:
        return same
    if not folded:
        return None
    from difflib import get_close_matches  # only a message needs it

    close = get_close_matches(_fold(name[:200]), folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else None


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def at_most_ten(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems, presentable, without those of one kind beyond the first ten: these are counted in one more."""
    told: list[Problem] = []
    shown: Counter[tuple[str, Severity]] = Counter()
    left: Counter[tuple[str, Severity]] = Counter()
    for problem in problems:
        kind = (problem.code, problem.severity)
        if problem.count > 1 or shown[kind] >= _MOST.get(problem.code, MOST_OF_A_KIND):
            left[kind] += problem.count
        else:
            shown[kind] += 1
            told.append(problem.presentable())
    for (code, severity), number in left.items():
        told.append(Problem(code, f"and {number:,} more of this kind", severity=severity, count=number))
    return tuple(told)


class PromptlabError(Exception):
    """The base of all: its text is a complete sentence for the user at the terminal."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return presentable(super().__str__(), keep="\n\t")


class InputError(PromptlabError):
    """The experiment, a template, a setting or a flag is wrong: every problem found, nothing sent."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Problem | Iterable[Problem] | str, *, code: str = "usage") -> None:
        if isinstance(problems, str):
            problems = Problem(code, problems)
        found = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(found)
        self.problems: Sequence[Problem] = at_most_ten(found)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class ConfirmationNeeded(InputError):
    """A run that costs money was not confirmed; it says the estimate, and how to agree to it."""


class StoppedError(PromptlabError):
    """The run stopped cleanly before its end; everything known is logged and `resume` continues it."""

    exit_code: ClassVar[int] = 3
    reason: ClassVar[StopReason] = "account"


class BudgetReached(StoppedError):
    """Sending one more request could pass the budget or a cap of the studio."""

    reason: ClassVar[StopReason] = "budget"


class QuotaReached(StoppedError):
    """The provider's daily quota is used up; `until` (epoch seconds) says when it resets, if known."""

    reason: ClassVar[StopReason] = "quota"

    def __init__(self, message: str, *, until: float | None = None) -> None:
        super().__init__(message)
        self.until = until


class AccountRefused(StoppedError):
    """The key is missing or refused, or the account has no credits left."""


class TakenOver(StoppedError):
    """Another process has taken over this run: this one was suspended for longer than its claims hold."""

    reason: ClassVar[StopReason] = "taken_over"


class Unreachable(StoppedError):
    """Request after request did not reach the server: it is down, its name is unknown, or TLS fails."""

    reason: ClassVar[StopReason] = "network"


class GenerationError(PromptlabError):
    """One generation went wrong; `code` and `type` as the provider named them, or promptlab's own."""

    def __init__(self, message: str, *, code: str | None = None, type: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.type = type


class ProviderFault(PromptlabError):
    """A provider's own code raised: a bug of the provider, whose next answers would be as unreadable."""

    code: ClassVar[str] = "provider_error"


class StoreError(PromptlabError):
    """An image or thumbnail could not be written, read or verified on this machine."""


class LogError(PromptlabError):
    """The database cannot be opened, is newer than this promptlab, or refused a write."""


class GitError(PromptlabError):
    """git could not answer: an unknown revision, a path that is not in it."""


class Problems:
    """A collector: checks add what they find, and all errors are raised together."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._known: set[Problem] = set()

    def add(self, problem: Problem) -> None:
        """Keep one problem; the same one is kept once."""
        if problem not in self._known:
            self._known.add(problem)
            self.found.append(problem)

    @property
    def errors(self) -> list[Problem]:
        """The problems that stop a run."""
        return [problem for problem in self.found if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """The problems that are only said."""
        return [problem for problem in self.found if problem.severity == "warning"]

    def raise_errors(self) -> None:
        """Raise InputError with every error found so far, in order of place, if there is one."""
        if errors := self.errors:
            raise InputError(sorted(errors, key=lambda p: (p.path or "", p.line or 0, p.column or 0)))
