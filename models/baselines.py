"""BASELINES: what an evaluation compares with, each tuned on an earlier cut. Adding one is one entry."""

from models.ease import EASE
from models.factorization import ALS, BPR
from models.interactions import Baseline
from models.item_knn import ITEM_KNN
from models.most_popular import DECAYED_POPULARITY, MOST_POPULAR
from models.own_tracks import ACT_R, OWN_RECENT, OWN_TOP
from models.sequence_rules import SEQUENCE_RULES

BASELINES: tuple[Baseline, ...] = (
    MOST_POPULAR,
    DECAYED_POPULARITY,
    OWN_TOP,
    OWN_RECENT,
    ACT_R,
    ITEM_KNN,
    ALS,
    BPR,
    SEQUENCE_RULES,
    EASE,
)
