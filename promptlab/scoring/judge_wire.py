"""A judge's wire (pure): the question as a call to /chat/completions, its answer read, and what it costs.

Both images are sent as JPEGs of one size limit, without metadata, so that nothing but the pixels tells them apart. The
prompts are not sent: a judge that reads them judges the text.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from promptlab.http import Call

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = [
    "PRICES", "QUESTION", "Choice", "JudgePrice", "Usage", "as_data_url", "call_of", "choice_of", "price_of",
    "prompt_sha256", "usage_of", "worst_usd",
]  # fmt: skip

Choice = Literal["first", "second", "tie", "bad"]
QUESTION: Final = "Which of the two images is better?"
_VERSION: Final = 1  # of the words below: another one makes other answers
_SYSTEM: Final = (
    "You compare two images. Judge only what you see; which image comes first means nothing. Answer with one JSON "
    'object and nothing else: {"choice": "A", "reason": "..."}. `choice` is "A" for the first image, "B" for the '
    'second, "tie" if neither is better, "bad" if both are unusable. Keep the reason under 30 words.'
)
_LONGEST: Final = 1024  # pixels a side, and what it costs at most:
#: Tokens that an image of that size may be billed as: OpenAI's low-price models count it as up to 36,839 (2,833 + 6 ×
#: 5,667), all others as less than 3,000.
_IMAGE_TOKENS: Final = 3_000
_IMAGE_TOKENS_OF: Final[Mapping[str, int]] = {"gpt-4o-mini": 36_839}
_OUTPUT_TOKENS: Final = 300
_REASONING_TOKENS: Final = 4_000  # a model that thinks first is billed for it
_REASONS: Final = re.compile(r"(?:.*/)?(?:gpt-5|o\d)")
_SOURCE: Final = "OpenAI's price list"


@dataclass(frozen=True, slots=True)
class JudgePrice:
    """Dollars per million tokens in and out."""

    tokens_in: float
    tokens_out: float
    source: str = "given"
    dated: str | None = None

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """The price of this many tokens."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


PRICES: Final[Mapping[str, JudgePrice]] = {
    "gpt-4o": JudgePrice(2.5, 10.0, _SOURCE, "2025-08-07"),
    "gpt-4o-mini": JudgePrice(0.15, 0.6, _SOURCE, "2025-08-07"),
    "gpt-4.1": JudgePrice(2.0, 8.0, _SOURCE, "2025-08-07"),
    "gpt-4.1-mini": JudgePrice(0.4, 1.6, _SOURCE, "2025-08-07"),
    "gpt-4.1-nano": JudgePrice(0.1, 0.4, _SOURCE, "2025-08-07"),
    "gpt-5": JudgePrice(1.25, 10.0, _SOURCE, "2025-08-07"),
    "gpt-5-mini": JudgePrice(0.25, 2.0, _SOURCE, "2025-08-07"),
    "gpt-5-nano": JudgePrice(0.05, 0.4, _SOURCE, "2025-08-07"),
}


def price_of(model: str, base_url: str, given: JudgePrice | None) -> JudgePrice | None:
    """The price given, else the table's where OpenAI itself is asked; None is unknown: a gateway has its own prices."""
    if given is not None:
        return given
    if not base_url.startswith("https://api.openai.com/"):
        return None
    return PRICES.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model))


def prompt_sha256(question: str) -> str:
    """What was asked, as a hash: the question with all words around it."""
    asked = json.dumps([_VERSION, _SYSTEM, question, _LONGEST], ensure_ascii=False)
    return hashlib.sha256(asked.encode()).hexdigest()


def as_data_url(picture: Picture) -> str:
    """A picture as it is sent."""
    from PIL import Image

    small = picture.copy()
    small.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def call_of(model: str, question: str, first: str, second: str, key: str) -> Call:
    """One question about two pictures (data URLs), under an idempotency key."""
    content = [
        {"type": "text", "text": question},
        {"type": "text", "text": "Image A:"},
        {"type": "image_url", "image_url": {"url": first}},
        {"type": "text", "text": "Image B:"},
        {"type": "image_url", "image_url": {"url": second}},
    ]
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": content}],
    }
    if _REASONS.match(model):  # these refuse max_tokens, and any temperature but their own
        body["max_completion_tokens"] = _output_tokens(model)
    else:
        body |= {"max_tokens": _output_tokens(model), "temperature": 0}
    return Call("POST", "/chat/completions", json=body, headers={"Idempotency-Key": key}, timeout_s=120.0)


def _output_tokens(model: str) -> int:
    return _REASONING_TOKENS if _REASONS.match(model) else _OUTPUT_TOKENS


def worst_usd(model: str, question: str, price: JudgePrice | None) -> float | None:
    """The most that one call can cost: never more tokens of text than it has bytes, and the output's own limit."""
    if price is None:
        return None
    images = 2 * _IMAGE_TOKENS_OF.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model), _IMAGE_TOKENS)
    text = len((_SYSTEM + question).encode("utf-8", "replace")) + 100
    return price.usd(text + images, _output_tokens(model))


def answer_text(body: Mapping[str, Any]) -> str | None:
    """What the model said; None where the body holds no answer of a chat model."""
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        return None
    content = message.get("content")
    if isinstance(content, list):  # parts, as some gateways give them
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else str(message.get("refusal") or "")


_WORDS: Final[Mapping[str, Choice]] = {
    "a": "first", "b": "second", "tie": "tie", "neither": "tie", "equal": "tie", "bad": "bad", "both bad": "bad",
}  # fmt: skip
_OBJECT: Final = re.compile(r"\{.*\}", re.DOTALL)
_BARE: Final = re.compile(r"\W*(?:image\s+)?(a|b|tie|neither|equal|both bad|bad)\W*", re.IGNORECASE)


def choice_of(text: str) -> Choice | None:
    """Which image the model chose; None where it can't be told. JSON, also in a code block, or a bare word."""
    match = _OBJECT.search(text)
    if match is not None:
        try:
            found = json.loads(match[0])
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            named = found.get("choice")
            return _word(named) if isinstance(named, str) else None
    return _word(text)


def _word(text: str) -> Choice | None:
    match = _BARE.fullmatch(text.strip())
    return None if match is None else _WORDS[match[1].lower()]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the answer says; None where it does not."""

    tokens_in: int | None
    tokens_out: int | None

    def usd(self, price: JudgePrice | None) -> float | None:
        """What they cost; None where tokens or price are unknown."""
        if price is None or self.tokens_in is None or self.tokens_out is None:
            return None
        return price.usd(self.tokens_in, self.tokens_out)


def usage_of(body: Mapping[str, Any]) -> Usage:
    """The tokens of an answer."""
    found = body.get("usage")
    usage = found if isinstance(found, dict) else {}
    return Usage(_tokens(usage, "prompt_tokens", "input_tokens"), _tokens(usage, "completion_tokens", "output_tokens"))


def _tokens(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
            return value
    return None
