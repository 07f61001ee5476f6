"""Ragged sequences, and the sorted batches, blocks and minibatches that are cut from them."""

import numpy as np
import pytest
from helpers import with_peak_memory

from seqnets import batches
from seqnets.batches import (
    BLOCK_ROWS,
    MAX_SINGLE_BLOCK_STEPS,
    POOL,
    Sequences,
    blocks,
    distinct,
    make_batch,
    minibatches,
)
from seqnets.products import TILE_ROWS

LENGTHS = [2, 0, 5, 3, 5, 0, 1]
D = 2

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])


def make(kind, lengths=LENGTHS):
    """The same sequences, one by one and joined; all numbers of series differ, none is zero."""
    total = sum(lengths)
    values = 1.0 + np.arange(total * D).reshape(total, D)
    if kind == "tokens":
        values = np.random.RandomState(0).randint(3, 7, total)
    offsets = np.cumsum([0, *lengths])
    return np.split(values, offsets[1:-1]), Sequences(values, offsets)


def unpacked(batch):
    """What the layers read, for (T, B); where a sequence has ended, 0 in series, -1 in tokens."""
    T, B = batch.n_active.size, batch.lengths.size
    if batch.lookup is None:
        return batch.x.reshape(T, B, D)
    assert batch.lookup.shape == (T, B)
    return np.where(batch.lookup < 0, -1, np.append(batch.x, 0)[batch.lookup])


# ------------------------------------------------------------------------------ sequences


@each_kind
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5, 6], [4, 1, 1, 0, 5], [5], [6, 2], []], ids=str)
def test_taken_rows_are_the_sequences_in_that_order(kind, rows):
    single, sequences = make(kind)
    taken = sequences.take(np.array(rows, dtype=int))
    assert taken.lengths.tolist() == [LENGTHS[row] for row in rows]
    assert taken.values.dtype == sequences.values.dtype
    assert taken.values.ndim == sequences.values.ndim
    for found, row in zip(np.split(taken.values, taken.offsets[1:-1]), rows, strict=False):
        np.testing.assert_array_equal(found, single[row])


# -------------------------------------------------------------------------------- batches


@each_kind
@pytest.mark.parametrize(
    "rows", [[0, 1, 2, 3, 4, 5, 6], [3, 2, 4, 0], [6, 1, 3], [2, 2, 5, 0, 0], [5, 1], [0]], ids=str
)
def test_a_batch_holds_its_sequences(kind, rows):
    single, sequences = make(kind)
    batch = make_batch(sequences, np.array(rows))
    n, B, T = len(rows), batch.lengths.size, max(LENGTHS[row] for row in rows)
    # Longest first, equals in the given order.
    assert batch.rows.tolist() == sorted(rows, key=lambda row: -LENGTHS[row])
    assert B % TILE_ROWS == 0
    assert n <= B < n + TILE_ROWS
    assert batch.lengths.tolist() == [LENGTHS[row] for row in batch.rows] + [0] * (B - n)
    assert batch.n_active.tolist() == [sum(LENGTHS[row] > t for row in rows) for t in range(T)]
    found = unpacked(batch)
    for place in range(B):
        length = batch.lengths[place]
        expected = single[batch.rows[place]] if place < n else []
        np.testing.assert_array_equal(found[:length, place].ravel(), np.ravel(expected))
        assert (found[length:, place] == (0 if kind == "series" else -1)).all()


def test_every_distinct_token_stands_once():
    sequences = Sequences(np.array([7, 5, 7, 9, 5, 8, 5]), np.array([0, 3, 5, 6, 7]))
    batch = make_batch(sequences, np.array([0, 1, 3]))
    assert batch.x.tolist() == [5, 7, 9]
    assert batch.lookup.tolist() == [[1, 2, 0, -1], [0, 0, -1, -1], [1, -1, -1, -1]]


@pytest.mark.parametrize("tokens", [[], [3], [7, 5, 7, 9, 5, 8, 5, 0], [9, 10**6, 9]])
def test_distinct_tokens_are_in_order_and_each_is_found(tokens):
    tokens = np.array(tokens, dtype=np.int64)
    found, places = distinct(tokens)
    assert found.tolist() == sorted(set(tokens.tolist()))
    np.testing.assert_array_equal(found[places], tokens)


@pytest.mark.parametrize("largest", [7, 10**6])
def test_ends_are_no_tokens_and_stay(largest):
    found, places = distinct(np.array([[largest, 5], [largest, -1], [-1, -1]]))
    assert found.tolist() == [5, largest]
    assert places.tolist() == [[1, 0], [1, -1], [-1, -1]]


def test_a_few_words_of_a_large_vocabulary_need_no_table_of_it():
    _, peak = with_peak_memory(distinct, np.array([9, 10**6, 9]))
    assert peak < 10**5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_keeps_the_dtype(dtype):
    _, (values, offsets) = make("series")
    assert make_batch(Sequences(values.astype(dtype), offsets), np.arange(3)).x.dtype == dtype


# ------------------------------------------------------------------- blocks and minibatches


@pytest.mark.usefixtures("several_blocks")
@pytest.mark.parametrize("n", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS - 1])
def test_blocks_hold_every_row_once_longest_first(n):
    lengths = np.random.RandomState(0).randint(4, 9, n)
    found = blocks(lengths)
    assert len(found) == -(-n // BLOCK_ROWS)
    assert all(1 <= block.size <= BLOCK_ROWS for block in found)
    order = np.concatenate(found).tolist()
    assert order == sorted(range(n), key=lambda row: -lengths[row])


def test_blocks_of_short_sequences_have_more_rows(monkeypatch):
    monkeypatch.setattr(batches, "BLOCK_STEPS", 1000)
    monkeypatch.setattr(batches, "MAX_SINGLE_BLOCK_STEPS", np.inf)
    lengths = np.repeat([0, 10, 40, 50, 100], [2000, 250, 30, 30, 20])
    found = blocks(lengths)
    assert [lengths[block].max() for block in found] == [100, 100, 50, 40, 40, 10, 10, 10, 0, 0]
    assert [block.size for block in found] == [16, 16, 20, 25, 25, 100, 100, 100, 964, 964]
    assert sorted(np.concatenate(found)) == list(range(lengths.size))


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(16, [16]), (20, [20]), (24, [12, 12]), (32, [16, 16]), (41, [24, 17]), (96, [32] * 3)],
)
def test_blocks_are_of_like_size(n, sizes):
    """Threads that take one each finish together; enough work is split for two threads."""
    lengths = np.full(n, MAX_SINGLE_BLOCK_STEPS // 20)
    assert [block.size for block in blocks(lengths)] == sizes


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([10_000] + [100] * 31, [4, 28]),
        ([1000] * 3 + [200] * 13, [8, 8]),
        ([1000] + [500] * 15, [16]),  # no more than half of it is padding
        ([250] + [1] * 15, [16]),  # so little padding does not matter
    ],
)
def test_a_long_sequence_has_few_short_ones_beside_it(lengths, sizes):
    assert [block.size for block in blocks(np.array(lengths))] == sizes


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "size"), [(1, 1), (7, 7), (8, 3), (100, 3), (150, 1)])
def test_minibatches_hold_every_row_once(n, size, shuffle):
    lengths = np.random.RandomState(0).randint(0, 50, n)
    random = np.random.RandomState(1) if shuffle else None
    found = list(minibatches(lengths, size, random))
    sizes = [batch.size for batch in found]
    assert len(found) == -(-n // size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(found)) == list(range(n))


@pytest.mark.parametrize(("n", "size"), [(65, 8), (41, 8), (161, 32)])
def test_long_sequences_weigh_no_more_than_others(n, size):
    """Each batch makes one step, so a sequence's weight is one part of its batch."""
    lengths, random, weight = np.arange(n), np.random.RandomState(0), np.zeros(n)
    for _ in range(1000):
        for batch in minibatches(lengths, size, random):
            weight[batch] += 1 / batch.size
    assert abs(weight[-n // 20 :].mean() / weight.mean() - 1) < 0.1


def test_without_shuffling_rows_keep_their_order():
    lengths = np.array([3, 9, 0, 4, 9, 1, 2])
    found = [batch.tolist() for batch in minibatches(lengths, 3, None)]
    assert found == [[0, 1], [2, 3], [4, 5, 6]]


def test_every_epoch_is_shuffled_anew():
    lengths, random = np.ones(60, dtype=int), np.random.RandomState(0)
    epochs = [np.concatenate(list(minibatches(lengths, 4, random))).tolist() for _ in range(3)]
    assert list(range(60)) not in epochs
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    again = np.concatenate(list(minibatches(lengths, 4, np.random.RandomState(0))))
    assert epochs[0] == again.tolist()


def test_shuffled_batches_hold_sequences_of_like_length():
    """Within a pool no two batches overlap in length; batches come in no order of length."""
    n, size = 2 * 4 * POOL, 4
    lengths = np.random.RandomState(0).permutation(n)
    found = [lengths[batch] for batch in minibatches(lengths, size, np.random.RandomState(0))]
    pools = np.split(lengths[np.random.RandomState(0).permutation(n)], 2)
    expected = np.sort(pools).reshape(-1, size)
    assert sorted(sorted(batch) for batch in found) == sorted(expected.tolist())
    firsts = [batch.min() for batch in found]
    assert firsts != sorted(firsts)
    assert firsts != sorted(firsts, reverse=True)


def test_which_sequences_meet_is_random():
    """Each pool is drawn from all rows: sorting all at once would always join the same ones."""
    n = 4 * POOL * 2
    lengths, random = np.arange(n), np.random.RandomState(0)
    first, second = (
        {frozenset(batch.tolist()) for batch in minibatches(lengths, 2, random)} for _ in range(2)
    )
    assert len(first & second) < len(first) / 2


def test_which_of_few_sequences_meet_is_random():
    lengths, random = np.arange(65), np.random.RandomState(0)
    epochs = [list(minibatches(lengths, 8, random)) for _ in range(10)]
    assert {len(batches) for batches in epochs} == {9}
    assert len({frozenset(batch.tolist()) for batches in epochs for batch in batches}) > 80
