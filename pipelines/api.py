"""Public names of homeshelf for notebooks and tests; what is not here may change in any release.

From version 0.2 these names, their parameters and fields follow semantic versioning: before 1.0 a change that breaks
callers comes with a new minor version and an entry in the changelog, never with a patch.
"""

from pipelines.explain.contributions import Contribution
from pipelines.explain.explanation import (
    CardExplanation,
    FeatureValue,
    PageExplanation,
    PositionTrace,
    RewardPart,
    ScoreParts,
    explain_card,
    explain_page,
)
from pipelines.home_shelves import build_home
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.inputs.published import open_published as open_run
from pipelines.options.beam_flags import LOCAL_RUNNER
from pipelines.options.options import RunOptions, UsageError
from pipelines.sample_world.world import WorldSpec, write_sample_world
from transforms.candidates.new_tracks import NEW_TRACK_MATCHES
from transforms.events.clean_events import clean_events, keep_plays, keep_rejected, users_without_events
from transforms.events.order_histories import keep_first, order_histories
from transforms.features.generate_candidates import generate_candidates
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.candidate_context import candidates_with_codes
from transforms.publishing.gates import GateFailedError
from transforms.ranking.score_candidates import encode_candidates, score_candidates
from transforms.tables.columns import Column, Schema
from transforms.tables.failures import Failure, HomeshelfError, RunFailedError, find_failure
from transforms.tables.schemas import EVENT_ROWS, PLAYS, USER_ROWS

__all__ = [
    # build the graph of a run
    "RunOptions",
    "build_home",
    "LOCAL_RUNNER",
    # open a published run
    "open_run",
    "PublishedRun",
    "card_rows",
    # explain a card
    "explain_card",
    "explain_page",
    "CardExplanation",
    "ScoreParts",
    "PageExplanation",
    "RewardPart",
    "FeatureValue",
    "Contribution",
    "PositionTrace",
    # stages on frames, in the order in which data flows
    "clean_events",
    "keep_plays",
    "keep_rejected",
    "users_without_events",
    "order_histories",
    "keep_first",
    "generate_candidates",
    "encode_candidates",
    "score_candidates",
    "candidates_with_codes",
    "assemble_pages",
    "EVENT_ROWS",
    "USER_ROWS",
    "PLAYS",
    "NEW_TRACK_MATCHES",
    "Schema",
    "Column",
    # the sample world
    "WorldSpec",
    "write_sample_world",
    # errors
    "HomeshelfError",
    "UsageError",
    "RunFailedError",
    "GateFailedError",
    "find_failure",
    "Failure",
]
