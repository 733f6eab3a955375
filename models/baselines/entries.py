"""BUILT_IN_BASELINES: the recommenders that an evaluation compares with. Adding one is adding one entry."""

from models.baselines.ease import EASE
from models.baselines.factorization import ALS, BPR
from models.baselines.interactions import Baseline
from models.baselines.item_knn import ITEM_KNN
from models.baselines.most_popular import DECAYED_POPULARITY, MOST_POPULAR
from models.baselines.repeats import ACT_R, REPEAT_RECENT, REPEAT_TOP
from models.baselines.sequence_rules import SEQUENCE_RULES

BUILT_IN_BASELINES: tuple[Baseline, ...] = (
    MOST_POPULAR,
    DECAYED_POPULARITY,
    REPEAT_TOP,
    REPEAT_RECENT,
    ACT_R,
    ITEM_KNN,
    ALS,
    BPR,
    SEQUENCE_RULES,
    EASE,
)
