"""Stochastic gradient descent with momentum, and Adam.

Parameters are updated by rows. A step on an embedding touches the rows of the words it saw and
leaves every other row, its momentum and its moments as they were.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import kernel

VANISHED = 1e-36  # a normal float32 still; below it moments decay into slow denormal numbers


@kernel
def sgd_step(rows, W, dW, velocity, step_size, momentum, nesterov):
    step_size, momentum = W.dtype.type(step_size), W.dtype.type(momentum)
    vanished, zero = W.dtype.type(VANISHED), W.dtype.type(0)
    for row in rows:
        for k in range(W.shape[1]):
            step = step_size * dW[row, k]
            v = momentum * velocity[row, k] - step
            velocity[row, k] = zero if abs(v) < vanished else v
            W[row, k] += momentum * v - step if nesterov else v


@kernel
def adam_step(rows, W, dW, m, v, step_size, beta_1, beta_2, correction, epsilon):
    keep_1, keep_2 = W.dtype.type(beta_1), W.dtype.type(beta_2)
    new_1, new_2 = W.dtype.type(1.0 - beta_1), W.dtype.type(1.0 - beta_2)
    step_size, correction = W.dtype.type(step_size), W.dtype.type(correction)
    epsilon, vanished, zero = W.dtype.type(epsilon), W.dtype.type(VANISHED), W.dtype.type(0)
    for row in rows:
        for k in range(W.shape[1]):
            m_k = keep_1 * m[row, k] + new_1 * dW[row, k]
            v_k = keep_2 * v[row, k] + new_2 * dW[row, k] * dW[row, k]
            m[row, k] = zero if abs(m_k) < vanished else m_k
            v[row, k] = zero if v_k < vanished else v_k
            W[row, k] -= step_size * m_k / (np.sqrt(v_k) * correction + epsilon)


@kernel
def add_squares(rows, dW, total):
    """Sums in float64; total[0] += ||dW[rows]||^2."""
    for row in rows:
        for k in range(dW.shape[1]):
            total[0] += np.float64(dW[row, k]) ** 2


def clip_by_global_norm(
    gradients: dict[str, np.ndarray], rows: dict[str, np.ndarray], max_norm: float
) -> float:
    """Scale all gradients so that their joint norm is at most `max_norm`; return the norm.

    Pascanu, Mikolov & Bengio (2013). `rows` are those that a step touches.
    """
    total = np.zeros(1)
    for name, gradient in gradients.items():
        add_squares(rows[name], gradient, total)
    norm = math.sqrt(total[0])
    if norm > max_norm:
        for name, gradient in gradients.items():
            gradient[rows[name]] *= gradient.dtype.type(max_norm / norm)
    return norm


class SGD:
    """v' = momentum v - step dW;  W' = W + v', or with Nesterov W + momentum v' - step dW."""

    def __init__(self, learning_rate: float, momentum: float, nesterov: bool) -> None:
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov
        self.velocity: dict[str, np.ndarray] = {}

    def begin_step(self) -> None:
        """Nothing changes from step to step."""

    def update(self, name: str, W: np.ndarray, dW: np.ndarray, rows: np.ndarray) -> None:
        velocity = self.velocity.setdefault(name, np.zeros_like(W))
        sgd_step(rows, W, dW, velocity, self.learning_rate, self.momentum, self.nesterov)


class Adam:
    """m' = beta_1 m + (1 - beta_1) dW;  v' = beta_2 v + (1 - beta_2) dW^2
    W' = W - step m' / (1 - beta_1^t) / (sqrt(v' / (1 - beta_2^t)) + epsilon)

    Kingma & Ba (2015), epsilon after the bias correction as in their Algorithm 1.
    """

    def __init__(self, learning_rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.epsilon, self.t = epsilon, 0
        self.moments: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def begin_step(self) -> None:
        self.t += 1

    def update(self, name: str, W: np.ndarray, dW: np.ndarray, rows: np.ndarray) -> None:
        if name not in self.moments:
            self.moments[name] = np.zeros_like(W), np.zeros_like(W)
        step_size = self.learning_rate / (1.0 - self.beta_1**self.t)
        correction = 1.0 / math.sqrt(1.0 - self.beta_2**self.t)
        adam_step(
            rows, W, dW, *self.moments[name],
            step_size, self.beta_1, self.beta_2, correction, self.epsilon,
        )  # fmt: skip
