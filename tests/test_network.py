"""The whole network against the twins and central differences."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from gradcheck import assert_gradients
from numba import config

from seqnets import layers
from seqnets.batches import Sequences, make_batch
from seqnets.dropout import NO_DROPOUT, NO_MASKS, Dropout
from seqnets.initializers import EMBEDDING_SCALE, orthogonal
from seqnets.losses import LOSSES
from seqnets.network import Architecture, Network
from seqnets.outputs import POOLING_NAMES
from seqnets.workspace import GivenUpError, Workspace

D, N_TOKENS = 2, 6

each_cell = pytest.mark.parametrize("cell", naive.CELLS)
each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])
each_pooling = pytest.mark.parametrize("pooling", POOLING_NAMES)
# Not all pairs: a cell and the pooling meet only in h and dh, where the twins cover all pairs.
PAIRS = [(cell, "mean") for cell in naive.CELLS]
PAIRS += [("gru", pooling) for pooling in ("last", "max", "attention")]
each_pair = pytest.mark.parametrize(("cell", "pooling"), PAIRS)


# ------------------------------------------------------------------------------- helpers


def make_network(cell, kind, pooling, sizes, n_outputs, dtype=np.float64, bidirectional=False):
    """A network and parameters of which none is zero."""
    n_tokens = N_TOKENS if kind == "tokens" else None
    network = Network(Architecture(cell, D, sizes, pooling, n_outputs, n_tokens, bidirectional))
    random = np.random.RandomState(0)
    parameters = network.initialize(random, np.dtype(np.float64))
    for value in parameters.values():
        value += random.normal(scale=0.3, size=value.shape)
    return network, {name: value.astype(dtype) for name, value in parameters.items()}


def make_data(kind, lengths, n_outputs, seed=0):
    """Sequences, their targets and weights."""
    random = np.random.RandomState(seed)
    if kind == "tokens":
        sequences = [random.randint(0, N_TOKENS + 1, T) for T in lengths]
    else:
        sequences = [random.normal(size=(T, D)) for T in lengths]
    if n_outputs == 1:
        targets = random.randint(0, 2, (len(lengths), 1)).astype(float)
    else:
        targets = np.eye(n_outputs)[random.randint(0, n_outputs, len(lengths))]
    return sequences, targets, random.uniform(0.5, 2.0, len(lengths))


def join(sequences, dtype=np.float64):
    values = np.concatenate(sequences)
    if values.ndim == 2:
        values = values.astype(dtype)
    return Sequences(values, np.cumsum([0] + [len(s) for s in sequences]))


def loss_name(n_outputs):
    return "logistic" if n_outputs == 1 else "softmax"


def forward(network, parameters, batch, targets, weights, work, masks=NO_MASKS, window=None):
    """Logits, the loss and d loss / d logits, rows as in the batch."""
    logits = network.forward(parameters, batch, work, masks, window)
    losses, dlogits = np.empty(batch.rows.size), np.full_like(logits, np.nan)
    shares = weights[batch.rows] / weights.sum()
    LOSSES[loss_name(logits.shape[1])](logits, targets[batch.rows], shares, losses, dlogits)
    return logits, losses.sum(), dlogits


def backward(network, parameters, batch, dlogits, work, masks=NO_MASKS, window=None):
    """The gradients by name (the embedding's with a row for every token), and that of batch.x."""
    kept = Workspace(work.dtype)
    shapes = {name: W.shape for name, W in parameters.items() if name != "embedding"}
    for name, shape in shapes.items():
        kept.array(name, *shape)[:] = np.nan  # as if left by another batch: it is not added to
    dx = network.backward(parameters, batch, dlogits, work, kept, masks, window)
    gradients = {name: kept.array(name, *shape) for name, shape in shapes.items()}
    if "embedding" in parameters:
        gradients["embedding"] = np.zeros_like(parameters["embedding"])
        gradients["embedding"][batch.x] = kept.array("embedding", batch.x.size, D)
    return gradients, dx


def used_workspace(network, parameters, kind, n_outputs):
    """A workspace that has held a wider batch and then a longer one; neither may show."""
    work = Workspace(parameters["dense.W"].dtype)
    for lengths in ((9, 8, 7, 7, 6, 5, 5, 3, 1), (15, 14, 13, 12)):
        sequences, targets, weights = make_data(kind, lengths, n_outputs, seed=1)
        batch = make_batch(join(sequences, work.dtype), np.arange(len(lengths)))
        _, _, dlogits = forward(network, parameters, batch, targets, weights, work)
        backward(network, parameters, batch, dlogits, work)
    return work


def assert_close(actual, expected, tolerance=1e-12):
    expected = np.reshape(expected, np.shape(actual))
    scale = max(1.0, np.max(abs(expected), initial=0.0))
    assert np.max(abs(actual - expected), initial=0.0) <= tolerance * scale  # NaN fails too


def masks_of_sequences(masks, batch, lengths):
    """Dropout's masks as the twin takes them: for each sequence, a row per step."""
    found = [{} for _ in lengths]
    for place, row in enumerate(batch.rows):
        T = lengths[row]
        for name, mask in masks.items():
            if name == "dense" or name.endswith(".h"):
                found[row][name] = mask[place].tolist()
            elif name == "layer0" and batch.lookup is not None:
                widened = np.broadcast_to(mask[batch.lookup[:T, place]], (T, D))
                found[row][name] = widened.tolist()
            else:
                found[row][name] = [mask[place].tolist()] * T
    return found


def assert_equals_its_twin(network, parameters, kind, lengths, dropout=NO_DROPOUT, window=None):
    """Compare logits, loss and all gradients, for whole sequences or in windows of steps."""
    n_outputs, T = parameters["dense.b"].size, max(lengths)
    sequences, targets, weights = make_data(kind, lengths, n_outputs)
    work = used_workspace(network, parameters, kind, n_outputs)
    batch = make_batch(join(sequences), np.arange(len(lengths)))
    masks = dropout.draw((2, 0), *network.widths(), batch, work.dtype)
    whole = network.forward(parameters, batch, work, masks).copy() if window else None
    args = network, parameters, batch
    logits, loss, dlogits = forward(*args, targets, weights, work, masks, window)
    gradients, dx = backward(*args, dlogits, work, masks, window)

    twin_loss, twin_gradients, twin_dx, twin_logits = naive.loss_and_gradients(
        parameters, network.architecture.cell, network.pooling.name, sequences, targets, weights,
        masks=masks_of_sequences(masks, batch, lengths),
        cuts=range(T % window or window, T, window) if window else (),
    )  # fmt: skip
    if window:
        np.testing.assert_array_equal(logits, whole)
    assert_close(logits[: len(lengths)], np.array(twin_logits)[batch.rows])
    assert_close(loss, twin_loss)
    assert gradients.keys() == twin_gradients.keys()
    for name, gradient in gradients.items():
        assert_close(gradient, twin_gradients[name])
    if kind == "tokens":
        assert_close(dx[: batch.x.size], gradients["embedding"][batch.x])
        assert not dx[batch.x.size :].any()
    elif window:
        assert dx.size == 0
    else:
        dx = dx.reshape(T, batch.lengths.size, D)
        for place, row in enumerate(batch.rows):
            assert_close(dx[: lengths[row], place], twin_dx[row])
            assert not dx[lengths[row] :, place].any()
        assert not dx[:, len(lengths) :].any()


def assert_gradients_by_differences(network, parameters, kind, dropout=NO_DROPOUT):
    """Check all parameters, and the numbers of series, on a few short sequences."""
    lengths = (3, 0, 1, 2)
    sequences, targets, weights = make_data(kind, lengths, parameters["dense.b"].size)
    batch = make_batch(join(sequences), np.arange(len(lengths)))
    work = Workspace(np.dtype(np.float64))
    masks = dropout.draw((2, 0), *network.widths(), batch, work.dtype)

    def loss():
        return forward(network, parameters, batch, targets, weights, work, masks)[1]

    _, _, dlogits = forward(network, parameters, batch, targets, weights, work, masks)
    gradients, dx = backward(network, parameters, batch, dlogits, work, masks)
    arrays = dict(parameters)
    if kind == "series":
        arrays["x"], gradients["x"] = batch.x, dx.copy()
    assert_gradients(loss, arrays, gradients)


# ------------------------------------------------------------------ logits and gradients


@each_cell
@each_kind
@each_pooling
@pytest.mark.parametrize(
    ("sizes", "n_outputs", "lengths"),
    [
        ((5,), 1, (3, 1, 6, 4, 1)),
        ((5, 4), 3, (0, 2, 5, 0)),
        ((5, 4), 1, (4, 1, 0)),
        ((5,), 3, (1,)),
        ((5, 4), 3, (0, 0, 0)),
    ],
    ids=["ragged", "empty at the ends", "empty last", "one step", "all empty"],
)
def test_network_equals_its_twin(cell, kind, pooling, sizes, n_outputs, lengths):
    network, parameters = make_network(cell, kind, pooling, sizes, n_outputs)
    assert_equals_its_twin(network, parameters, kind, lengths)


@each_cell
@each_kind
def test_network_equals_its_twin_whoever_sums(cell, kind, monkeypatch):
    monkeypatch.setattr(layers, "OWN_PRODUCTS", not layers.OWN_PRODUCTS)  # as on other processors
    network, parameters = make_network(cell, kind, "max", (5, 4), 3)
    assert_equals_its_twin(network, parameters, kind, (0, 2, 5, 0))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sizes", [(3,), (3, 2)], ids=str)
def test_gradients_of_parameters_do_not_need_that_of_series(sizes, bidirectional):
    network = Network(Architecture("gru", D, sizes, "mean", 1, None, bidirectional))
    parameters = network.initialize(np.random.RandomState(0), np.dtype(float))
    sequences, _, _ = make_data("series", (4, 2, 3), 1)
    batch, work = make_batch(join(sequences), np.arange(3)), Workspace(np.dtype(float))
    masks = {"layer0": np.full((batch.lengths.size, D), 2.0)}
    found = []
    for of_x in (True, False):
        network.forward(parameters, batch, work, masks)
        kept = Workspace(np.dtype(float))
        dlogits = np.array([[1.0], [-2.0], [0.5], [0.0]])
        dx = network.backward(parameters, batch, dlogits, work, kept, masks, None, of_x)
        found.append({name: kept.array(name, *W.shape).copy() for name, W in parameters.items()})
    assert dx.size == 0
    for name, gradient in found[0].items():
        assert gradient.any()
        np.testing.assert_array_equal(gradient, found[1][name])


@each_pair
@each_kind
@pytest.mark.parametrize("sizes", [(3,), (3, 2)], ids=str)
def test_gradients_by_central_differences(cell, kind, pooling, sizes):
    n_outputs = len(sizes) * 2 - 1  # one for the logistic loss, three for the softmax
    if config.DISABLE_JIT:
        sizes = sizes[1:] + (1,)
    network, parameters = make_network(cell, kind, pooling, sizes, n_outputs)
    assert_gradients_by_differences(network, parameters, kind)


# ----------------------------------------------------------- two directions and dropout


OPTIONS = {
    "two directions": (True, Dropout()),
    "dropout": (False, Dropout(0.5)),
    "token dropout": (False, Dropout(0.0, 0.4)),
    "recurrent dropout": (False, Dropout(0.0, 0.0, 0.4)),
    "two directions, dropout": (True, Dropout(0.3)),
    "two directions, token dropout": (True, Dropout(0.0, 0.3)),
    "two directions, recurrent dropout": (True, Dropout(0.0, 0.0, 0.3)),
    "dropout, token dropout": (False, Dropout(0.3, 0.3)),
    "dropout, recurrent dropout": (False, Dropout(0.3, 0.0, 0.3)),
    "token dropout, recurrent dropout": (False, Dropout(0.0, 0.3, 0.3)),
    "all": (True, Dropout(0.3, 0.3, 0.3)),
}
each_option = pytest.mark.parametrize(
    "option",
    [pytest.param(name, marks=pytest.mark.compiled) if ", " in name else name for name in OPTIONS],
)


@pytest.fixture
def stretches_of_two_steps(monkeypatch):
    """Act as if the sequences were too long to be processed at once."""
    stretches = layers.stretches
    monkeypatch.setattr(layers, "stretches", lambda T, B: stretches(T, layers.STRETCH_ROWS // 2))


@pytest.mark.parametrize("window", [None, 3])
def test_the_gradient_of_tokens_needs_no_place_for_that_of_parameters(window):
    """Without one, it stands beside the tokens' vectors, which windows read again."""
    network, parameters = make_network("gru", "tokens", "mean", (4,), 1)
    sequences, targets, weights = make_data("tokens", (7, 5, 5, 2), 1)
    batch, work = make_batch(join(sequences), np.arange(4)), Workspace(np.dtype(float))
    _, _, dlogits = forward(network, parameters, batch, targets, weights, work, window=window)
    gradients, dx = backward(network, parameters, batch, dlogits, work, window=window)
    _, _, dlogits = forward(network, parameters, batch, targets, weights, work, window=window)
    alone = network.backward(parameters, batch, dlogits, work, None, window_steps=window)
    assert abs(dx).max() > 0.01
    np.testing.assert_array_equal(alone, dx)


def test_forward_and_backward_end_when_nobody_waits_for_them():
    """They do so after at most `STRETCH_ROWS` rows: Ctrl-C waits until a kernel ends."""
    network, parameters = make_network("lstm", "series", "mean", (3,), 1)
    T = 3 * layers.STRETCH_ROWS // 4
    sequences, _, _ = make_data("series", (T, T, T), 1)
    batch, work = make_batch(join(sequences), np.arange(3)), Workspace(np.dtype(np.float64))

    class Call:
        """A call whose caller is interrupted after `n_kernels` more kernels."""

        n_kernels = np.inf

        @property
        def is_awaited(self):
            self.n_kernels -= 1
            return self.n_kernels >= 0

    call = Call()
    work.begin(call)
    for n_kernels in range(5):  # kernels of 128, 256, 512, 512 steps and the rest
        call.n_kernels = n_kernels
        with pytest.raises(GivenUpError):
            network.forward(parameters, batch, work)
        call.n_kernels = 5
        logits = network.forward(parameters, batch, work)
        call.n_kernels = n_kernels
        with pytest.raises(GivenUpError):
            network.backward(parameters, batch, np.ones_like(logits), work, None)


def test_stretches_cover_all_steps():
    rows = layers.STRETCH_ROWS
    assert list(layers.stretches(5, rows // 5)) == [(0, 5)]
    assert list(layers.stretches(5, rows // 2)) == [(3, 5), (1, 3), (0, 1)]
    assert list(layers.stretches(2, 2 * rows)) == [(1, 2), (0, 1)]
    few = rows // (4 * layers.FIRST_STEPS)  # few sequences, whose first stretches are shorter
    assert list(layers.stretches(1000, few)) == [(872, 1000), (616, 872), (104, 616), (0, 104)]
    assert list(layers.stretches(0, rows)) == [(0, 0)]


@each_pair
@each_kind
@each_option
@pytest.mark.parametrize("lengths", [(3, 0, 6, 4, 1, 1), (0, 0)], ids=["ragged", "all empty"])
def test_options_equal_their_twins(cell, kind, pooling, option, lengths):
    assert_options_equal_their_twins(cell, kind, pooling, option, lengths)


@pytest.mark.usefixtures("stretches_of_two_steps")
@each_pair
@each_kind
@each_option
def test_options_equal_their_twins_in_stretches(cell, kind, pooling, option):
    assert_options_equal_their_twins(cell, kind, pooling, option, (3, 0, 5, 4, 1, 1))


@pytest.mark.usefixtures("stretches_of_two_steps")
@each_cell
@each_kind
@pytest.mark.parametrize("option", ["dropout", "recurrent dropout"])
@pytest.mark.parametrize(
    ("shorter", "skipped"), [(6, [3, 1, 0]), (4, [1, 0]), (3, [3, 0]), (2, [3, 0])]
)
def test_backward_skips_where_all_gradients_have_vanished(
    cell, kind, option, shorter, skipped, monkeypatch
):
    """Seven steps in stretches of two; the gradient of a shorter sequence enters at its end."""
    found, vanished = [], layers.vanished

    def spy(arrays, start, stop):
        if yes := vanished(arrays, start, stop):
            found.append(start)
        return yes

    monkeypatch.setattr(layers, "vanished", spy)
    lengths = (7, shorter, 0)
    assert_options_equal_their_twins(cell, kind, "last", option, lengths, closed="fz")
    assert found[-2 * len(skipped) :] == 2 * skipped  # in both layers


@pytest.mark.usefixtures("stretches_of_two_steps")
@each_kind
def test_backward_goes_on_while_a_memory_alone_has_a_gradient(kind):
    assert_options_equal_their_twins("lstm", kind, "last", "dropout", (7, 6, 0), closed="")


def forget(parameters, cell, closed):
    """Set W_h to 0, and close the gates named in `closed`, which let the step before through."""
    for name, W in parameters.items():
        if name.endswith(".W_h"):
            W[:] = 0
        elif name.startswith("layer") and name.endswith(".b"):
            gates = layers.CELLS[cell].gates
            for gate, b in zip(gates, np.split(W, len(gates)), strict=True):
                if gate in closed:
                    b[:] = -100


def assert_options_equal_their_twins(cell, kind, pooling, option, lengths, closed=None):
    bidirectional, dropout = OPTIONS[option]
    network, parameters = make_network(cell, kind, pooling, (3, 2), 3, bidirectional=bidirectional)
    if closed is not None:
        forget(parameters, cell, closed)
    assert_equals_its_twin(network, parameters, kind, lengths, dropout)


@each_pair
@each_kind
@pytest.mark.parametrize("window", [1, 3, 4])
@pytest.mark.parametrize("in_stretches", [False, True])
def test_truncated_gradients_equal_their_twins(cell, kind, pooling, window, in_stretches, request):
    """Two layers and every kind of dropout; of 7 steps, the first window has 1, 1 or 3."""
    if in_stretches:
        request.getfixturevalue("stretches_of_two_steps")
    network, parameters = make_network(cell, kind, pooling, (3, 2), 3)
    dropout, lengths = Dropout(0.3, 0.3, 0.3), (3, 0, 7, 4, 1, 1, 6)
    assert_equals_its_twin(network, parameters, kind, lengths, dropout, window)


@pytest.mark.compiled
@each_pair
@each_kind
@pytest.mark.parametrize("option", [name for name in OPTIONS if ", " not in name])
def test_gradients_of_options_by_central_differences(cell, kind, pooling, option):
    bidirectional, dropout = OPTIONS[option]
    network, parameters = make_network(cell, kind, pooling, (3, 2), 1, bidirectional=bidirectional)
    assert_gradients_by_differences(network, parameters, kind, dropout)


@each_pair
@each_kind
def test_float32_is_near_float64(cell, kind, pooling):
    found = {}
    sequences, targets, weights = make_data(kind, (6, 3, 0, 2, 1), 3)
    for dtype in (np.float32, np.float64):
        network, parameters = make_network(cell, kind, pooling, (5, 4), 3, dtype)
        work = Workspace(np.dtype(dtype))
        batch = make_batch(join(sequences, dtype), np.arange(len(sequences)))
        logits, loss, dlogits = forward(network, parameters, batch, targets, weights, work)
        gradients, dx = backward(network, parameters, batch, dlogits, work)
        found[dtype] = [logits, dx, *gradients.values()]
        assert all(array.dtype == dtype for array in found[dtype])
        found[dtype].append(loss)
    for single, double in zip(*found.values(), strict=True):
        assert_close(single, double, tolerance=1e-5)
    assert any(np.any(a != b) for a, b in zip(*found.values(), strict=True))


# -------------------------------------------------------------------------- start values


@pytest.mark.parametrize("n_units", [1, 4])
def test_no_orthogonal_matrix_is_preferred(n_units):
    """So no entry has a preferred sign, as those of LAPACK's factors have."""
    random = np.random.RandomState(0)
    found = [orthogonal(random, n_units, 2)[0, [0, n_units]] for _ in range(1000)]
    np.testing.assert_allclose(np.mean(found, axis=0), 0, atol=0.1)


@each_cell
@each_kind
def test_names_shapes_and_start_values(cell, kind):
    n_tokens = 50 if kind == "tokens" else None
    network = Network(Architecture(cell, 7, (6, 4), "last", 9, n_tokens, False))
    start = network.initialize(np.random.RandomState(0), np.dtype(np.float64))

    shapes = {} if n_tokens is None else {"embedding": (51, 7)}
    for name, n_inputs, H in (("layer0", 7, 6), ("layer1", 6, 4)):
        of_layer = naive.shapes(cell, n_inputs, H)
        shapes |= {f"{name}.{key}": shape for key, shape in of_layer.items()}
    shapes |= {"dense.W": (4, 9), "dense.b": (9,)}
    assert [(name, value.shape) for name, value in start.items()] == list(shapes.items())

    gates, G = naive.CELLS[cell].gates, len(naive.CELLS[cell].gates)
    for name, value in start.items():
        assert value.dtype == np.float64
        assert value.flags.c_contiguous and value.flags.writeable
        *_, H = value.shape
        if name.endswith((".W_x", ".W")):  # Glorot: each gate has a bound of its own
            bound = np.sqrt(6 / (len(value) + (H if name == "dense.W" else H // G)))
            assert 0.8 * bound < abs(value).max() <= bound
            assert value.min() < 0 < value.max()
        elif name.endswith(".W_h"):
            for block in np.split(value, G, axis=1):
                np.testing.assert_allclose(block.T @ block, np.eye(len(value)), atol=1e-14)
        elif name in ("layer0.b", "layer1.b"):
            for gate, block in zip(gates, np.split(value, G), strict=True):
                assert np.all(block == (gate in naive.CELLS[cell].opened))
        elif name == "embedding":
            np.testing.assert_allclose(value[0], value[1:].mean(axis=0), atol=1e-15)
            np.testing.assert_allclose(value[1:].std(), EMBEDDING_SCALE, rtol=0.15)
        else:
            assert not value.any()


@each_cell
@each_kind
@each_pooling
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_shapes_are_those_of_the_start_values(cell, kind, pooling, bidirectional):
    n_tokens = 9 if kind == "tokens" else None
    network = Network(Architecture(cell, 3, (5, 4), pooling, 2, n_tokens, bidirectional))
    start = network.initialize(np.random.RandomState(0), np.dtype(np.float32))
    assert network.shapes == {name: value.shape for name, value in start.items()}
    assert [*network.shapes] == [*start]
    network.check(start, np.dtype(np.float32))
    twin = Network(network.architecture)
    assert (twin.architecture, twin.shapes) == (network.architecture, network.shapes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda W: W.pop("dense.b"), r"parameters_ lacks 'dense.b'; its names are: layer0.W_x, "),
        (lambda W: W.update(x=1), "parameters_ must not have 'x'; its names are: layer0.W_x, "),
        (lambda W: W.update({"dense.W": W["dense.W"].T.copy()}), r"\(2, 3\), expected .* \(3, 2\)"),
        (
            lambda W: W.update({"dense.W": W["dense.W"].astype(">f8")}),
            "is >f8 .*, expected float64",
        ),
        (lambda W: W.update({"dense.W": np.asfortranarray(W["dense.W"])}), "is not C-contiguous"),
        (lambda W: W["dense.W"].setflags(write=False), "not C-contiguous, aligned and writable"),
        (lambda W: W.update({"dense.W": W["dense.W"].tolist()}), "is list, expected float64"),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(change, message):
    network = Network(Architecture("gru", 2, (3,), "last", 2, None, False))
    parameters = network.initialize(np.random.RandomState(0), np.dtype(np.float64))
    change(parameters)
    with pytest.raises(ValueError, match=message):
        network.check(parameters, np.dtype(np.float64))


@each_cell
@each_kind
def test_both_precisions_start_alike(cell, kind):
    n_tokens = 9 if kind == "tokens" else None
    network = Network(Architecture(cell, 3, (5, 4), "last", 1, n_tokens, False))
    double = network.initialize(np.random.RandomState(3), np.dtype(np.float64))
    single = network.initialize(np.random.RandomState(3), np.dtype(np.float32))
    assert single.keys() == double.keys()
    for name, value in single.items():
        assert value.dtype == np.float32
        assert value.flags.c_contiguous and value.flags.writeable
        np.testing.assert_array_equal(value, double[name].astype(np.float32))
