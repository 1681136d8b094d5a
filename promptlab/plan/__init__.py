"""Experiment + templates + provider → a stream of variants → a stream of requests: ids, seeds, designs, estimates."""

from __future__ import annotations

from .codes import CODES
from .explain import Explanation, Reason
from .identity import payload, request_hash, variant_id
from .image_sources import Chain, ChainImage
from .make import make_plan
from .plan import Plan, Step
from .seeds import derive_seeds
from .survey import Duplicate, PriceLine, Survey
from .target import Target
from .totals import Count

__all__ = [
    "CODES",
    "Chain",
    "ChainImage",
    "Count",
    "Duplicate",
    "Explanation",
    "Plan",
    "PriceLine",
    "Reason",
    "Step",
    "Survey",
    "Target",
    "derive_seeds",
    "make_plan",
    "payload",
    "request_hash",
    "variant_id",
]
