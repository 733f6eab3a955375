"""Published runs: preview, report, list, rollback, pruning, erasure."""
