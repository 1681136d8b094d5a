"""What was already sent: cache hits, the state of a request, claims between processes, answers not yet decoded.

Only a paid result is a hit: completed, not itself a copy, every image stored (and its file there, says the caller).
Runs of kind `verify` are left out on both sides: they ask again on purpose, to see what changes, and must not change
what others see.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from promptlab.log.connection import Connection
from promptlab.log.rows import GENERATIONS, IMAGES, read
from promptlab.model import Generation, Image, utc_now

__all__ = ["Cache", "Hit", "Holder", "Kept", "RawAnswer"]

#: Whether the files of these images (by sha256) are available.
Kept = Callable[[Sequence[str]], bool]

#: A generation whose request may have been billed without a usable result, or which is to be sent again.
OPEN = frozenset({"in_flight", "unknown", "lost", "failed"})
_CHUNK = 5_000  # hashes in one statement: 335 KB of JSON

_HITS = """
SELECT h.value, g.id, i.status, i.sha256
FROM json_each(?) h
CROSS JOIN generations g ON g.request_hash = h.value
CROSS JOIN runs r ON r.id = g.run_id
CROSS JOIN images i ON i.generation_id = g.id
WHERE +g.status = 'completed' AND +g.cached_from IS NULL AND +r.kind <> 'verify'
ORDER BY g.id, i.position
"""
_LATEST = f"""
SELECT {GENERATIONS.select("g")}
FROM (
  SELECT max(g.id) AS id
  FROM json_each(?) h
  CROSS JOIN generations g ON g.request_hash = h.value
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE g.status NOT IN ('planned', 'skipped') AND +g.cached_from IS NULL AND +r.kind <> 'verify'
  GROUP BY g.request_hash
) newest
CROSS JOIN generations g ON g.id = newest.id
"""
_BY_ID = f"SELECT {GENERATIONS.select('g')} FROM json_each(?) h CROSS JOIN generations g ON g.id = h.value"
_IMAGES = f"""
SELECT {IMAGES.select("i")} FROM json_each(?) h CROSS JOIN images i ON i.generation_id = h.value
ORDER BY i.generation_id, i.position
"""


_STANDING = """
SELECT (SELECT owner FROM claims WHERE request_hash = ? AND draw = ? AND expires_at > ?),
  EXISTS (SELECT 1 FROM generations WHERE request_hash = ? AND id <> ? AND status <> 'planned')
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A paid result that can be taken again: its generation and its images' files, in their order."""

    generation_id: str
    sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim, and whether it ran out: until another owner takes it, it can still be renewed."""

    owner: str
    expired: bool


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A row of `answers`; `body` is None where it is in a file."""

    generation_id: str
    status_code: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)
    latency_ms: int


def _any(sha256s: Sequence[str]) -> bool:
    return True


class Cache(Connection):
    """Readers and claims that decide what a run sends."""

    def hits(self, hashes: Iterable[str], kept: Kept = _any) -> dict[str, Hit]:
        """The newest hit of each request hash that has one: enough for a plan, quick for 100,000 hashes.

        `kept` says whether a result's files are available; where not, an older result takes its place.
        """
        found: dict[str, Hit] = {}
        for chunk in _chunks(hashes):
            found.update(_newest(self.rows(_HITS, (chunk,)), kept))
        return found

    def cached_many(self, hashes: Iterable[str], kept: Kept = _any) -> dict[str, tuple[Generation, list[Image]]]:
        """The same with whole rows, for a run that copies them."""
        return self.whole(self.hits(hashes, kept))

    def whole(self, hits: Mapping[str, Hit]) -> dict[str, tuple[Generation, list[Image]]]:
        """The rows of these hits."""
        wanted = [hit.generation_id for hit in hits.values()]
        generations = self.generations_by_id(wanted)
        images = self.images_of(wanted)
        return {hash_: (generations[hit.generation_id], images[hit.generation_id]) for hash_, hit in hits.items()}

    def cached(self, request_hash: str, kept: Kept = _any) -> tuple[Generation, list[Image]] | None:
        """The newest completed generation of this request that was paid and whose images are all stored."""
        return self.cached_many((request_hash,), kept).get(request_hash)

    def names_of(self, sha256: str) -> list[tuple[str | None, int | None, str | None]]:
        """Path, bytes and format of every stored image that has this content, the newest first."""
        sql = "SELECT path, bytes, format FROM images WHERE sha256 = ? AND status = 'stored' ORDER BY rowid DESC"
        return [(path, size, format_) for path, size, format_ in self.rows(sql, (sha256,))]

    def latest_many(self, hashes: Iterable[str]) -> dict[str, Generation]:
        """The newest generation of each request that was itself sent, whatever became of it."""
        found = {}
        for chunk in _chunks(hashes):
            for row in read(GENERATIONS, self.rows(_LATEST, (chunk,))):
                found[row.request_hash] = row
        return found

    def open_generations(self, hashes: Iterable[str]) -> dict[str, Generation]:
        """Of each request whose newest sending did not complete, that one: in flight, unknown, lost or failed.

        One in flight belongs to a live run while its claim lives; after that, to a run that died.
        """
        return {hash_: row for hash_, row in self.latest_many(hashes).items() if row.status in OPEN}

    def open_generation(self, request_hash: str) -> Generation | None:
        """The newest sending of this request if it did not complete."""
        return self.open_generations((request_hash,)).get(request_hash)

    def generations_by_id(self, ids: Collection[str]) -> dict[str, Generation]:
        """The generations with these ids, as far as they are there."""
        found = {}
        for chunk in _chunks(ids):
            found.update({row.id: row for row in read(GENERATIONS, self.rows(_BY_ID, (chunk,)))})
        return found

    def images_of(self, generation_ids: Collection[str]) -> dict[str, list[Image]]:
        """The images of each of these generations, in the order of the response; an empty list where there is none."""
        found: dict[str, list[Image]] = {id_: [] for id_ in generation_ids}
        for chunk in _chunks(generation_ids):
            for image in read(IMAGES, self.rows(_IMAGES, (chunk,))):
                found[image.generation_id].append(image)
        return found

    def standing(self, request_hash: str, draw: int, generation_id: str) -> tuple[str | None, bool]:
        """Who holds a live claim on this request, and whether any other generation was ever made of it.

        One look-up for the common case, in which nothing prevents sending.
        """
        now = utc_now()
        owner, others = self.execute(_STANDING, (request_hash, draw, now, request_hash, generation_id)).fetchone()
        return owner, bool(others)

    # --- claims: one request in two processes is sent by one of them ---

    def claim(self, request_hash: str, draw: int, owner: str, seconds: float) -> bool:
        """Take the right to send this request, for so long; False while another owner's claim lives."""
        sql = """
            INSERT INTO claims (request_hash, draw, owner, expires_at) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
            WHERE claims.owner = excluded.owner OR claims.expires_at <= ?
        """
        return self.execute(sql, (request_hash, draw, owner, _later(seconds), utc_now())).rowcount == 1

    def renew_claims(self, owner: str, seconds: float) -> int:
        """Prolong all claims of this owner; says how many there are."""
        sql = "UPDATE claims SET expires_at = ? WHERE owner = ?"
        return self.execute(sql, (_later(seconds), owner)).rowcount

    def release_claim(self, request_hash: str, draw: int, owner: str) -> None:
        """Give up one claim; another owner's stays."""
        self.execute(
            "DELETE FROM claims WHERE request_hash = ? AND draw = ? AND owner = ?", (request_hash, draw, owner)
        )

    def release_claims(self, owner: str) -> None:
        """Give up all claims of this owner."""
        self.execute("DELETE FROM claims WHERE owner = ?", (owner,))

    def claimed_by(self, request_hash: str, draw: int) -> str | None:
        """Who holds a live claim on this request."""
        sql = "SELECT owner FROM claims WHERE request_hash = ? AND draw = ? AND expires_at > ?"
        owner: str | None = self.value(sql, (request_hash, draw, utc_now()))
        return owner

    def holder(self, name: str, draw: int = 0) -> Holder | None:
        """Whose claim this is, also one that ran out."""
        sql = "SELECT owner, expires_at <= ? FROM claims WHERE request_hash = ? AND draw = ?"
        for owner, expired in self.rows(sql, (utc_now(), name, draw)):
            return Holder(owner, bool(expired))
        return None

    def claim_owner(self, name: str) -> str | None:
        """Whose claim this is: one look-up, for what is checked at every step of a run."""
        owner: str | None = self.value("SELECT owner FROM claims WHERE request_hash = ? AND draw = 0", (name,))
        return owner

    def hand_over_claims(self, old: str, new: str, seconds: float) -> None:
        """All claims of one owner are another's from now on."""
        self.execute("UPDATE claims SET owner = ?, expires_at = ? WHERE owner = ?", (new, _later(seconds), old))

    def expired_owners(self) -> list[str]:
        """The owners of claims that ran out."""
        return [
            owner for (owner,) in self.rows("SELECT DISTINCT owner FROM claims WHERE expires_at <= ?", (utc_now(),))
        ]

    def forget_expired_claims_of(self, owner: str) -> None:
        """Remove what this owner left behind."""
        self.execute("DELETE FROM claims WHERE owner = ? AND expires_at <= ?", (owner, utc_now()))

    # --- answers as they came, kept from the moment they are whole until their images are ---

    def keep_answer(self, answer: RawAnswer) -> None:
        """Write an answer; a generation has one, its newest."""
        sql = """
            INSERT OR REPLACE INTO answers (generation_id, status_code, headers, body, latency_ms, at)
            VALUES (?, ?, ?, ?, ?, ?)
        """
        headers = json.dumps(dict(answer.headers), separators=(",", ":"))
        row = (answer.generation_id, answer.status_code, headers, answer.body, answer.latency_ms, utc_now())
        self.execute(sql, row)

    def answer(self, generation_id: str) -> RawAnswer | None:
        """The kept answer of a generation."""
        sql = "SELECT status_code, headers, body, latency_ms FROM answers WHERE generation_id = ?"
        for status, headers, body, latency in self.rows(sql, (generation_id,)):
            return RawAnswer(generation_id, status, json.loads(headers), body, latency)
        return None

    def answered(self, run_id: str) -> set[str]:
        """The generations of a run whose answers are kept: they can be decoded again free of charge."""
        sql = "SELECT a.generation_id FROM answers a JOIN generations g ON g.id = a.generation_id WHERE g.run_id = ?"
        return {generation_id for (generation_id,) in self.rows(sql, (run_id,))}

    def forget_answer(self, generation_id: str) -> None:
        """Its images are kept, or it will be sent again."""
        self.execute("DELETE FROM answers WHERE generation_id = ?", (generation_id,))


def _newest(rows: Iterable[tuple[str, str, str, str | None]], kept: Kept) -> Mapping[str, Hit]:
    """Hash → its newest generation with every image stored and kept; the rows come with the oldest generation first."""
    files: dict[str, dict[str, list[str | None]]] = {}
    for hash_, id_, status, sha256 in rows:
        files.setdefault(hash_, {}).setdefault(id_, []).append(sha256 if status == "stored" else None)
    found = {}
    for hash_, results in files.items():
        for id_, stored in reversed(results.items()):
            sha256s = tuple(sha256 for sha256 in stored if sha256 is not None)
            if len(sha256s) == len(stored) and kept(sha256s):
                found[hash_] = Hit(id_, sha256s)
                break
    return found


def _chunks(values: Iterable[str]) -> Iterator[str]:
    """JSON lists of at most `_CHUNK` values, sorted: neighbours in the index are then read together."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), _CHUNK):
        yield json.dumps(ordered[start : start + _CHUNK])


def _later(seconds: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
