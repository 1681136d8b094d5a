"""A log that an older promptlab wrote, opened as it is: a page never migrates one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.log import migrations

Get = Callable[..., Any]


@pytest.fixture(params=["003_marks", "005_hidden"])
def old(request: pytest.FixtureRequest, tmp_path: Path, make_demo: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The demo studio as it would be in a log whose last migration is this one, read only."""
    names = list(migrations.MIGRATIONS)
    known = names[: names.index(request.param) + 1]
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "MIGRATIONS", {name: migrations.MIGRATIONS[name] for name in known})
        demo = make_demo(tmp_path)
    demo.db.chmod(0o444)
    return demo


def test_every_page_of_an_old_log(old: Any, get: Get) -> None:
    """Runs with their counts and cost, the grid, an image, and tables with their facets: all as in a new log."""
    site = build_datasette(old.db, old.images)
    runs = get(site, "/-/promptlab").text
    for part in ("16<small> of 18", "<dt>failed</dt><dd>1<", "<dt>outcome unknown</dt><dd>1<", "~$0.64 to ~$0.68"):
        assert part in runs
    assert get(site, f"/-/promptlab/compare?run={old.shelf}&by=style").text.count("<figure") == 16
    assert get(site, f"/-/promptlab/image/{old.image}").status_code == 200
    assert get(site, f"/promptlab/images/{old.image}").status_code == 200
    for table in ("gallery", "generations", "variant_summary", "spending", "axes_shelf_photos"):
        text = get(site, f"/promptlab/{table}").text
        assert "timed out" not in text
        assert ">shelf_photos<" in text or table == "axes_shelf_photos"
