"""Rows on real text: an IMDB epoch, its predictions, a grid search, one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from .data import CELLS, LEARNING_RATE, Data, Task, read_reviews
from .timing import THREADS, Result, Row, Run, Settings, Turn, fastest, paired, result, seconds

BATCH, WIDTH, LONGEST, N_WORDS = 32, 64, 400, 20_000
TRIAL = 4 * BATCH  # reviews on which PyTorch's ways are tried


def rows() -> dict[str, Row]:
    """The rows by name."""
    found: dict[str, Row] = {}
    for cell in CELLS:
        found[f"imdb epoch {cell}"] = partial(imdb, cell=cell, predicts=False)
        found[f"imdb predict {cell}"] = partial(imdb, cell=cell, predicts=True)
        found[f"one sentence {cell}"] = partial(one_sentence, cell=cell)
    return found | {"grid search": grid_search}


def read_imdb(n: int) -> tuple[np.ndarray, Data]:
    """Reviews as `RecurrentClassifier` takes them, and padded; ids from 1 to N_WORDS."""
    from seqnets import SequenceVectorizer

    texts, labels = read_reviews("imdb", n)
    X = SequenceVectorizer(max_features=N_WORDS - 1, max_length=LONGEST).fit_transform(texts)
    return X, padded(X, labels)


def padded(X: Sequence[np.ndarray] | np.ndarray, y: np.ndarray) -> Data:
    """The sequences as PyTorch takes them."""
    lengths = np.array([len(x) for x in X])
    tokens = np.zeros((len(X), lengths.max()), dtype=np.int64)
    tokens[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(X)
    return Data(tokens, lengths, y.astype(np.float64))


def classifier(cell: str, max_iter: int, threads: int | None = None) -> Any:
    """Our classifier, without what the others don't do."""
    from seqnets import RecurrentClassifier

    return RecurrentClassifier(
        cell,
        WIDTH,
        embedding_dim=WIDTH,
        dropout=0.0,
        alpha=0.0,
        learning_rate_init=LEARNING_RATE,
        batch_size=BATCH,
        max_iter=max_iter,
        early_stopping=False,
        n_iter_no_change=max_iter,
        n_jobs=threads,
        random_state=0,
    )


def make_minibatches(
    lengths: np.ndarray, bucketed: bool, random: np.random.RandomState
) -> Iterator:
    """Minibatches: shuffled, or like ours, of similar lengths among 16 batches at a time."""
    if bucketed:
        from seqnets.batches import minibatches

        return minibatches(lengths, BATCH, random)
    shuffled = random.permutation(lengths.size)
    return iter([shuffled[i : i + BATCH] for i in range(0, lengths.size, BATCH)])


class TorchEpochs:
    """An epoch of PyTorch over all of the data, and its predictions."""

    def __init__(self, cell: str, data: Data, packed: bool, sparse: bool, bucketed: bool) -> None:
        from .pytorch import Model, Trainer

        task = Task(cell, BATCH, LONGEST, WIDTH, WIDTH, N_WORDS, True, "max")
        self.trainer = Trainer(Model(task, packed, sparse), data)
        self.bucketed, self.lengths = bucketed, data.lengths
        self.random = np.random.RandomState(0)

    def epoch(self, n: int | None = None) -> None:
        for chosen in make_minibatches(self.lengths[:n], self.bucketed, self.random):
            self.trainer.step(chosen)

    def predict(self, n: int | None = None) -> np.ndarray:
        """Probabilities, in batches of 128 by length."""
        import torch

        order = np.argsort(-self.lengths[:n], kind="stable")
        probabilities = np.empty(order.size)
        with torch.inference_mode():
            for start in range(0, order.size, 4 * BATCH):
                chosen = torch.from_numpy(order[start : start + 4 * BATCH])
                lengths = self.trainer.lengths[chosen]
                x = self.trainer.x[: lengths[0]].index_select(1, chosen)
                logits = self.trainer.model(x, lengths)[:, 0]
                probabilities[chosen.numpy()] = torch.sigmoid(logits).numpy()
        return probabilities


WAYS = {  # packed, sparse, bucketed
    "PyTorch (padded, sparse, bucketed)": (False, True, True),
    "PyTorch (packed, sparse, bucketed)": (True, True, True),
    "PyTorch (packed, sparse)": (True, True, False),
    "PyTorch (packed, bucketed)": (True, False, True),
}


def imdb(row: str, settings: Settings, cell: str, predicts: bool) -> list[Result]:
    """An epoch, or predictions, beside PyTorch's best way and skorch."""
    import torch

    from .others import skorch_classifier

    torch.set_num_threads(settings.threads)
    X, data = read_imdb(settings.reviews)
    y = data.y.astype(np.int64)
    ways = {name: TorchEpochs(cell, data, *way) for name, way in WAYS.items()}
    trials = {
        name: partial(seconds, way.predict if predicts else way.epoch, TRIAL)
        for name, way in ways.items()
    }
    best = fastest(trials)
    ours = classifier(cell, 1, settings.threads).fit(X[:TRIAL], y[:TRIAL])
    theirs = skorch_classifier(cell, N_WORDS, WIDTH, 1, "packed" in best)
    theirs.fit(data.padded[:TRIAL], y[:TRIAL])
    runs: list[Run]
    if predicts:
        ours.fit(X, y)
        runs = [partial(ours.predict, X), ways[best].predict, partial(theirs.predict, data.padded)]
    else:
        runs = [partial(ours.fit, X, y), ways[best].epoch, partial(theirs.fit, data.padded, y)]
    taken = paired([partial(seconds, run) for run in runs], settings.long_pairs)
    return [
        result(row, settings, best, taken[:, [0, 1]]),
        result(row, settings, "skorch", taken[:, [0, 2]]),
    ]


def one_sentence(row: str, settings: Settings, cell: str) -> list[Result]:
    """predict_proba of one sentence of 30 words, ids to probabilities."""
    import torch

    from .others import onnx_probability, skorch_classifier

    torch.set_num_threads(settings.threads)
    X, data = read_imdb(2 * BATCH)
    y = np.arange(len(X)) % 2
    ours = classifier(cell, 1, settings.threads).fit(X, y)
    theirs = skorch_classifier(cell, N_WORDS, WIDTH, 1).fit(data.padded, y)
    model = TorchEpochs(cell, data, False, False, False).trainer.model.eval()
    sentence = data.padded[:1, :30]
    ids, lengths = torch.from_numpy(sentence.T.copy()), torch.tensor([30])

    @torch.inference_mode()
    def bare() -> np.ndarray:
        return torch.sigmoid(model(ids, lengths)).numpy()

    onnx = onnx_probability(model, 30, settings.threads)
    np.testing.assert_allclose(onnx(ids.numpy()), bare(), atol=1e-5)
    turns = {
        "ours": partial(ours.predict_proba, sentence),
        "PyTorch": bare,
        "skorch": partial(theirs.predict_proba, sentence),
        "ONNX Runtime": partial(onnx, ids.numpy()),
    }
    taken = paired([Turn(run, 0.03) for run in turns.values()], settings.pairs)
    return [result(row, settings, name, taken[:, [0, i]]) for i, name in enumerate(turns) if i > 0]


def grid_search(row: str, settings: Settings) -> list[Result]:
    """3 cells by 3 folds on movie-review sentences, 3 epochs a fit, `threads` folds at a time."""
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    from seqnets import SequenceVectorizer

    from .others import skorch_classifier

    os.environ["PYTHONWARNINGS"] = "ignore"  # of the workers: three epochs do not converge
    for variable in THREADS:
        os.environ[variable] = "1"  # in each worker; with more, they would wait for each other
    texts, y = read_reviews("rotten_tomatoes", 600 if settings.quick else None)

    def search(steps: list, cells: str, n: int | None = None) -> None:
        grid = {cells: list(CELLS)}
        model = make_pipeline(*steps)
        GridSearchCV(model, grid, cv=3, n_jobs=settings.threads).fit(texts[:n], y[:n])

    as_padded = SequenceVectorizer(max_features=N_WORDS - 1, output="padded")
    ids = as_padded.fit_transform(texts).astype(np.int64)
    trials = {
        packed: skorch_classifier("lstm", N_WORDS, WIDTH, 1, packed) for packed in (False, True)
    }
    few = slice(4 * BATCH)
    packed = fastest({p: partial(seconds, net.fit, ids[few], y[few]) for p, net in trials.items()})
    theirs = [as_padded, skorch_classifier("lstm", N_WORDS, WIDTH, 3, packed)]
    ours = [SequenceVectorizer(max_features=N_WORDS - 1), classifier("lstm", 3)]
    runs = [
        partial(search, ours, "recurrentclassifier__cell"),
        partial(search, theirs, "neuralnetclassifier__module__cell"),
    ]
    for run in runs:
        run(200)  # starts the workers, which import and compile
    taken = paired([partial(seconds, run) for run in runs], settings.long_pairs)
    get_reusable_executor().shutdown()  # a process of multiprocessing waits for its children
    return [result(row, settings, "skorch", taken)]
