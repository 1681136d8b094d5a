"""Image files by content hash: kept once, whole or not at all, linked by readable names.

`formats` tells what a file is without decoding it, `local` keeps files, `background` has the processes that make them
durable and look at every pixel (`child`, `decode`).
"""

from promptlab.store.decode import Decoded, Resized, resized, thumbnail_of
from promptlab.store.formats import BadImage, Sniffed, check, sniff
from promptlab.store.local import PartFile, Store, Stored, Thumbnail

__all__ = [
    "BadImage",
    "Decoded",
    "PartFile",
    "Resized",
    "Sniffed",
    "Store",
    "Stored",
    "Thumbnail",
    "check",
    "resized",
    "sniff",
    "thumbnail_of",
]
