"""A studio as `promptlab init` lays it out, in a separate folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's own examples, copied; no key and no setting of this machine's user reaches them."""
    for name in ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "OPENAI_API_KEY", "PROMPTLAB_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    folder = tmp_path / "studio"
    for part in ("templates", "experiments"):
        shutil.copytree(ROOT / part, folder / part)
    (folder / "promptlab.yaml").write_text("provider: simulator\n")
    return folder
