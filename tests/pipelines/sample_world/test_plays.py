"""The vectorised draws of plays against plain loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sample_world.plays import find_roots


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_the_root_of_a_node_is_found_by_walking_up(steps):
    parent = [max(0, node - step % (node + 1)) for node, step in enumerate(steps)]
    expected = []
    for node in range(len(parent)):
        while parent[node] != node:
            node = parent[node]
        expected.append(node)
    assert find_roots(np.array(parent, dtype=np.int64)).tolist() == expected
