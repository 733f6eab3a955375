"""The track catalog as of a moment: tracks, statistics, markets, co-listened neighbours, content."""
