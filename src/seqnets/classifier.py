"""RecurrentClassifier: parameters, labels, fit and predict. The arithmetic is elsewhere."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .fitting import fit_network, n_threads, read
from .inference import decision
from .layers import CELLS
from .losses import LOSSES
from .pooling import POOLINGS
from .threads import Workers


class RecurrentClassifier(ClassifierMixin, BaseEstimator):
    """Recurrent neural network classifier of sequences: RNN, LSTM or GRU.

    Reads each sequence step by step, carrying a state from one step to the next, so that order
    counts; a softmax (two classes: logistic) layer on the pooled states gives the label. Trained
    by back-propagation through time on the cross-entropy.

    Parameters
    ----------
    cell : {"rnn", "lstm", "gru"}, default="lstm"
        The recurrent unit. "rnn": tanh (Elman 1990). "lstm": input, forget and output gates
        (Hochreiter & Schmidhuber 1997; Gers et al. 2000). "gru": reset and update gates, the
        reset gate after the product (Cho et al. 2014).

    hidden_layer_sizes : int or array-like of int, default=(64,)
        The number of units of each recurrent layer, the lowest first.

    pooling : {"auto", "last", "mean", "max"}, default="auto"
        How the top layer's states of all steps become one vector: the last step's, their mean
        or their elementwise maximum. "auto" is "last" for series and "max" for tokens.

    embedding_dim : int, default=None
        None: `X` holds numeric series. An int: `X` holds token ids, each of which is given a
        learned vector of that many numbers.

    solver : {"adam", "sgd"}, default="adam"
        "adam" (Kingma & Ba 2015) or stochastic gradient descent. Of an embedding, a step moves
        only the rows of the tokens that it saw.

    alpha : float, default=0.0001
        Strength of the L2 penalty alpha / 2 * ||W||^2, divided by the batch's sum of weights; on
        weight matrices, not on embeddings and biases.

    batch_size : int or "auto", default="auto"
        Sequences a step. "auto" is min(32, n_sequences).

    learning_rate_init : float or "auto", default="auto"
        The step size. "auto" is, for "adam", 0.004 on series and 0.002 on tokens, for "sgd" 0.1.

    momentum : float, default=0.9
        Momentum of solver "sgd", in [0, 1].

    nesterovs_momentum : bool, default=True
        Whether solver "sgd" uses Nesterov's momentum.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the first and second moment estimates of solver "adam", in [0, 1).

    epsilon : float, default=1e-8
        Added to the root of the second moment by solver "adam", after the bias correction.

    max_grad_norm : float or None, default=1.0
        A gradient whose norm over all parameters is larger is scaled down to it (Pascanu et al.
        2013). None: never.

    max_iter : int, default=200
        Epochs at most.

    shuffle : bool, default=True
        Whether to shuffle the sequences in each epoch. Shuffled batches hold sequences of like
        length, which saves time.

    tol : float, default=1e-4
        Training stops when the loss (the validation loss, if there is one) has not improved by
        this much for more than `n_iter_no_change` epochs.

    n_iter_no_change : int, default=3
        Epochs in a row that may pass without improvement.

    early_stopping : bool or "auto", default="auto"
        Whether to set aside a stratified validation set, stop by its loss and return its best
        epoch's weights, each a running mean of about an epoch's steps (Polyak & Juditsky 1992).
        "auto": if there are 1,000 sequences or more. Classes with one member stay in training.

    validation_fraction : float, default=0.1
        The share of the sequences that is set aside, in (0, 1).

    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with `sample_weight`. "balanced": n_sequences /
        (n_classes * sequences of the class).

    dtype : {"auto", "float32", "float64"}, default="auto"
        The network's precision. "auto": float32 for tokens and for float32 series, else float64.

    n_jobs : int, default=None
        Threads. None: as many as this process may use, minding OMP_NUM_THREADS and joblib. The
        result does not depend on it.

    random_state : int, RandomState instance or None, default=None
        Determines start weights, the validation set and the order of the sequences.

    verbose : bool, default=False
        Whether to print a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    n_features_in_ : int
        Steps of 2-D series (one a column), features of 3-D and ragged ones; not set for tokens.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if `X` was a data frame with string column names.
    parameters_ : dict of str to ndarray
        The weights by name: "embedding" (1 + n_tokens, embedding_dim), row 0 for unknown tokens;
        "layer0.W_x" (n_inputs, n_gates * n_units), "layer0.W_h" (n_units, n_gates * n_units),
        "layer0.b", of a GRU "layer0.b_h", ...; "dense.W", "dense.b". Gates stand in the order
        i, f, o, g (LSTM) and r, z, n (GRU).
    input_shift_, input_scale_ : ndarray of shape (n_channels,)
        The network reads series as x / input_scale_ - input_shift_, which have mean 0 and
        deviation 1 on the training set; not set for tokens.
    n_iter_ : int
        Epochs run.
    t_ : int
        Sequences that training has seen, each as often as it was seen.
    loss_ : float
        The training loss of the last epoch.
    best_loss_ : float
        The lowest training loss of an epoch.
    loss_curve_ : list of float
        The training loss of each epoch.
    validation_loss_curve_ : list of float or None
        The validation loss of each epoch; None without a validation set, as the next two.
    validation_scores_ : list of float or None
        Its negative.
    best_validation_score_ : float or None
        The largest of them, that of the weights kept.
    n_layers_ : int
        Layers, counting input and output.
    n_outputs_ : int
        Output units: one for two classes, else one a class.
    out_activation_ : {"logistic", "softmax"}
        The output's activation.

    See Also
    --------
    SequenceVectorizer : Makes sequences of token ids of texts.
    sklearn.neural_network.MLPClassifier : For rows without order.

    Notes
    -----
    `X` may be a 2-D array or data frame (univariate series, a step a column), a 3-D array
    (n_sequences, n_steps, n_features) whose trailing all-NaN steps are padding, or a list or 1-D
    object array of sequences of any length, (n_steps,) or (n_steps, n_features). With
    `embedding_dim`, a 2-D array or a list of sequences holds token ids from 0 to 2^31 - 1, where 0
    is padding and dropped; id 1 and all ids that fit has not seen share one embedding.

    A prediction depends on its sequence and the model alone: it has the same bits in any batch,
    in any order and with any number of threads.

    Examples
    --------
    >>> from seqnets import RecurrentClassifier
    >>> rising, falling = [[1.0, 2.0, 4.0], [0.0, 1.0]], [[3.0, 2.0, 1.0, 0.0], [2.0, 0.0]]
    >>> clf = RecurrentClassifier("gru", 8, random_state=0, tol=0.01).fit(
    ...     rising + falling, ["up", "up", "down", "down"])
    >>> clf.predict([[0.5, 1.5, 2.5]])
    array(['up'], dtype='<U4')
    """

    _parameter_constraints: ClassVar[dict] = {
        "cell": [StrOptions(set(CELLS))],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "pooling": [StrOptions({"auto", *POOLINGS})],
        "embedding_dim": [Interval(Integral, 1, None, closed="left"), None],
        "solver": [StrOptions({"adam", "sgd"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        cell: str = "lstm",
        hidden_layer_sizes: int | tuple[int, ...] = (64,),
        *,
        pooling: str = "auto",
        embedding_dim: int | None = None,
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate_init: float | str = "auto",
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        max_grad_norm: float | None = 1.0,
        max_iter: int = 200,
        shuffle: bool = True,
        tol: float = 1e-4,
        n_iter_no_change: int = 3,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        class_weight: dict | str | None = None,
        dtype: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.cell = cell
        self.hidden_layer_sizes = hidden_layer_sizes
        self.pooling = pooling
        self.embedding_dim = embedding_dim
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.max_grad_norm = max_grad_norm
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RecurrentClassifier:
        """Fit the network to sequences and their labels.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_features), \
                or list of array-like
            The sequences; see Notes of the class.

        y : array-like of shape (n_sequences,)
            Their labels, of any type; one class alone is learned too.

        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0. Sequences of weight 0 are dropped before anything else.

        Returns
        -------
        self : RecurrentClassifier
            The fitted classifier.

        Raises
        ------
        TypeError
            If `X` holds strings, or is a sparse or masked array.
        ValueError
            If a parameter, a value in `X`, a shape or a label is not allowed, or if training
            diverges. An estimator that was fitted before is left as it was.
        """
        before = self.__dict__.copy()
        try:
            fit_network(self, X, y, sample_weight)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the label of each sequence.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        y : ndarray of shape (n_sequences,)
            The most probable class; the first of equals.
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        proba : ndarray of shape (n_sequences, n_classes), float64
            In the order of `classes_`; rows sum to one.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithm of each probability, finite even where that rounds to 0.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        log_proba : ndarray of shape (n_sequences, n_classes), float64
            In the order of `classes_`.
        """
        logits = self._logits(X)
        log_proba = np.empty((len(logits), len(self.classes_)))
        LOSSES[self.out_activation_][0](logits, log_proba)
        return log_proba

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the network's outputs, to which softmax or the logistic function is applied.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        decision : ndarray of shape (n_sequences,) or (n_sequences, n_classes), float64
            For two classes one number a sequence, above 0 for the second class.
        """
        logits = self._logits(X).astype(np.float64)
        return logits.ravel() if self.n_outputs_ == 1 else logits

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        sequences = read(self, X)
        with Workers(n_threads(self), self._dtype) as workers:
            return decision(self._network, self.parameters_, sequences, workers)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; weights that were memory-mapped read-only become ordinary arrays."""
        super().__setstate__(state)
        if hasattr(self, "parameters_"):
            parameters: dict[str, np.ndarray] = self.__dict__["parameters_"]
            self.parameters_ = {name: np.array(W) for name, W in parameters.items()}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
