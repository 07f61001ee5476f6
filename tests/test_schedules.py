"""The learning rates: their formulas, and the rates of scikit-learn's own optimizer beside them."""

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from seqnets.optimizers import SGD
from seqnets.schedules import SCHEDULES

each_schedule = pytest.mark.parametrize("name", SCHEDULES)
each_like_scikit_learn = pytest.mark.parametrize("name", ["constant", "invscaling", "adaptive"])


def make(name, initial=0.1, power_t=0.5, n_steps=100, n_seen=0):
    return SCHEDULES[name](initial, power_t, n_steps, n_seen)


def rates(schedule, n_steps):
    return np.array([schedule.next() for _ in range(n_steps)])


def cosine(n_steps):
    """The rates of all steps as shares of the largest."""
    return rates(make("cosine", initial=1.0, n_steps=n_steps), n_steps)


# ----------------------------------------------------------- those that scikit-learn has too


@each_like_scikit_learn
@pytest.mark.parametrize("power_t", [0.0, 0.5, 1.7])
@pytest.mark.parametrize("initial", [0.1, 3.0])
def test_rates_equal_scikit_learn_s(name, power_t, initial):
    """In every epoch, to the last bit, also when training is now and then about to stop."""
    ours = make(name, initial, power_t)
    theirs = SGDOptimizer([], initial, lr_schedule=name, power_t=power_t)
    for epoch in range(1, 31):
        assert set(rates(ours, 3)) == {theirs.learning_rate}
        ours.epoch_ends(7 * epoch)
        theirs.iteration_ends(7 * epoch)
        if epoch % 4 == 0:
            assert ours.should_continue() == (not theirs.trigger_stopping("", verbose=False))


@pytest.mark.parametrize("initial", [0.1, 1.0, 5.1e-6, 5e-6, 1.1e-6, 1e-6, 1e-9])
def test_adaptive_ends_when_scikit_learn_s_does(initial):
    ours, theirs = make("adaptive", initial), SGDOptimizer([], initial, lr_schedule="adaptive")
    n_times = 0
    while ours.should_continue():
        assert not theirs.trigger_stopping("", verbose=False)
        assert ours.next() == theirs.learning_rate
        n_times += 1
    assert theirs.trigger_stopping("", verbose=False)
    assert ours.next() == theirs.learning_rate == pytest.approx(initial / 5**n_times)
    assert ours.now <= 1e-6
    assert n_times == 0 or 5 * ours.now > 1e-6


@each_schedule
def test_schedules_that_go_on_without_improvement(name):
    assert make(name).should_continue() == (name in ("adaptive", "cosine", "auto"))


@each_schedule
def test_training_taken_up_again(name):
    """Sequences seen before count for invscaling; the others begin anew."""
    went_on, again = make(name), make(name, n_seen=99)
    went_on.epoch_ends(99)
    first = again.next()
    assert first == went_on.next()
    assert (first == make(name).next()) == (name != "invscaling")


# --------------------------------------------------------------------------------- cosine


@pytest.mark.parametrize(("n_steps", "warm"), [(100, 5), (101, 6), (20, 1), (3, 1), (1000, 50)])
def test_cosine_by_its_formula(n_steps, warm):
    """A twentieth of the steps, rounded up, to warm up; then half a wave."""
    falling = np.linspace(0, np.pi, n_steps - warm, endpoint=False)
    expected = [*np.arange(1, warm + 1) / warm, *(1 + np.cos(falling)) / 2]
    np.testing.assert_allclose(cosine(n_steps), expected, rtol=1e-12)
    schedule = make("cosine", initial=0.3, n_steps=n_steps)
    np.testing.assert_allclose(rates(schedule, n_steps), 0.3 * np.array(expected), rtol=1e-12)
    assert schedule.next() == 0.0  # one step more than there are


@pytest.mark.parametrize("name", ["cosine", "auto"])
def test_a_single_step_has_the_full_rate(name):
    assert rates(make(name, initial=0.3, n_steps=1), 1).tolist() == [0.3]


@pytest.mark.parametrize(("n_steps", "warm"), [(100, 5), (40, 2), (2, 1)])
def test_auto_stays_for_half_of_the_steps_then_falls(n_steps, warm):
    n = n_steps // 2
    falling = (1 + np.cos(np.pi * np.arange(n) / n)) / 2
    expected = [*np.arange(1, warm + 1) / warm, *np.ones(n - warm), *falling]
    found = rates(make("auto", initial=1.0, n_steps=n_steps), n_steps)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_cosine_goes_by_steps_alone():
    schedule = make("cosine", initial=1.0, n_steps=40)
    found = []
    for epoch in range(1, 9):
        found.extend(rates(schedule, 5))
        schedule.epoch_ends(17 * epoch)
        schedule.should_continue()
    np.testing.assert_array_equal(found, cosine(40))


# ------------------------------------------------------------------------ in the optimizer


def test_each_step_takes_its_rate():
    """All parameters take the same rate in a step."""
    optimizer = SGD(1.0, 0.0, False)
    optimizer.schedule = make("cosine", initial=0.5, n_steps=60)
    a, b, found = np.zeros((1, 1)), np.zeros((1, 1)), []
    for _ in range(60):
        before = a.copy()
        optimizer.begin_step()
        for name, W in {"a": a, "b": b}.items():
            optimizer.update(name, W, -np.ones((1, 1)), np.arange(1))
        found.append((a - before).item())
    np.testing.assert_allclose(found, 0.5 * cosine(60), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(a, b)
