"""What holds for every experiment of a studio: promptlab.yaml and the environment → Settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from promptlab.model import Amount, Place

from .faults import refuse
from .files import SETTINGS_FILE, Files
from .kinds import (
    AMOUNT,
    COUNT,
    DATA,
    FLAG,
    NOT_NEGATIVE,
    SHARE,
    WORD,
    Form,
    Leaf,
    ListOf,
    MapOf,
    key,
    needed,
    read_form,
    read_number,
    text_or_map,
)
from .names import is_secret, is_secret_value
from .report import Report
from .yaml_tree import MAX_BYTES, Map, Places, Seq, parse

__all__ = ["Alerts", "Caps", "Settings", "SettingsForm", "load_settings"]


@dataclass(frozen=True, slots=True)
class Caps:
    """What a day and a month may cost; a run stops, resumable, before it passes one."""

    day: Amount | None = None
    month: Amount | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """When and how to alert the user: amounts, a command (a text, or its words), a webhook, unusual spending."""

    cost: tuple[Amount, ...] = ()
    command: str | tuple[str, ...] | None = None
    webhook: str | None = None
    unusual: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every experiment of a studio. Paths are absolute; keys are never here.

    `plans` overrides figures of a plan, None meaning no limit. In `providers`, `base_url`, `limits` and
    `honours_idempotency_keys` are typed; anything else stays text, lists and maps as written, for the provider to read.
    """

    studio: Path
    db: Path
    images: Path
    results: Path
    project: str | None = None
    user: str | None = None
    provider: str = "simulator"
    plan: str | None = None
    share: float = 1.0
    confirm_above_usd: float = 5.0
    plans: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    caps: Caps = Caps()
    alerts: Alerts = Alerts()
    thumbnails: bool = True
    jobs: int | None = None
    text: str | None = None
    places: Mapping[tuple[str | int, ...], Place] = field(default_factory=dict)


def load_settings(studio: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a studio; without a promptlab.yaml, the defaults. InputError holds every problem at once.

    From the environment: PROMPTLAB_DB (relative to the current folder, as a flag would be) and KAIRVAL_PLAN.
    """
    studio = Path(os.path.abspath(studio))  # noqa: PTH100 (a link stays the name it has)
    settings = Settings(studio, studio / "promptlab.db", studio / "images", studio / "results")
    if (studio / SETTINGS_FILE).is_file():
        settings = _read(settings)
    if database := environ.get("PROMPTLAB_DB"):
        settings = replace(settings, db=Path(os.path.abspath(Path(database).expanduser())))  # noqa: PTH100
    if plan := environ.get("KAIRVAL_PLAN", "").strip():
        settings = replace(settings, plan=plan.lower())
    return settings


# --- the file -----------------------------------------------------------------------------------------------------

_NO_LIMIT = ("null", "~", "none", "unlimited", "custom")


def _limit(value: object) -> float | None:
    if isinstance(value, str) and value.strip().lower() in _NO_LIMIT:
        return None
    read = read_number(value)
    if read <= 0:
        refuse("bad-value", f"is {read:g}; it has to be above 0, or none for no limit")
    return int(read) if read.is_integer() else read


def _base_url(value: object) -> str:
    if not isinstance(value, str):
        refuse("wrong-type", "has to be one address, as in https://api.example.com")
    address = value.strip()
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(sign.isspace() for sign in address):
        refuse("bad-value", "is not an address; it has to look like https://api.example.com")
    if parts.username is not None or parts.password is not None:
        refuse("key-in-settings", "holds a user name or password; keys come from the environment alone")
    return address


_LIMIT = Leaf(_limit)


class ProviderLimits(Form):
    """Limits of a provider that has no plans."""

    requests_per_minute: float | None = key(_LIMIT, "Requests a minute.")
    concurrent: float | None = key(_LIMIT, "Jobs at once.")
    daily: float | None = key(_LIMIT, "Requests a day.")
    window_s: float | None = key(_LIMIT, "The window of the request rate, in seconds.")


class PlanFigures(Form):
    """Figures of a plan that override the built-in ones."""

    requests_per_minute: float | None = key(_LIMIT, "Requests a minute.")
    concurrent: float | None = key(_LIMIT, "Jobs at once.")
    daily: float | None = key(_LIMIT, "Requests a day.")
    window_s: float | None = key(_LIMIT, "The window of the request rate, in seconds.")
    package_credits: float | None = key(_LIMIT, "Credits in a package.")
    usd_per_credit: float | None = key(_LIMIT, "Dollars a credit.")


class ProviderForm(Form):
    """Where a provider is and how it behaves; what a provider adds stays text."""

    others = DATA

    base_url: str | None = key(Leaf(_base_url), "Its address.")
    limits: ProviderLimits | None = key(ProviderLimits, "Its limits.")
    honours_idempotency_keys: bool | None = key(FLAG, "Whether a key makes a second POST safe.")


class NamedPlan(Form):
    """A plan and the share of it that this machine may use."""

    name: str = needed(WORD, "The plan.")
    share: float = key(SHARE, "This machine's part of it, above 0 and at most 1.", 1.0)


class CapsForm(Form):
    """What may be spent."""

    day: Amount | None = key(AMOUNT, "In a day.")
    month: Amount | None = key(AMOUNT, "In a month.")


class AlertForm(Form):
    """When and how to alert you."""

    cost: list[Amount] = key(ListOf(AMOUNT, one=True), "At these amounts.", list)
    command: list[str] | None = key(ListOf(WORD, one=True), "What is run.")
    webhook: str | None = key(WORD, "The URL that it is posted to.")
    unusual: bool = key(FLAG, "When a day costs far more than usual.", False)


class SettingsForm(Form):
    """promptlab.yaml: what holds for every experiment of a studio."""

    db: str | None = key(WORD, "The log; default promptlab.db.")
    images: str | None = key(WORD, "The folder of images by hash; default images.")
    results: str | None = key(WORD, "The folder of readable names; default results.")
    project: str | None = key(WORD, "The project that spending is counted under.")
    user: str | None = key(WORD, "The user that spending is counted under.")
    provider: str | None = key(WORD, "The provider that makes the images; default simulator.")
    plan: str | NamedPlan | None = key(text_or_map(WORD, NamedPlan), "The plan, as a name or {name: pro, share: 0.2}.")
    share: float | None = key(SHARE, "This machine's part of the plan, above 0 and at most 1.")
    confirm_above_usd: float = key(NOT_NEGATIVE, "A run estimated above this asks first, in dollars.", 5.0)
    plans: Mapping[str, PlanFigures] = key(
        MapOf(PlanFigures), "Figures of plans that differ from the built-in ones.", dict
    )
    providers: Mapping[str, ProviderForm] = key(
        MapOf(ProviderForm), "Addresses and behaviour of providers; never keys.", dict
    )
    caps: CapsForm | None = key(CapsForm, "What may be spent.")
    alerts: AlertForm | None = key(AlertForm, "When and how to alert you.")
    thumbnails: bool = key(FLAG, "Whether thumbnails are made.", True)
    jobs: int | None = key(COUNT, "Requests at once.")


def _read(defaults: Settings) -> Settings:
    """The settings of the studio's promptlab.yaml over the defaults."""
    report = Report()
    files = Files(defaults.studio, report)
    text = files.text(defaults.studio / SETTINGS_FILE, "settings", None, MAX_BYTES)
    tree = parse(text, SETTINGS_FILE, report) if text is not None else None
    if tree is not None and not isinstance(tree, Map):
        report.add("wrong-type", "promptlab.yaml must be a map of settings", Place(SETTINGS_FILE, 1, 1))
    if not isinstance(tree, Map):
        report.raise_errors()
        return replace(defaults, text=text)
    _refuse_keys(tree, report)
    form, _ = read_form(SettingsForm, tree, {}, report)
    report.raise_errors()
    return _settings(form, defaults, text, tree)


def _settings(form: SettingsForm, defaults: Settings, text: str | None, tree: Map) -> Settings:
    studio, caps = defaults.studio, form.caps
    named = form.plan if isinstance(form.plan, NamedPlan) else None
    plan = named.name if named else form.plan
    share = form.share if form.share is not None else named.share if named else 1.0
    return Settings(
        studio=studio,
        db=_path(studio, form.db, defaults.db),
        images=_path(studio, form.images, defaults.images),
        results=_path(studio, form.results, defaults.results),
        project=form.project,
        user=form.user,
        provider=form.provider or defaults.provider,
        plan=plan.strip().lower() if isinstance(plan, str) else None,
        share=share,
        confirm_above_usd=form.confirm_above_usd,
        plans={name: _written(plan) for name, plan in form.plans.items()},
        providers={name: _written(provider) for name, provider in form.providers.items()},
        caps=Caps(caps.day, caps.month) if caps else Caps(),
        alerts=_alerts(form.alerts) if form.alerts else Alerts(),
        thumbnails=form.thumbnails,
        jobs=form.jobs,
        text=text,
        places=Places(tree),
    )


def _written(form: Form) -> dict[str, Any]:
    """What stands in the file, typed, without what was left out."""
    return {name: _written(value) if isinstance(value, Form) else value for name, value in form.written.items()}


def _alerts(form: AlertForm) -> Alerts:
    command = form.command
    words = None if not command else command[0] if len(command) == 1 else tuple(command)
    return Alerts(tuple(form.cost), words, form.webhook, form.unusual)


def _path(studio: Path, written: str | None, default: Path) -> Path:
    return default if written is None else Path(os.path.abspath(studio / Path(written.strip()).expanduser()))  # noqa: PTH100


def _refuse_keys(root: Map, report: Report) -> None:
    """Report, and take out, everything that is or looks like a key: its line is not shown."""
    waiting: list[tuple[Map | Seq, str, bool]] = [(root, "", False)]
    while waiting:
        node, provider, is_price = waiting.pop()
        steps: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, Map) else enumerate(node)
        for step, value in list(steps):
            named = isinstance(step, str) and is_secret(step) and not is_price
            if named or (isinstance(value, str) and is_secret_value(value.strip())):
                mark = node.marks[step]
                variable = f"{(provider or 'kairval').upper().replace('-', '_')}_API_KEY"
                message = f"keys are never written in {SETTINGS_FILE}: set the environment variable {variable} instead"
                report.add("key-in-settings", message, Place(*mark[:3]), secret=True)
                if isinstance(node, Map):
                    del node[str(step)]
            elif isinstance(value, (Map, Seq)):
                owner = str(step) if node is root.get("providers") else provider
                waiting.append((value, owner, is_price or step == "prices"))
