"""Where the state of a user's API keys lives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["state_folder"]


def state_folder(environ: Mapping[str, str]) -> Path:
    """`$PROMPTLAB_STATE`, else `$XDG_STATE_HOME/promptlab`, else `~/.local/state/promptlab` (XDG base directories).

    A relative `$XDG_STATE_HOME` is ignored, as that specification asks; a relative `$PROMPTLAB_STATE` is taken
    from the current folder, as the user who set it sees it.
    """
    if chosen := environ.get("PROMPTLAB_STATE"):
        return Path(chosen).expanduser().absolute()
    shared = environ.get("XDG_STATE_HOME", "")
    if shared and Path(shared).is_absolute():
        return Path(shared) / "promptlab"
    return Path(environ.get("HOME") or Path.home()) / ".local" / "state" / "promptlab"
