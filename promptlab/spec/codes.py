"""The stable codes of problems that this package finds; docs/errors.md has a paragraph for each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CODES"]

CODES: Mapping[str, str] = MappingProxyType(
    {
        # reading
        "missing-file": "A file that is named does not exist, or can't be read.",
        "encoding": "A file is not UTF-8 text.",
        "control-character": "A file holds a character that no YAML text may hold.",
        "too-large": "A file is larger, longer or deeper than the limits.",
        "empty-file": "A file that must not be empty is empty.",
        # YAML
        "yaml-syntax": "The text is not YAML.",
        "yaml-tab": "A line is indented with a tab; YAML wants spaces.",
        "yaml-tag": "A YAML tag such as !!python/object; every value is text, and tags are not read.",
        "yaml-documents": "A second YAML document in one file.",
        "unquoted-template": "A text with {{ or {% has to be quoted, since { opens a map in YAML.",
        "duplicate-key": "A map names one key twice.",
        "merge-key": "YAML's merge key << is not part of the language; `extends` is.",
        "bad-key": "A key that is not one text, or an empty one.",
        "unknown-anchor": "An alias *name without its anchor &name.",
        "alias-cycle": "An alias inside the value that it refers to.",
        "alias-bomb": "Aliases that expand beyond the limits.",
        # shape
        "unknown-key": "An unknown key.",
        "missing-key": "A required key is missing.",
        "no-value": "A key or a list item without a value.",
        "wrong-type": "A list, a map or a text where another of them is needed.",
        "bad-value": "A text that can't be read as what the key needs: a number, a choice, an amount.",
        "not-in-experiment": "An address, a key or a setting of the studio, which an experiment may not name.",
        "key-in-settings": "A key, token or password in promptlab.yaml; keys come from the environment alone.",
        "unknown-parameter": "A parameter that no installed provider declares.",
        "bad-parameter": "A parameter's value of the wrong type or out of range.",
        "prompt-source": "Not exactly one of prompt, prompts, template and templates.",
        "template-in-data": "{{, {% or {# in data: values are never parsed as template text.",
        # extends
        "extends-cycle": "An experiment that extends itself, through others or not.",
        # axes
        "reserved-name": "An axis or a value with a name that the language keeps for itself.",
        "bad-name": "A name that can't be written as {{ name }}.",
        "name-clash": "A variable and an axis of one name.",
        "empty-axis": "An axis without values.",
        "duplicate-id": "Two values of one axis with one id.",
        "bad-id": "A value whose id is empty.",
        "bad-axis": "An axis in an unknown form.",
        # rows
        "rows-format": "A file of rows that is not .csv, .jsonl or .txt.",
        "rows-header": "A CSV file's first line does not name its columns.",
        "ragged-row": "A row with more or fewer cells than the header has columns.",
        "rows-syntax": "A row that can't be read as CSV or JSON.",
        "unknown-column": "A column that the rows do not have.",
        "row-filter": "`where` can't be evaluated here.",
        # matchers
        "unknown-axis": "A matcher, or a file name, that names no axis of the experiment.",
        "unknown-id": "A matcher that names no value of the axis.",
        "bad-matcher": "A matcher that is not a map of axis to id or ids.",
        "when-cycle": "An axis whose `when` depends on itself.",
        # what loads, and is probably not meant (warnings)
        "cut-by-comment": "An unquoted text that ends where ` #` begins a comment (warning).",
        "smart-quotes": "Typographic quotes around a value, which are part of it (warning).",
        "similar-ids": "Two ids of one axis that differ only in case or spaces (warning).",
        "many-repeats": "A bare number of seeds or draws above 16 (warning).",
        # the rest
        "baseline-missing": "A one_factor design without a baseline.",
        "seed-conflict": "A seed given as a parameter beside `seeds`.",
        "bad-check": "A check in no known form.",
        "unknown-score": "A check of a score that no scorer gives and the log does not have.",
        # rows of outcomes
        "ambiguous-key": "A row that names several images or variants.",
        "duplicate-row": "Two rows about one image or variant.",
        "bad-files": "A pattern of file names that can't be filled in, or would leave results/.",
    }
)
