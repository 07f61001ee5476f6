"""Stochastic gradient descent with momentum, Adam, AdamW and RMSprop.

Parameters are updated by rows: dW[i] is the gradient of W[rows[i]]. A step on an embedding touches
the rows of the words it saw and leaves every other row, its momentum and its moments as they were.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import kernel
from .schedules import Schedule

MIN_MOMENT = 1e-36  # still a normal float32; smaller moments decay into slow subnormal numbers
# When a second moment has vanished, the first may be left: a step must not divide it by less.
LEAST_EPSILON = math.sqrt(MIN_MOMENT)

Moments = dict[str, tuple[np.ndarray, ...]]  # of each parameter


@kernel
def sgd_step(rows, W, dW, velocity, step_size, momentum, nesterov):
    step_size, momentum = W.dtype.type(step_size), W.dtype.type(momentum)
    vanished, zero = W.dtype.type(MIN_MOMENT), W.dtype.type(0)
    for i in range(rows.size):
        row = rows[i]
        for k in range(W.shape[1]):
            step = step_size * dW[i, k]
            v = momentum * velocity[row, k] - step
            velocity[row, k] = zero if abs(v) < vanished else v
            W[row, k] += momentum * v - step if nesterov else v


@kernel
def adam_step(rows, W, dW, m, v, step_size, beta_1, beta_2, correction, epsilon):
    keep_1, keep_2 = W.dtype.type(beta_1), W.dtype.type(beta_2)
    new_1, new_2 = W.dtype.type(1.0 - beta_1), W.dtype.type(1.0 - beta_2)
    step_size, correction = W.dtype.type(step_size), W.dtype.type(correction)
    epsilon, vanished, zero = W.dtype.type(epsilon), W.dtype.type(MIN_MOMENT), W.dtype.type(0)
    for i in range(rows.size):
        row = rows[i]
        for k in range(W.shape[1]):
            m_k = keep_1 * m[row, k] + new_1 * dW[i, k]
            v_k = keep_2 * v[row, k] + new_2 * dW[i, k] * dW[i, k]
            m[row, k] = zero if abs(m_k) < vanished else m_k
            v[row, k] = zero if v_k < vanished else v_k
            W[row, k] -= step_size * m_k / (np.sqrt(v_k) * correction + epsilon)


@kernel
def rmsprop_step(rows, W, dW, v, step_size, decay, epsilon):
    keep, new = W.dtype.type(decay), W.dtype.type(1.0 - decay)
    step_size, epsilon = W.dtype.type(step_size), W.dtype.type(epsilon)
    vanished, zero = W.dtype.type(MIN_MOMENT), W.dtype.type(0)
    for i in range(rows.size):
        row = rows[i]
        for k in range(W.shape[1]):
            v_k = keep * v[row, k] + new * dW[i, k] * dW[i, k]
            v[row, k] = zero if v_k < vanished else v_k
            W[row, k] -= step_size * dW[i, k] / (np.sqrt(v_k) + epsilon)


@kernel
def add_to_rows(rows, dW, total):
    """total[rows] += dW."""
    for i in range(rows.size):
        row = rows[i]  # read here: inside the loop, it would keep LLVM from vectorizing
        for k in range(dW.shape[1]):
            total[row, k] += dW[i, k]


@kernel
def add_squares(dW, squares):
    """squares[k] += dW[:, k]^2, in float64; LLVM vectorizes sums per column, not a sum of all."""
    for row in range(dW.shape[0]):
        for k in range(dW.shape[1]):
            squares[k] += np.float64(dW[row, k]) * np.float64(dW[row, k])


@kernel
def update_mean(rows, mean, W, share):
    """mean[rows] += share (W - mean)[rows], in one pass where NumPy takes three."""
    share = W.dtype.type(share)
    for i in range(rows.size):
        row = rows[i]
        for k in range(W.shape[1]):
            mean[row, k] += share * (W[row, k] - mean[row, k])


def sum_of_squares(matrices: dict[str, np.ndarray]) -> float:
    """The sum over all of them, in float64."""
    squares = np.zeros(max(matrix.shape[1] for matrix in matrices.values()))
    for matrix in matrices.values():
        add_squares(matrix, squares)
    return float(squares.sum())


def clip_by_global_norm(gradients: dict[str, np.ndarray], max_norm: float) -> float:
    """Scale all gradients so that their joint norm is at most `max_norm`; return the norm.

    If it is not finite, all become NaN, which ends training. Pascanu, Mikolov & Bengio (2013).
    """
    norm = math.sqrt(sum_of_squares(gradients))
    if not norm <= max_norm:
        scale = max_norm / norm if norm < math.inf else math.nan
        for gradient in gradients.values():
            gradient *= gradient.dtype.type(scale)
    return norm


def insert_rows(moments: Moments, name: str, places: np.ndarray) -> None:
    """Make room for new rows of a parameter, before those at `places`."""
    if name in moments:
        moments[name] = tuple(np.insert(m, places, 0, axis=0) for m in moments[name])


def check_moments(moments: Moments, parameters: dict[str, np.ndarray]) -> None:
    """Refuse moments with which a kernel would read outside its arrays."""
    for name, arrays in moments.items():
        W = np.atleast_2d(parameters.get(name, ()))
        if any((m.shape, m.dtype) != (W.shape, W.dtype) for m in arrays):
            raise ValueError(
                f"The solver's moments of {name!r} do not fit its weights: to continue with a new "
                "optimizer, save and load the model with seqnets; or fit with warm_start=False."
            )


class Optimizer:
    """Updates parameters from gradients; keeps moments of each parameter's shape."""

    n_moments = 0
    decouples = False  # weight decay apart from the gradient, not a penalty in the loss
    adapts = True  # divides by the gradients' size, so that a larger gradient makes no larger step

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate, self.t = learning_rate, 0
        self.schedule: Schedule | None = None
        self.moments: Moments = {}

    def begin_step(self) -> None:
        self.t += 1
        if self.schedule is not None:
            self.learning_rate = self.schedule.next()

    def update(self, name: str, W: np.ndarray, dW: np.ndarray, rows: np.ndarray) -> None:
        """One step on these rows of a parameter (R, C), whose gradient is dW (rows.size, C)."""
        if name not in self.moments:
            self.moments[name] = tuple(np.zeros_like(W) for _ in range(self.n_moments))
        self.step(rows, W, dW, *self.moments[name])

    def step(self, rows: np.ndarray, W: np.ndarray, dW: np.ndarray, *moments: np.ndarray) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """v' = momentum v - step dW;  W' = W + v', or with Nesterov W + momentum v' - step dW."""

    n_moments = 1
    adapts = False

    def __init__(self, learning_rate: float, momentum: float, nesterov: bool) -> None:
        super().__init__(learning_rate)
        self.momentum, self.nesterov = momentum, nesterov

    def step(self, rows: np.ndarray, W: np.ndarray, dW: np.ndarray, *moments: np.ndarray) -> None:
        sgd_step(rows, W, dW, *moments, self.learning_rate, self.momentum, self.nesterov)


class Adam(Optimizer):
    """m' = beta_1 m + (1 - beta_1) dW;  v' = beta_2 v + (1 - beta_2) dW^2
    W' = W - step m' / (1 - beta_1^t) / (sqrt(v' / (1 - beta_2^t)) + epsilon)

    Kingma & Ba (2015), epsilon after the bias correction as in their Algorithm 1.
    """

    n_moments = 2

    def __init__(self, learning_rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
        super().__init__(learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, max(epsilon, LEAST_EPSILON)

    def step(self, rows: np.ndarray, W: np.ndarray, dW: np.ndarray, *moments: np.ndarray) -> None:
        step_size = self.learning_rate / (1.0 - self.beta_1**self.t)
        correction = 1.0 / math.sqrt(1.0 - self.beta_2**self.t)
        betas = self.beta_1, self.beta_2
        adam_step(rows, W, dW, *moments, step_size, *betas, correction, self.epsilon)


class AdamW(Adam):
    """Adam, and in addition W' = W - step alpha W (Loshchilov & Hutter 2019)."""

    decouples = True


class RMSprop(Optimizer):
    """v' = decay v + (1 - decay) dW^2;  W' = W - step dW / (sqrt(v') + epsilon).

    Tieleman & Hinton (2012).
    """

    n_moments = 1

    def __init__(self, learning_rate: float, decay: float, epsilon: float) -> None:
        super().__init__(learning_rate)
        self.decay, self.epsilon = decay, max(epsilon, LEAST_EPSILON)

    def step(self, rows: np.ndarray, W: np.ndarray, dW: np.ndarray, *moments: np.ndarray) -> None:
        rmsprop_step(rows, W, dW, *moments, self.learning_rate, self.decay, self.epsilon)
