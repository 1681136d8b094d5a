"""`extends`: a base experiment's tree under the own one. Maps merge, lists replace."""

from __future__ import annotations

from pathlib import Path

from .files import Files, shown
from .kinds import NULLS
from .names import did_you_mean, quoted
from .report import Report
from .yaml_tree import MAX_BYTES, Map, parse

__all__ = ["SOURCES", "merged", "with_bases"]

#: The four ways to say where the prompt comes from; exactly one of them is in an experiment.
SOURCES = ("prompt", "prompts", "template", "templates")


def with_bases(root: Map, path: Path, files: Files, report: Report) -> Map:
    """The tree with everything that it extends beneath it; each position keeps the file it came from."""
    chain = [path]
    layers = [root]
    while isinstance(base := layers[-1].get("extends"), str) and base.strip():
        place = layers[-1].value_place("extends")
        base_path = files.resolve(base, place.path)
        if base_path in chain:
            circle = " → ".join(shown(step, files.studio) for step in [*chain[chain.index(base_path) :], base_path])
            report.add("extends-cycle", f"an experiment can't extend itself: {circle}", place)
            break
        text = files.text(base_path, "base", place, MAX_BYTES)
        if text is None:
            report.lost_base = True
            break
        name = shown(base_path, files.studio)
        found = report.count
        tree = parse(text, name, report)
        if not isinstance(tree, Map):
            if report.count == found:
                report.add("wrong-type", f"the base {name} is not an experiment: it has to be a map", place)
            report.lost_base = True
            break
        chain.append(base_path)
        layers.append(tree)
    whole = layers.pop()
    while layers:
        whole = merged(whole, layers.pop(), report)
    return whole


def merged(base: Map, own: Map, report: Report, path: tuple[str, ...] = ()) -> Map:
    """`own` over `base`: maps merge, everything else replaces, and null takes an axis or one of its values out.

    The four ways to give a prompt are alternatives, so an own one replaces the base's; an axis replaces one of
    another form (a `from` does not merge with `values`).
    """
    result = Map()
    result.mark, result.pending = own.mark, None
    result.marks = {}
    replaced = set(SOURCES) - set(own) if not path and any(source in own for source in SOURCES) else set()
    for key, value in base.items():
        if key not in replaced:
            result[key], result.marks[key] = value, base.marks[key]
    takes_out = _holds_values(path)
    for key, value in own.items():
        under = result.get(key)
        if takes_out and (value is None or value in NULLS):
            if key in result:
                del result[key], result.marks[key]
            else:
                message = f"the base has no {quoted(key)} to take out{did_you_mean(key, base)}"
                report.add("unknown-id", message, own.key_place(key))
            continue
        if isinstance(under, Map) and isinstance(value, Map) and _same_form(under, value, (*path, key)):
            result[key] = merged(under, value, report, (*path, key))
        else:
            result[key] = value
        result.marks[key] = own.marks[key]
    result.weight, result.height = base.weight + own.weight, max(base.height, own.height)
    return result


def _holds_values(path: tuple[str, ...]) -> bool:
    """Whether the keys of a map are axes, or the ids of an axis' values."""
    if path and path[0] == "axes":
        return len(path) <= 2 or (len(path) == 3 and path[2] == "values")
    return path in (("prompts",), ("templates",))


def _same_form(base: Map, own: Map, path: tuple[str, ...]) -> bool:
    if path[:1] != ("axes",) or len(path) != 2:
        return True
    return not any(form in own and form not in base for form in ("from", "values"))
