"""HTTP: one client, one guarded download, and the two pure parts that decide what an answer means.

The only package that imports httpx and h11, and only once something is sent.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptlab.http.address import Origin, Proxies, Url, is_local, is_public, join, normalise_base, parse_url
from promptlab.http.messages import (
    SIMULATED_HEADER,
    Answer,
    Call,
    DownloadError,
    DownloadKind,
    DownloadLimits,
    Fetched,
    Part,
    SendError,
    Sink,
    Unreadable,
)

if TYPE_CHECKING:
    from promptlab.http.client import Client
    from promptlab.http.download import decode_data_url
    from promptlab.http.retry_policy import (
        DOWNLOADS,
        Decision,
        Event,
        Outcome,
        Reach,
        Reply,
        Retries,
        StopKind,
        classify,
        decide,
    )
    from promptlab.http.waits import RateInfo, Wait, backoff, parse_wait, rate_headers

__all__ = [
    "DOWNLOADS",
    "SIMULATED_HEADER",
    "Answer",
    "Call",
    "Client",
    "Decision",
    "DownloadError",
    "DownloadKind",
    "DownloadLimits",
    "Event",
    "Fetched",
    "Origin",
    "Outcome",
    "Part",
    "Proxies",
    "RateInfo",
    "Reach",
    "Reply",
    "Retries",
    "SendError",
    "Sink",
    "StopKind",
    "Unreadable",
    "Url",
    "Wait",
    "backoff",
    "classify",
    "decide",
    "decode_data_url",
    "is_local",
    "is_public",
    "join",
    "normalise_base",
    "parse_url",
    "parse_wait",
    "rate_headers",
]


#: On first use: a plan needs none of it, and the client brings asyncio.
_LATER = {
    "client": "Client",
    "download": "decode_data_url",
    "retry_policy": "DOWNLOADS Decision Event Outcome Reach Reply Retries StopKind classify decide",
    "waits": "RateInfo Wait backoff parse_wait rate_headers",
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names.split():
            return getattr(import_module(f"promptlab.http.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
