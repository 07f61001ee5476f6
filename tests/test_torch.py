"""PyTorch as the independent oracle, in float64: outputs, gradients and a trajectory of losses.

PyTorch's gates are in another order (LSTM: i, f, g, o), and its layers have two biases; the second
one is frozen at zero, except that of the GRU's candidate, which is our b_h. PyTorch cannot pack
empty sequences: only the twins cover them.
"""

from __future__ import annotations

import numpy as np
import pytest

from seqnets.batches import Sequences, make_batch
from seqnets.explanation import trace
from seqnets.losses import LOSSES
from seqnets.network import Architecture, Network
from seqnets.optimizers import SGD, Adam, AdamW, RMSprop
from seqnets.outputs import POOLING_NAMES
from seqnets.threads import Workers
from seqnets.training import Trainer
from seqnets.workspace import Workspace

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # on arrays this small, most of the time is waiting for a second thread
pack_sequence = torch.nn.utils.rnn.pack_sequence
pad_packed_sequence = torch.nn.utils.rnn.pad_packed_sequence

pytestmark = pytest.mark.usefixtures("several_blocks")

LAYERS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
D, N_TOKENS = 3, 6
LENGTHS = [2, 7, 1, 4, 4, 9, 1, 3, 6, 2, 5, 1, 8, 3, 2, 6, 4, 1, 3, 5]  # two blocks

each_cell = pytest.mark.parametrize("cell", LAYERS)
each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])
each_pooling = pytest.mark.parametrize("pooling", POOLING_NAMES)
each_sizes = pytest.mark.parametrize("sizes", [(5,), (5, 4)], ids=str)
each_n_outputs = pytest.mark.parametrize("n_outputs", [1, 3])


# ------------------------------------------------------------------------------- helpers


def reorder(cell, W):
    """Change our order of gates to PyTorch's, or back."""
    if cell != "lstm":
        return W
    i, f, third, fourth = np.split(W, 4, axis=-1)
    return np.concatenate([i, f, fourth, third], axis=-1)


class Twin(torch.nn.Module):
    """The same network with the same parameters."""

    def __init__(self, cell, pooling, parameters):
        super().__init__()
        self.cell, self.pooling, self.names = cell, pooling, list(parameters)
        self.embedding = None
        if "embedding" in parameters:
            start = torch.tensor(parameters["embedding"])
            self.embedding = torch.nn.Embedding.from_pretrained(start, freeze=False)
        self.layers = torch.nn.ModuleList()
        while f"layer{len(self.layers)}.W_x" in parameters:
            name = f"layer{len(self.layers)}"
            self.layers.append(self.make_layer(name, parameters))
        self.dense = torch.nn.Linear(*parameters["dense.W"].shape, dtype=torch.float64)
        self.dense.weight.data = torch.tensor(parameters["dense.W"].T)
        self.dense.bias.data = torch.tensor(parameters["dense.b"])
        self.attention = torch.nn.ParameterDict()
        for key in "Wbv":
            if f"attention.{key}" in parameters:
                self.attention[key] = torch.nn.Parameter(
                    torch.tensor(parameters[f"attention.{key}"])
                )

    def make_layer(self, name, parameters):
        n_inputs, H = len(parameters[f"{name}.W_x"]), len(parameters[f"{name}.W_h"])
        directions = self.directions(name)
        layer = LAYERS[self.cell](
            n_inputs, H, bidirectional=len(directions) > 1, dtype=torch.float64
        )
        for suffix, part in directions.items():
            W_x, W_h, b = (
                torch.tensor(reorder(self.cell, parameters[f"{part}.{key}"]).T.copy())
                for key in ("W_x", "W_h", "b")
            )
            getattr(layer, f"weight_ih_l0{suffix}").data = W_x
            getattr(layer, f"weight_hh_l0{suffix}").data = W_h
            getattr(layer, f"bias_ih_l0{suffix}").data = b
            second = getattr(layer, f"bias_hh_l0{suffix}")
            second.data = torch.zeros_like(b)
            if self.cell == "gru":
                second.data[2 * H :] = torch.tensor(parameters[f"{part}.b_h"])
                only_candidate = torch.arange(3 * H) >= 2 * H
                second.register_hook(lambda gradient, keep=only_candidate: gradient * keep)
            else:
                second.requires_grad_(False)
        layer.flatten_parameters()
        return layer

    def directions(self, name):
        """PyTorch's suffix and our name of each direction of a layer."""
        both = {"": name, "_reverse": f"{name}.reverse"}
        return {suffix: part for suffix, part in both.items() if f"{part}.W_x" in self.names}

    def forward(self, sequences):
        """Logits of a list of tensors."""
        if self.embedding is not None:
            sequences = [self.embedding(s) for s in sequences]
        packed = pack_sequence(sequences, enforce_sorted=False)
        for layer in self.layers:
            packed, _ = layer(packed)
        h, lengths = pad_packed_sequence(packed, batch_first=True)
        running = (torch.arange(h.shape[1]) < lengths[:, None])[:, :, None]
        if self.pooling == "last":
            pooled = h[torch.arange(len(h)), lengths - 1]
        elif self.pooling == "mean":
            pooled = (h * running).sum(dim=1) / lengths[:, None]
        elif self.pooling == "ends":
            H = h.shape[2] // 2
            pooled = torch.cat([h[torch.arange(len(h)), lengths - 1, :H], h[:, 0, H:]], dim=1)
        elif self.pooling == "attention":
            W, b, v = (self.attention[key] for key in "Wbv")
            scores = (torch.tanh(h @ W + b) @ v).masked_fill(~running, -torch.inf)
            pooled = (torch.softmax(scores, dim=1) * h).sum(dim=1)
        else:
            pooled = h.masked_fill(~running, -torch.inf).amax(dim=1)
        return self.dense(pooled)

    def by_name(self, of):
        """`of` each parameter (its gradient, its data) under our names, in our order."""
        found = {"dense.W": of(self.dense.weight).T, "dense.b": of(self.dense.bias)}
        if self.embedding is not None:
            found["embedding"] = of(self.embedding.weight)
        for key, parameter in self.attention.items():
            found[f"attention.{key}"] = of(parameter)
        for i, layer in enumerate(self.layers):
            for suffix, part in self.directions(f"layer{i}").items():
                for key, name in {"W_x": "weight_ih", "W_h": "weight_hh", "b": "bias_ih"}.items():
                    value = of(getattr(layer, f"{name}_l0{suffix}")).numpy()
                    found[f"{part}.{key}"] = reorder(self.cell, value.T)
                if self.cell == "gru":
                    second = of(getattr(layer, f"bias_hh_l0{suffix}"))
                    found[f"{part}.b_h"] = second[2 * layer.hidden_size :]
        return {name: np.asarray(found[name]) for name in self.names}


def make(cell, kind, pooling, sizes, n_outputs, bidirectional=False):
    """Both networks, sequences in which every token occurs, targets and weights."""
    random = np.random.RandomState(0)
    n_tokens = N_TOKENS if kind == "tokens" else None
    network = Network(Architecture(cell, D, sizes, pooling, n_outputs, n_tokens, bidirectional))
    parameters = network.initialize(random, np.dtype(np.float64))
    for value in parameters.values():
        value += random.normal(scale=0.3, size=value.shape)
    n = len(LENGTHS)
    if kind == "tokens":
        sequences = [random.randint(0, N_TOKENS + 1, T) for T in LENGTHS]
        assert set(np.concatenate(sequences)) == set(range(N_TOKENS + 1))
    else:
        sequences = [random.normal(size=(T, D)) for T in LENGTHS]
    if n_outputs == 1:
        targets = random.randint(0, 2, (n, 1)).astype(float)
    else:
        targets = np.eye(n_outputs)[random.randint(0, n_outputs, n)]
    twin = Twin(cell, network.pooling.name, parameters)
    return network, parameters, twin, sequences, targets, random.uniform(0.5, 2.0, n)


def join(sequences):
    return Sequences(np.concatenate(sequences), np.cumsum([0] + [len(s) for s in sequences]))


def torch_loss(logits, targets, weights):
    targets, weights = torch.tensor(targets), torch.tensor(weights)
    if logits.shape[1] == 1:
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
        losses = cross_entropy(logits, targets, reduction="none")[:, 0]
    else:
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    return (weights * losses).sum() / weights.sum()


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)


# --------------------------------------------------------------------------------- parity


@each_cell
@each_kind
@each_pooling
@each_sizes
@each_n_outputs
@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs_and_gradients(cell, kind, pooling, sizes, n_outputs, bidirectional):
    network, parameters, twin, sequences, targets, weights = make(
        cell, kind, pooling, sizes, n_outputs, bidirectional
    )
    work, kept = Workspace(np.dtype(np.float64)), Workspace(np.dtype(np.float64))
    batch = make_batch(join(sequences), np.arange(len(sequences)))
    n, order = len(sequences), batch.rows
    logits = network.forward(parameters, batch, work)
    losses, dlogits = np.empty(n), np.empty_like(logits)
    loss = LOSSES["logistic" if n_outputs == 1 else "softmax"]
    loss(logits, targets[order], weights[order] / weights.sum(), losses, dlogits)
    dx = network.backward(parameters, batch, dlogits, work, kept)

    inputs = [torch.tensor(s, requires_grad=kind == "series") for s in sequences]
    twin_logits = twin(inputs)
    twin_loss = torch_loss(twin_logits, targets, weights)
    twin_loss.backward()
    assert_close(logits[:n], twin_logits.detach().numpy()[order])
    assert_close(losses.sum(), twin_loss.item())
    gradients = twin.by_name(lambda parameter: parameter.grad)
    for name, expected in gradients.items():  # every token occurs: all rows of the embedding
        assert_close(kept.array(name, *expected.shape), expected)
        assert np.max(abs(expected)) > 1e-5
    if kind == "series":
        dx = dx.reshape(max(LENGTHS), -1, D)
        for place, row in enumerate(order):
            assert_close(dx[: LENGTHS[row], place], inputs[row].grad.numpy())


@each_cell
@each_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_traced_states(cell, kind, bidirectional):
    """h at all steps; of c, PyTorch returns only the last, where a direction ends."""
    network, parameters, twin, sequences, *_ = make(cell, kind, "last", (5, 4), 1, bidirectional)
    with Workers(1, np.dtype(np.float64)) as workers:
        traces = trace(network, parameters, join(sequences), workers)
    inputs = [torch.tensor(s) for s in sequences]
    if kind == "tokens":
        inputs = [twin.embedding(s) for s in inputs]
    packed = pack_sequence(inputs, enforce_sorted=False)
    for i, layer in enumerate(twin.layers):
        packed, last = layer(packed)
        h, _ = pad_packed_sequence(packed, batch_first=True)
        for k, (suffix, part) in enumerate(twin.directions(f"layer{i}").items()):
            own = slice(k * layer.hidden_size, (k + 1) * layer.hidden_size)
            for row, T in enumerate(LENGTHS):
                assert_close(traces[row][f"{part}.h"], h[row, :T, own].detach().numpy())
                if cell == "lstm":
                    c = traces[row][f"{part}.c"][0 if suffix else -1]
                    assert_close(c, last[1][k, row].detach().numpy())


ADAM = {"lr": 0.03, "betas": (0.9, 0.999), "eps": 1e-8}
RMSPROP = {"lr": 0.01, "alpha": 0.95, "eps": 1e-8}
SOLVERS = {
    "adam": (Adam, (0.03, 0.9, 0.999, 1e-8), torch.optim.Adam, ADAM),
    "adamw": (AdamW, (0.03, 0.9, 0.999, 1e-8), torch.optim.AdamW, ADAM),
    "rmsprop": (RMSprop, (0.01, 0.95, 1e-8), torch.optim.RMSprop, RMSPROP),
    "sgd": (SGD, (0.3, 0.9, False), torch.optim.SGD, {"lr": 0.3, "momentum": 0.9}),
    "nesterov": (SGD, (0.3, 0.9, True), torch.optim.SGD,
                 {"lr": 0.3, "momentum": 0.9, "nesterov": True}),
}  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS)
@each_kind
@each_sizes
@pytest.mark.parametrize(
    ("cell", "pooling", "n_outputs"), [("rnn", "mean", 3), ("lstm", "last", 1), ("gru", "max", 3)]
)
def test_ten_steps(cell, pooling, n_outputs, sizes, kind, solver):
    """Losses and parameters step by step: full batches, no clipping, no penalty but AdamW's.

    PyTorch's optimizers move every row of an embedding at every step, ours only those in use.
    So every token occurs in every step; only then are both the same.
    """
    network, parameters, twin, sequences, targets, weights = make(
        cell, kind, pooling, sizes, n_outputs
    )
    optimizer, settings, torch_optimizer, torch_settings = SOLVERS[solver]
    alpha = 0.5 if solver == "adamw" else 0.0
    groups = [
        {"params": W, "weight_decay": alpha * (W.ndim == 2 and name != "embedding.weight")}
        for name, W in twin.named_parameters()
        if W.requires_grad
    ]
    theirs = torch_optimizer(groups, **torch_settings)

    inputs = [torch.tensor(s) for s in sequences]
    losses, expected = [], []
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = Trainer(
            network, parameters, optimizer(*settings), workers,
            loss="logistic" if n_outputs == 1 else "softmax", alpha=alpha, max_grad_norm=None,
        )  # fmt: skip
        batch = join(sequences), targets, weights, np.arange(len(LENGTHS)), weights.sum()
        for _ in range(10):
            losses.append(trainer.step(*batch))
            theirs.zero_grad()
            loss = torch_loss(twin(inputs), targets, weights)
            loss.backward()
            theirs.step()
            expected.append(loss.item())
    assert_close(losses, expected)
    assert losses[-1] < losses[0] - 0.02
    for name, value in twin.by_name(lambda parameter: parameter.detach()).items():
        assert_close(parameters[name], value)
