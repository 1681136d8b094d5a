"""Whatever a server answers: a result, or Unreadable, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http import Answer, Unreadable
from promptlab.model import Request, Variant
from promptlab.providers import Provider, Setup, get, no_image, read_error
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


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"error": {"code": "moderation_blocked", "message": "not this one"}}, "moderation_blocked", "not this one"),
        ({"data": [], "error": "quota is used up"}, None, "quota is used up"),
        ({"message": "we are closed"}, None, "we are closed"),
        ({"errors": [{"code": "e1", "detail": "first"}, {"detail": "second"}]}, "e1", "first"),
        ({"detail": [{"loc": ["prompt"], "msg": "too long"}]}, None, "too long"),
        ({"error": {"reason": "nameless"}}, None, "nameless"),
        ({"data": []}, None, '{"data": []}'),
        ({}, None, "{}"),
    ],
)
def test_a_200_without_an_image_keeps_the_words(answer: Any, body: Any, code: str | None, words: str) -> None:
    """What is there instead of an image is reported, with its code."""
    found = no_image(answer(body))
    assert (found.code, words in str(found)) == (code, True)


@pytest.mark.parametrize("name", ["kairval", "openai"])
def test_providers_keep_the_words_of_a_200(answer: Any, request_with: Any, name: str) -> None:
    """The built-in ones do."""
    provider = get(name)(Setup("https://api.example"))
    with pytest.raises(Unreadable, match="not this one") as caught:
        provider.decode(answer({"error": {"code": "blocked", "message": "not this one"}}), request_with())
    assert caught.value.code == "blocked"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"errors": {"prompt": ["too long"]}}, "too long"),
        ({"reason": "because"}, "because"),
        ([{"a": "first of a list"}], "first of a list"),
        ({"error": {"code": 17}}, "17"),
    ],
)
def test_an_error_in_a_form_of_its_own_is_shown(answer: Any, body: Any, message: str) -> None:
    """Where no usual field has a message, a piece of the body is better than none."""
    assert message in str(read_error(answer(body, 400)).message)
