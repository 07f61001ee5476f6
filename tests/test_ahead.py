"""What is compiled ahead is all that a fit and a prediction need."""

import numpy as np
import pytest
from numba.core import event

import seqnets

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.mark.parametrize(
    ("parameters", "n_classes", "n_steps"),
    [
        ({"cell": "rnn", "embedding_dim": 3, "warm_start": True}, 3, (120, 150)),
        ({"cell": "rnn", "bidirectional": True, "solver": "sgd"}, 2, (120, 150)),
        ({"cell": "rnn", "bidirectional": True, "solver": "sgd"}, 2, (5, 30)),
    ],
)
def test_nothing_is_left_to_compile(parameters, n_classes, n_steps):
    seqnets.warmup(**parameters)
    random = np.random.RandomState(0)
    X = [random.randint(1, 9, size=T) for T in random.randint(*n_steps, 24)]
    if "embedding_dim" not in parameters:
        X = [x.astype(float) for x in X]
    y = np.arange(24) % n_classes

    clf = seqnets.RecurrentClassifier(**parameters, max_iter=2, early_stopping=True)
    with event.install_recorder("numba:compile") as compilations:
        clf.fit(X, y).predict_proba(X[:3])
    assert not {each.data["dispatcher"].py_func.__name__ for _, each in compilations.buffer}


def test_what_is_compiled_is_what_is_asked_for():
    with pytest.raises(ValueError, match="cell"):
        seqnets.warmup(cell="cnn")
    with pytest.raises(TypeError, match="cells"):
        seqnets.warmup(cells="rnn")
