"""RecurrentClassifier: parameters, labels, fit and predict. The arithmetic is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import Tags

from .estimators import CallbackSupportMixin, atomic, with_callbacks
from .fitting import fit_network, partial_fit_network
from .inside import InsideMixin
from .parameters import CONSTRAINTS


class RecurrentClassifier(CallbackSupportMixin, InsideMixin, ClassifierMixin, BaseEstimator):
    """Recurrent neural network classifier of sequences: RNN, LSTM, GRU or minGRU.

    Reads each sequence step by step and carries a state from one step to the next, so that order
    matters. A dense layer on the pooled states gives the label: softmax, or logistic for two
    classes and for multilabel y. Trained by backpropagation through time on the cross-entropy.

    Parameters
    ----------
    cell : {"rnn", "lstm", "gru", "mingru"}, default="lstm"
        The recurrent unit; in parentheses the order of its gates in `parameters_`.
        "rnn": tanh (Elman 1990).
        "lstm" (i, f, o, g): input, forget and output gate, candidate (Gers et al. 2000).
        "gru" (r, z, n): reset gate, after the product, and update gate (Cho et al. 2014).
        "mingru" (z, n): gate of the input alone, no W_h, fast; stack two (Feng et al. 2024).
    hidden_layer_sizes : int or array-like of int, default=(64,)
        The number of units of each recurrent layer, the lowest first.
    bidirectional : bool, default=False
        Whether each layer is paired with a second one of the same size, which reads every sequence
        from its end (Schuster & Paliwal 1997).
    pooling : {"auto", "last", "mean", "max", "attention"}, default="auto"
        How the top layer's states of all steps become one vector: the last step's, their mean,
        their elementwise maximum, or a mean with learned weights (Bahdanau et al. 2015; Yang et
        al. 2016), see `attention_weights`. For a layer that reads from the end, "last" is its
        state at the first step. "auto" is "last" for series that have 40 steps or fewer on average,
        which a last state can sum up, and "max" for longer ones and for tokens.
    embedding_dim : int, default=None
        None: `X` holds numeric series. An int: `X` holds token ids, each of which gets a learned
        vector of this length.
    embeddings : array-like of shape (n_ids, embedding_dim), default=None
        Pretrained vectors to start from, row i for id i, as `embedding_matrix` makes them for a
        vocabulary, which must be given to the vectorizer too. Ids beyond the last row are an
        error; ids that fit has not seen keep their vectors.
    train_embeddings : bool, default=True
        Whether training changes the embeddings.
    dropout : float or "auto", default="auto"
        Probability, in [0, 1), of dropping each input of a layer, the dense layer included, while
        training. One mask serves all steps of a sequence; for embeddings, there is one per distinct
        token in a block of sequences. "auto": 0.3 for tokens, 0 for series.
    recurrent_dropout : float, default=0.0
        Probability, in [0, 1), of dropping each number of a state before its product with W_h
        while training; one mask per sequence (Gal & Ghahramani 2016). Must be 0 with "mingru",
        which has no W_h.
    embedding_dropout : float, default=0.0
        Probability, in [0, 1), of dropping whole tokens while training. For tokens only.
    solver : {"adam", "adamw", "rmsprop", "sgd"}, default="adam"
        "adam" (Kingma & Ba 2015), "adamw" (with decoupled weight decay, Loshchilov & Hutter 2019),
        "rmsprop" (Tieleman & Hinton 2012) or stochastic gradient descent. In an embedding, a step
        changes only the rows of the tokens that it saw.
    alpha : float, default=0.0001
        Strength of the L2 penalty alpha / 2 * ||W||^2 on weight matrices, divided by the sum of the
        batch's sample weights: scale these to a mean of 1, smaller ones make it strong. For "adamw"
        the weight decay: each step subtracts learning rate * alpha * W.
    batch_size : int or "auto", default="auto"
        Sequences per step. "auto" is min(32, n_sequences).
    learning_rate : {"auto", "constant", "invscaling", "adaptive", "cosine"}, default="auto"
        How the step size changes, for every solver. "invscaling": learning_rate_init /
        (t + 1)^power_t after each epoch, t sequences seen. "adaptive": whenever training would
        stop for lack of improvement, it is divided by 5 instead, until at most 1e-6. "cosine": it
        rises during the first 5 % of `max_iter` epochs and falls to 0 over the rest, none of which
        is left out; thousands of sequences need only a few. "auto": "constant"; but for fewer than
        100 series, if there is no validation set, `n_iter_no_change` is "auto" and `warm_start` is
        False, as "cosine", falling in the second half only.
    learning_rate_init : float or "auto", default="auto"
        The step size; "auto": "adam" and "adamw" 0.004, "rmsprop" 0.001, "sgd" 0.1.
    power_t : float, default=0.5
        The exponent of learning rate "invscaling".
    momentum : float, default=0.9
        Momentum of solver "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether solver "sgd" uses Nesterov's momentum.
    beta_1 : float, default=0.9
        Decay of the first moment's estimate in "adam" and "adamw", in [0, 1).
    beta_2 : float, default=0.999
        Decay of the second moment's estimate in "adam", "adamw" and "rmsprop", in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of the second moment by "adam", "adamw" and "rmsprop".
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm are scaled down to it (Pascanu et al. 2013). None: never.
    bptt_steps : int, default=None
        Train in windows of this many steps, counted from the end of the longest sequence of a
        block: the state is carried through all of them, but gradients go back within one only, and
        memory is needed for one only (truncated BPTT, Williams & Peng 1990). For one direction.
    max_iter : int, default=200
        The maximum number of epochs; if the learning rate is to fall to 0, their number.
    shuffle : bool, default=True
        Whether to shuffle the sequences in each epoch. Batches then hold ones of similar length.
    tol : float, default=1e-4
        Training stops when the loss (with a validation set: its score) has not improved by this
        much for more than `n_iter_no_change` epochs; not if the learning rate is to fall to 0.
    n_iter_no_change : int, np.inf or "auto", default="auto"
        Epochs in a row that may pass without improvement. "auto": with a validation set 3 for
        tokens and 10 for series, else 20, or any number where `learning_rate="auto"` plans all.
    early_stopping : bool or "auto", default="auto"
        Whether to stop by the score on a validation set and keep the weights of the best epoch,
        which are a running mean over the steps of a few epochs (Polyak & Juditsky 1992). Unless
        fit is given `X_val`, a stratified share of the sequences is set aside; classes with one
        member stay in training. "auto": on with `X_val`, or with 1,000 sequences or more, unless
        such classes make the set half as large as it should be, or smaller. Repeated fits with
        `warm_start=True` on the same sequences, labels and zero weights keep the set.
    validation_fraction : float, default=0.1
        The share of the sequences that is set aside, in [0, 1).
    scoring : str, callable or None, default="loss"
        The score on the validation set, with the weights of its sequences and classes: the negative
        loss, or any scikit-learn scorer. None: the accuracy.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with `sample_weight`. "balanced": the sum of the sample
        weights / (n_classes * the sum of the class's). For one label per sequence.
    warm_start : bool, default=False
        Whether fit continues where the previous fit left off, with its weights, standardization
        and, if it was set then too, optimizer and random numbers, for `max_iter` more epochs. Step
        sizes of "adaptive" and "cosine" start over. With a validation set and scoring "loss", it
        keeps the weights it began with if no epoch is better.
    dtype : {"auto", "float32", "float64"}, default="auto"
        The network's precision. "auto": float32 for tokens and for float32 series, else float64.
    n_jobs : int, default=None
        Number of threads, which does not affect results; -1: one per processor. None: all that this
        process may use, respecting OMP_NUM_THREADS; in joblib's workers, as many as joblib allows.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, the validation set, the order of the sequences and what dropout
        drops.
    verbose : bool or int, default=False
        Whether to print a line per epoch. Inside a search, or for a progress bar, see
        `set_callbacks` (scikit-learn 1.9).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels; for multilabel y, its columns' numbers, or `classes` of `partial_fit`.
    n_features_in_ : int
        Steps of 2-D series (one per column), features of 3-D and ragged ones; not set for tokens.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if `X` was a data frame, or a list of them, with string column names.
    parameters_ : dict of str to ndarray
        The weights by name: "embedding" (1 + n_tokens, embedding_dim), row 0 for unknown tokens,
        row i + 1 for token_ids_[i]; "layer0.W_x" (n_inputs, n_gates * n_units), "layer0.W_h"
        (n_units, n_gates * n_units), "layer0.b", for a GRU "layer0.b_h", for a second direction
        "layer0.reverse.W_x", ...; for attention pooling "attention.W", "attention.b",
        "attention.v"; "dense.W", "dense.b". PyTorch's weight_ih and weight_hh are the transposes of
        W_x and W_h, its LSTM has the blocks i, f, g, o; b is bias_ih + bias_hh, but for the GRU's
        candidate n, where b is bias_ih and b_h bias_hh.
    token_ids_ : ndarray of shape (n_tokens,), int64
        The ids that the embedding has rows for, in ascending order; not set for series.
    input_mean_, input_scale_ : ndarray of shape (n_channels,), float64
        The network reads series as (x - input_mean_) / input_scale_, which have mean 0 and standard
        deviation 1 on the training set, by the weights of its sequences and classes; constant
        channels 0; not set for tokens.
    n_iter_ : int
        Number of epochs run; it and the curves continue in a warm start and in partial_fit.
    t_ : int
        Number of sequences seen in training, each counted every time it was seen.
    loss_, best_loss_ : float
        The training loss of the last epoch, and the lowest of any epoch.
    loss_curve_ : list of float
        The training loss of each epoch.
    validation_loss_curve_ : list of float or None
        The validation loss of each epoch, NaN for epochs without a validation set that come before
        epochs with one; None if there never was one, as for the next.
    validation_scores_ : list of float or None
        The score of each epoch, see `scoring`.
    best_validation_score_ : float or None
        The highest score of the last fit, that of the weights kept; None if it had no validation
        set.
    n_layers_, n_outputs_ : int
        Number of layers, including input and output; of output units, one for two classes, else
        one per class.
    out_activation_ : {"logistic", "softmax"}
        The output's activation.

    See Also
    --------
    SequenceVectorizer : Turns texts into sequences of token ids.
    sklearn.neural_network.MLPClassifier : For rows without order.

    Notes
    -----
    `X` may be a 2-D array or data frame (univariate series, one step per column), a 3-D array
    (n_sequences, n_steps, n_features) whose trailing all-NaN steps are padding, or a list or 1-D
    object array of sequences of any length, (n_steps,) or (n_steps, n_features). With
    `embedding_dim`, a 2-D array or a list of sequences holds token ids from 0 to 2^31 - 1, where 0
    is padding and dropped; id 1 and all ids that fit has not seen share one embedding.

    A prediction depends only on its sequence and the model: it has the same bits in any batch, in
    any order and with any number of threads. If a call raises, the estimator is as it was before.

    Examples
    --------
    >>> from seqnets import RecurrentClassifier
    >>> rising, falling = [[1.0, 2.0, 4.0], [0.0, 1.0]], [[3.0, 2.0, 1.0, 0.0], [2.0, 0.0]]
    >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(
    ...     rising + falling, ["up", "up", "down", "down"])
    >>> clf.predict([[0.5, 1.5, 2.5]])
    array(['up'], dtype='<U4')
    """

    _parameter_constraints: ClassVar[dict] = CONSTRAINTS

    def __init__(
        self,
        cell: str = "lstm",
        hidden_layer_sizes: int | Sequence[int] | np.ndarray = (64,),
        *,
        bidirectional: bool = False,
        pooling: str = "auto",
        embedding_dim: int | None = None,
        embeddings: Any = None,
        train_embeddings: bool = True,
        dropout: float | str = "auto",
        recurrent_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate: str = "auto",
        learning_rate_init: float | str = "auto",
        power_t: float = 0.5,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        max_grad_norm: float | None = 1.0,
        bptt_steps: int | None = None,
        max_iter: int = 200,
        shuffle: bool = True,
        tol: float = 1e-4,
        n_iter_no_change: float | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        scoring: str | Callable | None = "loss",
        class_weight: dict | str | None = None,
        warm_start: bool = False,
        dtype: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.cell = cell
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.embedding_dim = embedding_dim
        self.embeddings = embeddings
        self.train_embeddings = train_embeddings
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.embedding_dropout = embedding_dropout
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.max_grad_norm = max_grad_norm
        self.bptt_steps = bptt_steps
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @atomic
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> RecurrentClassifier:
        """Fit the network to sequences and their labels.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_features), \
                or list of array-like
            The sequences; see Notes of the class.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Their labels, strings or numbers; there may be only one class. If 2-D, zeros and ones
            that say which of several labels each sequence has.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0. Sequences of weight 0 are checked and then left out.
        X_val, y_val, sample_weight_val : array-like, default=None
            A validation set for early stopping, like `X`, `y` and `sample_weight`. In a
            `Pipeline(..., transform_input=["X_val"])`, with metadata routing enabled, `X_val` is
            transformed as `X` is.

        Returns
        -------
        self : RecurrentClassifier
            The fitted classifier.

        Raises
        ------
        TypeError
            If `X` holds strings or dates, is sparse, or is not a list or array, or if anything is a
            masked array.
        ValueError
            If a parameter, a value in `X`, a shape or a label is not allowed, or if training
            diverges.
        KeyboardInterrupt
            On Ctrl-C before the first epoch has ended; later, the best epoch's weights (without a
            validation set, the last weights) are kept, with a warning.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0)
        >>> clf.fit(X, y).score(X, y)
        1.0
        """
        fit_network(self, X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self

    @atomic
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> RecurrentClassifier:
        """Train for one epoch on these sequences, continuing from the current state.

        After a fit without `warm_start=True`, the optimizer starts anew. Series are standardized as
        in the first call. New tokens are added to the embedding; each call costs time for all of
        it, so pass batches. There is no early stopping: find out with data held out how many passes
        help; on review sentences, more than four overfit.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_features), \
                or list of array-like
            Some sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Their labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will occur; required in the first call. For multilabel y, those of the
            columns in order, which must be sorted: ``np.arange(n_labels)``, as fit would have it.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0.

        Returns
        -------
        self : RecurrentClassifier
            The classifier.

        Raises
        ------
        TypeError, ValueError, KeyboardInterrupt
            As for fit; and if a parameter needs all data at once: `early_stopping=True`,
            `class_weight="balanced"` and the learning rates "adaptive" and "cosine".

        Examples
        --------
        >>> clf = RecurrentClassifier("gru", 8, random_state=0)
        >>> clf = clf.partial_fit([[0, 1, 2], [2, 1]], ["up", "down"], classes=["down", "up"])
        >>> clf.partial_fit([[1, 3], [3, 1, 0]], ["up", "down"]).n_iter_
        2
        """
        partial_fit_network(self, X, y, classes, sample_weight)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.multi_label = True
        return tags
