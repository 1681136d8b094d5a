"""The decoder's child process: a line of JSON in, a line of JSON out, until there are no more."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from promptlab.errors import StoreError
from promptlab.store.local import put_in_place
from promptlab.store.pictures import Decoded, decode_and_thumbnail

__all__ = ["main"]


def main() -> None:
    """Answer questions `[path, final, thumbnail, size]` from standard input; its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted run still collects what it has paid for
    if hasattr(os, "nice"):
        os.nice(10)
    print("ready", flush=True)  # what dies before this line cannot be an image's fault
    for line in sys.stdin:
        print(json.dumps(_answer(*json.loads(line))), flush=True)


def _answer(path: str, final: str | None, thumbnail: str | None, size: int) -> list[str | int]:
    try:
        if final is not None:
            put_in_place(Path(path), Path(final))
            path = final
        found = decode_and_thumbnail(path, thumbnail, size)
    except (StoreError, ImportError) as error:
        return ["error", str(error)]
    if isinstance(found, Decoded):
        return ["decoded", found.perceptual_hash, found.width, found.height]
    return ["bad", found.kind, found.message]


if __name__ == "__main__":
    main()
