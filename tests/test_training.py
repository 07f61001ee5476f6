"""The training step, the running mean of the weights, and the epochs with their end."""

import numpy as np
import pytest

from seqnets import training
from seqnets.batches import BLOCK_ROWS, Sequences, blocks
from seqnets.network import Architecture, Network
from seqnets.optimizers import SGD, Adam, AdamW
from seqnets.progress import History
from seqnets.threads import Workers
from seqnets.training import Average, DivergenceError, Trainer, train

pytestmark = pytest.mark.usefixtures("several_blocks")

N, D, N_TOKENS = 2 * BLOCK_ROWS + 5, 2, 6
LENGTHS = np.append(np.resize([3, 1, 4, 2], N - 2), [0, 0])  # some of every block have steps
TARGETS = np.eye(3)[np.arange(N) % 3]
WEIGHTS = np.linspace(0.5, 2.0, N)

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])


# -------------------------------------------------------------------------------- helpers


def make_sequences(kind):
    random, total = np.random.RandomState(0), LENGTHS.sum()
    if kind == "tokens":
        values = random.randint(0, N_TOKENS + 1, total)
    else:
        values = random.normal(size=(total, D))
    return Sequences(values, np.concatenate(([0], np.cumsum(LENGTHS))))


def plain_sgd():
    """An optimizer whose step is the negative gradient."""
    return SGD(1.0, 0.0, False)


def adam():
    return Adam(0.01, 0.9, 0.999, 1e-8)


def make_trainer(kind, workers, optimizer, alpha=0.0, max_grad_norm=None):
    n_tokens = N_TOKENS if kind == "tokens" else None
    network = Network(Architecture("gru", D, (3, 2), "mean", 3, n_tokens, False))
    random = np.random.RandomState(0)
    parameters = network.initialize(random, np.dtype(np.float64))
    for W in parameters.values():  # none is zero
        W += random.normal(scale=0.3, size=W.shape)
    return Trainer(
        network, parameters, optimizer, workers,
        loss="softmax", alpha=alpha, max_grad_norm=max_grad_norm,
    )  # fmt: skip


def copied(parameters):
    return {name: W.copy() for name, W in parameters.items()}


def gradients(kind, rows, weights=WEIGHTS, **parameters):
    """The loss on `rows`, and the gradients, which are a step's negative."""
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer(kind, workers, plain_sgd(), **parameters)
        start = copied(trainer.parameters)
        loss = trainer.step(make_sequences(kind), TARGETS, weights, rows, weights[rows].sum())
    return loss, {name: start[name] - W for name, W in trainer.parameters.items()}


def global_norm(found):
    return np.sqrt(sum(np.sum(dW**2) for dW in found.values()))


def assert_close(found, expected, tolerance=1e-13):
    assert found.keys() == expected.keys()
    for name, dW in found.items():
        np.testing.assert_allclose(dW, expected[name], rtol=0, atol=tolerance, err_msg=name)


def assert_same(found, expected):
    assert_close(found, expected, 0.0)


# ------------------------------------------------------------------------------- the step


@each_kind
def test_blocks_add_up(kind):
    """A minibatch of three blocks is the weighted mean of its sequences, each alone."""
    rows = np.random.RandomState(1).permutation(N)
    loss, found = gradients(kind, rows)
    alone = [gradients(kind, row) for row in rows[:, np.newaxis]]
    shares = WEIGHTS[rows] / WEIGHTS.sum()
    assert loss == pytest.approx(shares @ [loss for loss, _ in alone], rel=1e-13)
    steps = list(zip(shares, alone, strict=True))
    expected = {name: sum(s * g[name] for s, (_, g) in steps) for name in found}
    assert_close(found, expected)
    assert all(dW.any() for dW in found.values())


@each_kind
@pytest.mark.parametrize("at_once", [1, 2])
def test_blocks_may_come_a_few_at_a_time(kind, at_once, monkeypatch):
    """The order of the sums stays: the same bits, with fewer gradients in memory."""
    rows = np.random.RandomState(1).permutation(N)
    loss, expected = gradients(kind, rows)
    monkeypatch.setattr(training, "MIN_BLOCKS_AT_ONCE", at_once)
    again, found = gradients(kind, rows)
    assert again == loss
    for name, dW in expected.items():
        np.testing.assert_array_equal(found[name], dW, err_msg=name)


def test_many_blocks_need_no_more_gradients():
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer("series", workers, plain_sgd())
        n = 2 * training.MIN_BLOCKS_AT_ONCE * BLOCK_ROWS
        sequences = Sequences(np.ones((2 * n, D)), 2 * np.arange(n + 1))
        assert len(blocks(sequences.lengths)) == 2 * training.MIN_BLOCKS_AT_ONCE
        trainer.step(sequences, np.resize(TARGETS, (n, 3)), np.ones(n), np.arange(n), n)
        assert len(trainer._block_gradients) == training.MIN_BLOCKS_AT_ONCE + 1


@each_kind
def test_fewer_blocks_leave_nothing_behind(kind):
    """Block gradients that are left from an earlier step are not added again."""
    sequences, rows = make_sequences(kind), np.arange(3)
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer(kind, workers, plain_sgd())
        start = copied(trainer.parameters)
        trainer.step(sequences, TARGETS, WEIGHTS, np.arange(N), WEIGHTS.sum())
        for name, W in trainer.parameters.items():
            W[:] = start[name]
        loss = trainer.step(sequences, TARGETS, WEIGHTS, rows, WEIGHTS[rows].sum())
    expected_loss, expected = gradients(kind, rows)
    assert loss == expected_loss
    assert_same({name: start[name] - W for name, W in trainer.parameters.items()}, expected)


@each_kind
def test_a_step_reads_the_weights_that_the_one_before_it_left(kind):
    """It does not read the weights of the earlier step, which are still in the panels."""
    batch = make_sequences(kind), TARGETS, WEIGHTS, np.arange(N), WEIGHTS.sum()
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer(kind, workers, plain_sgd())
        trainer.step(*batch)
        left = copied(trainer.parameters)
        loss = trainer.step(*batch)
    with Workers(1, np.dtype(np.float64)) as workers:
        new = make_trainer(kind, workers, plain_sgd())
        for name, W in new.parameters.items():
            W[:] = left[name]
        assert loss == new.step(*batch)
    assert_same(trainer.parameters, new.parameters)


@each_kind
def test_the_penalty_is_on_weight_matrices_alone(kind):
    """alpha / 2 * ||W||^2 / sum of weights; weight matrices only."""
    rows, alpha = np.arange(5, 25), 0.7
    without_loss, without = gradients(kind, rows)
    loss, found = gradients(kind, rows, alpha=alpha)
    with Workers(1, np.dtype(np.float64)) as workers:
        start = make_trainer(kind, workers, plain_sgd()).parameters
    matrices = [name for name in start if name.rpartition(".")[2] in ("W", "W_x", "W_h")]
    assert len(matrices) == 5
    share = alpha / WEIGHTS[rows].sum()
    squares = sum(np.sum(start[name] ** 2) for name in matrices)
    assert loss == pytest.approx(without_loss + share / 2 * squares, rel=1e-13)
    for name in matrices:
        without[name] += share * start[name]
    assert_close(found, without)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@each_kind
def test_gradients_are_clipped_in_their_direction(kind, alpha):
    """Penalty included, they are scaled to the largest norm, or stay if theirs is smaller."""
    rows = np.arange(N)
    loss, free = gradients(kind, rows, alpha=alpha)
    norm = global_norm(free)
    for largest in (norm / 50, norm / 1.01):
        clipped_loss, clipped = gradients(kind, rows, alpha=alpha, max_grad_norm=largest)
        assert clipped_loss == loss
        assert global_norm(clipped) == pytest.approx(largest, rel=1e-12)
        assert_close(clipped, {name: dW * (largest / norm) for name, dW in free.items()})
    assert_same(gradients(kind, rows, alpha=alpha, max_grad_norm=norm * 1.01)[1], free)


@pytest.mark.parametrize("make_optimizer", [lambda: SGD(0.1, 0.9, True), adam])
def test_embeddings_not_seen_stay(make_optimizer):
    """They change in no step, not even by the momentum of an earlier one."""
    sequences = Sequences(np.array([1, 2, 3, 3, 5]), np.array([0, 3, 5]))
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer("tokens", workers, make_optimizer(), 0.5, 0.01)
        embedding = trainer.parameters["embedding"]
        for row, seen in [(0, {1, 2, 3}), (1, {3, 5}), (1, {3, 5}), (0, {1, 2, 3})]:
            before = embedding.copy()
            trainer.step(sequences, TARGETS, WEIGHTS, np.array([row]), WEIGHTS[row])
            assert set(np.flatnonzero((embedding != before).any(axis=1))) == seen


def test_a_hook_runs_after_each_update():
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer("series", workers, plain_sgd())
        seen = [copied(trainer.parameters)]
        trainer.after_step = lambda: seen.append(copied(trainer.parameters))
        for n_steps in (1, 2):
            trainer.step(make_sequences("series"), TARGETS, WEIGHTS, np.arange(4), 4.0)
            assert len(seen) == 1 + n_steps
            assert_same(seen[-1], trainer.parameters)
            assert np.any(seen[-1]["dense.b"] != seen[-2]["dense.b"])


def test_a_heavy_minibatch_makes_no_larger_step_of_sgd():
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer("series", workers, SGD(1.0, 0.0, False), max_grad_norm=0.01)
        start = copied(trainer.parameters)
        trainer.step(make_sequences("series"), TARGETS, WEIGHTS, np.arange(4), 1e-3)
    moved = {name: W - start[name] for name, W in trainer.parameters.items()}
    assert global_norm(moved) == pytest.approx(0.01, rel=1e-9)


def test_an_epoch_is_the_weighted_mean(monkeypatch):
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer("series", workers, plain_sgd())
    totals = []

    def step(sequences, targets, weights, rows, total_weight):
        totals.append(total_weight)
        return float(weights[rows].sum() / total_weight) * rows[0]  # as if each loss were rows[0]

    monkeypatch.setattr(trainer, "step", step)
    weights = np.array([1.0, 2.0, 0.5, 4.0, 3.0])
    batches = [np.array([2, 0]), np.array([4]), np.array([1, 3])]
    loss = trainer.epoch(make_sequences("series"), TARGETS, weights, iter(batches), 2.1)
    assert type(loss) is float
    assert loss == pytest.approx((2 * 1.5 + 4 * 3.0 + 1 * 6.0) / 10.5, rel=1e-15)
    assert totals == pytest.approx([3.5] * 3, rel=1e-15)  # the mean of 5 weights is 2.1
    again = trainer.epoch(make_sequences("series"), TARGETS, weights, batches, 21.0)
    assert again == pytest.approx(loss, rel=1e-15)
    assert totals[3:] == pytest.approx([35.0] * 3, rel=1e-15)


def test_the_steps_of_an_epoch_add_up_to_one_step_on_all():
    """Whichever sequences share a minibatch: a large weight does not cancel itself."""
    sequences, weights = make_sequences("series"), np.where(np.arange(N) % 7, 0.01, 3.0)
    found = []
    for size in (N, 1):
        with Workers(1, np.dtype(np.float64)) as workers:
            trainer = make_trainer("series", workers, SGD(1e-7 * size, 0.0, False))
            start = copied(trainer.parameters)
            batches = np.arange(N).reshape(-1, size)
            trainer.epoch(sequences, TARGETS, weights, batches, weights.mean())
        found.append({name: (start[name] - W) / 1e-7 for name, W in trainer.parameters.items()})
    assert global_norm(found[0]) > 1
    assert_close(found[1], found[0], 1e-4)


# ------------------------------------------------------------------------ the running mean


def all_rows(parameters):
    return {name: np.arange(len(np.atleast_2d(W))) for name, W in parameters.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("steps_per_epoch", "every"), [(32, 1), (64, 2), (96, 3)])
def test_the_running_mean_by_its_formula(dtype, steps_per_epoch, every):
    """After k takes with r = 1 - share: sum_j r^(k - j) value_j / sum_j r^(k - j)."""
    source = {"a": np.array([[1.0, -2.0]], dtype), "b": np.array([3.0], dtype)}
    start = copied(source)
    average = Average(source, all_rows(source), steps_per_epoch)
    assert_same(average.parameters, start)
    kept, weight, sums = 0.5 ** (1 / (3 * 32)), 0.0, dict.fromkeys(source, 0.0)
    random = np.random.RandomState(0)
    for step in range(1, 20):
        for W in source.values():
            W[:] = random.normal(size=W.shape)
        before = copied(average.parameters)
        average.update()
        if step % every:
            assert_same(average.parameters, before)
            continue
        weight = kept * weight + 1
        sums = {name: kept * total + source[name] for name, total in sums.items()}
        expected = {name: total / weight for name, total in sums.items()}
        assert_close(average.parameters, expected, 20 * np.finfo(dtype).eps)
        assert average.parameters["a"].dtype == dtype
    assert not np.shares_memory(average.parameters["a"], source["a"])


@pytest.mark.parametrize(("steps_per_epoch", "every"), [(1, 1), (31, 1), (33, 2), (65, 3)])
def test_at_most_32_takes_an_epoch(steps_per_epoch, every):
    source, taken = {"a": np.ones(1)}, []
    average = Average(source, all_rows(source), steps_per_epoch)
    for _ in range(12):
        source["a"] -= 1
        before = average.parameters["a"].copy()
        average.update()
        taken.append(bool(average.parameters["a"] != before))
    assert taken == [step % every == 0 for step in range(1, 13)]


def test_the_mean_is_of_what_changes():
    source = {"a": np.ones((3, 1)), "b": np.ones(2)}
    average = Average(source, {"a": np.array([0, 2])}, 32)
    source["a"][:] = 5
    average.update()
    assert average.parameters["a"].tolist() == [[5], [1], [5]]
    assert average.parameters["b"] is source["b"]


# ------------------------------------------------------------------------------ the epochs


class Script:
    """Epochs with these losses; in epoch i the weights become i, and the judged ones -i."""

    def __init__(self, losses, validation=None):
        self.losses, self.validation = iter(losses), validation and iter(validation)
        self.parameters, self.judged = {"W": np.zeros(2)}, {"W": np.zeros(2)}

    def next(self, values):
        value = next(values)
        if isinstance(value, BaseException):
            raise value
        return value

    def epoch(self):
        self.parameters["W"] += 1
        self.judged["W"] -= 1
        return self.next(self.losses)

    def validate(self):
        loss = self.next(self.validation)
        return loss, -loss

    def train(self, history=None, should_continue=lambda: False, report=lambda: False, **settings):
        defaults = {"max_iter": 50, "tol": 0.1, "patience": lambda: 2}
        validate = self.validation and self.validate
        history = history or History()
        train(
            self.epoch, validate, self.parameters, self.judged, history, should_continue, report,
            **defaults | settings,
        )  # fmt: skip
        return history


STOPS = {
    "worse": ([3.0, 2.0, 2.5, 2.6, 2.7], {}),
    "equal": ([3.0, 3.0, 3.0, 3.0], {}),
    "better by less than tol": ([3.0, 2.95, 2.94, 2.93], {}),
    "slowly but more than n_iter_no_change": ([3.0, 2.95, 2.9, 2.85], {}),
    "anew after an improvement": ([3.0, 3.0, 3.0, 2.0, 2.0, 1.99, 1.98], {}),
    "patience 1": ([3.0, 2.0, 2.0, 2.0], {"patience": lambda: 1}),
    "patience 4": ([3.0, 4.0, 4.0, 4.0, 4.0, 4.0], {"patience": lambda: 4}),
    "without tol": ([3.0, 2.999, 2.998, 2.997, 2.9971, 2.9972, 2.9973], {"tol": 0.0}),
}


def test_less_patience_is_no_end_at_once():
    """The three epochs without improvement before it do not count: two more are one too many."""
    limits = iter([4, 4, 4, 4, 1, 1, 1])
    history = Script([3.0, *[4.0] * 9]).train(patience=lambda: next(limits))
    assert len(history.loss_curve) == 6


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("case", STOPS)
def test_training_stops_without_improvement(case, validated):
    """After exactly these epochs; beside a validation loss, the training loss does not count."""
    losses, parameters = STOPS[case]
    falling = np.arange(50.0, 0.0, -1.0)
    script = Script(falling, [*losses, -99.0]) if validated else Script([*losses, -99.0])
    history = script.train(**parameters)
    assert history.stopped == "converged"
    assert len(history.loss_curve) == len(losses)
    assert (history.validation_loss_curve if validated else history.loss_curve) == losses
    assert validated or history.validation_loss_curve == []


@pytest.mark.parametrize("validated", [False, True])
def test_training_ends_with_max_iter(validated):
    falling = [9.0, 8.0, 7.0, 6.0, 5.0]
    history = Script(falling, falling[:] if validated else None).train(max_iter=3)
    assert history.stopped == "max_iter"
    assert history.loss_curve == falling[:3]
    assert history.validation_loss_curve == (falling[:3] if validated else [])


@pytest.mark.parametrize(
    ("validation", "best"),
    [([5, 4, 3], 3), ([5, 1, 3, 4, 5], 2), ([1, 2, 3, 4], 1), ([5, 3, 2.99, 2.98, 3], 4),
     ([2, 2, 2, 2], 1)],
    ids=str,
)  # fmt: skip
def test_the_best_judged_weights_come_back(validation, best):
    """The best epoch is kept even if it is better by less than tol; of equals, the first."""
    script = Script(range(9, 0, -1), validation)
    weights = script.parameters["W"]
    script.train(max_iter=len(validation))
    assert script.parameters["W"] is weights
    assert weights.tolist() == [-best, -best]


@pytest.mark.parametrize(("first", "kept", "score"), [(3.5, -1, -3.0), (2.5, 0, -2.5)])
def test_training_taken_up_again_keeps_what_it_began_with(first, kept, score):
    """Unless an epoch is better. The start is judged again: the validation set may be another."""
    script, history = Script(range(9, 0, -1), [first, 3.0, 4.0, 5.0]), History()
    script.train(history, max_iter=3, judge_start=True)
    assert script.parameters["W"].tolist() == [kept, kept]
    assert history.best_validation_score == score
    assert history.lowest_validation_loss == -score
    assert history.validation_loss_curve == [3.0, 4.0, 5.0]
    assert history.keeps_start == (kept == 0)


def test_without_validation_the_last_weights_stay():
    script = Script([3.0, 1.0, 2.0, 2.0, 2.0])
    script.train()
    assert script.parameters["W"].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("losses", "validation", "curves", "weights"),
    [
        ([9.0, 8.0, KeyboardInterrupt()], None, (2, 0), 3),
        ([9.0, 8.0, 7.0, KeyboardInterrupt()], [3.0, 1.0, 2.0], (3, 3), -2),
        ([9.0, 8.0, 7.0], [1.0, 2.0, KeyboardInterrupt()], (2, 2), -1),
    ],
    ids=["third", "fourth, validated", "in validation"],
)
def test_an_interrupt_keeps_the_whole_epochs(losses, validation, curves, weights):
    script = Script(losses, validation if validation is None else iter(validation))
    history = script.train()
    assert history.stopped == "interrupted"
    assert (len(history.loss_curve), len(history.validation_loss_curve)) == curves
    assert script.parameters["W"].tolist() == [weights, weights]


@pytest.mark.parametrize("validation", [None, [], [KeyboardInterrupt()]])
def test_interrupt_before_an_epoch_ends_is_the_callers(validation):
    losses = [9.0 if validation else KeyboardInterrupt()]
    script = Script(losses, validation if validation is None else iter(validation))
    with pytest.raises(KeyboardInterrupt):
        script.train(History(n_before=1))  # after an earlier fit


def test_interrupt_amid_a_divergence_keeps_nothing():
    """Whether the weights are finite is checked only at the end of an epoch."""
    script = Script([9.0, 8.0, KeyboardInterrupt()])
    script.parameters["W"][0] = np.inf
    with pytest.raises(KeyboardInterrupt):
        script.train()


@pytest.mark.parametrize("name", ["validation_loss_curve", "validation_scores"])
def test_interrupt_between_the_curves(name):
    """The third epoch is incomplete then, and left out of all of them."""

    class Curve(list):
        def append(self, value):
            super().append(value)
            if len(self) == 3:
                raise KeyboardInterrupt

    history = History(**{name: Curve()})
    assert Script([9.0, 8.0, 7.0], iter([3.0, 2.0, 1.0])).train(history).stopped == "interrupted"
    assert [history.loss_curve, history.validation_loss_curve] == [[9.0, 8.0], [3.0, 2.0]]
    assert history.validation_scores == [-3.0, -2.0]


@pytest.mark.parametrize("epoch", [1, 2])
def test_interrupt_while_the_best_weights_are_copied(epoch):
    """The epoch does not count then: no score is given for weights that were not kept."""

    class Judged(dict):
        n_copies = 0

        def items(self):
            self.n_copies += 1
            if self.n_copies == epoch:
                raise KeyboardInterrupt
            return super().items()

    script, history = Script([9.0, 8.0], [3.0, 1.0]), History()
    script.judged = Judged(script.judged)
    if epoch == 1:
        with pytest.raises(KeyboardInterrupt):
            script.train(history)
    else:
        assert script.train(history).stopped == "interrupted"
        assert script.parameters["W"].tolist() == [-1, -1]
    assert history.best_validation_score == (None if epoch == 1 else -3.0)
    assert len(history.loss_curve) == len(history.validation_scores) == epoch - 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("validated", [False, True])
def test_a_loss_that_is_not_finite_ends_training(bad, validated):
    script = Script([3.0, 2.0, 1.0], [3.0, bad, 1.0]) if validated else Script([3.0, bad, 1.0])
    wanted = "diverged: in epoch 2 .* not finite.*smaller learning_rate_init, a smaller max_grad"
    with pytest.raises(ValueError, match=wanted):
        script.train()


def test_a_training_loss_that_diverges_beside_validation():
    with pytest.raises(ValueError, match="in epoch 1 "):
        Script([np.nan], [3.0]).train()


@each_kind
@pytest.mark.parametrize("n_batches", [1, 9])
def test_an_epoch_whose_loss_or_weights_are_not_finite(kind, n_batches):
    """The next step's loss shows it; after the last step, the weights do."""
    with Workers(1, np.dtype(np.float64)) as workers:
        trainer = make_trainer(kind, workers, SGD(np.inf, 0.0, False))
        steps = []
        trainer.after_step = lambda: steps.append(None)
        batches = np.array_split(np.arange(N), 9)[:n_batches]
        with pytest.raises(DivergenceError):
            trainer.epoch(make_sequences(kind), TARGETS, WEIGHTS, batches, 1.0)
        assert len(steps) == min(n_batches, 2)


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError):
        Script([3.0, ZeroDivisionError()]).train()


@pytest.mark.parametrize("validated", [False, True])
def test_a_report_of_each_epoch_may_end_training(validated):
    seen, history = [], History()

    def report():
        seen.append((len(history.loss_curve), len(history.validation_scores)))
        return len(seen) == 3

    script = Script([9.0, 8.0, 7.0, 6.0], [5.0, 4.0, 6.0, 3.0] if validated else None)
    script.train(history, report=report)
    assert history.stopped == "callback"
    assert seen == [(i, i if validated else 0) for i in (1, 2, 3)]
    assert script.parameters["W"].tolist() == ([-2, -2] if validated else [3, 3])


def test_goes_on_as_long_as_it_is_told():
    """As with the learning rate "adaptive": patience begins anew."""
    told = iter([True, True, False])
    history = Script([3.0] + 99 * [4.0]).train(should_continue=lambda: next(told))
    assert history.stopped == "converged"
    assert len(history.loss_curve) == 1 + 3 * 3


def test_a_score_beside_the_loss():
    """It decides when to stop and which epoch is best; NaN is no improvement."""
    scores = [0.5, 0.9, np.nan, 0.8, 0.7, 0.6]
    script = Script(range(9, 0, -1), range(9, 0, -1))
    found = iter(scores)
    script.validate = lambda: (script.next(script.validation), next(found))
    history = script.train()
    assert history.validation_loss_curve == [9, 8, 7, 6, 5]
    assert history.best_validation_score == 0.9
    assert script.parameters["W"].tolist() == [-2, -2]


def test_decoupled_decay_is_of_weight_matrices_alone():
    """AdamW takes rate * alpha * W off weight matrices; loss and gradient have no penalty."""
    shrunk = {}
    for alpha in (0.0, 0.5):
        with Workers(1, np.dtype(np.float64)) as workers:
            trainer = make_trainer("tokens", workers, AdamW(0.01, 0.9, 0.999, 1e-8), alpha=alpha)
            before = copied(trainer.parameters)
            loss = trainer.step(make_sequences("tokens"), TARGETS, WEIGHTS, np.arange(N), N)
            shrunk[alpha] = loss, trainer.parameters
    assert shrunk[0.0][0] == shrunk[0.5][0]
    for name, W in shrunk[0.0][1].items():
        decay = 0.01 * 0.5 if W.ndim == 2 and name != "embedding" else 0.0
        np.testing.assert_allclose(
            shrunk[0.5][1][name], W - decay * before[name], rtol=0, atol=1e-15, err_msg=name
        )
