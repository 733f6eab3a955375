"""Now Playing: what comes next while a listener listens: successors of tracks, skips, queues."""
