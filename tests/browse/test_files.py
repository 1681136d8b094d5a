"""Image files and thumbnails by hash."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from promptlab.browse import build_datasette
from promptlab.store import Store

Get = Callable[..., Any]


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


def test_an_image_is_served_by_its_hash(site: Any, demo: Any, get: Get) -> None:
    """The full file has its type, is never sniffed, and may be kept for ever."""
    answer = get(site, f"/-/promptlab/file/{demo.sha256}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == Store(demo.images).get(demo.sha256)


def test_a_missing_thumbnail_is_made(site: Any, demo: Any, get: Get) -> None:
    """A thumbnail that is not there yet is made, kept, and smaller than the file."""
    store = Store(demo.images)
    for old in (demo.images / ".thumbnails").rglob(f"{demo.sha256}.*"):
        old.unlink()
    answer = get(site, f"/-/promptlab/thumbnail/{demo.sha256}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    made = store.thumbnail(demo.sha256)
    assert made is not None
    assert made.data == answer.content
    with Picture.open(io.BytesIO(made.data)) as picture:
        assert max(picture.size) <= 384


@pytest.mark.parametrize("kind", ["file", "thumbnail"])
@pytest.mark.parametrize(
    "name",
    ["0" * 63, "0" * 65, "G" * 64, "A" * 64, "../promptlab.db", "..%2Fpromptlab.db", "%2e%2e", "0" * 64 + ".png", ""],
)
def test_only_a_hash_is_a_name(site: Any, get: Get, kind: str, name: str) -> None:
    """Anything but 64 lower-case hex digits is not an address here."""
    answer = get(site, f"/-/promptlab/{kind}/{name}")
    assert answer.status_code == 404
    assert not answer.headers["content-type"].startswith("image/")


@pytest.mark.parametrize("kind", ["file", "thumbnail"])
def test_a_file_that_is_gone_says_so(site: Any, get: Get, kind: str) -> None:
    """A hash without a file is a 404 that shows as a placeholder and is not kept."""
    answer = get(site, f"/-/promptlab/{kind}/{'0' * 64}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_is_no_image_has_no_thumbnail(tmp_path: Path, demo: Any, get: Get) -> None:
    """A file that cannot be read as a picture gives the placeholder, not an error page."""
    name = "ab" + "0" * 62
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / f"{name}.png").write_bytes(b"not a picture")
    site = build_datasette(demo.db, tmp_path)
    assert get(site, f"/-/promptlab/thumbnail/{name}").status_code == 404


@pytest.mark.parametrize(
    ("name", "kind"),
    [("promptlab.css", "text/css"), ("datasette.css", "text/css"), ("promptlab.js", "text/javascript")],
)
def test_static_files(site: Any, get: Get, name: str, kind: str) -> None:
    """The bundled files are there, load nothing from elsewhere, and no other name is."""
    answer = get(site, f"/-/promptlab/static/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert "http" not in answer.text.replace("http-equiv", "")
    assert "@import" not in answer.text
    assert "url(" not in answer.text
    assert get(site, "/-/promptlab/static/other.css").status_code == 404
