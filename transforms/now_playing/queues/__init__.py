"""Queues: what plays next from a likely start of a session, an own album or an artist."""
