"""Surfaces: the places in the app that pages are composed for."""

HOME, DISCOVER = "home", "discover"
# What comes next while a listener listens: queues, not pages.
NOW_PLAYING = "now_playing"
