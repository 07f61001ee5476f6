"""What several tests share."""

import faulthandler
import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numba
import pytest
from threadpoolctl import ThreadpoolController

from seqnets import batches, inference

pytest.register_assert_rewrite("gradcheck", "helpers")  # whose asserts tell what they compared

# A run in the background of a shell without job control ignores Ctrl-C, and so would its children:
# then tests that interrupt would wait forever.
signal.signal(signal.SIGINT, signal.default_int_handler)

SECONDS, LONG = 600, 4 * 3600  # until a test counts as hanging; the soak alone takes an hour


def pytest_configure(config):
    """Keep the true stderr: during a test, pytest captures file descriptor 2.

    Where a distribution builds packages, there is no home, on purpose: then kernels need a place.
    """
    config.true_stderr = os.dup(2)
    if not numba.config.CACHE_DIR and not os.access(os.path.expanduser("~"), os.W_OK):
        place = tempfile.TemporaryDirectory()
        config.add_cleanup(place.cleanup)
        os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = place.name


def pytest_collection_modifyitems(config, items):
    """As plain Python, what needs compiled code's speed would take hours."""
    if getattr(numba.config, "DISABLE_JIT", False):  # NUMBA_DISABLE_JIT
        plain, compiled = [], []
        for item in items:
            (compiled if item.get_closest_marker("compiled") else plain).append(item)
        config.hook.pytest_deselected(items=compiled)
        items[:] = plain


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """A test that hangs (or a fixture of its module) shows where, and ends the whole run.

    Nothing else would end it: a deadlock in C or in a thread that is waited for sees no exception.
    """
    seconds = LONG if item.get_closest_marker("long") else SECONDS
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.true_stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def several_blocks(monkeypatch):
    """Cut short sequences into blocks as if they were long, so that small data has several."""
    monkeypatch.setattr(batches, "BLOCK_STEPS", 0)
    monkeypatch.setattr(inference, "PREDICT_ROWS", batches.BLOCK_ROWS)


@pytest.fixture
def two_blas_threads():
    """As if the process had begun with two, wherever it runs: with one, a limit shows nothing.

    A thread sets them and ends, since only the last thread to set a limit may change it while it
    lives. An earlier test may have left ours in this role.
    """
    blas = ThreadpoolController().select(user_api="blas")
    for library in blas.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):  # threadpoolctl 3.8
            library.clear_controlling_thread(force=True)
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(blas.limit, limits=2).result()
    assert all(library["num_threads"] == 2 for library in blas.info())
    yield
    begun.restore_original_limits()
