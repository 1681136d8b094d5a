"""Who will get a plan's requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.model import Request

if TYPE_CHECKING:
    from promptlab.providers import Capabilities, Price

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Who will get the requests. `base_url` is normalised (`simulator:` in-process); `price` is one request's."""

    provider: str
    base_url: str
    capabilities: Capabilities
    price: Callable[[Request], Price]
