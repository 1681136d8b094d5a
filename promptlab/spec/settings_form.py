"""The shape of promptlab.yaml, as pydantic models over a tree of text."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, PlainValidator, Tag

from promptlab.model import Place

from .forms import Context, Data, Form
from .names import is_secret, is_secret_value
from .read_files import Files
from .report import Report
from .scalars import Count, CreditsOrDollars, Flag, NotNegative, Share, Word, number, one_to_list, refuse
from .settings import Alerts, Caps, Settings
from .studio_folder import SETTINGS_FILE
from .validate import validate
from .yaml_tree import MAX_BYTES, Map, Places, Seq, parse

__all__ = ["SettingsForm", "read_settings"]

_NO_LIMIT = ("null", "~", "none", "unlimited", "custom")


def _limit(value: object) -> float | None:
    if isinstance(value, str) and value.strip().lower() in _NO_LIMIT:
        return None
    read = number(value)
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


Limit = Annotated[float | None, PlainValidator(_limit)]


class PlanFigures(Form):
    """Figures of a plan that override the built-in ones."""

    requests_per_minute: Limit = Field(None, description="Requests a minute.")
    concurrent: Limit = Field(None, description="Jobs at once.")
    daily: Limit = Field(None, description="Requests a day.")
    window_s: Limit = Field(None, description="The window of the request rate, in seconds.")
    package_credits: Limit = Field(None, description="Credits in a package.")
    usd_per_credit: Limit = Field(None, description="Dollars a credit.")


class ProviderLimits(Form):
    """Limits of a provider that has no plans."""

    requests_per_minute: Limit = Field(None, description="Requests a minute.")
    concurrent: Limit = Field(None, description="Jobs at once.")
    daily: Limit = Field(None, description="Requests a day.")
    window_s: Limit = Field(None, description="The window of the request rate, in seconds.")


class ProviderForm(Form):
    """Where a provider is and how it behaves; what a provider adds stays text."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Data]

    base_url: Annotated[str, PlainValidator(_base_url)] | None = Field(None, description="Its address.")
    limits: ProviderLimits | None = Field(None, description="Its limits.")
    honours_idempotency_keys: Flag | None = Field(None, description="Whether a key makes a second POST safe.")


class NamedPlan(Form):
    """A plan and the share of it that this machine may use."""

    name: Word = Field(description="The plan.")
    share: Share = Field(1.0, description="This machine's part of it, above 0 and at most 1.")


class CapsForm(Form):
    """What may be spent."""

    day: CreditsOrDollars | None = Field(None, description="In a day.")
    month: CreditsOrDollars | None = Field(None, description="In a month.")


class AlertForm(Form):
    """When and how to alert you."""

    cost: Annotated[list[CreditsOrDollars], BeforeValidator(one_to_list)] = Field(
        default_factory=list, description="At these amounts."
    )
    command: Annotated[list[Word], BeforeValidator(one_to_list)] | None = Field(None, description="What is run.")
    webhook: Word | None = Field(None, description="The URL that it is posted to.")
    unusual: Flag = Field(False, description="When a day costs far more than usual.")


def _plan_shape(value: Any) -> str:
    return "<form>" if isinstance(value, dict) else "<one>"


class SettingsForm(Form):
    """promptlab.yaml: what holds for every experiment of a studio."""

    db: Word | None = Field(None, description="The log; default promptlab.db.")
    images: Word | None = Field(None, description="The folder of images by hash; default images.")
    results: Word | None = Field(None, description="The folder of readable names; default results.")
    project: Word | None = Field(None, description="The project that spending is counted under.")
    user: Word | None = Field(None, description="The user that spending is counted under.")
    provider: Word | None = Field(None, description="The provider that makes the images; default simulator.")
    plan: (
        Annotated[Annotated[Word, Tag("<one>")] | Annotated[NamedPlan, Tag("<form>")], Discriminator(_plan_shape)]
        | None
    ) = Field(None, description="The plan, as a name or {name: pro, share: 0.2}.")
    share: Share | None = Field(None, description="This machine's part of the plan, above 0 and at most 1.")
    confirm_above_usd: NotNegative = Field(5.0, description="A run estimated above this asks first, in dollars.")
    plans: dict[str, PlanFigures] = Field(
        default_factory=dict, description="Figures of plans that differ from the built-in ones."
    )
    providers: dict[str, ProviderForm] = Field(
        default_factory=dict, description="Addresses and behaviour of providers; never keys."
    )
    caps: CapsForm | None = Field(None, description="What may be spent.")
    alerts: AlertForm | None = Field(None, description="When and how to alert you.")
    thumbnails: Flag = Field(True, description="Whether thumbnails are made.")
    jobs: Count | None = Field(None, description="Requests at once.")


def read_settings(defaults: Settings) -> Settings:
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
    form, _ = validate(SettingsForm, tree, Context(report, {}))
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
        plans={name: plan.model_dump(exclude_unset=True) for name, plan in form.plans.items()},
        providers={name: provider.model_dump(exclude_unset=True) for name, provider in form.providers.items()},
        caps=Caps(caps.day, caps.month) if caps else Caps(),
        alerts=_alerts(form.alerts) if form.alerts else Alerts(),
        thumbnails=form.thumbnails,
        jobs=form.jobs,
        text=text,
        places=Places(tree),
    )


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
