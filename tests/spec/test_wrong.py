"""Wrong experiments, several hundred: the right place, a code, a sentence that tells the fix, and no secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import InputError, Problem
from promptlab.studio.prepare import prepare

from .wrong import Wrong, everything

CASES = list(everything())


def problems_of(wrong: Wrong, studio: Path) -> list[Problem]:
    """Everything that is reported about it: by loading, by templates and provider, by a look at every request."""
    for name, content in {"experiments/e.yaml": wrong.text, **wrong.files}.items():
        path = studio / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.replace("@@", "").encode())
    try:
        job = prepare(
            studio / "experiments" / "e.yaml", environ={"PROMPTLAB_STATE": str(studio / "state")}, key_needed=False
        )
        job.plan.survey().check()
    except InputError as error:
        return list(error.problems)
    return []


def place_of(wrong: Wrong) -> tuple[str, int, int] | None:
    for name, content in {"experiments/e.yaml": wrong.text, **wrong.files}.items():
        if isinstance(content, str) and "@@" in content:
            before = content.partition("@@")[0]
            return name, before.count("\n") + 1, len(before) - before.rfind("\n")
    return None


@pytest.mark.parametrize("part", range(8))
def test_wrong_experiments_are_told_where_and_how(studio: Path, part: int) -> None:
    """The first problem stands at the mark, has the code, and says what to do; nothing shows a key."""
    assert len(CASES) > 400
    bad = []
    for wrong in CASES[part::8]:
        found = problems_of(wrong, studio)
        wanted = place_of(wrong)
        at = [(p.path, p.line, p.column) for p in found]
        told = "\n".join(str(problem) for problem in found)
        fine = found and found[0].code == wrong.code and wrong.says in found[0].message and "h4sh" not in told
        if not fine or (wanted is not None and at[0] != wanted):
            bad.append(f"{wrong.text!r}\n  wanted {wanted} {wrong.code} {wrong.says!r}\n  got {told or 'nothing'}")
        for name in wrong.files:
            (studio / name).unlink()
    assert not bad, "\n\n".join(bad)
