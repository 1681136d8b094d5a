"""Experiment + templates + provider → a stream of variants → a stream of requests: ids, seeds, designs, estimates."""

from __future__ import annotations

from .codes import CODES
from .explain import Explanation, Reason
from .identity import derive_seeds, first_seeds, variant_id
from .images import Chain, ChainImage
from .plan import Plan, Step, make_plan
from .stream import CellRepeats, Count, Repeat, Target
from .survey import Duplicate, PriceLine, Survey

__all__ = [
    "CODES",
    "CellRepeats",
    "Chain",
    "ChainImage",
    "Count",
    "Duplicate",
    "Explanation",
    "Plan",
    "PriceLine",
    "Reason",
    "Repeat",
    "Step",
    "Survey",
    "Target",
    "derive_seeds",
    "first_seeds",
    "make_plan",
    "variant_id",
]
