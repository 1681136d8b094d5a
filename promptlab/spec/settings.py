"""What holds for every experiment of a studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab.model import Amount, Place

__all__ = ["Alerts", "Caps", "Settings"]


@dataclass(frozen=True, slots=True)
class Caps:
    """What a day and a month may cost; a run stops, resumable, before it passes one."""

    day: Amount | None = None
    month: Amount | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """When and how to alert the user: amounts, a command (a text, or its words), a webhook, unusual spending."""

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
