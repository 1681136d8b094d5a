"""Whatever is sent, the simulator answers in the guide's way."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.simulator import SimulatorSettings, create_app

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("aGVsbG8="),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "model",
        "prompt",
        "aspect_ratio",
        "output_format",
        "negative_prompt",
        "n",
        "seed",
        "image",
        "strength",
        "async",
        "webhook_url",
    ]
)
BODIES = st.binary(max_size=60) | st.dictionaries(FIELDS | st.text(max_size=8), JSON, max_size=6).map(
    lambda body: json.dumps({"model": "gpt-image-2", "prompt": "mug", **body}).encode()
)


async def ask(path: str, body: bytes, key: bytes) -> tuple[int, dict[str, Any]]:
    app = create_app(SimulatorSettings(fast=True))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", key), (b"host", b"simulator")]
    await app({"type": "http", "method": "POST", "path": path, "headers": headers, "scheme": "http"}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["/v1/images/generate", "/v1/images/edit"]),
    BODIES,
    st.just(b"Bearer kv_x") | st.binary(max_size=12),
)
def test_never_500(path: str, body: bytes, key: bytes) -> None:
    """Any body and any key is answered: 200 or 202 with a result, or 400 or 401 in the envelope, never worse."""
    status, answer = asyncio.run(ask(path, body, key))
    assert status in (200, 202, 400, 401)
    if status >= 400:
        assert set(answer["error"]) == {"code", "message", "type"}
    else:
        assert "id" in answer
