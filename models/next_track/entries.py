"""NEXT_TRACK_BASELINES: the baselines that an evaluation of the next track compares with."""

from models.next_track.contract import NextTrackBaseline
from models.next_track.own_tracks import NEXT_ACTIVATION, NEXT_POPULAR
from models.next_track.session_neighbours import SESSION_ITEM_KNN, VSKNN
from models.next_track.successors import MARKOV, RULES_LAST, RULES_RECENT

NEXT_TRACK_BASELINES: tuple[NextTrackBaseline, ...] = (
    NEXT_POPULAR,
    MARKOV,
    RULES_LAST,
    RULES_RECENT,
    SESSION_ITEM_KNN,
    VSKNN,
    NEXT_ACTIVATION,
)
