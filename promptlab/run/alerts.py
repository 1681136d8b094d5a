"""Alerts: thresholds that spending passed, and days that are unusual against the log's own history.

Unusual is Iglewicz and Hoaglin's modified z-score over 3.5 ("How to Detect and Handle Outliers", ASQC 1993): today's
credits beside the median and the median absolute deviation of the last thirty days that had any spending. It needs a
week of such days, and a day at least twice the median, before it says a word.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from urllib.parse import urlsplit, urlunsplit

from promptlab.environ import without_keys
from promptlab.http import Call, SendError
from promptlab.http.client import Client
from promptlab.log import Log
from promptlab.model import Amount, is_simulated
from promptlab.run.events import Finished, Listener, Message, RunEvent
from promptlab.spec.settings import Settings

__all__ = ["Alarm", "alerts_of", "deliver", "passed", "unusual"]

CUTOFF = 3.5
ENOUGH_DAYS = 7
WINDOW_DAYS = 30


def passed(thresholds: Sequence[Amount], credits: float | None, usd: float | None, what: str) -> Iterator[str]:
    """A sentence for each threshold that spending has passed."""
    for amount in thresholds:
        spent = usd if amount.usd is not None else credits
        ceiling = amount.usd if amount.usd is not None else amount.credits or 0.0
        if spent is not None and spent >= ceiling:
            shown = Amount(usd=spent) if amount.usd is not None else Amount(credits=spent)
            yield f"{what} has cost {shown}, which reaches the alert at {amount}"


@dataclass(slots=True)
class Alarm:
    """A listener in front of another that says once, as a run goes, that its cost has passed the experiment's alert.

    `credits` and `usd` are what the run has cost so far.
    """

    threshold: Amount
    listener: Listener
    credits: float = 0.0
    usd: float = 0.0
    said: bool = False

    def __post_init__(self) -> None:
        self.said = any(passed([self.threshold], self.credits, self.usd, "this run"))

    def __call__(self, event: RunEvent) -> None:
        """Pass the event on, and count it."""
        self.listener(event)
        if self.said or not isinstance(event, Finished) or is_simulated(event.generation):
            return
        self.credits += event.generation.credits or 0.0
        self.usd += event.generation.cost_usd or 0.0
        for text in passed([self.threshold], self.credits, self.usd, "this run"):
            self.said = True
            self.listener(Message(text, "warning"))


def unusual(today: float, past: Sequence[float]) -> float | None:
    """How far today's credits stand out: the modified z-score where it is over the cutoff, else None."""
    days = [amount for amount in past if amount > 0]
    if len(days) < ENOUGH_DAYS:
        return None
    middle = median(days)
    spread = median(abs(amount - middle) for amount in days)
    # Where half the days are equal the deviation is 0: the mean deviation takes its place, as the authors advise.
    scale = spread / 0.6745 if spread else 1.2533 * sum(abs(amount - middle) for amount in days) / len(days)
    if today < 2 * middle:
        return None
    score = (today - middle) / scale if scale else float("inf")
    return score if score > CUTOFF else None


def alerts_of(log: Log, settings: Settings) -> tuple[str, ...]:
    """What is worth saying about this month's spending, as sentences."""
    now = datetime.now(UTC)
    month = log.spent(since=now.strftime("%Y-%m-01"))
    found = list(passed(settings.alerts.cost, month.credits_at_most, month.cost_usd_at_most, "this month"))
    if settings.alerts.unusual:
        found += _unusual_today(log, now)
    return tuple(found)


def _unusual_today(log: Log, now: datetime) -> Iterator[str]:
    today = now.strftime("%Y-%m-%d")
    days = {
        str(spent.key): spent.credits or 0.0
        for spent in log.usage("day", since=str((now - timedelta(days=WINDOW_DAYS)).date()))
    }
    past = [credits for day, credits in days.items() if day != today]
    if (score := unusual(days.get(today, 0.0), past)) is not None:
        yield (
            f"today's {days[today]:,.10g} credits are unusual: the median day of the last {WINDOW_DAYS} is "
            f"{median(credit for credit in past if credit > 0):,.10g} (modified z-score {score:.1f}, cutoff {CUTOFF})"
        )


def deliver(messages: Sequence[str], settings: Settings) -> Iterator[str]:
    """Alert the studio's command and webhook; yields a sentence for each that could not be reached.

    The command gets the messages on its standard input and no shell; the webhook a JSON body.
    """
    if not messages:
        return
    command = settings.alerts.command
    if command:
        words = shlex.split(command) if isinstance(command, str) else list(command)
        try:
            subprocess.run(  # noqa: S603  the studio's own command
                words,
                input="\n".join(messages) + "\n",
                text=True,
                timeout=30,
                check=True,
                capture_output=True,
                env=without_keys(os.environ),
            )
        except (OSError, subprocess.SubprocessError) as error:
            yield f"the alert command {words[0]!r} failed: {type(error).__name__}"
    if settings.alerts.webhook:
        problem = asyncio.run(_post(settings.alerts.webhook, {"text": "\n".join(messages)}))
        if problem:
            yield f"the alert webhook could not be reached: {problem}"


async def _post(url: str, body: Mapping[str, str]) -> str | None:
    """One POST of JSON; what went wrong, if anything did."""
    parts = urlsplit(url)
    try:
        async with Client(f"{parts.scheme}://{parts.netloc}", read_timeout=20) as client:
            answer = await client.send(
                Call("POST", urlunsplit(("", "", parts.path or "/", parts.query, "")), json=body)
            )
    except (SendError, ValueError) as error:
        return str(error)
    return None if answer.status < 300 else f"HTTP {answer.status}"
