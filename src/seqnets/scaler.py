"""SequenceScaler: series standardized by channel, over all steps of all sequences."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from .batches import Sequences
from .data import check_total, read_weights
from .estimators import CallbackSupportMixin, atomic, fit_method, on_snapshot, without_feature_names
from .real_numbers import is_frame
from .sequences import is_ragged, read_series
from .vocabulary import look_like_ids, ragged
from .warn import warn


class SequenceScaler(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardize series by channel: mean 0, standard deviation 1 over all steps of all sequences.

    Like scikit-learn's `StandardScaler`, but for 3-D and ragged series too, and with one mean for
    all steps of 2-D series. `RecurrentClassifier` standardizes by itself; this is for other uses of
    series, and for scaling that `partial_fit` learns from all parts of the data.

    Parameters
    ----------
    with_mean : bool, default=True
        Whether to subtract the mean. This and `with_std` may also be set to False after fit.
    with_std : bool, default=True
        Whether to divide by the standard deviation; a channel that never changes is divided by 1.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_channels,)
        Mean, variance and divisor of each channel (2-D series have one). If `with_std` was False in
        fit, `var_` and `scale_` are None, and `mean_` is too if `with_mean` was also False.
    n_steps_seen_ : int or float
        Number of steps of all sequences in fit and partial_fit; if there were weights, a float, the
        sum of the steps' weights.
    n_features_in_ : int
        Steps of 2-D series (one per column), features of 3-D and ragged ones.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if `X` was a data frame, or a list of them, with string column names.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : For rows without order, column by column.

    Examples
    --------
    >>> from seqnets import SequenceScaler
    >>> scaler = SequenceScaler().fit([[0.0, 2.0], [4.0, 2.0, 2.0]])
    >>> scaler.mean_
    array([2.])
    >>> scaler.transform([[4.0]])
    array([array([1.58113883])], dtype=object)
    """

    _kind: str
    mean_: np.ndarray | None
    var_: np.ndarray | None
    scale_: np.ndarray | None
    n_steps_seen_: float
    _parameter_constraints: ClassVar[dict] = {"with_mean": ["boolean"], "with_std": ["boolean"]}

    def __init__(self, *, with_mean: bool = True, with_std: bool = True) -> None:
        self.with_mean = with_mean
        self.with_std = with_std

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the mean and the standard deviation of each channel.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_features), \
                or list of array-like
            Series, as `RecurrentClassifier` takes them.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0: each step counts as much as its sequence weighs. Sequences of
            weight 0 are checked and then left out.

        Returns
        -------
        self : SequenceScaler
            The fitted scaler.

        Raises
        ------
        TypeError, ValueError
            If a parameter, a value or a shape in `X`, or a weight is not allowed.

        Examples
        --------
        >>> SequenceScaler().fit([[0.0, 2.0], [4.0]]).n_steps_seen_
        3
        """
        return self._learn(X, sample_weight, first=True)

    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more series, as if fit had been given them all.

        Parameters
        ----------
        X : array-like or list of array-like
            Series of the kind given before.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0; without them, each step has a weight of 1.

        Returns
        -------
        self : SequenceScaler
            The scaler.

        Raises
        ------
        TypeError, ValueError
            As for fit, and if `X` is not of the kind given before.

        Examples
        --------
        >>> scaler = SequenceScaler().partial_fit([[0.0, 2.0], [4.0]])
        >>> scaler.partial_fit([[6.0, 8.0, 10.0], [12.0]]).mean_
        array([6.])
        """
        return self._learn(X, sample_weight, first=not hasattr(self, "n_steps_seen_"))

    def _learn(self, X: Any, sample_weight: Any, first: bool) -> Self:
        self._validate_params()  # scikit-learn does so in the first call only
        series = read_series(self, X, first)
        weights = None if sample_weight is None else read_weights(sample_weight, series.lengths)
        if weights is not None:
            rows = np.flatnonzero(weights)
            series, weights = series.take(rows), weights[rows]
        seen: float = 0
        if first:
            warn_if_like_token_ids(X, self._kind, series)
            scaler = StandardScaler(with_mean=self.with_mean, with_std=self.with_std)
        else:  # what was learned goes on, whether it is used now or not
            self._check_learned()
            seen, learns = self.n_steps_seen_, (self.mean_ is not None, self.scale_ is not None)
            scaler = StandardScaler(with_mean=learns[0], with_std=learns[1])
            scaler.mean_, scaler.var_, scaler.scale_ = self.mean_, self.var_, self.scale_
            scaler.n_samples_seen_ = np.float64(seen)
            scaler.n_features_in_ = series.values.shape[1]
        if len(series.values):
            self.n_steps_seen_ = learn_steps(scaler, series, weights, seen)
            self.mean_, self.var_, self.scale_ = scaler.mean_, scaler.var_, scaler.scale_
        elif first:
            unweighted = "" if weights is None else " that have a weight"
            raise ValueError(f"X holds no steps{unweighted}: a scaler needs at least one.")
        learned = (self.mean_, self.var_, self.n_steps_seen_)
        if not all(np.isfinite(x).all() for x in learned if x is not None):
            where = "X holds" if weights is None else "X or sample_weight holds"
            message = f"{where} numbers that are too large: the mean or variance is not finite."
            raise ValueError(message)
        return self

    @atomic  # if the result can't have the form asked for, nothing is learned
    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit to the series, then standardize them.

        Parameters
        ----------
        X : array-like or list of array-like
            Series, as for `fit`.
        y : None
            Ignored.
        **fit_params : dict
            The `sample_weight` of `fit`.

        Returns
        -------
        X_scaled : ndarray or data frame
            As for `transform`.

        Raises
        ------
        TypeError, ValueError
            As for `fit` and `transform`.

        Examples
        --------
        >>> SequenceScaler().fit_transform([[2.0, 4.0]])
        array([[-1.,  1.]])
        """
        return super().fit_transform(X, y, **fit_params)

    @on_snapshot
    def transform(self, X: Any) -> Any:
        """Standardize series.

        Parameters
        ----------
        X : array-like or list of array-like
            Series of the kind given to fit.

        Returns
        -------
        X_scaled : ndarray or data frame
            Of the shape of `X`; float32 if `X` is, else float64. Ragged series become a 1-D object
            array, 2-D ones a data frame if `set_output` asks for one.

        Raises
        ------
        NotFittedError
            If the scaler has not been fitted.
        TypeError
            If `X` holds strings or dates, is a sparse or masked array, or is not a list or array,
            such as a set or an iterator.
        ValueError
            If `X` is not of the kind given to fit, if a value in it is not allowed, if a parameter
            needs what fit did not learn, or if `set_output` asks for a data frame of ragged or 3-D
            series.

        Examples
        --------
        >>> SequenceScaler().fit([[0.0, 2.0], [4.0, 2.0, 2.0]]).transform([[2.0, 2.0], [2.0]])
        array([array([0., 0.]), array([0.])], dtype=object)
        """
        scaled = self._applied(X, undo=False)
        container = _get_output_config("transform", self)["dense"]
        if container != "default" and self._kind != "2d":
            raise ValueError(
                f'set_output(transform="{container}") is for 2-D series: ragged and 3-D ones do '
                'not fit in a data frame. Use set_output(transform="default") on this step.'
            )
        return scaled

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Undo `transform`.

        Parameters
        ----------
        X : array-like or list of array-like
            Standardized series.

        Returns
        -------
        X_original : ndarray
            Of the shape of `X`; float32 if `X` is, else float64. Ragged series become a 1-D object
            array.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `transform`, but the output is an array whatever `set_output` asks for.

        Examples
        --------
        >>> scaler = SequenceScaler(with_std=False).fit([[0.0, 2.0], [4.0]])
        >>> scaler.inverse_transform([[0.0, 1.0], [0.0]])
        array([array([2., 3.]), array([2.])], dtype=object)
        """
        return without_feature_names(self)._applied(as_arrays(X), undo=True)

    def _applied(self, X: Any, undo: bool) -> np.ndarray:
        check_is_fitted(self)
        self._check_learned()
        series = read_series(self, X)
        mean: Any = self.mean_ if self.with_mean else 0.0
        scale: Any = self.scale_ if self.with_std else 1.0
        x = series.values.astype(np.float64)  # in float32, Unix times are two minutes apart
        with np.errstate(under="ignore"):  # even if NumPy is set to raise errors
            if undo:
                x *= scale
                x += mean
            else:
                x -= mean
                x /= scale
            scaled = series._replace(values=x.astype(series.values.dtype, copy=False))
        return in_form_of(X, self._kind, scaled)

    def _check_learned(self) -> None:
        """Refuse parameters, set after fit, that need what it has not learned."""
        for name, learned in {"with_mean": self.mean_, "with_std": self.scale_}.items():
            if getattr(self, name) and learned is None:
                raise ValueError(f"{name}=True, but it was False in fit: call fit again.")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def warn_if_like_token_ids(X: Any, kind: str, series: Sequences) -> None:
    """Warn of a scaler that stands between `SequenceVectorizer` and the classifier."""
    if look_like_ids(X, kind, series.values):
        warn(
            "X looks like token ids, as SequenceVectorizer makes them, whose size means nothing: "
            "leave SequenceScaler out, and set the classifier's embedding_dim (64, for example). "
            "For series, pass floats to avoid this warning."
        )


@np.errstate(over="ignore", invalid="ignore", under="ignore")  # `_learn` refuses what is not finite
def learn_steps(
    scaler: StandardScaler, series: Sequences, weights: np.ndarray | None, seen: float
) -> float:
    """Teach the scaler all steps with their sequences' weights; return how many it has seen.

    That number is an int until weights are given; from then on, it is the sum of the weights.
    """
    if weights is None and isinstance(seen, int):
        scaler.partial_fit(series.values)
        return seen + len(series.values)
    weights = np.ones(series.lengths.size) if weights is None else weights
    of_steps = np.repeat(weights, series.lengths)
    check_total(of_steps, "sample_weight of each step")
    values = series.values.astype(np.float64, copy=False)  # weights are rounded to its dtype
    scaler.partial_fit(values, sample_weight=of_steps)
    seen = float(seen + of_steps.sum())
    if scaler.var_ is not None:
        np.maximum(scaler.var_, 0, out=scaler.var_)  # rounding can make a 0 negative
    return seen


def as_arrays(X: Any) -> Any:
    """Return a data frame, or each one in a list, as an array."""
    if isinstance(X, list | tuple):
        return [np.asarray(x) if is_frame(x) else x for x in X]
    return np.asarray(X) if is_frame(X) else X


def in_form_of(X: Any, kind: str, series: Sequences) -> np.ndarray:
    """Return the series in the form that X has; padding is NaN."""
    if kind != "2d" and (is_ragged(X) or (kind == "ragged" and getattr(X, "ndim", 1) == 1)):
        parts = series.split()
        for i, (x, part) in enumerate(zip(X, parts, strict=True)):
            if np.ndim(x) == 1 and part.size == len(part):
                parts[i] = part.reshape(-1)
        return ragged(parts)
    if kind == "2d" or np.ndim(X) == 2:
        return series.values.reshape(series.offsets.size - 1, -1)
    X = np.asarray(X)
    if X.size == series.values.size:  # no padding
        return series.values.reshape(X.shape)
    padded = np.full(X.shape, np.nan, dtype=series.values.dtype)
    padded[np.arange(X.shape[1]) < series.lengths[:, np.newaxis]] = series.values
    return padded
