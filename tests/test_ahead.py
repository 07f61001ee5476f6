"""What is compiled ahead is all that a fit and a prediction need."""

import pytest
from helpers import run_python

import seqnets

pytestmark = [
    pytest.mark.compiled,
]

# In a process of its own: this one may have compiled anything before.
LEFT = """
import sys, warnings
import numpy as np
import seqnets

random = np.random.RandomState(0)


def ready():
    rooms = [room for name, room in sys.modules.items() if name.startswith("seqnets.")]
    kernels = [f for room in rooms for f in vars(room).values() if hasattr(f, "signatures")]
    return {(f.__name__, types) for f in kernels for types in f.signatures}


no_matter = {"class_weight": {"yes": 2}, "scoring": "roc_auc", "validation_fraction": 0.01}
no_matter |= {"early_stopping": False, "warm_start": True, "verbose": True, "batch_size": 1}
for parameters, n_classes, n_steps in [
    ({"cell": "rnn", "embedding_dim": 3}, 3, (120, 150)),
    ({"cell": "rnn", "bidirectional": True, "solver": "sgd"}, 2, (120, 150)),
    ({"cell": "rnn", "bidirectional": True, "solver": "sgd"}, 3, (5, 30)),
    ({"cell": "rnn", "pooling": "mean"}, 2, (5, 30)),
]:
    warnings.simplefilter("error")
    seqnets.warmup(**parameters, **no_matter)
    assert warnings.filters[0][0] == "error"
    warnings.simplefilter("ignore")
    before = ready()
    X = [random.randint(1, 9, size=T) for T in random.randint(*n_steps, 24)]
    if "embedding_dim" not in parameters:
        X = [x.astype(float) for x in X]
    clf = seqnets.RecurrentClassifier(**parameters, max_iter=2, early_stopping=True)
    clf.fit(X, np.arange(24) % n_classes).predict_proba(X[:3])
    print(len(before) > 0, ready() - before)
"""


def test_nothing_is_left_to_compile():
    assert run_python(LEFT) == 4 * "True set()\n"


def test_what_is_compiled_is_what_is_asked_for():
    with pytest.raises(ValueError, match="cell"):
        seqnets.warmup(cell="cnn")
    with pytest.raises(TypeError, match="cells"):
        seqnets.warmup(cells="rnn")
