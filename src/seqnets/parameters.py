"""What each parameter of `RecurrentClassifier` may be, and what is built from them."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .dropout import Dropout
from .inputs import Estimator
from .layers import CELLS
from .network import Architecture, Network
from .optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .outputs import POOLING_NAMES
from .progress import History
from .schedules import SCHEDULES, Schedule
from .threads import Workers
from .training import Trainer
from .workspace import Parameters

# The best of those tried on the data sets of benchmarks/accuracy.py.
LEARNING_RATES = {"adam": 0.004, "adamw": 0.004, "rmsprop": 0.001, "sgd": 0.1}
# Of the next four, benchmarks/README.md has figures.
TOKEN_DROPOUT = 0.3
STATE_DROPOUT = 0.2  # of an LSTM's states, if there are enough series
SHORT_SERIES = 40  # steps on average: the last state keeps little of what is further back
# With fewer, epochs are a few noisy steps, which need a planned schedule. With more, a constant
# learning rate is as good and takes a fraction of the time.
FEW_SERIES = 100
# Epochs: with a validation set, for tokens and for series; without one. Epochs of few sequences
# have few steps, and a noisy loss: on five small sets of series, with a constant learning rate, the
# mean accuracy is 0.75 with 3, 0.78 with 10 and 0.79 with 20; on event logs of 100 to 300 users, it
# is 0.69 to 0.96 with 3 and 0.86 to 0.97 with 20. On sentences, only the time differs.
TOKEN_PATIENCE, SERIES_PATIENCE, LONG_PATIENCE = 3, 10, 20
# All are given the longest until the loss is below this share of that of guessing. Some networks
# learn next to nothing for 20 epochs: with a patience of 10, accuracies of 0.49, 0.42 and 0.55 on
# 1,500 series (the parity of 6 bits, by an RNN and an LSTM; the first of 40 steps, by a GRU) are
# 1.00, 1.00 and 0.99 with 20. In other fits that fail, 10 more epochs change nothing.
BARELY_LEARNED = 0.9

AT_LEAST_0 = Interval(Real, 0, None, closed="left")
ABOVE_0 = Interval(Real, 0, None, closed="neither")
SHARE = Interval(Real, 0, 1, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")

CONSTRAINTS: dict[str, list] = {
    "cell": [StrOptions(set(CELLS))],
    "hidden_layer_sizes": ["array-like", COUNT],
    "bidirectional": ["boolean"],
    "pooling": [StrOptions({"auto", *POOLING_NAMES})],
    "embedding_dim": [COUNT, None],
    "embeddings": ["array-like", None],
    "train_embeddings": ["boolean"],
    "dropout": [StrOptions({"auto"}), SHARE],
    "recurrent_dropout": [StrOptions({"auto"}), SHARE],
    "embedding_dropout": [SHARE],
    "solver": [StrOptions(set(LEARNING_RATES))],
    "alpha": [AT_LEAST_0],
    "batch_size": [StrOptions({"auto"}), COUNT],
    "learning_rate": [StrOptions(set(SCHEDULES))],
    "learning_rate_init": [StrOptions({"auto"}), ABOVE_0],
    "power_t": [AT_LEAST_0],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "beta_1": [SHARE],
    "beta_2": [SHARE],
    "epsilon": [ABOVE_0],
    "max_grad_norm": [ABOVE_0, None],
    "bptt_steps": [COUNT, None],
    "max_iter": [COUNT],
    "shuffle": ["boolean"],
    "tol": [AT_LEAST_0],
    "n_iter_no_change": [StrOptions({"auto"}), COUNT, Options(Real, {np.inf})],
    "early_stopping": ["boolean", StrOptions({"auto"})],
    "validation_fraction": [SHARE],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "warm_start": ["boolean"],
    "dtype": [StrOptions({"auto", "float32", "float64"})],
    "n_jobs": [COUNT, Interval(Integral, None, -1, closed="right"), None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def hidden_layer_sizes(given: Any) -> tuple[int, ...]:
    """The units of each layer."""
    several = isinstance(given, Iterable) and getattr(given, "ndim", 1) > 0
    sizes = list(given) if several else [given]
    wrong = [n for n in sizes if not isinstance(n, Integral) or isinstance(n, bool) or int(n) < 1]
    if wrong or not sizes:
        raise ValueError(
            "hidden_layer_sizes must hold the number of units of each layer, whole numbers of at "
            f"least 1, got {given!r}."
        )
    return tuple(int(size) for size in sizes)


def check_token_parameters(estimator: Estimator) -> None:
    """Refuse parameters for tokens where X holds series, which would ignore them."""
    if estimator.embedding_dim is not None:
        return
    given = {
        "embeddings": estimator.embeddings is not None,
        "train_embeddings=False": not estimator.train_embeddings,
        "embedding_dropout": estimator.embedding_dropout > 0,
    }
    for name, is_given in given.items():
        if is_given:
            raise ValueError(f"{name} is for token ids only: if X holds them, set embedding_dim.")


def build_architecture(estimator: Estimator, mean_length: float | None = None) -> Architecture:
    """The network for sequences of this mean length; without it, for those of an earlier fit."""
    sizes = hidden_layer_sizes(estimator.hidden_layer_sizes)
    if estimator._kind == "tokens":
        n_inputs, n_tokens = int(estimator.embedding_dim), len(estimator.token_ids_)
    else:
        n_inputs, n_tokens = estimator._n_channels, None
    if estimator.bidirectional and estimator.bptt_steps is not None:
        raise ValueError(
            "bptt_steps needs bidirectional=False: a second direction begins at the end of the "
            "sequence, far from the steps in memory."
        )
    pooling = estimator.pooling
    if pooling == "auto":
        if mean_length is None:
            pooling = estimator._network.architecture.pooling
        else:
            pooling = "last" if n_tokens is None and mean_length <= SHORT_SERIES else "max"
    return Architecture(
        estimator.cell,
        n_inputs,
        sizes,
        pooling,
        estimator.n_outputs_,
        n_tokens,
        estimator.bidirectional,
    )


def network_attributes(network: Network) -> dict[str, Any]:
    """The fitted attributes that follow from the network alone."""
    pooling = network.architecture.pooling
    return {"_network": network, "n_layers_": len(network.layers) + 2, "pooling_": pooling}


def build_schedule(
    estimator: Estimator, rate: float, n_sequences: int, n_steps: int, may_plan: bool
) -> Schedule:
    """A call's schedule; by default "auto" for few series, so that steps end at 0.

    It is "constant" for other data; if the call may not plan, because a validation set tells when
    to stop or the call is one of many; and if the user wants to end sooner or to go on later.
    """
    name = estimator.learning_rate
    if name == "auto":
        few = estimator._kind != "tokens" and n_sequences < FEW_SERIES
        to_the_end = estimator.n_iter_no_change == "auto" and not estimator.warm_start
        name = "auto" if may_plan and few and to_the_end else "constant"
    return SCHEDULES[name](rate, estimator.power_t, n_steps, estimator.t_)


def patience(estimator: Estimator, validated: bool, history: History) -> float:
    """Epochs in a row that may pass without improvement."""
    if estimator.n_iter_no_change != "auto":
        return estimator.n_iter_no_change
    learned = history.lowest_validation_loss < BARELY_LEARNED * history.guessing_loss
    if not validated or not learned:
        return LONG_PATIENCE
    return TOKEN_PATIENCE if estimator._kind == "tokens" else SERIES_PATIENCE


def build_optimizer(estimator: Estimator) -> Optimizer:
    """The solver; its numbers are Python's, since kernels would be compiled for each other type."""
    rate = LEARNING_RATES[estimator.solver]
    if estimator.learning_rate_init != "auto":
        rate = float(estimator.learning_rate_init)
    if estimator.solver == "sgd":
        return SGD(rate, float(estimator.momentum), bool(estimator.nesterovs_momentum))
    beta_1, beta_2 = float(estimator.beta_1), float(estimator.beta_2)
    epsilon = float(estimator.epsilon)
    if estimator.solver == "rmsprop":
        return RMSprop(rate, beta_2, epsilon)
    kind = {"adam": Adam, "adamw": AdamW}[estimator.solver]
    return kind(rate, beta_1, beta_2, epsilon)


def build_dropout(estimator: Estimator, n_sequences: int) -> Dropout:
    inputs, states = estimator.dropout, estimator.recurrent_dropout
    of_tokens = estimator._kind == "tokens"
    if inputs == "auto":
        inputs = TOKEN_DROPOUT if of_tokens else 0.0
    if states == "auto":
        enough = not of_tokens and n_sequences >= FEW_SERIES
        states = STATE_DROPOUT if enough and estimator.cell == "lstm" else 0.0
    if states > 0 and not CELLS[estimator.cell].has_product:
        others = ", ".join(repr(name) for name in CELLS if CELLS[name].has_product)
        raise ValueError(
            f"recurrent_dropout={states!r} drops parts of the state before its product with W_h, "
            f"but cell={estimator.cell!r} has no W_h. Set it to 0, or use one of the cells "
            f"{others}."
        )
    return Dropout(float(inputs), float(estimator.embedding_dropout), float(states))


def build_trainer(
    estimator: Estimator,
    parameters: Parameters,
    optimizer: Optimizer,
    workers: Workers,
    random: np.random.RandomState,
    n_sequences: int,
) -> Trainer:
    n_steps, limit = estimator.bptt_steps, estimator.max_grad_norm
    return Trainer(
        estimator._network,
        parameters,
        optimizer,
        workers,
        loss=estimator.out_activation_,
        alpha=float(estimator.alpha),  # np.float32 would turn products into float32
        max_grad_norm=None if limit is None else float(limit),
        dropout=build_dropout(estimator, n_sequences),
        bptt_steps=None if n_steps is None else int(n_steps),
        random=random,
        train_embeddings=estimator.train_embeddings,
    )
