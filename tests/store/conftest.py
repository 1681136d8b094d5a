"""Pictures made by Pillow, in the three formats."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from promptlab.store import Store

PILLOW = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}


def encoded(format: str, size=(40, 24), seed: int = 1, mode: str = "RGB", **options) -> bytes:
    """A small noisy picture."""
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    noise = Image.frombytes(mode, (5, 3), random.Random(seed).randbytes(15 * channels))
    file = io.BytesIO()
    noise.resize(size).save(file, PILLOW[format], **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def picture():
    """`picture("png", size=…, seed=…)` is the bytes of one."""
    return encoded


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty store with its names beside it."""
    return Store(tmp_path / "images")


@pytest.fixture
def kept(store, picture):
    """Put bytes into the store; returns its Stored."""

    def keep(data: bytes | None = None, format: str = "png"):
        with store.part() as part:
            part.write(picture("png") if data is None else data)
            return store.put_new(part, format)

    return keep
