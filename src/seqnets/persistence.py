"""Models on disk, without pickle: what is saved of each estimator, and checked when it is loaded.

An estimator is saved as its "class", its "parameters" and its "fitted" attributes; a pipeline as
its "steps". `rules` has the table of these attributes; `files` says how they are written.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .files import Arrays, Take, decode_all, encode_all, read_file, write_file
from .network import Architecture, Network
from .parameters import network_attributes
from .rules import FITTED, check_fitted, check_names, n_channels

# What the user calls


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Save a fitted estimator to a file that `load` reads, without pickle.

    The file holds the parameters and fitted attributes, so that predictions after `load` are the
    same, bit for bit, on processors of one kind. It does not hold the state of training: after
    `load`, `partial_fit` and `warm_start` continue from the weights with a new optimizer and new
    random numbers (but with the mean weight of all sequences so far). Callbacks and metadata
    requests are left out, too.

    Parameters
    ----------
    estimator : RecurrentClassifier, SequenceVectorizer, SequenceScaler or Pipeline
        The fitted estimator, or a pipeline of them.
    path : str or path-like
        The file, which is replaced completely or, on any error, left as it was.

    Raises
    ------
    NotFittedError
        If an estimator is not fitted.
    OSError
        If the file can't be written.
    TypeError
        If there is something that the file can't hold: an estimator of another class, or a
        parameter that is a function, a RandomState or any other Python object.
    ValueError
        If `load` would refuse the model, as when weights set by hand don't fit the network.

    See Also
    --------
    load : Read the file.

    Examples
    --------
    >>> import seqnets
    >>> clf = seqnets.RecurrentClassifier("gru", 8, random_state=0).fit(
    ...     [[1.0, 2.0, 4.0], [0.0, 1.0], [3.0, 1.0, 0.0], [2.0, 0.0]], list("uudd"))
    >>> seqnets.save(clf, "trend.seqnets")
    >>> seqnets.load("trend.seqnets").predict([[0.5, 1.5, 2.5]])
    array(['u'], dtype='<U1')
    """
    if isinstance(estimator, str | os.PathLike):
        raise TypeError("The estimator comes first: save(estimator, path).")
    arrays: Arrays = {}
    model = describe(estimator, type(estimator).__name__, arrays)
    build(model, dict(arrays).pop)
    write_file(path, model, arrays)


def load(path: str | os.PathLike) -> Any:
    """Load an estimator from a file written by `save`.

    Nothing in the file is executed. Every name, shape, data type and number is checked before it
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
    MemoryError
        If there is not enough memory for the model.
    OSError
        If the file can't be opened or read.
    ValueError
        If it is not a model, is damaged, or was written by a newer seqnets.

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

CLASSES = {cls.__name__: cls for cls in (*FITTED, Pipeline)}
SKIPPED = (None, "passthrough")  # steps of a pipeline that do nothing
MAX_DEPTH = 5  # nesting of pipelines: each level doubles the time of scikit-learn's checks


def describe(estimator: Any, place: str, arrays: Arrays) -> Any:
    """Return the estimator as JSON; put its arrays into `arrays`."""
    cls = type(estimator)
    if cls not in CLASSES.values():
        kind, names = f"{cls.__module__}.{cls.__qualname__}", ", ".join(c.__name__ for c in FITTED)
        hint = " Save its best_estimator_." if hasattr(estimator, "best_estimator_") else ""
        raise TypeError(
            f"{place} is a {kind}; only these can be saved: {names} and scikit-learn's Pipeline of "
            f"them; joblib and skops save others.{hint}"
        )
    model: dict[str, Any] = {"class": cls.__name__}
    parameters = estimator.get_params(deep=False)
    if cls is Pipeline:
        if parameters.pop("memory") is not None:
            raise TypeError(f"{place}.memory is a cache on this machine: set it to None to save.")
        model["steps"] = [
            [name, step if step in SKIPPED else describe(step, f"{place}.{name}", arrays)]
            for name, step in parameters.pop("steps")
        ]
    else:
        if parameters.get("vocabulary") is not None and not hasattr(estimator, "vocabulary_"):
            estimator = clone(estimator).fit([])  # it can transform without a fit
        model["fitted"] = encode_all(fitted_attributes(estimator, place), place, arrays)
    return model | {"parameters": encode_all(parameters, place, arrays)}


def fitted_attributes(estimator: Any, place: str) -> dict[str, Any]:
    """Return the attributes that the table of `rules` has."""
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotFittedError(f"{place}: {error}") from error
    state = dict(estimator.__getstate__())  # has plain values, not the network
    return {name: state[name] for name in FITTED[type(estimator)] if name in state}


def build(model: Any, take: Take, depth: int = 0) -> Any:
    """Return the estimator that `model` describes, or raise an error that says what is wrong."""
    if depth > MAX_DEPTH:
        raise ValueError(f"its pipelines are nested more than {MAX_DEPTH} deep")
    name = require(model, "class", str)
    if name not in CLASSES:
        raise ValueError(f"{name!r} is not a class that can be loaded")
    parameters = decode_all(require(model, "parameters", dict), take)
    check_names(parameters, {*CLASSES[name]._get_param_names()} - {"steps", "memory"}, name)
    if name == "Pipeline":
        parameters["steps"] = steps = [
            (step_name, step if step in SKIPPED else build(step, take, depth + 1))
            for step_name, step in require(model, "steps", list)
        ]
        if len(dict(steps)) < len(steps) or {type(name) for name, _ in steps} != {str}:
            raise ValueError("the steps of a Pipeline need distinct names")
    estimator = CLASSES[name](**parameters)
    estimator._validate_params()
    if name == "Pipeline":
        estimator._validate_steps()
    else:
        fitted = decode_all(require(model, "fitted", dict), take)
        if name == "SequenceScaler":
            fitted.pop("_scaler", None)  # files from before 0.1.0 have it
        check_fitted(fitted, FITTED[CLASSES[name]], name)
        vars(estimator).update(fitted, **derived_attributes(fitted))
    return estimator


def derived_attributes(fitted: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that follow from those in the file."""
    if "_network" in fitted:
        network = Network(Architecture(*fitted["_network"]))
        more = network_attributes(network)
        more |= {"n_outputs_": network.dense.n_outputs, "_dtype": np.dtype(fitted["_dtype"])}
        return more if fitted["_kind"] == "tokens" else more | {"_n_channels": n_channels(fitted)}
    return {}


def require(model: Any, key: str, kind: type) -> Any:
    """Return what an estimator's description holds under this key."""
    if type(model) is not dict or type(model.get(key)) is not kind:
        raise ValueError(f"{key!r} is missing or not a {kind.__name__}")
    return model[key]
