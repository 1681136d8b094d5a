"""Downloads that are refused, cut, too large or not what they claim: reported, kept out, and the rest continues."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import pytest


def bomb(side: int) -> bytes:
    """A PNG of a few hundred kilobytes that inflates to gigabytes, by its own header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 << 20)) for _ in range(200)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a redirect to a private address": ({"files": ("to https://10.0.0.1/x.png",)}, "download_refused"),
    "a redirect to another scheme": ({"files": ("to file:///etc/passwd",)}, "download_refused"),
    "a redirect to the metadata service": ({"files": ("to http://169.254.169.254/latest",)}, "download_refused"),
    "a body that says ten gigabytes": ({"files": ("huge",)}, "download_too_large"),
    "a body without an end": ({"files": ("endless",)}, "download_too_large"),
    "a file that always breaks off": ({"files": ("cut",)}, "download_cut"),
    "an empty body": ({"files": ("empty",)}, "download_cut"),
    "a URL that has died": ({"files": ("gone",)}, "download_gone"),
    "a page that calls itself a PNG": ({"image": b"<!doctype html><h1>Sign in</h1>"}, "image_not_an_image"),
    "a picture of 50,000 by 50,000": ({"image": bomb(50_000)}, "image_too_large"),
    "a picture that inflates too far": ({"image": bomb(14_000)}, "image_too_large"),
    "half a picture": ({"image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}, "image_truncated"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_lost_with_its_reason_and_the_rest_goes_on(lab: Any, api: Any, name: str) -> None:
    """Exit code 1; no byte of it is kept under a hash; the other images are there."""
    change, code = CASES[name]
    api.behave = lambda call: api.act(**change) if call.prompt == "picture 1" else api.act()
    lab.experiment(4)
    summary = lab.run()
    assert (summary.completed, summary.lost, summary.exit_code) == (3, 1, 1)
    assert summary.seconds < 25
    found, message = lab.rows("SELECT error_code, error_message FROM generations WHERE status = 'lost'")[0]
    assert found.startswith(code)
    assert message
    assert lab.rows("SELECT status, sha256 FROM images WHERE status = 'lost'") == [("lost", None)]
    kept = [path for path in (lab.folder / "images").rglob("*") if path.is_file()]
    assert len(kept) == 3
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in kept)
    lab.holds()


def test_urls_of_other_hosts_are_held_to_the_guard(lab: Any, api: Any) -> None:
    """The base URL is local, so its own host is trusted, and no other private one is."""
    urls = ["https://192.168.0.9/a.png", "https://[::1]/a.png", "http://elsewhere.example/a.png", "ftp://x.example/a"]

    def behave(call: Any) -> Any:
        return api.act(body={"data": [{"url": urls[call.number]}]})

    api.behave = behave
    lab.experiment(4)
    summary = lab.run(jobs=1)
    assert summary.lost == 3 or summary.lost == 4
    assert lab.one("SELECT count(*) FROM images WHERE status = 'stored'") == 0
    assert all(code in ("download_refused", "no_image") for code in lab.rows("SELECT error_code FROM generations"))


@pytest.mark.parametrize("how", ["cut_once", "short_once"])
def test_a_file_that_breaks_off_once_is_fetched_again(lab: Any, api: Any, how: str) -> None:
    """By its length or by its structure: the second try is whole, and nothing is asked for again."""
    api.behave = lambda call: api.act(files=(how,))
    lab.experiment(3)
    summary = lab.run()
    assert (summary.completed, summary.exit_code, len(api.calls)) == (3, 0, 3)
    assert set(api.downloads.values()) == {2}
    lab.holds()


def test_another_format_than_asked_for_is_kept_as_what_it_is(lab: Any, api: Any) -> None:
    """Asked webp, got png: completed with a note, named .png, and a later run takes it from the log."""
    lab.experiment(2, params="{output_format: webp}")
    summary = lab.run()
    assert (summary.completed, summary.lost, summary.exit_code) == (2, 0, 0)
    note = ("completed", "image_wrong_format", "asked for webp, got png: kept as it came")
    assert set(lab.rows("SELECT status, error_code, error_message FROM generations")) == {note}
    assert lab.rows("SELECT status, format FROM images") == [("stored", "png")] * 2
    paths = lab.rows("SELECT path FROM images")
    assert all(path.endswith(".png") and (lab.folder / path).is_file() for path in paths)
    assert not summary.next_commands
    again = lab.run()
    assert (again.cached, len(api.calls)) == (2, 2)
    lab.holds()


def test_a_log_that_calls_another_format_lost_is_mended_for_nothing(lab: Any, api: Any) -> None:
    """Rows of before, whose file is here and whose generation is `lost`: `resume` completes them without a request."""
    lab.experiment(1, params="{output_format: webp}")
    lab.run()
    with lab.studio().log() as log:
        log.execute("UPDATE generations SET status = 'lost'")
        log.execute("UPDATE images SET status = 'lost'")
        log.execute("UPDATE runs SET status = 'failed'")
    summary = lab.resume()
    assert (summary.completed, summary.lost, len(api.calls)) == (1, 0, 1)


def test_slow_downloads_hold_no_generation_s_place(lab: Any, api: Any) -> None:
    """Files have their own concurrency: with one request at once, the next is sent while files still come."""
    api.behave = lambda call: api.act(files=("slow",))
    lab.experiment(12)
    summary = lab.run(jobs=1)
    assert summary.completed == 12
    assert api.calls[-1].at - api.calls[0].at < 12 * 0.3
