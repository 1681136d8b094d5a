"""A key that the provider refuses."""

from __future__ import annotations

from typing import Any


def test_a_refused_key_names_its_variable_and_the_way_without_one(lab: Any, api: Any) -> None:
    """The summary of a run that the key stopped names its variable, has the server's words, and a way to do without."""
    api.behave = lambda call: api.error(401, "invalid_api_key", "This key is not valid.")
    lab.experiment(2)
    summary = lab.run()
    assert summary.exit_code == 3
    assert summary.stopped == (
        "kairval refused the key of KAIRVAL_API_KEY: This key is not valid. Without a key: --provider simulator"
    )
