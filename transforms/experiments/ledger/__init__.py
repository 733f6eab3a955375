"""The discovery ledger of a run: what recommendations of the last weeks did for listeners and for artists."""
