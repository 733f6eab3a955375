"""The ranker compared with gradient boosting and with the oracle; studies of rewards."""
