"""Ctrl-C: training ends at once, and its last model stays; before there is one, nothing changes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process"),
]

# Runs one case after the other. A signal is due when it prints the line of epoch 2 or "now".
CHILD = """
import json
import sys
import time
import warnings

import numpy as np

from seqnets import RecurrentClassifier
from seqnets.batches import blocks
from seqnets.training import Trainer

N, FEW, BATCH = 1500, 33, 128
assert len(blocks(np.full(BATCH, 20))) == 2  # which two threads share
random = np.random.RandomState(0)
Y = random.randint(0, 2, N)
step = Trainer.step


class Slow(list):
    def __iter__(self):
        print("now", flush=True)
        time.sleep(60)


def first_step(*arguments):
    Trainer.step = step
    print("now", flush=True)
    return step(*arguments)


def tell(case, clf, train, X, finds):
    before, error = dict(vars(clf)), None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            train(X, Y)
        except KeyboardInterrupt:
            error = "KeyboardInterrupt"
    print(json.dumps({"case": case}), flush=True)
    after = vars(clf)
    result = {
        "error": error,
        "warnings": [f"{w.category.__name__}: {w.message}" for w in caught],
        "unchanged": after.keys() == before.keys() and all(after[k] is before[k] for k in after),
        "n_iter": clf.n_iter_,
        "finite": bool(np.isfinite(clf.predict_log_proba(finds)).all()),
    }
    clf.set_params(warm_start=True, max_iter=2, verbose=0).fit(finds, Y[: len(finds)])
    print(json.dumps(result | {"n_iter_later": clf.n_iter_}), flush=True)


warnings.simplefilter("ignore")
for kind, X in {
    "series": random.normal(size=(N, 20)), "tokens": random.randint(1, 200, size=(N, 20))
}.items():
    clf = RecurrentClassifier(
        "gru", 16, embedding_dim=None if kind == "series" else 8, random_state=0,
        n_jobs=int(sys.argv[1]), tol=0.0, n_iter_no_change=10**6, batch_size=BATCH,
    )
    for early_stopping in (False, True):
        clf.set_params(early_stopping=early_stopping, max_iter=10**6, verbose=1, warm_start=False)
        tell(f"{kind}, early_stopping={early_stopping}", clf, clf.fit, X, X[:FEW])
    clf.set_params(early_stopping=False, max_iter=3, warm_start=False).fit(X[:FEW], Y[:FEW])
    Trainer.step = first_step
    tell(f"{kind}, partial_fit", clf.set_params(batch_size=1), clf.partial_fit, X, X[:FEW])
    clf.set_params(batch_size=BATCH, max_iter=3, warm_start=False).fit(X[:FEW], Y[:FEW])
    tell(f"{kind}, reading X", clf, clf.fit, Slow(X), X[:FEW])
"""


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_ends_training_within_a_second(n_jobs):
    """A fit ends within a second, with a model, a warning and the true n_iter_."""
    command = [sys.executable, "-c", CHILD, str(n_jobs)]
    expected = [
        f"{kind}, {case}"
        for kind in ("series", "tokens")
        for case in ("early_stopping=False", "early_stopping=True", "partial_fit", "reading X")
    ]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        n_epochs, sent, cases = 0, None, []
        for line in process.stdout:
            n_epochs += line.startswith("epoch")
            if line.startswith("epoch 2/") or line == "now\n":
                process.send_signal(signal.SIGINT)
                sent = time.monotonic()
            elif line.startswith('{"case"'):
                seconds = time.monotonic() - sent
                cases.append(json.loads(line)["case"])
                assert seconds < 1, cases[-1]
            elif line.startswith("{"):
                check(cases[-1], json.loads(line), n_epochs)
                n_epochs = 0
    assert process.returncode == 0
    assert cases == expected


def check(case, found, n_epochs):
    if "early_stopping" not in case:
        assert found["error"] == "KeyboardInterrupt", case
        assert found["warnings"] == [], case
        assert found["unchanged"], case
        assert n_epochs == 0, case
        assert found["n_iter"] == 3, case  # of the fit before
    else:
        assert found["error"] is None, case
        assert found["warnings"] == ["UserWarning: Training interrupted by user."], case
        assert 2 <= n_epochs < 20, case  # lines are printed at once
        assert found["n_iter"] == n_epochs, case
    assert found["finite"], case
    assert found["n_iter_later"] == found["n_iter"] + 2, case  # training can go on
