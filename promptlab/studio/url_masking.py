"""The studio's settings that a run keeps: all but the address of the alerts' webhook, which may hold a secret."""

from __future__ import annotations

import re

import yaml

__all__ = ["MASK", "settings_text"]

MASK = "(kept out of the log)"
_SHORTEST = 8  # of a text that is looked for elsewhere in the file


def settings_text(text: str) -> str:
    """promptlab.yaml as the log keeps it. The value's own place is found in the YAML, however it is written there."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # nothing that could be read as settings: nothing that is a webhook
        return text
    found = [value for alerts in _values(tree, "alerts") for value in _values(alerts, "webhook")]
    places = {(value.start_mark.index, value.end_mark.index) for value in found}
    for start, end in sorted(places, reverse=True):
        rest = text[start:end]
        space = rest[len(rest.rstrip()) :]  # a folded value ends behind its line
        anchor = re.match(r"(?:[&!]\S*\s+)*", rest)
        text = f'{text[:start]}{anchor.group() if anchor else ""}"{MASK}"{space}{text[end:]}'
    for value in found:  # in a comment, say
        if isinstance(value, yaml.ScalarNode) and len(value.value) >= _SHORTEST:
            text = text.replace(value.value, MASK)
    return text


def _values(node: yaml.Node | None, key: str) -> list[yaml.Node]:
    """What is under a key of a mapping, through merge keys too."""
    if not isinstance(node, yaml.MappingNode):
        return []
    found = []
    for name, value in node.value:
        if name.value == key:
            found.append(value)
        elif name.value == "<<":
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            found += [each for part in merged for each in _values(part, key)]
    return found
