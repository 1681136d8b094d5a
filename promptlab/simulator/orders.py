"""What a request asks for, read from its body and checked; and how its prompt is rewritten for `revised_prompt`."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.responses import ApiRefusal

__all__ = ["ASPECT_RATIOS", "FORMATS", "Order", "read_order", "revise"]


ASPECT_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4")
FORMATS = ("png", "jpg", "webp")
_GENERATE = ("model", "prompt", "aspect_ratio", "output_format", "negative_prompt", "n", "seed")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}")
_MAX_PROMPT = 32_000
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Order:
    """A valid request, defaults filled in. `image` is the source's bytes, or its URL; None for generate."""

    operation: Literal["generate", "edit"]
    model: str
    prompt: str
    aspect_ratio: str = "1:1"
    output_format: str = "png"
    negative_prompt: str = ""
    n: int = 1
    seed: int | None = None
    image: bytes | str | None = None
    strength: float = 0.8
    asynchronous: bool = False
    webhook_url: str | None = None


def _refuse(message: str, code: str = "invalid_request") -> NoReturn:
    raise ApiRefusal(400, code, message, "invalid_request_error")


def _bad_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_bad_constant)
    except (ValueError, RecursionError) as error:
        raise ApiRefusal(400, "invalid_json", "The request body is not valid JSON.", "invalid_request_error") from error
    if not isinstance(data, dict):
        _refuse("The request body must be a JSON object.", "invalid_json")
    return data


def read_order(body: bytes, operation: Literal["generate", "edit"], models: frozenset[str] | None, jobs: bool) -> Order:
    """The order in a body; ApiRefusal 400 names the first field that is wrong."""
    data = _object(body)
    known = (
        _GENERATE + (("image", "strength") if operation == "edit" else ()) + (("async", "webhook_url") if jobs else ())
    )
    for name in data:
        if name not in known:
            _refuse(f"Unknown parameter: {name[:80]!a}.", "unknown_parameter")
    for name in ("model", "prompt", *(("image",) if operation == "edit" else ())):
        if name not in data:
            _refuse(f"Missing required parameter: '{name}'.", "missing_parameter")
    webhook = _text(data, "webhook_url", None)
    if webhook is not None and data.get("async") is not True:
        _refuse("'webhook_url' needs 'async': true.")
    return Order(
        operation=operation,
        model=_model(data, models),
        prompt=_prompt(data),
        aspect_ratio=_choice(data, "aspect_ratio", ASPECT_RATIOS, "1:1"),
        output_format=_choice(data, "output_format", FORMATS, "png"),
        negative_prompt=_text(data, "negative_prompt", "") or "",
        n=_integer(data, "n", 1, 4) or 1,
        seed=_integer(data, "seed", -_INT64, _INT64 - 1),
        image=_image(data) if operation == "edit" else None,
        strength=_strength(data),
        asynchronous=_flag(data, "async"),
        webhook_url=webhook,
    )


def _text(data: dict[str, Any], name: str, default: str | None) -> str | None:
    value = data.get(name, default)
    if name in data and not isinstance(value, str):
        _refuse(f"Invalid type for '{name}': expected a string.")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(f"'{name}' holds half a surrogate pair.")
    return value


def _model(data: dict[str, Any], models: frozenset[str] | None) -> str:
    value = _text(data, "model", "") or ""
    if not _MODEL.fullmatch(value) or (models is not None and value not in models):
        _refuse(f"The model {value[:80]!a} does not exist.", "model_not_found")
    return value


def _prompt(data: dict[str, Any]) -> str:
    value = _text(data, "prompt", "") or ""
    if not value.strip():
        _refuse("'prompt' is empty.")
    if len(value) > _MAX_PROMPT:
        _refuse(f"'prompt' has {len(value)} characters; at most {_MAX_PROMPT} are allowed.", "prompt_too_long")
    return value


def _choice(data: dict[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(data, name, default)
    if value not in choices:
        _refuse(f"Invalid value for '{name}': must be one of {', '.join(choices)}.")
    return value


def _integer(data: dict[str, Any], name: str, low: int, high: int) -> int | None:
    if name not in data:
        return None
    value = data[name]
    if type(value) is not int:
        _refuse(f"Invalid type for '{name}': expected an integer.")
    if not low <= value <= high:
        _refuse(f"Invalid value for '{name}': must be from {low} to {high}.")
    return int(value)


def _strength(data: dict[str, Any]) -> float:
    value = data.get("strength", 0.8)
    if type(value) not in (int, float):
        _refuse("Invalid type for 'strength': expected a number.")
    if not (math.isfinite(value) if isinstance(value, float) else True) or not 0 <= value <= 1:
        _refuse("Invalid value for 'strength': must be from 0.0 to 1.0.")
    return float(value)


def _flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if type(value) is not bool:
        _refuse(f"Invalid type for '{name}': expected a boolean.")
    return bool(value)


def _image(data: dict[str, Any]) -> bytes | str:
    """A URL as it is; plain Base64 or a data: URI as bytes."""
    value = (_text(data, "image", "") or "").strip()
    if re.match(r"(?i)https?://[^\s/]", value):
        return value
    text = value
    if value[:5].lower() == "data:":
        head, comma, text = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            _refuse("'image' is a data: URI without ;base64.", "invalid_image")
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        message = "'image' is neither a URL nor Base64-encoded data."
        raise ApiRefusal(400, "invalid_image", message, "invalid_request_error") from error
    if not raw:
        _refuse("'image' is empty.", "invalid_image")
    return raw


_LIGHT = (
    "lit softly from the left", "with gentle window light", "in clear even light", "with a warm key light",
    "with a soft rim of light", "under a wide, diffuse sky",
)  # fmt: skip
_QUALITY = (
    "crisp focus", "balanced composition", "fine natural detail", "true colours", "a calm background", "clean edges",
)  # fmt: skip
_WORDS = re.compile(r"\w+")
_DETERMINERS = frozenset(_WORDS.findall("a an the one two three four five some several my your his her its our this"))
_VERBS = frozenset(_WORDS.findall("change make add remove replace turn keep draw paint show create put set give use"))


def revise(prompt: str, *key: object) -> str:
    """An article in front where a noun phrase lacks one, a phrase about light and one about quality behind."""
    text = re.sub(r"\s+", " ", prompt).strip().rstrip(".;, ")
    first = re.match(r"[^\W\d_]+", text)
    if first and first[0].lower() not in _DETERMINERS | _VERBS and not _is_plural(text):
        word = first[0]
        head = word if word.isupper() or word[1:] != word[1:].lower() else word[0].lower() + word[1:]
        text = f"{'An' if word[0].lower() in 'aeiou' else 'A'} {head}{text[len(word) :]}"
    text = text[:1].upper() + text[1:]
    dice = Dice("revise", prompt, *key)
    named_light = re.search(r"(?i)\b(light|lighting|lit|hour|sunset|neon|flash|night)\b", prompt)
    middle = "" if named_light else f", {dice.pick(_LIGHT)}"
    return f"{text}{middle}, {dice.pick(_QUALITY)}."


def _is_plural(text: str) -> bool:
    """Whether the first noun phrase ends in a plural: `red apples on a table` takes no article."""
    phrase = re.split(r"(?i)[,;.]|\b(?:on|in|at|with|of|under|by|for|and)\b", text)[0].split()
    return bool(phrase) and phrase[-1].endswith("s") and not phrase[-1].endswith(("ss", "us", "is"))
