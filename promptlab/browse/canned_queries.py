"""The canned queries: questions that people ask of the log, as SQL they can open, change and learn from.

A parameter left empty narrows nothing. `run` is a run's id, `experiment` an experiment's name.
"""

# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["QUERIES"]

_WHERE = """(:experiment = '' or g.experiment = :experiment)
  and (:run = '' or g.run_id = :run)"""

QUERIES: Mapping[str, Mapping[str, str]] = {
    "variants_side_by_side": {
        "title": "Variants side by side",
        "description": "One line for what is the same (the other axes, the seed and the draw), the values of one axis "
        "beside each other. Leave axis empty to compare whole variants. Unseeded lines are in the order of their "
        "draws, and match nothing.",
        "sql": """
select
  g.experiment,
  case when :axis = '' then '{}' else json_remove(v.axes, '$."' || :axis || '"') end as same_axes,
  g.seed,
  g.draw,
  json_group_array(json_object(
    'value', case when :axis = '' then v.name else json_extract(v.axes, '$."' || :axis || '"') end,
    'image_id', i.id, 'sha256', i.sha256
  )) as side_by_side
from generations g
join images i on i.generation_id = g.id
join variants v on v.experiment = g.experiment and v.id = g.variant_id
join runs r on r.id = g.run_id
where r.kind <> 'verify' and i.status = 'stored'
  and (:experiment = '' or g.experiment = :experiment)
  and g.run_id = case when :run <> '' then :run else (
    select id from runs where kind <> 'verify' and (:experiment = '' or experiment = :experiment)
    order by started_at desc limit 1) end
group by 1, 2, 3, 4
order by min(g.sequence)
limit 200
""",
    },
    "spend_by_template": {
        "title": "Spend by template",
        "description": "What each template's images cost, and how many of them were worth keeping. Simulated images "
        "and copies from the cache cost nothing and are left out. cost_usd is the least and at_most the most that was "
        "billed: attempts of unknown outcome, and answers that did not say their cost, count at the table's price.",
        "sql": """
select
  template,
  sum(generations) as generations,
  sum(images) as images,
  round(sum(cost_usd), 4) as cost_usd,
  round(sum(cost_usd) / nullif(sum(images), 0), 4) as cost_usd_an_image,
  sum(credits) as credits,
  round(sum(cost_usd_at_most), 4) as cost_usd_at_most,
  min(day) as first_day,
  max(day) as last_day,
  template_id
from spending
where (:experiment = '' or experiment = :experiment)
group by template, template_id
order by cost_usd desc
""",
    },
    "spend_by_day": {
        "title": "Spend by day",
        "description": "What was paid each day, by experiment and model.",
        "sql": """
select day, experiment, model, sum(generations) as generations, sum(images) as images,
  round(sum(cost_usd), 4) as cost_usd, sum(credits) as credits, round(sum(cost_usd_at_most), 4) as cost_usd_at_most
from spending
where (:experiment = '' or experiment = :experiment)
group by day, experiment, model
order by day desc, cost_usd desc
""",
    },
    "what_the_model_rewrote": {
        "title": "Revised prompts",
        "description": "Prompts beside their revised prompts, the most changed first, out of the latest 500 images "
        "whose prompt the model revised. Added words are underlaid, removed ones struck out; similarity is the share "
        "of words kept.",
        "sql": f"""
with rewritten as (
  select i.id as image_id, i.sha256, g.experiment, g.variant_id, g.seed, g.prompt, i.revised_prompt
  from images i
  join generations g on g.id = i.generation_id
  where i.revised_prompt is not null and i.revised_prompt <> g.prompt
  and {_WHERE}
  order by g.rowid desc
  limit 500
)
select
  rewritten.sha256 as thumbnail,
  promptlab_diff(prompt, revised_prompt) as rewriting,
  round(promptlab_similarity(prompt, revised_prompt), 3) as similarity,
  rewritten.experiment,
  v.name as variant,
  seed,
  image_id
from rewritten
left join variants v on v.experiment = rewritten.experiment and v.id = rewritten.variant_id
order by similarity, image_id
""",
    },
    "failures": {
        "title": "Failures",
        "description": "Generations without an image, the latest first: what went wrong, and whether it may have been "
        "billed all the same. promptlab resume sends again only what is safe to send.",
        "sql": f"""
select
  g.status,
  g.error_code,
  g.error_message,
  g.experiment,
  v.name as variant,
  g.seed,
  g.draw,
  g.prompt,
  g.attempts,
  (select sum(a.cost_usd_at_risk) from attempts a where a.generation_id = g.id and a.may_be_billed = 1)
    as cost_usd_at_risk,
  g.provider,
  g.model,
  g.ended_at,
  g.run_id,
  g.id as generation_id
from generations g
left join variants v on v.experiment = g.experiment and v.id = g.variant_id
where g.status in ('failed', 'unknown', 'lost', 'in_flight')
  and {_WHERE}
order by g.rowid desc
limit 500
""",
    },
    "unknown_outcomes": {
        "title": "Unknown outcomes",
        "description": "Attempts that may have been billed although no image came: the connection broke, or no "
        "answer came. Compare these with the provider's own list before sending them again.",
        "sql": f"""
select
  a.started_at,
  a.outcome,
  a.status_code,
  a.credits_at_risk,
  a.cost_usd_at_risk,
  a.error_message,
  a.request_id,
  a.idempotency_key,
  g.experiment,
  g.status,
  g.prompt,
  g.run_id,
  g.id as generation_id
from attempts a
join generations g on g.id = a.generation_id
where a.may_be_billed = 1
  and {_WHERE}
order by a.started_at desc
limit 500
""",
    },
    "most_expensive": {
        "title": "Most expensive",
        "description": "The generations that cost most; simulated ones show what they would have cost.",
        "sql": f"""
select
  (select i.sha256 from images i where i.generation_id = g.id and i.status = 'stored' order by i.position limit 1)
    as thumbnail,
  g.cost_usd,
  g.credits,
  g.cost_source,
  g.model,
  g.n,
  g.experiment,
  v.name as variant,
  g.prompt,
  g.provider,
  g.run_id,
  g.id as generation_id
from generations g
left join variants v on v.experiment = g.experiment and v.id = g.variant_id
where g.id in (
  select g.id from generations g
  where g.cost_usd > 0
    and {_WHERE}
  order by g.cost_usd desc, g.rowid desc
  limit 100)
order by g.cost_usd desc, g.rowid desc
""",
    },
    "kept_images": {
        "title": "Kept images",
        "description": "What people marked keep, the latest first, with the prompt that made it.",
        "sql": f"""
select
  i.sha256 as thumbnail,
  m."by" as marked_by,
  m.tags,
  m.note,
  m.at,
  g.experiment,
  v.name as variant,
  g.seed,
  g.prompt,
  i.revised_prompt,
  g.run_id,
  i.id as image_id
from marks m
join images i on i.id = m.image_id
join generations g on g.id = i.generation_id
left join variants v on v.experiment = g.experiment and v.id = g.variant_id
where m.mark = 'keep'
  and {_WHERE}
order by m.at desc
limit 500
""",
    },
    "without_a_pick": {
        "title": "Items without a pick",
        "description": "The variants of a run of which no image is kept, in whichever run, and how many of this run's "
        "images were rejected. Without a run, those of the experiments' latest runs that are not redone ones. "
        "`promptlab redo RUN --without-pick` makes them again.",
        "sql": """
select
  w.experiment,
  v.name as variant,
  count(i.id) as images,
  total((select m.mark from latest_marks m where m.image_id = ifnull(
    (select p.id from images p where p.generation_id = g.cached_from and p.position = i.position), i.id)
  ) = 'reject') as rejected,
  min(i.id) as image_id,
  min(i.sha256) as sha256,
  w.run_id,
  w.variant_id
from (
  select g.experiment, g.run_id, g.variant_id, min(g.sequence) as sequence
  from runs r
  join generations g on g.run_id = r.id
  where r.id in (
      select coalesce(nullif(:run, ''), (select n.id from runs n where n.experiment = e.name
        and n.kind not in ('verify', 'redo') order by n.started_at desc, n.id desc limit 1))
      from experiments e where :experiment = '' or e.name = :experiment)
    and not exists (select 1 from picks k where k.experiment = g.experiment and k.variant_id = g.variant_id)
  group by g.experiment, g.run_id, g.variant_id
  order by g.experiment, 4
  limit 1000
) w
join variants v on v.experiment = w.experiment and v.id = w.variant_id
join generations g on g.experiment = w.experiment and g.variant_id = w.variant_id and +g.run_id = w.run_id
left join images i on i.generation_id = g.id and i.status = 'stored'
group by w.experiment, w.run_id, w.variant_id
order by w.experiment, w.sequence
""",
    },
    "same_picture_twice": {
        "title": "Same image twice",
        "description": "Images with exactly the same bytes although they were generated more than once: money spent "
        "on nothing new, or proof that a seed is reproducible. Copies from the cache are left out.",
        "sql": f"""
select
  i.sha256 as thumbnail,
  count(*) as times,
  count(distinct g.seed) as seeds,
  count(distinct g.prompt) as prompts,
  min(g.prompt) as prompt,
  min(i.id) as image_id
from (select sha256 from images where sha256 is not null group by sha256 having count(*) > 1) twice
join images i on i.sha256 = twice.sha256
join generations g on g.id = i.generation_id
where g.cached_from is null
  and {_WHERE}
group by i.sha256
having count(*) > 1
order by times desc
limit 200
""",
    },
}
