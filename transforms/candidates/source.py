"""Source: the declaration of one way to find candidates, and the sentences of reason that cards show."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from transforms.candidates.context import CandidateContext
from transforms.catalog.catalog import Catalog


def card_reason(template: str) -> pl.Expr:
    """Return the text of a template over the columns of a card; null where one of them is null.

    Columns: artist (name), seed (title and artist of the seed track), seed_title, seed_artist, plays ("3 times"),
    ago ("2 days ago").
    """
    pieces = template.replace("}", "{").split("{")
    return pl.concat_str(pl.col(piece) if number % 2 else pl.lit(piece) for number, piece in enumerate(pieces))


# Conditions on a card: the user has listened to the track; the track is by the artist of the seed track.
IS_LISTENED = pl.col("plays_of_track") > 0
IS_BY_SEED_ARTIST = (pl.col("artist") == pl.col("seed_artist")).fill_null(False)


@dataclass(frozen=True)
class Source:
    """One way to find candidates, with all that belongs to it.

    name: the id; the features rank_score_<name> and score_<name> are called after it.
    quota: maximum number of candidates per user.
    propose: function of (context, quota) that returns at most `quota` rows per user, best first, equal scores by track:
        user_id, track, score (float, higher is better), seed_track (the user's track that led to it; null: none).
    sentence: description for documents and reports.
    reasons: texts for a card whose track this source proposed, the most specific first; a card shows the first that
        is not null, so the last must have a text for every card (see card_reason()).
    needs: facts of the catalog (see Catalog.has()); the source is disabled where one of them is missing.
    missing_score: value of the feature score_<name> for a track that the source does not propose.
    is_guaranteed: whether its proposals stay candidates beyond the maximum number of candidates.
    is_repeat: whether it proposes what the user has listened to, scored by activation; the blend treats such tracks as
        repeats and all others as discoveries.
    is_co_listened: whether it proposes new tracks that are often heard together with the seed track.
    """

    name: str
    quota: int
    propose: Callable[[CandidateContext, int], pl.DataFrame]
    sentence: str
    reasons: tuple[pl.Expr, ...]
    needs: tuple[str, ...] = ()
    missing_score: float = 0.0
    is_guaranteed: bool = False
    is_repeat: bool = False
    is_co_listened: bool = False

    def missing_facts(self, catalog: Catalog) -> list[str]:
        """Return the facts that the source needs and the catalog lacks; the source is disabled if there is any."""
        return [fact for fact in self.needs if not catalog.has(fact)]
