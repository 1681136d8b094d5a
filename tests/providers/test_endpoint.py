"""Connecting: names, addresses, keys, plans and limits; nothing is sent, and no key is shown."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from promptlab.errors import InputError, ProviderFault
from promptlab.http import Answer, Proxies, Unreadable
from promptlab.http.retry_policy import Reply
from promptlab.model import Amount, Request
from promptlab.providers import (
    Capabilities,
    CreditPrice,
    Output,
    Plan,
    Provider,
    RateLimits,
    Result,
    Setup,
    Wire,
    base,
    connect,
    find_plan,
    get,
    plans,
)

KEY = {"KAIRVAL_API_KEY": "kv_secret_1"}


def about(figure: float) -> Any:
    """A figure that takes the place of an exact one in plain data."""
    return pytest.approx(figure)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "https://api.kairval.com"),
        ("HTTPS://API.Kairval.com:443/v1/", "https://api.kairval.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
        ("http://192.168.1.5", "http://192.168.1.5"),
        ("https://gateway.example/kairval/v1", "https://gateway.example/kairval"),
    ],
)
def test_base_urls(settings: Any, url: str | None, expected: str) -> None:
    """The environment names the address; it has one form."""
    environ = KEY if url is None else {**KEY, "KAIRVAL_BASE_URL": url}
    assert connect("kairval", settings(), environ).base_url == expected


@pytest.mark.parametrize("url", ["http://93.184.216.34", "ftp://h", "http://user:pw@h", "not a url", "https://h/?a=b"])
def test_wrong_base_urls(settings: Any, url: str) -> None:
    """A key goes over https or to a private network, and only to an address that is one."""
    with pytest.raises(InputError) as caught:
        connect("kairval", settings(), {**KEY, "KAIRVAL_BASE_URL": url})
    assert "kv_secret" not in str(caught.value)


def test_settings_and_environment(settings: Any) -> None:
    """The studio names an address, the environment overrides it."""
    studio = settings(providers={"kairval": {"base_url": "http://127.0.0.1:1"}})
    assert connect("kairval", studio, KEY).base_url == "http://127.0.0.1:1"
    assert (
        connect("kairval", studio, {**KEY, "KAIRVAL_BASE_URL": "http://127.0.0.1:2"}).base_url == "http://127.0.0.1:2"
    )


def test_openai_addresses(settings: Any) -> None:
    """A path stays, a bare host gets /v1; a local server needs no key, a public one does."""
    for url, expected in (("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1"), ("http://127.0.0.1:9", "http://127.0.0.1:9/v1"),
                          ("http://127.0.0.1:9/openai/", "http://127.0.0.1:9/openai")):  # fmt: skip
        endpoint = connect("openai", settings(), {"OPENAI_BASE_URL": url})
        assert (endpoint.base_url, endpoint.key) == (expected, None)
    assert connect("openai", settings(), {"OPENAI_API_KEY": "sk-1"}).base_url == "https://api.openai.com/v1"
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        connect("openai", settings(), {"OPENAI_BASE_URL": "https://93.184.216.34"})


def test_a_missing_key_names_the_variable_and_the_way_without(settings: Any) -> None:
    """Nothing is sent; a plan, which sends nothing, does not need the key."""
    for environ in ({}, {"KAIRVAL_API_KEY": " \n"}):
        with pytest.raises(InputError, match=r"KAIRVAL_API_KEY.*--provider simulator") as caught:
            connect("kairval", settings(), environ)
        assert caught.value.exit_code == 2
    assert connect("kairval", settings(), {}, key_needed=False).key is None


def test_keys_are_cleaned_and_never_shown(settings: Any) -> None:
    """White space from copying goes; a key that no header can carry is refused unseen; repr hides it."""
    endpoint = connect("kairval", settings(), {"KAIRVAL_API_KEY": " kv_secret_1\r\n"})
    assert endpoint.key == "kv_secret_1"
    assert "kv_secret" not in repr(endpoint)
    assert "kv_secret" not in repr(endpoint.client())
    with pytest.raises(InputError, match="KAIRVAL_API_KEY") as caught:
        connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_sécret"})
    assert "cret" not in str(caught.value)


def test_plans(settings: Any) -> None:
    """A plan gives limits and prices; without one the pace is free's and dollars are unknown."""
    pro = connect("kairval", settings(plan="Pro"), KEY)
    assert pro.limits == RateLimits(120, 60, 20, 10_000, named=True)
    assert pro.usd_per_credit == 0.015
    unnamed = connect("kairval", settings(), KEY)
    assert (unnamed.limits, unnamed.usd_per_credit) == (RateLimits(5, 60, 2, 50, named=False), None)
    enterprise = find_plan("enterprise", unnamed.plans)
    assert enterprise is not None
    assert enterprise.limits() == RateLimits(None, 60, 20, None, named=True)


def test_plan_overrides(settings: Any) -> None:
    """promptlab.yaml overrides any figure and may add plans; what is not a figure is an error."""
    overrides: dict[str, Any] = {
        "enterprise": {"requests_per_minute": 600.0, "concurrent": "50", "usd_per_credit": 0.012},
        "starter": {"daily": None},
        "mine": {"requests_per_minute": 10, "window_s": 10},
    }
    declared = get("kairval").plans
    found = plans(declared, overrides)
    assert found["enterprise"].limits() == RateLimits(600, 60, 50, None, named=True)
    assert found["starter"].daily is None
    assert found["mine"].limits() == RateLimits(10, 10, None, None, named=True)
    with pytest.raises(InputError, match="did you mean 'concurrent'"):
        plans(declared, {"pro": {"concurent": 3}})
    with pytest.raises(InputError, match="positive"):
        plans(declared, {"pro": {"daily": -1}})
    with pytest.raises(InputError, match="did you mean 'pro'"):
        connect("kairval", settings(plan="por"), KEY)


class Other(Provider):
    """Another provider's API, with its own kind of table."""

    name = "other"
    capabilities = Capabilities(parameters=(), cost_source="table")
    default_base_url = "https://other.example"

    def __init__(self, setup: Setup) -> None:
        pass

    def encode(self, request: Request, **_: Any) -> Wire:
        raise NotImplementedError

    def decode(self, answer: Answer, request: Request) -> Result:
        raise NotImplementedError


class Sold(Other):
    """One that sells plans and says what an image costs."""

    plans: ClassVar = {"gold": Plan("gold", 60, 3, package_credits=10, usd_per_credit=0.5)}
    plan_variable = "OTHER_PLAN"
    price_table = (CreditPrice(2.0, "price list", "2026-01-01", model="brush"),)


def other(monkeypatch: pytest.MonkeyPatch, kind: type[Provider], settings: Any, environ: dict[str, str]) -> Any:
    monkeypatch.setattr(base, "_entry_points", lambda: {"other": "entry"})
    monkeypatch.setattr(base, "_loaded", lambda entry: kind)
    return connect("other", settings, environ)


def test_a_provider_has_its_own_plans_and_prices_or_none(
    settings: Any, request_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kairval's plan, limits and prices apply to no other provider, whatever KAIRVAL_PLAN and promptlab.yaml say."""
    chosen = settings(plan="pro", plans={"pro": {"concurrent": 50}})
    plain = other(monkeypatch, Other, chosen, {"KAIRVAL_PLAN": "pro"})
    assert (plain.plan, plain.plans, plain.limits) == (None, {}, RateLimits(concurrent=8))
    price = plain.price(request_with())
    assert (price.credits, price.usd) == (None, None)
    assert connect("openai", chosen, {"OPENAI_API_KEY": "sk-1"}).plans == {}


def test_a_provider_that_declares_plans_and_prices_gets_them(
    settings: Any, request_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own variable, its own setting, or the studio's plan name one; credits become dollars by it."""
    for chosen, environ in (
        (settings(), {"OTHER_PLAN": "Gold"}),
        (settings(plan="gold"), {}),
        (settings(plan="pro", providers={"other": {"plan": "gold"}}), {"KAIRVAL_PLAN": "pro"}),
        (settings(plan="pro"), {"KAIRVAL_PLAN": "pro", "OTHER_PLAN": "gold"}),
    ):
        found = other(monkeypatch, Sold, chosen, environ)
        assert found.plan == Sold.plans["gold"]
        assert found.limits == RateLimits(60, 60, 3, None, named=True)
        price = found.price(request_with(model="brush", params={"n": 3}))
        assert (price.credits, price.usd, price.source) == (6.0, 3.0, "price list")
    with pytest.raises(InputError, match="there is no plan 'silver'"):
        other(monkeypatch, Sold, settings(plan="silver"), {})


@pytest.mark.parametrize(
    ("plan", "credits", "fits", "packages"),
    [
        ("free", 50, True, None),
        ("free", 51, False, None),
        ("starter", 999_999, True, 1000),
        ("starter", 1000, True, 1),
        ("starter", 1001, True, 2),
        ("pro", 400_000, True, 80),
        ("enterprise", 1e9, True, None),
    ],
)
def test_packages(plan: str, credits: float, fits: bool, packages: int | None) -> None:
    """Free's package is all there is; the others are bought as often as it takes."""
    found = get("kairval").plans[plan]
    assert (found.fits(credits), found.packages(credits)) == (fits, packages)


def test_proxies_and_certificates_are_the_environments(settings: Any, tmp_path: Any) -> None:
    """They reach the client; what is wrong with them is reported before anything is sent, without a password."""
    authorities = tmp_path / "ca.pem"
    authorities.write_text("")
    environ = {**KEY, "HTTPS_PROXY": "http://u:hunter2@p:1", "NO_PROXY": "x", "SSL_CERT_FILE": str(authorities)}
    endpoint = connect("kairval", settings(), environ)
    assert endpoint.proxies == Proxies.read(environ)
    assert endpoint.authorities == str(authorities)
    assert "hunter2" not in repr(endpoint)
    assert connect("kairval", settings(), {**KEY, "SSL_CERT_DIR": str(tmp_path)}).authorities == str(tmp_path)
    assert connect("simulator", settings(), {"HTTPS_PROXY": "socks5://h"}).proxies == Proxies()
    for wrong, code in (
        ({"HTTPS_PROXY": "socks5://u:hunter2@h:1"}, "proxy"),
        ({"SSL_CERT_FILE": str(tmp_path / "none.pem")}, "certificates"),
        ({"SSL_CERT_DIR": str(tmp_path / "none")}, "certificates"),
    ):
        with pytest.raises(InputError) as caught:
            connect("kairval", settings(), {**KEY, **wrong})
        assert caught.value.problems[0].code == code
        assert "hunter2" not in str(caught.value)


def test_limits_are_settings(settings: Any) -> None:
    """Any provider's limits can be set; junk is an error."""
    options = {"openai": {"limits": {"requests_per_minute": 10, "concurrent": "4", "window_s": 10}}}
    endpoint = connect("openai", settings(providers=options), {"OPENAI_API_KEY": "sk-1"})
    assert endpoint.limits == RateLimits(10, 10, 4, None, named=True)
    for wrong in ({"rpm": 3}, {"concurrent": "many"}, 3):
        with pytest.raises(InputError):
            connect("openai", settings(providers={"openai": {"limits": wrong}}), {"OPENAI_API_KEY": "sk-1"})


def test_the_simulator_stays_in_process(settings: Any) -> None:
    """No variable turns it into a real server; it has no key, and no pace but its plan's prices."""
    environ = {**KEY, "KAIRVAL_BASE_URL": "https://api.kairval.com", "KAIRVAL_PLAN": "pro"}
    endpoint = connect("simulator", settings(plan="starter"), environ)
    assert (endpoint.base_url, endpoint.key, endpoint.simulated) == ("simulator:", None, True)
    assert endpoint.usd_per_credit == 0.02
    assert endpoint.limits.requests is None
    with pytest.raises(InputError, match="KAIRVAL_BASE_URL"):
        connect("simulator", settings(providers={"simulator": {"base_url": "http://127.0.0.1:1"}}), {})


def test_problems_in_settings_say_where(settings: Any) -> None:
    """A provider's own complaint names its part of promptlab.yaml."""
    with pytest.raises(InputError, match=r"providers\.kairval"):
        connect("kairval", settings(providers={"kairval": {"prices": "50"}}), KEY)


def test_what_was_spent(settings: Any, request_with: Any) -> None:
    """A budget counts the cost, or the table's price where the cost is unknown."""
    endpoint = connect("kairval", settings(plan="starter"), KEY)
    told = Result("g", None, None, (Output(url="https://h/1"),), credits=62)
    assert endpoint.spent(request_with(), told) == Amount(usd=about(1.24), credits=62)
    assert endpoint.spent(request_with(), Result("g", None, None, ())) == Amount(usd=1.0, credits=50)


def test_one_call_reads_an_answer(settings: Any, request_with: Any) -> None:
    """What the retry policy sees, and the result: of a refusal, of what cannot be read, and of an answer."""
    endpoint, request = connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_1"}), request_with()
    refused = endpoint.read(Answer(429, {}, b'{"error": {"code": "rate_limited", "message": "slow down"}}'), request)
    assert refused == (Reply(429, {}, "rate_limited", None, "slow down"), None)
    event, result = endpoint.read(Answer(200, {}, b"<html>"), request)
    assert (type(event), result) == (Unreadable, None)
    event, result = endpoint.read(Answer(200, {}, b'{"data": [{"url": "https://a.example/1"}]}'), request)
    assert event == Reply(200, {}, asked=1, images=1)
    assert result is not None
    assert len(result.images) == 1


@pytest.mark.parametrize("step", ["encode", "decode", "error"])
def test_a_fault_of_the_provider_names_its_step(
    step: str, settings: Any, request_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a provider's own code raises is its bug, and is reported as one."""
    endpoint = connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_1"})

    def broken(*arguments: Any, **options: Any) -> Any:
        raise KeyError("oops")

    calls = {
        "encode": lambda: endpoint.encode(request_with()),
        "decode": lambda: endpoint.read(Answer(200, {}, b"{}"), request_with()),
        "error": lambda: endpoint.read(Answer(500, {}, b"{}"), request_with()),
    }
    monkeypatch.setattr(endpoint.provider, step, broken)
    with pytest.raises(ProviderFault, match=f"kairval raised KeyError in {step}"):
        calls[step]()


def test_a_call_gets_its_idempotency_key(settings: Any, request_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is a header beside the provider's own; what is not a call at all is the provider's fault."""
    endpoint = connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_1", "KAIRVAL_BASE_URL": "http://127.0.0.1:9"})
    wire = endpoint.encode(request_with(draw=2), key="k1")
    assert wire.call.headers == {"X-Draw": "2", "Idempotency-Key": "k1"}
    assert endpoint.encode(request_with()).call == endpoint.provider.encode(request_with()).call
    monkeypatch.setattr(endpoint.provider, "encode", lambda *arguments, **options: None)
    with pytest.raises(ProviderFault, match="in encode"):
        endpoint.encode(request_with())
