"""A published run, as frames, artifacts and explanations."""

from os import PathLike
from typing import overload

import polars as pl

from pipelines.explain.explained import CardExplanation, PageExplanation
from pipelines.explain.explanation import explain_card, explain_page
from pipelines.inputs.published import PublishedRun
from transforms.tables.surfaces import HOME


class Run(PublishedRun):
    """A published run: its tables as lazy frames, its figures, its explanations, and what it was made with.

    Attributes:
        folder (str): its folder.
        output (str): the folder of all runs.
        manifest (Manifest): all that was read, written, measured and checked.
    """

    def __repr__(self) -> str:
        """Return the folder of the run."""
        return f"Run({self.folder!r})"

    def cards(self) -> pl.LazyFrame:
        """Return the cards of all pages, a row each, with title and artist of its track."""
        return self.table("cards")

    def pages(self) -> pl.LazyFrame:
        """Return the pages, a row for each user and surface, in which shelves and their tracks are nested."""
        return self.table("pages")

    def candidates(self) -> pl.LazyFrame:
        """Return the candidates of every user: score, probabilities of the rewards, sources."""
        return self.table("candidates")

    def figures(self) -> pl.DataFrame:
        """Return the metrics of the run, a row each; `bound` is null where there is no limit."""
        counts = {name: n for name, n in vars(self.manifest.metrics).items() if isinstance(n, int | float)}
        limited = {name: (found.value, found.bound) for name, found in self.manifest.gate.values.items()}
        found = {name: (float(n), None) for name, n in counts.items()} | limited
        rows = [(name, value, bound) for name, (value, bound) in found.items()]
        return pl.DataFrame(rows, {"metric": pl.String, "value": pl.Float64, "bound": pl.Float64}, orient="row")

    @overload
    def why(self, user: str, *, surface: str = HOME) -> PageExplanation: ...

    @overload
    def why(self, user: str, track: str, *, surface: str = HOME) -> CardExplanation: ...

    def why(self, user: str, track: str | None = None, *, surface: str = HOME) -> PageExplanation | CardExplanation:
        """Explain a user's page, or a track for it.

        Raises:
            HomeshelfError: the run has no such user, or did not score the track.
        """
        return explain_page(self, user, surface) if track is None else explain_card(self, user, track, surface)


def open_run(path: str | PathLike[str]) -> Run:
    """Open a published run, with or without pages.

    Args:
        path: the folder of the run, of its day, or of all runs, where pointers lead to the current run of the last day.

    Raises:
        HomeshelfError: there is no published run.
    """
    return Run(str(path), needs_pages=False)
