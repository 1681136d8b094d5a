"""The baseline that an experiment names, as its run read it: the log has the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptlab.log import Log

__all__ = ["baseline_of"]


def baseline_of(log: Log, run_id: str) -> Mapping[str, str]:
    """Axis → value id of the run's `baseline:`, from its own file or one that it extends; empty where none is named."""
    for text in _texts(log, run_id):
        if "baseline" in text and (found := _baseline(text)):
            return found
    return {}


def _texts(log: Log, run_id: str) -> Iterator[str]:
    """The experiment's file, then the files that it extends, the nearest first."""
    yield log.value("SELECT spec_text FROM runs WHERE id = ?", (run_id,)) or ""
    for each in log.inputs(run_id):
        if each.role == "base" and each.content:
            yield each.content


def _baseline(text: str) -> dict[str, str]:
    import yaml  # most runs name no baseline

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, RecursionError):  # what ran once was readable; a log from elsewhere may hold anything
        return {}
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "baseline" and isinstance(value, yaml.MappingNode):
            return {str(axis.value): str(id_.value) for axis, id_ in value.value}
    return {}
