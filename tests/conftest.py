"""What several tests share."""

import pytest

from seqnets import batches


@pytest.fixture
def several_blocks(monkeypatch):
    """Cut short sequences into blocks as if they were long, so that small data has several."""
    monkeypatch.setattr(batches, "BLOCK_STEPS", 0)
