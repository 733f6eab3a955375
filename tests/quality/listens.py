"""Real data of ../shared/data, where it exists."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
LISTENS = DATA / "30music_sample" / "events.parquet"
CATALOGUE = DATA / "spotify_catalog"
LISTENS_COLUMNS = "--events_columns=played_at:timestamp,ms_played:playtime_s*1000"
# homeshelf run of 30Music
FLAGS_30MUSIC = [f"--events={LISTENS}", LISTENS_COLUMNS]

needs_listens = pytest.mark.skipif(not LISTENS.exists(), reason=f"{LISTENS} is not there")
needs_catalog = pytest.mark.skipif(not CATALOGUE.exists(), reason=f"{CATALOGUE} is not there")
