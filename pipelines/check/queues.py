"""Check published queues against events, catalog and rules, by the text of their rules, without their composer."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from pipelines.check.facts import Truth, one_id_each
from pipelines.check.finding import Finding, find_wrong
from pipelines.check.rules import is_meant
from pipelines.inputs.published import PublishedRun
from transforms.pages.rules.rule import PAGE_KEY, Rule

_QUEUE = ["user_id", "context", "context_id"]
_PLACES_APART, _TEN, _SLACK = 4, 10, 1
_PART = r"^(.{3,}?)\s*[:\-–]\s*(?:No\.?\s*)?(?:[IVXLC]+|\d+)[.):\s]"


def check_queues(run: PublishedRun, truth: Truth) -> Iterator[Finding]:
    """Yield one finding for everything that must hold of queues."""
    queues = run.table("queues").collect()
    cards = _with_truth(queues, truth)
    later = cards.filter(pl.col("source") != "context")
    yield find_wrong("one queue a user and context", queues, queues.select(_QUEUE).is_duplicated(), "context_id")
    yield _find_strangers(queues, truth)
    yield from _check_cards(cards, later, truth.as_of)
    yield from _check_lately(later, truth)
    yield from _check_sessions(queues, later, truth)
    yield from _check_order(queues, cards, later, truth)
    yield from _check_albums(cards, run.rules, truth)
    yield from _check_rules(queues, cards, later, run.rules, truth)


def _with_truth(queues: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Return a row for each track of a queue, with what is true of user and track."""
    rows = queues.explode("tracks", empty_as_null=True).unnest("tracks")
    tracks = truth.tracks.select(
        *("track_id", "title", "artist_id", "album_id", "disc_number", "track_number"),
        *("genre_name", "explicit", "markets", "release_date"),
        work=pl.when(pl.len().over("album_id", _work()) > 1).then(_work()),
    )
    listened = truth.plays.select("user_id", recording="track_id", listened="listened")
    return (
        rows.join(tracks, on="track_id", how="left", maintain_order="left")
        .with_columns(recording=one_id_each(rows.select("track_id"), truth.tracks)["track_id"])
        .join(listened, on=["user_id", "recording"], how="left", maintain_order="left")
        .join(truth.users, on="user_id", how="left", maintain_order="left")
        .with_columns(pl.col("listened").fill_null(0))
    )


def _work() -> pl.Expr:
    return pl.col("title").str.extract(_PART, 1).str.to_lowercase()


def _find_strangers(queues: pl.DataFrame, truth: Truth) -> Finding:
    unknown = queues.join(truth.known, on="user_id", how="anti")
    return Finding("only known users have queues", len(queues), unknown.select("user_id", what="context_id"))


def _check_cards(cards: pl.DataFrame, later: pl.DataFrame, as_of: datetime) -> Iterator[Finding]:
    """Check each track by itself."""
    yield find_wrong(
        "tracks of queues stand at 0, 1, 2, ...",
        cards,
        pl.col("position") != pl.int_range(pl.len()).over(_QUEUE),
        "track_id",
    )
    is_twice = pl.struct(*_QUEUE, "recording").is_duplicated()
    yield find_wrong("no recording twice in a queue", cards, is_twice, "track_id")
    chances = ("p_completed", "p_skipped", "propensity")
    is_no_chance = pl.any_horizontal(~pl.col(name).is_between(0, 1) | pl.col(name).is_null() for name in chances)
    yield find_wrong("chances are between 0 and 1", cards, is_no_chance | (pl.col("propensity") == 0), "track_id")
    is_wrong = pl.col("is_familiar") != (pl.col("listened") > 0)
    yield find_wrong("familiar tracks were listened to, new ones were not", cards, is_wrong, "track_id")
    has_rights = pl.when(pl.col("market").is_null()).then(pl.col("markets").list.len() > 0)
    is_away = ~has_rights.otherwise(pl.col("markets").list.contains(pl.col("market")))
    yield find_wrong("tracks of queues may be played in the user's market", cards, is_away, "track_id")
    is_late = pl.col("release_date") > as_of.date()
    yield find_wrong("tracks of queues are released", cards, is_late, "track_id")
    yield find_wrong("no part of a work but in its album", later, pl.col("work").is_not_null(), "track_id")


def _check_lately(later: pl.DataFrame, truth: Truth) -> Iterator[Finding]:
    """Check what was played or skipped in the last hours."""
    heard = later.join(truth.recent.select("user_id", recording="track_id"), on=["user_id", "recording"], how="semi")
    claim = "nothing that was played or skipped in the last 4 hours"
    yield Finding(claim, len(later), heard.select("user_id", what="track_id"))
    skipped = truth.recent.join(truth.tracks.select("track_id", "artist_id"), on="track_id").drop_nulls("artist_id")
    twice = skipped.group_by("user_id", "artist_id").agg(pl.col("skipped").sum()).filter(pl.col("skipped") >= 2)
    tired = later.join(twice, on=["user_id", "artist_id"], how="semi")
    yield Finding("no artist who was skipped twice in these", len(later), tired.select("user_id", what="track_id"))


def _check_sessions(queues: pl.DataFrame, later: pl.DataFrame, truth: Truth) -> Iterator[Finding]:
    """Check that queues of sessions go on from one, and bring nothing of it, nor an artist who was skipped twice."""
    asked = queues.filter(pl.col("context") == "session")
    cards = later.filter(pl.col("context") == "session")
    strange = asked.join(truth.sessions, on=["user_id", "context_id"], how="anti")
    yield Finding("the session of a queue was one", len(asked), strange.select("user_id", what="context_id"))
    played = truth.sessions.select("user_id", "context_id", recording="track_id")
    again = cards.join(played, on=["user_id", "context_id", "recording"], how="semi")
    yield Finding("nothing that its session played or skipped", len(cards), again.select("user_id", what="track_id"))
    skips = (
        truth.sessions.filter("skipped").drop_nulls("artist_id").group_by("user_id", "context_id", "artist_id").len()
    )
    tired = cards.join(skips.filter(pl.col("len") >= 2), on=["user_id", "context_id", "artist_id"], how="semi")
    yield Finding("no artist whom its session skipped twice", len(cards), tired.select("user_id", what="track_id"))


def _check_order(queues: pl.DataFrame, cards: pl.DataFrame, later: pl.DataFrame, truth: Truth) -> Iterator[Finding]:
    """Check the distance of artists, and known tracks in every ten; not where `relaxed` names the rule."""
    starts = queues.filter(pl.col("context") == "track").select(
        *_QUEUE, "relaxed", position=pl.lit(-1, pl.Int32), track_id="context_id", source=pl.lit("context")
    )
    last = truth.sessions.filter(pl.col("place") < _PLACES_APART - 1).select(
        "user_id", "context_id", position=-1 - pl.col("place"), track_id="track_id", source=pl.lit("context")
    )
    of_session = queues.filter(pl.col("context") == "session").join(last, on=["user_id", "context_id"])
    starts = pl.concat([starts, of_session.select(starts.columns)])
    named = starts.join(truth.tracks.select("track_id", "artist_id"), on="track_id", how="left")
    columns = [*_QUEUE, "relaxed", "position", "track_id", "source", "artist_id"]
    played = pl.concat([named.select(columns), cards.select(columns)]).sort(*_QUEUE, "position")
    is_near = pl.any_horizontal(
        pl.col("artist_id") == pl.col("artist_id").shift(back).over(_QUEUE) for back in range(1, _PLACES_APART)
    )
    is_bound = (pl.col("source") != "context") & ~pl.col("relaxed").list.contains("artist gap")
    claim = "two tracks by an artist are 4 places apart or more, after an album"
    yield find_wrong(claim, played, is_near & is_bound, "track_id")
    num_known = pl.col("is_familiar").cast(pl.Int32).rolling_sum(_TEN, min_samples=_TEN).over(_QUEUE)
    is_off = (num_known - pl.col("familiar_per_10")).abs() > _SLACK
    is_bound = ~pl.col("relaxed").list.contains("familiar share")
    yield find_wrong(
        "known tracks in ten are as many as stated, give or take one", later, is_off & is_bound, "track_id"
    )


def _check_albums(cards: pl.DataFrame, rules: Sequence[Rule], truth: Truth) -> Iterator[Finding]:
    """Check that an album stands first, in its order, and whole but for what may not be played or a rule excludes."""
    albums = cards.filter(pl.col("context") == "album", pl.col("source") == "context")
    place = pl.struct(pl.col("disc_number").fill_null(1), "track_number").rank("ordinal").over(_QUEUE) - 1
    is_wrong = (pl.col("album_id") != pl.col("context_id")) | (pl.col("position") != place)
    yield find_wrong("an album stands first, in its order", albums, is_wrong, "track_id")
    market = pl.col("market")
    may_play = (
        pl.when(market.is_null())
        .then(pl.col("markets").list.len() > 0)
        .otherwise(pl.col("markets").list.contains(market))
    )
    excluded = [rule.kind.excludes() for rule in rules]
    is_out = pl.any_horizontal(False, *(one for one in excluded if one is not None))
    numbered = truth.tracks.filter(~is_out).drop_nulls(("album_id", "track_number"))
    wanted = (
        albums.select(*_QUEUE, "market")
        .unique()
        .join(
            one_id_each(numbered, truth.tracks).select("album_id", "markets", "release_date", recording="track_id"),
            left_on="context_id",
            right_on="album_id",
        )
        .filter(may_play.fill_null(True), (pl.col("release_date") <= truth.as_of.date()).fill_null(True))
    )
    missing = wanted.join(albums, on=[*_QUEUE, "recording"], how="anti")
    yield Finding("no track of an album is left out", len(wanted), missing.select("user_id", what="recording"))


def _check_rules(
    queues: pl.DataFrame, cards: pl.DataFrame, later: pl.DataFrame, rules: Sequence[Rule], truth: Truth
) -> Iterator[Finding]:
    """Check the rules about tracks, not those about shelves; caps hold after an album, all others in it too."""
    key = pl.concat_str(_QUEUE, separator="\x1f")
    facts = queues.select(*_QUEUE, surface=pl.lit("now_playing")).join(truth.users, on="user_id", how="left")
    for rule in rules:
        is_cap = rule.kind.max_tracks_by_artist() is not None
        if rule.kind.excludes() is None and not is_cap:
            continue
        bound = facts.filter(is_meant(rule.when, truth)).select(user_id=key, surface="surface")
        of_bound = (later if is_cap else cards).with_columns(user_id=key).join(bound, on="user_id")
        wrong = rule.kind.violations(bound, of_bound).select(PAGE_KEY)
        named = wrong.select(user_id=pl.col("user_id").str.split("\x1f").list.first(), what=pl.lit(rule.name))
        yield Finding(f"rule, in queues: {rule.name}", len(bound), named)
