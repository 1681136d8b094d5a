"""Where a provider's own code is called: what it raises is its bug, and is reported as one."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from promptlab.errors import ProviderFault
from promptlab.providers.results import Output, Result

__all__ = ["checked", "fault", "provider_code"]

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
def provider_code(provider: str, step: str, *named: type[Exception]) -> Iterator[None]:
    """Around a call of a provider's method: ProviderFault for any exception that the contract does not name for it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (ProviderFault, *named)):
            raise
        raise fault(provider, step, error) from error


def checked(result: Result) -> Result:
    """A decoded result whose parts are what the contract says, so that nothing later stumbles over them; TypeError."""
    if not isinstance(result, Result):
        raise TypeError(f"decode gave a {type(result).__name__}, not a Result")
    for image in result.images:
        if not isinstance(image, Output):
            raise TypeError(f"an image of the result is a {type(image).__name__}, not an Output")
    if result.created is not None:
        datetime.fromtimestamp(result.created, UTC)
    json.dumps(result.response)
    return result
