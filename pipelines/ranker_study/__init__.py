"""The ranker compared with gradient boosting and with the best reachable ranking; studies of rewards."""
