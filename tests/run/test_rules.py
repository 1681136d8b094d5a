"""The pure rules of running: what a planned row keeps, and what may be done with what a process left behind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.model import Generation, Request, Variant
from promptlab.providers import ImageBytes, Setup, get
from promptlab.run.recovery import after_interruption, may_resend
from promptlab.run.rows import planned_row, request_of

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "aspect_ratio": st.sampled_from(["1:1", "16:9", "9:16"]),
        "output_format": st.sampled_from(["png", "jpg", "webp"]),
        "n": st.integers(1, 4),
        "strength": st.sampled_from([0.0, 0.25, 0.8, 1.0]),
        "quality": st.sampled_from(["low", "high"]),
        "output_compression": st.integers(0, 100),
    },
)
DEFAULTS = {"aspect_ratio": "1:1", "output_format": "png", "n": 1}


@st.composite
def requests(draw: Any) -> Request:
    """Any request that a plan can hold."""
    operation = draw(st.sampled_from(["generate", "edit"]))
    params = draw(PARAMS)
    defaults = DEFAULTS | ({"strength": 0.8} if operation == "edit" else {})
    source = draw(st.sampled_from(["https://example.com/a.png?x=1", "ab" * 32]))
    return Request(
        sequence=draw(st.integers(0, 10**6)), experiment="exp", variant=Variant("0" * 16, {"a": "b"}), template_id="t",
        template_path="t.j2", provider="kairval", operation=operation, model=draw(TEXT), prompt=draw(TEXT),
        negative_prompt=draw(st.none() | TEXT), params=params,
        defaults={name: value for name, value in defaults.items() if name not in params},
        seed=draw(st.none() | st.integers(0, 2**32)), seed_index=draw(st.none() | st.integers(0, 9)),
        draw=draw(st.integers(0, 3)), image=None if operation == "generate" else source,
        image_sha256=source if operation == "edit" and source.startswith("ab") else None, request_hash="f" * 64,
        axis_values={"a": draw(TEXT), "row": {"sku": draw(TEXT)}}, files="{position}.{ext}",
    )  # fmt: skip


@given(requests(), st.sampled_from(["kairval", "openai"]), st.booleans())
def test_what_is_sent_on_resume_is_what_was_planned(request: Request, name: str, asynchronous: bool) -> None:
    """A request read back from its row makes the very same call, and has the same price."""
    provider = get(name)(Setup("https://api.example.com"))
    again = request_of(planned_row(request, "run"))
    image = ImageBytes(b"png", "png") if request.image_sha256 or (name == "openai" and request.image) else None
    before = provider.encode(request, image=image, asynchronous=asynchronous)
    assert provider.encode(again, image=image, asynchronous=asynchronous) == before
    assert (again.n, again.operation, again.draw, again.image_sha256) == (
        request.n, request.operation, request.draw, request.image_sha256,
    )  # fmt: skip
    params = [{**each.defaults, **each.params} for each in (request, again)]
    assert provider.price(request.operation, request.model, params[0]) == provider.price(
        request.operation, request.model, {**params[1]}
    )
    assert planned_row(again, "run").params == planned_row(request, "run").params


def row(status: Any, **more: Any) -> Generation:
    return Generation(
        id="g", run_id="r", sequence=0, experiment="e", variant_id="v", template_id="t", provider="kairval", model="m",
        operation="generate", prompt="p", request_hash="h", created_at="now", status=status, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "more", "action"),
    [
        ("in_flight", {}, "unknown"),
        ("in_flight", {"job_id": "j"}, "poll"),
        ("in_flight", {"job_id": "j", "response": "{}"}, "poll"),
        ("in_flight", {"response": "{}", "latency_ms": 5}, "fetch"),
        ("in_flight", {"job_id": "j", "response": "{}", "latency_ms": 5}, "fetch"),
        ("lost", {"response": "{}", "latency_ms": 5}, "fetch"),
        ("unknown", {}, "keep"),
        ("unknown", {"job_id": "j", "response": "{}"}, "poll"),
        ("planned", {}, "keep"),
        ("failed", {"job_id": "j"}, "keep"),
        ("completed", {"response": "{}", "latency_ms": 5}, "keep"),
        ("skipped", {}, "keep"),
    ],
)
def test_what_a_dead_process_left_is_collected_where_there_is_a_way(
    status: str, more: dict[str, Any], action: str
) -> None:
    """A stored result is fetched, a job polled; only what has neither is of unknown outcome."""
    assert after_interruption(row(status, **more)) == action


@pytest.mark.parametrize(
    ("status", "code", "outcome", "plain", "unknown", "lost"),
    [
        ("planned", None, None, True, True, True),
        ("failed", "oops", "failed", True, True, True),
        ("failed", "not_sent", "not_sent", True, True, True),
        ("failed", "rate_limited", "rejected", True, True, True),
        ("failed", "no_source", None, True, True, True),
        ("failed", "moderation", "fatal", False, False, False),
        ("unknown", "no_answer", "unknown", False, True, False),
        ("lost", "download_gone", "ok", False, False, True),
        ("skipped", "unknown_before", None, False, True, False),
        ("skipped", "lost_before", None, False, False, True),
        ("completed", None, "ok", False, False, False),
        ("in_flight", None, None, False, False, False),
    ],
)
def test_resume_sends_again_only_what_may_be(
    status: str, code: str | None, outcome: str | None, plain: bool, unknown: bool, lost: bool
) -> None:
    """Without a word, with --retry-unknown, with --retry-lost."""
    left = row(status, error_code=code)
    assert may_resend(left, outcome) == plain
    assert may_resend(left, outcome, unknown=True) == unknown
    assert may_resend(left, outcome, lost=True) == lost
