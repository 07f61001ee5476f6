"""RecurrentClassifier: its parameters, its attributes, fit and partial_fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from .estimators import CallbackSupportMixin, checked_fit
from .fitting import fit_network, partial_fit_network
from .inside import InsideMixin
from .parameters import CONSTRAINTS


class RecurrentClassifier(CallbackSupportMixin, InsideMixin, ClassifierMixin, BaseEstimator):
    """Recurrent neural network classifier of sequences: RNN, LSTM, GRU or minGRU.

    The network reads each sequence step by step and carries a state from one step to the next, so
    order matters. A dense layer on the pooled states gives the label: softmax, or logistic for two
    classes and for multilabel y. Trained by backpropagation through time on the cross-entropy.

    Parameters
    ----------
    cell : {"rnn", "lstm", "gru", "mingru"}, default="lstm"
        The recurrent unit; in parentheses the order of its gates in `parameters_`.
        "rnn": tanh (Elman 1990).
        "lstm" (i, f, o, g): input, forget and output gate, candidate (Gers et al. 2000).
        "gru" (r, z, n): reset gate (applied after W_h), update gate, candidate (Cho et al. 2014).
        "mingru" (z, n): a gate of the input alone, no W_h; fast, stack two (Feng et al. 2024).
    hidden_layer_sizes : int or array-like of int, default=(64,)
        The number of units of each recurrent layer, the lowest first.
    bidirectional : bool, default=False
        Whether each layer is paired with a second one of the same size, which reads every sequence
        backward, from its end (Schuster & Paliwal 1997).
    pooling : {"auto", "last", "mean", "max", "attention"}, default="auto"
        How the top layer's states at all steps become one vector: the last state, their mean,
        their elementwise maximum, or a mean with learned weights (Bahdanau et al. 2015; Yang et
        al. 2016), see `attention_weights`. For a layer that reads backward, "last" is its state
        at the first step. "auto": "last" for series of at most 40 steps on average; else "max",
        which does not tell which step was the last: if the end decides, set "last".
    embedding_dim : int, default=None
        None: `X` holds numeric series. An int: `X` holds token ids, each of which gets a learned
        vector of this length.
    embeddings : array-like of shape (n_ids, embedding_dim), default=None
        Pretrained vectors to start from (not in a warm start), row i for id i, as
        `embedding_matrix` makes them for a vocabulary (which the vectorizer must be given, too).
        Ids beyond the last row are an error; ids that fit has not seen keep their vectors.
    train_embeddings : bool, default=True
        Whether training changes the embeddings.
    dropout : float or "auto", default="auto"
        Probability, in [0, 1), of dropping each input of a layer, the dense one included, while
        training; not the numbers of series. One mask serves all steps of a sequence or, for
        embeddings, a token wherever it is in a block of the minibatch. "auto": tokens 0.3, else 0.
    recurrent_dropout : float or "auto", default="auto"
        Probability, in [0, 1), of dropping each number of a state before its product with W_h
        while training; one mask per sequence (Gal & Ghahramani 2016). "auto": 0.2 for an LSTM
        with at least 100 series to train on in a call, else 0, as it must be for "mingru" (no W_h).
    embedding_dropout : float, default=0.0
        Probability, in [0, 1), of dropping whole tokens while training. For tokens only.
    solver : {"adam", "adamw", "rmsprop", "sgd"}, default="adam"
        "adam" (Kingma & Ba 2015), "adamw" (with decoupled weight decay, Loshchilov & Hutter 2019),
        "rmsprop" (Tieleman & Hinton 2012) or stochastic gradient descent. In an embedding, an
        update changes only the rows of the tokens in the minibatch.
    alpha : float, default=0.0001
        Strength, at least 0, of the L2 penalty alpha / 2 * ||W||^2 on weight matrices (not
        embeddings or biases), divided by the weight of a minibatch on average (sample weights times
        class weights): scale weights to a mean of 1, since small ones make it strong. For "adamw",
        the weight decay: each update subtracts learning rate * alpha * W.
    batch_size : int or "auto", default="auto"
        The maximum number of sequences per minibatch; all minibatches are of like size. "auto": 32.
    learning_rate : {"auto", "constant", "invscaling", "adaptive", "cosine"}, default="auto"
        How the learning rate changes, for every solver. "invscaling": learning_rate_init /
        (t + 1)^power_t, where t is `t_` after each epoch. "adaptive": divided by 5, until at most
        1e-6, whenever training would otherwise stop for lack of improvement. "cosine": rises during
        the first 5% of `max_iter` epochs and falls to 0 over the rest, all of which are run;
        thousands of sequences need only a few epochs. "auto": "constant"; but in fit, for fewer
        than 100 series without a validation set, if `n_iter_no_change` is "auto" and `warm_start`
        is False, like "cosine", falling in the second half only.
    learning_rate_init : float or "auto", default="auto"
        The initial rate, above 0. "auto": "adam" and "adamw" 0.004, "rmsprop" 0.001, "sgd" 0.1.
    power_t : float, default=0.5
        The exponent of `learning_rate="invscaling"`, at least 0.
    momentum : float, default=0.9
        Momentum of solver "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether solver "sgd" uses Nesterov's momentum.
    beta_1 : float, default=0.9
        Decay of the first moment's estimate in "adam" and "adamw", in [0, 1).
    beta_2 : float, default=0.999
        Decay of the second moment's estimate in "adam", "adamw" and "rmsprop", in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of the second moment by "adam", "adamw" and "rmsprop"; above 0.
    max_grad_norm : float or None, default=1.0
        The norm, above 0, to which larger gradients are scaled (Pascanu et al. 2013), times the
        weight of a minibatch if it is heavier than average (not for "sgd"). None: never. With one
        or two sequences per minibatch, clipping can make probabilities of rare labels too small.
    bptt_steps : int, default=None
        Train in windows of this many steps, counted from the end of the longest of the sequences
        read together: the state is carried through all windows, but gradients flow back, and memory
        is needed, within one only (truncated BPTT, Williams & Peng 1990). Not if `bidirectional`.
    max_iter : int, default=200
        The maximum number of epochs, at least 1; the exact number if the learning rate falls to 0.
    shuffle : bool, default=True
        Whether to shuffle sequences in each epoch, and to batch those of similar lengths together.
    tol : float, default=1e-4
        Training stops when the loss (with a validation set: its score) has not improved by this
        much for more than `n_iter_no_change` epochs in a row; not if the learning rate falls to 0.
    n_iter_no_change : int, np.inf or "auto", default="auto"
        Epochs in a row that may pass without improvement, see `tol` (not with "cosine"). "auto":
        20; but with a validation set 10, for tokens 3, once the loss is below 0.9 times that of
        guessing by the frequencies of the classes.
    early_stopping : bool or "auto", default="auto"
        Whether to stop by the score on a validation set and keep the weights of the best epoch,
        which are a running mean over the updates of a few epochs (Polyak & Juditsky 1992). Unless
        fit is given `X_val`, a share of the sequences is set aside, stratified by class (not for
        multilabel y); a class with one member stays in training. "auto": True with `X_val`, or from
        1,000 sequences on if more than half of the share can be set aside. Fits with `warm_start`
        on the same sequences, with the same labels and weights of 0, set the same ones aside, and
        so does a first fit that had `warm_start`, too, or an integer as `random_state`.
    validation_fraction : float, default=0.1
        The share of the sequences that is set aside, in [0, 1).
    scoring : str, callable or None, default="loss"
        The score on the validation set, weighted by its sample and class weights: "loss" is the
        negative loss; else any scikit-learn scorer. None: the accuracy. The loss decides ties.
    class_weight : dict or "balanced", default=None
        Weights of the classes (1 if the dict lacks one), times `sample_weight`. "balanced": the sum
        of all sample weights / (n_classes * the sum of the class's own). Not for multilabel y.
    warm_start : bool, default=False
        Whether fit continues for `max_iter` more epochs where the previous fit left off: with its
        weights and standardization and, if that fit had `warm_start=True`, its optimizer and random
        numbers. The learning rates "adaptive" and "cosine" start over. With a validation set and
        scoring "loss", fit keeps the weights it began with if no epoch is better.
    dtype : {"auto", "float32", "float64"}, default="auto"
        The network's precision. "auto": float32 for tokens and for float32 series, else float64.
    n_jobs : int, default=None
        Number of threads, which does not affect results. None: OMP_NUM_THREADS or, if it is not
        set, one per physical core that this process may use; in joblib's workers, as many as joblib
        allows. -1: the same, but all of them in joblib's threads, too; -2: one less, and so on.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, validation set, order of the sequences and dropout.
    verbose : bool or int, default=False
        Whether to print a line per epoch. Inside a search, or for a progress bar, see
        `set_callbacks` (scikit-learn 1.9).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels; for multilabel y, its column numbers, or `classes` of `partial_fit`.
    n_features_in_ : int
        Steps of 2-D series (one per column), features of 3-D and ragged ones; not set for tokens.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if they are strings, of series in a data frame or in a list of them.
    parameters_ : dict of str to ndarray
        The weights by name: "embedding" (1 + n_tokens, embedding_dim), row 0 for unknown tokens,
        row i + 1 for token_ids_[i]; "layer0.W_x" (n_inputs, n_gates * n_units), "layer0.W_h"
        (n_units, n_gates * n_units; not for minGRU), "layer0.b" (n_gates * n_units,), for a GRU
        "layer0.b_h" (n_units,), for a second direction "layer0.reverse.W_x", ...; then, with n the
        top layer's units in all directions, for attention pooling "attention.W" (n, n),
        "attention.b" (n,), "attention.v" (n, 1); "dense.W" (n, n_outputs_), "dense.b"
        (n_outputs_,). PyTorch's weight_ih and weight_hh are the transposes of W_x and W_h, its LSTM
        has the order i, f, g, o; b is bias_ih + bias_hh, except for the GRU's candidate n, where b
        is bias_ih and b_h is bias_hh.
    token_ids_ : ndarray of shape (n_tokens,), int64
        The ids that have a row in the embedding, in ascending order; not set for series.
    input_mean_, input_scale_ : ndarray of shape (n_channels,), float64
        The network reads series as (x - input_mean_) / input_scale_, clipped to [-1e9, 1e9]: mean
        0 and standard deviation 1 on the training set, weighted by sample and class weights
        (channels that never change there: 0, with a power of two as scale); not set for tokens.
    n_iter_ : int
        Number of epochs run; like the curves, it includes those before a warm start or partial_fit.
    t_ : int
        Number of sequences seen in training; each counts once per epoch.
    loss_, best_loss_ : float
        The training loss, with the penalty, of the last epoch, and the lowest of any epoch.
    loss_curve_ : list of float
        The training loss of each epoch.
    validation_loss_curve_ : list of float or None
        The validation loss of each epoch; None if no epoch had a validation set, NaN for epochs
        without one that come before an epoch with one.
    validation_scores_ : list of float or None
        The same for the scores, see `scoring`.
    best_validation_score_ : float or None
        The highest score of the last fit, that of the weights kept; None if it had no validation
        set.
    n_layers_, n_outputs_ : int
        Number of layers, including input and output; number of output units: one for two classes
        that exclude each other, else one per class or label.
    out_activation_ : {"logistic", "softmax"}
        The activation of the output layer.
    pooling_ : {"last", "mean", "max", "attention"}
        The pooling in use: with `pooling="auto"`, the one that fit has chosen.

    See Also
    --------
    SequenceVectorizer : Turns texts into sequences of token ids.
    sklearn.neural_network.MLPClassifier : For rows without order.

    Notes
    -----
    `X` may be a 2-D array or data frame (univariate series, one step per column), a 3-D array
    (n_sequences, n_steps, n_features) whose trailing all-NaN steps are padding, or a list or 1-D
    object array of arrays of any length, (n_steps,) or (n_steps, n_features). Nested lists of equal
    length are a 2-D array, others sequences of any length. With `embedding_dim`, a 2-D array or
    sequences (n_steps,) hold token ids from 0 to 2^31 - 1, where 0 is padding and dropped; id 1 and
    all ids that are not in `token_ids_` share one embedding.

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
        recurrent_dropout: float | str = "auto",
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

    @checked_fit
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to sequences and their labels.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_features), \
                or list of array-like
            The sequences; see Notes of the class.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Their labels: strings, whole numbers, booleans or dates; a single class is allowed. If
            2-D (multilabel), zeros and ones that say which of several labels each sequence has.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0. Sequences of weight 0 are checked and left out, so a class of which
            all weigh 0 is unknown; with `class_weight={label: 0}`, it stays among `classes_`.
        X_val, y_val, sample_weight_val : array-like, default=None
            A validation set for early stopping, like `X`, `y` and `sample_weight`. A
            `Pipeline(..., transform_input=["X_val"])` transforms `X_val` as it does `X`, if
            metadata routing is enabled.

        Returns
        -------
        self : RecurrentClassifier
            The fitted classifier.

        Raises
        ------
        TypeError
            If `X` holds strings or dates, is sparse or not a list or array, if weights are strings,
            dates or a mapping, if `embeddings` is a mapping, or if any argument is a masked array.
        ValueError
            If a parameter, a value in `X`, a shape or a label is not allowed, or if training
            diverges.
        KeyboardInterrupt
            On Ctrl-C before the first epoch has ended; later, fit ends with a warning and keeps the
            best epoch's weights (without a validation set, the last weights).

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0)
        >>> clf.fit(X, y).score(X, y)
        1.0
        """
        fit_network(self, X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self

    @checked_fit
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on these sequences, continuing from the current state.

        After a fit without `warm_start=True`, the optimizer starts anew. Series are standardized as
        in the first call. New tokens are added to the embedding; each call takes time for all of
        it, so pass batches. No early stopping: find out on held-out data how many passes help; on
        review sentences, more than four overfit. Of two calls at once, the last to end counts.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_features), \
                or list of array-like
            Some sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Their labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will occur; required in the first call. For multilabel y, the names of
            its columns, which must be sorted; ``np.arange(n_labels)`` names them as fit does.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights, at least 0, relative to their mean in all calls so far, that of `fit` too.

        Returns
        -------
        self : RecurrentClassifier
            The classifier.

        Raises
        ------
        TypeError, ValueError, KeyboardInterrupt
            As for fit; ValueError also for a parameter that needs all data or epochs at once:
            `early_stopping=True`, `class_weight="balanced"`, learning rate "adaptive" or "cosine".

        Examples
        --------
        >>> clf = RecurrentClassifier("gru", 8, random_state=0)
        >>> clf = clf.partial_fit([[0, 1, 2], [2, 1]], ["up", "down"], classes=["down", "up"])
        >>> clf.partial_fit([[1, 3], [3, 1, 0]], ["up", "down"]).n_iter_
        2
        """
        partial_fit_network(self, X, y, classes, sample_weight)
        return self
