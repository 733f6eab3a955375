"""Ages as of a moment."""

from datetime import date, datetime, timedelta, timezone

import polars as pl
import pytest

from transforms.events.ages import days_since, hours_since, whole_days_since

AS_OF = datetime(2026, 11, 23, 6, tzinfo=timezone.utc)


@pytest.mark.parametrize("hours", [-1.5, 0.0, 0.25, 24.0, 1000.0])
def test_ages_of_times(hours: float) -> None:
    frame = pl.DataFrame({"played_at": [AS_OF - timedelta(hours=hours), None]})
    ages = frame.select(days=days_since("played_at", AS_OF), hours=hours_since("played_at", AS_OF))
    assert ages.rows() == [(pytest.approx(hours / 24), hours), (None, None)]


def test_ages_of_dates_are_whole_days() -> None:
    frame = pl.DataFrame({"release_date": [date(2026, 11, 23), date(2026, 11, 20), date(2026, 12, 1), None]})
    assert frame.select(whole_days_since("release_date", AS_OF.date())).to_series().to_list() == [0, 3, -8, None]
