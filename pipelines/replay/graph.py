"""The graph of a replay: logged impressions are listed, given outcomes, scored under the target and summed, once."""

from datetime import timedelta

import apache_beam as beam

from pipelines.replay.plan import ReplayPlan, TargetRun
from transforms.evaluation.sums import SUMS_FILE
from transforms.experiments.off_policy.attribute_outcomes import AttributeOutcomes
from transforms.experiments.off_policy.list_choices import ListChoices
from transforms.experiments.off_policy.schemas import LOGGED_CARD_ROWS, OUTCOME_EVENTS
from transforms.experiments.off_policy.score_logged_pages import ListShown, ScoreLoggedPages, target_candidates
from transforms.experiments.off_policy.sum_choices import SumChoices
from transforms.experiments.off_policy.write_choice_sums import WriteChoiceSums
from transforms.reading.read_tables import ReadTables
from transforms.tables.artifacts import Single
from transforms.tables.buckets import GroupByBucket


def build_replay(root: beam.Pipeline, plan: ReplayPlan) -> beam.PCollection:
    """Build the graph from impressions to sums; it yields the path of their file."""
    options = plan.options
    read = root | "ReadImpressions" >> ReadTables(
        plan.impressions.row_groups, LOGGED_CARD_ROWS, plan.impressions.column_mapping
    )
    cards = read | "GroupImpressions" >> GroupByBucket("user_id", plan.num_buckets)
    choices = cards | ListChoices(options.surface, options.policy)
    if plan.events is not None:
        rows = root | "ReadEvents" >> ReadTables(plan.events.row_groups, OUTCOME_EVENTS, plan.events.column_mapping)
        events = rows | "GroupEvents" >> GroupByBucket("user_id", plan.num_buckets)
        choices |= AttributeOutcomes(events, options.outcome, timedelta(hours=options.outcome_hours))
    scored = [choices]
    if plan.runs:
        shown = choices | ListShown()
        scored = [_score(root, number, run, plan, choices, shown) for number, run in enumerate(plan.runs)]
    sums = [
        one | f"SumChoices{number}" >> SumChoices(options.choices, options.num_replicates, options.seed)
        for number, one in enumerate(scored)
    ]
    return root | WriteChoiceSums(f"{plan.folder}/{SUMS_FILE}", sums)


def _score(
    root: beam.Pipeline,
    number: int,
    run: TargetRun,
    plan: ReplayPlan,
    choices: beam.PCollection,
    shown: beam.PCollection,
) -> beam.PCollection:
    """Score the choices of the time of one run of the target."""
    read = root | f"ReadCandidates{number}" >> ReadTables(
        run.candidates.row_groups, target_candidates(), run.candidates.column_mapping
    )
    return choices | f"ScoreLoggedPages{number}" >> ScoreLoggedPages(
        candidates=read | f"GroupCandidates{number}" >> GroupByBucket("user_id", plan.num_buckets),
        catalog_path=root | f"Catalog{number}" >> Single(run.catalog),
        embeddings_path=root | f"Embeddings{number}" >> Single(run.embeddings),
        shown=shown,
        target=run.target,
    )
