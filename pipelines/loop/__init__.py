"""homeshelf loop: policies serve a sample world day by day, each run on the log of the days before."""
