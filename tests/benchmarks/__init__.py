"""Benchmarks: `make bench`, or `python -m tests.benchmarks --help`."""

import logging

# While it is imported, Beam warns of libraries that are absent and that nothing here asks for.
logging.getLogger().setLevel(logging.ERROR)
