"""Taking an echoed API key out of what a server says, in whatever encoding it came back (pure).

What is read here ends in the log. A key is found by undoing JSON escapes, percent signs, entities and Base64, which
costs little for an answer that holds none of them; only where it is there is the text worked on.
"""

from __future__ import annotations

import base64
import html
import html.entities
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote

__all__ = ["Mask"]

_HIDDEN = "[key]"
_SHORTEST = 8  # a shorter one is not a secret, and would be found in ordinary words
_ROUNDS = 3  # an entity in a percent sign in a JSON escape, and no deeper
_LARGE = 64 * 1024
_SIGNS = (b"%", b"\\", b"&")
_JSON_ESCAPE = re.compile(r"\\+u00([0-9a-fA-F]{2})|\\+x([0-9a-fA-F]{2})")


class Mask:
    """Removes one secret from texts; without a secret, or with a very short one, it changes nothing."""

    def __init__(self, secret: str) -> None:
        self._secret = secret if len(secret) >= _SHORTEST else ""

    def text(self, text: str) -> str:
        """The text with `[key]` where the secret stood."""
        if not self._secret or not self._is_in(text):
            return text
        for form in self._base64:
            if form in text:
                text = re.sub(rf"[\w+/-]*{re.escape(form)}[\w+/-]*=*", _HIDDEN, text)
        text = self._pattern.sub(_HIDDEN, text)
        if self._is_in(text):  # encoded twice over
            text = self._pattern.sub(_HIDDEN, _undone(text))
        return _HIDDEN if self._is_in(text) else text

    def headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The same for headers, searched as one text: they hardly ever hold it."""
        if not self._secret or not self._is_in("\n".join(headers.values())):
            return headers
        return {name: self.text(value) for name, value in headers.items()}

    def body(self, body: bytes) -> bytes:
        """The same for a body; one of JSON stays JSON."""
        if not self._secret or (self._secret.encode() not in body and not self._is_in(_suspect(body))):
            return body
        text = body.decode("utf-8", "surrogateescape")
        try:
            cleaned = self._cleaned(json.loads(text))
        except (ValueError, RecursionError):
            return self.text(text).encode("utf-8", "surrogateescape")
        return json.dumps(cleaned).encode()

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(key): self._cleaned(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _is_in(self, text: str) -> bool:
        if self._secret in text:
            return True
        for form in self._base64:  # a plain loop: this is on the way of every answer
            if form in text:
                return True
        if "\\" not in text and "%" not in text and "&" not in text:
            return False  # nothing to undo
        for _ in range(_ROUNDS):
            plain = _undone(text)
            if plain == text:
                return False
            if self._secret in plain:
                return True
            text = plain
        return False

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The secret with each character as it is, or as a JSON escape, a percent sign or an entity."""
        return re.compile("".join(map(_forms, self._secret)))

    @cached_property
    def _base64(self) -> tuple[str, ...]:
        """What Base64 makes of the secret at each of the three places it can begin at, in both alphabets."""
        found: dict[str, None] = {}
        for before in range(3):
            raw = b"\0" * before + self._secret.encode()
            whole = base64.b64encode(raw).decode("ascii").rstrip("=")
            first = -(-before * 8 // 6)  # characters that hold a bit of what is before
            last = len(raw) * 8 // 6  # and none of what comes after
            found[whole[first:last]] = None
            found[whole[first:last].translate(str.maketrans("+/", "-_"))] = None
        return tuple(found)


def _suspect(body: bytes) -> str:
    """The part of a body that may hold an encoded secret: without its megabytes of pixels, which go to no log."""
    if len(body) > _LARGE:
        parts = (part for part in body.split(b'"') if len(part) < _LARGE or any(sign in part for sign in _SIGNS))
        body = b'"'.join(parts)
    return body.decode("utf-8", "surrogateescape")


def _forms(character: str) -> str:
    code = ord(character)
    hexadecimal = f"(?i:{code:02x})"
    return (
        rf"(?:{re.escape(character)}|\\+u00{hexadecimal}|\\+x{hexadecimal}|%(?:25)*{hexadecimal}"
        rf"|&(?:amp;)?#0*{code};?|&(?:amp;)?#[xX]0*{hexadecimal};?{_named(character)})"
    )


def _named(character: str) -> str:
    """The entities that have a name, such as `&lowbar;`."""
    names = [name for name, value in html.entities.html5.items() if value == character and name.endswith(";")]
    return "".join(f"|&(?:amp;)?{re.escape(name)}" for name in names)


def _undone(text: str) -> str:
    """One layer of each encoding taken off; a text that has none is given back as it is."""
    if "\\" in text:
        text = _JSON_ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    if "%" in text:
        text = unquote(text, errors="replace")
    return html.unescape(text) if "&" in text else text
