"""Names from outside: how they are shown, and when two are one name."""

import polars as pl

# Maximal characters of a title or name, which sentences on pages contain.
_MAX_NAME_LENGTH = 300


def readable(text: pl.Expr) -> pl.Expr:
    """Return a text for display: truncated, without outer space or characters that terminals obey; null: it is blank.

    A text is blank without any character that is visible.
    """
    shown = text.str.slice(0, _MAX_NAME_LENGTH).str.replace_all(r"[\p{Cc}\p{Zl}\p{Zp}]", " ").str.strip_chars()
    return pl.when(shown.str.contains(r"[^\p{C}\p{Z}]")).then(shown)


def one_form(name: pl.Expr) -> pl.Expr:
    """Return the same text for names that differ only in space or in the coding of their characters."""
    return name.str.normalize("NFKC").str.replace_all(r"\s+", " ").str.strip_chars()


def name_key(name: pl.Expr) -> pl.Expr:
    """Return the same text for names that are one name: those that one_form() or case makes equal."""
    return one_form(name).str.to_lowercase()
