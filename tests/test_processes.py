"""A search in joblib's workers: results as without them, and no more threads than processors."""

import os
import time

import joblib
import numpy as np
import pytest
from helpers import run_python
from joblib import parallel_config
from naive import CELLS
from sklearn.model_selection import GridSearchCV
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from seqnets import RecurrentClassifier
from seqnets.estimators import effective_n_threads

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Python 3.12 warns of every fork in a process with threads; "multiprocessing" forks.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

N_JOBS = 2


def make(n, n_steps):
    """Token sequences of up to n_steps; one of two tokens tells the class."""
    random = np.random.RandomState(0)
    y = np.arange(n) % 2
    X = [random.randint(4, 50, size=T) for T in random.randint(2, n_steps + 1, n)]
    for x, label in zip(X, y, strict=True):
        x[random.randint(len(x))] = 2 + label
    return X, y


# These scorers return what a worker tells about itself between the fits.


def threads_here(estimator, X, y):
    return effective_n_threads(None)


def process_here(estimator, X, y):
    return os.getpid()


def processor_time_here(estimator, X, y):
    return time.process_time()


def search(n_jobs, size=(36, 4), parameters=None, pre_dispatch="2*n_jobs"):
    """The results of 4 cells x 3 folds."""
    parameters = parameters or {"hidden_layer_sizes": 3, "max_iter": 3, "embedding_dim": 3}
    scoring = {
        "accuracy": "accuracy",
        "loss": "neg_log_loss",
        "threads": threads_here,
        "process": process_here,
        "seconds": processor_time_here,
    }
    clf = RecurrentClassifier(random_state=0, **parameters)
    grid = {"cell": list(CELLS)}
    return GridSearchCV(
        clf, grid, cv=3, n_jobs=n_jobs, pre_dispatch=pre_dispatch, scoring=scoring, refit=False
    ).fit(*make(*size)).cv_results_  # fmt: skip


def of_folds(results, name):
    return np.array([results[f"split{i}_test_{name}"] for i in range(3)])


@pytest.fixture(scope="module")
def alone():
    """The results without workers, which will find on disk what is compiled here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)
        return search(n_jobs=1)


@pytest.mark.parametrize(
    "backend", [pytest.param("loky", marks=pytest.mark.compiled), "threading", "multiprocessing"]
)
def test_a_search_in_workers(backend, alone, monkeypatch):
    """Every score is the same, to the last bit, and workers * threads are not too many."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with parallel_config(backend):
        results = search(N_JOBS)
    assert_same_scores(results, alone)
    processes = set(of_folds(results, "process").ravel())
    assert (os.getpid() in processes) == (backend == "threading")
    assert len(processes) <= N_JOBS
    threads = of_folds(results, "threads")
    assert (N_JOBS * threads).max() <= max(N_JOBS, joblib.cpu_count())
    if backend != "loky":  # which divides the processors among its workers
        assert set(threads.ravel()) == {1}


def assert_same_scores(results, alone):
    assert results["params"] == alone["params"]
    for name in ("accuracy", "loss"):
        np.testing.assert_array_equal(of_folds(results, name), of_folds(alone, name))
    assert len(set(of_folds(alone, "loss").ravel())) == 3 * len(CELLS)


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_search_in_dask_s_workers(alone, monkeypatch):
    distributed = pytest.importorskip("dask.distributed")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cluster = distributed.LocalCluster(N_JOBS, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster), parallel_config("dask"):
        results = search(N_JOBS)
    assert_same_scores(results, alone)
    processes = set(of_folds(results, "process").ravel())
    assert len(processes - {os.getpid()}) == N_JOBS
    assert (N_JOBS * of_folds(results, "threads")).max() <= max(N_JOBS, joblib.cpu_count())


def test_without_workers_all_threads_are_ours(alone, monkeypatch):
    """As many as scikit-learn's own compiled loops take."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert set(of_folds(alone, "threads").ravel()) == {_openmp_effective_n_threads()}


IN_WORKERS = """if True:
    from joblib import Parallel, delayed
    from seqnets.estimators import effective_n_threads
    for backend in ("threading", "multiprocessing"):
        print(*Parallel(2, backend=backend)(delayed(effective_n_threads)(None) for _ in range(2)))
"""


@pytest.mark.compiled  # it imports anew, as loky's workers do
def test_workers_mind_what_the_user_has_set():
    """OMP_NUM_THREADS is read when a process starts."""
    found = run_python(IN_WORKERS, PYTHONWARNINGS="ignore", OMP_NUM_THREADS="3")
    assert found.split() == ["3"] * 4


@pytest.mark.long
@pytest.mark.parametrize(("pre_dispatch", "most"), [(1, 1.25), ("2*n_jobs", 2.2)])
def test_busy_processors(pre_dispatch, most, monkeypatch, capsys):
    """Processor time over wall time: first with one task at a time, then with two.

    With two processors, only the first case can fail, since no more than two can be busy; and it
    shows nothing if others keep them busy. Its limit is 1.25: the idle worker collects its garbage.
    """
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    large = {"hidden_layer_sizes": 64, "embedding_dim": 64, "max_iter": 30, "batch_size": 100}
    with parallel_config("loky"):
        before = processor_times(search(N_JOBS))  # starts the workers, which load the kernels
        begin, ours = time.perf_counter(), time.process_time()
        after = processor_times(search(N_JOBS, (600, 40), large, pre_dispatch))
        wall, ours = time.perf_counter() - begin, time.process_time() - ours
    seconds = ours + sum(after[process] - before.get(process, 0) for process in after)
    with capsys.disabled():
        print(f"\n{seconds:.1f} s of processors in {wall:.1f} s", end=" ")
    assert seconds / wall < most * max(joblib.cpu_count() // N_JOBS, 1)


def processor_times(results):
    """The last reading of each worker."""
    last = {}
    readings = of_folds(results, "process").ravel(), of_folds(results, "seconds").ravel()
    for process, seconds in zip(*readings, strict=True):
        last[process] = max(seconds, last.get(process, 0))
    return last
