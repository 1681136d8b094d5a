"""promptlab.yaml and the environment → Settings. Weakest first: defaults, the studio's file, the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptlab.model import Amount, Place

from .studio import SETTINGS_FILE

__all__ = ["Alerts", "Caps", "Settings", "load_settings"]


@dataclass(frozen=True, slots=True)
class Caps:
    """What a day and a month may cost; a run stops, resumable, before it passes one."""

    day: Amount | None = None
    month: Amount | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """When and how to raise a hand: amounts, a command (a text, or its words), a webhook, unusual spending."""

    cost: tuple[Amount, ...] = ()
    command: str | tuple[str, ...] | None = None
    webhook: str | None = None
    unusual: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every experiment of a studio. Paths are absolute; keys are never here.

    `plans` overrides figures of a plan, None meaning no limit. In `providers`, `base_url`, `limits` and
    `honours_idempotency_keys` are typed; anything else stays text, lists and maps as written, for the provider to read.
    """

    studio: Path
    db: Path
    images: Path
    results: Path
    project: str | None = None
    user: str | None = None
    provider: str = "simulator"
    plan: str | None = None
    share: float = 1.0
    confirm_above_usd: float = 5.0
    plans: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    caps: Caps = Caps()
    alerts: Alerts = Alerts()
    thumbnails: bool = True
    jobs: int | None = None
    text: str | None = None
    places: Mapping[tuple[str | int, ...], Place] = field(default_factory=dict)


def load_settings(studio: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a studio; without a promptlab.yaml, the defaults. InputError holds every problem at once.

    From the environment: PROMPTLAB_DB (relative to the current folder, as a flag would be) and KAIRVAL_PLAN.
    """
    studio = Path(os.path.abspath(studio))  # noqa: PTH100 (a link stays the name it has)
    settings = Settings(studio, studio / "promptlab.db", studio / "images", studio / "results")
    if (studio / SETTINGS_FILE).is_file():
        from .settings_form import read_settings  # pydantic costs 66 ms, and many studios have no file

        settings = read_settings(settings)
    if database := environ.get("PROMPTLAB_DB"):
        settings = replace(settings, db=Path(os.path.abspath(Path(database).expanduser())))  # noqa: PTH100
    if plan := environ.get("KAIRVAL_PLAN", "").strip():
        settings = replace(settings, plan=plan.lower())
    return settings
