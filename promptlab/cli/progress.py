"""A run's progress: a bar on a terminal, plain lines elsewhere; always on stderr, never between results."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

from promptlab.cli import words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from promptlab.run import Planned, RunEvent, Waiting

__all__ = ["Reporter", "reporter"]

PLAIN_EVERY_S = 10.0
FIRST = 3  # answers before the time that is left is shown


class Reporter:
    """Listens to a run and says a line every ten seconds, and each failure as it comes."""

    def __init__(self) -> None:
        self.total = self.done = self.bad = self.answered = 0
        self.credits = 0.0
        self.started = time.monotonic()
        self.said = self.started

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the display."""

    def __call__(self, event: RunEvent) -> None:
        from promptlab.run import Finished, Message, Planned, Waiting

        match event:
            case Planned():
                self.total, self.done = event.total, event.cached
                self.started = self.said = time.monotonic()  # asking and reading the log are not part of the pace
                self.planned(event)
            case Finished(generation, _):
                self.done += 1
                self.answered += 1
                self.credits += generation.credits or 0.0
                if generation.status not in ("completed", "planned"):
                    self.bad += 1
                    reason = generation.error_message or generation.error_code or ""
                    self.say(f"{generation.status}: {_short(generation.prompt)}: {reason}")
                self.step()
            case Waiting():
                self.waiting(event)
            case Message(text, _):
                self.say(text)

    def planned(self, event: Planned) -> None:
        """The plan is known."""
        cached = f", {event.cached:,} already in the log" if event.cached else ""
        self.say(f"run {event.run_id}: {words.count(event.total, 'request')}{cached}")

    def waiting(self, event: Waiting) -> None:
        """Sending pauses; only a long pause is worth a line."""
        if event.seconds >= 5:
            self.say(f"waiting {words.duration(event.seconds)}: {event.reason}")

    def step(self) -> None:
        """One more is done."""
        now = time.monotonic()
        if now - self.said >= PLAIN_EVERY_S:
            self.said = now
            self.say(self.line(now))

    def line(self, now: float) -> str:
        """`120 of 400 done, 2 failed, 6,000 credits, about 7 min left`."""
        bad = f", {self.bad:,} failed" if self.bad else ""
        left = self.left(now)
        return f"{self.done:,} of {self.total:,} done{bad}, {words.credits(self.credits)}" + (
            f", {left}" if left else ""
        )

    def left(self, now: float) -> str:
        """`about 7 min left`, at the pace of this run's own answers so far; nothing before there are a few."""
        if self.answered < FIRST or self.done >= self.total:
            return ""
        each = (now - self.started) / self.answered
        return f"{words.about(each * (self.total - self.done))} left"

    def say(self, text: str) -> None:
        """A line to stderr."""
        click.echo(text, err=True)


class _Bar(Reporter):
    """The same on a terminal, with rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
        )

        super().__init__()
        self.console = Console(stderr=True, highlight=False)
        spinner = "dots" if self.console.encoding.startswith("utf") else "line"
        self.bar: Progress = Progress(
            SpinnerColumn(spinner), BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            console=self.console, transient=True,
        )  # fmt: skip
        self.task: TaskID | None = None

    def close(self) -> None:
        self.bar.stop()

    def planned(self, event: Planned) -> None:
        super().planned(event)
        if event.total > event.cached:
            self.bar.start()
            self.task = self.bar.add_task("run", total=event.total, completed=event.cached, note="")

    def waiting(self, event: Waiting) -> None:
        if self.task is not None and event.seconds >= 1:
            self.bar.update(self.task, note=f"waiting {words.duration(event.seconds)}: {event.reason}")

    def step(self) -> None:
        if self.task is not None:
            bad = f"{self.bad:,} failed" if self.bad else ""
            parts = filter(None, (words.credits(self.credits), bad, self.left(time.monotonic())))
            self.bar.update(self.task, completed=self.done, note=", ".join(parts))

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)


def reporter() -> Reporter:
    """The one that fits where stderr goes."""
    return _Bar() if sys.stderr.isatty() else Reporter()


def _short(prompt: str) -> str:
    return prompt if len(prompt) <= 60 else prompt[:57] + "..."
