"""What opens a door stays out of the log and out of child processes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from promptlab.environ import without_keys
from promptlab.git import process
from promptlab.studio.url_masking import MASK, settings_text

HOOK = "https://hooks.example.com/T0/B0/s3cr3t-token"


@pytest.mark.parametrize(
    "text",
    [
        f"provider: kairval\nalerts:\n  webhook: {HOOK}\n  unusual: true\n",
        f"alerts: {{unusual: true, webhook: '{HOOK}'}}\nprovider: kairval\n",
        'alerts: {"webhook": "https:\\/\\/hooks.example.com/T0/B0/s3cr3t-\\x74oken"}\n',
        f"alerts:\n  webhook: >-\n    {HOOK}\n  unusual: true\n",
        f"x: &hook {HOOK}\nalerts: {{webhook: *hook}}\n",
        f"base: &base {{webhook: {HOOK}}}\nalerts:\n  <<: *base\n  unusual: true\n",
        f"# the old one: {HOOK}\nalerts: {{webhook: {HOOK}}}\n",
    ],
)
def test_the_webhook_s_address_is_masked_however_it_is_written(text: str) -> None:
    """Its own place in the YAML is replaced, everything else stays as it was."""
    masked = settings_text(text)
    assert "s3cr3t" not in masked
    assert "hooks.example.com" not in masked
    before, after = yaml.safe_load(text), yaml.safe_load(masked)
    assert after["alerts"] == before["alerts"] | {"webhook": MASK}


@pytest.mark.parametrize(
    "text", ["", "provider: kairval\n", "alerts: {unusual: true}\n", "a: [", "alerts: 3\n", "- a\n"]
)
def test_other_settings_are_kept_to_the_letter(text: str) -> None:
    """Without a webhook there is nothing to mask, also in a file that is no settings file."""
    assert settings_text(text) == text


def test_a_run_keeps_its_settings_without_the_webhook(lab: Any, api: Any) -> None:
    """No file of the studio but promptlab.yaml itself holds it."""
    lab.settings(alerts=f"{{webhook: {HOOK}}}")
    lab.experiment(1)
    lab.run(settings={"note": "x"})
    kept = lab.rows("SELECT content FROM inputs WHERE role = 'settings'")[0]
    assert MASK in kept
    assert "enterprise" in kept
    for path in lab.folder.rglob("*"):
        if path.is_file() and path.name != "promptlab.yaml":
            assert b"s3cr3t-token" not in path.read_bytes(), path


def test_child_processes_get_no_keys() -> None:
    """By their names, and by a value that a key's variable holds too; git's own settings stay."""
    environ = {
        "PATH": "/bin", "HOME": "/root", "KAIRVAL_API_KEY": "kv_0123456789", "ACME_TOKEN": "t", "DB_PASSWORD": "p",
        "MY_COPY": "Bearer kv_0123456789", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*", "GIT_AUTHOR_NAME": "A", "SSH_AUTH_SOCK": "/tmp/agent",
    }  # fmt: skip
    assert set(environ) - set(without_keys(environ)) == {"KAIRVAL_API_KEY", "ACME_TOKEN", "DB_PASSWORD", "MY_COPY"}


def test_git_is_called_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository's own programs (a filter, say) find none."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_0123456789")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    found = process.environment()
    assert "KAIRVAL_API_KEY" not in found
    assert found["GIT_CONFIG_KEY_0"] == "safe.directory"
