"""What the command line refuses, asks and checks, `run` and `resume` do too: there is one way to spend money."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlab.errors import ConfirmationNeeded, InputError
from promptlab.model import Amount
from promptlab.run.runner import resume, run
from promptlab.studio.consent import Ahead
from promptlab.studio.options import Options
from promptlab.studio.prepare import prepare
from promptlab.studio.preview import preview


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"limits": "{images: 1}"}, "limits.images is 1"),
        ({"limits": "{cost: 1 USD}"}, "limits.cost is 1.00 USD"),
        ({"files": "same.{ext}"}, "would both be called"),
    ],
)
def test_a_run_from_python_is_checked_like_one_from_the_command_line(
    lab: Any, api: Any, more: dict[str, str], message: str
) -> None:
    """Limits, names that collide: InputError with every problem, nothing sent and nothing written."""
    lab.experiment(4, **more)
    with pytest.raises(InputError, match=message):
        run(lab.job(), Options(yes=True))
    assert not api.calls
    assert not lab.database.exists()


ODD = "providers: {kairval: {prices: [{model: odd, aspect_ratio: '1:1', credits: 50}]}}\n"


@pytest.mark.parametrize(("limit", "unit"), [("3 USD", "dollars"), ("300 credits", "credits")])
def test_a_limit_of_cost_is_not_switched_off_by_one_unknown_price(lab: Any, api: Any, limit: str, unit: str) -> None:
    """The request is named at the limit's line, by `plan` and `run`; once the log answers it, it prevents nothing."""
    lab.settings("plans: {enterprise: {concurrent: 4, usd_per_credit: 0.01}}\n" + ODD)
    text = {
        "params": "{model: odd, aspect_ratio: '1:1'}",
        "override": "[{match: {i: 2}, params: {aspect_ratio: '4:3'}}]",
    }
    lab.experiment(4, limits=f"{{cost: {limit}}}", **text)
    for words in (("plan", "experiments/exp.yaml"), ("run", "experiments/exp.yaml", "--yes")):
        code, out, err = lab.cli(*words)
        assert code == 2
        assert "exp.yaml:2:" in out + err
        assert f"model odd, aspect_ratio 4:3 in {unit} is unknown" in out + err
        assert "[price-unknown]" in out + err
    assert not api.calls
    lab.experiment(4, **text)
    lab.run()
    lab.experiment(5, limits=f"{{cost: {limit}}}", **text)
    assert run(lab.job(), Options(budget="60cr")).completed == 5


def test_the_simulator_s_unknown_dollars_switch_no_limit_on(lab: Any) -> None:
    """What costs nothing is under every limit whose figure is not known."""
    lab.environ["KAIRVAL_PLAN"] = ""
    lab.experiment(2, provider="simulator", limits="{cost: 1 USD}")
    assert run(lab.job()).completed == 2


def test_a_prompt_that_is_too_long_is_refused_from_python(lab: Any, api: Any) -> None:
    """The provider's own bound on a prompt, as `plan` says it."""
    lab.environ |= {"OPENAI_BASE_URL": f"{api.url}/v1", "OPENAI_API_KEY": "sk-" + "a1b2" * 8}
    lab.experiment(1, provider="openai", prompt="\"{{ i }}{{ 'x' * 40000 }}\"", params="{quality: low}")
    with pytest.raises(InputError, match=r"prompt|characters"):
        run(lab.job(), Options(yes=True))
    assert not api.calls


@pytest.mark.parametrize(("plan", "price"), [("enterprise", "~5.50 USD"), ("", "dollars unknown")])
def test_what_costs_much_or_an_unknown_sum_needs_a_confirmation(lab: Any, api: Any, plan: str, price: str) -> None:
    """Without one it raises, with the estimate and what to pass; the log is not even made."""
    lab.environ["KAIRVAL_PLAN"] = plan
    lab.experiment(11)
    with pytest.raises(ConfirmationNeeded) as error:
        run(lab.job())
    assert error.value.exit_code == 2
    for text in ("550 credits", price, "Options(yes=True)", "confirm="):
        assert text in str(error.value)
    assert not api.calls
    assert not lab.database.exists()


def test_a_confirmation_is_asked_once_and_its_answer_counts(lab: Any, api: Any) -> None:
    """`confirm` gets the estimate; anything but a yes leaves everything as it is."""
    lab.experiment(11)
    asked: list[Ahead] = []

    def no(ahead: Ahead) -> bool:
        asked.append(ahead)
        return False

    with pytest.raises(ConfirmationNeeded, match="nothing was sent"):
        run(lab.job(), confirm=no)
    assert asked == [Ahead(11, "kairval", False, 550.0, 5.5)]
    assert not api.calls
    assert run(lab.job(), confirm=lambda ahead: True).completed == 11
    assert run(lab.job(), confirm=no).cached == 11
    assert len(asked) == 1


def test_a_preview_that_is_there_is_not_computed_again(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`found` is used; its limits are checked all the same, and one that was made otherwise is not used."""
    counted = []

    def counting(*args: Any, **more: Any) -> Any:
        counted.append(1)
        return preview(*args, **more)

    monkeypatch.setattr("promptlab.run.runner.preview", counting)
    lab.experiment(2)
    job = lab.job()
    assert run(job, found=preview(job, None)).completed == 2
    assert not counted
    assert run(job, Options(fresh=True), found=preview(job, None)).completed == 2
    assert len(counted) == 1
    lab.experiment(3, limits="{images: 2}")
    job = lab.job()
    with pytest.raises(InputError, match=r"limits\.images is 2"):
        run(job, found=preview(job, None, enforce_limits=False))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 3}, "budget: 3 is not an amount"),
        ({"budget": "lots"}, "budget: 'lots' is not an amount"),
        ({"budget": Amount()}, "either dollars or credits"),
        ({"budget": Amount(usd=float("nan"))}, "not negative"),
        ({"jobs": "two"}, "jobs: 'two' is not a whole number from 1 up"),
        ({"jobs": 0}, "jobs: 0"),
        ({"jobs": True}, "jobs: True"),
        ({"fresh": "no"}, "fresh: 'no' is not True or False"),
        ({"yes": 1}, "yes: 1 is not True or False"),
        ({"webhook_port": 70000}, "webhook_port: 70000 is not a whole number from 1 to 65535"),
        ({"thumbnails": "off"}, "thumbnails: 'off'"),
        ({"settings": ["a"]}, "settings: "),
    ],
)
def test_an_option_of_the_wrong_kind_is_a_sentence_at_once(options: dict[str, Any], message: str) -> None:
    """It is refused where it is made, before there is a job."""
    with pytest.raises(InputError) as error:
        Options(**options)
    assert message in str(error.value)
    assert error.value.problems[0].code == "bad-option"


def test_a_budget_may_be_text_as_on_the_command_line(lab: Any, api: Any) -> None:
    """`Options(budget="400cr")` is the amount."""
    assert Options(budget="400cr") == Options(budget=Amount(credits=400.0))
    lab.experiment(20)
    assert lab.run(budget="400cr").completed == api.made == 8


def log_of(lab: Any) -> dict[str, list[Any]]:
    """Every row that says something about a run."""
    return {
        name: lab.rows(f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("runs", "generations", "attempts", "images")
    }


@pytest.mark.parametrize("how", ["declined", "unasked", "ceiling", "program"])
def test_a_resume_that_is_declined_changes_nothing(lab: Any, api: Any, how: str) -> None:
    """Not a status, not an end, not a row; and it is a sentence with exit code 2."""
    api.behave = lambda call: api.act() if call.number < 2 else api.error(402, "insufficient_credits")
    lab.experiment(30)
    lab.run()
    before, calls = log_of(lab), len(api.calls)
    if how == "program":
        code, _, err = lab.cli("resume")
        assert (code, "not confirmed" in err) == (2, True)
    elif how == "ceiling":
        lab.environ["KAIRVAL_PLAN"] = ""
        with pytest.raises(InputError, match="price-unknown"):
            resume(lab.studio(), "last", Options(yes=True, budget="20usd"))
    else:
        confirm = {"declined": lambda ahead: False, "unasked": None}[how]
        with pytest.raises(ConfirmationNeeded, match="not confirmed"):
            resume(lab.studio(), "last", confirm=confirm)
    assert (log_of(lab), len(api.calls)) == (before, calls)


@pytest.mark.parametrize("act", ["ok", "refused"])
def test_a_resume_with_nothing_to_do_changes_nothing_and_says_so(lab: Any, api: Any, act: str) -> None:
    """A run that is complete, or whose failures would only fail again."""
    if act == "refused":
        api.behave = lambda call: api.error(400, "content_policy_violation") if call.number == 1 else api.act()
    lab.experiment(3)
    first = lab.run()
    before, calls = log_of(lab), len(api.calls)
    summary = lab.resume()
    assert (log_of(lab), len(api.calls)) == (before, calls)
    assert (summary.status, summary.exit_code) == (first.status, first.exit_code)
    code, out, err = lab.cli("resume", "--yes")
    assert code == first.exit_code
    assert "nothing to do" in out + err
    assert log_of(lab) == before


def test_a_resume_s_estimate_leaves_out_what_the_log_answers_by_now(lab: Any, api: Any) -> None:
    """Another run has made the images meanwhile: nothing is left to pay, so nothing is asked."""
    api.behave = lambda call: api.act() if call.number < 2 else api.error(402, "insufficient_credits")
    lab.experiment(30)
    first = lab.run()
    api.behave = lambda call: api.act()
    lab.run()
    summary = resume(lab.studio(), first.run_id)
    assert (summary.completed, summary.cached) == (30, 28)
    assert api.made == 30


def test_the_command_line_s_question_is_the_library_s(lab: Any, api: Any) -> None:
    """--json, no terminal: the document says that it was not confirmed, and nothing was sent."""
    lab.experiment(11)
    code, out, _ = lab.cli("run", "experiments/exp.yaml", "--json")
    document = json.loads(out)
    assert (code, document["problems"][0]["code"]) == (2, "not-confirmed")
    assert not api.calls


@pytest.mark.parametrize(
    "given", [{"path": 3}, {"where": 3}, {"where": [3]}, {"limit": "4"}, {"limit": -1}, {"limit": True}], ids=str
)
def test_a_wrong_type_for_prepare_is_a_sentence(lab: Any, given: dict[str, Any]) -> None:
    """A path, `where` or `limit` of another type is an InputError that says what is wanted."""
    lab.experiment(2)
    known: dict[str, Any] = {"path": str(lab.folder / "experiments" / "exp.yaml"), "environ": lab.environ}
    assert prepare(**known).plan.count().requests == 2  # a path as text will do
    with pytest.raises(InputError, match="bad-option"):
        prepare(**known | given)
