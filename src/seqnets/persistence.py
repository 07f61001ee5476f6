"""Models on disk: what is saved of each estimator, and what it must be to be loaded. No pickle.

An estimator is saved as its "class", its "parameters" and its "fitted" attributes; a pipeline as
its "steps". FITTED is the one table of these attributes; `files` says how they are written.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .classifier import RecurrentClassifier
from .files import (
    Arrays,
    Take,
    decode_all,
    encode_all,
    is_array,
    is_count,
    is_number,
    read_file,
    write_file,
)
from .labels import check_outputs
from .layers import CELLS
from .network import Architecture, Network
from .scaler import SequenceScaler, scaler_of_arrays
from .vectorizer import SequenceVectorizer
from .vocabulary import FIRST_WORD, LARGEST_ID, UNKNOWN

# What the user calls


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Save a fitted estimator to a file that `load` reads, without pickle.

    The file holds parameters and fitted attributes, so that predictions after `load` have the same
    bits. It does not hold what training goes on with: after `load`, `partial_fit` and `warm_start`
    go on from the weights with a new optimizer and new random numbers. Callbacks and metadata
    requests are left out too.

    Parameters
    ----------
    estimator : RecurrentClassifier, SequenceVectorizer, SequenceScaler or Pipeline
        The fitted estimator, or a pipeline of such.

    path : str or path-like
        The file, which is replaced whole or, on any error, left as it was.

    Raises
    ------
    NotFittedError
        If an estimator is not fitted.
    OSError
        If the file can't be written.
    TypeError
        If there is something that the file can't hold: an estimator of another class, a parameter
        that is a function, a RandomState or any other object of Python's.
    ValueError
        If `load` would refuse the model, for weights set by hand that don't fit the network.

    See Also
    --------
    load : Read the file.

    Examples
    --------
    >>> import seqnets
    >>> clf = seqnets.RecurrentClassifier("gru", 8, random_state=0, tol=0.01).fit(
    ...     [[1.0, 2.0, 4.0], [0.0, 1.0], [3.0, 1.0, 0.0], [2.0, 0.0]], list("uudd"))
    >>> seqnets.save(clf, "trend.seqnets")
    >>> seqnets.load("trend.seqnets").predict([[0.5, 1.5, 2.5]])
    array(['u'], dtype='<U1')
    """
    arrays: Arrays = {}
    model = describe(estimator, type(estimator).__name__, arrays)
    build(model, dict(arrays).pop)
    write_file(path, model, arrays)


def load(path: str | os.PathLike) -> Any:
    """Load an estimator from a file that `save` has written.

    Nothing in the file is executed, every name, shape, data type and number is checked before it
    is used, and memory stays in proportion to the size of the file. (A `token_pattern` can still
    be a regular expression that takes forever on some text.)

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator : RecurrentClassifier, SequenceVectorizer, SequenceScaler or Pipeline
        The fitted estimator.

    Raises
    ------
    OSError
        If the file can't be opened.
    ValueError
        If it is something else than a model, is damaged, or was written by a newer seqnets.

    See Also
    --------
    save : Write the file.

    Examples
    --------
    >>> seqnets.save(SequenceScaler().fit([[0.0, 2.0], [4.0]]), "scaler.seqnets")
    >>> seqnets.load("scaler.seqnets").mean_
    array([2.])
    """
    return read_file(path, build)


# Estimators

SKIPPED = (None, "passthrough")  # steps of a pipeline that do nothing


def describe(estimator: Any, place: str, arrays: Arrays) -> Any:
    """Return the estimator as JSON; its arrays come into `arrays`."""
    cls = type(estimator)
    model: dict[str, Any] = {"class": cls.__name__}
    parameters = estimator.get_params(deep=False) if cls in (*FITTED, Pipeline) else {}
    if cls is Pipeline:
        if parameters.pop("memory") is not None:
            raise TypeError(f"{place}.memory is a cache on this machine: set it to None to save.")
        model["steps"] = [
            [name, step if step in SKIPPED else describe(step, f"{place}.{name}", arrays)]
            for name, step in parameters.pop("steps")
        ]
    elif cls in FITTED:
        model["fitted"] = encode_all(fitted_attributes(estimator, place), place, arrays)
    else:
        names = ", ".join(cls.__name__ for cls in [*FITTED, Pipeline])
        kind = f"{cls.__module__}.{cls.__qualname__}"
        hint = " Save its best_estimator_." if hasattr(estimator, "best_estimator_") else ""
        raise TypeError(f"{place} is a {kind}; what can be saved is: {names}.{hint}")
    return model | {"parameters": encode_all(parameters, place, arrays)}


def fitted_attributes(estimator: Any, place: str) -> dict[str, Any]:
    """Return those in the table."""
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotFittedError(f"{place}: {error}") from error
    state = dict(vars(estimator))
    if "_network" in state:
        network = tuple(state["_network"].architecture)
        state |= {"_network": network, "_dtype": state["_dtype"].name}
    if "_scaler" in state:
        state["_scaler"] = [state["_scaler"].with_mean, state["_scaler"].with_std]
    rules = FITTED[type(estimator)]
    return {x: state[x] for x in rules if x in state and state.get("_kind") in rules[x].kinds}


def build(model: Any, take: Take) -> Any:
    """Return the estimator that `model` describes, or raise an error that says what is wrong."""
    name = member(model, "class", str)
    classes = {cls.__name__: cls for cls in (*FITTED, Pipeline)}
    if name not in classes:
        raise ValueError(f"{name!r} is no class that can be loaded")
    parameters = decode_all(member(model, "parameters", dict), take)
    check_names(parameters, {*classes[name]._get_param_names()} - {"steps", "memory"}, name)
    if name == "Pipeline":
        parameters["steps"] = steps = [
            (step_name, step if step in SKIPPED else build(step, take))
            for step_name, step in member(model, "steps", list)
        ]
        if len(dict(steps)) < len(steps) or {type(name) for name, _ in steps} != {str}:
            raise ValueError("the steps of a Pipeline need names, each its own")
    estimator = classes[name](**parameters)
    estimator._validate_params()
    if name != "Pipeline":
        fitted = decode_all(member(model, "fitted", dict), take)
        check_fitted(fitted, FITTED[classes[name]], name)
        vars(estimator).update(fitted, **derived(fitted))
    return estimator


def derived(fitted: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that follow from those in the file."""
    if "_network" in fitted:
        network = Network(Architecture(*fitted["_network"]))
        more: dict[str, Any] = {"_network": network, "_dtype": np.dtype(fitted["_dtype"])}
        more |= {"n_outputs_": network.dense.n_outputs, "n_layers_": len(network.layers) + 2}
        return more if fitted["_kind"] == "tokens" else more | {"_n_channels": channels(fitted)}
    if "_scaler" in fitted:
        scaler = scaler_of_arrays(*fitted["_scaler"])
        vars(scaler).update({name: fitted[name] for name in ("mean_", "var_", "scale_")})
        scaler.n_samples_seen_ = np.float64(fitted["n_steps_seen_"])
        scaler.n_features_in_ = channels(fitted)
        return {"_scaler": scaler}
    return {}


def member(model: Any, key: str, kind: type) -> Any:
    """Return what an estimator's description holds under this key."""
    if type(model) is not dict or type(model.get(key)) is not kind:
        raise ValueError(f"{key!r} is missing or no {kind.__name__}")
    return model[key]


def check_names(found: dict[str, Any], allowed: set[str], owner: str) -> None:
    """Refuse names that are not among those allowed."""
    unknown = sorted(found.keys() - allowed)
    if unknown:
        raise ValueError(f"{owner} has no {unknown[0]!r}")


# The table of what is saved beside the parameters

KINDS = ("2d", "3d", "ragged", "tokens")
SERIES, TOKENS = KINDS[:3], KINDS[3:]


class Rule(NamedTuple):
    """What a fitted attribute must be."""

    allowed: str
    holds: Callable[[Any, dict[str, Any]], bool]  # of the value and of those above it in the table
    kinds: tuple = (*KINDS, None)  # of X, for which there is such an attribute
    optional: bool = False


def check_fitted(fitted: dict[str, Any], rules: dict[str, Rule], owner: str) -> None:
    """Refuse what the table does not allow."""
    check_names(fitted, set(rules), owner)
    for name, rule in rules.items():
        wanted = fitted.get("_kind") in rule.kinds
        if name not in fitted and (rule.optional or not wanted):
            continue
        if name not in fitted or not wanted:
            raise ValueError(f"{owner} {'lacks' if wanted else 'is not to have'} {name!r}")
        if not rule.holds(fitted[name], fitted):
            raise ValueError(
                f"{owner}: {name} is {reprlib.repr(fitted[name])}, expected {rule.allowed}"
            )


def is_network(values: Any, fitted: dict[str, Any]) -> bool:
    """Return whether a `Network` can be made from them."""
    it = Architecture(*values)
    return (
        it.cell in tuple(CELLS)
        and it.pooling in ("last", "mean", "max", "attention")
        and type(it.bidirectional) is bool
        and type(it.hidden_layer_sizes) is tuple
        and len(it.hidden_layer_sizes) > 0
        and all(is_count(n, 1) for n in (it.n_inputs, it.n_outputs, *it.hidden_layer_sizes))
        and (is_count(it.n_tokens) if fitted["_kind"] == "tokens" else it.n_tokens is None)
    )


def are_weights(parameters: Any, fitted: dict[str, Any]) -> bool:
    """Return whether they are the network's, which says itself what is wrong."""
    Network(Architecture(*fitted["_network"])).check(
        parameters, np.dtype(fitted["_dtype"]), finite=True
    )
    return True


def are_classes(classes: Any, _: dict[str, Any]) -> bool:
    """Return whether they are as `labels.find_classes` finds them."""
    return (
        type(classes) is np.ndarray
        and classes.ndim == 1
        and classes.size > 0
        and not (classes.dtype.kind == "f" and not np.isfinite(classes).all())
        and np.array_equal(np.unique(classes), classes)
    )


def is_activation(name: Any, fitted: dict[str, Any]) -> bool:
    """Return whether the outputs can have it, of which `labels` says what is wrong."""
    check_outputs(fitted["classes_"], Architecture(*fitted["_network"]).n_outputs, name)
    return True


def channels(fitted: dict[str, Any]) -> int:
    """Return the number of features of a step."""
    return 1 if fitted["_kind"] == "2d" else fitted["n_features_in_"]


def are_known_ids(ids: Any, fitted: dict[str, Any]) -> bool:
    """Return whether they are as `inputs.learn_tokens` keeps them."""
    n_tokens = Architecture(*fitted["_network"]).n_tokens
    return (
        is_array(ids, (n_tokens,), np.int64)
        and ids.min(initial=LARGEST_ID) > UNKNOWN
        and ids.max(initial=UNKNOWN) <= LARGEST_ID
        and bool((ids[:-1] < ids[1:]).all())
    )


def are_ids(vocabulary: Any, _: dict[str, Any]) -> bool:
    """Return whether the words have ids as `SequenceVectorizer` gives them."""
    ids = vocabulary.values()
    of_words = all(is_count(i, FIRST_WORD) and i <= LARGEST_ID for i in ids)
    return of_words and len(set(ids)) == len(ids)


def are_names(names: Any, fitted: dict[str, Any]) -> bool:
    """Return whether they are names, one a feature."""
    return (
        type(names) is np.ndarray
        and names.shape == (fitted["n_features_in_"],)
        and all(type(name) is str for name in names)
    )


COUNT = Rule("a whole number from 0 on", lambda n, _: is_count(n))
NUMBER = Rule("a number", lambda x, _: is_number(x))
CURVE = Rule("a list of numbers", lambda x, _: type(x) is list and all(map(is_number, x)))
MAYBE_CURVE = Rule(
    "a list of numbers or None", lambda x, fitted: x is None or CURVE.holds(x, fitted)
)
KIND = Rule(f"one of {', '.join(KINDS)}", lambda kind, _: kind in KINDS)
NAMES = Rule("n_features_in_ strings", are_names, SERIES, optional=True)
SCALE = Rule(
    "None or a finite float64 a channel",
    lambda x, fitted: x is None or is_array(x, (channels(fitted),), np.float64),
)

FITTED: dict[Any, dict[str, Rule]] = {
    RecurrentClassifier: {
        "_kind": KIND,
        "_network": Rule(", ".join(Architecture._fields), is_network),
        "_dtype": Rule("float32 or float64", lambda x, _: x in ("float32", "float64")),
        "parameters_": Rule("the weights of this network", are_weights),
        "classes_": Rule("distinct labels in order", are_classes),
        "out_activation_": Rule("that of these classes and outputs", is_activation),
        "n_features_in_": Rule(
            "that of the network's inputs",
            lambda n, fitted: (
                is_count(n, 1) and channels(fitted) == Architecture(*fitted["_network"]).n_inputs
            ),
            SERIES,
        ),
        "feature_names_in_": NAMES,
        "input_mean_": Rule(
            "a finite number a channel, of the weights' type",
            lambda x, fitted: is_array(x, (channels(fitted),), fitted["_dtype"]),
            SERIES,
        ),
        "input_scale_": Rule(
            "a number above 0 a channel, of the weights' type",
            lambda x, fitted: (
                is_array(x, (channels(fitted),), fitted["_dtype"]) and bool((x > 0).all())
            ),
            SERIES,
        ),
        "_known_ids": Rule("distinct token ids in order", are_known_ids, TOKENS),
        "_largest_id": Rule(
            f"the largest token id, up to {LARGEST_ID}",
            lambda n, fitted: (
                is_count(n, fitted["_known_ids"].max(initial=UNKNOWN)) and n <= LARGEST_ID
            ),
            TOKENS,
        ),
        "n_iter_": COUNT,
        "t_": COUNT,
        "loss_": NUMBER,
        "best_loss_": NUMBER,
        "loss_curve_": CURVE,
        "validation_loss_curve_": MAYBE_CURVE,
        "validation_scores_": MAYBE_CURVE,
        "best_validation_score_": Rule("a number or None", lambda x, _: x is None or is_number(x)),
    },
    SequenceVectorizer: {
        "vocabulary_": Rule(f"words with distinct ids, {FIRST_WORD} to {LARGEST_ID}", are_ids),
    },
    SequenceScaler: {
        "_kind": Rule("one of 2d, 3d, ragged", lambda kind, _: kind in SERIES),
        "n_features_in_": Rule("a whole number from 1 on", lambda n, _: is_count(n, 1)),
        "feature_names_in_": NAMES,
        "mean_": SCALE,
        "var_": SCALE,
        "scale_": SCALE,
        "n_steps_seen_": COUNT,
        "_scaler": Rule("[with_mean, with_std]", lambda x, _: [*map(type, x)] == [bool, bool]),
        "_sklearn_output_config": Rule(
            "a container for each method",
            lambda x, _: {*x} <= {"transform"} and {*x.values()} <= {"default", "pandas", "polars"},
            optional=True,
        ),
    },
}
