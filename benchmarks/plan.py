"""Plan one experiment of N variants and print variants a second, in CPU time of the process that plans them.

Two passes: with ids (variant ids, request hashes, names, one Request each), and the survey that `plan` shows (render,
hash, equal requests found, price). Loading the file and templates is counted, importing libraries is not. After the two
speeds comes the process' peak memory in MB at the end of each pass.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from promptlab.studio.prepare import prepare

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


def peak() -> float:
    """The most memory that this process has had, in MB; getrusage's figure begins with that of its parent."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    path = folder / f"plan_{count}.yaml"
    path.write_text(spec(count))
    warm = folder / "warm.yaml"
    warm.write_text(spec(10_000).replace("number 1,", "numero 1,"))
    sum(1 for _ in zip(prepare(warm, provider="simulator").plan.requests(), range(1), strict=False))
    start = time.process_time()
    plan = prepare(path, provider="simulator").plan
    ids = sum(request.variant.id != "" for request in plan.requests())
    middle, peak_of_ids = time.process_time(), peak()
    survey = prepare(path, provider="simulator").plan.survey().check()
    end = time.process_time()
    assert ids == survey.distinct == count
    print(f"{count / (middle - start):.0f} {count / (end - middle):.0f} {peak_of_ids:.1f} {peak():.1f}")
