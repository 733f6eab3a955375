"""READOUT_METRICS: what an experiment is read out in. Adding one is an entry, and a column of USER_DAYS."""

from transforms.catalog.deep_catalogue import DEEP_SHARE, NUM_DECILES
from transforms.experiments.readout.readout_metric import DAYS, ReadoutMetric
from transforms.features.rewards import REWARD_WEIGHTS, REWARDS

# Weights of rewards are summed in whole hundredths.
REWARD_SCALE = 100
SETTLED_WEIGHTS = {one.name: round(one.weight * REWARD_SCALE) for one in REWARDS if not one.delay_days}
# An artist is adopted who is listened to on this many further days within this time after the first listen.
ADOPTION_DAYS, FURTHER_DAYS = 28, 2
# A listen is recommended if the user was shown the track at most this long before.
ATTRIBUTION_HOURS = 24
# The share of the catalog that a group of users listens to is no sum over users: see measure_coverage.py.
COVERAGE = "coverage"

_BY_DAY = "by user and day"
_REWARDS = tuple(
    ReadoutMetric(
        one.name,
        one.name,
        DAYS,
        f"tracks {_BY_DAY}: {one.sentence} (the label window is the day)",
        "tracks",
        is_higher_better=REWARD_WEIGHTS[one.name] >= 0,
        delay_days=int(one.delay_days),
    )
    for one in REWARDS
)
# The discovery ledger: what recommendations did for listeners and for artists, besides listening.
LEDGER = (
    ReadoutMetric(
        "tail_recall",
        "n_new_deep_shown",
        "n_new_deep",
        f"share of first listens to tracks of the deep catalogue (the least played tracks, {DEEP_SHARE:.0%} of plays)"
        f" that were shown to the user in the {ATTRIBUTION_HOURS} h before",
        needs_impressions=True,
    ),
    ReadoutMetric(
        "artist_adoption",
        "n_adopted",
        "n_new_artists",
        f"share of artists listened to for the first time who are listened to on {FURTHER_DAYS} further days within"
        f" {ADOPTION_DAYS} days",
        delay_days=ADOPTION_DAYS,
    ),
    ReadoutMetric(
        "recommended_share",
        "n_recommended",
        "n_listens",
        f"share of listens whose track was shown to the user in the {ATTRIBUTION_HOURS} h before; others are organic",
        needs_impressions=True,
    ),
)
SHARES = tuple(
    ReadoutMetric(
        f"{kind}_{decile}",
        f"n_{kind}_{decile}",
        f"n_{kind}",
        sentence.format(decile),
        needs_impressions=True,
    )
    for kind, sentence in (
        ("shown", "share of the tracks shown that are of popularity decile {}; 0 is the head"),
        ("organic", "share of the organic listens that are of popularity decile {}; 0 is the head"),
    )
    for decile in range(NUM_DECILES)
)
OVER_MERIT = tuple(
    ReadoutMetric(
        f"over_merit_{decile}",
        f"n_shown_{decile}",
        "n_shown",
        f"exposure over merit of popularity decile {decile}: its share of the tracks shown over its share of the"
        " organic listens",
        needs_impressions=True,
        merit=(f"n_organic_{decile}", "n_organic"),
    )
    for decile in range(NUM_DECILES)
)
DECILES = (*SHARES, *OVER_MERIT)
READOUT_METRICS: tuple[ReadoutMetric, ...] = (
    ReadoutMetric(
        "reward",
        "reward",
        DAYS,
        f"rewards times their weights, without those that are settled later, {_BY_DAY}",
        "reward",
        scale=REWARD_SCALE,
    ),
    *_REWARDS,
    ReadoutMetric("listening_days", "is_listening", DAYS, "share of days with a listen", "days"),
    ReadoutMetric("minutes", "n_minutes", DAYS, f"minutes played, {_BY_DAY}", "min"),
    ReadoutMetric(
        "skip_share",
        "n_skips",
        "n_timed",
        "share of plays of known duration that last under 30 s",
        is_higher_better=False,
    ),
    ReadoutMetric(
        "new_artists", "n_new_artists", DAYS, f"artists listened to for the first time, {_BY_DAY}", "artists"
    ),
    ReadoutMetric("new_tracks", "n_new_tracks", DAYS, f"tracks listened to for the first time, {_BY_DAY}", "tracks"),
    ReadoutMetric(
        "deep_share", "n_deep", "n_listens", "share of listens to tracks of the deep catalogue (see tail_recall)"
    ),
    ReadoutMetric(
        "artist_concentration",
        "n_top_artist",
        "n_of_artists",
        "share of a day's listens to known artists that go to the user's most played one of that day",
        is_higher_better=False,
    ),
    *LEDGER,
    *DECILES,
)
METRICS_BY_NAME = {one.name: one for one in READOUT_METRICS}
# The columns of USER_DAYS that are summed.
COMPONENTS = tuple(
    dict.fromkeys(name for one in READOUT_METRICS for name in (one.value, one.per) if name != DAYS),
)
