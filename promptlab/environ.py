"""The environment of child processes: they do not inherit keys, which none of them needs."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["without_keys"]

_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSW|CREDENTIAL|BEARER|AUTHORIZATION", re.IGNORECASE)
_SHORTEST = 8  # of a value that is looked for under other names


def without_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that neither sound like a key nor hold the value of one that does.

    git's own are kept: GIT_CONFIG_KEY_0 is the name of a setting, and git refuses to start without it.
    """
    found = {name: value for name, value in environ.items() if _SECRET.search(name) and not name.startswith("GIT_")}
    secrets = [re.escape(value) for value in found.values() if len(value) >= _SHORTEST]
    holds = re.compile("|".join(secrets) or "(?!)").search  # without secrets, a pattern that matches nothing
    return {name: value for name, value in environ.items() if name not in found and not holds(value)}
