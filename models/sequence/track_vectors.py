"""Vectors of tracks: an own one, and the sum of those of artist, genres, words, content vector and facts."""

from collections.abc import Mapping

import numpy as np

from models._tensorflow import Tensor, tf
from models.towers.contract import TrackContent

_HASHED = ("artist", "genre", "word")


class ContentVectors:
    """The content of N tracks as constants of a TensorFlow graph; their weights are variables of the model."""

    def __init__(self, content: TrackContent) -> None:
        """Keep the rows of each hashed table, with their shares, and the numbers."""
        rows = {"artist": content.artist[:, None], "genre": content.genres, "word": content.words}
        # a table that no track has a row of would only cost time
        self._rows = {name: tf.constant(one) for name, one in rows.items() if one.any()}
        numbers = np.concatenate([content.vector, content.facts], axis=1).astype(np.float32)
        self._numbers = tf.constant(numbers) if numbers.any() else None

    def of(self, track: Tensor, weights: Mapping[str, Tensor]) -> Tensor | float:
        """Sum the content vectors of tracks [...]: [..., D]; 0.0 where no track has any content."""
        total: Tensor | float = 0.0
        for name, rows in self._rows.items():
            found = tf.gather(rows, track)
            share = tf.cast(found > 0, tf.float32)[..., tf.newaxis] / rows.shape[1]
            total += tf.reduce_sum(tf.gather(weights[name], found) * share, axis=-2)
        if self._numbers is not None:
            total += tf.tensordot(tf.gather(self._numbers, track), weights["numbers"], 1)
        return total

    @property
    def is_empty(self) -> bool:
        """Return whether no track has any content."""
        return not self._rows and self._numbers is None


def initial_content(content: TrackContent, size: int) -> dict[str, np.ndarray]:
    """Return the first weights of the content tables: zeros."""
    width = content.vector.shape[1] + content.facts.shape[1]
    return {**{name: np.zeros((content.num_rows[name], size)) for name in _HASHED}, "numbers": np.zeros((width, size))}
