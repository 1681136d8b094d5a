"""What is a hit, what is still open, and whose request it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptlab.log import Hit, Log


@pytest.mark.parametrize(
    ("run", "generation", "images", "hit"),
    [
        ({}, {}, ["stored"], True),
        ({}, {}, ["stored", "stored"], True),
        ({"kind": "redo"}, {}, ["stored"], True),
        ({"kind": "verify"}, {}, ["stored"], False),
        ({}, {}, [], False),
        ({}, {}, ["stored", "lost"], False),
        ({}, {"status": "lost"}, ["lost"], False),
        ({}, {"status": "in_flight"}, [], False),
        ({}, {"status": "unknown"}, [], False),
        ({}, {"status": "failed"}, ["stored"], False),
    ],
)
def test_hit(log: Log, rows, run: dict[str, Any], generation: dict[str, Any], images: list[str], hit: bool) -> None:  # type: ignore[no-untyped-def]
    """A hit is a completed generation of a run that is not a verification, with every image stored."""
    row = rows.generation(rows.run(**run), request_hash="h", **generation)
    written = [rows.image(row, position=position, status=status) for position, status in enumerate(images)]
    expected = (row, written) if hit else None
    assert log.cached("h") == expected
    assert log.hits(["h", "other"]) == ({"h": Hit(row.id, tuple(i.sha256 for i in written))} if hit else {})


def test_copy_is_no_hit(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A copy from the cache leads to the paid generation, and is never one itself."""
    run = rows.run()
    paid = rows.generation(run, request_hash="h", images=1)
    rows.generation(run, request_hash="h", images=1, cached_from=paid.id)
    found = log.cached("h")
    assert found is not None
    assert found[0] == paid


def test_newest(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """The newest complete result wins, also over a newer one that lost an image."""
    run = rows.run()
    rows.generation(run, request_hash="h", images=1)
    second = rows.generation(run, request_hash="h", images=1)
    third = rows.generation(run, request_hash="h")
    rows.image(third, status="lost", sha256=None)
    assert log.hits(["h"])["h"].generation_id == second.id


def test_many(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Any number of hashes is asked for at once."""
    run = rows.run()
    kept = rows.generation(run, request_hash="kept", images=2)
    hashes = [f"no{number}" for number in range(12_000)] + ["kept"]
    assert list(log.hits(iter(hashes))) == ["kept"]
    assert log.cached_many(hashes)["kept"][0] == kept
    assert log.hits([]) == log.latest_many([]) == {}


@pytest.mark.parametrize(
    ("statuses", "open_"),
    [
        (["completed"], None),
        (["failed", "completed"], None),
        (["completed", "unknown"], "unknown"),
        (["unknown", "failed"], "failed"),
        (["lost"], "lost"),
        (["in_flight"], "in_flight"),
        (["unknown", "planned"], "unknown"),
        (["failed", "skipped"], "failed"),
        ([], None),
    ],
)
def test_open_generation(log: Log, rows, statuses: list[str], open_: str | None) -> None:  # type: ignore[no-untyped-def]
    """A request is open as its newest sending is; what was never sent does not count."""
    run = rows.run()
    for status in statuses:
        rows.generation(run, request_hash="h", status=status)
    found = log.open_generation("h")
    assert (found and found.status) == open_
    sent = [status for status in statuses if status not in ("planned", "skipped")]
    latest = log.latest_many(["h"]).get("h")
    assert (latest and latest.status) == (sent[-1] if sent else None)


def test_verify_is_not_latest(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A verification and a copy say nothing about the state of a request."""
    paid = rows.generation(rows.run(), request_hash="h", images=1)
    rows.generation(rows.run(kind="verify"), request_hash="h", status="unknown")
    rows.generation(rows.run(), request_hash="h", cached_from=paid.id)
    assert log.latest_many(["h"]).get("h") == paid
    assert log.open_generation("h") is None


def test_bulk_copies(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A thousand copies at once are found by search like rows written one by one, and single rows after them too."""
    run = rows.run()
    paid = rows.generation(run, prompt="a copper kettle")
    image = rows.image(paid, revised_prompt="a shining kettle")
    copies = [replace(paid, id=f"01H{number}", sequence=number, cached_from=paid.id) for number in range(1000)]
    images = [replace(image, id=f"01J{number}", generation_id=f"01H{number}") for number in range(1000)]
    log.insert_many([*copies, *images])
    rows.generation(run, prompt="another copper kettle")
    assert log.value("SELECT count(*) FROM generations_fts WHERE prompt MATCH 'copper'") == 1002
    assert log.value("SELECT count(*) FROM images_fts WHERE revised_prompt MATCH 'shining'") == 1001
    log.execute("INSERT INTO generations_fts (generations_fts, rank) VALUES ('integrity-check', 1)")
    log.execute("INSERT INTO images_fts (images_fts, rank) VALUES ('integrity-check', 1)")


class TestClaims:
    """One request in two processes is sent by one of them."""

    def test_one_owner(self, log: Log) -> None:
        """The first takes it, renews it and gives it up; the second waits."""
        assert log.claim("h", 0, "one", 60)
        assert log.claim("h", 0, "one", 60)
        assert not log.claim("h", 0, "two", 60)
        assert log.claim("h", 1, "two", 60)
        assert log.claimed_by("h", 0) == "one"
        log.release_claim("h", 0, "two")
        assert log.claimed_by("h", 0) == "one"
        log.release_claim("h", 0, "one")
        assert log.claim("h", 0, "two", 60)

    def test_expired(self, log: Log) -> None:
        """A dead owner's claim is free once its time is over, and can be swept away."""
        assert log.claim("h", 0, "dead", -1)
        assert log.claim("i", 0, "dead", -1)
        assert log.claimed_by("h", 0) is None
        assert log.claim("h", 0, "two", 60)
        assert log.expired_owners() == ["dead"]
        log.forget_expired_claims_of("dead")
        assert log.expired_owners() == []
        assert log.claimed_by("h", 0) == "two"

    def test_all_of_an_owner(self, log: Log) -> None:
        """All claims of an owner are prolonged and given up together."""
        for hash_ in "abc":
            log.claim(hash_, 0, "one", 0.0)
        assert log.renew_claims("one", 60) == 3
        assert log.claimed_by("c", 0) == "one"
        log.release_claims("one")
        assert log.value("SELECT count(*) FROM claims") == 0
