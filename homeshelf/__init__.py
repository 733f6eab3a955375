"""homeshelf from Python: the commands as functions, a run as frames and explanations, single stages on frames.

    import homeshelf

    world = homeshelf.sample("out/small", num_users=400, num_tracks=2000)
    run = homeshelf.run(events=f"{world}/events", tracks=f"{world}/tracks", output="out/home")
    run.cards().collect()

docs/reference/python.md describes every name, and says what may change in which release.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeshelf.actions import build as build
    from homeshelf.actions import evaluate as evaluate
    from homeshelf.actions import run as run
    from homeshelf.actions import sample as sample
    from homeshelf.runs import Run as Run
    from homeshelf.runs import open_run as open_run
    from pipelines.explain.contributions import Contribution as Contribution
    from pipelines.explain.explained import CardExplanation as CardExplanation
    from pipelines.explain.explained import FeatureValue as FeatureValue
    from pipelines.explain.explained import PageExplanation as PageExplanation
    from pipelines.explain.explained import PositionTrace as PositionTrace
    from pipelines.explain.explained import RewardPart as RewardPart
    from pipelines.explain.explained import ScoreParts as ScoreParts
    from pipelines.inputs.published import card_rows as card_rows
    from pipelines.options.beam_flags import LOCAL_RUNNER as LOCAL_RUNNER
    from pipelines.options.options import UsageError as UsageError
    from transforms.candidates.new_tracks import NEW_TRACK_MATCHES as NEW_TRACK_MATCHES
    from transforms.events.clean_events import clean_events as clean_events
    from transforms.events.clean_events import keep_plays as keep_plays
    from transforms.events.clean_events import keep_rejected as keep_rejected
    from transforms.events.clean_events import users_without_events as users_without_events
    from transforms.events.order_histories import keep_first as keep_first
    from transforms.events.order_histories import order_histories as order_histories
    from transforms.features.generate_candidates import generate_candidates as generate_candidates
    from transforms.pages.assemble_pages import assemble_pages as assemble_pages
    from transforms.pages.candidate_context import candidates_with_codes as candidates_with_codes
    from transforms.publishing.gates import GateFailedError as GateFailedError
    from transforms.ranking.score_candidates import encode_candidates as encode_candidates
    from transforms.ranking.score_candidates import score_candidates as score_candidates
    from transforms.tables.columns import Column as Column
    from transforms.tables.columns import Schema as Schema
    from transforms.tables.failures import Failure as Failure
    from transforms.tables.failures import HomeshelfError as HomeshelfError
    from transforms.tables.failures import RunFailedError as RunFailedError
    from transforms.tables.failures import find_failure as find_failure
    from transforms.tables.schemas import EVENT_ROWS as EVENT_ROWS
    from transforms.tables.schemas import PLAYS as PLAYS
    from transforms.tables.schemas import USER_ROWS as USER_ROWS

# A module is loaded when a name of it is asked for: the command, which needs none, would take seconds to print its
# help, and plugins are loaded before the tuples that they add to.
_MODULES = {
    "homeshelf.actions": ("sample", "run", "evaluate", "build"),
    "homeshelf.runs": ("open_run", "Run"),
    "pipelines.explain.contributions": ("Contribution",),
    "pipelines.explain.explained": (
        "PageExplanation",
        "CardExplanation",
        "RewardPart",
        "ScoreParts",
        "FeatureValue",
        "PositionTrace",
    ),
    "pipelines.inputs.published": ("card_rows",),
    "pipelines.options.beam_flags": ("LOCAL_RUNNER",),
    "pipelines.options.options": ("UsageError",),
    "transforms.candidates.new_tracks": ("NEW_TRACK_MATCHES",),
    "transforms.events.clean_events": ("clean_events", "keep_plays", "keep_rejected", "users_without_events"),
    "transforms.events.order_histories": ("order_histories", "keep_first"),
    "transforms.features.generate_candidates": ("generate_candidates",),
    "transforms.pages.assemble_pages": ("assemble_pages",),
    "transforms.pages.candidate_context": ("candidates_with_codes",),
    "transforms.publishing.gates": ("GateFailedError",),
    "transforms.ranking.score_candidates": ("encode_candidates", "score_candidates"),
    "transforms.tables.columns": ("Schema", "Column"),
    "transforms.tables.failures": ("HomeshelfError", "RunFailedError", "find_failure", "Failure"),
    "transforms.tables.schemas": ("EVENT_ROWS", "USER_ROWS", "PLAYS"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'homeshelf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
