"""The yardstick learns what ours learns: else the benchmarks would compare different things."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import explanations, report, rows  # noqa: E402
from benchmarks.data import Task, make_data  # noqa: E402
from benchmarks.ours import Ours  # noqa: E402
from benchmarks.pytorch import candidates  # noqa: E402
from benchmarks.timing import Settings  # noqa: E402
from seqnets.optimizers import SGD  # noqa: E402

CELLS = ("rnn", "lstm", "gru")
KINDS = {
    "tokens": Task("", 6, 7, 3, 5, 9),
    "ragged tokens": Task("", 6, 7, 3, 5, 9, ragged=True),
    "ragged tokens, maximum": Task("", 6, 7, 3, 5, 9, ragged=True, pooling="max"),
    "series": Task("", 6, 7, 3, 5, None),
    "ragged series": Task("", 6, 7, 3, 5, None, ragged=True),
}
ROWS = np.arange(6)
MINIBATCHES = [ROWS, ROWS + 6, ROWS, ROWS + 6]


@pytest.fixture(params=CELLS)
def cell(request):
    return request.param


@pytest.fixture(params=KINDS)
def task(request, cell):
    return KINDS[request.param]._replace(cell=cell)


def sides(task):
    """Our model and each of PyTorch's, with the same weights, none of which is zero."""
    data = make_data(task, n_batches=2)
    ours = Ours(task, data, threads=1)
    random = np.random.RandomState(1)
    for W in ours.parameters.values():
        W += random.normal(scale=0.3, size=W.shape).astype(W.dtype)
    others = candidates(task, data, ours.parameters)
    for theirs in others.values():
        hold_second_bias(theirs.model)
    return ours, others


def hold_second_bias(model):
    """Keep PyTorch's second bias at zero: we have none, except for GRU's candidate."""
    second = model.layer.bias_hh_l0
    keep = torch.zeros_like(second)
    if model.task.cell == "gru":
        keep[2 * model.task.H :] = 1
    second.register_hook(lambda gradient: gradient * keep)


def test_same_loss_and_same_clipped_gradient(task):
    ours, others = sides(task)
    before = {name: W.copy() for name, W in ours.parameters.items()}
    ours.trainer.optimizer = SGD(1.0, 0.0, False)  # a step is the gradient, clipped
    for trainer in (ours.trainer, *others.values()):
        if trainer is not ours.trainer:
            trainer.optimizers = [torch.optim.SGD(trainer.model.parameters(), 1.0)]
    loss = ours.step(ROWS)
    assert len(others) == (2 if task.n_words else 1) * (2 if task.ragged else 1)
    for theirs in others.values():
        assert theirs.step(ROWS) == pytest.approx(loss, abs=1e-6)
        after = theirs.model.by_name()
        assert after.keys() == ours.parameters.keys()
        for name, W in ours.parameters.items():
            np.testing.assert_allclose(after[name] - before[name], W - before[name], atol=1e-6)


def test_same_losses_over_steps(task):
    """For tokens, only sparse embeddings are compared: a dense one's Adam moves absent words."""
    ours, others = sides(task)
    losses = [ours.step(rows) for rows in MINIBATCHES]
    assert abs(losses[-1] - losses[1]) > 1e-4  # ten times the tolerance
    for name, theirs in others.items():
        if task.n_words is None or "sparse" in name:
            expected = [theirs.step(rows) for rows in MINIBATCHES]
            np.testing.assert_allclose(losses, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_explanations(monkeypatch, tmp_path):
    """All sequences are explained, and the ratio is an explanation's time over a prediction's."""
    made = {}

    def runs(clf, X, original=explanations.runs):
        made.update(
            {name: run() for name, run in original(clf, X).items()}, proba=clf.predict_proba(X)
        )
        return original(clf, X)

    texts, y = ["not so good", "good", "bad , bad", "so bad"], np.array([1, 1, 0, 0])
    monkeypatch.setattr(explanations, "read_reviews", lambda source, n: (texts, y))
    monkeypatch.setattr(explanations, "runs", runs)
    settings = Settings(threads=1, pairs=2, reviews=0, quick=True)
    found = rows.run_row("explain gru", settings)
    assert [one.yardstick for one in found] == [name for name in made if name != "proba"]
    for one in found:
        assert (one.row, one.pairs) == ("explain gru", 2)
        assert one.low <= one.ratio <= one.high
    slowest = found[-1]
    assert slowest.yardstick == "integrated_gradients"
    assert slowest.ratio > 3
    assert slowest.theirs > slowest.ours
    for name in ("trace", "gradient_x_input", "integrated_gradients"):
        assert len(made[name]) == len(texts)
    np.testing.assert_array_equal(made["staged_predict_proba"][-1], made["proba"])
    report.write(tmp_path, found, settings)
    assert "explain gru" in (tmp_path / report.TABLE).read_text("utf-8")
    assert not (tmp_path / report.CHART).exists()  # it would show other libraries
