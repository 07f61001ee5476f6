"""What a model's file holds besides the parameters: a rule for each fitted attribute."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .classifier import RecurrentClassifier
from .labels import check_outputs
from .layers import CELLS
from .network import Architecture, Network
from .outputs import POOLING_NAMES
from .scaler import SequenceScaler
from .vectorizer import SequenceVectorizer
from .vocabulary import LARGEST_ID, UNKNOWN, checked_vocabulary

KINDS = ("2d", "3d", "ragged", "tokens")
SERIES, TOKENS = KINDS[:3], KINDS[3:]


class Rule(NamedTuple):
    """What a fitted attribute must be."""

    allowed: str
    holds: Callable[[Any, dict[str, Any]], bool]  # of the value and the valid ones above it
    kinds: tuple = (*KINDS, None)  # of X, with which the attribute exists
    optional: bool = False


def check_names(found: dict[str, Any], allowed: set[str], owner: str) -> None:
    """Refuse names that are not among those allowed."""
    unknown = sorted(found.keys() - allowed)
    if unknown:
        raise ValueError(f"{owner} has no {unknown[0]!r}")


def check_fitted(fitted: dict[str, Any], rules: dict[str, Rule], owner: str) -> None:
    """Refuse what the table does not allow."""
    check_names(fitted, set(rules), owner)
    for name, rule in rules.items():
        wanted = fitted.get("_kind") in rule.kinds
        if name not in fitted and (rule.optional or not wanted):
            continue
        if name not in fitted or not wanted:
            raise ValueError(f"{owner} {'lacks' if wanted else 'must not have'} {name!r}")
        if not rule.holds(fitted[name], fitted):
            raise ValueError(
                f"{owner}: {name} is {reprlib.repr(fitted[name])}, expected {rule.allowed}"
            )


def is_number(x: Any) -> bool:
    """Return whether x is a number, and not True or False."""
    return type(x) in (int, float)


def is_count(x: Any, lowest: int = 0) -> bool:
    """Return whether x is a whole number from `lowest` on."""
    return type(x) is int and x >= lowest


def is_array(x: Any, shape: tuple, dtype: Any) -> bool:
    """Return whether x is an array of this shape and type, of finite numbers."""
    is_one = type(x) is np.ndarray and x.shape == shape and x.dtype == dtype
    return is_one and bool(np.isfinite(x).all())


def is_network(values: Any, fitted: dict[str, Any]) -> bool:
    """Return whether a `Network` can be made from these values."""
    it, weights = Architecture(*values), fitted.get("parameters_")
    return (
        it.cell in tuple(CELLS)
        and it.pooling in POOLING_NAMES
        and type(it.bidirectional) is bool
        and type(it.hidden_layer_sizes) is tuple
        and len(it.hidden_layer_sizes) > 0  # and no more than the file has weights for
        and (type(weights) is not dict or len(it.hidden_layer_sizes) < len(weights))
        and all(is_count(n, 1) for n in (it.n_inputs, it.n_outputs, *it.hidden_layer_sizes))
        and (is_count(it.n_tokens) if fitted["_kind"] == "tokens" else it.n_tokens is None)
    )


def are_weights(parameters: Any, fitted: dict[str, Any]) -> bool:
    """Return whether they are the network's, or raise its error, which says what is wrong."""
    if type(parameters) is not dict:
        return False
    Network(Architecture(*fitted["_network"])).check(
        parameters, np.dtype(fitted["_dtype"]), finite=True
    )
    return True


def are_classes(classes: Any, _: dict[str, Any]) -> bool:
    """Return whether they are as `labels.find_classes` finds them."""
    return (
        type(classes) is np.ndarray
        and classes.size > 0
        and not (classes.dtype.kind == "f" and not np.isfinite(classes).all())
        and np.array_equal(np.unique(classes), classes)
    )


def is_activation(name: Any, fitted: dict[str, Any]) -> bool:
    """Return True if it fits the classes and outputs; else raise the error of `labels`."""
    check_outputs(fitted["classes_"], Architecture(*fitted["_network"]).n_outputs, name)
    return True


def n_channels(fitted: dict[str, Any]) -> int:
    """Return the number of features of a step."""
    return 1 if fitted["_kind"] == "2d" else fitted["n_features_in_"]


def is_statistic(x: Any, fitted: dict[str, Any]) -> bool:
    """Return whether it is a number per channel."""
    return is_array(x, (n_channels(fitted),), np.float64)


def is_scale(x: Any, fitted: dict[str, Any]) -> bool:
    """Return whether it is a number above 0 per channel."""
    return is_statistic(x, fitted) and bool((x > 0).all())


def are_token_ids(ids: Any, fitted: dict[str, Any]) -> bool:
    """Return whether they are as `inputs.learn_tokens` keeps them."""
    n_tokens = Architecture(*fitted["_network"]).n_tokens
    return (
        is_array(ids, (n_tokens,), np.int64)
        and ids.min(initial=LARGEST_ID) > UNKNOWN
        and ids.max(initial=UNKNOWN) <= LARGEST_ID
        and bool((ids[:-1] < ids[1:]).all())
    )


def are_weighed(x: Any, _: dict[str, Any]) -> bool:
    """Return whether they are a number of sequences and their mean weight."""
    n, mean = x if type(x) is tuple and len(x) == 2 else (0, 0.0)
    return is_count(n, 1) and is_number(mean) and 0 < mean < np.inf


def are_names(names: Any, fitted: dict[str, Any]) -> bool:
    """Return whether they are names, one per feature."""
    return (
        type(names) is np.ndarray
        and names.shape == (fitted["n_features_in_"],)
        and all(type(name) is str for name in names)
    )


COUNT = Rule("a whole number of at least 0", lambda n, _: is_count(n))
NUMBER = Rule("a number", lambda x, _: is_number(x))
CURVE = Rule("a list of numbers", lambda x, _: type(x) is list and all(map(is_number, x)))
MAYBE_CURVE = Rule(
    "a list of numbers or None", lambda x, fitted: x is None or CURVE.holds(x, fitted)
)
NAMES = Rule("n_features_in_ strings", are_names, SERIES, optional=True)

FITTED: dict[Any, dict[str, Rule]] = {
    RecurrentClassifier: {
        "_kind": Rule(f"one of {', '.join(KINDS)}", lambda kind, _: kind in KINDS),
        "_network": Rule(", ".join(Architecture._fields), is_network),
        "_dtype": Rule("float32 or float64", lambda x, _: x in ("float32", "float64")),
        "parameters_": Rule("the weights of this network", are_weights),
        "classes_": Rule("distinct labels in order", are_classes),
        "out_activation_": Rule("the one for these classes and outputs", is_activation),
        "n_features_in_": Rule(
            "the number that fits the network's inputs",
            lambda n, fitted: (
                is_count(n, 1) and n_channels(fitted) == Architecture(*fitted["_network"]).n_inputs
            ),
            SERIES,
        ),
        "feature_names_in_": NAMES,
        "input_mean_": Rule("a finite float64 per channel", is_statistic, SERIES),
        "input_scale_": Rule("a float64 above 0 per channel", is_scale, SERIES),
        "token_ids_": Rule("distinct token ids in order", are_token_ids, TOKENS),
        "_largest_id": Rule(
            f"the largest token id, up to {LARGEST_ID}",
            lambda n, fitted: (
                is_count(n, fitted["token_ids_"].max(initial=UNKNOWN)) and n <= LARGEST_ID
            ),
            TOKENS,
        ),
        "n_iter_": COUNT,
        "t_": COUNT,
        "_weighed": Rule(
            "the number of sequences and their mean weight", are_weighed, optional=True
        ),
        "loss_": NUMBER,
        "best_loss_": NUMBER,
        "loss_curve_": CURVE,
        "validation_loss_curve_": MAYBE_CURVE,
        "validation_scores_": MAYBE_CURVE,
        "best_validation_score_": Rule("a number or None", lambda x, _: x is None or is_number(x)),
    },
    SequenceVectorizer: {
        "vocabulary_": Rule("words with their ids", lambda x, _: checked_vocabulary(x) == x),
    },
    SequenceScaler: {
        "_kind": Rule(f"one of {', '.join(SERIES)}", lambda kind, _: kind in SERIES),
        "n_features_in_": Rule("a whole number of at least 1", lambda n, _: is_count(n, 1)),
        "feature_names_in_": NAMES,
        "mean_": Rule(
            "a finite float64 per channel or None",
            lambda x, fitted: x is None or is_statistic(x, fitted),
        ),
        "var_": Rule(
            "a float64 of at least 0 per channel, None without mean_ or with_std",
            lambda x, fitted: (
                x is None
                or (fitted["mean_"] is not None and is_statistic(x, fitted) and (x >= 0).all())
            ),
        ),
        "scale_": Rule(
            "a float64 above 0 per channel, None without var_",
            lambda x, fitted: x is None if fitted["var_"] is None else is_scale(x, fitted),
        ),
        "n_steps_seen_": Rule(
            "a finite number of at least 0", lambda x, _: is_number(x) and 0 <= x < np.inf
        ),
        "_sklearn_output_config": Rule(
            "a container for each method",
            lambda x, _: {*x} <= {"transform"} and {*x.values()} <= {"default", "pandas", "polars"},
            optional=True,
        ),
    },
}
