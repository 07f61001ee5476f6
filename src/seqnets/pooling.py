"""Pooling: the states of all steps become one vector per sequence.

Steps come in windows, one after another; `start` is a window's first step. The forward pass over a
window continues from what the one before has left in `pooled`, `total`, `best` and `scale`;
afterwards, `pooled` is the result for all steps so far.

T steps of a window, B sequences, H units:

lengths (B,)         of the whole sequences
h       (T+1, B, H)  states of a window: row t+1 is what its step t leaves
pooled  (B, H)       zero, the initial state, for an empty sequence
total   (B, H)       "mean", "attention": the sum that is divided, in float64 (a float32 sum of
                     1,000,000 states can be off by 1 %)
best    (B, H)       "last", "ends", "max": the step whose state was taken, -1 for none; in int32,
                     of which a register holds as many as of float32
dh      (T+1, B, H)  every number is overwritten
u       (T, B, H)    "attention": on entry h W + b; `attention_scores` leaves its tanh
v       (H, 1)       the learned query (context vector)
score   (B, T_all)   u v of all steps
scale   (B, 2)       the largest score so far, and the sum of exp(score - largest)
du      (T, B, H)    d loss / d (h W + b)
dv      (H, 1)       each window adds its gradient of v

last  h[length]
ends  for two directions side by side: h[length] of the first and h[1] of the second, where each
      ends; needs the whole sequence in one window
mean  sum of h over the sequence's own steps / length
max   elementwise maximum of h over the sequence's own steps; among equals, the first

attention (Bahdanau et al. 2015, as pooling Yang et al. 2016)
    u      = tanh(h W + b)
    share  = softmax over the sequence's own steps of u v
    pooled = sum of share * h
"""

from __future__ import annotations

import math

import numpy as np

from .activations import tanh
from .jit import inlined, kernel


@inlined
def n_steps_in_window(start, length, h):
    """How many of a sequence's steps are in this window."""
    return max(0, min(length - start, h.shape[0] - 1))


@kernel
def last_forward(start, lengths, h, total, best, pooled):
    for row in range(lengths.size):
        n = n_steps_in_window(start, lengths[row], h)
        if n > 0 or start == 0:
            for k in range(h.shape[2]):
                pooled[row, k] = h[n, row, k]
                best[row, k] = start + n - 1


@kernel
def ends_forward(start, lengths, h, total, best, pooled):
    H = h.shape[2] // 2
    for row in range(lengths.size):
        for k in range(h.shape[2]):
            end = lengths[row] if k < H else min(1, lengths[row])
            pooled[row, k] = h[end, row, k]
            best[row, k] = end - 1


# The mean and the maximum take all rows at one step, then at the next: a row's sum or maximum is
# not needed again at once, while it is still being stored. Row by row takes two to three times as
# long.


@kernel
def mean_forward(start, lengths, h, total, best, pooled):
    if start == 0:
        total[:] = 0
        pooled[:] = 0
    for t in range(h.shape[0] - 1):
        for row in range(lengths.size):
            if start + t < lengths[row]:
                for k in range(h.shape[2]):
                    total[row, k] += h[t + 1, row, k]
    for row in range(lengths.size):
        n = n_steps_in_window(start, lengths[row], h)
        if n > 0:
            for k in range(h.shape[2]):
                pooled[row, k] = total[row, k] / (start + n)


@kernel
def mean_backward(start, lengths, dpooled, best, dh):
    one = dh.dtype.type(1)
    dh[:] = 0
    for row in range(lengths.size):
        share = one / dh.dtype.type(max(lengths[row], 1))
        for t in range(n_steps_in_window(start, lengths[row], dh)):
            for k in range(dh.shape[2]):
                dh[t + 1, row, k] = share * dpooled[row, k]


@kernel
def max_forward(start, lengths, h, total, best, pooled):
    if start == 0:
        for row in range(lengths.size):
            first = min(1, lengths[row])
            for k in range(h.shape[2]):
                pooled[row, k] = h[first, row, k]
                best[row, k] = first - 1
    for t in range(h.shape[0] - 1):
        for row in range(lengths.size):
            if start + t < lengths[row]:
                for k in range(h.shape[2]):
                    new = h[t + 1, row, k]
                    if new > pooled[row, k] or new != new:  # NaN, which then stays
                        pooled[row, k] = new
                        best[row, k] = start + t


@kernel
def best_backward(start, lengths, dpooled, best, dh):
    """The backward pass of "last", "ends" and "max"."""
    dh[:] = 0
    for row in range(lengths.size):
        n = n_steps_in_window(start, lengths[row], dh)
        for k in range(dh.shape[2]):
            if 0 <= best[row, k] - start < n:
                dh[best[row, k] - start + 1, row, k] = dpooled[row, k]


@kernel
def attention_scores(start, lengths, v, u, score):
    for row in range(lengths.size):
        for t in range(max(0, min(lengths[row] - start, u.shape[0]))):
            for k in range(u.shape[2]):
                u[t, row, k] = tanh(u[t, row, k])
            s = 0.0
            for k in range(u.shape[2]):
                s += np.float64(u[t, row, k] * v[k, 0])
            score[row, start + t] = s


@kernel
def attention_forward(start, lengths, h, score, scale, total, pooled):
    if start == 0:
        scale[:, 0] = -np.inf
        scale[:, 1] = 0
        total[:] = 0
        pooled[:] = 0
    for row in range(lengths.size):
        n = n_steps_in_window(start, lengths[row], h)
        for t in range(n):
            s = np.float64(score[row, start + t])
            if s > scale[row, 0]:  # scale down what was summed before
                less = math.exp(scale[row, 0] - s)
                scale[row, 0] = s
                scale[row, 1] *= less
                for k in range(h.shape[2]):
                    total[row, k] *= less
            weight = math.exp(s - scale[row, 0])
            scale[row, 1] += weight
            for k in range(h.shape[2]):
                total[row, k] += weight * h[t + 1, row, k]
        if n > 0:
            for k in range(h.shape[2]):
                pooled[row, k] = total[row, k] / scale[row, 1]


@kernel
def attention_backward(start, lengths, h, v, u, score, scale, total, dpooled, dh, du, dv):
    one = u.dtype.type(1)
    dh[:] = 0
    du[:] = 0
    for row in range(lengths.size):
        mean = 0.0  # of dshare below, weighted by share: dpooled times pooled
        for k in range(h.shape[2]):
            mean += np.float64(dpooled[row, k] * total[row, k])
        mean /= max(scale[row, 1], 1.0)  # 0 for an empty sequence
        for t in range(n_steps_in_window(start, lengths[row], h)):
            share = math.exp(np.float64(score[row, start + t]) - scale[row, 0]) / scale[row, 1]
            dshare = 0.0
            for k in range(h.shape[2]):  # pooled = sum of share * h
                dshare += np.float64(dpooled[row, k]) * h[t + 1, row, k]
                dh[t + 1, row, k] = share * dpooled[row, k]
            dscore = u.dtype.type(share * (dshare - mean))
            for k in range(u.shape[2]):  # share = softmax(u v), u = tanh(h W + b)
                dv[k, 0] += dscore * u[t, row, k]
                du[t, row, k] = dscore * v[k, 0] * (one - u[t, row, k] * u[t, row, k])


POOLINGS = {
    "last": (last_forward, best_backward),
    "ends": (ends_forward, best_backward),
    "mean": (mean_forward, mean_backward),
    "max": (max_forward, best_backward),
}
