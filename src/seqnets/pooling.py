"""Pooling: the states of all steps become one vector a sequence.

h       (T+1, B, H)  states; row t+1 is what step t leaves
pooled  (B, H)       zero, the initial state, for an empty sequence
best    (B, H)       "max": the step that won
dh      (T+1, B, H)  all of it is written
u       (T, B, A)    "attention": on entry h W + b; the forward pass leaves its tanh
v       (A, 1)       what is attended to
scores  (B, T)       u v
share   (B, T)       the weight of each step, zero where a sequence has ended

last  h[length]
ends  of two directions side by side: the first's h[length] and the second's h[1], where each ends
mean  sum of h over the sequence's own steps / length
max   elementwise largest h over the sequence's own steps; the first of equals

attention (Bahdanau et al. 2015, as pooling Yang et al. 2016)
    u      = tanh(h W + b)
    scores = u v
    share  = softmax of the scores over the sequence's own steps
    pooled = sum of share * h
"""

from __future__ import annotations

import math

import numpy as np

from .jit import kernel


@kernel
def last_forward(lengths, h, pooled, best):
    for row in range(lengths.size):
        pooled[row] = h[lengths[row], row]


@kernel
def last_backward(lengths, dpooled, best, dh):
    dh[:] = 0
    for row in range(lengths.size):
        dh[lengths[row], row] = dpooled[row]


@kernel
def ends_forward(lengths, h, pooled, best):
    H = h.shape[2] // 2
    for row in range(lengths.size):
        pooled[row, :H] = h[lengths[row], row, :H]
        pooled[row, H:] = h[min(1, lengths[row]), row, H:]


@kernel
def ends_backward(lengths, dpooled, best, dh):
    H = dh.shape[2] // 2
    dh[:] = 0
    for row in range(lengths.size):
        dh[lengths[row], row, :H] = dpooled[row, :H]
        dh[min(1, lengths[row]), row, H:] = dpooled[row, H:]


@kernel
def mean_forward(lengths, h, pooled, best):
    one = h.dtype.type(1)
    pooled[:] = 0
    for row in range(lengths.size):
        for t in range(lengths[row]):
            for k in range(h.shape[2]):
                pooled[row, k] += h[t + 1, row, k]
        share = one / h.dtype.type(max(lengths[row], 1))
        for k in range(h.shape[2]):
            pooled[row, k] *= share


@kernel
def mean_backward(lengths, dpooled, best, dh):
    one = dh.dtype.type(1)
    dh[:] = 0
    for row in range(lengths.size):
        share = one / dh.dtype.type(max(lengths[row], 1))
        for t in range(lengths[row]):
            for k in range(dh.shape[2]):
                dh[t + 1, row, k] = share * dpooled[row, k]


@kernel
def max_forward(lengths, h, pooled, best):
    best[:] = 0
    for row in range(lengths.size):
        pooled[row] = h[min(1, lengths[row]), row]
        for t in range(1, lengths[row]):
            for k in range(h.shape[2]):
                if h[t + 1, row, k] > pooled[row, k]:
                    pooled[row, k] = h[t + 1, row, k]
                    best[row, k] = t


@kernel
def max_backward(lengths, dpooled, best, dh):
    dh[:] = 0
    for row in range(lengths.size):
        if lengths[row] > 0:
            for k in range(dh.shape[2]):
                dh[best[row, k] + 1, row, k] = dpooled[row, k]


@kernel
def attention_scores(lengths, v, u, scores):
    for row in range(lengths.size):
        for t in range(lengths[row]):
            score = 0.0
            for k in range(u.shape[2]):
                u[t, row, k] = math.tanh(u[t, row, k])
                score += np.float64(u[t, row, k] * v[k, 0])
            scores[row, t] = score


@kernel
def attention_forward(lengths, h, scores, share, pooled):
    pooled[:] = 0
    share[:] = 0
    for row in range(lengths.size):
        largest = -np.inf
        for t in range(lengths[row]):
            largest = max(largest, np.float64(scores[row, t]))
        total = 0.0
        for t in range(lengths[row]):
            total += math.exp(np.float64(scores[row, t]) - largest)
        for t in range(lengths[row]):
            share[row, t] = math.exp(np.float64(scores[row, t]) - largest) / total
            for k in range(h.shape[2]):
                pooled[row, k] += share[row, t] * h[t + 1, row, k]


@kernel
def attention_backward(lengths, h, v, u, share, dpooled, dh, du, dv):
    one = u.dtype.type(1)
    dh[:] = 0
    du[:] = 0
    dv[:] = 0
    for row in range(lengths.size):
        mean = 0.0
        for t in range(lengths[row]):  # pooled = sum of share * h
            dshare = 0.0
            for k in range(h.shape[2]):
                dshare += np.float64(dpooled[row, k] * h[t + 1, row, k])
                dh[t + 1, row, k] = share[row, t] * dpooled[row, k]
            du[t, row, 0] = dshare
            mean += share[row, t] * dshare
        for t in range(lengths[row]):  # share = softmax(tanh(u) v)
            dscore = u.dtype.type(share[row, t] * (np.float64(du[t, row, 0]) - mean))
            for k in range(u.shape[2]):
                dv[k, 0] += dscore * u[t, row, k]
                du[t, row, k] = dscore * v[k, 0] * (one - u[t, row, k] * u[t, row, k])


POOLINGS = {
    "last": (last_forward, last_backward),
    "ends": (ends_forward, ends_backward),
    "mean": (mean_forward, mean_backward),
    "max": (max_forward, max_backward),
}
