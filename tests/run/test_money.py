"""Budgets, caps, limits, confirmation and alerts: no ceiling is passed, and every place says the same figures."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import BudgetReached
from promptlab.model import Amount
from promptlab.run import driver
from promptlab.run.alerts import passed, unusual
from promptlab.run.budget import Budget, Cap, at_risk, more_expensive
from promptlab.run.events import Message

AT = "2026-11-22T12:00:00.000Z"


@pytest.mark.parametrize(
    ("budget", "images"), [("500cr", 10), ("520cr", 10), ("2.5usd", 5), ("0.4usd", 0), ("49cr", 0)]
)
def test_a_budget_is_never_passed_at_full_concurrency(lab: Any, api: Any, budget: str, images: int) -> None:
    """The worst price of what is in flight is reserved before each send; exit 3, and `resume` goes on."""
    api.behave = lambda call: api.act(delay=0.02)
    lab.experiment(20)
    summary = lab.run(budget=Amount.parse(budget))
    assert (api.made, summary.completed, summary.unsent, summary.exit_code) == (images, images, 20 - images, 3)
    assert "the budget" in str(summary.stopped)
    assert lab.resume().completed == 20
    lab.holds()


def test_a_budget_counts_what_may_have_been_billed(lab: Any, api: Any) -> None:
    """Attempts of unknown outcome use the budget up; rejected ones give it back."""
    api.behave = lambda call: (
        api.act(reset=True) if call.number < 4
        else api.act() if call.again
        else api.error(429, "rate_limited", retry_after_ms="20")
    )  # fmt: skip
    lab.experiment(20)
    summary = lab.run(budget=Amount(credits=500))
    assert (summary.unknown, summary.completed, api.made) == (4, 6, 10)
    assert (summary.credits, summary.credits_at_most) == (300, 500)
    lab.holds()


@pytest.mark.parametrize("cap", ["day: 600cr", "month: 6usd"])
def test_a_studio_s_cap_holds_for_two_processes_at_once(lab: Any, api: Any, cap: str) -> None:
    """What another process has in flight counts as well: together they stay below the cap, and both exit 3."""
    api.behave = lambda call: api.act(delay=0.05)
    lab.settings("plans: {enterprise: {concurrent: 16, usd_per_credit: 0.01}}\ncaps: {" + cap + "}\n")
    lab.experiment(20, name="one", prompt='"one {{ i }}"')
    lab.experiment(20, name="two", prompt='"two {{ i }}"')
    both = [lab.start("run", f"experiments/{name}.yaml", "--yes") for name in ("one", "two")]
    assert [lab.end(process)[0] for process in both] == [3, 3]
    assert api.made == 12
    assert lab.statuses() == {"completed": 12, "planned": 28}
    lab.holds()


def test_a_budget_in_a_unit_without_a_price_is_refused_before_anything_is_sent(lab: Any, api: Any) -> None:
    """It would protect nothing: exit 2."""
    lab.experiment(2)
    code, _, err = lab.cli("run", "experiments/exp.yaml", "--yes", "--budget", "5usd", KAIRVAL_PLAN="")
    assert code == 2
    assert "in dollars is unknown" in err
    assert not api.calls


@pytest.mark.parametrize(
    ("limits", "message"),
    [("{images: 7}", "8 images"), ("{requests: 7}", "8 requests"), ("{cost: 3 USD}", "4.00 USD"),
     ("{cost: 399 credits}", "400 credits")],
)  # fmt: skip
def test_an_experiment_s_limits_are_checked_before_anything_is_sent(
    lab: Any, api: Any, limits: str, message: str
) -> None:
    """Exit 2 with the figure and the limit, at the limit's place."""
    lab.experiment(8, limits=limits)
    code, _, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert code == 2
    assert message in err
    assert "exp.yaml:" in err
    assert not api.calls


def test_an_expensive_run_is_confirmed_first(lab: Any, api: Any) -> None:
    """Above 5 USD, or of unknown price: without a terminal and --yes it is exit 2, and nothing is sent."""
    lab.experiment(11)
    code, _, err = lab.cli("run", "experiments/exp.yaml")
    assert (code, len(api.calls)) == (2, 0)
    assert "5.50" in err
    code, _, _ = lab.cli("run", "experiments/exp.yaml", KAIRVAL_PLAN="")
    assert (code, len(api.calls)) == (2, 0)
    code, _, _ = lab.cli("run", "experiments/exp.yaml", "--limit", "10")
    assert (code, len(api.calls)) == (0, 10)


def test_every_place_says_the_same_figures(lab: Any, api: Any) -> None:
    """Summary, runs, `usage` and the view `spending`: cost of results, and the most that can have been billed."""
    api.behave = lambda call: api.act(reset=True) if call.number % 4 == 0 else api.act()
    lab.experiment(16)
    code, out, _ = lab.cli("run", "experiments/exp.yaml", "--yes", "--json")
    summary = json.loads(out)
    assert (code, summary["credits"], summary["credits_at_most"]) == (1, 600, 800)
    assert (summary["cost_usd"], summary["cost_usd_at_most"]) == pytest.approx((6.0, 8.0))
    assert lab.rows("SELECT credits, cost_usd FROM runs") == [(600.0, pytest.approx(6.0))]
    code, out, _ = lab.cli("usage", "--json")
    total = json.loads(out)["total"]
    names = ("credits", "cost_usd", "credits_at_most", "cost_usd_at_most", "attempts_at_risk")
    assert {name: total[name] for name in names} == {name: summary[name] for name in names}
    found = lab.rows("SELECT sum(credits), sum(cost_usd), sum(credits_at_most), sum(cost_usd_at_most) FROM spending")
    assert found[0] == pytest.approx((600, 6.0, 800, 8.0))


def test_alerts_are_said_once_as_the_run_goes_and_delivered_once_at_its_end(lab: Any, api: Any) -> None:
    """The experiment's own, and the studio's, to its command and its webhook; not again for a cached run."""
    told = lab.folder / "told.txt"
    script = lab.folder / "tell.sh"
    script.write_text(f'#!/bin/sh\ncat >> {told}\nenv | grep -c "KAIRVAL_API_KEY" >> {told}\n')
    script.chmod(0o755)
    lab.settings(
        "plans: {enterprise: {concurrent: 8, usd_per_credit: 0.01}}\n"
        f"alerts: {{cost: [400 credits, 100 USD], command: [{script}], webhook: {api.url}/alert}}\n"
    )
    lab.experiment(10, alerts="{cost: 2 USD}")
    lab.run()
    said = [event.text for event in lab.events if isinstance(event, Message)]
    assert next(text for text in said if "this run has cost" in text).endswith("which reaches the alert at 2.00 USD")
    lines = told.read_text().splitlines()
    assert lines == [
        "this month has cost 500 credits, which reaches the alert at 400 credits",
        "this run has cost 5.00 USD, which reaches the alert at 2.00 USD",
        "0",
    ]
    alerts = [call for call in api.calls if call.path == "/alert"]
    assert len(alerts) == 1
    assert "the alert" in alerts[0].body["text"]
    assert "authorization" not in alerts[0].headers
    lab.run()
    assert len([call for call in api.calls if call.path == "/alert"]) == 1
    code, _, err = lab.cli("usage")
    assert code == 0
    assert "the alert at 400 credits" in err


def test_an_alert_that_cannot_be_told_is_a_sentence_and_no_failure(lab: Any, api: Any) -> None:
    """The run's own result stays what it is."""
    lab.settings(
        "plans: {enterprise: {concurrent: 8}}\n"
        "alerts: {cost: [50 credits], command: [/no/such/command], webhook: 'http://127.0.0.1:9/x'}\n"
    )
    lab.experiment(2)
    assert lab.run().exit_code == 0
    said = [event.text for event in lab.events if isinstance(event, Message)]
    assert any("/no/such/command" in text and "failed" in text for text in said)
    assert any("webhook could not be reached" in text for text in said)


@pytest.mark.parametrize(
    ("today", "past", "stands_out"),
    [
        (1000, [100] * 7, True),
        (1000, [100] * 6, False),
        (199, [100] * 7, False),
        (300, [80, 120, 90, 110, 100, 105, 95], True),
        (300, [50, 400, 20, 300, 100, 250, 10], False),
        (1000, [100] * 4 + [0] * 10, False),
    ],
)
def test_a_day_is_unusual_by_the_modified_z_score(today: float, past: list[float], stands_out: bool) -> None:
    """Over 3.5, at least twice the median, and never before a week of days with spending."""
    assert (unusual(today, past) is not None) == stands_out


@pytest.mark.parametrize(
    ("credits", "usd", "count"),
    [(None, None, 0), (99, 0.99, 0), (100, None, 1), (100, 1.0, 2), (1e6, 0.5, 1)],
)
def test_a_threshold_is_passed_in_its_own_unit(credits: float | None, usd: float | None, count: int) -> None:
    """An unknown cost passes nothing."""
    found = list(passed([Amount(credits=100), Amount(usd=1)], credits, usd, "this month"))
    assert len(found) == count


@given(
    st.lists(st.tuples(st.integers(1, 400), st.sampled_from(["result", "risk", "nothing"])), max_size=60),
    st.integers(0, 3000),
    st.integers(1, 9),
)
def test_whatever_the_outcomes_no_cap_is_passed(sends: list[tuple[int, str]], ceiling: int, at_once: int) -> None:
    """What is spent, at risk and in flight never exceeds the ceiling, in any order of ends."""
    budget = Budget([Cap("the budget", Amount(credits=float(ceiling)))])
    flying: list[tuple[int, str]] = []
    spent = 0.0
    for price, outcome in sends:
        verdict, cap = budget.reserve(Amount(credits=price), AT)
        if verdict == "granted":
            flying.append((price, outcome))
        else:
            assert cap is budget.caps[0]
            assert spent + sum(p for p, _ in flying) + price > ceiling
            assert (verdict == "wait") == bool(flying and spent + price <= ceiling)
        if len(flying) >= at_once or verdict == "wait":
            ended, how = flying.pop(0)
            cost = 0.0 if how == "nothing" else float(ended)
            budget.settle(Amount(credits=ended), [Amount(credits=cost)] if cost else [], AT)
            spent += cost
        assert spent + sum(p for p, _ in flying) <= ceiling


def test_a_price_nobody_knows_reserves_nothing() -> None:
    """The cap stops the run instead of pretending."""
    with pytest.raises(BudgetReached, match="unknown"):
        Budget([Cap("the budget", Amount(usd=1))]).reserve(Amount(credits=5), AT)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.integers(1, 400), st.sampled_from(["result", "risk", "nothing", "silent"]),
            st.booleans(),
        ),
        max_size=50,
    ),
    st.integers(0, 1500),
)  # fmt: skip
def test_no_day_s_cap_is_passed_by_two_processes_over_midnights(
    sends: list[tuple[int, int, str, bool]], ceiling: int
) -> None:
    """Each attempt counts on the day it was sent, whatever is in flight at midnight and however it ends."""
    logged: list[list[Any]] = []  # day, what it may cost: the log that both processes read

    def count(since: str) -> float:
        return float(sum(cost for day, cost in logged if day >= since))

    both = [Budget([Cap("the cap", Amount(credits=float(ceiling)), count=count, period="day")]) for _ in range(2)]
    flying: list[tuple[Budget, list[Any], int, str]] = []
    day = 1
    for who, price, outcome, midnight in sends:
        day += midnight
        at = f"2026-11-{day:02d}T12:00:00.000Z"
        both[who].refresh()
        if both[who].reserve(Amount(credits=price), at)[0] == "granted":
            row = [at[:10], float(price)]
            logged.append(row)
            flying.append((both[who], row, price, outcome))
        if len(flying) > 5:
            budget, row, price, outcome = flying.pop(0)
            spent = {"nothing": [], "silent": [Amount()]}.get(outcome, [Amount(credits=price)])
            row[1] = 0.0 if outcome == "nothing" else row[1]
            budget.settle(Amount(credits=price), spent, f"{row[0]}T12:00:00.000Z")
        totals: dict[str, float] = {}
        for on, cost in logged:
            totals[on] = totals.get(on, 0.0) + cost
        assert max(totals.values(), default=0.0) <= ceiling


@pytest.mark.parametrize(
    ("cost", "price", "missing", "expected"),
    [
        (Amount(usd=1, credits=50), Amount(usd=1, credits=50), 0.0, None),
        (Amount(), Amount(usd=1), 0.0, Amount(usd=1)),
        (Amount(), Amount(), 0.0, Amount()),
        (Amount(usd=1), Amount(usd=2), 0.0, None),
        (Amount(usd=1), Amount(usd=2, credits=50), 0.0, Amount(usd=0, credits=50)),
        (Amount(credits=50), Amount(credits=50), 0.0, None),
        (Amount(usd=0.5, credits=50), Amount(usd=1, credits=100), 0.5, Amount(usd=0.5, credits=50)),
    ],
)
def test_what_an_answer_leaves_open_is_at_risk_at_the_worst_price(
    cost: Amount, price: Amount, missing: float, expected: Amount | None
) -> None:
    """In each unit for itself: all of the price where it says nothing, the missing images' part of it else."""
    assert at_risk(cost, price, missing) == expected


@pytest.mark.parametrize(
    ("cost", "price", "said"),
    [
        (Amount(credits=80), Amount(credits=50), "80 credits"),
        (Amount(usd=0.5), Amount(usd=0.4, credits=50), "0.50 USD"),
        (Amount(credits=50), Amount(credits=50), None),
        (Amount(usd=0.4003), Amount(usd=0.4), None),
        (Amount(credits=80), Amount(usd=1), None),
        (Amount(), Amount(credits=50), None),
    ],
)
def test_an_answer_is_above_its_price_by_more_than_rounding(cost: Amount, price: Amount, said: str | None) -> None:
    """A difference of a hundredth is not a reason to stop; what is unknown is compared with nothing."""
    found = more_expensive(cost, price)
    assert found is None if said is None else said in str(found)


def test_an_attempt_committed_after_midnight_holds_no_money_of_the_new_day() -> None:
    """It was made just before, and commits are shared: what it reserved would never be given back."""
    cap = Cap("a cap", Amount(credits=100), period="day")
    budget, price = Budget([cap]), Amount(credits=60)
    assert budget.verdict(price, "2026-11-23T00:00:00.001Z")[0] == "granted"
    assert budget.reserve(price, "2026-11-22T23:59:59.999Z")[0] == "granted"
    budget.settle(price, [price], "2026-11-22T23:59:59.999Z")
    assert (cap.used, cap.reserved) == (0.0, 0.0)


def test_a_fault_in_a_worker_ends_the_run_while_images_are_still_collected(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What still collects is waited for, with the decoder it needs: this once hung, one time in three."""
    api.behave = lambda call: api.act(files=("slow",))
    lab.experiment(12)
    known = driver.worst_price  # type: ignore[attr-defined]
    priced: list[Any] = []

    def faulty(endpoint: Any, request: Any) -> Amount:
        priced.append(request)
        if len(priced) == 6:
            raise RuntimeError("a fault of ours")
        return known(endpoint, request)

    monkeypatch.setattr(driver, "worst_price", faulty)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            lab.run()
        except RuntimeError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    assert [str(error) for error in ended] == ["a fault of ours"]
    assert lab.one("SELECT count(*) FROM images WHERE status = 'stored'") == api.made
