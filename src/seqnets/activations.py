"""tanh and the logistic function for the inner loops of kernels, where LLVM vectorizes them.

The C library's tanh takes 11 to 15 ns per number. Plain arithmetic takes 0.3 to 1.3 ns in float32,
with a relative error of tanh up to 3.8e-7 and an absolute one of the logistic function up to 2.2e-7
(gates below 1e-6 have few correct digits), and 2 ns in float64, within 2.5 units in the last place.
"""

from __future__ import annotations

import numpy as np

from .jit import by_precision

# float32: tanh(x) = x P(x^2) / Q(x^2) on [-7.9, 7.9], fitted to minimize the largest relative error
# (5.7e-9 before rounding; 3.8e-7 in float32 arithmetic, 3.4e-7 with fused sums; 1 - tanh(7.9) is
# 2.7e-7).
LIMIT = np.float32(7.9)
P = np.array([1.0, 0.1345062, 0.003578991, 2.2023222e-05, 1.5427936e-08], dtype=np.float32)
Q = np.array([1.0, 0.46783946, 0.026192233, 0.00034236483, 8.5987657e-07], dtype=np.float32)
_, P1, P2, P3, P4 = P
_, Q1, Q2, Q3, Q4 = Q
# In the same way, s(x) - 1 / 2 = tanh(x / 2) / 2; powers of two are exact in the coefficients.
R0, R1, R2, R3, R4 = P / np.array([4, 16, 64, 256, 1024], np.float32)
_, S1, S2, S3, S4 = Q / np.array([1, 4, 16, 64, 256], np.float32)
HALF, ONE = np.float32(0.5), np.float32(1)

# float64: tanh(x) = 2 t / (1 + t^2), t = tanh(y), y = x / 2. On [-9.6, 9.6]
# t = y - y s E(s) / F(s), s = y^2. Near 1, where t is least exact, its error hardly counts, since
# d tanh(x) / dt = 2 (1 - t^2) / (1 + t^2)^2. Fitted to minimize the largest relative error of
# tanh(x) (6e-18 before rounding); beyond, tanh(x) is -1 or 1.
LIMIT64 = 19.2
E0, E1, E2, E3, E4, E5 = (
    0.33333333333333315, 0.026385172283031343, 0.0005750227284094684,
    4.4980049528030196e-06, 1.2250803879017735e-08, 8.051761075524092e-12,
)  # fmt: skip
F1, F2, F3, F4, F5, F6 = (
    0.47915551684909063, 0.031482513020110174, 0.000637404960555073,
    4.78162054788352e-06, 1.2652605158636857e-08, 8.130783492093813e-12,
)  # fmt: skip


def tanh32(x):
    x = min(max(x, -LIMIT), LIMIT)
    s = x * x
    p = ONE + s * (P1 + s * (P2 + s * (P3 + s * P4)))
    q = ONE + s * (Q1 + s * (Q2 + s * (Q3 + s * Q4)))
    return x * p / q


def sigmoid32(x):
    x = min(max(x, -LIMIT - LIMIT), LIMIT + LIMIT)
    s = x * x
    p = R0 + s * (R1 + s * (R2 + s * (R3 + s * R4)))
    q = ONE + s * (S1 + s * (S2 + s * (S3 + s * S4)))
    return HALF + x * p / q


def tanh64(x):
    y = 0.5 * min(max(x, -LIMIT64), LIMIT64)
    s = y * y
    e = E0 + s * (E1 + s * (E2 + s * (E3 + s * (E4 + s * E5))))
    f = 1.0 + s * (F1 + s * (F2 + s * (F3 + s * (F4 + s * (F5 + s * F6)))))
    t = y - y * (s * e / f)
    return (t + t) / (1.0 + t * t)


def sigmoid64(x):
    return 0.5 + 0.5 * tanh(0.5 * x)


@by_precision(tanh32, tanh64)
def tanh(x):
    """tanh(x)."""


@by_precision(sigmoid32, sigmoid64)
def sigmoid(x):
    """s(x) = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2."""
