"""Image files by content hash: kept once, checked before they count, linked by readable names.

`structure` checks bytes without decoding them, `files` keeps them, `pictures` decodes and makes thumbnails, and
`decoder` does that in a separate worker process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlab.store.faults import BadImage
from promptlab.store.local import PartFile, Store, Stored
from promptlab.store.pictures import Decoded, decode_and_thumbnail
from promptlab.store.structure import Inspection, inspect

if TYPE_CHECKING:
    from promptlab.store.decoder import Decoder

__all__ = [
    "BadImage",
    "Decoded",
    "Decoder",
    "Inspection",
    "PartFile",
    "Store",
    "Stored",
    "decode_and_thumbnail",
    "inspect",
]


def __getattr__(name: str) -> Any:
    if name == "Decoder":  # asyncio costs what a cached run saves
        from promptlab.store.decoder import Decoder

        return Decoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
