"""Requests and settings for the providers' tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from promptlab.http import Answer
from promptlab.model import Request, Variant


@dataclass(frozen=True)
class FakeSettings:
    """What `connect` reads of a studio."""

    plan: str | None = None
    plans: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


BASE = Request(
    sequence=0,
    experiment="e",
    variant=Variant("v", {}),
    template_id="t",
    template_path="t.j2",
    provider="kairval",
    operation="generate",
    model="gpt-image-2",
    prompt="a teapot",
    negative_prompt=None,
    params={},
    defaults={},
    seed=None,
    seed_index=None,
    draw=0,
    image=None,
    image_sha256=None,
    request_hash="h",
    axis_values={},
    files="f",
)


@pytest.fixture
def request_with() -> Callable[..., Request]:
    """A request with these fields changed."""

    def make(**changes: Any) -> Request:
        return replace(BASE, **changes)

    return make


@pytest.fixture
def settings() -> type[FakeSettings]:
    """A studio's settings."""
    return FakeSettings


@pytest.fixture
def answer() -> Callable[..., Answer]:
    """An answer with a JSON body, or raw bytes."""

    def make(body: Any, status: int = 200, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)

    return make
