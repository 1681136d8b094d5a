"""Bad experiment files: every error with its file:line:column, all at once."""

# ruff: noqa: E501 (a table reads best with a case a line)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.model import Experiment
from promptlab.spec.codes import CODES

Headlines = Callable[[str], list[str]]

# The YAML text, and the beginning and code of each problem's first line; `P` stands for `prompt: a` and a new line.
P = "prompt: a\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD: list[tuple[str, list[str]]] = [
    # what is wrong about a chain leaves its axis `source` there, and an amount is one text
    (
        P + "image: {from: x, pick: best}\nskip: [{source: a}]\nfiles: '{source}_{seed}.{ext}'\n",
        ["2:24: pick is 'best'; it can be kept, all [bad-value]"],
    ),
    (P + "limits: {cost: [20usd]}\n", ["2:16: cost is a list; it has to be an amount, as in 20usd or 400cr [wrong-type]"]),
    # reading
    ("", ["1:1: the file has no content; [empty-file]"]),
    ("# only a comment\n", ["1:1: the file has no content; [empty-file]"]),
    ("- prompt: a\n", ["1:1: the file is a list; [wrong-type]"]),
    ("a teapot\n", ["1:1: the file is one text; [wrong-type]"]),
    (P + "vars: {a: \x07}\n", ["2:11: the character U+0007 can't be part of a text file [control-character]"]),
    # YAML
    ("prompt: {{ subject }}\n", ["1:9: a text that begins with { is a map in YAML: quote it [unquoted-template]"]),
    ("prompt: {{ subject }} on linen\n", ["1:9: a text that begins with { [unquoted-template]"]),
    ("prompt: {% if a %}b{% endif %}\n", ["1:9: a text that begins with { [unquoted-template]"]),
    ("prompt: {{ a | join('x') }}\n", ["1:9: a text that begins with { [unquoted-template]"]),
    ("prompts:\n  calm: {{ a }}\n", ["2:9: a text that begins with { [unquoted-template]"]),
    ("prompt: teapot: blue\n", ["1:15: this is not YAML: a text with ': ' in it has to be quoted [yaml-syntax]"]),
    ("prompt: 'a\n", ["1:9: this is not YAML: a quote is opened here and never closed [yaml-syntax]"]),
    ("axes: {a: [b, c}\n", ["1:11: this is not YAML: the list opened with [ is not closed [yaml-syntax]"]),
    ("prompt: @a\n", ["1:9: this is not YAML: a text that begins with this character [yaml-syntax]"]),
    (P + "vars:\n\ta: b\n", ["3:1: YAML is indented with spaces, not with tabs [yaml-tab]"]),
    ("prompt: a\nprompt: b\n", ["2:1: the key 'prompt' occurs twice: first in line 1, column 1 [duplicate-key]"]),
    (P + "vars: {a: 1, a: 2}\n", ["2:14: the key 'a' occurs twice: first in line 2, column 8 [duplicate-key]"]),
    ("prompt: !!python/object/apply:os.system [ls]\n", ["1:9: the tag !!python/object/apply:os.system [yaml-tag]"]),
    (P + "seeds: !!int 4\n", ["2:8: the tag !!int is not read [yaml-tag]"]),
    (P + "---\nprompt: b\n", ["2:1: a second document begins here [yaml-documents]"]),
    ("prompt: *a\n", ["1:9: the alias *a has no anchor &a before it [unknown-anchor]"]),
    (P + "vars: {x: &x [*x]}\n", ["2:15: the alias *x is inside the value that it refers to [alias-cycle]"]),
    (P + "<<: {seeds: 3}\n", ["2:1: merge keys (<<) are not read [merge-key]"]),
    (P + "? [a]\n: b\n", ["2:3: a key has to be one text [bad-key]"]),
    (P + "'': b\n", ["2:1: a key can't be empty [bad-key]"]),
    (BOMB, ["6:16: aliases expand to more than 250,000 values here [alias-bomb]"]),
    ("prompt: " + "[" * 20_000, ["1:58: maps and lists are nested more than 50 deep [too-large]"]),
    ("".join(" " * level + "a:\n" for level in range(100)), ["51:51: maps and lists are nested [too-large]"]),
    # keys and types
    (P + "axs: {a: [b]}\n", ["2:1: unknown key 'axs'; did you mean 'axes'? [unknown-key]"]),
    (P + "limits: {imges: 3}\n", ["2:10: unknown key 'imges'; did you mean 'images'? [unknown-key]"]),
    (P + "seeds: four\n", ["2:8: seeds is 'four'; it has to be a whole number [bad-value]"]),
    (P + "seeds: 0\n", ["2:8: seeds is 0; it has to be at least 1 [bad-value]"]),
    (P + "seeds: [1, 2, x]\n", ["2:15: item 3 of seeds is 'x'; it has to be a whole number [bad-value]"]),
    (P + "seeds: [3, 1, 3]\n", ["2:8: seeds names the seed 3 twice [bad-value]"]),
    (P + "seeds: []\n", ["2:8: seeds is empty [no-value]"]),
    (P + "seeds:\n", ["2:1: seeds has no value [no-value]"]),
    (P + "draws: 0\nseed_base: 1.5\n", ["2:8: draws is 0; [bad-value]", "3:12: seed_base is '1.5'; [bad-value]"]),
    (P + "mode: asynk\n", ["2:7: mode is 'asynk'; it can be sync, async, auto; did you mean 'async'? [bad-value]"]),
    (P + "strict: yes\n", ["2:9: strict is 'yes'; write true or false [bad-value]"]),
    (P + "limits: {cost: 600, images: 0}\n", ["2:16: cost has no amount: '600' [bad-value]", "2:29: images is 0; [bad-value]"]),
    (P + "alerts: {cost: lots}\n", ["2:16: cost has no amount: 'lots' is not an amount; write 20usd or 400cr [bad-value]"]),
    (P + "vars: [a]\n", ["2:7: vars is a list; it has to be a map [wrong-type]"]),
    (P + "vars: {a: }\n", ["2:8: a has no value; [no-value]"]),
    (P + "vars: {my var: b}\n", ["2:8: 'my var' can't be written as {{ name }} [bad-name]"]),
    (P + "negative_prompt: {a: b}\n", ["2:18: negative_prompt is a map; it has to be a list [wrong-type]"]),
    (P + "negative_prompt: [a, '', [b]]\n", ["2:22: item 2 of negative_prompt is empty [no-value]", "2:26: item 3 of negative_prompt is a list; [wrong-type]"]),
    (P + "skip: {a: b}\n", ["2:7: skip is a map; it has to be a list [wrong-type]"]),
    (P + "image: {from: b, pick: best}\n", ["2:24: pick is 'best'; it can be kept, all [bad-value]"]),
    (P + "image: {pick: kept}\n", ["2:8: image needs the key 'from' [missing-key]"]),
    ("prompt: null\n", ["1:9: prompt has no value [no-value]"]),
    # the source
    ("seeds: 3\n", ["1:1: an experiment needs a prompt [prompt-source]"]),
    (P + "template: b\n", ["2:1: template is given beside prompt [prompt-source]"]),
    ("prompts: {}\n", ["1:10: prompts is empty [empty-axis]"]),
    ("prompts: {a: }\n", ["1:11: a has no value [no-value]"]),
    ("templates: {from: b}\n", ["1:13: 'from' can't be a value's id [reserved-name]"]),
    # what does not belong here
    (P + "base_url: https://x\n", ["2:1: an experiment can't name an address: base_url belongs in promptlab.yaml [not-in-experiment]"]),
    (P + "api_key: hush\n", ["2:1: an experiment can't hold a key: keys come from the environment alone [not-in-experiment]"]),
    (P + "plan: pro\n", ["2:1: plan is a setting of the studio; it belongs in promptlab.yaml [not-in-experiment]"]),
    (P + "budget: 3 USD\n", ["2:1: budget is not part of an experiment [not-in-experiment]"]),
    # parameters
    (P + "params: {n: 5}\n", ["2:13: n is 5; it can be from 1 to 4 [bad-parameter]"]),
    (P + "params: {n: two}\n", ["2:13: n is 'two'; it has to be a whole number [bad-parameter]"]),
    (P + "params: {aspect_ratio: 5:4}\n", ["2:24: aspect_ratio is '5:4'; it can be 1:1, 16:9 [bad-parameter]"]),
    (P + "params: {strength: 1.5}\n", ["2:20: strength is 1.5; it can be from 0 to 1 [bad-parameter]"]),
    (P + "params: {aspect_ration: 1:1}\n", ["2:10: no installed provider declares the parameter 'aspect_ration'; did you mean 'aspect_ratio'? [unknown-parameter]"]),
    (P + "params: {prompt: b}\n", ["2:10: no installed provider declares the parameter 'prompt'; write `prompt:` at the top [unknown-parameter]"]),
    (P + "params: {base_url: b}\n", ["2:10: base_url is not a parameter [not-in-experiment]"]),
    (P + "params: {n: [1]}\n", ["2:13: n is a list; one text or number is needed [wrong-type]"]),
    (P + "params: {n: }\n", ["2:13: n has no value [no-value]"]),
    (P + "params: [n]\n", ["2:9: params is a list; it has to be a map of parameters [wrong-type]"]),
    (P + "params: {seed: 3}\nseeds: 4\n", ["2:10: a seed is set in the parameters and in `seeds` [seed-conflict]"]),
    # values are data
    (P + 'vars: {a: ["{{ b }}"]}\n', ["2:12: item 1 of a holds {{, {% or {#; values are data [template-in-data]"]),
    (P + 'negative_prompt: "{% raw %}"\n', ["2:18: negative_prompt holds {{ [template-in-data]"]),
    (P + 'axes: {a: ["{# b #}"]}\n', ["2:12: item 1 of a holds {{ [template-in-data]"]),
    (P + 'axes: {a: {b: "{{ c }}"}}\n', ["2:15: b holds {{ [template-in-data]"]),
    (P + 'axes: {a: {b: {light: "{{ c }}"}}}\n', ["2:23: light holds {{ [template-in-data]"]),
    (P + 'axes: {a: {"{{ b }}": c}}\n', ["2:12: '{{ b }}' holds {{ [template-in-data]"]),
    (P + 'params: {model: "{{ b }}"}\n', ["2:17: model holds {{ [template-in-data]"]),
    # axes
    (P + "axes:\n", ["2:1: axes has no value [no-value]"]),
    (P + "axes: {a: []}\n", ["2:11: the axis 'a' is empty; it needs at least one entry [empty-axis]"]),
    (P + "axes: {a: {}}\n", ["2:11: the axis 'a' is empty [empty-axis]"]),
    (P + "axes: {a: {values: []}}\n", ["2:20: values is empty [empty-axis]"]),
    (P + "axes: {a: b}\n", ["2:11: the axis 'a' is the text 'b'; it has to be a list of texts, or a map of id: text [wrong-type]"]),
    (P + "axes: {a: [b, {c: d}]}\n", ["2:15: item 2 of a is a map; it has to be one text [wrong-type]"]),
    (P + "axes: {a: [b, '']}\n", ["2:15: item 2 of a is an empty id [bad-id]"]),
    (P + "axes: {a: [b, c, b]}\n", ["2:18: the id 'b' occurs twice: first in line 2 [duplicate-id]"]),
    (P + "axes: {a: {film: 35mm film, fine grain}}\n", ["2:29: fine grain has no value [no-value]"]),
    (P + "axes: {seed: [1]}\n", ["2:8: 'seed' can't be an axis: prompt, template, seed, draw, position, ext are reserved [reserved-name]"]),
    (P + "axes: {prompt: [1]}\n", ["2:8: 'prompt' can't be an axis: [reserved-name]"]),
    (P + "axes: {my-axis: [1]}\n", ["2:8: 'my-axis' can't be written as {{ name }} [bad-name]"]),
    (P + "axes: {in: [1]}\n", ["2:8: 'in' can't be written as {{ name }} [bad-name]"]),
    (P + "axes: {a: {values: {b: c}, wen: {d: e}}}\n", ["2:28: unknown key 'wen'; did you mean 'when'? [unknown-key]"]),
    (P + "axes: {a: {b: c, when: {d: e}}, d: [e]}\n", ["2:18: `when` is among the values; write {values: [bad-axis]"]),
    (P + "axes: {params.siz: [1]}\n", ["2:8: no installed provider declares the parameter 'siz' [unknown-parameter]"]),
    (P + "axes: {params.n: [1, 9]}\n", ["2:22: n is 9; it can be from 1 to 4 [bad-parameter]"]),
    (P + "axes: {params.n: {a: {b: c}}}\n", ["2:19: a value of params.n is one text or number [wrong-type]"]),
    (P + "axes: {a: {b: {params: {n: 9}}}}\n", ["2:28: n is 9; [bad-parameter]"]),
    (P + "vars: {a: b}\naxes: {a: [c]}\n", ["2:8: a is an axis and a variable [name-clash]"]),
    (P + "axes: {a: {values: [b], when: {c: d}}, c: {values: [d], when: {a: b}}}\n", ["2:25: `when` of the axis a depends on a itself [when-cycle]", "2:57: `when` of the axis c [when-cycle]"]),
    # rows
    (P + "axes: {a: {from: data/itms.csv}}\n", ["2:18: there is no file experiments/data/itms.csv; did you mean 'items.csv'? [missing-file]"]),
    (P + "axes: {a: {from: data}}\n", ["2:18: 'data' is not a file of rows: it has to end in .csv, .tsv, .jsonl, .txt [rows-format]"]),
    (P + "axes: {a: {from: data/items.csv, id: skuu}}\n", ["2:38: the rows have no column 'skuu'; did you mean 'sku'? [unknown-column]"]),
    (P + "axes: {a: {from: data/items.csv, values: [b]}}\n", ["2:34: unknown key 'values' [unknown-key]"]),
    (P + "axes: {a: {from: data/items.csv, where: none}}\n", ["2:41: `where` leaves none of the 2 rows [empty-axis]"]),
    # matchers
    (P + "axes: {style: [film]}\nskip: [{stile: film}]\n", ["3:9: there is no axis 'stile'; did you mean 'style'? [unknown-axis]"]),
    (P + "axes: {style: [film]}\nskip: [{style: [film, fim]}]\n", ["3:23: the axis style has no value 'fim'; did you mean 'film'? [unknown-id]"]),
    (P + "axes: {style: [film]}\nbaseline: {style: photo}\n", ["3:19: the axis style has no value 'photo'; there are film [unknown-id]"]),
    (P + "axes: {style: [film]}\nbaseline: {style: [film]}\n", ["3:19: style is a list; it has to be one text [wrong-type]"]),
    (P + "axes: {style: [film]}\nskip: [{}]\n", ["3:8: item 1 of skip is empty [no-value]"]),
    (P + "axes: {b: {values: [c], when: {d: e}}}\n", ["2:32: there is no axis 'd' [unknown-axis]"]),
    (P + "override: [{params: {n: 2}}]\n", ["2:12: item 1 of override needs the key 'match' [missing-key]"]),
    (P + "override: [{match: {a: b}}]\n", ["2:21: there is no axis 'a'; there are none [unknown-axis]"]),
    # design and names
    (P + "design: one_factor\n", ["2:9: one_factor changes the baseline one axis at a time: write a `baseline` [baseline-missing]"]),
    (P + "design: pairwise\n", ["2:9: design is 'pairwise'; it can be all, one_factor, or {sample: 200, seed: 0} [bad-value]"]),
    (P + "design: {sample: 0}\n", ["2:18: sample is 0; [bad-value]"]),
    (P + "axes: {style: [a]}\nfiles: '{stile}.{ext}'\n", ["3:8: files names {stile}, which is not an axis; did you mean 'style'? [unknown-axis]"]),
    (P + "files: ../{seed}.{ext}\n", ["2:8: names stay under results/ [bad-files]"]),
    (P + "files: '{seed'\n", ["2:8: files can't be read [bad-files]"]),
    (P + "files: '{seed:>3}.{ext}'\n", ["2:8: write {seed} without a format [bad-files]"]),
    # extends
    (P + "extends: bse.yaml\n", ["2:10: there is no file experiments/bse.yaml [missing-file]"]),
    (P + "extends: exp.yaml\n", ["2:10: an experiment can't extend itself: experiments/exp.yaml → experiments/exp.yaml [extends-cycle]"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[repr(text[:60]) for text, _ in BAD])
def test_every_error_has_its_place(headlines: Headlines, text: str, expected: list[str]) -> None:
    """The first line of each problem says file, line, column, what is wrong, and the code; nothing else is reported."""
    found = headlines(text)
    assert len(found) == len(expected), found
    for line, wanted in zip(found, expected, strict=True):
        beginning, _, code = wanted.rpartition(" ")
        assert line.startswith(f"experiments/exp.yaml:{beginning}"), line
        assert line.endswith(code), line


def test_every_code_is_listed(headlines: Headlines) -> None:
    """Each code that the table above meets is in CODES, in kebab case, with one sentence."""
    met = {line.rpartition("[")[2].rstrip("]") for text, _ in BAD for line in headlines(text)}
    assert met <= set(CODES)
    for code, meaning in CODES.items():
        assert code == code.lower().replace("_", "-")
        assert meaning.endswith(".")


def test_all_at_once(headlines: Headlines) -> None:
    """Faults of shape and of meaning come together, in the file's order."""
    found = headlines(
        "prompt: a\nseeds: x\naxes: {style: [film], look: 3}\nskip: [{style: fim}, {look: b}, {}]\nparams: {n: 9}\n"
    )
    assert [line.split(": ")[0].removeprefix("experiments/exp.yaml:") for line in found] == [
        "2:8", "3:29", "4:16", "4:33", "5:13",
    ]  # fmt: skip


def test_source_line_and_caret(load: Callable[..., Experiment]) -> None:
    """Below the first line stand the source line and a caret."""
    with pytest.raises(InputError) as caught:
        load("prompt: a\nseeds:   four\n")
    first, source, caret = str(caught.value).splitlines()
    assert source.strip() == "seeds:   four"
    assert source.index("four") == caret.index("^")
    assert first.startswith("experiments/exp.yaml:2:10: seeds is 'four'")


@pytest.mark.parametrize(
    "text",
    [
        "prompt: a\napi_key: s3cret-value\n",
        "prompt: a\nparams: {n: 9, api_key: s3cret-value}\n",
        "prompt: a\ntoken: s3cret-value\nprompt: b\n",
        "prompt: a\nauthorization: Bearer s3cret-value\n",
        "prompt: a\nx: [kv_s3cret-value]\n",
        "prompt: a\n\tapi_key: s3cret-value\n",
        "prompt: a\napi_key: s3cret-value: b\n",
    ],
)
def test_a_key_is_never_shown(load: Callable[..., Experiment], text: str) -> None:
    """Whatever is wrong, a key in the file does not reach the message."""
    with pytest.raises(InputError) as caught:
        load(text)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value.problems)


def test_many_problems_are_counted(headlines: Headlines) -> None:
    """Twenty thousand faults give ten and a count, at once."""
    found = headlines("prompt: a\naxes:\n  s:\n" + "".join(f"    k{number}: [x]\n" for number in range(20_000)))
    assert len(found) == 11
    assert found[-1] == "and 19,990 more of this kind [wrong-type]"


@pytest.mark.parametrize(
    ("content", "beginning"),
    [
        (b"prompt: caf\xe9\n", "experiments/exp.yaml:1:12: the byte 0xe9 is not UTF-8"),
        ("prompt: a\n".encode("utf-16"), "experiments/exp.yaml:1:1: this file is UTF-16; save it as UTF-8"),
        (b"a" * 4_000_001, "experiments/exp.yaml has 4,000,001 bytes; at most 4,000,000 are read"),
    ],
)
def test_bytes(load_file: Callable[..., Experiment], content: bytes, beginning: str) -> None:
    """A file that is not UTF-8, or too large, is refused with a sentence."""
    with pytest.raises(InputError) as caught:
        load_file({"experiments/exp.yaml": content})
    assert str(caught.value).startswith(beginning)


def test_missing_experiment(studio: Path, parameters: dict[str, object]) -> None:
    """A file that is not there is named, with the nearest one; a folder is not an experiment."""
    from promptlab.spec.load import load_experiment

    (studio / "experiments" / "shelf.yaml").write_text("prompt: a\n")
    with pytest.raises(InputError, match=r"there is no file experiments/shelv.yaml; did you mean 'shelf.yaml'\?"):
        load_experiment(studio / "experiments" / "shelv.yaml", parameters={})
    with pytest.raises(InputError, match="experiments can't be read: experiments is a folder"):
        load_experiment(studio / "experiments", parameters={})
