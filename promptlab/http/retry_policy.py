"""What an answer, or the lack of one, means for the money and for the next step (pure).

The table: outcome by what happened, then whether to send again. The one rule behind it: a POST that may have been
done is never sent again blindly. `failed` (500, 503 without Retry-After) is the exception the API's own guide asks
for ("Retry with backoff"), made with the same idempotency key and counted as may_be_billed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from promptlab.http.messages import DownloadError, SendError, Unreadable
from promptlab.http.waits import Wait, backoff, parse_wait, rate_headers

__all__ = ["DOWNLOADS", "Decision", "Event", "Outcome", "Reach", "Reply", "Retries", "StopKind", "classify", "decide"]

Outcome: TypeAlias = Literal["ok", "not_sent", "rejected", "failed", "unknown", "short", "lost", "fatal", "stop"]
StopKind: TypeAlias = Literal["quota", "account", "network"]

#: A reset this far away is a quota, not a rate: waiting it out inside a run does not help.
HOURS_AWAY_S = 2 * 3600.0

#: The longest back-off after a failure of the server's own.
_FAILURE_S = 8.0

#: The account can't pay, whatever the status (OpenAI sends billing_hard_limit_reached as a 400).
_ACCOUNT_CODES = re.compile(
    r"insufficient_(?:quota|credits?|balance|funds)|billing_\w+|credits?_exhausted|out_of_credits?|payment_required|"
    r"no_credits?|not_enough_credits?|account_(?:deactivated|suspended|disabled)|(?:spend|spending|budget)_limit\w*"
)
_QUOTA_CODES = re.compile(
    r"(?:daily|day|monthly|month)_?\w*(?:quota|limit|exceeded|reached)\w*|quota_(?:exceeded|exhausted|reached)|"
    r"exceeded_quota|(?:quota|limit)_(?:daily|per_day|day)\w*|resource_exhausted_daily"
)
_QUOTA_WORDS = re.compile(
    r"\b(?:daily|monthly|per[- ]day|a day|/ ?day)\b.{0,60}\b(?:limit|quota|allowance)\b|"
    r"\b(?:limit|quota|allowance)\b.{0,60}\b(?:daily|monthly|per[- ]day|a day|/ ?day|for today|today)\b|"
    r"\bquota\b.{0,40}\b(?:exceeded|exhausted|used up)\b|\bexceeded your (?:current )?quota\b",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_BODY = re.compile(r"mismatch|differ(?:s|ent|ing)|re-?used|does not match|another (?:body|request|payload)", re.I)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer as the policy sees it: the status, headers (lower case) and the error the provider read.

    For a 2xx that was read: `images` is how many came and `asked` how many were asked for.
    """

    status: int
    headers: Mapping[str, str]
    code: str | None = None
    type: str | None = None
    message: str | None = None
    asked: int | None = None
    images: int | None = None


Event: TypeAlias = Reply | SendError | Unreadable | DownloadError


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to go on: sends of one generation, of them rejected ones apart, and seconds waited in all."""

    attempts: int = 6
    rejections: int = 30
    waiting_s: float = 3 * 3600.0


#: A result's URL is fetched until it dies: it is paid for.
DOWNLOADS = Retries(attempts=12, waiting_s=900.0)


@dataclass(frozen=True, slots=True)
class Decision:
    """What happened and what to do.

    `retry`: send again after `wait` (None: at once), with the same idempotency key. `hold_s`: hold every process that
    shares the key back so long. `may_be_billed`: the provider may have done, and billed, this attempt. `stop` ends
    the run; `until` (epoch seconds) is when it may go on, where known. `code`, `type` and `message` are for the log.
    """

    outcome: Outcome
    retry: bool = False
    wait: Wait | None = None
    hold_s: float | None = None
    may_be_billed: bool = False
    stop: StopKind | None = None
    until: float | None = None
    code: str | None = None
    type: str | None = None
    message: str | None = None


def decide(
    event: Event,
    attempt: int,
    now: float,
    honours_keys: bool = False,
    *,
    random: Callable[[], float],
    rejections: int = 0,
    waited_s: float = 0.0,
    retries: Retries | None = None,
) -> Decision:
    """The class of an event and the next step.

    `attempt` counts this generation's sends (1-based, this one included), `rejections` how many of the earlier ones
    were rejected, `waited_s` the seconds waited between them; `now` is epoch seconds and `random` gives 0..1.
    `honours_keys`: the provider is known to answer a repeated idempotency key with the first result, which is what
    lets an unknown outcome be asked for again.
    """
    retries = retries or (DOWNLOADS if isinstance(event, DownloadError) else Retries())
    found = classify(event, now)
    wants = found.retry or (found.outcome == "unknown" and honours_keys)
    if not wants:
        return replace(found, retry=False, wait=None)
    serious = attempt - rejections
    enough = rejections + 1 >= retries.rejections if found.outcome == "rejected" else serious >= retries.attempts
    wait = _wait(found, _backoff(found, serious, rejections, random), attempt)
    if enough or waited_s + wait.seconds > retries.waiting_s:
        return replace(found, retry=False, wait=None)
    return replace(found, retry=True, wait=wait)


def classify(event: Event, now: float) -> Decision:
    """The class of an event alone: `wait` holds only what the server said, `retry` whether the class allows it."""
    if isinstance(event, SendError):
        if event.sent:
            return Decision("unknown", may_be_billed=True, code="no_answer", message=event.message)
        return Decision("not_sent", retry=True, code="not_sent", message=event.message)
    if isinstance(event, Unreadable):
        named = f"{event.code or ''} {event.type or ''}".lower()
        found = Decision("unknown", may_be_billed=True)
        if _ACCOUNT_CODES.search(named):  # a gateway's 200 around its refusal
            found = Decision("stop", stop="account", may_be_billed=True)
        return replace(found, code=event.code or "unreadable", type=event.type, message=str(event))
    if isinstance(event, DownloadError):
        wait = None if event.wait_s is None else Wait(event.wait_s, "retry-after")
        code = f"download_{event.kind}"
        return Decision("lost", retry=event.retryable, wait=wait, code=code, message=event.message)
    found = _of_status(event, now)
    message = found.message or event.message or f"HTTP {event.status}"
    if found.outcome in ("ok", "short"):
        message = found.message or ""
    if found.stop == "quota":
        message = f"{message.rstrip(' .')}; {_opens(found.until)}"
    return replace(found, code=event.code or found.code, type=event.type or found.type, message=message or None)


def _of_status(reply: Reply, now: float) -> Decision:
    status = reply.status
    if 200 <= status < 300:
        return _received(reply)
    if 300 <= status < 400:
        text = f"HTTP {status}: the server redirects; set the base URL to where it points. Nothing was sent on"
        return Decision("fatal", code="redirected", message=text)
    if 400 <= status < 500:
        return _of_client_error(reply, now)
    if status == 500:
        return Decision("failed", retry=True, wait=_told(reply, now), may_be_billed=True)
    if status == 503:
        wait = _told(reply, now)
        if "retry-after" in reply.headers or "retry-after-ms" in reply.headers:
            return Decision("rejected", retry=True, wait=wait, hold_s=wait.seconds if wait else None)
        return Decision("failed", retry=True, wait=wait, may_be_billed=True)
    if status in (501, 505):
        return Decision("fatal")  # the server says that it does not do this at all
    return Decision("unknown", may_be_billed=True)  # 502, 504, 52x, 1xx, and every undefined status


def _received(reply: Reply) -> Decision:
    """A 2xx is a success whatever its rate headers say: `Remaining: 0` means that this one still fitted."""
    if reply.images is None or reply.asked is None or reply.images >= reply.asked:
        return Decision("ok")
    came = f"{reply.images} of {reply.asked} images came"
    return Decision("short", code="short", message=came)


def _of_client_error(reply: Reply, now: float) -> Decision:
    status, named = reply.status, f"{reply.code or ''} {reply.type or ''}".lower()
    if status in (401, 402):
        return Decision("stop", stop="account")
    if status in (400, 403, 429) and _ACCOUNT_CODES.search(named):
        return Decision("stop", stop="account")
    if status == 429:
        return _limited(reply, named, now)
    if status == 403 and _QUOTA_CODES.search(named):
        return _quota(_told(reply, now), now)
    if status == 409 and not _OTHER_BODY.search(f"{named} {reply.message or ''}"):
        # The first send of this idempotency key is still being worked on; asking again can't make a second one.
        return Decision("rejected", retry=True, wait=_told(reply, now))
    if status == 425:  # Too Early: refused before any work (RFC 8470)
        return Decision("rejected", retry=True, wait=_told(reply, now))
    if status in (408, 499):  # the request was given up on at some point after it was sent
        return Decision("unknown", may_be_billed=True)
    return Decision("fatal")


def _limited(reply: Reply, named: str, now: float) -> Decision:
    wait = _told(reply, now)
    is_quota = _QUOTA_CODES.search(named) or _QUOTA_WORDS.search(reply.message or "")
    if is_quota or (wait is not None and wait.seconds > HOURS_AWAY_S):
        return _quota(wait, now)
    # With requests left in the window it is this one that was refused, not the key: the others need not wait.
    holds = wait is not None and not rate_headers(reply.headers, now).remaining
    return Decision("rejected", retry=True, wait=wait, hold_s=wait.seconds if wait and holds else None)


def _quota(wait: Wait | None, now: float) -> Decision:
    return Decision("stop", stop="quota", wait=wait, until=None if wait is None else now + wait.seconds)


def _opens(until: float | None) -> str:
    """When a quota resets, for people."""
    if until is None:
        return "the provider does not say when it resets"
    return f"it resets at {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"


def _told(reply: Reply, now: float) -> Wait | None:
    return parse_wait(reply.headers, reply.message, now, limited=reply.status == 429)


def _backoff(found: Decision, serious: int, rejections: int, random: Callable[[], float]) -> Wait:
    """A back-off by how often this kind of end has come in a row: a request refused four times has not failed yet.

    A refusal without a time may last a window, and a paid image's storage a while; a server's own failures are over
    soon or not at all, and the tries are few: the last one must not come when all others of the run are long done.
    """
    if found.outcome == "rejected":
        return backoff(rejections + 1, random)
    return backoff(serious, random) if found.outcome == "lost" else backoff(serious, random, cap=_FAILURE_S)


def _wait(found: Decision, chosen: Wait, attempt: int) -> Wait:
    """What was asked for, never less; a back-off where nothing was, or where "0 seconds" came again and again."""
    if found.wait is None:
        floor = 0.5 if found.outcome == "rejected" else 0.05  # full jitter may say 0: never hammer
        return Wait(max(chosen.seconds, floor), "backoff")
    if found.wait.seconds == 0 and attempt > 1:
        return Wait(max(chosen.seconds, 0.05), "backoff")
    return found.wait


#: Sends in a row that never reached the server, and the seconds since the first of them, before a run gives up: a
#: server that restarts is waited for, one that is not there is not asked eight thousand times.
_OUT_OF_REACH, _OUT_OF_REACH_S = 5, 10.0


@dataclass(slots=True)
class Reach:
    """Whether the server can be reached at all, over all requests of a run."""

    failures: int = 0
    since: float = 0.0

    def note(self, event: Event, decision: Decision, now: float) -> Decision:
        """The decision about an event; a stop where no request has reached the server for long enough."""
        if not isinstance(event, SendError) or event.sent:
            self.failures = 0
            return decision
        if not self.failures:
            self.since = now
        self.failures += 1
        if self.failures < _OUT_OF_REACH or not (event.lasting or now - self.since >= _OUT_OF_REACH_S):
            return decision
        message = f"{event.message} ({self.failures} requests in a row were not sent); {_advice(event.message)}"
        return replace(decision, outcome="stop", retry=False, wait=None, stop="network", message=message)


def _advice(message: str) -> str:
    """What to do about a server that can't be reached."""
    if "proxy" in message:
        return "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    if "certificate" in message:
        return "name the authority that signed it in SSL_CERT_FILE, or correct the address"
    if "not found" in message:
        return "check the address and the network"
    return "check that the server is running and the address is right"
