"""The two hashes of a plan: which variant a cell is, and which call a request is (docs/architecture.md, identity).

Both are sha256 over canonical JSON: keys sorted, no spaces, ASCII, whole floats as integers. Indices, file names,
prices and the order of axes stay outside, so that editing an experiment moves no hash that it need not move.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import Any

from promptlab.model import Request

__all__ = ["canonical", "fragment", "normal", "payload", "request_hash", "variant_id"]

ID_LENGTH = 16  # 64 bits: among a million variants two ids agree once in 37 million experiments


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII."""
    return json.dumps(normal(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def normal(value: Any) -> Any:
    """Numbers that are equal become one number (1.0 is 1, -0.0 is 0), at any depth."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    return value


def fragment(axis: str, value_id: str) -> str:
    """The part of a variant's canonical JSON that one value contributes, with its trailing comma."""
    return f"{encode_basestring_ascii(axis)}:{encode_basestring_ascii(value_id)},"


def variant_id(axes: Mapping[str, str]) -> str:
    """16 hex digits from the sorted {axis: value id}; the order of `axes` does not matter."""
    return hashlib.sha256(canonical(dict(axes)).encode()).hexdigest()[:ID_LENGTH]


def payload(
    *,
    provider: str,
    base_url: str,
    operation: str,
    model: str,
    prompt: str,
    negative_prompt: str | None,
    params: Mapping[str, Any],
    seed: int | None,
    draw: int = 0,
    image: str | None = None,
) -> dict[str, Any]:
    """What a request hash is taken over, field by field (`why` compares two of them).

    `params` has the documented defaults filled in; `image` is the source's sha256, or its URL. `draw` and `image` are
    only there when they say something, so that asking once hashes like never having heard of draws.
    """
    fields: dict[str, Any] = {
        "base_url": base_url,
        "model": model,
        "negative_prompt": negative_prompt,
        "operation": operation,
        "params": dict(params),
        "prompt": prompt,
        "provider": provider,
        "seed": seed,
    }
    if draw > 0:
        fields["draw"] = draw
    if image is not None:
        fields["image"] = image
    return fields


def request_hash(request: Request, base_url: str) -> str:
    """The 64 hex digits of a request sent to `base_url`; what `Plan` computes faster, from prepared parts."""
    fields = payload(
        provider=request.provider,
        base_url=base_url,
        operation=request.operation,
        model=request.model,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        params={**request.defaults, **request.params},
        seed=request.seed,
        draw=request.draw,
        image=request.image_sha256 or request.image,
    )
    return hashlib.sha256(canonical(fields).encode()).hexdigest()
