"""Weights with which the training of the sequence model begins: factorised counts."""

import numpy as np
from scipy.sparse import csr_matrix

from models.sequence.contract import SequenceOptions
from models.sequence.model import initial_experts
from models.sequence.successors import directed_vectors
from models.sequence.track_vectors import initial_content
from models.sequence.transformer import initial_layers
from models.towers.contract import TrackContent


def initial_sequence_weights(
    pairs: list[csr_matrix], content: TrackContent, options: SequenceOptions
) -> dict[str, np.ndarray]:
    """Return weights with which a play is followed by what its directed counts say, and by what is popular."""
    rng = np.random.default_rng(options.seed)
    earlier, later = directed_vectors(pairs, options.size, options.seed)
    layers = initial_layers(options.size, options.num_layers, options.num_heads, rng)
    length = np.linalg.norm(earlier, axis=1)
    # the final norm gives states of length sqrt(D): scores begin near the products of the factors
    layers["final_norm"] = np.full(options.size, (length[length > 0].mean() if length.any() else 1) / options.size**0.5)
    plays = content.num_plays + 0.5
    weights = {
        **layers,
        **initial_experts(options.size, rng),
        **initial_content(content, options.size),
        "item_in": np.concatenate([earlier, np.zeros((1, options.size))]),
        "item_out": np.concatenate([later, np.zeros((1, options.size))]),
        "item_bias": np.log(plays / plays.sum()),
    }
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}
