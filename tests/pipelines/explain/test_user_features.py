"""Features computed again for one user are those that the run published, bit by bit."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.explain.explanation import explain_card
from pipelines.explain.replay import Replay
from pipelines.inputs.published import PublishedRun
from tests.runs import Published


@pytest.fixture
def unsampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all runs those in whose sample nobody was."""
    table = PublishedRun.table
    monkeypatch.setattr(
        PublishedRun, "table", lambda run, name: table(run, name).head(0 if name == "candidate_features" else None)
    )


def users_of(found: Published) -> list[str]:
    """Return some users, and some who are of the first audience of a new track."""
    features = found.table("candidate_features").sort("user_id")
    matched = features.filter(pl.col("rank_score_new_tracks") > 0)
    assert len(matched)
    return [*matched["user_id"].unique(maintain_order=True)[:4], *features["user_id"].unique(maintain_order=True)[:8]]


@pytest.mark.usefixtures("unsampled")
def test_computed_features_are_the_published_ones(published: Published) -> None:
    features = published.table("candidate_features")
    for user in users_of(published):
        found = Replay(PublishedRun(str(published.folder)), user, "home").features
        expected = features.filter(user_id=user).sort("track_id").drop("user_id")
        assert found.sort("track_id").select(expected.columns).equals(expected)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"events": "/nowhere"}, "--events=/nowhere: no"), ({"max_user_events": 3}, "has changed since the run")],
)
@pytest.mark.usefixtures("unsampled")
def test_a_track_is_explained_without_features_where_the_input_has_gone(
    changed: dict[str, Any],
    words: str,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = PublishedRun(str(published.folder)).options
    monkeypatch.setattr(PublishedRun, "options", replace(options, **changed))
    user, track = published.table("candidates").sort("user_id", "score").select("user_id", "track_id").row(-1)
    card = explain_card(PublishedRun(str(published.folder)), user, track)
    assert words in card.parts.unknown and not card.parts.features and not card.parts.contributions and card.rewards
    assert main(["why", f"--run={published.folder}", f"--user={user}", f"--track={track}"]) == 0
    assert "its features are not known" in capsys.readouterr().out
