"""What several tests share."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import ThreadpoolController

from seqnets import batches, inference

# A run in the background of a shell without job control has Ctrl-C ignored, and so would its
# children: then tests that interrupt wait for what never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def several_blocks(monkeypatch):
    """Cut short sequences into blocks as if they were long, so that small data has several."""
    monkeypatch.setattr(batches, "BLOCK_STEPS", 0)
    monkeypatch.setattr(inference, "PREDICT_ROWS", batches.BLOCK_ROWS)


@pytest.fixture
def two_blas_threads():
    """As if the process had begun with two, wherever it runs: beside one, a limit shows nothing.

    They are set by a thread that ends then, for one that lives on would be the only one to change
    them, as a test before may have left ours.
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
