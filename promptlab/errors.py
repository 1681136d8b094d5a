"""Every exception promptlab raises, as one tree.

::

    PromptlabError                 one complete sentence; the CLI prints it without a traceback
    ├── InputError          2      the input is wrong; holds every Problem found, nothing was sent
    │   └── ConfirmationNeeded     a paid run nobody confirmed
    ├── StoppedError        3      the run stopped in order and can be resumed
    │   ├── BudgetReached          a budget or a cap would be passed
    │   ├── QuotaReached           the daily quota is used up; says until when
    │   ├── AccountRefused         no key, a refused key, or no credits left
    │   └── TakenOver              another process goes on with this run
    ├── GenerationError     1      one generation went wrong; the others go on
    ├── ProviderFault       1      a provider's own code raised; the run stops, its answer is kept
    ├── StoreError          1      a file could not be kept or read (a full disk, say)
    ├── LogError            1      the database cannot be used
    └── GitError            1      git refused; "no git here" is not an error

The number is the exit code of `promptlab`. See docs/errors.md for the codes of problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
]

StopReason = Literal["budget", "quota", "account", "taken_over"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the input, where, and what to do.

    `line` and `column` are 1-based; None where there is no position. `code` is stable and documented in
    docs/errors.md. A warning never stops a run.
    """

    code: str
    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    source: str | None = None  # the source line, for the caret
    severity: Literal["error", "warning"] = "error"

    @property
    def place(self) -> str:
        """`path:line:column`, as much of it as is known."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def headline(self) -> str:
        """The first line, complete in itself: place, what is wrong, what to do, and the code."""
        where = f"{self.place}: " if self.place else ""
        kind = "" if self.severity == "error" else "warning: "
        return f"{where}{kind}{self.message} [{self.code}]"

    def __str__(self) -> str:
        if self.source is None or self.column is None:
            return self.headline()
        source = self.source.expandtabs(1)
        caret = " " * (self.column - 1) + "^"
        if self.column > 110:  # a long inline prompt: show the part around the fault
            start = self.column - 80
            source, caret = "…" + source[start:], " " * (self.column - start) + "^"
        return f"{self.headline()}\n    {source[:160]}\n    {caret}"


class PromptlabError(Exception):
    """The base of all: its text is a complete sentence for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class InputError(PromptlabError):
    """The experiment, a template, a setting or a flag is wrong: every problem found, nothing sent."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Problem | Iterable[Problem] | str, *, code: str = "usage") -> None:
        if isinstance(problems, str):
            problems = Problem(code, problems)
        self.problems: Sequence[Problem] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfirmationNeeded(InputError):
    """A run that costs money was not confirmed, and there is no terminal to ask at."""


class StoppedError(PromptlabError):
    """The run stopped in order before its end; everything known is logged and `resume` goes on."""

    exit_code: ClassVar[int] = 3
    reason: ClassVar[StopReason] = "account"


class BudgetReached(StoppedError):
    """Sending one more request could pass the budget or a cap of the studio."""

    reason: ClassVar[StopReason] = "budget"


class QuotaReached(StoppedError):
    """The provider's daily quota is used up; `until` (epoch seconds) says when it opens again, if known."""

    reason: ClassVar[StopReason] = "quota"

    def __init__(self, message: str, *, until: float | None = None) -> None:
        super().__init__(message)
        self.until = until


class AccountRefused(StoppedError):
    """The key is missing or refused, or the account has no credits left."""


class TakenOver(StoppedError):
    """Another process goes on with this run: this one was suspended for longer than its claims hold."""

    reason: ClassVar[StopReason] = "taken_over"


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


@dataclass
class Problems:
    """A collector: checks add what they find, and all errors are raised together."""

    found: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Keep one problem; the same one is kept once."""
        if problem not in self.found:
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
