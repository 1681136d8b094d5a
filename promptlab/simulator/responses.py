"""What the simulator answers with: a status, headers and a body; errors in the guide's envelope."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ApiRefusal", "Response", "SimulatedReset", "error_answer", "json_answer"]


class SimulatedReset(ConnectionResetError):
    """In-process there is no connection to cut: the app raises this where a server would."""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer. `declared` is the Content-Length to claim where it differs from the body's."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    declared: int | None = None


class ApiRefusal(Exception):
    """A refusal in the guide's envelope (Error Handling): code, message, type."""

    def __init__(
        self, status: int, code: str, message: str, type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.type = status, code, message, type
        self.headers = dict(headers or {})


def json_answer(status: int, payload: object, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, ASCII only, so that no answer can fail to encode."""
    return Response(status, json.dumps(payload).encode("ascii"), dict(headers or {}))


def error_answer(error: ApiRefusal) -> Response:
    """The envelope of an error."""
    envelope = {"error": {"code": error.code, "message": error.message, "type": error.type}}
    return json_answer(error.status, envelope, error.headers)
