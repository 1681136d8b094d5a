"""A provider connected: where it is, with which key, plan, limits and prices; nothing is sent yet."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from promptlab.account_plans import AccountPlan, RateLimits
from promptlab.errors import InputError, PromptlabError, ProviderFault
from promptlab.http import Answer, Proxies, Unreadable, is_local, normalise_base, parse_url
from promptlab.http.messages import IN_PROCESS
from promptlab.model import Amount, Request
from promptlab.providers.base import Cost, ImageBytes, Provider, Setup, Wire, get
from promptlab.providers.prices import Price
from promptlab.providers.response import Output, Result, number
from promptlab.spec.names import did_you_mean

if TYPE_CHECKING:
    from promptlab.http.client import Client
    from promptlab.http.retry_policy import Reply

__all__ = ["Endpoint", "SettingsLike", "checked", "connect", "find_plan", "plans", "provider_code"]

#: What the studio's settings take their plan from, where it is set (promptlab.spec).
_SETTINGS_PLAN = "KAIRVAL_PLAN"
_WITHOUT = "or try without one: --provider simulator"
_LIMITS = {"requests_per_minute": "requests", "concurrent": "concurrent", "daily": "daily", "window_s": "window_s"}


class SettingsLike(Protocol):
    """What `connect` reads of a studio's settings."""

    @property
    def plan(self) -> str | None: ...

    @property
    def plans(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def providers(self) -> Mapping[str, Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything a run needs of its provider.

    `base_url` is normalised and enters the request hash (`simulator:` in this process). `limits` are the account's,
    from the setting, the plan, or the provider's own default. `plans` are all that this provider sells, by name.
    `honours_keys`: the studio says that a repeated idempotency key is answered with the first result. `proxies` and
    `authorities` (certificates to trust) are the environment's.
    """

    provider: Provider
    base_url: str
    key: str | None = field(repr=False)
    plan: AccountPlan | None
    limits: RateLimits
    honours_keys: bool = False
    plans: Mapping[str, AccountPlan] = field(default_factory=dict)
    proxies: Proxies = field(default_factory=Proxies)
    authorities: str | None = None
    make_app: Callable[[], Any] | None = field(default=None, repr=False, compare=False)

    @property
    def usd_per_credit(self) -> float | None:
        """Dollars a credit under the plan; None where no plan, or no price, is known."""
        return None if self.plan is None else self.plan.usd_per_credit

    @property
    def simulated(self) -> bool:
        """Whether everything from here is SIMULATED."""
        return self.provider.simulated or self.provider.capabilities.cost_source == "simulated"

    @property
    def in_process(self) -> bool:
        """Whether a simulator in this process answers: its files end with it, and cost nothing to make again."""
        return self.simulated and self.make_app is not None

    @property
    def app(self) -> Any:
        """The ASGI app that answers in this process, made when first asked for; None for a real server."""
        return None if self.make_app is None else self.make_app()

    def client(self, **options: Any) -> Client:
        """An HTTP client for this endpoint (`async with`); `options` as `promptlab.http.Client`."""
        from promptlab.http.client import Client

        key = self.provider.in_process_key if self.make_app is not None else self.key
        authorization = None if key is None else f"Bearer {key}"
        options = {"proxies": self.proxies, "authorities": self.authorities, **options}
        return Client(self.base_url, authorization=authorization, app=self.app, **options)

    def price(self, request: Request) -> Price:
        """What a call will cost by the table; in dollars too where the plan says what a credit costs.

        ProviderFault where the provider's code raises.
        """
        with provider_code(self.provider.name, "price", PromptlabError):
            price = self.provider.price(request.operation, request.model, {**request.defaults, **request.params})
        rate = self.usd_per_credit
        if price.usd is not None or price.credits is None or rate is None:
            return price
        return replace(price, usd=price.credits * rate)

    def encode(
        self,
        request: Request,
        *,
        key: str | None = None,
        image: ImageBytes | None = None,
        asynchronous: bool = False,
        webhook_url: str | None = None,
    ) -> Wire:
        """The call of a request, under an idempotency `key`; ProviderFault where the provider's code raises."""
        with provider_code(self.provider.name, "encode", PromptlabError):
            wire = self.provider.encode(request, image=image, asynchronous=asynchronous, webhook_url=webhook_url)
            headers = {**wire.call.headers} if key is None else {**wire.call.headers, "Idempotency-Key": key}
            return replace(wire, call=replace(wire.call, headers=headers))

    def read(self, answer: Answer, request: Request) -> tuple[Reply | Unreadable, Result | None]:
        """An answer as the retry policy sees it, and its result if it has one; ProviderFault where its code raises."""
        from promptlab.http.retry_policy import Reply  # a plan reads no answers

        provider = self.provider
        if not 200 <= answer.status < 300:
            with provider_code(provider.name, "error"):
                error = provider.error(answer)
                return Reply(answer.status, answer.headers, error.code, error.type, error.message), None
        try:
            with provider_code(provider.name, "decode", Unreadable):
                result = checked(provider.decode(answer, request))
                images = None if result.job is not None and not result.images else len(result.images)
        except Unreadable as unreadable:
            return unreadable, None
        return Reply(answer.status, answer.headers, asked=request.n, images=images), result

    def cost(self, request: Request, result: Result, images: int | None = None) -> Cost:
        """What a generation cost; `images` is how many came, by default those of the result."""
        return self.provider.cost(request, result, len(result.images) if images is None else images)

    def spent(self, request: Request, result: Result) -> Amount:
        """The cost as an amount in both units, for budgets; the table's price where the cost is unknown."""
        cost = self.cost(request, result)
        if cost.credits is None and cost.usd is None:
            price = self.price(request)
            return Amount(usd=price.usd, credits=price.credits)
        return Amount(usd=cost.usd, credits=cost.credits)


def connect(name: str, settings: SettingsLike, environ: Mapping[str, str], *, key_needed: bool = True) -> Endpoint:
    """The provider of a name, set up from the studio and the environment.

    InputError for an unknown name, a base URL that is wrong or would carry the key unencrypted, an unknown plan, or,
    where `key_needed`, a missing key. Keys come from the environment alone and are never shown.
    """
    kind = get(name)
    options = settings.providers.get(name, {})
    known = plans(kind.plans, settings.plans) if kind.plans else {}
    plan = find_plan(_plan_name(kind, options, settings, environ), known) if known else None
    limits = _limits(name, options, None if kind.in_process else plan, kind.default_limits)
    honours = str(options.get("honours_idempotency_keys", kind.in_process)).strip().lower() == "true"
    make_app: Callable[[], Any] | None = None
    proxies, authorities = Proxies(), None
    if kind.in_process:
        base_url, wire_url, key = str(kind.default_base_url), IN_PROCESS, None
        make_app = _app(kind, options)
    else:
        base_url = wire_url = _base_url(kind, options, environ)
        key = _key(kind, base_url, environ, key_needed=key_needed)
        proxies, authorities = _proxies(environ), _authorities(environ)
    setup = Setup(wire_url, None if plan is None else plan.usd_per_credit, options)
    try:
        provider = kind(setup)
    except InputError as error:
        raise InputError(
            [replace(problem, message=f"providers.{name}: {problem.message}") for problem in error.problems]
        ) from error
    return Endpoint(provider, base_url, key, plan, limits, honours, known, proxies, authorities, make_app)


def _plan_name(
    kind: type[Provider], options: Mapping[str, Any], settings: SettingsLike, environ: Mapping[str, str]
) -> str | None:
    """The account's plan: the provider's own setting, else the studio's, which KAIRVAL_PLAN is a part of."""
    if options.get("plan"):
        return str(options["plan"])
    variable, named = kind.plan_variable, settings.plan
    if variable != _SETTINGS_PLAN and named and named == environ.get(_SETTINGS_PLAN, "").strip().lower():
        named = None  # another provider's
    return named or (environ.get(variable) if variable else None)


def _proxies(environ: Mapping[str, str]) -> Proxies:
    try:
        return Proxies.read(environ)
    except ValueError as error:
        raise InputError(str(error), code="proxy") from None


def _authorities(environ: Mapping[str, str]) -> str | None:
    """SSL_CERT_FILE, else SSL_CERT_DIR: the certificates to trust instead of the built-in ones."""
    for variable, is_there, kind in (("SSL_CERT_FILE", Path.is_file, "file"), ("SSL_CERT_DIR", Path.is_dir, "folder")):
        if named := environ.get(variable, "").strip():
            if not is_there(Path(named)):
                raise InputError(f"{variable} names {named}, but there is no such {kind}", code="certificates")
            return named
    return None


def _app(kind: type[Provider], options: Mapping[str, Any]) -> Callable[[], Any]:
    """The maker of a provider's in-process app: once, and only if something is sent."""
    if options.get("base_url") is not None:
        message = "the simulator runs in this process and has no base_url; a simulator server is reached with"
        raise InputError(f"{message} --provider kairval and KAIRVAL_BASE_URL=http://127.0.0.1:PORT", code="base_url")
    return functools.cache(functools.partial(kind.app, options))


def _base_url(kind: type[Provider], options: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Environment, then studio, then the provider's own; in one form, so that equal addresses hash equally."""
    variable = kind.base_url_variable
    named = environ.get(variable, "").strip() if variable else ""
    source = variable if named else f"providers.{kind.name}.base_url"
    url = named or options.get("base_url") or kind.default_base_url
    if not url:
        raise InputError(f"provider {kind.name} needs an address: set {source} or {variable}", code="base_url")
    try:
        return kind.normalise(normalise_base(str(url)))
    except ValueError as error:
        raise InputError(f"{source} is not a base URL: {error}", code="base_url") from error


def _key(kind: type[Provider], base_url: str, environ: Mapping[str, str], *, key_needed: bool) -> str | None:
    """The key, cleaned of the white space that copying brings; checked without ever being shown."""
    variable = kind.capabilities.key_variable
    if variable is None:
        return None
    key = re.sub(r"\s+", "", environ.get(variable, ""))
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise InputError(f"{variable} holds characters that no API key has; copy the key again", code="key")
    origin = parse_url(base_url).origin
    if key and origin.scheme == "http" and not is_local(origin.host):
        message = f"{origin} is not https and not on a private network; the key would be sent unencrypted"
        raise InputError(f"{message}. Use https, or unset {variable}", code="base_url")
    if key or not key_needed or (kind.local_without_key and is_local(origin.host)):
        return key or None
    raise InputError(f"no API key: set the environment variable {variable}, {_WITHOUT}", code="key")


def _limits(name: str, options: Mapping[str, Any], plan: AccountPlan | None, default: RateLimits) -> RateLimits:
    """The setting's figures over the plan's over the provider's default."""
    limits = default if plan is None else plan.limits()
    given = options.get("limits")
    if given is None:
        return limits
    if not isinstance(given, Mapping) or set(given) - set(_LIMITS):
        raise InputError(f"providers.{name}.limits is a mapping of {', '.join(_LIMITS)}", code="limits")
    changes: dict[str, Any] = {"named": True}
    for key, value in given.items():
        found = number(value)
        if value is not None and not found:
            raise InputError(f"providers.{name}.limits.{key}: {value!r} is not a positive number", code="limits")
        if key == "window_s":
            changes["window_s"] = found or 60.0
        else:
            changes[_LIMITS[key]] = None if found is None else max(1, int(found))
    return replace(limits, **changes)


# --- account plans ------------------------------------------------------------------------------------------------


def plans(
    declared: Mapping[str, AccountPlan], overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, AccountPlan]:
    """A provider's plans, with the overrides of promptlab.yaml; InputError for a wrong figure."""
    found = dict(declared)
    figures = {field.name for field in fields(AccountPlan)} - {"name", "negotiated"}
    for name, changes in (overrides or {}).items():
        unknown = sorted(set(changes) - figures)
        if unknown:
            raise InputError(
                f"plans.{name}: unknown figure {unknown[0]!r}{did_you_mean(unknown[0], figures)}", code="plan"
            )
        typed: dict[str, Any] = {key: _figure(name, key, value) for key, value in changes.items()}
        found[name] = replace(found.get(name, AccountPlan(name)), **typed)
    return found


def find_plan(name: str | None, known: Mapping[str, AccountPlan]) -> AccountPlan | None:
    """The plan of a name, whatever its case; None for None; InputError with the nearest name for an unknown one."""
    if name is None or not name.strip():
        return None
    wanted = name.strip()
    plan = known.get(wanted) or next((plan for key, plan in known.items() if key.lower() == wanted.lower()), None)
    if plan is None:
        hint = did_you_mean(wanted, known) or f"; known are {', '.join(known)}"
        raise InputError(f"there is no plan {wanted!r}{hint}", code="plan")
    return plan


def _figure(plan: str, key: str, value: Any) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "none", "~")):
        if key == "window_s":
            raise InputError(f"plans.{plan}.window_s: a window needs a length in seconds", code="plan")
        return None
    found = number(value)
    if found is None or (found == 0 and key != "usd_per_credit"):
        raise InputError(f"plans.{plan}.{key}: {value!r} is not a positive number", code="plan")
    return found


# --- where a provider's own code is called: what it raises is its bug, and is reported as one ---------------------

_LONGEST = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def _fault(provider: str, step: str, error: Exception) -> ProviderFault:
    """The sentence for an exception that a provider raised: in which step, what it said, and where."""
    text = _CONTROL.sub(" ", str(error)).strip()[:_LONGEST]
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = f": {text}" if text else ""
    return ProviderFault(f"the provider {provider} raised {type(error).__name__} in {step}{said}{place}")


@contextmanager
def provider_code(provider: str, step: str, *named: type[Exception]) -> Iterator[None]:
    """Around a call of a provider's method: ProviderFault for any exception that the contract does not name for it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (ProviderFault, *named)):
            raise
        raise _fault(provider, step, error) from error


def checked(result: Result) -> Result:
    """A decoded result whose parts are what the contract says, so that nothing later stumbles over them; TypeError."""
    if not isinstance(result, Result):
        raise TypeError(f"decode gave a {type(result).__name__}, not a Result")
    for image in result.images:
        if not isinstance(image, Output):
            raise TypeError(f"an image of the result is a {type(image).__name__}, not an Output")
    if result.created is not None:
        datetime.fromtimestamp(result.created, UTC)
    json.dumps(result.response)
    return result
