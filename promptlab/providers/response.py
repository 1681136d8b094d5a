"""What an answer holds, and reading it: tolerant of where things stand, strict about what they are (pure).

Gateways nest, rename and decorate. A result is found at top level or under `result` or `output`, an image as a URL, a
data: URL or Base64 under any of the usual names. What is not an image is never guessed into one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from promptlab.http import Answer, DownloadError, Unreadable, join, parse_url

__all__ = [
    "ApiError",
    "Job",
    "JobStatus",
    "Output",
    "Result",
    "epoch",
    "no_image",
    "number",
    "read_body",
    "read_error",
    "read_images",
    "read_own_cost",
    "read_usage",
    "text",
    "unwrap",
    "without_pixels",
]

_LISTS = ("data", "images", "output", "outputs", "results", "artifacts")
_SINGLE = ("image", "image_url", "url", "b64_json", "image_base64")
_URLS = ("url", "image_url", "uri", "href", "download_url", "signed_url")
_PIXELS = ("b64_json", "b64", "base64", "image_base64", "image_b64", "base64_json", "image", "data", "bytes", "content")
_REVISED = ("revised_prompt", "revisedPrompt", "prompt_revised", "rewritten_prompt")
_MESSAGES = ("message", "msg", "error_message", "detail", "error", "title")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\r\n]{40,}={0,2}\s*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_DEEPEST = 40

JobStatus = Literal["waiting", "running", "done", "failed", "cancelled", "expired", "unknown"]


@dataclass(frozen=True, slots=True)
class Output:
    """One image of a result: a URL to fetch, or its bytes; neither where the server named none that can be read."""

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """An asynchronous job as an answer describes it. `expires_at` is epoch seconds; `status` unknown is not an end."""

    id: str
    status: JobStatus = "waiting"
    poll_url: str | None = None
    expires_at: float | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A read answer: images, or a job that will have them.

    `created` is epoch seconds. `credits` and `cost_usd` are what the response itself says; `usage` its token counts.
    `response` is the body as received with pixels replaced by `<n bytes>`: what the log keeps.
    """

    id: str | None
    model: str | None
    created: float | None
    images: tuple[Output, ...]
    job: Job | None = None
    usage: Mapping[str, Any] | None = None
    credits: float | None = None
    cost_usd: float | None = None
    response: Mapping[str, Any] = field(default_factory=dict)


class ApiError(NamedTuple):
    """An error envelope; each None where the answer doesn't say."""

    code: str | None
    type: str | None
    message: str | None


def read_body(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; Unreadable says what came instead."""
    try:
        body = _loads(answer.body)
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("content-type", "no content type").split(";")[0][:60]
        message = f"HTTP {answer.status}, but the answer is not JSON: {len(answer.body):,} bytes of {kind}"
        raise Unreadable(message) from error
    if isinstance(body, list):
        return {"data": body}
    if not isinstance(body, dict):
        raise Unreadable(f"HTTP {answer.status}, but the answer is a JSON {type(body).__name__}, not an object")
    return body


def _loads(raw: bytes) -> Any:
    body = json.loads(raw)
    if b"\\ud" in raw.lower():  # an escaped lone surrogate is JSON, but no text that a file or a database can hold
        return json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    return body


def unwrap(body: Mapping[str, Any], names: Sequence[str] = ("result", "output")) -> Mapping[str, Any]:
    """The part that holds the result: the body itself, or what is under one of `names`, at most two deep."""
    for _ in range(2):
        if _entries(body):
            return body
        inner = next((body[name] for name in names if isinstance(body.get(name), (dict, list)) and body[name]), None)
        if inner is None:
            return body
        body = {"data": inner} if isinstance(inner, list) else inner
    return body


def read_images(body: Mapping[str, Any], base_url: str) -> tuple[Output, ...]:
    """The images of a result, in order; a relative URL is one of the API's own."""
    return tuple(_output(entry, base_url) for entry in _entries(body))


def _entries(body: Mapping[str, Any]) -> list[Any]:
    for name in _LISTS:
        entries = body.get(name)
        if isinstance(entries, list) and any(_is_entry(entry) for entry in entries):
            return entries
        if isinstance(entries, dict) and _is_entry(entries):
            return [entries]
    return [body] if any(_is_entry({name: body[name]}) for name in _SINGLE if name in body) else []


def _is_entry(entry: Any) -> bool:
    """Whether something is there that is meant to be an image."""
    if isinstance(entry, str):
        return bool(re.match(r"(?i)https?://|data:image/", entry) or _BASE64.fullmatch(entry[:4096]))
    return isinstance(entry, dict) and any(entry.get(name) for name in (*_URLS, *_PIXELS))


def _output(entry: Any, base_url: str) -> Output:
    if not isinstance(entry, dict):
        return _read_pixels(entry, base_url, None) if isinstance(entry, str) else Output()
    revised = next((found for name in _REVISED if (found := text(entry.get(name))) is not None), None)
    for name in (*_PIXELS, *_URLS):
        value = entry.get(name)
        if isinstance(value, dict):  # {"image_url": {"url": …}}
            value = next((value[inner] for inner in (*_URLS, *_PIXELS) if isinstance(value.get(inner), str)), None)
        if isinstance(value, str) and value:
            output = _read_pixels(value, base_url, revised, is_url=name in _URLS)
            if output.url or output.data:
                return output
    return Output(revised_prompt=revised)


def _read_pixels(value: str, base_url: str, revised: str | None, *, is_url: bool = False) -> Output:
    if re.match(r"(?i)https?://", value):
        return Output(url=value, revised_prompt=revised)
    if is_url and value[:5].lower() != "data:":
        try:
            return Output(url=str(join(parse_url(base_url + "/"), value)), revised_prompt=revised)
        except ValueError:
            return Output(revised_prompt=revised)
    if value[:5].lower() != "data:" and not _BASE64.fullmatch(value[:4096].rstrip("=")):
        return Output(revised_prompt=revised)
    from promptlab.http.download import decode_data_url  # a plan reads no answers

    try:
        return Output(data=decode_data_url(value), revised_prompt=revised)
    except DownloadError:
        return Output(revised_prompt=revised)


def no_image(answer: Answer) -> Unreadable:
    """What a provider raises for an answer of status 2xx without an image: with the words of the error it may hold."""
    try:
        body = read_body(answer)
    except Unreadable as unreadable:
        return unreadable
    if not any(body.get(name) for name in ("error", "errors", "detail", "message", "error_message")):
        return Unreadable(f"HTTP {answer.status}, but the answer holds no image: {_shown(body)}")
    error = read_error(answer)
    message = f"HTTP {answer.status} with an error instead of an image: {error.message or _shown(body)}"
    return Unreadable(message, code=error.code, type=error.type)


def read_error(answer: Answer) -> ApiError:
    """The error envelope of an answer: the guide's, OpenAI's, FastAPI's, a bare text or an HTML page."""
    try:
        body = _loads(answer.body)
    except (ValueError, RecursionError):
        page = re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", answer.body[:4096].decode("utf-8", "replace"))
        return ApiError(None, None, text(" ".join(page.split()), 300))
    if not isinstance(body, dict):
        return ApiError(None, None, text(body, 300) or (_shown(body) if body else None))
    error = body.get("error") or body.get("errors") or body.get("detail") or body
    if isinstance(error, list):
        error = error[0] if error else body
    if not isinstance(error, dict):
        return ApiError(text(body.get("code"), 100), text(body.get("type"), 100), text(error))
    message = next((m for key in _MESSAGES if (m := text(error.get(key)))), None)
    if message is None and error:
        message = _shown(error)  # in an unknown form: better its words in braces than none
    return ApiError(
        text(error.get("code") or body.get("code"), 100), text(error.get("type") or body.get("type"), 100), message
    )


def _shown(body: Any) -> str:
    """A short piece of a body that has no message, for the user who has to find out."""
    shown = json.dumps(without_pixels(body), ensure_ascii=False)
    return text(shown, 300) or "nothing"


def read_usage(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The `usage` object, if there is one."""
    usage = body.get("usage")
    return usage if isinstance(usage, dict) and usage else None


def read_own_cost(body: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Credits and dollars that a response itself names, in the places where gateways put them."""
    usage, cost = body.get("usage"), body.get("cost")
    places: list[Mapping[str, Any]] = [place for place in (body, usage, cost) if isinstance(place, dict)]
    credits = _first_number(places, ("credits", "credits_used", "credits_charged", "credit_cost"))
    dollars = _first_number(places, ("cost_usd", "usd", "total_cost_usd", "cost"))  # a bare cost is dollars (LiteLLM)
    return credits, dollars


def _first_number(places: Sequence[Mapping[str, Any]], names: Sequence[str]) -> float | None:
    given = (place[name] for place in places for name in names if name in place)  # of ten places hardly one is there
    return next((n for value in given if (n := number(value)) is not None), None)


def without_pixels(value: Any, depth: int = 0, name: str = "") -> Any:
    """A body for the log: Base64 and data: URLs replaced by `<n bytes>`, everything else as it came."""
    if depth > _DEEPEST:
        return "<nested too deeply>"
    if isinstance(value, dict):
        return {str(key): without_pixels(item, depth + 1, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [without_pixels(item, depth + 1, name) for item in value]
    if isinstance(value, str) and len(value) > 200 and _is_pixels(value):
        body = value.partition(",")[2] if value[:5].lower() == "data:" else value
        return f"<{len(body.rstrip('=')) * 3 // 4:,} bytes>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _is_pixels(value: str) -> bool:
    return value[:5].lower() == "data:" or _BASE64.fullmatch(value[:4096].rstrip("=")) is not None


def text(value: Any, longest: int = 1000) -> str | None:
    """A scalar as one line of text without control characters; None for nothing, or for a structure."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    cleaned = _CONTROL.sub(" ", str(value)).strip()
    return cleaned[:longest] or None


def number(value: Any) -> float | None:
    """A finite non-negative number, or None; a number in quotes counts."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def epoch(value: Any) -> float | None:
    """A time in epoch seconds that a calendar has (to the year 9999), or None: no image is lost over a date."""
    found = number(value)
    return found if found is not None and found < 253_402_300_800 else None
