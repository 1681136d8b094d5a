"""A run's progress: a bar on a terminal, plain lines elsewhere; always on stderr, never between results."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from promptlab.model import Generation
    from promptlab.run.events import Planned, RunEvent, Waiting

__all__ = ["Reporter", "reporter"]

PLAIN_EVERY_S = 10.0
FIRST = 3  # answers before the time that is left is shown


class Reporter:
    """Listens to a run and says a line every ten seconds, and each failure as it comes."""

    def __init__(self) -> None:
        self.total = self.done = self.bad = self.answered = 0
        self.credits = 0.0
        self.seeds = 0
        self.now_at = ""  # the repeat that is being sent: seeds are outermost
        self.started = time.monotonic()
        self.said = self.started

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the display."""

    def __call__(self, event: RunEvent) -> None:
        from promptlab.run.events import Finished, Message, Planned, Waiting

        match event:
            case Planned():
                self.total, self.done, self.seeds = event.total, event.cached, event.seeds
                self.started = self.said = time.monotonic()  # asking and reading the log are not part of the pace
                self.planned(event)
            case Finished(generation, _):
                self.done += 1
                self.answered += 1
                self.credits += generation.credits or 0.0
                if generation.status not in ("completed", "planned"):
                    self.bad += 1
                    reason = generation.error_message or generation.error_code or ""
                    which = ", ".join(filter(None, (_short(generation.prompt), self.seed(generation))))
                    self.say(f"{generation.status}: {which}: {reason}")
                self.now_at = self.seed(generation)
                self.step()
            case Waiting():
                self.waiting(event)
            case Message(text, _):
                self.say(text)

    def seed(self, generation: Generation) -> str:
        """`seed 1 of 4`: which of the repeats it is; nothing where there is one."""
        if self.seeds < 2 or generation.seed_index is None:
            return ""
        return f"seed {generation.seed_index + 1} of {self.seeds:,}"

    def planned(self, event: Planned) -> None:
        """The plan is known."""
        cached = f", {event.cached:,} already in the log" if event.cached else ""
        self.say(f"run {event.run_id}: {formats.count(event.total, 'request')}{cached}")

    def waiting(self, event: Waiting) -> None:
        """Sending pauses; only a long pause is worth a line."""
        if event.seconds >= 5:
            self.say(f"waiting {formats.duration(event.seconds)}: {event.reason}")

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
        seed = f", {self.now_at}" if self.now_at else ""
        done = f"{self.done:,} of {self.total:,} done{bad}{seed}, {formats.credits(self.credits)}"
        return f"{done}, {left}" if left else done

    def left(self, now: float) -> str:
        """`about 7 min left`, at the pace of this run's own answers so far; nothing before there are a few."""
        if self.answered < FIRST or self.done >= self.total:
            return ""
        each = (now - self.started) / self.answered
        return f"{formats.about(each * (self.total - self.done))} left"

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
            self.bar.update(self.task, note=f"waiting {formats.duration(event.seconds)}: {event.reason}")

    def step(self) -> None:
        if self.task is not None:
            bad = f"{self.bad:,} failed" if self.bad else ""
            parts = filter(None, (self.now_at, formats.credits(self.credits), bad, self.left(time.monotonic())))
            self.bar.update(self.task, completed=self.done, note=", ".join(parts))

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)


def reporter() -> Reporter:
    """The one that fits where stderr goes."""
    return _Bar() if sys.stderr.isatty() else Reporter()


def _short(prompt: str) -> str:
    return prompt if len(prompt) <= 60 else prompt[:57] + "..."
