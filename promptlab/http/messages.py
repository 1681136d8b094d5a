"""What goes in and comes out of the client: calls and their bodies, answers, and the two ways of not getting one.

Nothing here imports httpx, so that `plan` and `--help` never pay for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

__all__ = [
    "IN_PROCESS",
    "SIMULATED_HEADER",
    "Answer",
    "Base64Text",
    "Call",
    "DownloadError",
    "DownloadKind",
    "DownloadLimits",
    "Fetched",
    "Part",
    "SendError",
    "Sink",
    "Unreadable",
    "json_pieces",
]

#: The base URL of an app in this process; it never resolves (RFC 6761), should a URL of it escape.
IN_PROCESS = "http://simulator.invalid"

#: What a simulator server names itself in, in every response: `promptlab/0.1`. Its costs are not billed.
SIMULATED_HEADER = "x-simulated-by"

DownloadKind: TypeAlias = Literal["refused", "gone", "cut", "too_large", "network", "status"]


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a multipart body."""

    name: str
    filename: str
    content: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call on the API's own origin.

    `path` is relative to the base URL (`/v1/images/generate`) or an absolute URL on the same origin. `json` and
    `files` with `data` (multipart) exclude each other. `headers` are extra ones; Authorization is the client's.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    json: Mapping[str, Any] | None = None
    files: Sequence[Part] | None = None
    data: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None  # of each read; None is the client's


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP response: header names in lower case, the body whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed_ms: int = 0


class SendError(Exception):
    """No complete answer came. `sent` is False only where the server certainly never saw the request.

    `lasting`: trying again can't help, such as with a certificate that is not trusted here.
    """

    def __init__(self, message: str, *, sent: bool, lasting: bool = False) -> None:
        message = message or "no answer came"
        super().__init__(message)
        self.message = message
        self.sent = sent
        self.lasting = lasting


class Unreadable(Exception):
    """An answer of status 200 that holds no image and no job; what was billed is unknown.

    `code`, `type`: of the error that it holds instead, as the provider named them.
    """

    def __init__(self, message: str = "", *, code: str | None = None, type: str | None = None) -> None:
        super().__init__(message or "the answer cannot be read")
        self.code = code
        self.type = type


class DownloadError(Exception):
    """An image could not be fetched. `retryable`: the same URL may still answer; `wait_s`: the server said when."""

    def __init__(self, kind: DownloadKind, message: str, *, retryable: bool, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.kind: DownloadKind = kind
        self.message = message
        self.retryable = retryable
        self.wait_s = wait_s


class Sink(Protocol):
    """Where a download's bytes go; the store's PartFile is one. The caller discards it after an error."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Bounds of one download: bytes after decoding, redirects followed, seconds for each step and for the whole.

    After `grace_s` the mean has to be `min_rate` bytes a second: a server that drips is not waited for.
    """

    max_bytes: int = 64 * 1024 * 1024
    redirects: int = 3
    read_s: float = 60
    total_s: float = 300
    min_rate: float = 8 * 1024
    grace_s: float = 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A finished download: bytes written to the sink, what the server called them, and the time it took."""

    bytes: int
    content_type: str | None
    elapsed_ms: int


# --- bodies with a large image inside: sent piece by piece, so that calls of one image share its text in memory ---

_PIECE = 256 * 1024


class Base64Text(str):
    """Base64: ASCII that JSON writes as it is, so its length is known and no copy of it is needed."""

    __slots__ = ()


def json_pieces(body: Mapping[str, Any]) -> tuple[int, Iterator[bytes]]:
    """The length of a JSON body, and the body in pieces; each value that is a Base64Text is taken as it is."""
    parts: list[bytes | Base64Text] = []
    opening = b"{"
    for name, value in body.items():
        parts.append(opening + _dumps(name) + b":")
        opening = b","
        parts += [b'"', value, b'"'] if isinstance(value, Base64Text) else [_dumps(value)]
    parts.append(b"}" if body else b"{}")
    return sum(map(len, parts)), _pieces(parts)


def _pieces(parts: list[bytes | Base64Text]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        for start in range(0, len(part), _PIECE):
            yield part[start : start + _PIECE].encode("ascii")


def _dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
