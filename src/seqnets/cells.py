"""The recurrent cells: their loops over time, forward and backward.

T steps, B rows (the sequences of a batch, longest first, padded to whole tiles), D inputs, H units,
G gates. All arrays of one call have the same dtype, float32 or float64; only n_active, lookup and
soon hold integers. The T steps may be a part of the batch's steps; row 0 of a state is then what
the step before this part has left.

    n_active (T,)         number of sequences that still run at step t: these are the first rows
    W_h      (H, G*H)     recurrent weights; W_hT is their transpose; both in panels (`products`)
    xW       (R, G*H)     x W_x + b of R inputs, such as the distinct tokens of a batch
    lookup   (T, B)       which row of xW each step takes; (T, 0) if there is no xW
    soon     (T, B)       lookup, if its rows of xW are fetched early, else without rows; a step is
                          given the part for later steps
    a        (T, B, G*H)  x W_x + b of each step, on entry only if there is no xW; the forward pass
                          leaves the values of the gates there (RNN: the sum inside tanh)
    h, c     (T+1, B, H)  states: row 0 is the initial one, row t+1 is what step t leaves
    m        (B, H)       recurrent dropout multiplies h by it before the product with W_h: one
                          mask per sequence, for all steps (Gal & Ghahramani 2016); without
                          dropout, it has no rows
    v        (T, B, H)    m * h, which the product reads; without dropout, h itself
    u        (B, G*H)     GRU: one step's recurrent part, with the candidate's bias b_h (H,)
    u_n      (T, B, H)    GRU: the candidate's block of u, which the backward pass needs
    da, du_n              the same memory as a and u_n: on entry what the forward pass has left
                          (RNN: not read), on exit d loss / d (x W_x + b) and d loss / d u_n, zero
                          where a sequence has ended. Separate arrays cost up to 6 % of a step
    dxW      (R, G*H)     d loss / d xW: each step's da is added to the row that the step took
    gates    (4*H,)       a copy of one row's values, since their gradients overwrite that row
    dh       (T+1, B, H)  on entry the part of d loss / d h that comes from the layers above; the
                          backward pass adds the part that comes back through time
    dc       (B, H)       d loss / d c, carried from step to step; on entry that of the last c
    dv       (B, H)       d loss / d v of one step

The gradient of a variable is called d + its name. The gates are blocks of H columns in this order:
RNN a; LSTM i, f, o, g; GRU r, z, n; minGRU z, n. The block of gate i begins at column at_i. In the
function of a step, n_rows is its n_active.

In the equations, h' and c' are what a step leaves, s(x) = 1 / (1 + exp(-x)), * is elementwise.

RNN (Elman 1990)
    h' = tanh(x W_x + b + h W_h)

LSTM (Hochreiter & Schmidhuber 1997; forget gate of Gers, Schmidhuber & Cummins 2000)
    i, f, o = s(x W_x + b + h W_h)        input, forget, output gate
    g       = tanh(x W_x + b + h W_h)     candidate
    c'      = f * c + i * g
    h'      = o * tanh(c')

GRU (Cho et al. 2014), with the reset gate after the product, so that one product serves all gates
    u       = h W_h + (0, 0, b_h)
    r, z    = s(x W_x + b + u)            reset, update gate
    n       = tanh(x W_x + b + r * u)     candidate
    h'      = (1 - z) * n + z * h

minGRU (Feng et al. 2024): gate and candidate depend on x alone, so there is no h W_h
    z       = s(x W_x + b)                update gate
    n       = x W_x + b                   candidate
    h'      = (1 - z) * n + z * h         the paper's z is 1 - z here

Notebooks 2 to 4 derive the gradients; `tests/naive.py` has both passes in plain loops.
"""

from __future__ import annotations

import numpy as np

from .activations import sigmoid, tanh
from .jit import by_precision, inlined, kernel
from .prefetch import prefetch
from .products import add_product, product_plus_rows

# ---------------------------------------------------------------------------------- RNN


@kernel
def rnn_forward(n_active, lookup, xW, W_h, m, a, h, v):
    soon = rows_to_fetch(lookup, xW)
    for t in range(n_active.size):
        drop(n_active[t], h[t], m, v[t])  # v = m h
        product_plus_rows(n_active[t], v[t], W_h, xW, lookup[t], a[t])  # a = v W_h + x W_x + b
        rnn_step(n_active[t], a[t], h[t + 1], soon[t + 1 :], xW)


@kernel
def rnn_backward(n_active, lookup, dxW, W_hT, m, da, h, dh, dv):
    for t in range(n_active.size - 1, -1, -1):
        rnn_step_backward(n_active[t], da[t], h[t + 1], dh[t + 1])
        recurrent_backward(n_active[t], da[t], W_hT, m, dv, dh[t])  # a = v W_h + ..., v = m h
        take_input_backward(n_active[t], lookup[t], da[t], dxW)  # a = v W_h + x W_x + b


@inlined
def rnn_step(n_rows, a, h, soon, xW):
    for row in range(n_rows):
        prefetch(xW, soon, row)
        for k in range(h.shape[1]):
            h[row, k] = tanh(a[row, k])


@inlined
def rnn_step_backward(n_rows, da, h, dh):
    one = h.dtype.type(1)
    for row in range(n_rows):
        for k in range(h.shape[1]):
            da[row, k] = flush(dh[row, k] * (one - h[row, k] * h[row, k]))  # h = tanh(a)
    da[n_rows:] = 0


# --------------------------------------------------------------------------------- LSTM


@kernel
def lstm_forward(n_active, lookup, xW, W_h, m, a, h, c, v):
    soon = rows_to_fetch(lookup, xW)
    for t in range(n_active.size):
        drop(n_active[t], h[t], m, v[t])  # v = m h
        product_plus_rows(n_active[t], v[t], W_h, xW, lookup[t], a[t])  # a = v W_h + x W_x + b
        lstm_step(n_active[t], a[t], c[t], c[t + 1], h[t + 1], soon[t + 1 :], xW)


@kernel
def lstm_backward(n_active, lookup, dxW, W_hT, m, da, gates, c, dh, dc, dv):
    for t in range(n_active.size - 1, -1, -1):
        lstm_step_backward(n_active[t], da[t], gates, c[t], c[t + 1], dh[t + 1], dc)
        recurrent_backward(n_active[t], da[t], W_hT, m, dv, dh[t])  # a = v W_h + ..., v = m h
        take_input_backward(n_active[t], lookup[t], da[t], dxW)  # a = v W_h + x W_x + b


# There are many short loops over units on purpose: LLVM does not vectorize a loop if it uses too
# many arrays to prove that they do not overlap, if it writes an array and reads it at another
# index, or if its k does not start at 0. One such loop doubles the time of a step's gates.


@inlined
def lstm_step(n_rows, a, c_before, c, h, soon, xW):
    H = h.shape[1]
    at_i, at_f, at_o, at_g = 0, H, 2 * H, 3 * H
    for row in range(n_rows):
        prefetch(xW, soon, row)
        for k in range(at_g):
            a[row, k] = sigmoid(a[row, k])
        for k in range(H):
            a[row, at_g + k] = tanh(a[row, at_g + k])
        for k in range(H):
            c[row, k] = a[row, at_f + k] * c_before[row, k] + a[row, at_i + k] * a[row, at_g + k]
        for k in range(H):
            h[row, k] = a[row, at_o + k] * tanh(c[row, k])


@inlined
def lstm_step_backward(n_rows, da, gates, c_before, c, dh, dc):
    H = dh.shape[1]
    at_i, at_f, at_o, at_g = 0, H, 2 * H, 3 * H
    one = da.dtype.type(1)
    for row in range(n_rows):
        for k in range(4 * H):
            gates[k] = da[row, k]
        for k in range(H):  # h = o * tanh(c)
            o, tanh_c = gates[at_o + k], tanh(c[row, k])
            dc[row, k] += dh[row, k] * o * (one - tanh_c * tanh_c)
            da[row, at_o + k] = flush(dh[row, k] * tanh_c * o * (one - o))
        for k in range(H):  # c = f * c_before + i * g, w.r.t. i
            i, g = gates[at_i + k], gates[at_g + k]
            da[row, at_i + k] = flush(dc[row, k] * g * i * (one - i))
        for k in range(H):  # c = f * c_before + i * g, w.r.t. g
            i, g = gates[at_i + k], gates[at_g + k]
            da[row, at_g + k] = flush(dc[row, k] * i * (one - g * g))
        for k in range(H):  # c = f * c_before + i * g, w.r.t. f and c_before
            f = gates[at_f + k]
            da[row, at_f + k] = flush(dc[row, k] * c_before[row, k] * f * (one - f))
            dc[row, k] = flush(dc[row, k] * f)
    da[n_rows:] = 0


# ---------------------------------------------------------------------------------- GRU


@kernel
def gru_forward(n_active, lookup, xW, W_h, b_h, m, a, u, u_n, h, v):
    H = b_h.size
    soon = rows_to_fetch(lookup, xW)
    for t in range(n_active.size):
        take_input(n_active[t], lookup[t], xW, a[t])  # a = x W_x + b
        u[:] = 0
        for row in range(u.shape[0]):
            for k in range(H):
                u[row, 2 * H + k] = b_h[k]
        drop(n_active[t], h[t], m, v[t])  # v = m h
        add_product(n_active[t], v[t], W_h, u)  # u = v W_h + (0, 0, b_h)
        gru_step(n_active[t], a[t], u, u_n[t], h[t], h[t + 1], soon[t + 1 :], xW)


@kernel
def gru_backward(n_active, lookup, dxW, W_hT, m, da, du, du_n, gates, h, dh, dv):
    for t in range(n_active.size - 1, -1, -1):
        gru_step_backward(n_active[t], da[t], du, du_n[t], gates, h[t], dh[t + 1], dh[t])
        recurrent_backward(n_active[t], du, W_hT, m, dv, dh[t])  # u = v W_h + ..., v = m h
        take_input_backward(n_active[t], lookup[t], da[t], dxW)  # a = x W_x + b


@inlined
def gru_step(n_rows, a, u, u_n, h_before, h, soon, xW):
    H = h.shape[1]
    at_r, at_z, at_n = 0, H, 2 * H
    for row in range(n_rows):
        prefetch(xW, soon, row)
        for k in range(at_n):
            a[row, k] = sigmoid(a[row, k] + u[row, k])
        for k in range(H):
            u_n[row, k] = u[row, at_n + k]
        for k in range(H):  # h holds r * u for now
            h[row, k] = a[row, at_r + k] * u_n[row, k]
        for k in range(H):
            a[row, at_n + k] = tanh(a[row, at_n + k] + h[row, k])
        for k in range(H):  # (1 - z) * n + z * h_before with one multiplication fewer
            z, n = a[row, at_z + k], a[row, at_n + k]
            h[row, k] = n + z * (h_before[row, k] - n)


@inlined
def gru_step_backward(n_rows, da, du, du_n, gates, h_before, dh, dh_before):
    H = dh.shape[1]
    at_r, at_z, at_n, at_u = 0, H, 2 * H, 3 * H
    one = da.dtype.type(1)
    for row in range(n_rows):
        for k in range(3 * H):
            gates[k] = da[row, k]
        for k in range(H):
            gates[at_u + k] = du_n[row, k]
        for k in range(H):  # h = (1 - z) * n + z * h_before, w.r.t. n and h_before
            z, n = gates[at_z + k], gates[at_n + k]
            da[row, at_n + k] = flush(dh[row, k] * (one - z) * (one - n * n))
            dh_before[row, k] += flush(dh[row, k] * z)
        for k in range(H):  # h = (1 - z) * n + z * h_before, w.r.t. z
            z, n = gates[at_z + k], gates[at_n + k]
            da[row, at_z + k] = flush(dh[row, k] * (h_before[row, k] - n) * z * (one - z))
        for k in range(H):  # n = tanh(x W_x + b + r * u), w.r.t. u
            du_n[row, k] = flush(da[row, at_n + k] * gates[at_r + k])
        for k in range(H):  # n = tanh(x W_x + b + r * u), w.r.t. r; du_n has the factor r
            r, u = gates[at_r + k], gates[at_u + k]
            da[row, at_r + k] = flush(du_n[row, k] * u * (one - r))
        for k in range(at_n):  # r, z = s(x W_x + b + u)
            du[row, k] = da[row, k]
        for k in range(H):
            du[row, at_n + k] = du_n[row, k]
    da[n_rows:] = 0
    du[n_rows:] = 0
    du_n[n_rows:] = 0


# ------------------------------------------------------------------------------- minGRU


@kernel
def mingru_forward(n_active, lookup, xW, a, h):
    soon = rows_to_fetch(lookup, xW)
    for t in range(n_active.size):
        take_input(n_active[t], lookup[t], xW, a[t])  # a = x W_x + b
        mingru_step(n_active[t], a[t], h[t], h[t + 1], soon[t + 1 :], xW)


@kernel
def mingru_backward(n_active, lookup, dxW, da, gates, h, dh):
    for t in range(n_active.size - 1, -1, -1):
        mingru_step_backward(n_active[t], da[t], gates, h[t], dh[t + 1], dh[t])
        take_input_backward(n_active[t], lookup[t], da[t], dxW)  # a = x W_x + b


@inlined
def mingru_step(n_rows, a, h_before, h, soon, xW):
    H = h.shape[1]
    at_z, at_n = 0, H
    for row in range(n_rows):
        prefetch(xW, soon, row)
        for k in range(at_n):
            a[row, k] = sigmoid(a[row, k])
        for k in range(H):  # (1 - z) * n + z * h_before, as above
            z, n = a[row, at_z + k], a[row, at_n + k]
            h[row, k] = n + z * (h_before[row, k] - n)


@inlined
def mingru_step_backward(n_rows, da, gates, h_before, dh, dh_before):
    H = dh.shape[1]
    at_z, at_n = 0, H
    one = da.dtype.type(1)
    for row in range(n_rows):
        for k in range(2 * H):
            gates[k] = da[row, k]
        for k in range(H):  # h = (1 - z) * n + z * h_before, w.r.t. n and h_before
            z = gates[at_z + k]
            da[row, at_n + k] = flush(dh[row, k] * (one - z))
            dh_before[row, k] += flush(dh[row, k] * z)
        for k in range(H):  # h = (1 - z) * n + z * h_before, w.r.t. z
            z, n = gates[at_z + k], gates[at_n + k]
            da[row, at_z + k] = flush(dh[row, k] * (h_before[row, k] - n) * z * (one - z))
    da[n_rows:] = 0


# -------------------------------------------------------------------- what all cells share


# The next two run in the loop over time, while the rows of a are in the cache. As passes over all
# steps, before and after the loop, they cost 4 to 7 % of an LSTM's training step on text. In the
# RNN and the LSTM, `product_plus_rows` reads the rows of xW where they stand.


@inlined
def take_input(n_rows, lookup, xW, a):
    """a = xW[lookup]; if there is no lookup, a is x W_x + b already."""
    for row in range(min(n_rows, lookup.size)):
        place = lookup[row]  # read here: inside the loop, it would keep LLVM from vectorizing
        for k in range(a.shape[1]):
            a[row, k] = xW[place, k]


@inlined
def take_input_backward(n_rows, lookup, da, dxW):
    """dxW[lookup] += da, if there is a lookup."""
    for row in range(min(n_rows, lookup.size)):
        place = lookup[row]
        for k in range(da.shape[1]):
            dxW[place, k] += da[row, k]


CACHE_BYTES = 2**22  # an array of x W_x + b up to this size stays in the processor's cache


@inlined
def rows_to_fetch(lookup, xW):
    """lookup, or nothing if no row has to be fetched early."""
    return lookup if xW.nbytes > CACHE_BYTES else lookup[:0]


@inlined
def drop(n_rows, h, m, v):
    """v = m * h, if there is recurrent dropout."""
    if m.shape[0] > 0:
        for row in range(n_rows):
            for k in range(h.shape[1]):
                v[row, k] = m[row, k] * h[row, k]


@inlined
def recurrent_backward(n_rows, da, W_hT, m, dv, dh):
    """dh += m * (da W_h^T)."""
    masked = m.shape[0] > 0
    if masked:
        dv[:] = 0
    add_product(n_rows, da, W_hT, dv if masked else dh)  # one call: each takes time to compile
    if masked:
        for row in range(n_rows):
            for k in range(dh.shape[1]):
                dh[row, k] += m[row, k] * dv[row, k]


ZERO, TINY32, TINY64 = np.float32(0), np.float32(1e-18), 1e-40


def flush32(x):
    return ZERO if abs(x) < TINY32 else x


def flush64(x):
    return ZERO if abs(x) < TINY64 else x


@by_precision(flush32, flush64)
def flush(x):
    """Zero for a vanished gradient: in float32, the square of a much smaller one is subnormal.

    Arithmetic on subnormal numbers is up to 100 times slower; without this, one BPTT pass over
    vanishing gradients took 46 ms instead of 4.5. In float64, a gradient below 1e-40 changes no
    weight either, unless the weight is 0; with a limit of 1e-150, an LSTM took 1.5 times as long
    over 5,000 steps. NaN stays NaN.
    """
