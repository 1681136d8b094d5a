"""Requests leave in the plan's sending order, also after a stop."""

from __future__ import annotations

from typing import Any


def sent(api: Any) -> list[tuple[str, int]]:
    return [(call.body["prompt"], call.body["seed"]) for call in api.calls]


def test_seeds_are_outermost_on_the_wire_and_after_a_resume(lab: Any, api: Any) -> None:
    """One worker: every variant with its first seed, then with its second; a resumed run goes on in that order."""
    lab.experiment(prompt='"{{ s }}"', axes="{s: [a, b, c]}", seeds="[7, 8]")
    api.behave = lambda call: api.error(402, "insufficient_credits") if len(api.calls) > 2 else api.act()
    assert lab.run(jobs=1).exit_code == 3
    assert sent(api)[:2] == [("a", 7), ("b", 7)]
    del api.calls[:]
    api.behave = lambda call: api.act()
    assert lab.resume(jobs=1).completed == 6
    assert sent(api) == [("c", 7), ("a", 8), ("b", 8), ("c", 8)]
    names = "SELECT v.name FROM generations g JOIN variants v ON v.id = g.variant_id ORDER BY g.sequence"
    assert lab.rows(names) == ["s=a", "s=b", "s=c"] * 2


def test_by_variant_sends_a_variant_at_a_time(lab: Any, api: Any) -> None:
    """The setting of an experiment."""
    lab.experiment(prompt='"{{ s }}"', axes="{s: [a, b]}", seeds="[7, 8]", order="by_variant")
    lab.run(jobs=1)
    assert sent(api) == [("a", 7), ("a", 8), ("b", 7), ("b", 8)]
