"""What every table, view and column of the log is, in words: for Datasette's pages and for docs/log.md.

The schema says what there is (schema.py, schema_sums.py), this says what it means; tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["COLUMNS", "DESCRIPTIONS", "Described", "column_words"]

COLUMNS: Mapping[str, str] = {
    "aspect_ratio": "Shape of the image, such as 1:1 or 16:9; the documented default where nothing was asked for",
    "attempts": "How often the request was sent; above 1 means that it was repeated after a failure",
    "axes": "Axis → value id: what makes this variant different from the others (JSON)",
    "axis_values": "The values that were used, as text or with the fields of a row (JSON)",
    "base_url": "Address of the API; simulator: never left this machine",
    "bytes": "Size of the image file",
    "cached": "Whether the images were taken from an earlier, paid generation: 1 yes, 0 no",
    "cached_from": "The generation that was paid for these images; empty where this one was paid itself",
    "completed": "Generations that have their images",
    "cost_source": "Where the cost is known from: response and usage are the provider's figures, table is an estimate, "
    "cache is free, simulated was never paid",
    "cost_usd": "Dollars; an estimate (~) unless cost_source says response or usage; empty where not known",
    "created_at": "When the row was written (UTC)",
    "credits": "Credits of the provider's account; empty where not known",
    "defaulted": "Columns that hold the documented default, since nothing was asked for (JSON)",
    "draw": "Which repeat of the same request this is, counted from 0",
    "dropped": "Parameters that were asked for but not sent, because the provider has none like them (JSON)",
    "emulated": "Parameters that were sent in another way, such as a negative prompt added to the prompt (JSON)",
    "ended_at": "When it ended (UTC); empty while it is running",
    "error_code": "The provider's code for what went wrong, or promptlab's own",
    "error_message": "What went wrong, in the provider's words",
    "error_type": "The provider's class of error",
    "experiment": "Name of the experiment",
    "failed": "Generations that ended without an image",
    "file_name": "Name that the file will have under results/ while there is no image yet",
    "format": "File format: png, jpg or webp",
    "generation_id": "The generation (one call) that this belongs to",
    "generation_rowid": "Internal number of the generation's row, which the full-text search uses",
    "git_branch": "Branch of the studio's git repository when the run began",
    "git_commit": "Commit of the studio's git repository when the run began",
    "git_dirty": "Whether files had changes that were not committed: 1 yes, 0 no",
    "height": "Height of the image in pixels",
    "host": "The machine that ran it",
    "image_id": "The image; opens its page",
    "job_id": "The provider's id of an asynchronous job",
    "label": "What the file says of its making: c2pa (signed), iptc, both, or none; empty where nobody looked",
    "latency_ms": "Time from sending the request to its answer",
    "mark": "keep or reject: the latest judgement of a user; a cached copy shows that of the paid image",
    "model": "Model that was asked for",
    "n": "How many images this one call asked for",
    "negative_prompt": "The negative prompt: what the image must not show",
    "note": "A user's note on the mark",
    "operation": "generate (from the prompt alone) or edit (of a source image)",
    "output_format": "File format of the request; the documented default where nothing was asked for",
    "paid_image_id": "The image that was paid; marks belong to it",
    "params": "Parameters that were sent beyond those with their own column (JSON)",
    "path": "Readable name of the file, relative to the studio",
    "perceptual_hash": "Fingerprint of the image: similar images have similar ones",
    "plan": "The provider's plan (price and rate) in force",
    "planned": "Generations that the run set out to make",
    "position": "Place of the image in the response, counted from 0",
    "project": "Project that the run is billed to, if any",
    "prompt": "The prompt as it was sent, fully rendered",
    "provider": "Which API made it; simulator costs nothing and says SIMULATED",
    "provider_created_at": "When the provider says it was made (UTC)",
    "provider_id": "The provider's own id of the generation",
    "request_hash": "sha256 of the canonical request: equal requests share it, which is how the cache finds them",
    "response": "The response as received, without pixels (JSON)",
    "response_model": "Model that the provider says it used",
    "revised_prompt": "The revised prompt: the prompt as the model changed it",
    "rowid": "Number of the row, which the full-text search uses; it stays",
    "run_id": "The run it belongs to",
    "run_kind": "run, redo or rerun (verify runs stay out)",
    "seed": "Seed that was sent; empty: none, so no two generations can be matched",
    "seed_index": "Which of the experiment's seeds this is, counted from 0",
    "sequence": "Place in the plan",
    "sha256": "Hash of the image file's bytes: its name in the store, and what reproducible means",
    "simulated": "Whether the simulator made it, so that nothing was sent or paid: 1 yes, 0 no",
    "source_image": "The image that was edited: its sha256, or its URL",
    "spec_path": "The experiment's file, relative to the studio",
    "started_at": "When it began (UTC)",
    "status": "Its state; unknown, lost and in_flight may have been billed",
    "strength": "How far an edit may go from its source image, 0 to 1",
    "tags": "A user's tags on the mark",
    "template": "The template file that wrote the prompt",
    "template_id": "sha256 of the template with everything it includes: an edited macro is a new one",
    "thumbnail": "The image; opens its page",
    "url": "Where the provider offered the image; such addresses expire",
    "user": "Who ran it",
    "variant": "The variant by its axis values, such as style=film,look=warm",
    "variant_id": "Hash of the variant's axis values: stays when axes are reordered or values inserted",
    "width": "Width of the image in pixels",
}


@dataclass(frozen=True, slots=True)
class Described:
    """A table or view: what it is, and its columns where `COLUMNS` has no words or others.

    `like` names the table whose columns a view has; `internal` ones are not for people's queries.
    """

    text: str
    columns: Mapping[str, str] = field(default_factory=dict)
    like: str | None = None
    internal: bool = False


_SUMS: dict[str, str] = {
    "block": "Which 4,096 neighbours of the run's plan: sequence >> 12",
    "generations": "Generations",
    "results": "Paid generations that were completed or lost",
    "bounded_credits": "Results whose cost in credits has a known upper bound",
    "bounded_usd": "Results whose cost in dollars has a known upper bound",
    "known_credits": "Paid generations whose cost in credits is known",
    "known_usd": "Paid generations whose cost in dollars is known",
    "credits": "Credits of the paid generations, as far as known",
    "cost_usd": "Dollars of the paid generations, as far as known",
    "latencies": "Paid and completed generations whose latency is known",
    "latency_ms": "Milliseconds that these took in all",
    "images": "Images in the store",
    "images_lost": "Images that the provider made and that never arrived",
    "bytes": "Size of the image files",
    "attempts": "Sends",
    "attempts_at_risk": "Attempts that may have been billed, or did not say what they cost",
    "bounded_credits_at_risk": "Those of which it is known how many credits at most",
    "bounded_usd_at_risk": "Those of which it is known how many dollars at most",
    "credits_at_risk": "Credits that these may have cost",
    "cost_usd_at_risk": "Dollars that these may have cost",
    "completed": "Paid generations that have their images",
    "cached": "Generations that were answered from the cache",
    "failed": "Generations that ended without an image",
    "unknown": "Generations of unknown outcome, which may have been billed",
    "lost": "Generations that were billed but never delivered",
    "in_flight": "Generations that are being sent",
    "planned": "Generations that are not sent yet",
    "skipped": "Generations that were not sent",
    "simulated": "Generations that the simulator made",
}

_VOTES: dict[str, str] = {
    "ballot_id": "The ballot",
    "number": "Which comparison of its ballot this is, counted from 0",
    "poll_id": "The poll",
    "axis": "The axis that was compared; empty for whole variants",
    "kind": "pair, best (of a row) or best_worst",
    "by": "Who voted",
    "judge": "The model that voted; empty for a person",
    "left_image": "The image on the left; of a best or best_worst ballot, the preferred one",
    "right_image": "The image on the right",
    "left_variant": "The variant of the left image",
    "right_variant": "The variant of the right image",
    "outcome": "left, right, tie or bad (both bad)",
    "at": "When (UTC)",
}


def _of_votes(*columns: str) -> dict[str, str]:
    return {column: _VOTES[column] for column in columns}


DESCRIPTIONS: Mapping[str, Described] = {
    "gallery": Described(
        "Every image with its variant, prompts and cost, one row per image. A thumbnail opens the page of its image.",
        {
            "status": "stored: the file is here; lost: the provider made it, but it never arrived",
        },
    ),
    "variant_summary": Described(
        "One row per variant, template and provider: how many worked, how many were kept, their cost. A cached "
        "re-run adds nothing but to cached.",
        {
            "cached": "Generations that were answered from the cache",
            "generations": "Different generations, cached copies not counted again",
            "images": "Images in the store",
            "kept": "Images marked keep",
            "rejected": "Images marked reject",
            "unknown": "Generations of unknown outcome, which may have been billed",
            "lost": "Generations that were billed but never delivered",
            "mean_latency_ms": "Mean time of the generations that were sent",
        },
    ),
    "spending": Described(
        "What was paid each day, by experiment, template, model, user and project. Nothing simulated and "
        "nothing from the cache is in it. The upper bounds add attempts of unknown outcome, as if each had been "
        "billed. A judge's calls are in it too, with the provider judge.",
        {
            "day": "Day the request was sent (UTC)",
            "generations": "Generations that were paid; of a judge, calls that were answered",
            "images": "Images that they made",
            "attempts_at_risk": "Attempts that may have been billed, or did not say what they cost",
            "credits_at_most": "Credits if all of them were billed at the table's price; empty where that is not known",
            "cost_usd_at_most": "Dollars if all of them were billed at the table's price; empty where not known",
        },
    ),
    "experiments": Described(
        "What was asked: one row per experiment file.",
        {
            "name": "Name of the experiment",
            "description": "What the experiment's file says it is for",
            "axes_view": "The view that has this experiment's axes as columns",
        },
    ),
    "runs": Described(
        "Every time an experiment ran, with its counts, its spend and all that is needed to run it again.",
        {
            "id": "The run's id; any unique prefix of it names the run on the command line",
            "kind": "run, redo (some again), verify (do images come out the same?) or rerun (from the log alone)",
            "parent_run": "The run that this one repeats",
            "spec_text": "The experiment file as it was read",
            "spec_sha256": "Hash of the experiment file",
            "settings": "The settings in force (JSON, without keys)",
            "price_table": "The prices that estimates were made with (JSON)",
            "status": "running, completed, failed, stopped (budget, quota or key) or interrupted (resumable)",
            "promptlab_version": "Version of promptlab that ran it",
            "cached": "Generations that were answered from the cache",
            "cost_usd": "Dollars of the whole run; empty where not known",
        },
    ),
    "inputs": Described(
        "The files that a run read: enough to run it again from the log alone.",
        {
            "path": "The file, relative to the studio",
            "role": "What it was read for: spec, template, base, rows, image or settings",
            "sha256": "Hash of the file's bytes",
            "content": "Its text; an image is in the store by its hash",
        },
    ),
    "templates": Described(
        "Every version of every template that ran.",
        {
            "id": "sha256 of the template with everything it includes",
            "path": "The file, relative to the templates folder",
            "source": "Its text",
        },
    ),
    "template_files": Described(
        "The files that a template's version is made of: itself, its base and its includes.",
        {
            "path": "The file, relative to the templates folder",
            "source": "Its text",
            "git_blob": "git's id of this text",
        },
    ),
    "run_templates": Described(
        "Which version of which template a run used.",
        {
            "value": "The axis value that names the template; empty where there is one template",
            "path": "The file, relative to the templates folder",
            "ref": "The git revision that was asked for, as in hero.j2@v1.2",
            "git_commit": "The commit that the template was read from",
        },
    ),
    "variants": Described(
        "The cells of an experiment: one row per combination of axis values.",
        {
            "id": "Hash of the axis values",
            "name": "The axis values, such as style=film,look=warm",
        },
    ),
    "generations": Described(
        "What happened to each request: one row per call, with all that was sent and received.",
        {
            "id": "The generation's id",
            "status": "planned, in_flight, completed, failed, unknown (it is not known whether it was billed), lost "
            "(billed, never delivered) or skipped",
        },
    ),
    "attempts": Described(
        "Every time a request was sent. The row is written before it is sent, so that nothing can be paid unseen.",
        {
            "id": "The attempt's id",
            "number": "Which attempt of its generation this is, counted from 1",
            "idempotency_key": "Key by which the provider tells a repeat from a new request",
            "status_code": "HTTP status of the answer; empty where none came",
            "outcome": "What it came to: ok, not_sent, rejected, failed, unknown, short, lost, fatal or stop",
            "request_id": "The provider's id of the call, for its support",
            "retry_after_s": "How long the provider asked to wait",
            "may_be_billed": "Whether it may have been billed without an image: 1 yes, 0 no",
            "credits_at_risk": "Credits it may have cost",
            "cost_usd_at_risk": "Dollars it may have cost",
        },
    ),
    "images": Described(
        "Every output: its file by hash, its size, and its revised prompt.",
        {
            "id": "The image's id",
            "status": "stored: the file is here; lost: the provider made it, but it never arrived",
        },
    ),
    "marks": Described(
        "People's judgements: keep or reject, with tags and a note.",
        {
            "by": "Who marked it",
            "mark": "keep or reject",
            "tags": "Tags",
            "note": "Note",
            "at": "When (UTC)",
        },
    ),
    "picks": Described(
        "The pick of each variant: the image that was kept last, wherever the variant was made.",
        {
            "by": "Who kept it",
            "at": "When it was kept (UTC)",
            "image_id": "The paid image; opens its page",
        },
    ),
    "vote_results": Described(
        "Votes in words: which variant was beside which, and what was preferred; without ballots that were taken back.",
        _of_votes(
            "at",
            "by",
            "judge",
            "axis",
            "kind",
            "left_variant",
            "outcome",
            "right_variant",
            "left_image",
            "right_image",
            "ballot_id",
            "number",
            "poll_id",
        ),
    ),
    "polls": Described(
        "What was voted on: a run's images, compared by an axis.",
        _of_votes("axis")
        | {
            "id": "The poll's id",
            "only_values": "Axis → value id that all images were held to (JSON); empty for none",
            "goal": "best (find the best) or rank (rank all): it decides which pair was shown next",
            "blind": "Whether voters were not told what they saw: 1 yes, 0 no",
            "opened_by": "Who opened it",
            "opened_at": "When it was opened (UTC)",
            "closed_at": "When it was closed (UTC); empty while people may vote",
        },
    ),
    "ballots": Described(
        "One row per act of one voter: a pair, the best of a row, best and worst of four.",
        _of_votes("poll_id", "kind", "by", "judge", "at")
        | {
            "id": "The ballot's id, chosen when it was shown, so that none counts twice",
            "shown_at": "When its images were shown (UTC)",
            "undone_at": "When it was taken back (UTC); empty for one that holds",
        },
    ),
    "votes": Described(
        "The comparisons of each ballot: two paid images, and which was preferred.",
        _of_votes("ballot_id", "number", "left_image", "right_image", "outcome"),
    ),
    "tally_views": Described(
        "Who asked how an open vote stands, and when: their later votes are not blind.",
        {"id": "The view's id", "poll_id": "The poll", "by": "Who asked", "at": "When (UTC)"},
    ),
    "ballot_papers": Described(
        "What a file that votes offline shows: one row per picture of each of its ballots.",
        {
            "token": "The ballot's name in the file, by chance",
            "number": "Its place: 0 is the left or the first picture",
            "image_id": "The paid image; opens its page",
            "file_id": "The file's id, in its votes too",
            "poll_id": "The poll that its votes belong to",
            "kind": "pair, or best_worst (best and worst of four)",
            "by": "Who made the file",
            "at": "When it was made (UTC)",
        },
    ),
    "judge_calls": Described(
        "Every question that was put to a judging model, with its answer and its cost.",
        _of_votes("poll_id", "left_image", "right_image")
        | {
            "id": "The call's id",
            "ballot_id": "The ballot that both orders of a pair made; empty where they made none",
            "model": "The judging model",
            "prompt_sha256": "Hash of the question",
            "started_at": "When it was asked (UTC)",
            "status_code": "HTTP status of the answer; empty where none came",
            "outcome": "What it came to, as of an attempt; or unreadable: an answer that names no picture",
            "answer": "What the model said",
            "input_tokens": "Tokens of the question",
            "output_tokens": "Tokens of the answer",
            "may_be_billed": "Whether it may have been billed without an answer: 1 yes, 0 no",
            "cost_usd_at_risk": "Dollars it may have cost",
        },
    ),
    "scores": Described(
        "Scores of images and of whole variants: from a scorer, or imported.",
        {
            "id": "The score's id",
            "image_id": "The paid image; empty where it is of a variant",
            "experiment": "Name of the experiment of the variant; empty where it is of an image",
            "variant_id": "The variant; empty where it is of an image",
            "name": "What was measured",
            "number": "The value as a number; of a rate, successes ÷ trials",
            "text": "The value as text",
            "successes": "Of a rate: how often it came about",
            "trials": "Of a rate: out of how many",
            "scorer": "What measured it; import: a file",
            "version": "The scorer's version",
            "source": "The file it came from",
            "at": "When (UTC)",
        },
    ),
    "hidden_runs": Described(
        "Runs that lists leave out: `promptlab runs --hide RUN`, and `--show RUN` to undo it.",
        {
            "at": "When it was hidden (UTC)",
        },
    ),
    "mark_events": Described(
        "Every mark as it was made, changed, taken away and taken back; `marks` is what holds now.",
        {
            "id": "The event's id",
            "batch": "One command, which `promptlab mark --undo` takes back as a whole",
            "by": "Who marked it",
            "mark": "keep or reject; empty where the mark was taken away",
            "tags": "Tags",
            "note": "Note",
            "before": "The mark that stood there before (JSON); empty for none",
            "undoes": "The command that this one took back",
            "at": "When (UTC)",
        },
    ),
    "claims": Described(
        "Requests that a process is sending at this moment, so that no other sends them too.",
        {
            "owner": "The process",
            "expires_at": "When the claim lapses (UTC)",
        },
    ),
    "answers": Described(
        "Answers as they came, kept before anything decodes them and until their images are on disk.",
        {
            "generation_id": "The generation that was answered",
            "status_code": "The HTTP status",
            "headers": "The headers as JSON",
            "body": "The body; empty where a large one is a file, images/.answers/ and the generation's id",
            "latency_ms": "Milliseconds from the send to the answer",
            "at": "When it came (UTC)",
        },
    ),
    "_sqlite_migrations": Described(
        "The changes that this file's schema has had.",
        {
            "id": "Order",
            "migration_set": "Whose migrations these are",
            "name": "The migration",
            "applied_at": "When it was applied (UTC)",
        },
    ),
    "latest_marks": Described("The judgement that holds of each image: the latest mark of any user.", like="marks"),
    "stale_sums": Described(
        "Blocks of runs whose sums are to be made again; triggers write it, so that sums are never wrong.",
        _SUMS,
        internal=True,
    ),
    "run_sums": Described("What became of the generations of one block of a run.", _SUMS, internal=True),
    "spending_sums": Described(
        "What one block of a run cost, by day, template, model and provider.",
        _SUMS | {"day": "Day the request was sent (UTC)", "images": "Images that they made"},
        internal=True,
    ),
    "variant_sums": Described("What one block of a run made, by variant.", _SUMS, internal=True),
    "stray_sums": Described(
        "Copies from the cache that are counted elsewhere than beside what they are a copy of.",
        _SUMS | {"generation_id": "The copy"},
        internal=True,
    ),
    "run_parts": Described(
        "What adds up to a run's totals at this moment: sums, and single rows where sums are stale.",
        like="run_sums",
        internal=True,
    ),
    "spending_parts": Described("The same of `spending`.", like="spending_sums", internal=True),
    "variant_parts": Described("The same of `variant_summary`.", like="variant_sums", internal=True),
    "stray_copies": Described("The same of copies that are counted elsewhere.", like="stray_sums", internal=True),
}


def column_words(table: str, column: str) -> str | None:
    """The words for a column, its table's own first; None where it is not described."""
    described = DESCRIPTIONS.get(table, Described(""))
    own = DESCRIPTIONS[described.like].columns if described.like else described.columns
    return own.get(column) or COLUMNS.get(column)
