"""Pooling: the states of all steps become one vector a sequence.

h       (T+1, B, H)  states; row t+1 is what step t leaves
pooled  (B, H)       zero, the initial state, for an empty sequence
best    (B, H)       "max": the step that won
dh      (T+1, B, H)  all of it is written

last  h[length]
ends  of two directions side by side: the first's h[length] and the second's h[1], where each ends
mean  sum of h over the sequence's own steps / length
max   elementwise largest h over the sequence's own steps; the first of equals
"""

from __future__ import annotations

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
        share = one / h.dtype.type(max(lengths[row], 1))
        for t in range(lengths[row]):
            for k in range(h.shape[2]):
                pooled[row, k] += share * h[t + 1, row, k]


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


POOLINGS = {
    "last": (last_forward, last_backward),
    "ends": (ends_forward, ends_backward),
    "mean": (mean_forward, mean_backward),
    "max": (max_forward, max_backward),
}
