"""promptlab.yaml and the environment → Settings. Weakest first: defaults, the studio's file, the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .settings import Settings
from .studio_folder import SETTINGS_FILE

__all__ = ["load_settings"]


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
