"""Wrong experiments by the hundred, each with the place and the code of its first problem.

`@@` stands where the fault is told; it is taken out of the text. `P` is a prompt in line 1, so that a case's own text
begins in line 2.
"""

# ruff: noqa: E501 (a table reads best with a case a line)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

P = "prompt: a {{ s | default('cup') }}\n"
S = "axes: {s: {film: 35mm film, ink: pen and ink}}\n"
PARAMETERS = ("aspect_ratio", "background", "model", "n", "output_format", "quality", "size", "strength")
RESERVED = (
    "range",
    "dict",
    "namespace",
    "lipsum",
    "cycler",
    "joiner",
    "loop",
    "self",
    "super",
    "varargs",
    "kwargs",
    "caller",
)
NOT_NAMES = ("my-axis", "2nd", "a b", "in", "not", "none", "a.b", "é!")
ONE_TEXT = ("description", "extends", "template", "files", "provider", "mode", "strict", "seed_base", "draws")
MAPS = ("vars", "axes", "params", "limits", "alerts", "baseline")
LISTS = ("skip", "override")
TYPOS = {
    "promt": "prompt", "promptss": "prompts", "templat": "template", "negative_promt": "negative_prompt",
    "param": "params", "var": "vars", "axis": "axes", "axs": "axes", "skips": "skip", "overide": "override",
    "basline": "baseline", "desgin": "design", "sedes": "seeds", "seedbase": "seed_base", "draw": "draws",
    "limit": "limits", "imge": "image", "file": "files", "providr": "provider", "mod": "mode", "strct": "strict",
    "alert": "alerts", "extend": "extends",
}  # fmt: skip


@dataclass(frozen=True)
class Wrong:
    """A wrong experiment: its text with `@@` at the fault, the code, words of the fix, further files."""

    text: str
    code: str
    says: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def everything() -> Iterator[Wrong]:
    """All of them."""
    for part in (
        shapes,
        numbers,
        amounts,
        names,
        keys,
        yaml,
        colons,
        matchers,
        rows,
        prompts,
        templates,
        secrets,
        bounds,
        bases,
        data,
    ):
        yield from part()


def shapes() -> Iterator[Wrong]:
    for key in ONE_TEXT:
        base = "" if key == "template" else P
        for value in ("[x]", "{a: b}"):
            yield Wrong(f"{base}{key}: @@{value}\n", "wrong-type", "it has to be")
        yield Wrong(f"{base}@@{key}:\n", "no-value", "leave the key out")
    for key in MAPS:
        yield Wrong(f"{P}{key}: @@[x]\n", "wrong-type", "it has to be a map")
        yield Wrong(f"{P}{key}: @@x\n", "wrong-type", "it has to be a map")
        yield Wrong(f"{P}{key}:\n  @@- a: b\n", "wrong-type", "leave the dash out")
    for key in LISTS:
        yield Wrong(f"{P}{key}: @@x\n", "wrong-type", "it has to be a list")
        yield Wrong(f"{P}{key}: @@{{s: film}}\n", "wrong-type", "it has to be a list")
        yield Wrong(f"{P}{key}: [@@x]\n", "wrong-type", "it has to be a map")
        yield Wrong(f"{P}{key}: [@@[x]]\n", "wrong-type", "it has to be a map")
    for text in ("axes: {s: @@x}", "axes: {s: [a, @@[b]]}", "axes: {s: [a, @@{b: c}]}", "axes: {s: {a: @@[b]}}",
                 "axes: {s: {values: @@x}}", "negative_prompt: @@{a: b}", "negative_prompt: [a, @@[b]]",
                 "design: @@[x]", "image: @@[x]", "seeds: @@{a: 1}", "seeds: [@@[1]]", "params: {n: @@[1]}",
                 "params: {n: @@{a: 1}}", "limits: {images: @@[1]}", "baseline: {s: @@[film]}",
                 "axes: {s: {a: {params: @@[n]}}}", "axes: {s: {a: {negative_prompt: @@{b: c}}}}",
                 "axes: {i: {from: @@[a.csv]}}", "axes: {i: {from: a.csv, where: @@{a: b}}}"):  # fmt: skip
        yield Wrong(f"{P}{text}\n", "wrong-type")
    for text in ("axes: {s: @@[]}", "axes: {s: @@{}}", "axes: {s: {values: @@[]}}"):
        yield Wrong(f"{P}{text}\n", "empty-axis", "at least one")
    for text in ("seeds: @@[]", "skip: [@@{}]", "override: [{match: @@{}}]", "baseline: @@{}", "axes: {s: {@@a: }}",
                 "vars: {@@a: }", "negative_prompt: [a, @@'']", "params: {n: @@}"):  # fmt: skip
        yield Wrong(f"{P}{text}\n", "no-value")
    for text in ("override: [@@{params: {n: 2}}]", "design: @@{seed: 1}", "image: @@{pick: kept}"):
        yield Wrong(f"{P}{text}\n", "missing-key", "needs the key")
    yield Wrong("prompt: @@[a, b]\n", "wrong-type", "several stand under `prompts:`")
    yield Wrong("prompt: @@{a: b}\n", "wrong-type", "several stand under `prompts:`")
    yield Wrong(f"{P}axes: {{s: @@data/items.csv}}\n", "wrong-type", "{from: data/items.csv}")
    yield Wrong(f"{P}axes: {{s: {{@@a, b}}}}\n", "no-value", "for a list write [a, b]")
    yield Wrong(f"{P}axes: {{s: [a], @@when: {{s: a}}}}\n", "bad-axis", "belongs to one axis")
    yield Wrong("@@- prompt: a\n", "wrong-type", "a map of keys")
    yield Wrong("@@a teapot\n", "wrong-type", "a map of keys")
    yield Wrong("@@", "empty-file", "the smallest experiment")
    yield Wrong("@@seeds: 3\n", "prompt-source", "write one of")
    yield Wrong(f"{P}@@template: b.j2\n", "prompt-source", "one of")
    yield Wrong("prompts: @@{}\n", "empty-axis", "at least one")
    yield Wrong("prompts: @@[]\n", "empty-axis", "at least one")
    yield Wrong("prompts: {@@a: }\n", "no-value")
    yield Wrong("prompts: {a: @@[b]}\n", "wrong-type")
    yield Wrong("prompts: [a, @@{b: c}]\n", "wrong-type", "leave the dash out: `b: c`")


def numbers() -> Iterator[Wrong]:
    for value in ("1..4", "1, 2, 3", "(1, 2)", "none"):
        yield Wrong(f"{P.replace('s |', 'x |')}seeds: @@{value}\n", "bad-value", "or a list as in [11, 22, 33]")
    yield Wrong(f"{P}params: {{strength: 0,@@5}}\n", "unknown-parameter", "written with a point")
    for value in ("four", "1.5", "0", "-1", "1e3", "''", "1_000", "9" * 30):
        for key in ("seeds", "draws"):
            yield Wrong(
                f"{P}{key}: @@{value}\n", "bad-value", "it has to be" if value not in ("0", "-1") else "at least 1"
            )
        yield Wrong(f"{P}limits: {{images: @@{value}}}\n", "bad-value")
        yield Wrong(f"{P}design: {{sample: @@{value}}}\n", "bad-value")
    for value in ("four", "1.5", "9" * 30):
        yield Wrong(f"{P}seed_base: @@{value}\n", "bad-value", "whole number")
        yield Wrong(f"{P}seeds: [1, @@{value}]\n", "bad-value", "whole number")
        yield Wrong(f"{P}design: {{sample: 3, seed: @@{value}}}\n", "bad-value", "whole number")
    for value in ("1001", "30000000", "1234567890"):
        yield Wrong(f"{P}seeds: @@{value}\n", "bad-value", f"write `seeds: [{value}]` for that one seed")
        yield Wrong(f"{P}draws: @@{value}\n", "bad-value", "at most 1,000")
    yield Wrong(f"{P}seeds: @@[3, 1, 3]\n", "bad-value", "use `draws`")
    for value in ("yes", "on", "1", "''"):
        yield Wrong(f"{P}strict: @@{value}\n", "bad-value", "write true or false")
    yield Wrong(f"{P}mode: @@asynk\n", "bad-value", "did you mean 'async'?")
    yield Wrong(f"{P}design: @@pairwise\n", "bad-value", "it can be all, one_factor")
    yield Wrong(f"{P}image: {{from: b, pick: @@best}}\n", "bad-value", "it can be kept, all")


def amounts() -> Iterator[Wrong]:
    for value in ("600", "lots", "-5 USD", "5 EUR", "USD", "5 usd usd", "''", "5,5,5 eur"):
        yield Wrong(
            f"{P}limits: {{cost: @@{'5 eur' if ',' in value else value}}}\n", "bad-value", "write 20usd or 400cr"
        )
        yield Wrong(f"{P}alerts: {{cost: @@{'x' if ',' in value else value}}}\n", "bad-value", "write 20usd or 400cr")


def names() -> Iterator[Wrong]:
    for name in RESERVED:
        yield Wrong(f"{P}axes: {{@@{name}: [a]}}\n", "reserved-name", "choose another name")
        yield Wrong(f"{P}vars: {{@@{name}: a}}\n", "reserved-name", "choose another name")
    for name in ("prompt", "template", "seed", "draw", "position", "ext"):
        yield Wrong(f"{P}axes: {{@@{name}: [a]}}\n", "reserved-name", "are reserved")
    for name in NOT_NAMES:
        yield Wrong(f"{P}axes: {{@@{name}: [a]}}\n", "bad-name", "use letters, digits and _")
        yield Wrong(f"{P}vars: {{@@{name}: a}}\n", "bad-name", "use letters, digits and _")
    yield Wrong("prompts: {@@from: a}\n", "reserved-name")
    yield Wrong(f"{P}vars: {{@@s: a}}\n{S}", "name-clash")
    yield Wrong(f"{P}axes: {{s: [a, @@'']}}\n", "bad-id", "name the value")
    yield Wrong(f"{P}axes: {{s: [a, b, @@a]}}\n", "duplicate-id", "first in line 2")
    yield Wrong(f"{P}axes: {{s: {{a: b, @@when: {{t: c}}}}, t: [c]}}\n", "bad-axis", "write {values:")


def keys() -> Iterator[Wrong]:
    for typo, right in TYPOS.items():
        says = "write `draws: 3`" if typo == "draw" else f"did you mean '{right}'?"
        yield Wrong(f"{P}@@{typo}: x\n", "unknown-key", says)
    for name in PARAMETERS:
        yield Wrong(f"{P}@@{name}: x\n", "unknown-key", f"write `params: {{{name}: x}}`")
    yield Wrong(f"{P}@@seed: 7\n", "unknown-key", "Write `seeds: [7]`")
    yield Wrong(f"{P}@@where: {{s: film}}\n", "unknown-key", "`skip`")
    yield Wrong(f"{P}@@variables: {{a: b}}\n", "unknown-key", "write `vars:`")
    for text, near in (("limits: {@@imges: 3}", "images"), ("limits: {@@costs: 3 USD}", "cost"), ("alerts: {@@cots: 3 USD}", "cost"),
                       ("axes: {s: [film]}\noverride: [{match: {s: film}, @@parms: {}}]", "params"), ("design: {@@smaple: 3, sample: 2}", "sample"),
                       ("image: {from: b, @@pik: all}", "pick"), ("axes: {s: {values: [b], @@wen: {c: d}}}", "when"),
                       ("axes: {s: {from: data/items.csv, @@ids: sku}}", "id")):  # fmt: skip
        yield Wrong(f"{P}{text}\n", "unknown-key", f"did you mean '{near}'?")
    for key in ("plan", "caps", "providers", "db", "budget", "base_url", "url", "endpoint"):
        yield Wrong(f"{P}@@{key}: x\n", "not-in-experiment", "belongs in")
    for text in ("params: {@@aspect_ration: 1:1}", "axes: {s: {a: {params: {@@qualty: high}}}}", "axes: {@@params.siz: [1]}",
                 "axes: {s: [film]}\noverride: [{match: {s: film}, params: {@@qualiti: low}}]"):  # fmt: skip
        yield Wrong(f"{P}{text}\n", "unknown-parameter", "did you mean")
    for name in ("prompt", "negative_prompt", "image"):
        yield Wrong(f"{P}params: {{@@{name}: x}}\n", "unknown-parameter", "at the top")


def yaml() -> Iterator[Wrong]:
    for value in ("{{ s }}", "{{ s }} on linen", "{% if a %}b{% endif %}", "{{ a | join('x') }}", "{# a #} b"):
        yield Wrong(f"prompt: @@{value}\n", "unquoted-template", "quote it")
        yield Wrong(f"prompts:\n  calm: @@{value}\n", "unquoted-template", "quote it")
    yield Wrong("prompt: teapot@@: blue\n", "yaml-syntax", "has to be quoted")
    yield Wrong("prompt: @@'a\n", "yaml-syntax", "never closed")
    yield Wrong('prompt: @@"a\n', "yaml-syntax", "never closed")
    yield Wrong(f"{P}axes: {{a: @@[b, c}}\n", "yaml-syntax", "is not closed")
    yield Wrong(f"{P}axes: @@{{a: [b, c]\n", "yaml-syntax", "is not closed")
    yield Wrong("prompt: @@@a\n".replace("@@@", "@@\\@", 1).replace("\\", ""), "yaml-syntax", "has to be quoted")
    yield Wrong("prompt: @@`a`\n", "yaml-syntax", "has to be quoted")
    yield Wrong("prompt: @@%a\n", "yaml-syntax", "has to be quoted")
    yield Wrong(f"{P}axes:\n@@\ts: [a]\n", "yaml-tab", "spaces")
    yield Wrong(f"{P}  @@seeds: 3\n", "yaml-syntax")
    yield Wrong(f"{P}axes:\n  s: [a]\n @@t: [b]\n", "yaml-syntax", "indentation")
    yield Wrong(f"{P}@@---\nprompt: b\n", "yaml-documents", "remove '---'")
    yield Wrong("prompt: @@*a\n", "unknown-anchor", "quote a text with *")
    yield Wrong(f"{P}vars: {{x: &x [@@*x]}}\n", "alias-cycle")
    yield Wrong(f"{P}@@<<: {{seeds: 3}}\n", "merge-key", "`extends`")
    yield Wrong(f"{P}? @@[a]\n: b\n", "bad-key")
    yield Wrong(f"{P}@@'': b\n", "bad-key")
    yield Wrong(f"{P}@@prompt: b\n", "duplicate-key", "keep one")
    yield Wrong(f"{P}axes: {{s: [a], @@s: [b]}}\n", "duplicate-key", "keep one")
    yield Wrong("prompt: @@!!str a\n", "yaml-tag", "remove it")
    yield Wrong(f"{P}vars: {{a: @@\x07}}\n", "control-character", "remove it")
    yield Wrong(f"{P}axes: {{s: [a @@#b, c]}}\n", "yaml-syntax", "quote a text that holds ' #'")
    yield Wrong('prompt: "a @@\\d"\n', "yaml-syntax", "use single quotes")
    yield Wrong(f"{P}axes: @@s: [a]\n", "yaml-syntax", "on a separate line")
    yield Wrong(f"{P}skip: @@- {{s: a}}\n", "yaml-syntax", "the dashes of a list")
    yield Wrong("prompt:\n@@a cup\nseeds: 3\n", "yaml-syntax", "indent it")
    yield Wrong(f"{P}...\n@@seeds: 3\n", "yaml-syntax", "take it out")
    yield Wrong("prompts:\n  calm: a\n   @@bold: b\n", "yaml-syntax", "move it left")
    yield Wrong("prompt: " + "[" * 49 + "@@" + "[" * 3000, "too-large", "more than 50 deep")


def colons() -> Iterator[Wrong]:
    yield Wrong("prompt:@@text\nseeds: 3\n", "yaml-syntax", "write `prompt: text`")
    yield Wrong("prompt:@@a cup\n  on linen\nseeds: 3\n", "yaml-syntax", "write `prompt: a cup`")
    for text in ("seeds:@@3\n", "seeds:@@3\ndraws: 2\n", "axes:\n  style:@@[a, b]\n  x: [a]\n", "params: {n:@@2}\n",
                 "axes: {s:@@[a]}\n" if False else "limits: {images:@@3}\n", "axes:\n  style:\n    film:@@35mm\n    photo: b\n"):  # fmt: skip
        yield Wrong(P + text, "yaml-syntax", "needs a space after its colon")
    yield Wrong("@@prompt:text\n", "wrong-type", "needs a space after its colon")
    yield Wrong(f"{P}skip:\n  - @@s:film\n", "wrong-type", "write `s: film`")
    yield Wrong(f"{P}axes: @@s:film\n", "wrong-type", "write `s: film`")


def matchers() -> Iterator[Wrong]:
    for text in (
        "skip: [{%s}]",
        "override: [{match: {%s}, params: {n: 2}}]",
        "baseline: {%s}",
        "skip: [{s: ink}, {%s}]",
    ):
        yield Wrong(P + S + text % "@@stile: film" + "\n", "unknown-axis")
        yield Wrong(P + S + text % "s: @@fim" + "\n", "unknown-id", "did you mean 'film'?")
        yield Wrong(P + S + text % "@@params.x: film" + "\n", "unknown-axis")
    yield Wrong(P + S + "skip: [{s: [film, @@fim]}]\n", "unknown-id", "did you mean 'film'?")
    yield Wrong(P + "axes: {s: [film], g: {values: [c], when: {@@d: e}}}\n", "unknown-axis")
    yield Wrong(P + "axes: {s: [film], g: {values: [c], when: {s: @@e}}}\n", "unknown-id", "there are film")
    yield Wrong(P + "axes: {a: {values: [b], @@when: {c: d}}, c: {values: [d], when: {a: b}}}\n", "when-cycle")
    yield Wrong(P + "design: @@one_factor\n", "baseline-missing", "write a `baseline`")
    yield Wrong(P + "params: {@@seed: 3}\nseeds: 4\n", "unknown-parameter", "write `seeds: [42]` at the top")
    for pattern, code in (("{stile}.{ext}", "unknown-axis"), ("../{seed}.{ext}", "bad-files"), ("/x/{seed}.{ext}", "bad-files"),
                          ("{seed", "bad-files"), ("{seed:>3}.{ext}", "bad-files"), ("~/x.{ext}", "bad-files"), ("c:/x.{ext}", "bad-files")):  # fmt: skip
        yield Wrong(f"{P}{S}files: @@'{pattern}'\n", code)


def rows() -> Iterator[Wrong]:
    def of(name: str, content: str | bytes) -> dict[str, str | bytes]:
        return {f"experiments/{name}": content}

    yield Wrong(P + "axes: {s: {from: @@data/itms.csv}}\n", "missing-file", "did you mean 'items.csv'?")
    for name in ("data", "r.xlsx", "r", "r.json"):
        yield Wrong(P + f"axes: {{s: {{from: @@{name}}}}}\n", "rows-format", "it has to end in")
    yield Wrong(P + "axes: {s: {from: data/items.csv, id: @@skuu}}\n", "unknown-column", "did you mean 'sku'?")
    yield Wrong(P + "axes: {s: {from: data/items.csv, @@values: [b]}}\n", "unknown-key")
    for where in ("{{ price > 3 }}", "{{ sku == 'A1' }}", "{% if price %}"):
        yield Wrong(P + f'axes: {{s: {{from: data/items.csv, where: @@"{where}"}}}}\n', "row-filter", "without braces")
    yield Wrong(
        P + "axes: {s: {from: data/items.csv, where: @@sku == 'Z'}}\n", "empty-axis", "leaves none of the 2 rows"
    )
    yield Wrong(P + "axes: {s: {from: @@r.csv}}\n", "empty-axis", "has no rows", of("r.csv", ""))
    yield Wrong(P + "axes: {s: {from: @@r.csv}}\n", "empty-axis", "has no rows", of("r.csv", "id,v\n"))
    yield Wrong(P + "axes: {s: {from: r.txt, @@id: sku}}\n", "unknown-column", "no columns", of("r.txt", "a\n"))
    for name, content, code, says in (
        ("r.csv", "@@id,,v\na,b,c\n", "rows-header", "has no name"),
        ("r.csv", "@@id,v,id\na,b,c\n", "rows-header", "two columns"),
        ("r.csv", "@@id;v;id\na;b;c\n", "rows-header", "two columns"),
        ("r.csv", "@@id,params\na,b\n", "rows-header", "use a .jsonl"),
        ("r.csv", "id,v\n@@d\n", "ragged-row", "quote a cell with a comma"),
        ("r.csv", "id;v\n@@d\n", "ragged-row", "quote a cell with a semicolon"),
        ("r.tsv", "id\tv\n@@d\ta\tb\n", "ragged-row", "quote a cell with a tab"),
        ("r.csv", 'id,v\n@@a,"b\n', "rows-syntax", "not CSV"),
        ("r.csv", "id,v\na,b\n@@a,c\n", "duplicate-id", "first in line 2"),
        ("r.csv", "id,v\n@@,b\n", "bad-id", "no text in the column"),
        ("r.csv", "id,v\na,b @@{{ c }}\n", "template-in-data", "`literal: true`"),
        ("r.jsonl", '{"id": "a", "v": "@@\\u007b{ x }}"}\n', "template-in-data", "`literal: true`"),
        ("r.jsonl", '{"id": "a", "v": ["@@{% x"]}\n', "template-in-data", "the row 'a'"),
        ("r.jsonl", '{"id": @@x}\n', "rows-syntax", "not JSON"),
        ("r.jsonl", '@@["b"]\n', "rows-syntax", "one JSON object"),
        ("r.jsonl", '@@{"id": NaN}\n', "rows-syntax", "not JSON"),
        ("r.jsonl", '@@{"id": 1, "id": 2}\n', "rows-syntax", "twice"),
        ("r.jsonl", '@@{"id": ' + "[" * 50 + "]" * 50 + "}", "too-large", "nested"),
        ("r.jsonl", '@@{"id": "a", "params": {"n": 99}}', "bad-parameter", "it can be from"),
        ("r.jsonl", '@@{"id": "a", "params": 3}', "wrong-type", "a map of parameters"),
        ("r.txt", "a\nb @@{% c %}\n", "template-in-data", "take the braces out"),
        ("r.txt", "a\n@@a\n", "duplicate-id", "first in line 1"),
    ):  # fmt: skip
        yield Wrong(P + f"axes: {{s: {{from: {name}}}}}\n", code, says, of(name, content))
    for content in ("id\na\n".encode("utf-16"), "id\na\n".encode("utf-16-be")):
        yield Wrong(P + "axes: {s: {from: r.csv}}\n", "encoding", "save it as UTF-8", of("r.csv", content))


def prompts() -> Iterator[Wrong]:
    for text in ("prompt: a {{ @@q }}\n", "prompt: 'it''s {{ @@q }}'\n", 'prompt: "a \\"b\\" {{ @@q }}"\n', 'prompt: "\\u00e9\\t{{ @@q }}"\n',
                 "prompt: |\n  a\n  b {{ @@q }}\n", "prompt: |-\n\n    a\n      b {{ @@q }}\n", "prompt: >\n  a\n  b\n\n  c {{ @@q }}\n",
                 "prompt: >-\n  a {{ @@q }}\n  b\n", "prompt: a\n  b\n  c {{ @@q }}\n", "prompt: 'a\n  b\n\n  {{ @@q }} c'\n",
                 'prompt: "a\n  b \\\n  {{ @@q }} c"\n', "prompts:\n  x: a\n  y: >-\n    b\n    {{ @@q }}\n", "prompts:\n  - a\n  - b\n    {{ @@q }}\n",
                 "prompts: {x: a, y: 'b {{ @@q }}'}\n"):  # fmt: skip
        yield Wrong(text, "undefined-variable", "undefined variable 'q'")
    yield Wrong("axes: {style: [film]}\nprompt: >-\n  a\n  {{ @@stile }}\n", "undefined-variable")
    yield Wrong(
        "prompt: |\n  a\n  {{ b@@ | uper }}\n".replace("@@ | ", " | @@"), "unknown-filter", "did you mean 'upper'?"
    )
    yield Wrong("prompt: >-\n  a\n  {{ @@'b'\n", "template-syntax")
    for text in ("prompt: @@''\n", "prompt: @@null\n", "prompt: @@~\n", "prompt: @@'  '\n"):
        yield Wrong(text, "no-value", "write one")
    yield Wrong("prompt: '@@{{ s }}'\naxes: {s: {a: '', b: c}}\n", "empty-prompt", "in s=a")
    yield Wrong("prompt: a\nimage: @@nope.png\n", "missing-image", "relative to the experiment's file")
    yield Wrong("prompt: a\nimage: @@'x/{{ q }}.png'\n".replace("@@'x/{{ q", "'x/{{ @@q"), "undefined-variable")


def templates() -> Iterator[Wrong]:
    def of(content: str) -> dict[str, str | bytes]:
        return {"templates/t.j2": content}

    yield Wrong("template: @@t.j2x\n", "template-missing", "did you mean 't.j2'?", of("a"))
    yield Wrong("templates: {a: t.j2, b: @@u.j2}\n", "template-missing", "", of("a"))
    yield Wrong("templates: [t.j2, @@u.j2]\n", "template-missing", "", of("a"))
    yield Wrong("template: t.j2\n", "undefined-variable", "", of("a\n{{ @@q }}\n"))
    yield Wrong("template: t.j2\n", "empty-prompt", "", of("@@{# a #}"))
    for head, code in (("descripton: x", "unknown-key"), ("vars: {a: {type: @@strin}}", "bad-value"), ("vars: @@[a]", "wrong-type"),
                       ("params: {n: @@[1]}", "wrong-type"), ("params: {n: @@99}", "bad-parameter"), ("params: {qualiti: @@high}", "unknown-parameter"),
                       ("whitespace: @@keeep", "bad-value"), ("negative_prompt: ['@@{{ a }}']".replace("'@@", "@@'"), "template-in-data"),
                       ("vars: {a: {type: integer, default: @@x}}", "variable-type"), ("description: @@`a", "yaml-syntax")):  # fmt: skip
        yield Wrong("template: t.j2\n", code, "", of(f"---\n{head if '@@' in head else '@@' + head}\n---\na cup\n"))
    yield Wrong(
        "template: t.j2\nvars: {@@k: x}\n",
        "variable-type",
        "whole number",
        of("---\nvars: {k: {type: integer}}\n---\na {{ k }}\n"),
    )


def secrets() -> Iterator[Wrong]:
    for key in ("api_key", "token", "secret", "password", "kairval_api_key"):
        yield Wrong(f"{P}@@{key}: h4sh-h4sh\n", "not-in-experiment", "keys come from the environment alone")
    yield Wrong(f"{P}params: {{@@api_key: h4sh-h4sh}}\n", "not-in-experiment", "keys in the environment")
    yield Wrong(f"{P}limits: {{@@api_key: h4sh-h4sh}}\n", "unknown-key")
    yield Wrong(f"{P}axes: {{token: @@h4sh-h4sh}}\n", "wrong-type")
    yield Wrong(f"{P}vars:\n  api_key:\n    - @@!x h4sh-h4sh\n", "yaml-tag")
    yield Wrong(f"{P}@@x: https://bob:h4sh-h4sh@x.example/\n", "unknown-key")
    yield Wrong(f"{P}api_key:@@h4sh-h4sh\nseeds: 3\n", "yaml-syntax", "needs a space")
    yield Wrong(f"{P}params:\n  @@- api_key: h4sh-h4sh\n", "wrong-type", "leave the dash out")
    yield Wrong(f"{P}vars: {{api_key:@@h4sh-h4sh}}\n", "yaml-syntax", "needs a space")
    yield Wrong("@@api_key:h4sh-h4sh\n", "wrong-type", "needs a space")
    yield Wrong(f"{P}skip:\n  - @@api_key:h4sh-h4sh\n", "wrong-type", "needs a space")
    yield Wrong(f"{P}api_key: h4sh-h4sh@@: b\n", "yaml-syntax", "has to be quoted")
    yield Wrong(f"{P}api_key:\n  @@h4sh-h4sh: b: c\n", "yaml-syntax", "move it left")
    yield Wrong(f"{P}@@x: kv_h4sh-h4sh-h4sh\n", "unknown-key")


def bounds() -> Iterator[Wrong]:
    for provider in ("kairval", "simulator"):
        head = f"{P}provider: {provider}\n"
        yield Wrong(head + "params: {n: @@7}\n", "bad-parameter", "it can be from 1 to 4")
        yield Wrong(head + "axes: {params.n: [1, @@7]}\n", "bad-parameter", "it can be from 1 to 4")
        yield Wrong(head + "axes: {s: {a: {params: {n: @@7}}}}\n", "bad-parameter", "it can be from 1 to 4")
        yield Wrong(head + "params: {n: @@x}\n", "bad-parameter", "whole number")
        yield Wrong(head + f"params: {{n: @@{'9' * 30}}}\n", "bad-parameter", "at most 18 digits")
        yield Wrong(head + "params: {aspect_ratio: @@5:4}\n", "bad-parameter")
        yield Wrong(head + "params: {output_format: @@gif}\n", "bad-parameter")
    yield Wrong(f"{P}provider: openai\nparams: {{n: @@17}}\n", "bad-parameter", "it can be from 1 to 10")
    yield Wrong(f"{P}provider: @@kairvla\n", "provider", "did you mean 'kairval'?")
    yield Wrong(f"{P}provider: @@nobody\n", "provider", "known are")


def bases() -> Iterator[Wrong]:
    def of(content: str) -> dict[str, str | bytes]:
        return {"experiments/b.yaml": content}

    yield Wrong(f"{P}extends: @@bse.yaml\n", "missing-file")
    yield Wrong("extends: b.yaml\n", "bad-value", "", of("prompt: a\nseeds: @@x\n"))
    yield Wrong("extends: @@b.yaml\n", "wrong-type", "has to be a map", of("- a\n"))
    yield Wrong("extends: b.yaml\n", "extends-cycle", "", of("extends: @@e.yaml\n"))
    yield Wrong("extends: b.yaml\naxes: {s: {@@flm: null}}\n", "unknown-id", "did you mean 'film'?", of(P + S))
    yield Wrong("extends: b.yaml\naxes: {@@t: ~}\n", "unknown-id", "to take out", of(P + S))
    yield Wrong("extends: b.yaml\nskip: [{s: @@film}]\naxes: {s: {film: null}}\n", "unknown-id", "", of(P + S))
    yield Wrong("extends: b.yaml\n", "yaml-syntax", "", of("prompt:@@a\nseeds: 3\n"))


def data() -> Iterator[Wrong]:
    for text in ('vars: {a: @@"{{ b }}"}', 'vars: {a: [@@"{{ b }}"]}', 'negative_prompt: @@"{% raw %}"', 'axes: {s: [@@"{# b #}"]}',
                 'axes: {s: {b: @@"{{ c }}"}}', 'axes: {s: {b: {light: @@"{{ c }}"}}}', 'axes: {s: {@@"{{ b }}": c}}',
                 'params: {model: @@"{{ b }}"}', "axes: {s: {b: '@@\\u007b'}}" if False else 'axes: {s: {b: @@"\\u007b{ c }}"}}'):  # fmt: skip
        yield Wrong(f"{P}{text}\n", "template-in-data")
