"""Plan one experiment of N variants and print variants a second (counted in the process that plans them)."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from promptlab.run import prepare

SPEC = """\
prompt: "{{ subject }} in {{ style }}, {{ light }}, take {{ take }}, {{ brand }}, sharp focus"
negative_prompt: [blurry, watermark]
vars: {brand: Harbour & Co}
axes:
"""


def spec(variants: int) -> str:
    """Four axes whose product is `variants` (a power of ten), each with text ids."""
    side = round(variants**0.25)
    sizes = [side, side, side, variants // side**3] if side**4 == variants else [10, 10, 10, variants // 1000]
    lines = [SPEC]
    for name, size in zip(("subject", "style", "light", "take"), sizes, strict=True):
        lines.append(f"  {name}: [{', '.join(f'{name} number {i}' for i in range(size))}]\n")
    return "".join(lines)


if __name__ == "__main__":
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    path = folder / f"plan_{count}.yaml"
    path.write_text(spec(count))
    start = time.process_time()
    survey = prepare(path, provider="simulator").plan.survey().check()
    seconds = time.process_time() - start
    assert survey.distinct == count
    print(f"{count / seconds:.0f} {seconds:.3f}")
