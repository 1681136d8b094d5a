"""Where a provider's own code is called: what it raises is its bug, and is said as one."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptlab.errors import PromptlabError, ProviderFault
from promptlab.http import SendError, Unreadable

__all__ = ["fault", "provider_code"]

_LONGEST = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def fault(provider: str, step: str, error: Exception) -> ProviderFault:
    """The sentence for an exception that a provider raised: in which step, what it said, and where."""
    text = _CONTROL.sub(" ", str(error)).strip()[:_LONGEST]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = f": {text}" if text else ""
    return ProviderFault(f"the provider {provider} raised {type(error).__name__} in {step}{said}{place}")


@contextmanager
def provider_code(provider: str, step: str) -> Iterator[None]:
    """Around a call of a provider's method: ProviderFault for any exception that the contract does not name."""
    try:
        yield
    except (PromptlabError, SendError, Unreadable):
        raise
    except Exception as error:
        raise fault(provider, step, error) from error
