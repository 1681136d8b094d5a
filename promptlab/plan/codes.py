"""The stable codes of problems that this package finds; docs/errors.md has a paragraph for each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CODES"]

CODES: Mapping[str, str] = MappingProxyType(
    {
        # axes and matchers
        "unused-axis": "An axis that no template, parameter, negative prompt, image or matcher uses.",
        "matches-nothing": "A skip, override or when that no variant can meet, or a --where that leaves none.",
        "unknown-id": "A matcher that names an image that the chain does not have.",
        "when-cycle": "An axis whose `when` depends on itself.",
        "name-clash": "An axis called `source` beside an edit of earlier images.",
        "all-skipped": "Skips that leave no variant.",
        "skipped-baseline": "A baseline that the skips leave out.",
        "no-effect": "An override that changes nothing where it matches (warning).",
        "unknown-variant": "A variant asked about that the axes do not make.",
        # designs
        "sample-too-few": "A sample larger than what the skips leave of a huge product.",
        "no-matched-pairs": "A design after which nothing can be compared on an axis (warning).",
        # requests
        "prompt-source": "Not exactly one of prompt, prompts, template and templates.",
        "empty-prompt": "A prompt that is empty for a variant's values.",
        "prompt-too-long": "A prompt longer than the provider takes.",
        "prompt-and-negative": "A term both in the prompt and in its negative prompt (warning).",
        "equal-requests": "Requests that are equal: sent once, each variant gets its rows (warning).",
        "not-repeatable": "No seed is sent to a provider that takes them (warning).",
        "colliding-names": "Two images of one run that would get the same file name.",
        "same-call": "An axis, or values of one, that differ only in what the provider drops.",
        # what the provider takes
        "unknown-parameter": "A parameter that no installed provider declares.",
        "bad-parameter": "A parameter's value of the wrong type or out of the provider's range.",
        "dropped-parameter": "Something the chosen provider lacks, so it is not sent (an error with strict).",
        "dropped-seed": "Seeds for a provider that takes none (an error with strict).",
        "emulated-parameter": "Something the provider gets in another form (an error with strict).",
        "no-edit": "An edit with a provider that can't edit.",
        "no-async": "Asynchronous jobs asked of a provider that has none.",
        # source images
        "missing-image": "A source image that does not exist.",
        "bad-image": "A source image that can't be used: empty, too large, or no image address.",
        "no-chain": "An edit of an earlier experiment's images, but there are none.",
    }
)
