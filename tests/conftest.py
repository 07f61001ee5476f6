"""What several tests share."""

import signal

import pytest

from seqnets import batches, inference

# A run in the background of a shell without job control has Ctrl-C ignored, and so would its
# children: then tests that interrupt wait for what never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def several_blocks(monkeypatch):
    """Cut short sequences into blocks as if they were long, so that small data has several."""
    monkeypatch.setattr(batches, "BLOCK_STEPS", 0)
    monkeypatch.setattr(inference, "PREDICT_ROWS", batches.BLOCK_ROWS)
