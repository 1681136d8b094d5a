"""Image files by content hash: kept once, checked before they count, seen by names a person can read.

`structure` checks bytes without decoding them, `files` keeps them, `pictures` decodes and makes thumbnails, and
`decoder` does that in a worker process of its own.
"""

from promptlab.store.decoder import Decoder
from promptlab.store.faults import BadImage
from promptlab.store.files import PartFile, Store, Stored
from promptlab.store.pictures import Decoded, decode_and_thumbnail
from promptlab.store.structure import Inspection, inspect

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
