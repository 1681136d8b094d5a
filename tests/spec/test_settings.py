"""promptlab.yaml and the environment."""

# ruff: noqa: E501 (a table reads best with a case a line)

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.model import Amount
from promptlab.spec.settings import Alerts, Caps, Settings, load_settings

FULL = """\
db: logs/all.db
images: pictures
project: shop
user: ada
provider: kairval
plan: {name: Pro, share: 0.2}
confirm_above_usd: 12.5
plans: {enterprise: {requests_per_minute: 600, concurrent: 50, daily: none, window_s: 60, usd_per_credit: 0.012}}
providers:
  local:
    base_url: http://127.0.0.1:8000/v1
    honours_idempotency_keys: true
    limits: {requests_per_minute: 30, concurrent: 2}
    prices: {token: 0.5, 1:1: 50}
    async: {idempotency_header: X-Key}
caps: {day: 20 USD, month: 9000cr}
alerts: {cost: [50 USD, 100 USD], command: [notify, spend], webhook: "https://example.com/hook", unusual: true}
thumbnails: false
jobs: 4
"""


def test_defaults(tmp_path: Path) -> None:
    """A studio without a file has the defaults: the simulator, its own database, a question above 5 USD."""
    settings = load_settings(tmp_path, {})
    assert settings == Settings(tmp_path, tmp_path / "promptlab.db", tmp_path / "images", tmp_path / "results")
    assert (settings.provider, settings.plan, settings.share, settings.confirm_above_usd) == (
        "simulator",
        None,
        1.0,
        5.0,
    )


def test_full(tmp_path: Path) -> None:
    """Every setting is typed; what a provider adds stays as written."""
    (tmp_path / "promptlab.yaml").write_text(FULL)
    settings = load_settings(tmp_path, {})
    assert settings.db == tmp_path / "logs" / "all.db"
    assert settings.images == tmp_path / "pictures"
    assert (settings.project, settings.user, settings.provider) == ("shop", "ada", "kairval")
    assert (settings.plan, settings.share, settings.confirm_above_usd) == ("pro", 0.2, 12.5)
    assert settings.plans == {
        "enterprise": {
            "requests_per_minute": 600, "concurrent": 50, "daily": None, "window_s": 60, "usd_per_credit": 0.012,
        }
    }  # fmt: skip
    assert settings.providers == {
        "local": {
            "base_url": "http://127.0.0.1:8000/v1",
            "honours_idempotency_keys": True,
            "limits": {"requests_per_minute": 30, "concurrent": 2},
            "prices": {"token": "0.5", "1:1": "50"},
            "async": {"idempotency_header": "X-Key"},
        }
    }
    assert settings.caps == Caps(Amount(usd=20.0), Amount(credits=9000.0))
    assert settings.alerts == Alerts(
        (Amount(usd=50.0), Amount(usd=100.0)), ("notify", "spend"), "https://example.com/hook", True
    )
    assert (settings.thumbnails, settings.jobs, settings.text) == (False, 4, FULL)
    assert settings.places["caps", "day"].line == 16


def test_environment_wins(tmp_path: Path) -> None:
    """PROMPTLAB_DB and KAIRVAL_PLAN are stronger than the file."""
    (tmp_path / "promptlab.yaml").write_text("db: a.db\nplan: starter\n")
    settings = load_settings(tmp_path, {"PROMPTLAB_DB": str(tmp_path / "b.db"), "KAIRVAL_PLAN": " PRO "})
    assert (settings.db, settings.plan) == (tmp_path / "b.db", "pro")


def test_empty_file(tmp_path: Path) -> None:
    """An empty promptlab.yaml marks a studio and sets nothing."""
    (tmp_path / "promptlab.yaml").write_text("# nothing yet\n")
    assert load_settings(tmp_path, {}).provider == "simulator"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("provder: kairval\n", ["1:1: unknown key 'provder'; did you mean 'provider'? [unknown-key]"]),
        ("share: 2\n", ["1:8: share is 2; it has to be above 0 and at most 1 [bad-value]"]),
        ("jobs: none\n", ["1:7: jobs is 'none'; it has to be a whole number [bad-value]"]),
        ("caps: {day: 20}\n", ["1:13: cost".replace("cost", "day") + " has no amount: '20' is not an amount; write 20usd or 400cr [bad-value]"]),
        ("plans: {pro: {daily: 0}}\n", ["1:22: daily is 0; it has to be above 0, or none for no limit [bad-value]"]),
        ("plans: {pro: {dayly: 3}}\n", ["1:15: unknown key 'dayly'; did you mean 'daily'? [unknown-key]"]),
        ("confirm_above_usd: -1\n", ["1:20: confirm_above_usd is -1; it can't be below 0 [bad-value]"]),
        ("providers: {a: {base_url: ftp://x}}\n", ["1:27: base_url is not an address; it has to look like https://api.example.com [bad-value]"]),
        ("providers: {a: {base_url: 'https://me:pw@x'}}\n", ["1:27: base_url holds a user name or password; keys come from the environment alone [key-in-settings]"]),
        ("plan: {share: 1}\n", ["1:7: plan needs the key 'name' [missing-key]"]),
        ("- a\n", ["1:1: promptlab.yaml must be a map of settings [wrong-type]"]),
        ("a: {{ b }}\n", ['1:4: a text that begins with { is a map in YAML: quote it, as in "{{ subject }}" [unquoted-template]']),
        ("db:\n", ["1:1: db has no value; write one or leave the key out [no-value]"]),
    ],
)  # fmt: skip
def test_errors(tmp_path: Path, text: str, expected: list[str]) -> None:
    """What is wrong in promptlab.yaml is reported at its line and column."""
    (tmp_path / "promptlab.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path, {})
    assert [problem.headline() for problem in caught.value.problems] == [f"promptlab.yaml:{line}" for line in expected]


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("api_key: hush-hush\n", "KAIRVAL_API_KEY"),
        ("providers: {openai: {api_key: hush-hush}}\n", "OPENAI_API_KEY"),
        ("providers: {my-host: {headers: {Authorization: Bearer hush-hush}}}\n", "MY_HOST_API_KEY"),
        ("providers: {kairval: {anything: kv_hush-hush}}\n", "KAIRVAL_API_KEY"),
        ("project: sk-hush-hush\n", "KAIRVAL_API_KEY"),
        ("alerts: {command: [notify, sk-hush-hush]}\n", "KAIRVAL_API_KEY"),
    ],
)
def test_keys_are_refused_and_not_shown(tmp_path: Path, text: str, variable: str) -> None:
    """A key in promptlab.yaml is an error that names the variable to use, and shows no part of the key."""
    (tmp_path / "promptlab.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path, {})
    (problem,) = caught.value.problems
    assert problem.code == "key-in-settings"
    assert variable in problem.message
    assert "hush" not in str(caught.value)
