"""Eight ways to spend money, against a server that counts what it bills.

In each no ceiling is passed, and summary, SQL, `usage` and the server say the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.run.summary import Summary

HIGH = "{quality: high, size: 1024x1024}"  # 0.21072 USD an image by OpenAI's table, gpt-image-2


@dataclass
class Till:
    """What the server bills: so much for each image that it makes, by model; it may say so in its answers."""

    api: Any
    prices: dict[str, float] = field(default_factory=dict)
    price: float = 50.0
    says: str | None = None  # the key of an answer that says its cost
    billed: float = 0.0
    act: dict[str, Any] = field(default_factory=dict)

    def __call__(self, call: Any) -> Any:
        n = int(call.body.get("n") or 1)
        cost = self.prices.get(str(call.body.get("model")), self.price) * n
        self.billed += cost
        return self.api.act(delay=0.01, more={self.says: cost} if self.says else {}, **self.act)


@pytest.fixture
def till(api: Any) -> Till:
    api.behave = made = Till(api)
    return made


@pytest.fixture
def openai(lab: Any, api: Any) -> Any:
    """The lab with an OpenAI-compatible server, which may be silent about its cost."""
    lab.environ |= {"OPENAI_BASE_URL": f"{api.url}/v1", "OPENAI_API_KEY": "sk-" + "a1b2" * 8}
    return lab


def agrees(lab: Any, till: Till, unit: str, summaries: list[Summary]) -> None:
    """Every bound holds what the server billed, and every place says the same bounds."""
    low = sum(getattr(summary, unit) or 0.0 for summary in summaries)
    most = sum(getattr(summary, f"{unit}_at_most") for summary in summaries)
    assert low - 1e-6 <= till.billed <= most + 1e-6
    with lab.studio().log() as log:
        spent = log.spent()
        assert getattr(spent, f"{unit}_at_most") == pytest.approx(most)
        assert (getattr(spent, unit) or 0.0) == pytest.approx(low)
        used = log.usage("experiment")
    assert sum(getattr(row, f"{unit}_at_most") for row in used) == pytest.approx(most)
    view = lab.rows(f"SELECT total({unit}), total({unit}_at_most) FROM spending")[0]
    assert view == pytest.approx((low, most))
    assert sum(lab.rows(f"SELECT ifnull({unit}, 0) FROM runs")) == pytest.approx(low)


def test_a_silent_server_counts_at_the_worst_price_under_a_daily_cap(openai: Any, till: Till) -> None:
    """No usage in the answers: three runs stay below the day's cap together, and the bound is what was reserved."""
    till.price = 0.21072
    openai.settings("caps: {day: 1 USD}\n")
    summaries = []
    for name in ("one", "two", "three"):
        openai.experiment(3, name=name, provider="openai", params=HIGH, prompt=f'"{name} {{{{ i }}}}"')
        summaries.append(openai.run(name))
    assert till.billed <= 1.0
    assert [summary.completed for summary in summaries] == [3, 1, 0]
    assert [summary.exit_code for summary in summaries] == [0, 3, 3]
    assert (summaries[0].cost_usd, summaries[0].attempts_at_risk) == (None, 3)
    agrees(openai, till, "cost_usd", summaries)


def test_a_budget_holds_across_resumes_of_a_silent_server(openai: Any, till: Till) -> None:
    """What the first runs may have cost counts when the run is resumed under the same budget."""
    till.price = 0.21072
    openai.experiment(12, provider="openai", params=HIGH)
    summary = openai.run(budget="1usd")
    assert summary.completed == 4
    for _ in range(2):
        summary = openai.resume(budget="1usd")
        assert (summary.completed, summary.exit_code) == (4, 3)
    summary = openai.resume(budget="1.5 usd")
    assert summary.completed == 7
    assert till.billed <= 1.5
    agrees(openai, till, "cost_usd", [summary])


class Clock:
    """The time as attempts and caps read it; it goes on by itself after so many attempts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *days: tuple[int, str]) -> None:
        self.days = list(days)
        self.read = 0
        for module in ("run.driver", "run.wiring", "studio.consent"):
            monkeypatch.setattr(f"promptlab.{module}.utc_now", self)

    def __call__(self) -> str:
        self.read += 1
        while len(self.days) > 1 and self.read > self.days[0][0]:
            self.read -= self.days.pop(0)[0]
        return f"{self.days[0][1]}T12:00:00.000Z"


def test_each_attempt_counts_on_its_own_day_over_midnight(
    lab: Any, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on over midnight has a new day's cap, and what was in flight counts on the day it was sent."""
    Clock(monkeypatch, (14, "2026-11-22"), (10**6, "2026-11-23"))
    lab.settings("plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\ncaps: {day: 400cr}\n")
    lab.experiment(30)
    summary = lab.run()
    days = dict(lab.rows("SELECT day, credits_at_most FROM spending"))
    sent = dict(lab.rows("SELECT substr(started_at, 1, 10), 50.0 * count(*) FROM attempts GROUP BY 1"))
    assert days == sent
    assert set(days) == {"2026-11-22", "2026-11-23"}
    assert max(days.values()) <= 400
    assert days["2026-11-23"] == 400
    agrees(lab, till, "credits", [summary])


def test_what_failed_yesterday_and_is_sent_today_counts_today(
    lab: Any, api: Any, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs' refused requests are resumed a day later: the day's cap counts every one of them."""
    Clock(monkeypatch, (10**6, "2026-11-22"))
    lab.settings("plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\ncaps: {day: 250cr}\n")
    api.behave = lambda call: api.error(400, "invalid_request")
    for name in ("one", "two"):
        lab.experiment(4, name=name, prompt=f'"{name} {{{{ i }}}}"')
        lab.run(name)
    with lab.studio().log() as log:  # refused for good by its class; the person mended it and sends it again
        log.execute("UPDATE attempts SET outcome = 'rejected'")
    Clock(monkeypatch, (10**6, "2026-11-23"))
    api.behave = till
    summaries = [lab.resume("one"), lab.resume("two")]
    assert [summary.completed for summary in summaries] == [4, 1]
    assert lab.rows("SELECT day, credits FROM spending") == [("2026-11-23", 200.0), ("2026-11-23", 50.0)]
    assert till.billed == 250
    agrees(lab, till, "credits", summaries)


@pytest.mark.parametrize(
    ("options", "settings"),
    [({"budget": "400cr"}, ""), ({"budget": "4usd"}, ""), ({}, "caps: {day: 400cr}\n"), ({}, "caps: {month: 9 USD}\n")],
)
def test_one_unknown_price_under_a_ceiling_is_refused_before_anything_is_sent(
    lab: Any, till: Till, api: Any, options: dict[str, Any], settings: str
) -> None:
    """The price of one request in twelve depends on its ratio and is in no table: it is named, with what to do."""
    lab.settings(
        "plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\n"
        "providers: {kairval: {prices: [{model: odd, aspect_ratio: '1:1', credits: 50}]}}\n" + settings
    )
    lab.experiment(
        12, params="{model: odd, aspect_ratio: '1:1'}", override="[{match: {i: 4}, params: {aspect_ratio: '16:9'}}]"
    )
    with pytest.raises(InputError, match=r"model odd, aspect_ratio 16:9.* is unknown") as error:
        lab.run(**options)
    assert error.value.problems[0].code == "price-unknown"
    assert not api.calls
    assert not lab.database.exists()


def test_short_answers_leave_what_did_not_come_at_risk(lab: Any, till: Till) -> None:
    """Two of four images come, and the server bills four: the budget counts four."""
    till.act = {"images": 2}
    lab.experiment(10, params="{n: 4}")
    summary = lab.run(budget="1000cr")
    assert till.billed <= 1000
    assert (summary.completed, summary.images, summary.credits, summary.credits_at_most) == (5, 10, 500, 1000)
    agrees(lab, till, "credits", [summary])


def test_overrides_with_other_models_are_reserved_at_their_own_prices(lab: Any, till: Till) -> None:
    """One model costs six times the other: whichever is next, no request is sent that would pass the budget."""
    till.prices = {"big": 300.0}
    lab.settings(
        "plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\n"
        "providers: {kairval: {prices: [{model: big, credits: 300}]}}\n"
    )
    lab.experiment(12, override="[{match: {i: [1, 2, 7]}, params: {model: big}}]")
    summary = lab.run(budget="700cr")
    assert till.billed <= 700
    assert summary.exit_code == 3
    agrees(lab, till, "credits", [summary])
    summary = lab.resume()
    assert (summary.completed, till.billed) == (12, 9 * 50 + 3 * 300)
    agrees(lab, till, "credits", [summary])


@pytest.mark.parametrize("budget", ["2000cr", None])
def test_an_answer_above_its_table_price_stops_the_run_with_the_reason(
    lab: Any, till: Till, api: Any, budget: str | None
) -> None:
    """What was in flight by then is the most that can go over: concurrency × (answer − table)."""
    till.price, till.says = 80.0, "credits"
    lab.settings("plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\n")
    lab.experiment(40)
    summary = lab.run(budget=budget)
    assert (summary.status, summary.exit_code) == ("stopped", 3)
    assert "an answer cost 80 credits, and its price by the table is 50 credits" in str(summary.stopped)
    assert len(api.calls) <= 8
    assert till.billed == summary.credits == 80 * summary.completed
    agrees(lab, till, "credits", [summary])
    lab.settings(
        "plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\n"
        "providers: {kairval: {prices: [{model: gpt-image-2, credits: 80}]}}\n"
    )
    summary = lab.resume(budget=budget)
    assert till.billed <= 2000 if budget else summary.completed == 40
    agrees(lab, till, "credits", [summary])


def test_a_cap_is_passed_by_no_more_than_what_was_in_flight(lab: Any, till: Till) -> None:
    """The bound that the documentation gives, at full concurrency, with a cap that is nearly used up."""
    till.price, till.says = 80.0, "credits"
    lab.settings("plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\ncaps: {day: 200cr}\n")
    lab.experiment(40)
    summaries = [lab.run()]
    assert till.billed <= 200 + 4 * (80 - 50)
    lab.experiment(40, name="more", prompt='"more {{ i }}"')
    summaries.append(lab.run("more"))
    assert summaries[1].completed == 0 or till.billed <= 200 + 4 * (80 - 50)
    agrees(lab, till, "credits", summaries)


@pytest.mark.storm
def test_three_processes_two_resumes_and_a_cap(lab: Any, till: Till) -> None:
    """One key, one log, three programs at once, one of them killed and resumed: together below the day's cap."""
    lab.settings("plans: {enterprise: {concurrent: 6, usd_per_credit: 0.01}}\ncaps: {day: 1000cr}\n")
    names = ("one", "two", "three")
    for name in names:
        lab.experiment(20, name=name, prompt=f'"{name} {{{{ i }}}}"')
    started = [lab.start("run", f"experiments/{name}.yaml", "--yes") for name in names]
    lab.wait_for(lambda: till.billed >= 300)
    started[0].kill()
    started[0].communicate()
    codes = [lab.end(process)[0] for process in started[1:]]
    assert set(codes) <= {0, 3}
    for name in names:
        lab.cli("resume", name, "--yes")
    assert till.billed <= 1000
    code, out, _ = lab.cli("usage", "--json")
    total = json.loads(out)["total"]
    assert code == 0
    assert total["credits"] <= till.billed <= total["credits_at_most"] <= 1000
    assert lab.rows("SELECT sum(credits), sum(credits_at_most) FROM spending")[0] == pytest.approx(
        (total["credits"], total["credits_at_most"])
    )
