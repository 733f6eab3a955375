"""Publishing of runs: manifests, metrics of a run, gates."""
