"""A published run, as frames and as explanations that a notebook shows."""

from dataclasses import dataclass
from html import escape
from os import PathLike

import polars as pl

from pipelines.explain.explanation import CardExplanation, PageExplanation, explain_card, explain_page
from pipelines.inputs.published import PublishedRun, open_published
from transforms.tables.surfaces import HOME


class Run:
    """A published run."""

    def __init__(self, published: PublishedRun) -> None:
        """Take the run as pipelines.api opens it, which has the artifacts, too."""
        self.published = published

    def __repr__(self) -> str:
        """Return the folder of the run."""
        return f"Run({self.folder!r})"

    @property
    def folder(self) -> str:
        """The folder of the run."""
        return self.published.folder

    def cards(self) -> pl.LazyFrame:
        """Return the cards of all pages, a row each, with title and artist of its track."""
        return self.published.table("cards")

    def pages(self) -> pl.LazyFrame:
        """Return the pages, a row for each user and surface, in which shelves and their tracks are nested."""
        return self.published.pages

    def candidates(self) -> pl.LazyFrame:
        """Return the candidates of every user: score, probabilities of the rewards, sources."""
        return self.published.candidates

    def figures(self) -> pl.DataFrame:
        """Return the metrics of the run, a row each; `bound` is null where there is no limit."""
        return self.published.metrics

    def why(self, user: str, track: str = "", surface: str = HOME) -> "PageReasons | CardReasons":
        """Explain a user's page, or a track for it.

        Raises:
            HomeshelfError: the run has no such user, or did not score the track.
        """
        if track:
            return CardReasons(explain_card(self.published, user, track, surface))
        return PageReasons(explain_page(self.published, user, surface))


@dataclass(frozen=True)
class PageReasons:
    """Why the cards of a page are there; a notebook shows it as a page of shelves."""

    page: PageExplanation

    @property
    def cards(self) -> pl.DataFrame:
        """A row for each card: its shelf, score, source and reason."""
        return self.page.cards

    def __repr__(self) -> str:
        """Return a line for each card."""
        return "\n".join(f"{one['shelf_title']}: {one['name']}: {one['reason']}" for one in self.cards.to_dicts())

    def _repr_html_(self) -> str:
        parts = []
        for card in self.cards.iter_rows(named=True):
            if card["position"] == 0:
                parts.append(f"<h4>{escape(card['shelf_title'])}</h4>")
            name, reason = escape(str(card["name"])), escape(str(card["reason"]))
            parts.append(f"<div>{name} <small>{card['score']:.3f} · {escape(card['source'])} · {reason}</small></div>")
        return "".join(parts)


@dataclass(frozen=True)
class CardReasons:
    """Why a track is on a page or not; a notebook shows it as tables."""

    card: CardExplanation

    def __repr__(self) -> str:
        """Return what became of the track, in a few lines."""
        card = self.card
        where = "on the page" if card.is_shown else "not on the page"
        rank = f"rank {card.rank} of {card.num_candidates}"
        head = f"{card.name} for {card.user_id}: {where}, score {card.score:.4f}, {rank}"
        return "\n".join([head, f"proposed by {', '.join(card.sources)}", *card.rules])

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{escape(line)}</div>" for line in repr(self).splitlines())
        frames = [
            pl.DataFrame(part, orient="row") for part in (self.card.rewards, self.card.parts.contributions) if part
        ]
        return lines + "".join(frame._repr_html_() for frame in frames)


def open_run(path: "str | PathLike[str]") -> Run:
    """Open a published run: its folder, that of its day, or the output folder, where pointers lead to the last run.

    Raises:
        HomeshelfError: there is no published run.
    """
    return Run(open_published(path))
