"""The ranker: its contract, the DCN-v2 model, training, calibration, serving."""
