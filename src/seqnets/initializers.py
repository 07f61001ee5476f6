"""Start values of the weights, drawn in float64 so that both precisions start alike."""

from __future__ import annotations

import numpy as np

EMBEDDING_SCALE = 0.05  # 0.1 to 1 overfit the rare words of small data sets


def glorot(
    random: np.random.RandomState, n_inputs: int, n_units: int, n_gates: int = 1
) -> np.ndarray:
    """(n_inputs, n_gates * n_units), uniform, of variance 2 / (n_inputs + n_units).

    Glorot & Bengio (2010).
    """
    bound = np.sqrt(6.0 / (n_inputs + n_units))
    return random.uniform(-bound, bound, (n_inputs, n_gates * n_units))


def orthogonal(random: np.random.RandomState, n_units: int, n_gates: int) -> np.ndarray:
    """(n_units, n_gates * n_units): a random orthogonal matrix for each gate (Saxe et al. 2014).

    It keeps the length of a state, so that neither it nor its gradient fades at the start.
    """
    blocks = []
    for _ in range(n_gates):
        q, r = np.linalg.qr(random.standard_normal((n_units, n_units)))
        # With these signs, it is uniform over all orthogonal matrices.
        blocks.append(q * np.where(np.diag(r) < 0, -1.0, 1.0))
    return np.hstack(blocks)


def embedding(random: np.random.RandomState, n_tokens: int, n_dims: int) -> np.ndarray:
    """(1 + n_tokens, n_dims): row 0, of unknown tokens, is the mean of the others."""
    rows = random.normal(0.0, EMBEDDING_SCALE, (n_tokens, n_dims))
    return np.vstack((rows.mean(axis=0) if n_tokens else np.zeros(n_dims), rows))


def new_embedding_rows(seed: int, ids: np.ndarray, n_dims: int) -> np.ndarray:
    """(len(ids), n_dims); a row depends on its id, not on the other ids."""
    rows = [np.random.default_rng((seed, i)).normal(0.0, EMBEDDING_SCALE, n_dims) for i in ids]
    return np.array(rows)
