"""Money on the pages: two bounds where it is not known exactly, as the summary, `usage` and SQL have them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse.page_data import image_detail, recent_runs
from promptlab.browse.page_rendering import risk, spent
from promptlab.log import Log
from promptlab.model import Attempt

NONE = (None, None)


@pytest.mark.parametrize(
    ("usd", "credits", "text"),
    [
        ((8.0, 18.0), (800.0, 1800.0), "~$8.00 to ~$18.00"),
        ((8.0, 8.0), NONE, "~$8.00"),
        (NONE, (600.0, 800.0), "600 to 800 credits"),
        ((None, 0.5), NONE, "at most ~$0.50"),
        ((0.5, None), NONE, "at least ~$0.50"),
        ((0.0, 0.0), (0.0, 0.0), "nothing"),
        (NONE, NONE, "–"),
    ],
)
def test_a_run_s_money_is_two_bounds(usd: Any, credits: Any, text: str) -> None:
    """Dollars where they are known, else credits."""
    assert spent(usd, credits) == text


def test_a_run_and_an_image_say_what_may_have_been_billed(demo: Any, tmp_path: Path) -> None:
    """An attempt of unknown outcome adds to the most of its run, and to its own image."""
    db = Path(shutil.copy(demo.db, tmp_path))
    with Log.open(db) as log:
        before = log.totals(demo.shelf).cost_usd_at_most
        detail = log.value("SELECT generation_id FROM images WHERE id = ?", (demo.image,))
        log.insert(
            Attempt(
                id="01RISK", generation_id=detail, number=9, idempotency_key="k", started_at="2026-11-20T10:00:00Z",
                may_be_billed=True, credits_at_risk=50.0, cost_usd_at_risk=0.5,
            )
        )  # fmt: skip
        totals = log.totals(demo.shelf)
    with closing(sqlite3.connect(db)) as connection:
        runs, _ = recent_runs(connection)
        card = next(card for card in runs if card.run["id"] == demo.shelf)
        image = image_detail(connection, demo.image)
    assert card.usd == (totals.cost_usd, totals.cost_usd_at_most)
    assert before is not None
    assert card.usd[1] == pytest.approx(before + 0.5)
    assert image is not None
    assert risk(image.attempts) == "up to ~$0.50 more"
    assert risk([]) == ""
    assert risk([{"may_be_billed": 1, "cost_usd_at_risk": None, "credits_at_risk": None}]).startswith("more, how much")
