"""The mathematics once more, as slow and plain as the textbook: the twins of the compiled code.

One sequence at a time, one number at a time, Python floats and lists. Nothing is shared with
`seqnets` but the equations, so that one of the two can be wrong without the other.

    x      T rows of D numbers
    p      parameters of one layer by name: W_x (D, G*H), b (G*H); for most cells W_h (H, G*H);
           for the GRU b_h (H)
    h, c   T+1 rows of H numbers: row 0 is the initial state, row t+1 is what step t leaves
    dh     T+1 rows, d loss / d h as whatever comes after the layer sees it

In the equations steps count from 1, so h_t is row t and x_t row t - 1; in the code t counts from 0.
Blocks of H columns stand in the order in which CELLS names the gates. A gradient is d + name where
it is a variable, and the name alone where it is a key of a dict of gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

Row = list[float]
Matrix = list[Row]


# --------------------------------------------------------------------- rows and matrices


def zeros(n: int) -> Row:
    return [0.0] * n


def zeros_like(values: list) -> list:
    return [zeros_like(v) if isinstance(v, list) else 0.0 for v in values]


def flat(values: list) -> Row:
    """All numbers of a nested list, in order."""
    return [x for v in values for x in (flat(v) if isinstance(v, list) else [v])]


def plain(values) -> list:
    """Lists of Python floats, whatever array they came in."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    return [plain(v) if isinstance(v, list) or hasattr(v, "tolist") else v for v in values]


def add(*rows: Row) -> Row:
    """y_k = sum of all rows' k-th numbers."""
    return [sum(column) for column in zip(*rows, strict=True)]


def times(x: Row, W: Matrix) -> Row:
    """y_k = sum_j x_j W_jk."""
    return [sum(x[j] * W[j][k] for j in range(len(x))) for k in range(len(W[0]))]


def times_transposed(y: Row, W: Matrix) -> Row:
    """x_j = sum_k y_k W_jk."""
    return [sum(y[k] * W[j][k] for k in range(len(y))) for j in range(len(W))]


def add_to(total: Row, row: Row) -> None:
    """total_k += row_k."""
    for k in range(len(row)):
        total[k] += row[k]


def add_outer(total: Matrix, x: Row, y: Row) -> None:
    """total_jk += x_j y_k."""
    for j in range(len(x)):
        for k in range(len(y)):
            total[j][k] += x[j] * y[k]


def blocks(row: Row, H: int) -> list[Row]:
    """The gates of one row, H numbers each."""
    return [row[start : start + H] for start in range(0, len(row), H)]


def sigmoid(x: float) -> float:
    """s(x) = 1 / (1 + exp(-x)), written so that exp never overflows."""
    if x < 0:
        return math.exp(x) / (1 + math.exp(x))
    return 1 / (1 + math.exp(-x))


# --------------------------------------------------------------------------------- cells
#
# A forward function returns every state and gate by name, a backward function the gradients by
# name: of the parameters, of x, of the initial states h0 (and c0), and of every step's h and a.


def rnn_forward(x: Matrix, p: dict, h0: Row | None = None) -> dict[str, Matrix]:
    """a_t = x_t W_x + h_t-1 W_h + b
    h_t = tanh(a_t)
    """
    h, a = [h0 or zeros(len(p["W_h"]))], []
    for x_t in x:
        a.append(add(times(x_t, p["W_x"]), times(kept(h[-1], p), p["W_h"]), p["b"]))
        h.append([math.tanh(a_k) for a_k in a[-1]])
    return {"h": h, "a": a}


def rnn_backward(x: Matrix, p: dict, s: dict, dh: Matrix) -> dict[str, list]:
    """da_t   = dh_t (1 - h_t^2)
    dh_t-1 += da_t W_h^T,  dx_t = da_t W_x^T
    dW_x   += x_t^T da_t,  dW_h += h_t-1^T da_t,  db += da_t
    """
    h = s["h"]
    d = zero_gradients(x, p, "ha")
    back = zeros(len(h[0]))  # what reaches h_t through later steps
    for t in reversed(range(len(x))):
        dh_t = d["h"][t] = add(dh[t + 1], back)
        da = [dh_k * (1 - h_k * h_k) for dh_k, h_k in zip(dh_t, h[t + 1], strict=True)]
        back = back_through_products(d, p, t, x[t], h[t], da, da)
    d["h0"] = add(dh[0], back)
    return d


def lstm_forward(x: Matrix, p: dict, h0: Row | None = None, c0: Row | None = None) -> dict:
    """a_t   = x_t W_x + h_t-1 W_h + b, in blocks for i, f, o, g
    i_t, f_t, o_t = s(a_t);  g_t = tanh(a_t)
    c_t   = f_t c_t-1 + i_t g_t
    h_t   = o_t tanh(c_t)
    """
    H = len(p["W_h"])
    h, c = [h0 or zeros(H)], [c0 or zeros(H)]
    gates: dict[str, Matrix] = {"i": [], "f": [], "o": [], "g": []}
    for x_t in x:
        a = blocks(add(times(x_t, p["W_x"]), times(kept(h[-1], p), p["W_h"]), p["b"]), H)
        i, f, o = ([sigmoid(a_k) for a_k in block] for block in a[:3])
        g = [math.tanh(a_k) for a_k in a[3]]
        c.append([f[k] * c[-1][k] + i[k] * g[k] for k in range(H)])
        h.append([o[k] * math.tanh(c[-1][k]) for k in range(H)])
        for name, gate in zip("ifog", (i, f, o, g), strict=True):
            gates[name].append(gate)
    return {"h": h, "c": c, **gates}


def lstm_backward(x: Matrix, p: dict, s: dict, dh: Matrix) -> dict[str, list]:
    """do_t   = dh_t tanh(c_t)
    dc_t  += dh_t o_t (1 - tanh(c_t)^2)
    di_t   = dc_t g_t,  dg_t = dc_t i_t,  df_t = dc_t c_t-1,  dc_t-1 = dc_t f_t
    da_t   = di_t i_t (1 - i_t), the same for f and o, dg_t (1 - g_t^2)
    dh_t-1 += da_t W_h^T,  dx_t = da_t W_x^T
    dW_x   += x_t^T da_t,  dW_h += h_t-1^T da_t,  db += da_t
    """
    h, c = s["h"], s["c"]
    H = len(h[0])
    d = zero_gradients(x, p, "ha")
    back, dc = zeros(H), zeros(H)
    for t in reversed(range(len(x))):
        i, f, o, g = s["i"][t], s["f"][t], s["o"][t], s["g"][t]
        dh_t = d["h"][t] = add(dh[t + 1], back)
        da = zeros(4 * H)
        for k in range(H):
            tanh_c = math.tanh(c[t + 1][k])
            do = dh_t[k] * tanh_c
            dc[k] += dh_t[k] * o[k] * (1 - tanh_c**2)
            di, dg, df = dc[k] * g[k], dc[k] * i[k], dc[k] * c[t][k]
            da[k] = di * i[k] * (1 - i[k])
            da[H + k] = df * f[k] * (1 - f[k])
            da[2 * H + k] = do * o[k] * (1 - o[k])
            da[3 * H + k] = dg * (1 - g[k] ** 2)
            dc[k] *= f[k]
        back = back_through_products(d, p, t, x[t], h[t], da, da)
    d["h0"], d["c0"] = add(dh[0], back), dc
    return d


def gru_forward(x: Matrix, p: dict, h0: Row | None = None) -> dict[str, Matrix]:
    """a_t = x_t W_x + b,  u_t = h_t-1 W_h + (0, 0, b_h), in blocks for r, z, n
    r_t, z_t = s(a_t + u_t)
    n_t = tanh(a_t + r_t u_t)
    h_t = (1 - z_t) n_t + z_t h_t-1
    """
    H = len(p["W_h"])
    h = [h0 or zeros(H)]
    names: dict[str, Matrix] = {"r": [], "z": [], "n": [], "u": []}
    for x_t in x:
        a = add(times(x_t, p["W_x"]), p["b"])
        u = add(times(kept(h[-1], p), p["W_h"]), zeros(2 * H) + p["b_h"])
        (a_r, a_z, a_n), (u_r, u_z, u_n) = blocks(a, H), blocks(u, H)
        r = [sigmoid(a_r[k] + u_r[k]) for k in range(H)]
        z = [sigmoid(a_z[k] + u_z[k]) for k in range(H)]
        n = [math.tanh(a_n[k] + r[k] * u_n[k]) for k in range(H)]
        h.append([(1 - z[k]) * n[k] + z[k] * h[-1][k] for k in range(H)])
        for name, values in zip("rznu", (r, z, n, u), strict=True):
            names[name].append(values)
    return {"h": h, **names}


def gru_backward(x: Matrix, p: dict, s: dict, dh: Matrix) -> dict[str, list]:
    """dn_t = dh_t (1 - z_t),  dz_t = dh_t (h_t-1 - n_t),  dh_t-1 += dh_t z_t
    da_t = dn_t (1 - n_t^2) in the block of n; dr_t is that times u_t
    da_t = dr_t r_t (1 - r_t) in the block of r, the same for z
    du_t = da_t, but in the block of n da_t r_t
    dh_t-1 += du_t W_h^T,  dx_t = da_t W_x^T
    dW_x += x_t^T da_t,  dW_h += h_t-1^T du_t,  db += da_t,  db_h += du_t in the block of n
    """
    h = s["h"]
    H = len(h[0])
    d = zero_gradients(x, p, "hau")
    back = zeros(H)
    for t in reversed(range(len(x))):
        r, z, n, u_n = s["r"][t], s["z"][t], s["n"][t], s["u"][t][2 * H :]
        dh_t = d["h"][t] = add(dh[t + 1], back)
        da, du = zeros(3 * H), zeros(3 * H)
        for k in range(H):
            dn = dh_t[k] * (1 - z[k])
            dz = dh_t[k] * (h[t][k] - n[k])
            da_n = dn * (1 - n[k] ** 2)
            dr = da_n * u_n[k]
            da[k] = du[k] = dr * r[k] * (1 - r[k])
            da[H + k] = du[H + k] = dz * z[k] * (1 - z[k])
            da[2 * H + k], du[2 * H + k] = da_n, da_n * r[k]
        straight = [dh_t[k] * z[k] for k in range(H)]
        back = add(straight, back_through_products(d, p, t, x[t], h[t], da, du))
        d["u"][t] = du
        add_to(d["b_h"], du[2 * H :])
    d["h0"] = add(dh[0], back)
    return d


def mingru_forward(x: Matrix, p: dict, h0: Row | None = None) -> dict[str, Matrix]:
    """a_t = x_t W_x + b, in blocks for z, n
    z_t = s(a_t);  n_t = a_t
    h_t = (1 - z_t) n_t + z_t h_t-1
    """
    H = len(p["b"]) // 2
    h = [h0 or zeros(H)]
    gates: dict[str, Matrix] = {"z": [], "n": []}
    for x_t in x:
        a_z, n = blocks(add(times(x_t, p["W_x"]), p["b"]), H)
        z = [sigmoid(a_k) for a_k in a_z]
        h.append([(1 - z[k]) * n[k] + z[k] * h[-1][k] for k in range(H)])
        gates["z"].append(z)
        gates["n"].append(n)
    return {"h": h, **gates}


def mingru_backward(x: Matrix, p: dict, s: dict, dh: Matrix) -> dict[str, list]:
    """dn_t = dh_t (1 - z_t),  dz_t = dh_t (h_t-1 - n_t),  dh_t-1 += dh_t z_t
    da_t = dn_t in the block of n, dz_t z_t (1 - z_t) in that of z
    dx_t = da_t W_x^T,  dW_x += x_t^T da_t,  db += da_t
    """
    h = s["h"]
    H = len(h[0])
    d = zero_gradients(x, p, "ha")
    back = zeros(H)
    for t in reversed(range(len(x))):
        z, n = s["z"][t], s["n"][t]
        dh_t = d["h"][t] = add(dh[t + 1], back)
        da_z = [dh_t[k] * (h[t][k] - n[k]) * z[k] * (1 - z[k]) for k in range(H)]
        da_n = [dh_t[k] * (1 - z[k]) for k in range(H)]
        back = [dh_t[k] * z[k] for k in range(H)]
        back_through_inputs(d, p, t, x[t], da_z + da_n)
    d["h0"] = add(dh[0], back)
    return d


def zero_gradients(x: Matrix, p: dict, steps: str) -> dict[str, list]:
    """Zeros for the parameters and x, and an empty row per step for each of these letters."""
    return zeros_like_keys(p) | {"x": zeros_like(x)} | {name: [[] for _ in x] for name in steps}


def back_through_products(
    d: dict, p: dict, t: int, x_t: Row, h_before: Row, da: Row, du: Row
) -> Row:
    """Back through a = x_t W_x + b and u = h_t-1 W_h; return d h_t-1."""
    back_through_inputs(d, p, t, x_t, da)
    add_outer(d["W_h"], kept(h_before, p), du)
    return kept(times_transposed(du, p["W_h"]), p)


def back_through_inputs(d: dict, p: dict, t: int, x_t: Row, da: Row) -> None:
    """Back through a = x_t W_x + b alone."""
    d["a"][t] = da
    d["x"][t] = times_transposed(da, p["W_x"])
    add_outer(d["W_x"], x_t, da)
    add_to(d["b"], da)


def kept(h: Row, p: dict) -> Row:
    """What recurrent dropout leaves of h: m h, if the layer has a mask m."""
    return multiply(h, p["m"]) if "m" in p else h


def zeros_like_keys(values: dict[str, list]) -> dict[str, list]:
    return {name: zeros_like(value) for name, value in values.items()}


class Cell(NamedTuple):
    """What the tests need to know about a cell."""

    forward: Callable
    backward: Callable
    gates: str  # names of blocks in what `forward` returns, in the order of a's columns
    opened: str = ""  # those whose bias starts at 1
    keys: tuple[str, ...] = ("W_x", "W_h", "b")  # the parameters


CELLS = {
    "rnn": Cell(rnn_forward, rnn_backward, "a"),
    "lstm": Cell(lstm_forward, lstm_backward, "ifog", opened="f"),
    "gru": Cell(gru_forward, gru_backward, "rzn", keys=("W_x", "W_h", "b", "b_h")),
    "mingru": Cell(mingru_forward, mingru_backward, "zn", keys=("W_x", "b")),
}


def shapes(cell: str, D: int, H: int) -> dict[str, tuple[int, ...]]:
    """The shapes of one layer's parameters."""
    GH = len(CELLS[cell].gates) * H
    every = {"W_x": (D, GH), "W_h": (H, GH), "b": (GH,), "b_h": (H,)}
    return {key: every[key] for key in CELLS[cell].keys}


# ------------------------------------------------------------------------------ poolings
#
# From the T+1 states of one sequence to one row, and from that row's gradient back to dh.


def last_forward(h: Matrix) -> Row:
    """h_T: the initial state if there is no step."""
    return list(h[-1])


def last_backward(h: Matrix, dpooled: Row) -> Matrix:
    dh = zeros_like(h)
    dh[-1] = list(dpooled)
    return dh


def ends_forward(h: Matrix) -> Row:
    """Two directions side by side, each where it ends: the first at T, the second at 1."""
    H = len(h[0]) // 2
    return h[-1][:H] + h[min(1, len(h) - 1)][H:]


def ends_backward(h: Matrix, dpooled: Row) -> Matrix:
    H, dh = len(dpooled) // 2, zeros_like(h)
    add_to(dh[-1], dpooled[:H] + zeros(H))
    add_to(dh[min(1, len(h) - 1)], zeros(H) + dpooled[H:])
    return dh


def mean_forward(h: Matrix) -> Row:
    """(h_1 + ... + h_T) / T: zeros if there is no step."""
    T = len(h) - 1
    return [sum(column) / T for column in zip(*h[1:], strict=True)] if T else zeros(len(h[0]))


def mean_backward(h: Matrix, dpooled: Row) -> Matrix:
    T = len(h) - 1
    return [zeros(len(dpooled))] + [[d_k / T for d_k in dpooled] for _ in range(T)]


def max_forward(h: Matrix) -> Row:
    """The largest of h_1 ... h_T, each unit for itself: zeros if there is no step."""
    return [max(column) for column in zip(*h[1:], strict=True)] if h[1:] else zeros(len(h[0]))


def max_backward(h: Matrix, dpooled: Row) -> Matrix:
    """The gradient goes to the step that was largest; among equals, to the first."""
    dh = zeros_like(h)
    for k, d_k in enumerate(dpooled):
        column = [h_t[k] for h_t in h[1:]]
        if column:
            dh[1 + column.index(max(column))][k] = d_k
    return dh


POOLINGS = {
    "last": (last_forward, last_backward),
    "ends": (ends_forward, ends_backward),
    "mean": (mean_forward, mean_backward),
    "max": (max_forward, max_backward),
}


# -------------------------------------------------------------------------------- losses
#
# For the logits z of one sequence and targets y of the same length: (loss, dz).


def softmax(z: Row) -> Row:
    """p_k = exp(z_k) / sum_j exp(z_j)."""
    e = [math.exp(z_k - max(z)) for z_k in z]
    return [e_k / sum(e) for e_k in e]


def softmax_loss(z: Row, y: Row) -> tuple[float, Row]:
    """loss = -sum_k y_k log p_k,  dz = p - y, for y that sum to one."""
    log_sum = max(z) + math.log(sum(math.exp(z_k - max(z)) for z_k in z))
    loss = -sum(y_k * (z_k - log_sum) for z_k, y_k in zip(z, y, strict=True))
    return loss, [p_k - y_k for p_k, y_k in zip(softmax(z), y, strict=True)]


def logistic_loss(z: Row, y: Row) -> tuple[float, Row]:
    """loss = -sum_k [y_k log s(z_k) + (1 - y_k) log(1 - s(z_k))],  dz = s(z) - y.

    Computed as log(1 + exp(z_k)) - y_k z_k, written so that exp does not overflow.
    """
    loss = sum(
        max(z_k, 0.0) + math.log1p(math.exp(-abs(z_k))) - y_k * z_k
        for z_k, y_k in zip(z, y, strict=True)
    )
    return loss, [sigmoid(z_k) - y_k for z_k, y_k in zip(z, y, strict=True)]


LOSSES = {"softmax": softmax_loss, "logistic": logistic_loss}


# --------------------------------------------------------------------- the whole network


def loss_and_gradients(
    parameters: dict,
    cell: str,
    pooling: str,
    sequences: list,
    targets,
    weights=None,
    loss: str | None = None,
    masks: list[dict] | None = None,
    cuts: tuple[int, ...] = (),
) -> tuple[float, dict[str, list], list[Matrix], Matrix]:
    """Loss of a batch, its gradients, the gradient of each sequence's input, and the logits.

    loss = sum_i w_i loss_i / sum_i w_i

    `parameters` are named embedding, layer0.W_x, layer0.W_h, layer0.b (layer0.b_h), layer1.W_x,
    ..., dense.W, dense.b; with an embedding the sequences hold its row numbers, and the input is
    the embedded sequence. `loss` by default follows from the number of outputs. `masks`, a dict for
    each sequence, are what dropout multiplies with: T rows for "layer0", "layer1", ..., one row for
    "dense" and for the states, "layer0.h", "layer0.reverse.h", ... No gradient flows from a step in
    `cuts` to the step before it (truncated BPTT).
    """
    parameters = {name: plain(value) for name, value in parameters.items()}
    sequences, targets = [plain(s) for s in sequences], plain(targets)
    weights = [1.0] * len(sequences) if weights is None else plain(weights)
    one_loss = LOSSES[loss or ("softmax" if len(parameters["dense.b"]) > 1 else "logistic")]
    total_weight = sum(weights)

    total, gradients = 0.0, zeros_like_keys(parameters)
    dinputs, logits = [], []
    masks = [{} for _ in sequences] if masks is None else masks
    for sequence, target, weight, mask in zip(sequences, targets, weights, masks, strict=True):
        trace = network_forward(parameters, cell, pooling, sequence, mask)
        value, dlogits = one_loss(trace["logits"], target)
        share = weight / total_weight
        total += share * value
        dlogits = [share * d_k for d_k in dlogits]
        dinput = network_backward(
            parameters, cell, pooling, sequence, trace, dlogits, gradients, mask, cuts
        )
        dinputs.append(dinput)
        logits.append(trace["logits"])
    return total, gradients, dinputs, logits


def network_forward(
    parameters: dict, cell: str, pooling: str, sequence: list, mask: dict | None = None
) -> dict:
    """Embedding, recurrent layers, pooling, dense: what each of them computes, by name."""
    mask = mask or {}
    x = embed(parameters, sequence)
    layers = []
    for name in layer_names(parameters):
        if name in mask:
            x = [multiply(x_t, mask_t) for x_t, mask_t in zip(x, mask[name], strict=True)]
        states = layer_forward(parameters, cell, name, x, mask)
        layers.append({"x": x, "states": states})
        x = states["h"][1:]
    pooled = pool(parameters, pooling, layers[-1]["states"]["h"])
    if "dense" in mask:
        pooled = multiply(pooled, mask["dense"])
    logits = add(times(pooled, parameters["dense.W"]), parameters["dense.b"])
    return {"layers": layers, "pooled": pooled, "logits": logits}


def network_backward(
    parameters: dict,
    cell: str,
    pooling: str,
    sequence: list,
    trace: dict,
    dlogits: Row,
    gradients: dict,
    mask: dict,
    cuts: tuple[int, ...] = (),
) -> Matrix:
    """Add one sequence's part to the gradients; return the gradient of its input."""
    add_outer(gradients["dense.W"], trace["pooled"], dlogits)
    add_to(gradients["dense.b"], dlogits)
    dpooled = times_transposed(dlogits, parameters["dense.W"])
    if "dense" in mask:
        dpooled = multiply(dpooled, mask["dense"])
    h = trace["layers"][-1]["states"]["h"]
    if pooling == "attention":
        dh = attention_backward(parameters, h, dpooled, gradients)
    else:
        dh = POOLINGS[pooling][1](h, dpooled)
    names = layer_names(parameters)
    for name, trace_of_layer in reversed(list(zip(names, trace["layers"], strict=True))):
        x, states = trace_of_layer["x"], trace_of_layer["states"]
        dx = layer_backward(parameters, cell, name, x, states, dh, gradients, mask, cuts)
        if name in mask:
            dx = [multiply(dx_t, mask_t) for dx_t, mask_t in zip(dx, mask[name], strict=True)]
        n_inputs = len(parameters[f"{name}.W_x"])
        dh = [zeros(n_inputs), *dx]  # of the layer below, whose initial state is fixed
    if "embedding" in parameters:
        for number, dx_t in zip(sequence, dx, strict=True):
            add_to(gradients["embedding"][number], dx_t)
    return dx


def layer_forward(parameters: dict, cell: str, name: str, x: Matrix, mask: dict) -> dict:
    """One layer's states; with a second direction, those of both side by side under "h"."""
    states = CELLS[cell].forward(x, layer(parameters, name, mask))
    if f"{name}.reverse.W_x" not in parameters:
        return states
    back = CELLS[cell].forward(x[::-1], layer(parameters, f"{name}.reverse", mask))
    T = len(x)
    h = [states["h"][t] + back["h"][T + 1 - t] for t in range(1, T + 1)]
    return {"h": [states["h"][0] + back["h"][0], *h], "forth": states, "back": back}


def layer_backward(
    parameters: dict,
    cell: str,
    name: str,
    x: Matrix,
    states: dict,
    dh: Matrix,
    gradients: dict,
    mask: dict,
    cuts: tuple[int, ...] = (),
) -> Matrix:
    """Add to the gradients of one layer; return that of its input."""
    readings = [(name, x, states, dh)]
    if "back" in states:
        H = len(dh[0]) // 2
        forth, back = [row[:H] for row in dh], [row[H:] for row in dh]
        back[1:] = back[:0:-1]
        readings = [
            (name, x, states["forth"], forth),
            (f"{name}.reverse", x[::-1], states["back"], back),
        ]
    dx = []
    for part, rows, seen, dh_part in readings:
        dx.append([])
        ends = [*(cut for cut in cuts if cut < len(rows)), len(rows)]
        for start, end in zip([0, *ends], ends, strict=False):
            steps = {key: s[start : end + (key in ("h", "c"))] for key, s in seen.items()}
            d = CELLS[cell].backward(
                rows[start:end],
                layer(parameters, part, mask),
                steps,
                [zeros(len(dh_part[0])), *dh_part[start + 1 : end + 1]],
            )
            for key in layer(parameters, part, {}):
                accumulate(gradients[f"{part}.{key}"], d[key])
            dx[-1] += d["x"]
    return [add(*rows) for rows in zip(dx[0], dx[-1][::-1], strict=True)] if dx[1:] else dx[0]


def pool(parameters: dict, pooling: str, h: Matrix) -> Row:
    if pooling != "attention":
        return POOLINGS[pooling][0](h)
    pooled = zeros(len(h[0]))
    for share, h_t in zip(attention_shares(parameters, h)[1], h[1:], strict=True):
        add_to(pooled, [share * h_k for h_k in h_t])
    return pooled


def attention_shares(parameters: dict, h: Matrix) -> tuple[Matrix, Row]:
    """u_t = tanh(h_t W + b),  shares = softmax over t of u_t v."""
    u, scores = [], []
    for h_t in h[1:]:
        a = add(times(h_t, parameters["attention.W"]), parameters["attention.b"])
        u.append([math.tanh(a_k) for a_k in a])
        scores.append(times(u[-1], parameters["attention.v"])[0])
    return u, softmax(scores) if scores else []


def attention_backward(parameters: dict, h: Matrix, dpooled: Row, gradients: dict) -> Matrix:
    """dshare_t = h_t . dpooled,  dscore_t = share_t (dshare_t - sum_s share_s dshare_s)
    dv += dscore_t u_t,  da_t = dscore_t v (1 - u_t^2)
    dW += h_t da_t,  db += da_t,  dh_t = share_t dpooled + da_t W^T
    """
    W, v = parameters["attention.W"], parameters["attention.v"]
    u, shares = attention_shares(parameters, h)
    dshares = [sum(multiply(h_t, dpooled)) for h_t in h[1:]]
    mean = sum(multiply(shares, dshares))
    dh = zeros_like(h)
    for t, share in enumerate(shares):
        dscore = share * (dshares[t] - mean)
        add_outer(gradients["attention.v"], u[t], [dscore])
        da = [dscore * v[k][0] * (1 - u[t][k] ** 2) for k in range(len(u[t]))]
        add_outer(gradients["attention.W"], h[t + 1], da)
        add_to(gradients["attention.b"], da)
        dh[t + 1] = add([share * d_k for d_k in dpooled], times_transposed(da, W))
    return dh


def multiply(x: Row, y: Row) -> Row:
    return [x_k * y_k for x_k, y_k in zip(x, y, strict=True)]


def embed(parameters: dict, sequence: list) -> Matrix:
    """Row numbers become their rows; series stay as they are."""
    if "embedding" in parameters:
        return [parameters["embedding"][number] for number in sequence]
    return sequence


def layer_names(parameters: dict) -> list[str]:
    """layer0, layer1, ... as far as there are any."""
    names = []
    while f"layer{len(names)}.W_x" in parameters:
        names.append(f"layer{len(names)}")
    return names


def layer(parameters: dict, name: str, mask: dict) -> dict[str, list]:
    """One layer's parameters under their short names, and its states' mask as m."""
    keys = ("W_x", "W_h", "b", "b_h")
    p = {key: parameters[f"{name}.{key}"] for key in keys if f"{name}.{key}" in parameters}
    return p | ({"m": mask[f"{name}.h"]} if f"{name}.h" in mask else {})


def accumulate(total: list, values: list) -> None:
    """total += values, for rows and matrices."""
    for k, value in enumerate(values):
        if isinstance(value, list):
            accumulate(total[k], value)
        else:
            total[k] += value


# ---------------------------------------------------------------------------- optimizers
#
# One step on a flat list of numbers w with gradient g returns the new w and the new moments.


def sgd_step(
    w: Row, g: Row, v: Row, learning_rate: float, momentum: float, nesterov: bool
) -> tuple[Row, Row]:
    """v' = momentum v - learning_rate g
    w' = w + v', or with Nesterov w + momentum v' - learning_rate g
    """
    n = range(len(w))
    v = [momentum * v[k] - learning_rate * g[k] for k in n]
    ahead = [momentum * v[k] - learning_rate * g[k] for k in n] if nesterov else v
    return add(w, ahead), v


def adam_step(
    w: Row,
    g: Row,
    m: Row,
    v: Row,
    t: int,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[Row, Row, Row]:
    """The t-th step, t = 1, 2, ...

    m' = beta_1 m + (1 - beta_1) g,  m^ = m' / (1 - beta_1^t)
    v' = beta_2 v + (1 - beta_2) g^2,  v^ = v' / (1 - beta_2^t)
    w' = w - learning_rate m^ / (sqrt(v^) + epsilon)
    """
    n = range(len(w))
    m = [beta_1 * m[k] + (1 - beta_1) * g[k] for k in n]
    v = [beta_2 * v[k] + (1 - beta_2) * g[k] ** 2 for k in n]
    m_hat = [m_k / (1 - beta_1**t) for m_k in m]
    v_hat = [v_k / (1 - beta_2**t) for v_k in v]
    w = [w[k] - learning_rate * m_hat[k] / (math.sqrt(v_hat[k]) + epsilon) for k in n]
    return w, m, v


def rmsprop_step(
    w: Row, g: Row, v: Row, learning_rate: float, decay: float, epsilon: float
) -> tuple[Row, Row]:
    """v' = decay v + (1 - decay) g^2
    w' = w - learning_rate g / (sqrt(v') + epsilon)
    """
    n = range(len(w))
    v = [decay * v[k] + (1 - decay) * g[k] ** 2 for k in n]
    return [w[k] - learning_rate * g[k] / (math.sqrt(v[k]) + epsilon) for k in n], v


def global_norm(gradients: dict[str, list]) -> float:
    """The square root of the sum of all squared numbers."""
    return math.sqrt(sum(g * g for gradient in gradients.values() for g in flat(gradient)))


def clip_by_global_norm(gradients: dict[str, list], max_norm: float) -> dict[str, list]:
    """Gradients whose joint norm is at most `max_norm`, in the direction they had."""
    norm = global_norm(gradients)
    return {name: scaled(g, min(1.0, max_norm / (norm or 1.0))) for name, g in gradients.items()}


def scaled(values: list, factor: float) -> list:
    return [scaled(v, factor) if isinstance(v, list) else factor * v for v in values]
