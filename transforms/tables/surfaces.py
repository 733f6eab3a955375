"""Surfaces: the places in the app that pages are composed for."""

HOME, DISCOVER = "home", "discover"
