"""The verdict: words and figures from a log of votes."""

from __future__ import annotations

import json

from promptlab.compare.verdict import verdict_as_json, verdict_of

from .conftest import Studio


def test_a_clear_winner(studio: Studio) -> None:
    """24 of 30 matched pairs prefer calm: it wins, and the sentence says in how many of 100."""
    run = studio.run({"prompt": ["calm", "bold"]}, range(30))
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for seed in range(30):
        studio.vote(
            poll, studio.image(run, "calm", seed), studio.image(run, "bold", seed), "left" if seed % 5 else "right"
        )
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.headline == "calm wins: preferred in 79 of 100 matched pairs, surely more than 60."
    assert (found.winner, found.votes, found.scenes, found.voters, found.enough) == ("calm", 30, 30, 1, True)
    first, second = found.standings
    assert (first.value, first.rank_low, first.rank_high, first.wins, first.losses) == ("calm", 1, 1, 24, 6)
    assert second.chance is not None
    assert second.chance < 0.5
    assert json.loads(json.dumps(verdict_as_json(found)))["matrix"][0]["value"] == "bold"
