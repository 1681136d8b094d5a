"""YAML text with positions → Experiment; promptlab.yaml → Settings; the JSON schema for editors.

Nothing is imported before it is used: `from promptlab.spec import find_studio` does not load PyYAML.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .codes import CODES
    from .files import find_studio
    from .load import RowFilter, load_experiment, load_text
    from .matcher import Where, matches, parse_matcher, resolve
    from .names import nearest
    from .positions import position_in_file
    from .report import split_lines
    from .schema import experiment_schema
    from .settings import Alerts, Caps, Settings, load_settings

__all__ = [
    "CODES",
    "Alerts",
    "Caps",
    "RowFilter",
    "Settings",
    "Where",
    "experiment_schema",
    "find_studio",
    "load_experiment",
    "load_settings",
    "load_text",
    "matches",
    "nearest",
    "parse_matcher",
    "position_in_file",
    "resolve",
    "split_lines",
]

_HOME = {
    "CODES": "codes",
    "Alerts": "settings",
    "Caps": "settings",
    "RowFilter": "load",
    "Settings": "settings",
    "Where": "matcher",
    "experiment_schema": "schema",
    "find_studio": "files",
    "load_experiment": "load",
    "load_settings": "settings",
    "load_text": "load",
    "matches": "matcher",
    "nearest": "names",
    "parse_matcher": "matcher",
    "position_in_file": "positions",
    "split_lines": "report",
    "resolve": "matcher",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
