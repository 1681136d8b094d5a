"""A judge: what it is sent, what is logged before and after, money, resuming, and that people's votes stay people's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.compare.scenes import scenes_of
from promptlab.errors import ConfirmationNeeded, InputError
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import new_id
from promptlab.run.context import owner_of
from promptlab.scoring import judge_sender, judge_wire
from promptlab.scoring.judge import with_criteria
from promptlab.scoring.judge_pairs import outcome_of, pairs_of
from promptlab.scoring.judge_wire import PRICES, JudgePrice, choice_of, price_of, prompt_sha256, usage_of, worst_usd

from .fake_judge import FakeJudge, serve

Cli = Callable[..., Any]
KEY = "judge-key-0123456789"
WORDS = ("score", "last", "--judge", "eye-1", "--by", "light", "--price-in", "2", "--price-out", "8")


@pytest.fixture
def fake(studio: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeJudge]:
    """A judge that prefers the brighter picture, and is the one of the environment."""
    judge = FakeJudge()
    server, thread = serve(judge)
    monkeypatch.setattr(judge_wire, "_LONGEST", 64)  # pixels a side: quick to encode and to look at
    monkeypatch.setenv("PROMPTLAB_JUDGE_BASE_URL", judge.url)
    monkeypatch.setenv("PROMPTLAB_JUDGE_KEY", KEY)
    yield judge
    server.shutdown()
    thread.join()
    server.server_close()


def ask(**changes: Any) -> promptlab.Judged:
    """All pairs of the axis `light`, at 2 and 8 dollars a million tokens."""
    usual: dict[str, Any] = {"price_in": 2.0, "price_out": 8.0}
    return promptlab.judge("last", "eye-1", "light", **usual | changes)


def rows(studio: Path, sql: str) -> list[tuple[Any, ...]]:
    with Log.open(studio / "promptlab.db") as log:
        return list(log.rows(sql))


# --- what is asked and written ------------------------------------------------------------------------------------


def test_each_pair_is_asked_in_both_orders_and_becomes_a_ballot(studio: Path, fake: FakeJudge) -> None:
    """Four matched pairs: eight calls, four ballots of the model, each with the two calls it was made of."""
    found = ask()
    assert (found.pairs, found.judged, found.asked, found.exit_code) == (4, 4, 8, 0)
    assert sum(found.wins.values()) == 4
    assert rows(studio, 'SELECT kind, "by", judge FROM ballots') == [("pair", "eye-1", "eye-1")] * 4
    assert rows(studio, "SELECT count(*) FROM judge_calls GROUP BY ballot_id") == [(2,)] * 4
    shown = rows(studio, "SELECT left_image, right_image FROM judge_calls")
    assert {(right, left) for left, right in shown} == set(shown)


def test_a_judge_that_changes_its_mind_with_the_order_says_a_tie(studio: Path, fake: FakeJudge) -> None:
    """One that always prefers the first image has no preference: all ties, and its position bias is told."""
    fake.choose = lambda first, second: "A"
    found = ask()
    assert (found.ties, found.disagreed, sum(found.wins.values())) == (4, 4, 0)
    assert (found.first, found.decided) == (8, 8)
    assert rows(studio, "SELECT DISTINCT outcome FROM votes") == [("tie",)]


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (("first", "second"), "left"), (("second", "first"), "right"), (("first", "first"), "tie"),
        (("second", "second"), "tie"), (("tie", "tie"), "tie"), (("bad", "bad"), "bad"), (("first", "tie"), "tie"),
        (("bad", "tie"), "tie"),
    ],
)  # fmt: skip
def test_what_two_answers_make(answers: tuple[Any, Any], outcome: str) -> None:
    """They have to say the same about the same image."""
    assert outcome_of(*answers) == outcome


def test_what_is_sent_is_the_pictures_and_the_question_alone(studio: Path, fake: FakeJudge) -> None:
    """No prompt, no name, no value of the axis; the key in its header and nowhere else."""
    ask(question="Which sign is easier to read?")
    for request in fake.requests:
        text = json.dumps(request["body"], ensure_ascii=False)
        assert "Which sign is easier to read?" in text
        for secret in ("golden hour", "neon", "teapot", "SALE", KEY, "results/"):
            assert secret not in text
        assert request["headers"]["Authorization"] == f"Bearer {KEY}"
        assert request["body"]["max_tokens"] == 300
    assert len({request["headers"]["Idempotency-Key"] for request in fake.requests}) == 8
    dump = "".join(str(row) for row in rows(studio, "SELECT * FROM judge_calls"))
    assert KEY not in dump


def test_asked_again_nothing_is_sent(studio: Path, fake: FakeJudge) -> None:
    """The same model and question: every pair is judged already; another question is asked anew."""
    ask()
    again = ask()
    assert (again.asked, again.already, again.judged, again.cost_usd) == (0, 4, 4, 0)
    assert len(fake.requests) == 8
    assert ask(question="Which is sharper?").asked == 8


def test_people_and_judge_are_never_mixed(studio: Path, fake: FakeJudge, log: Log) -> None:
    """The judge's poll is closed from the start, an open poll of people's stays theirs, and the verdict counts none."""
    from promptlab.compare.verdict import verdict_of

    run = log.find_run("last")
    poll = log.open_poll(run.id, "light", by="ada")
    ask()
    assert [(each.opened_by, each.closed_at is None) for each in log.polls(run.id)] == [("ada", True), ("eye-1", False)]
    assert {ballot.poll_id for ballot in log.ballots(run.id)} != {poll.id}
    log.close_poll(poll.id)
    verdict = verdict_of(log, run.id, "light")
    assert all(each.wins == each.losses == 0 for each in verdict.standings)


def test_agreement_with_people_on_shared_pairs(studio: Path, fake: FakeJudge, log: Log) -> None:
    """Of three votes of people on judged pairs the judge said the same in two: share and alpha."""
    run = log.find_run("last")
    ask()
    votes = [each for ballot in log.ballots(run.id) for each in ballot.comparisons][:3]
    poll = log.open_poll(run.id, "light", by="ada")
    other = {"left": "right", "right": "left"}
    for place, each in enumerate(votes):
        said = each.outcome if place else other[each.outcome]
        swapped = Comparison(each.right_image, each.left_image, other[said])  # type: ignore[arg-type]
        log.cast(Ballot(new_id(), poll.id, "pair", "ada", (swapped,)))
    found = ask().agreement
    assert found is not None
    assert (found.pairs, found.share) == (3, pytest.approx(2 / 3))
    assert found.alpha is not None
    assert found.alpha < found.share


def test_a_number_of_pairs_is_balanced_and_a_larger_one_adds_to_it(studio: Path, log: Log) -> None:
    """The first N pairs hold every two values as often, and are the same in each run."""
    scenes = scenes_of(log, log.find_run("last").id, None)
    every = pairs_of(scenes)
    assert len(every) == 12  # four variants, two seeds
    assert pairs_of(scenes, 5) == every[:5]
    assert len({(pair.left_value, pair.right_value) for pair in every[:6]}) == 6


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ('{"choice": "A", "reason": "sharper"}', "first"),
        ('```json\n{"choice": "B"}\n```', "second"),
        ('I think {"reason": "both fine", "choice": "tie"}.', "tie"),
        ('{"choice": "bad"}', "bad"),
        (" B. ", "second"),
        ("Image A", "first"),
        ("Both bad", "bad"),
        ("A nice question, but B is sharper", None),
        ('{"choice": "C"}', None),
        ('{"choice": ["A"]}', None),
        ("{", None),
        ("", None),
    ],
)
def test_choices_are_read_and_never_guessed(text: str, choice: str | None) -> None:
    """JSON, also in a code block, or one bare word; a sentence that merely mentions an image is no answer."""
    assert choice_of(text) == choice


def test_an_answer_that_names_neither_image_is_paid_and_not_asked_again(
    studio: Path, fake: FakeJudge, cli: Cli
) -> None:
    """It is kept with its cost; its pair has no ballot, the rest goes on, exit 1; the next call sends nothing."""
    reply = {"choices": [{"message": {"content": "Both are lovely."}}], "usage": fake.usage}
    fake.misbehave = lambda number: (200, reply, {}) if number == 1 else "go on"
    told = cli(*WORDS)
    assert told.code == 1
    assert "the answer names neither image: 'Both are lovely.'" in told.out
    assert rows(studio, "SELECT answer, cost_usd FROM judge_calls WHERE outcome = 'unreadable'") == [
        ("Both are lovely.", pytest.approx(0.0044))
    ]
    sent = len(fake.requests)
    assert cli(*WORDS).code == 1
    assert len(fake.requests) == sent


# --- manners ------------------------------------------------------------------------------------------------------


def test_every_call_is_in_the_log_before_it_is_sent(studio: Path, fake: FakeJudge) -> None:
    """When the server reads a request, its row is there, may be billed, and holds the worst price."""
    seen: list[tuple[Any, ...]] = []

    def look(number: int) -> str:
        seen.append(rows(studio, "SELECT count(*), min(cost_usd_at_risk) FROM judge_calls WHERE may_be_billed = 1")[0])
        return "go on"

    fake.misbehave = look
    ask(jobs=1)
    worst = worst_usd("eye-1", "Which of the two images is better?", JudgePrice(2, 8))
    assert seen == [(1, worst)] * 8
    assert rows(studio, "SELECT count(*) FROM judge_calls WHERE may_be_billed = 1") == [(0,)]


def test_a_rejected_call_waits_and_is_sent_again(studio: Path, fake: FakeJudge) -> None:
    """429: the same idempotency key, another row, nothing at risk."""
    refusal = (429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
    fake.misbehave = lambda number: refusal if number <= 2 else "go on"
    found = ask(jobs=1)
    assert (found.judged, found.asked, found.exit_code) == (4, 10, 0)
    keys = [request["headers"]["Idempotency-Key"] for request in fake.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    sql = "SELECT outcome, may_be_billed FROM judge_calls ORDER BY rowid LIMIT 3"
    assert rows(studio, sql) == [("rejected", 0), ("rejected", 0), ("ok", 0)]


@pytest.mark.parametrize(
    "broken", [None, (502, b"<html>bad gateway", {}), (200, b"not json", {}), (200, {"id": 1}, {})]
)
def test_an_unknown_outcome_is_never_sent_again_unasked(studio: Path, fake: FakeJudge, cli: Cli, broken: Any) -> None:
    """The connection closed after the request, a gateway's error, an answer that can't be read: at risk, told, and
    only --retry-unknown asks again."""
    fake.misbehave = lambda number: broken if number == 1 else "go on"
    told = cli(*WORDS, "--jobs", "1")
    assert told.code == 1
    assert "1 call of unknown outcome may have been billed" in told.out
    worst = worst_usd("eye-1", "Which of the two images is better?", JudgePrice(2, 8))
    sql = "SELECT may_be_billed, cost_usd_at_risk FROM judge_calls WHERE outcome = 'unknown'"
    assert rows(studio, sql) == [(1, worst)]
    assert len(fake.requests) == 8
    later = json.loads(cli(*WORDS, "--json").out)
    assert (later["asked"], later["unknown"], later["open"]) == (0, 1, 0)
    again = json.loads(cli(*WORDS, "--retry-unknown", "--json").out)
    assert (again["asked"], again["judged"], again["exit_code"]) == (1, 4, 0)


def test_a_call_that_a_killed_process_had_in_flight_is_unknown(studio: Path, fake: FakeJudge, log: Log) -> None:
    """It may have been billed: it is not sent again, and stays at risk."""
    ask()
    log.execute("DELETE FROM votes")
    log.execute("UPDATE judge_calls SET ballot_id = NULL")
    log.execute("DELETE FROM ballots")
    log.execute("UPDATE judge_calls SET outcome = NULL, ended_at = NULL, answer = NULL, may_be_billed = 1 "
                "WHERE rowid = (SELECT min(rowid) FROM judge_calls)")  # fmt: skip
    found = ask()
    assert (found.asked, found.judged) == (0, 3)
    assert rows(studio, "SELECT count(*) FROM judge_calls WHERE outcome = 'unknown'") == [(1,)]
    assert len(fake.requests) == 8
    assert rows(studio, "SELECT count(*) FROM ballots") == [(3,)]  # from the answers that were there


@pytest.mark.parametrize("status", [401, 402])
def test_a_refused_key_stops_in_order(studio: Path, fake: FakeJudge, cli: Cli, status: int) -> None:
    """Exit 3, nothing more is sent, and nothing is at risk."""
    fake.misbehave = lambda number: (status, {"error": {"message": "no credits"}}, {})
    told = cli(*WORDS, "--jobs", "1")
    assert (told.code, len(fake.requests)) == (3, 1)
    assert "stopped: no credits" in told.out
    assert rows(studio, "SELECT total(may_be_billed) FROM judge_calls") == [(0.0,)]


def test_a_fatal_answer_costs_its_call_alone(studio: Path, fake: FakeJudge) -> None:
    """A 400 is not retried; its reason is told, the other pairs are judged."""
    fake.misbehave = lambda number: (400, {"error": {"message": "image too dark"}}, {}) if number == 1 else "go on"
    found = ask(jobs=1)
    assert (found.judged, found.exit_code, len(fake.requests)) == (3, 1, 8)
    assert found.reasons == ("1 × image too dark",)


def test_a_server_that_is_not_there_stops(studio: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Request after request that did not leave: exit 3, nothing at risk."""
    monkeypatch.setenv("PROMPTLAB_JUDGE_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr(judge_sender, "decide", _impatient)
    told = cli(*WORDS)
    assert told.code in (1, 3)
    assert rows(studio, "SELECT total(may_be_billed), count(cost_usd) FROM judge_calls") == [(0.0, 0)]


def _impatient(*args: Any, **options: Any) -> Any:
    from promptlab.http.retry_policy import Retries, decide

    return decide(*args, **options | {"retries": Retries(attempts=1)})


def test_two_processes_do_not_ask_at_once(studio: Path, fake: FakeJudge, log: Log) -> None:
    """While another one asks this model this question, exit 2; another question may be asked."""
    name = f"judge:eye-1:{prompt_sha256('Which of the two images is better?')}"
    log.claim(name, 0, "elsewhere|1|2#judge", 60)
    with pytest.raises(InputError, match="another process is asking eye-1"):
        ask()
    assert fake.requests == []
    assert ask(question="Which is sharper?").judged == 4
    assert log.holder(f"judge:eye-1:{prompt_sha256('Which is sharper?')}") is None
    assert owner_of("judge").endswith("#judge")


def test_a_process_that_lost_its_claim_stops(
    studio: Path, fake: FakeJudge, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspended for longer than its claim held, it sends nothing more: another one may have taken over."""
    import time

    monkeypatch.setattr(judge_sender, "_RENEW_S", 0.02)

    def steal(number: int) -> str:
        if number == 2:
            with Log.open(studio / "promptlab.db") as other:
                other.execute("UPDATE claims SET owner = 'elsewhere|1|2#judge'")
            time.sleep(0.3)
        return "go on"

    fake.misbehave = steal
    found = ask(jobs=1)
    assert (found.exit_code, found.asked) == (3, 2)
    assert found.stopped is not None
    assert "another process asks" in found.stopped


def test_interrupted_it_goes_on_where_it_was(studio: Path, fake: FakeJudge) -> None:
    """Ctrl-C lets what is in flight end; the same call does the rest."""
    import os
    import signal

    def stop(number: int) -> str:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return "go on"

    fake.misbehave = stop
    first = ask(jobs=1)
    assert first.exit_code == 130
    assert 3 <= first.asked < 8  # the signal may come a call late
    assert first.open == 4 - first.judged
    rest = ask()
    assert (rest.exit_code, rest.asked, rest.judged, rest.open) == (0, 8 - first.asked, 4, 0)


# --- money --------------------------------------------------------------------------------------------------------


def test_the_cost_is_logged_and_counts_as_spending(studio: Path, fake: FakeJudge, cli: Cli, log: Log) -> None:
    """2,000 tokens in and 50 out at 2 and 8 dollars a million: in the row, in `usage`, for caps."""
    found = ask()
    each = (2000 * 2 + 50 * 8) / 1e6
    assert found.cost_usd == pytest.approx(8 * each)
    assert found.cost_usd_at_most == pytest.approx(8 * each)
    sql = "SELECT DISTINCT input_tokens, output_tokens, cost_usd, cost_source FROM judge_calls"
    assert rows(studio, sql) == [(2000, 50, pytest.approx(each), "usage")]
    (spent,) = json.loads(cli("usage", "--by", "model", "--json").out)["rows"]
    assert (spent["key"], spent["generations"], spent["images"]) == ("eye-1", 8, 0)
    assert spent["cost_usd"] == spent["cost_usd_at_most"] == pytest.approx(8 * each)
    total = log.spent()
    assert (total.cost_usd_at_most, total.credits, total.credits_at_most) == (pytest.approx(8 * each), 0, 0)
    assert log.usage("experiment")[0].key == "signs"


def test_without_token_counts_the_worst_price_stays_at_risk(studio: Path, fake: FakeJudge, log: Log) -> None:
    """An answer that does not say what it cost may have cost the most."""
    fake.usage = None
    found = ask()
    worst = worst_usd("eye-1", "Which of the two images is better?", JudgePrice(2, 8))
    assert worst is not None
    assert (found.cost_usd, found.cost_usd_at_most) == (None, pytest.approx(8 * worst))
    assert log.spent().cost_usd_at_most == pytest.approx(8 * worst)


def test_a_budget_holds_before_each_call(studio: Path, fake: FakeJudge, cli: Cli) -> None:
    """The worst price of each call is reserved: no call is sent that could pass it; exit 3, resumable."""
    worst = worst_usd("eye-1", "Which of the two images is better?", JudgePrice(2, 8))
    assert worst is not None
    budget = f"{worst + 3 * 0.0044:.6f}usd"  # three calls at what they cost, and one more at its worst
    told = cli(*WORDS, "--budget", budget, "--json")
    found = json.loads(told.out)
    assert told.code == 3
    assert 1 <= len(fake.requests) <= 4
    assert found["cost_usd_at_most"] <= worst + 3 * 0.0044
    assert "the budget of" in found["stopped"]
    assert cli(*WORDS).code == 0


def test_the_studios_cap_counts_judges(studio: Path, fake: FakeJudge, cli: Cli) -> None:
    """What was spent today under the cap, judges included, leaves no room: exit 3 and nothing is sent."""
    (studio / "promptlab.yaml").write_text("provider: simulator\ncaps: {day: 0.047 USD}\n")
    assert cli(*WORDS).code == 0
    sent = len(fake.requests)
    told = cli(*WORDS, "--question", "Which is sharper?")
    assert (told.code, len(fake.requests)) == (3, sent)
    assert "the studio's daily cap of 0.05 USD is reached" in told.out


def test_an_unknown_price_asks_first(studio: Path, fake: FakeJudge, cli: Cli) -> None:
    """Without a price it is exit 2 unless --yes; with a budget it can't be kept at all."""
    words = [word for word in WORDS if word not in ("--price-in", "2", "--price-out", "8")]
    told = cli(*words)
    assert (told.code, "[not-confirmed]" in told.err, fake.requests) == (2, True, [])
    told = cli(*words, "--yes", "--budget", "1usd")
    assert (told.code, "[price-unknown]" in told.err, fake.requests) == (2, True, [])
    assert cli(*words, "--yes").code == 0
    assert rows(studio, "SELECT count(cost_usd), min(may_be_billed) FROM judge_calls") == [(0, 1)]


def test_an_expensive_judge_asks_first(studio: Path, fake: FakeJudge) -> None:
    """Above the studio's figure at the worst price, a yes is needed; a function may give it."""
    with pytest.raises(ConfirmationNeeded):
        ask(price_in=500.0, price_out=500.0)
    assert fake.requests == []
    asked: list[float | None] = []
    found = ask(price_in=500.0, price_out=500.0, confirm=lambda ahead: asked.append(ahead.cost_usd) or True)
    assert found.judged == 4
    assert asked[0] is not None
    assert asked[0] > 5


def test_prices_of_the_table_hold_for_openai_alone() -> None:
    """A gateway has its own prices; a dated model is the same model; every figure has a source and a date."""
    assert price_of("gpt-4.1-mini-2025-04-14", "https://api.openai.com/v1", None) == PRICES["gpt-4.1-mini"]
    assert price_of("gpt-4.1-mini", "https://gateway.example/v1", None) is None
    assert price_of("gpt-4.1-mini", "https://api.openai.com/v1", JudgePrice(1, 1)) == JudgePrice(1, 1)
    assert all(price.source and price.dated for price in PRICES.values())


def test_token_counts_are_read_under_either_name_and_junk_is_none() -> None:
    """prompt_tokens or input_tokens; what is no count is unknown, never 0."""
    assert usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}).usd(JudgePrice(1e6, 1e6)) == 7
    assert usage_of({"usage": {"input_tokens": 3, "output_tokens": 4}}).tokens_in == 3
    for junk in ({}, {"usage": None}, {"usage": {"prompt_tokens": "3", "completion_tokens": -1}}):
        assert usage_of(junk).usd(JudgePrice(1, 1)) is None


def test_a_forgotten_run_takes_its_judges_calls_along(studio: Path, fake: FakeJudge, cli: Cli) -> None:
    """Nothing of them is left behind."""
    ask()
    assert cli("forget", "last", "--yes").code == 0
    assert rows(studio, "SELECT (SELECT count(*) FROM judge_calls), (SELECT count(*) FROM ballots)") == [(0, 0)]


# --- addresses, keys, flags ---------------------------------------------------------------------------------------


def test_openais_key_never_goes_to_the_judges_own_address(
    studio: Path, fake: FakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PROMPTLAB_JUDGE_BASE_URL alone, on this machine, no key is sent at all."""
    monkeypatch.delenv("PROMPTLAB_JUDGE_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-others-0123456789")
    assert ask().judged == 4
    assert all("Authorization" not in request["headers"] for request in fake.requests)


def test_without_an_address_of_its_own_openais_is_used(
    studio: Path, fake: FakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENAI_BASE_URL and OPENAI_API_KEY; an address in promptlab.yaml is not asked: the key goes where the
    environment says."""
    for name in ("PROMPTLAB_JUDGE_BASE_URL", "PROMPTLAB_JUDGE_KEY"):
        monkeypatch.delenv(name)
    (studio / "promptlab.yaml").write_text("providers: {openai: {base_url: 'http://127.0.0.1:9/v1'}}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", fake.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    assert ask().judged == 4
    assert fake.requests[0]["headers"]["Authorization"] == "Bearer sk-0123456789"


def test_a_missing_key_says_which_variables_there_are(studio: Path, cli: Cli) -> None:
    """Exit 2 before anything is read or sent."""
    told = cli(*WORDS)
    assert told.code == 2
    assert "PROMPTLAB_JUDGE_KEY, else OPENAI_BASE_URL and OPENAI_API_KEY" in told.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("score", "last", "--judge", "eye-1"), "name the axis to compare: --by AXIS"),
        (("score", "last", "--judge", "eye-1", "--by", "ligth"), "did you mean 'light'?"),
        (("score", "last", "--judge", "eye 1", "--by", "light"), "can't be the name of a model"),
        (("score", "last", "--judge", "eye-1", "--by", "light", "--question", " "), "the question is empty"),
        (("score", "last", "--judge", "eye-1", "--by", "light", "--price-in", "2"), "a price needs both"),
        (("score", "last", "--judge", "eye-1", "--by", "light", "--check"), "call `score` twice"),
        (("score", "last", "--by", "light"), "--by is for a judge"),
        ((*WORDS, "--budget", "400cr"), "a judge is paid in dollars"),
    ],
)
def test_wrong_flags_say_what_to_write(fake: FakeJudge, cli: Cli, words: tuple[str, ...], message: str) -> None:
    """Exit 2, and nothing is sent."""
    told = cli(*words)
    assert (told.code, message in told.err, fake.requests) == (2, True, []), told.err


def test_criteria_are_part_of_the_question() -> None:
    """Several, or separated by commas."""
    assert with_criteria("Which?", ["legible, calm", "on brand"]) == "Which? Judge by: legible, calm, on brand."
    assert with_criteria("Which?", []) == "Which?"


def test_what_was_said_is_told(studio: Path, fake: FakeJudge, cli: Cli) -> None:
    """Votes, ties, position bias, agreement and cost, in words."""
    told = cli(*WORDS)
    assert told.code == 0
    assert "eye-1 on light: 4 of 4 pairs judged" in told.out
    assert "the image shown first was chosen in 50%" in told.out
    assert "agreement with people: nobody has voted on these pairs" in told.out
    assert "cost: ~$0.0352; 8 calls sent" in told.out


def test_it_works_beside_a_running_loop(studio: Path, fake: FakeJudge) -> None:
    """In a notebook or a server a loop is running already: the judge gets a thread of its own."""
    import asyncio

    async def notebook() -> int:
        return ask(pairs=1).judged

    assert asyncio.run(notebook()) == 1


def test_what_a_server_says_cant_steer_the_terminal(studio: Path, fake: FakeJudge, cli: Cli) -> None:
    """Escapes of an answer are shown, not obeyed."""
    reply = {"choices": [{"message": {"content": "\x1b]0;owned\x07 both"}}]}
    fake.misbehave = lambda number: (200, reply, {})
    assert "\x1b" not in cli(*WORDS, "--pairs", "1").out
