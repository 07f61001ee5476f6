"""What dropout leaves out, and that nothing but the seed decides it."""

import numpy as np
import pytest
from helpers import assert_same_weights

from seqnets import RecurrentClassifier
from seqnets.batches import Sequences, make_batch
from seqnets.dropout import NO_DROPOUT, Dropout

pytestmark = [
    pytest.mark.usefixtures("several_blocks"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

FLOAT32 = np.dtype(np.float32)


def make(kind, n=40):
    random = np.random.RandomState(0)
    lengths = random.randint(1, 6, n)
    if kind == "tokens":
        return [random.randint(1, 9, T) for T in lengths]
    return [random.normal(size=(T, 2)) for T in lengths]


def batch_of(kind, n=40):
    parts = make(kind, n)
    offsets = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    return make_batch(Sequences(np.concatenate(parts), offsets), np.arange(n))


def draw(dropout, seed, batch, **inputs):
    """Masks of a network with inputs of these widths and one state of 7 units."""
    return dropout.draw(seed, inputs, {"layer0": 7}, batch, FLOAT32)


def make_classifier(kind, **parameters):
    defaults = {"hidden_layer_sizes": 3, "max_iter": 3, "n_jobs": 1, "random_state": 0}
    if kind == "tokens":
        defaults["embedding_dim"] = 2
    return RecurrentClassifier("gru", **defaults | parameters)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_numbers_are_left_out_with_probability_p(p):
    """One mask per sequence for each layer but the first, which reads the series themselves."""
    batch = batch_of("series", n=4000)
    masks = draw(Dropout(p), (0, 0), batch, layer0=2, layer1=5, dense=3)
    assert {name: mask.shape for name, mask in masks.items()} == {
        "layer1": (4000, 5),
        "dense": (4000, 3),
    }
    for mask in masks.values():
        assert mask.dtype == np.float32
        kept = np.float32(1) / np.float32(1 - p)
        assert set(np.unique(mask)) == {np.float32(0), kept}
        error = 4 * np.sqrt(p * (1 - p) / mask.size)
        np.testing.assert_allclose((mask == 0).mean(), p, atol=error)


def test_masks_of_tokens():
    """One per distinct token, which drops whole tokens, numbers, or both."""
    batch = batch_of("tokens")
    assert batch.x.size == 8
    whole = draw(Dropout(0.0, 0.5), (0, 0), batch, layer0=64, dense=3)
    assert list(whole) == ["layer0"]
    assert whole["layer0"].shape == (8, 1)
    assert set(np.unique(whole["layer0"])) == {0, 2}
    both = draw(Dropout(0.5, 0.5), (0, 0), batch, layer0=64, dense=3)
    assert both["layer0"].shape == (8, 64)
    none_left = ~both["layer0"].any(axis=1)
    assert 0 < none_left.sum() < 8
    assert set(np.unique(both["layer0"][~none_left])) == {0, 4}
    assert "layer0" not in draw(Dropout(0.0, 0.5), (0, 0), batch_of("series"), layer0=2, dense=3)


def test_masks_of_states():
    """One per sequence."""
    masks = draw(Dropout(0.0, 0.0, 0.5), (0, 0), batch_of("tokens"), dense=3)
    assert {name: mask.shape for name, mask in masks.items()} == {"layer0.h": (40, 7)}
    assert set(np.unique(masks["layer0.h"])) == {0, 2}


def test_the_seed_decides():
    def first(*seed):
        return draw(Dropout(0.5), seed, batch_of("series"), dense=9)["dense"]

    np.testing.assert_array_equal(first(3, 1), first(3, 1))
    assert np.any(first(3, 1) != first(3, 2))
    assert np.any(first(3, 1) != first(4, 1))


@pytest.mark.parametrize("kind", ["series", "tokens"])
def test_prediction_leaves_nothing_out(kind):
    clf = make_classifier(kind, dropout=0.9).fit(make(kind), np.arange(40) % 3)
    found = clf.decision_function(make(kind))
    np.testing.assert_array_equal(clf.decision_function(make(kind)), found)
    np.testing.assert_array_equal(clf.set_params(dropout=0.0).decision_function(make(kind)), found)


def test_a_cell_without_a_product_has_no_recurrent_dropout():
    """It is refused, as it would have no effect."""
    clf = make_classifier("series", recurrent_dropout=0.5).set_params(cell="mingru")
    message = "recurrent_dropout=0.5 .* cell='mingru' has no W_h.* one of the cells 'rnn', 'lstm'"
    with pytest.raises(ValueError, match=message):
        clf.fit(make("series"), np.arange(40) % 3)
    assert not hasattr(clf, "parameters_")


@pytest.mark.parametrize(("kind", "same"), [("series", 0.0), ("tokens", 0.3)])
def test_auto_is_some_for_tokens_and_none_for_series(kind, same):
    auto, given = (make_classifier(kind, **parameters).fit(make(kind), np.arange(40) % 3)
                   for parameters in ({}, {"dropout": same}))  # fmt: skip
    assert auto.loss_curve_ == given.loss_curve_


@pytest.mark.parametrize(
    ("kind", "n", "cell", "same"),
    [
        ("series", 99, "lstm", 0.0),
        ("series", 100, "lstm", 0.2),
        ("series", 100, "gru", 0.0),
        ("series", 100, "mingru", 0.0),
        ("tokens", 100, "lstm", 0.0),
    ],
)
def test_recurrent_auto_is_some_for_an_lstm_and_enough_series(kind, n, cell, same):
    """0.2 for an LSTM and enough series; those of weight 0 do not count."""
    X, y, weights = make(kind, n + 1), np.arange(n + 1) % 3, np.arange(n + 1) > 0
    auto = make_classifier(kind, max_iter=1).set_params(cell=cell)
    given = make_classifier(kind, max_iter=1, recurrent_dropout=same).set_params(cell=cell)
    for clf in (auto, given):
        clf.fit(X, y, weights)
    assert auto.loss_curve_ == given.loss_curve_
    assert_same_weights(auto, given)


def test_without_dropout_the_generator_is_left_alone():
    """So that results do not depend on whether dropout was possible."""
    assert draw(NO_DROPOUT, (0, 0), batch_of("tokens"), layer0=2) == {}
    X, y = make("series"), np.arange(40) % 3
    clf = make_classifier("series", shuffle=False, warm_start=True).fit(X, y)
    before = clf._state["random"].get_state()[1].tolist()
    clf.fit(X, y)
    assert clf._state["random"].get_state()[1].tolist() == before


def test_masks_are_drawn_anew_in_each_batch_and_block(monkeypatch):
    draw, seeds = Dropout.draw, []

    def spied(self, seed, *arguments):
        seeds.append(seed)
        return draw(self, seed, *arguments)

    monkeypatch.setattr(Dropout, "draw", spied)
    make_classifier("series", dropout=0.5, batch_size=20).fit(make("series"), np.arange(40) % 2)
    assert [block for _, block in seeds] == [0, 1] * 6  # 3 epochs of 2 batches of 2 blocks
    assert len(set(seeds)) == 12
    assert len({seed for seed, _ in seeds}) == 6
