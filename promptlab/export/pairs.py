"""Preference pairs: which of two images people chose, for training and for scoring models of preference.

Two files beside the images. `metadata.jsonl` has one row per pair of images that people preferred one of, in the
layout of preference training: `prompt`, `chosen`, `rejected`. `votes.jsonl` has one row per vote in the columns of
Pick-a-Pic (Kirstain et al. 2023, huggingface.co/datasets/yuvalkirstain/pickapic_v1), with the images as files instead
of bytes. Votes of models are in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from promptlab.errors import InputError
from promptlab.export.image_rows import ExportColumn, ImageRow, ImageRows
from promptlab.export.image_sets import ImageCopies, Written, card, json_line
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.spec.matcher import Where
from promptlab.store import Store
from promptlab.store.whole import whole_folder

__all__ = ["write_pairs"]

_PAIR_COLUMNS: Final = (
    ExportColumn("prompt", "text", "the prompt of both images; null where they had different ones"),
    ExportColumn("chosen_file_name", "text", "the image that more people preferred; loads as the column `chosen`"),
    ExportColumn("rejected_file_name", "text", "the other one; loads as the column `rejected`"),
    ExportColumn("chosen_prompt", "text", "the prompt of the chosen image"),
    ExportColumn("rejected_prompt", "text", "the prompt of the rejected image"),
    ExportColumn("chosen_negative_prompt", "text", "its negative prompt"),
    ExportColumn("rejected_negative_prompt", "text", "its negative prompt"),
    ExportColumn("chosen_variant", "text", "the values of all axes of the chosen image"),
    ExportColumn("rejected_variant", "text", "the same of the rejected image"),
    ExportColumn("seed", "integer", "the seed of both; null where they had different ones"),
    ExportColumn("votes_chosen", "integer", "votes for the chosen image over the rejected one"),
    ExportColumn("votes_rejected", "integer", "votes the other way round"),
    ExportColumn("votes_tied", "integer", "ties"),
    ExportColumn("votes_bad", "integer", "votes that called both bad"),
    ExportColumn("voters", "integer", "people who voted on this pair"),
    ExportColumn("margin", "number", "(votes_chosen − votes_rejected) ÷ all votes on the pair, above 0 and at most 1"),
    ExportColumn("chosen_image_id", "text", "its id in the log"),
    ExportColumn("rejected_image_id", "text", "its id in the log"),
)
_VOTE_COLUMNS: Final = (
    ExportColumn("caption", "text", "the prompt of both images; null where they had different ones"),
    ExportColumn("image_0_uid", "text", "id of the left image"),
    ExportColumn("image_1_uid", "text", "id of the right image"),
    ExportColumn("image_0_file", "text", "the left image, relative to this folder (Pick-a-Pic: jpg_0)"),
    ExportColumn("image_1_file", "text", "the right image"),
    ExportColumn("label_0", "number", "1 where the left image was preferred, 0 where the right one, 0.5 for neither"),
    ExportColumn("label_1", "number", "the same of the right image"),
    ExportColumn("best_image_uid", "text", "the preferred image, or `tie`"),
    ExportColumn("are_different", "boolean", "whether the two files differ"),
    ExportColumn("has_label", "boolean", "always true: every row is a vote"),
    ExportColumn("both_bad", "boolean", "whether both were called bad"),
    ExportColumn("model_0", "text", "the model that made the left image"),
    ExportColumn("model_1", "text", "the model that made the right image"),
    ExportColumn("prompt_0", "text", "the prompt of the left image"),
    ExportColumn("prompt_1", "text", "the prompt of the right image"),
    ExportColumn("ranking_id", "integer", "number of the ballot: votes of one ballot are not independent"),
    ExportColumn("user_id", "integer", "number of the voter, in the order of their first votes"),
    ExportColumn("kind", "text", "pair, best (of several) or best_worst"),
    ExportColumn("created_at", "text", "when, ISO 8601, UTC"),
)


@dataclass
class _Pair:
    """The votes on two images; `wins` are those of the first and of the second."""

    images: tuple[str, str]
    wins: list[int] = field(default_factory=lambda: [0, 0])
    tied: int = 0
    bad: int = 0
    voters: set[str] = field(default_factory=set)


def write_pairs(
    log: Log,
    store: Store,
    run_id: str,
    target: Path,
    *,
    where: Where = (),
    embed: bool = False,
    step: Callable[[int], None] = lambda done: None,
) -> Written:
    """The images that people voted on in a run, and the votes; InputError where nobody voted on two of them."""
    ballots = [each for each in log.ballots(run_id) if each.judge is None]
    rows = _rows(ImageRows(log, run_id, where), ballots)
    votes = [(ballot, vote) for ballot in ballots for vote in ballot.comparisons
             if vote.left_image in rows and vote.right_image in rows]  # fmt: skip
    if not votes:
        message = f"people have not voted on images of run {run_id} yet, so there are no pairs; see `promptlab browse`"
        raise InputError(message, code="no-votes")
    with whole_folder(target) as folder:
        files = ImageCopies(store, folder, embed=embed)
        names = {}
        for number, (id_, row) in enumerate(rows.items(), 1):
            names[id_] = files.add(row)
            step(number)
        pairs = list(_pairs(votes, rows, names))
        (folder / "metadata.jsonl").write_bytes(b"".join(json_line(row, _PAIR_COLUMNS) for row in pairs))
        lines = (json_line(row, _VOTE_COLUMNS) for row in _votes(votes, rows, names))
        (folder / "votes.jsonl").write_bytes(b"".join(lines))
        tables = {"metadata.jsonl: one row per pair": _PAIR_COLUMNS, "votes.jsonl: one row per vote": _VOTE_COLUMNS}
        what = "Pairs of images of which people preferred one."
        text = card(log, run_id, what, f'load_dataset("imagefolder", data_dir="{target.name}")', tables)
        (folder / "README.md").write_text(text, encoding="utf-8")
    return Written("pairs", target, len(pairs), files.files, files.bytes, files.notes())


def _rows(rows: ImageRows, ballots: Sequence[Ballot]) -> dict[str, ImageRow]:
    """Paid image → its row, of those that were voted on."""
    voted = {id_ for ballot in ballots for each in ballot.comparisons for id_ in (each.left_image, each.right_image)}
    return {row["paid_image_id"]: row for row in rows if row["paid_image_id"] in voted}


def _pairs(
    votes: Sequence[tuple[Ballot, Comparison]], rows: Mapping[str, ImageRow], names: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """The pairs with a preference, in the order of their first votes."""
    found: dict[tuple[str, str], _Pair] = {}
    for ballot, vote in votes:
        first, second = sorted((vote.left_image, vote.right_image))
        pair = found.setdefault((first, second), _Pair((first, second)))
        pair.voters.add(ballot.by)
        if vote.outcome in ("left", "right"):
            winner = vote.left_image if vote.outcome == "left" else vote.right_image
            pair.wins[(first, second).index(winner)] += 1
        else:
            pair.tied += vote.outcome == "tie"
            pair.bad += vote.outcome == "bad"
    for pair in found.values():
        if pair.wins[0] != pair.wins[1] and all(names[id_] for id_ in pair.images):
            yield _pair_row(pair, rows, names)


def _pair_row(pair: _Pair, rows: Mapping[str, ImageRow], names: Mapping[str, str | None]) -> dict[str, Any]:
    best = pair.wins[1] > pair.wins[0]
    chosen, rejected = (pair.images[best], pair.images[not best])
    one, other = rows[chosen], rows[rejected]
    total = sum(pair.wins) + pair.tied + pair.bad
    won, lost = max(pair.wins), min(pair.wins)
    return {
        "prompt": _same(one, other, "prompt"),
        "chosen_file_name": names[chosen],
        "rejected_file_name": names[rejected],
        "chosen_prompt": one["prompt"],
        "rejected_prompt": other["prompt"],
        "chosen_negative_prompt": one["negative_prompt"],
        "rejected_negative_prompt": other["negative_prompt"],
        "chosen_variant": one["variant"],
        "rejected_variant": other["variant"],
        "seed": _same(one, other, "seed"),
        "votes_chosen": won,
        "votes_rejected": lost,
        "votes_tied": pair.tied,
        "votes_bad": pair.bad,
        "voters": len(pair.voters),
        "margin": (won - lost) / total,
        "chosen_image_id": chosen,
        "rejected_image_id": rejected,
    }


def _votes(
    votes: Sequence[tuple[Ballot, Comparison]], rows: Mapping[str, ImageRow], names: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """One row per vote. Of ballots whose sides say nothing (the preferred one is always left) they are drawn anew."""
    users: dict[str, int] = {}
    rankings: dict[str, int] = {}
    for ballot, vote in votes:
        left, right, outcome = vote.left_image, vote.right_image, str(vote.outcome)
        if ballot.kind != "pair" and sha256(f"{ballot.id}{left}{right}".encode()).digest()[0] & 1:
            left, right, outcome = right, left, {"left": "right", "right": "left"}.get(outcome, outcome)
        one, other = rows[left], rows[right]
        label = {"left": 1.0, "right": 0.0}.get(outcome, 0.5)
        yield {
            "caption": _same(one, other, "prompt"),
            "image_0_uid": left,
            "image_1_uid": right,
            "image_0_file": names[left],
            "image_1_file": names[right],
            "label_0": label,
            "label_1": 1.0 - label,
            "best_image_uid": {"left": left, "right": right}.get(outcome, "tie"),
            "are_different": one["sha256"] != other["sha256"],
            "has_label": True,
            "both_bad": outcome == "bad",
            "model_0": one["model"],
            "model_1": other["model"],
            "prompt_0": one["prompt"],
            "prompt_1": other["prompt"],
            "ranking_id": rankings.setdefault(ballot.id, len(rankings)),
            "user_id": users.setdefault(ballot.by, len(users)),
            "kind": ballot.kind,
            "created_at": ballot.at,
        }


def _same(one: ImageRow, other: ImageRow, name: str) -> Any:
    return one[name] if one[name] == other[name] else None
