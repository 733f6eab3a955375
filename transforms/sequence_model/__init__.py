"""The sequence model in the graph: windows of plays, training, the artifact."""
