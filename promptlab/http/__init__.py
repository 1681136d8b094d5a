"""HTTP: one client, one guarded download, and the two pure parts that decide what an answer means.

The only package that imports httpx and h11, and only once something is sent: what a plan needs is named here, the rest
is imported from its module (`client`, `download`, `retry_policy`, `waits`).
"""

from __future__ import annotations

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

__all__ = [
    "SIMULATED_HEADER",
    "Answer",
    "Call",
    "DownloadError",
    "DownloadKind",
    "DownloadLimits",
    "Fetched",
    "Origin",
    "Part",
    "Proxies",
    "SendError",
    "Sink",
    "Unreadable",
    "Url",
    "is_local",
    "is_public",
    "join",
    "normalise_base",
    "parse_url",
]
