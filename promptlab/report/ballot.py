"""One HTML file that votes offline: its pictures are in it, and it gives back a small file for `votes import`.

The file says nothing of what it shows: its pictures are re-encoded (`store.blind`), each ballot has a name by chance,
and which images that were is in the log alone, written before the file is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Literal

from promptlab.compare.answers import FOUR
from promptlab.compare.next_ballot import Chooser, Pair, Shown
from promptlab.compare.voting_scenes import Cast, VotingScenes, read_casts, read_voting_scenes
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.votes import BallotKind, Paper
from promptlab.model import new_id, utc_now
from promptlab.stats.next_pair import Goal
from promptlab.stats.votes import Vote
from promptlab.store import Store
from promptlab.store.blind import blind_picture, common_frame, padded

__all__ = ["MOST_PAIRS", "WrittenBallot", "make_ballot"]

MOST_PAIRS = 200
_SIDE = 768  # pixels of a picture's longer side
_STEP = 4096  # bytes; all pictures of a file have the same length
_ASSETS = Path(__file__).parent / "ballot_files"


@dataclass(frozen=True, slots=True)
class WrittenBallot:
    """A file that votes offline: how many ballots it has, and its size. `wanted` is how many were asked for."""

    file_id: str
    poll_id: str
    path: str
    kind: BallotKind
    ballots: int
    wanted: int
    pictures: int
    bytes: int


def make_ballot(
    log: Log,
    store: Store,
    run_id: str,
    by: str | None,
    output: Path,
    *,
    who: str,
    pairs: int = 30,
    kind: Literal["pair", "best_worst"] = "pair",
    goal: Goal | None = None,
    only: Mapping[str, str] | None = None,
    title: str | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> WrittenBallot:
    """Write the file, for the open blind poll of a run and an axis (None: whole variants), or for a new one.

    `pairs` is the number of ballots, `goal` what a new poll is for (`best` unless given), `tell` is called with how
    many ballots are ready, of how many. InputError where nothing can be voted on, StoreError for a picture that can't
    be read; then no file is written.
    """
    if not 1 <= pairs <= MOST_PAIRS:
        raise InputError(f"a file holds 1 to {MOST_PAIRS} ballots", code="bad-ballot")
    ground = read_voting_scenes(log, run_id, by, only, seed=run_id)
    _check(ground, kind)
    open_ = [each for each in log.polls(run_id) if each.closed_at is None and each.blind]
    poll = next((each for each in open_ if (each.axis, dict(each.only)) == (by, dict(only or {}))), None)
    wanted: Goal = goal or (poll.goal if poll is not None else "best")
    casts = read_casts(log, run_id, by, log.ballots(run_id))
    chosen = list(_choose(ground, casts, wanted, kind, pairs))
    files = _encode(store, ground, chosen, tell)
    if poll is None:
        poll = log.open_poll(run_id, by, by=who, only=only, goal=wanted, blind=True)
    file_id = new_id()
    papers = [
        Paper(secrets.token_urlsafe(12), kind, tuple(each.image_id for each in shown.pictures)) for shown in chosen
    ]
    html = _html(file_id, kind, [(paper.token, each) for paper, each in zip(papers, files, strict=True)], title)
    log.add_papers(file_id, poll.id, papers, by=who)
    data = html.encode()
    output.write_bytes(data)
    return WrittenBallot(file_id, poll.id, str(output), kind, len(chosen), pairs, sum(map(len, files)), len(data))


def _check(ground: VotingScenes, kind: BallotKind) -> None:
    what = f"by {ground.by!r}" if ground.by else "by variant"
    if not ground.scenes:
        raise InputError(
            f"run {ground.run_id} has no two pictures that could be compared {what}", code="nothing-to-vote"
        )
    if kind == "best_worst" and ground.most_values < FOUR:
        raise InputError(
            f"no scene of run {ground.run_id} has {FOUR} pictures to compare {what}; vote on pairs",
            code="nothing-to-vote",
        )


def _choose(ground: VotingScenes, casts: list[Cast], goal: Goal, kind: BallotKind, number: int) -> Iterator[Shown]:
    """Ballots for one voter: no two pictures together twice, every scene about as often."""
    chooser = Chooser(ground, random.SystemRandom())
    for cast in casts:
        chooser.add(cast)
    hidden: set[Pair] = set()
    used: list[str] = []
    values = {
        each.image_id: value for scene in ground.scenes for value, cell in scene.pictures.items() for each in cell
    }
    for place in range(number):
        shown = chooser.choose(goal, kind, "", hidden=hidden, busy=used)
        if shown is None:
            return
        yield shown
        hidden |= shown.pairs
        used.append(shown.scene)
        if goal == "rank":  # so that what was chosen counts as met
            a, b = (values[each.image_id] for each in shown.pictures[:2])
            chooser.add(Cast(f"chosen {place}", " ", shown.scene, frozenset(), (Vote(shown.scene, "", a, b, "tie"),)))


def _encode(
    store: Store, ground: VotingScenes, chosen: list[Shown], tell: Callable[[int, int], None] | None
) -> list[list[bytes]]:
    """The pictures of each ballot, all of one size and one length."""
    every = [each for scene in ground.scenes for cell in scene.pictures.values() for each in cell]
    frame = common_frame(((each.width, each.height) for each in every), _SIDE)
    made: dict[str, bytes] = {}
    for done, shown in enumerate(chosen):
        for each in shown.pictures:
            if each.sha256 not in made:
                made[each.sha256] = blind_picture(store, each.sha256, frame)
        if tell is not None:
            tell(done + 1, len(chosen))
    length = -(-max(map(len, made.values())) // _STEP) * _STEP
    return [[padded(made[each.sha256], length) for each in shown.pictures] for shown in chosen]


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _html(file_id: str, kind: BallotKind, ballots: list[tuple[str, list[bytes]]], title: str | None) -> str:
    """The whole file. Its policy lets nothing load, and only this one script run."""
    data: dict[str, Any] = {
        "file": file_id,
        "kind": kind,
        "made": utc_now(),
        "ballots": [
            {"token": token, "pictures": [base64.b64encode(each).decode() for each in pictures]}
            for token, pictures in ballots
        ],
    }
    script, style = _asset("ballot.js"), _asset("ballot.css")
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "TITLE": escape(title or ("Which one is better?" if kind == "pair" else "Which is the best, which the worst?")),
        "POLICY": escape(policy),
        "STYLE": style,
        "SCRIPT": script,
        # In JSON `<` may be written as an escape anywhere; so nothing in it ends the element.
        "DATA": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub("@@([A-Z]+)@@", lambda found: parts[found[1]], _asset("ballot.html"))


def _hash(text: str) -> str:
    """A script or style as a content security policy names it (CSP level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
