"""What templates cost a process: to import, to load the first one, and each prompt of a product; in CPU time."""

from __future__ import annotations

import time

began = time.process_time()
import jinja2.sandbox  # noqa: E402, F401

jinja = time.process_time()
from pathlib import Path  # noqa: E402

from promptlab.model import Source  # noqa: E402
from promptlab.prompts import Library, Template  # noqa: E402

PLAIN = "{{ subject }} in {{ style }}, {{ light }}, take {{ take }}, {{ brand }}, sharp focus"
NAMES = ("subject", "style", "light", "take")
COUNT = 100_000


def template(text: str) -> Template:
    return Library(Path("/nowhere/templates")).inline(Source("prompt", text), "prompt")


def rate(found: Template) -> float:
    """Prompts a second of a product of ten values each."""
    prompt = found.bind({"brand": "Harbour & Co"}, {name: [f"{name} number {i}" for i in range(10)] for name in NAMES})
    cells = [(i % 10, i // 10 % 10, i // 100 % 10, i // 1000 % 10) for i in range(COUNT)]
    start = time.process_time()
    for cell in cells:
        prompt(cell)
    return COUNT / (time.process_time() - start)


if __name__ == "__main__":
    imported = time.process_time()
    first = template(PLAIN)
    loaded = time.process_time()
    tagged = template("{% if take %}" + PLAIN + "{% endif %}")
    times = (jinja - began, imported - jinja, loaded - imported)
    print(*(f"{seconds * 1000:.1f}" for seconds in times), f"{rate(first):.0f} {rate(tagged):.0f}")
