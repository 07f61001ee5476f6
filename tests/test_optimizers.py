"""The optimizers against their twins and scikit-learn's, and the clipping of gradients."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from seqnets.optimizers import (
    SGD,
    Adam,
    AdamW,
    RMSprop,
    clip_by_global_norm,
    insert_rows,
    sum_of_squares,
)

ALL = np.arange(4)
ADAM = 0.01, 0.8, 0.95, 1e-3  # chosen so that a misplaced beta or epsilon shows
OPTIMIZERS = {
    "sgd": lambda: SGD(0.1, 0.9, False),
    "nesterov": lambda: SGD(0.1, 0.9, True),
    "adam": lambda: Adam(*ADAM),
    "adamw": lambda: AdamW(*ADAM),
    "rmsprop": lambda: RMSprop(0.01, 0.8, 1e-3),
}

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


def gradients_of(random, n, dtype=np.float64, shape=(4, 3)):
    return [random.normal(size=shape).astype(dtype) for _ in range(n)]


def tolerance(dtype):
    return 1e-14 if dtype == np.float64 else 1e-6


def step(optimizer, W, dW, rows=ALL, name="W"):
    optimizer.begin_step()
    optimizer.update(name, W, dW, rows)


@each_dtype
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_its_twin_and_scikit_learn(momentum, nesterov, dtype):
    random = np.random.default_rng(0)
    W = random.normal(size=(4, 3)).astype(dtype)
    theirs = [W.astype(float)]
    ours, w, v = SGD(0.1, momentum, nesterov), W.ravel().tolist(), naive.zeros(12)
    reference = SGDOptimizer(theirs, 0.1, "constant", momentum, nesterov)
    for dW in gradients_of(random, 6, dtype):
        step(ours, W, dW)
        reference.update_params(theirs, [dW.astype(float)])
        w, v = naive.sgd_step(w, dW.ravel().tolist(), v, 0.1, momentum, nesterov)
        np.testing.assert_allclose(W, theirs[0], rtol=0, atol=tolerance(dtype))
        np.testing.assert_allclose(W.ravel(), w, rtol=0, atol=tolerance(dtype))
    assert W.dtype == dtype


@each_dtype
@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_adam_equals_its_twin(kind, dtype):
    """AdamW's step is Adam's: its decay is the trainer's business."""
    random = np.random.default_rng(0)
    W = random.normal(size=(4, 3)).astype(dtype)
    ours, w, m, v = kind(*ADAM), W.ravel().tolist(), naive.zeros(12), naive.zeros(12)
    for t, dW in enumerate(gradients_of(random, 6, dtype), start=1):
        step(ours, W, dW)
        w, m, v = naive.adam_step(w, dW.ravel().tolist(), m, v, t, *ADAM)
        np.testing.assert_allclose(W.ravel(), w, rtol=0, atol=tolerance(dtype))
    assert W.dtype == dtype


def test_adam_adds_epsilon_after_the_bias_correction():
    """PyTorch's form. At the first step all corrections cancel: lr g / (|g| + epsilon)."""
    W, dW = np.zeros((4, 3)), np.random.default_rng(0).normal(scale=1e-3, size=(4, 3))
    step(Adam(0.1, 0.9, 0.999, 1e-3), W, dW)
    np.testing.assert_allclose(W, -0.1 * dW / (abs(dW) + 1e-3), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [Adam(*ADAM[:3], 1e-60), RMSprop(0.01, 0.9, 1e-60)])
def test_an_epsilon_that_is_no_float32(optimizer):
    """In float32, 1e-60 is 0: a gradient of zero must move nothing, instead of giving 0 / 0."""
    W = np.ones((1, 3), np.float32)
    step(optimizer, W, np.zeros_like(W), np.arange(1))
    np.testing.assert_array_equal(W, 1)


@each_dtype
def test_a_moment_that_has_vanished_makes_no_giant_step(dtype):
    """Squares of 1e-19 are stored as 0, the mean gradient is not: only epsilon would divide it."""
    W, optimizer = np.zeros((4, 3), dtype), Adam(0.004, 0.9, 0.999, 1e-30)
    for dW in [1e-19] * 10 + [0.0]:
        step(optimizer, W, np.full((4, 3), dW, dtype))
    assert abs(W).max() < 0.01


@each_dtype
def test_rmsprop_equals_its_twin(dtype):
    random = np.random.default_rng(0)
    W = random.normal(size=(4, 3)).astype(dtype)
    ours, w, v = RMSprop(0.01, 0.8, 1e-3), W.ravel().tolist(), naive.zeros(12)
    for dW in gradients_of(random, 6, dtype):
        step(ours, W, dW)
        w, v = naive.rmsprop_step(w, dW.ravel().tolist(), v, 0.01, 0.8, 1e-3)
        np.testing.assert_allclose(W.ravel(), w, rtol=0, atol=tolerance(dtype))
    assert W.dtype == dtype


def test_only_adamw_decouples_weight_decay():
    assert [name for name, make in OPTIMIZERS.items() if make().decouples] == ["adamw"]


@each_optimizer
def test_only_the_used_rows_change(make):
    """A row is where its own steps alone would have led; Adam's t counts all steps."""
    random = np.random.default_rng(0)
    W = random.normal(size=(4, 3))
    alone = W.copy()
    together, by_row = make(), [make() for _ in W]
    used = [[0, 2], [2], [0, 1, 2], [1]]
    for rows, dW in zip(used, gradients_of(random, 4), strict=True):
        before = W.copy()
        step(together, W, dW[rows], np.array(rows))
        for row, optimizer in enumerate(by_row):
            optimizer.begin_step()
            if row in rows:
                part = alone[row : row + 1]
                optimizer.update("W", part, dW[row : row + 1], np.array([0]))
        unused = [row for row in range(4) if row not in rows]
        np.testing.assert_array_equal(W[unused], before[unused])
        assert np.all(W[rows] != before[rows])
    np.testing.assert_array_equal(W, alone)


@each_optimizer
def test_parameters_have_memories_of_their_own(make):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(4, 3)), random.normal(size=(1, 5))
    a_alone, b_alone = a.copy(), b.copy()
    both, for_a, for_b = make(), make(), make()
    for _ in range(3):
        da, db = random.normal(size=(4, 3)), random.normal(size=(1, 5))
        both.begin_step()
        both.update("a", a, da, ALL)
        both.update("b", b, db, np.arange(1))
        step(for_a, a_alone, da)
        step(for_b, b_alone, db, np.arange(1))
    np.testing.assert_array_equal(a, a_alone)
    np.testing.assert_array_equal(b, b_alone)


@each_dtype
@pytest.mark.parametrize("size", [1e-3, 1e-19, 1e-30])
def test_memories_of_vanished_gradients_become_zero(size, dtype):
    """Subnormal numbers make arithmetic slow; none of float32's occur on the way to zero."""
    optimizers = [SGD(0.1, 0.9, True), RMSprop(0.01, 0.5, 1e-8)]
    optimizers += [kind(0.01, 0.5, 0.5, 1e-8) for kind in (Adam, AdamW)]
    W = np.ones((4, 3), dtype)
    dW = (size * np.random.default_rng(0).normal(size=(4, 3))).astype(dtype)
    for _ in range(900):
        memories = []
        for optimizer in optimizers:
            step(optimizer, W, dW)
            memories += optimizer.moments["W"]
        for memory in memories:
            small = abs(memory[memory != 0])
            assert small.min(initial=np.inf) >= np.finfo(np.float32).tiny
        dW[:] = 0
    assert not any(memory.any() for memory in memories)
    assert np.isfinite(W).all()


# ------------------------------------------------------------------- training that goes on


@each_optimizer
@pytest.mark.parametrize(
    ("places", "new"),
    [([1, 3], [1, 4]), ([0], [0]), ([4], [4]), ([2, 2], [2, 3]), ([0, 2, 4, 4], [0, 3, 6, 7])],
    ids=str,
)
def test_inserted_rows_begin_as_if_they_had_never_been_used(make, places, new):
    """A row is inserted before each place; the old rows go on, bit for bit."""
    random = np.random.default_rng(0)
    whole = random.normal(size=(4 + len(new), 3))
    old = np.setdiff1d(np.arange(len(whole)), new)
    W, never_used, grown = whole[old], make(), make()
    for _ in range(3):
        dW = random.normal(size=whole.shape)
        step(never_used, whole, dW[old], old)
        step(grown, W, dW[old])
    insert_rows(grown.moments, "W", np.array(places))
    W = np.insert(W, places, whole[new], axis=0)
    for moment in grown.moments["W"]:
        assert moment.dtype == W.dtype
        assert not moment[new].any()
        assert np.all(moment[old] != 0)
    for _ in range(3):
        dW = random.normal(size=whole.shape)
        step(never_used, whole, dW, np.arange(len(whole)))
        step(grown, W, dW, np.arange(len(whole)))
        np.testing.assert_array_equal(W, whole)


@each_optimizer
def test_rows_are_inserted_into_one_parameter_alone(make):
    """Nothing is inserted if that one has had no step yet: its memory comes with its first step."""
    optimizer, W = make(), np.ones((4, 3))
    step(optimizer, W, W)
    before = [moment.copy() for moment in optimizer.moments["W"]]
    insert_rows(optimizer.moments, "embedding", np.array([1]))
    assert list(optimizer.moments) == ["W"]
    np.testing.assert_array_equal(optimizer.moments["W"], before)


@each_optimizer
def test_another_optimizer_goes_on_where_one_has_left(make):
    random = np.random.default_rng(0)
    W = random.normal(size=(4, 3))
    expected, straight, first, second = W.copy(), make(), make(), make()
    gradients = gradients_of(random, 6)
    for dW in gradients[:3]:
        step(straight, expected, dW)
        step(first, W, dW)
    second.t, second.moments = first.t, first.moments
    for dW in gradients[3:]:
        step(straight, expected, dW)
        step(second, W, dW)
        np.testing.assert_array_equal(W, expected)
    assert second.t == 6


@each_optimizer
def test_who_goes_on_does_so_at_a_rate_of_its_own(make):
    first, second, W = make(), make(), np.ones((4, 3))
    step(first, W, W)
    second.learning_rate = 0.0
    second.t, second.moments = first.t, first.moments
    step(second, W, np.ones((4, 3)))
    assert (second.learning_rate, first.learning_rate) == (0.0, make().learning_rate)


# -------------------------------------------------------------------------------- clipping


@each_dtype
def test_clipping_scales_all_gradients_alike(dtype):
    random = np.random.default_rng(0)
    gradients = {"a": gradients_of(random, 1, dtype)[0], "b": np.ones((1, 5), dtype)}
    before = {name: g.copy() for name, g in gradients.items()}
    plain = {name: naive.plain(g) for name, g in gradients.items()}
    norm = clip_by_global_norm(gradients, 1.5)
    assert norm > 1.5
    np.testing.assert_allclose(norm, naive.global_norm(plain), rtol=1e-14)
    for name, expected in naive.clip_by_global_norm(plain, 1.5).items():
        np.testing.assert_allclose(gradients[name], expected, rtol=tolerance(dtype))
        np.testing.assert_array_equal(gradients[name], before[name] * dtype(1.5 / norm))


@pytest.mark.parametrize("max_norm", [13.0, 13.5, np.inf])
def test_gradients_within_the_norm_stay_bit_by_bit(max_norm):
    gradients = {"a": np.array([[3.0, 4.0]]), "b": np.array([[12.0]])}
    assert clip_by_global_norm(gradients, max_norm) == 13.0
    assert gradients["a"].tolist() == [[3.0, 4.0]]
    assert gradients["b"].tolist() == [[12.0]]


def test_no_gradient_at_all():
    gradients = {"a": np.zeros((2, 2))}
    assert clip_by_global_norm(gradients, 1.0) == 0
    assert not gradients["a"].any()


def test_squares_that_no_float64_holds_end_training_too():
    gradients = {"a": np.full((1, 2), 1e200), "b": np.ones((1, 1))}
    with np.errstate(over="ignore"):
        assert clip_by_global_norm(gradients, 1.0) == np.inf
    assert np.isnan(gradients["a"]).all()
    assert np.isnan(gradients["b"]).all()


def test_the_norm_of_float32_is_summed_in_float64():
    """1e25 squared overflows float32, and 10,000 small squares beside a large one would be lost."""
    gradients = {"a": np.full((1, 4), 1e25, np.float32)}
    norm = clip_by_global_norm(gradients, 1.0)
    np.testing.assert_allclose(norm, 2e25, rtol=1e-6)
    np.testing.assert_allclose(gradients["a"], 0.5, rtol=1e-6)
    many = np.full((1, 10_001), 1.0, np.float32)
    many[0, 0] = 2.0**13
    norm = clip_by_global_norm({"a": many}, np.inf)
    np.testing.assert_allclose(norm, np.sqrt(2.0**26 + 10_000), rtol=1e-14)


def test_squares_of_float32_are_summed_in_float64():
    matrices = {"a": np.full((3000, 8), 0.1, np.float32), "b": np.full((5, 1), 3.0, np.float32)}
    expected = sum((W.astype(np.float64) ** 2).sum() for W in matrices.values())
    assert sum_of_squares(matrices) == pytest.approx(expected, rel=1e-13)
