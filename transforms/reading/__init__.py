"""Input files as tables of declared schemas: Parquet, CSV and JSON Lines, and the conversion of their columns."""
