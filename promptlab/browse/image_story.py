"""What people said of an image and what can be done with it: marks, votes, scores, its label, its commands."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab.browse.chains import Link, chain_of
from promptlab.browse.near_duplicates import near_duplicates
from promptlab.browse.page_data import ImageDetail, Row, fetch, has_table
from promptlab.browse.pair_data import blind_poll_open
from promptlab.errors import PromptlabError

__all__ = ["LABELS", "ImageStory", "Votes", "as_data", "command_of", "curl_near", "download_name", "image_story"]

#: What `images.label` means, in words.
LABELS: Mapping[str, str] = {
    "c2pa": "C2PA: the provider signed where it comes from, which holds as long as no byte of the file changes.",
    "iptc": "IPTC: its metadata say that an AI model made it (DigitalSourceType trainedAlgorithmicMedia).",
    "c2pa iptc": "C2PA and IPTC: signed by the provider, and its metadata say that an AI model made it.",
    "none": "None: the file does not say where it comes from. An export can add it.",
}
_TAGS = 12  # offered to choose from


@dataclass(frozen=True, slots=True)
class Votes:
    """How often the image was preferred, and was not, by people; `judged` are votes of judge models, apart."""

    won: int = 0
    lost: int = 0
    tie: int = 0
    bad: int = 0
    judged: int = 0
    hidden: bool = False

    @property
    def all(self) -> int:
        """Votes of people."""
        return self.won + self.lost + self.tie + self.bad


@dataclass(frozen=True, slots=True)
class ImageStory:
    """Everything beside the facts of `ImageDetail`."""

    paid_id: str
    mark: Row | None  # the one that holds
    history: Sequence[Row]
    tags: Sequence[str]  # used in this log, the most frequent first
    votes: Votes
    scores: Sequence[Row]
    label: str | None
    chain: Link | None
    near: Sequence[Row] = field(default=())
    near_total: int = 0
    spec_path: str | None = None


def image_story(connection: sqlite3.Connection, path: Path, found: ImageDetail) -> ImageStory:
    """Read it; what an older log has no table for is empty."""
    image, generation = found.image, found.generation
    paid = _paid(connection, image, generation)
    near, total = near_duplicates(connection, path, image)
    sql = "SELECT spec_path FROM experiments WHERE name = ?"
    spec = connection.execute(sql, (generation["experiment"],)).fetchone()
    return ImageStory(
        paid_id=paid,
        mark=max(found.marks, key=lambda mark: str(mark["at"]), default=None),
        history=_history(connection, paid),
        tags=_tags(connection, found.marks),
        votes=_votes(connection, generation["experiment"], paid),
        scores=_scores(connection, paid),
        label=image.get("label"),
        chain=chain_of(connection, image, generation),
        near=near,
        near_total=total,
        spec_path=spec[0] if spec else None,
    )


def _paid(connection: sqlite3.Connection, image: Row, generation: Row) -> str:
    sql = "SELECT id FROM images WHERE generation_id = ? AND position = ?"
    row = connection.execute(sql, (generation["cached_from"] or generation["id"], image["position"])).fetchone()
    return str(row[0] if row else image["id"])


def _history(connection: sqlite3.Connection, paid: str) -> list[Row]:
    if not has_table(connection, "mark_events"):
        return []
    sql = """
        SELECT "by", mark, tags, note, before, undoes IS NOT NULL AS undone, at FROM mark_events
        WHERE image_id = ? ORDER BY rowid DESC LIMIT 50
    """
    return fetch(connection, sql, paid)


def _tags(connection: sqlite3.Connection, marks: Sequence[Row]) -> list[str]:
    """The tags of this image, then those most used in the log."""
    sql = """
        SELECT e.value AS tag, count(*) AS times FROM (SELECT tags FROM marks WHERE tags IS NOT NULL LIMIT 2000) m,
          json_each(CASE WHEN json_valid(m.tags) THEN m.tags ELSE '[]' END) e GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?
    """
    own = [tag for mark in marks for tag in json.loads(mark["tags"] or "[]")]
    return list(dict.fromkeys([*own, *(str(row["tag"]) for row in fetch(connection, sql, _TAGS))]))


def _votes(connection: sqlite3.Connection, experiment: str, paid: str) -> Votes:
    if not has_table(connection, "votes"):
        return Votes()
    if blind_poll_open(connection, experiment):
        return Votes(hidden=True)
    sql = """
        SELECT b.judge IS NOT NULL AS judged, o.outcome, o.left_image = ?1 AS left_side
        FROM (SELECT * FROM votes WHERE left_image = ?1 UNION SELECT * FROM votes WHERE right_image = ?1) o
        JOIN ballots b ON b.id = o.ballot_id WHERE b.undone_at IS NULL
    """
    counted = {"won": 0, "lost": 0, "tie": 0, "bad": 0, "judged": 0}
    for vote in fetch(connection, sql, paid):
        if vote["judged"]:
            counted["judged"] += 1
        elif vote["outcome"] in ("tie", "bad"):
            counted[vote["outcome"]] += 1
        else:
            counted["won" if (vote["outcome"] == "left") == bool(vote["left_side"]) else "lost"] += 1
    return Votes(counted["won"], counted["lost"], counted["tie"], counted["bad"], counted["judged"])


def _scores(connection: sqlite3.Connection, paid: str) -> list[Row]:
    if not has_table(connection, "scores"):
        return []
    sql = "SELECT name, number, text, successes, trials, scorer, version, at FROM scores WHERE image_id = ? ORDER BY 1"
    return fetch(connection, sql, paid)


# --- commands -----------------------------------------------------------------------------------------------------


def command_of(found: ImageDetail, spec_path: str | None) -> str:
    """The command line that makes this variant's images again; of an experiment without a file, the one that shows it.

    What the log has is not paid again: the images come from there, as long as the experiment is what it was.
    """
    if spec_path is None:
        return f"promptlab show {found.generation['id']}"
    where = ",".join(f"{axis}={_id(value)}" for axis, value in found.axes.items())
    chosen = f" --where {shlex.quote(where)}" if where else ""
    return f"promptlab run {shlex.quote(spec_path)}{chosen}"


def _id(value: str) -> str:
    """A value id as `--where` reads it: in double quotes where it would be read as something else."""
    plain = value and value == value.strip() and not any(sign in value for sign in ',="*?[')
    return value if plain else '"' + value.replace('"', '""') + '"'


def curl_near(path: Path, generation: Row) -> str | None:
    """The request as a curl command, without a key; None where its provider is not installed or set up here."""
    from promptlab.log.rows import GENERATIONS
    from promptlab.run.as_curl import curl_of
    from promptlab.studio.studio import Studio

    row = GENERATIONS.read([generation[column] for column in GENERATIONS.columns])
    try:
        return curl_of(Studio.open(path.absolute().parent, db=path, environ={}), row)
    except PromptlabError:
        return None


def download_name(image: Row) -> str:
    """What a downloaded file is called: its readable name, else its id."""
    name = Path(str(image["path"] or "")).name
    return name or f"{image['id']}.{image['format'] or 'bin'}"


def as_data(found: ImageDetail, story: ImageStory) -> dict[str, Any]:
    """The page as data."""
    generation = {name: value for name, value in found.generation.items() if name != "response"}
    votes = story.votes
    return {
        "image": found.image,
        "generation": generation,
        "run": found.run["id"],
        "experiment": found.run["experiment"],
        "axes": dict(found.axes),
        "simulated": found.simulated,
        "paid_image": story.paid_id,
        "marks": list(found.marks),
        "mark_history": list(story.history),
        "votes": None if votes.hidden else {"won": votes.won, "lost": votes.lost, "tie": votes.tie, "bad": votes.bad},
        "scores": list(story.scores),
        "label": story.label,
        "attempts": list(found.attempts),
        "template": found.template,
        "near_duplicates": [
            {name: row[name] for name in ("id", "sha256", "bits", "run_id", "experiment")} for row in story.near
        ],
        "previous": found.previous,
        "next": found.next,
    }
