"""Markets as numbers."""

import polars as pl


def market_code(market: pl.Expr) -> pl.Expr:
    """Convert two ISO 3166 letters of any case to a number (Int16); null: not two letters."""
    letters = market.cast(pl.String).str.to_uppercase()
    first, second = (letters.str.slice(at, 1).cast(pl.Binary).bin.reinterpret(dtype=pl.UInt8) for at in (0, 1))
    number = first.cast(pl.Int16) * 26 + second.cast(pl.Int16) - 27 * ord("A")
    return pl.when(letters.str.contains(r"^[A-Z]{2}$")).then(number)
