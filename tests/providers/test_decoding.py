"""Whatever a server answers: a result, or Unreadable, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http import Answer, Unreadable
from promptlab.model import Request, Variant
from promptlab.providers import Provider, Setup
from promptlab.providers.kairval import Kairval
from promptlab.providers.openai import OpenAI

REQUEST = Request(
    0, "e", Variant("v", {}), "t", "t.j2", "kairval", "generate", "gpt-image-2", "p", None, {}, {}, None, None, 0, None,
    None, "h", {}, "f",
)  # fmt: skip
KEYS = [
    "data",
    "images",
    "output",
    "result",
    "job",
    "url",
    "b64_json",
    "image",
    "id",
    "status",
    "created",
    "usage",
    "cost",
    "error",
    "message",
    "urls",
    "poll_url",
    "expires_at",
    "revised_prompt",
    "image_url",
    "credits",
    "get",
    "output_tokens",
    "input_tokens_details",
    "text_tokens",
]
TEXTS = [
    "queued",
    "done",
    "failed",
    "https://h/x.png",
    "data:image/png;base64,AAAA",
    "data:,",
    "A" * 80,
    "\ud800",
    "1e999",
    "//x",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TEXTS)
bodies = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=20,
)
raw = bodies.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200)
providers: list[Provider] = [Kairval(Setup("https://api.example", 0.02)), OpenAI(Setup("https://api.example/v1"))]


@pytest.mark.parametrize("provider", providers, ids=["kairval", "openai"])
@given(raw, st.sampled_from([200, 201, 202]), st.sampled_from(["", "/v1/jobs/1", "https://evil/x", "\x00"]))
def test_any_answer(provider: Provider, body: bytes, status: int, location: str) -> None:
    """Decoding never raises anything but Unreadable; what it finds can be logged, priced and polled."""
    answer = Answer(status, {"location": location}, body)
    try:
        result = provider.decode(answer, REQUEST)
    except Unreadable:
        result = None
    if result is not None:
        assert result.images or result.job
        json.dumps(result.response, ensure_ascii=False, allow_nan=False).encode()
        cost = provider.cost(REQUEST, result, len(result.images))
        assert cost.usd is None or cost.usd >= 0
        assert cost.credits is None or cost.credits >= 0
        if result.job is not None:
            path = provider.poll(result.job).path
            assert path.startswith(("/", "https://api.example/"))
            assert not path.startswith("//")


@given(raw, st.integers(300, 599))
def test_any_error(body: bytes, status: int) -> None:
    """Reading an error envelope never fails, and gives one line of text that can be stored."""
    error: Any
    for error in providers[0].error(Answer(status, {}, body)):
        assert error is None or (error.encode() and "\n" not in error and len(error) <= 1000)


@given(raw)
def test_any_poll(body: bytes) -> None:
    """A poll's answer is a job or unreadable."""
    try:
        job = providers[0].job(Answer(200, {}, body))
    except Unreadable:
        return
    assert job.status in ("waiting", "running", "done", "failed", "cancelled", "expired", "unknown")
