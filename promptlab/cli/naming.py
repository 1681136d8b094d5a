"""Names for prompts that were only typed: from their own words, the same for the same prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["ids_of", "title_of"]

#: Words that do not distinguish prompts.
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from in into is it its of off on onto or over per so that the their then this to "
        "under up with without",
    )
)
_TAKEN = frozenset(("from", "values", "none"))  # what an axis' long form and the names of files mean by these
_LONGEST = 40


def ids_of(prompts: Sequence[str]) -> list[str]:
    """An id for each prompt, from the words that the others lack: `linen-soft`, `hard-flash`; else `p1`, `p2`."""
    spoken = [_words(prompt) for prompt in prompts]
    shared = set.intersection(*map(set, spoken)) if len(spoken) > 1 else set()
    ids: list[str] = []
    for number, said in enumerate(spoken, 1):
        name = "-".join([word for word in said if word not in shared][:2])[:_LONGEST]
        ids.append(f"p{number}" if not name or name in _TAKEN or name in ids else name)
    return ids


def title_of(prompts: Sequence[str]) -> str:
    """A name for them all, from the first words that they share: `ceramic_teapot`; else from the first prompt's."""
    spoken = [_words(prompt) for prompt in prompts]
    shared = [word for word in spoken[0] if all(word in said for said in spoken)]
    return "_".join((shared or spoken[0])[:2])[:_LONGEST] or "prompts"


def _words(prompt: str) -> list[str]:
    found = re.findall(r"[^\W_]+", prompt.casefold())
    return list(dict.fromkeys(word[:24] for word in found if word not in _SMALL))
