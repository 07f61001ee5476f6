"""The displays show the numbers they are given, under the words they belong to."""

import functools
import html
import itertools
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import object_array
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seqnets import (
    RecurrentClassifier,
    SequenceScaler,
    SequenceVectorizer,
    colors,
    inspection,
    plots,
    trajectory,
)
from seqnets.display import MOST_COLUMNS, choose_spaced_steps
from seqnets.layers import CELLS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TEXTS = ["not good , but not bad either", "good & <b>", "bad , bad $ bad $", "what is it", "good"]
LABELS = ["yes", "yes", "no", "no", "yes"]
NUMBER_OF_WORDS = [1, 5, 40, 500]
NO_FORMULA = r"h$\frac$"


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@functools.cache
def text_model():
    clf = RecurrentClassifier("lstm", 3, embedding_dim=2, max_iter=3, n_jobs=1, random_state=0)
    return make_pipeline(SequenceVectorizer(), clf).fit(TEXTS, LABELS)


@functools.cache
def series_model(n_classes=3):
    random = np.random.RandomState(0)
    X = [random.normal(size=(T, 2)) for T in (5, 2, 4, 3, 1, 6)]
    clf = RecurrentClassifier("gru", 4, bidirectional=True, max_iter=2, n_jobs=1, random_state=0)
    y = np.arange(6) % n_classes
    validation = {"X_val": X, "y_val": y} if n_classes == 2 else {}
    return clf.fit(X, y, **validation), X, y


def tick_labels(display):
    display.figure_.canvas.draw()  # fails if something can't be drawn
    return [label.get_text() for label in display.ax_.get_xticklabels()]


def drawn(display, line=0):
    return np.asarray(display.ax_.lines[line].get_ydata(), dtype=float)


@pytest.mark.parametrize("target", ["$a_$", "$5 to $10", "_x"])
def test_a_label_is_no_formula(target):
    display = plots.AttributionDisplay(np.array([0.3, -0.2]), ["x", "y"], target).plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_title().replace("\\", "").endswith(target)
    assert display.ax_.get_title().count("$") == display.ax_.get_title().count(r"\$")


@pytest.mark.parametrize(
    "display",
    [
        plots.GateDisplay(np.eye(3), ["a", "b", "c"], NO_FORMULA),
        plots.GateDisplay(np.ones(3), ["a", "b", "c"], NO_FORMULA),
        plots.GradientFlowDisplay([{NO_FORMULA: np.ones(3)}]),
        plots.TrajectoryDisplay([np.eye(2)], ["a"], [[NO_FORMULA] * 2], [1, 0], NO_FORMULA),
    ],
)
def test_a_name_is_no_formula(display):
    """Read as a formula, this one could not be drawn by matplotlib."""
    display.plot().figure_.canvas.draw()


def test_labels_that_matplotlib_would_take_for_something_else():
    """A formula, or a name that legends leave out."""
    classes, names = ["$<10$", "10^$", "_x"], ["$<10$", "10^$", " _x"]
    shares = np.full((2, 3), 1 / 3)
    staged = plots.StagedPredictionDisplay(shares, ["a", "b"], classes).plot()
    points = [np.eye(2), 1 - np.eye(2), np.ones((2, 2))]
    ways = plots.TrajectoryDisplay(points, classes, [["a", "b"]] * 3, [0.9, 0.1]).plot()
    for display in (staged, ways):
        display.figure_.canvas.draw()
        found = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert [text.replace(r"\$", "$") for text in found[:3]] == names
    two = plots.StagedPredictionDisplay(np.full((2, 2), 0.5), ["a", "b"], classes[:2]).plot()
    two.figure_.canvas.draw()
    assert two.ax_.get_ylabel() == r"probability of 10^\$"


def test_words_are_those_of_the_text_and_unknown_ones_in_brackets():
    (words,) = inspection.words(text_model(), ["good things are not bad"])
    assert words == ["good", "[things]", "[are]", "not", "bad"]
    ids = text_model()[0].transform(["not bad"])
    assert inspection.words(text_model()[-1], ids) == [[str(number) for number in ids[0]]]
    clf, X, _ = series_model()
    assert inspection.words(clf, X)[3] == ["1", "2", "3"]


def lowered(texts):
    return [text.lower().replace("n't", " not") for text in texts]


def backwards(X):
    return object_array([x[::-1] for x in X])


def test_words_wherever_the_vectorizer_stands():
    """After a cleaning step, in a pipeline of its own, or given a vocabulary and never fitted."""
    vectorizer, clf = text_model()
    given = SequenceVectorizer(vocabulary=vectorizer.vocabulary_)
    cleaned = make_pipeline(FunctionTransformer(lowered), vectorizer, clf)
    padded = make_pipeline(clone(given).set_params(output="padded", max_length=5), clf)
    assert inspection.words(padded, ["not so good"]) == [["not", "[so]", "good"]]
    assert inspection.words(cleaned, ["AREn't GOOD"]) == [["[are]", "not", "good"]]
    for model in (make_pipeline(make_pipeline(vectorizer), "passthrough", clf),
                  make_pipeline(given, clf)):  # fmt: skip
        assert inspection.words(model, ["not so good"]) == [["not", "[so]", "good"]]
        trace, expected = (inspection.trace(m, ["not good"]) for m in (model, text_model()))
        np.testing.assert_array_equal(trace[0]["logits"], expected[0]["logits"])


def test_words_are_those_that_the_network_gets():
    vectorizer, clf = text_model()
    model = make_pipeline(vectorizer, FunctionTransformer(backwards), clf)
    assert inspection.words(model, ["not so good"]) == [["good", "<unknown>", "not"]]


def test_words_that_only_the_vectorizer_knows_are_in_brackets():
    vectorizer = SequenceVectorizer(vocabulary=["good", "bad", "superb"])
    classifier = RecurrentClassifier("rnn", 2, embedding_dim=2, max_iter=1, n_jobs=1)
    model = make_pipeline(vectorizer, classifier).fit(["good", "bad"] * 4, [1, 0] * 4)
    assert inspection.words(model, ["superb awful good"]) == [["[superb]", "[awful]", "good"]]


def test_words_beyond_the_length_that_is_read():
    vectorizer, clf = text_model()
    given = SequenceVectorizer(vocabulary=vectorizer.vocabulary_, max_length=2)
    model = make_pipeline(given, clf)
    assert inspection.words(model, iter(["so good not bad"])) == [["[so]", "good"]]


@pytest.mark.parametrize("text", TEXTS)
def test_gates_stand_over_their_words(text):
    display = plots.GateDisplay.from_estimator(text_model(), text, "layer0.f")
    (trace,) = inspection.trace(text_model(), [text])
    image = np.asarray(display.ax_.images[0].get_array())
    assert tick_labels(display) == text.lower().replace("<b>", "< b >").split()
    in_order = np.argsort(trace["layer0.f"].mean(axis=0))
    np.testing.assert_array_equal(image, trace["layer0.f"].T[in_order])
    assert display.ax_.images[0].get_clim() == (0, 1)


def test_states_are_drawn_around_zero_and_what_is_no_gate_is_refused():
    clf, X, _ = series_model()
    display = plots.GateDisplay.from_estimator(clf, X[0], "layer0.reverse.h")
    low, high = display.ax_.images[0].get_clim()
    assert low == -high < 0
    for name, reason in [("layer0.c", "is not in the trace"), ("pooled", "has no steps")]:
        with pytest.raises(ValueError, match=rf"name='{name}' {reason}.*layer0.r, layer0.z"):
            plots.GateDisplay.from_estimator(clf, X[0], name)


@pytest.mark.parametrize("cell", CELLS)
def test_what_lies_between_0_and_1_is_drawn_from_0_to_1(cell):
    clf = RecurrentClassifier(cell, 2, max_iter=1, n_jobs=1, random_state=0)
    X = [[1.0, 2.0, 0.0], [0.0, 1.0]]
    [trace] = clf.fit(X, [0, 1]).trace(X[:1])
    for name in trace.keys() - {"pooled", "logits"}:
        image = plots.GateDisplay.from_estimator(clf, X[0], name).ax_.images[0]
        is_gate = name[-1] in "iforz"
        largest = 1 if is_gate else abs(trace[name]).max()
        assert image.get_clim() == (0 if is_gate else -largest, largest), name


def test_attention_is_bars_named_by_their_words():
    clf = RecurrentClassifier("gru", 2, pooling="attention", max_iter=1, n_jobs=1, random_state=0)
    X = [[1.0, 2.0, 0.0], [0.0, 1.0]]
    display = plots.GateDisplay.from_estimator(clf.fit(X, [0, 1]), X[0], "attention")
    heights = [bar.get_height() for bar in display.ax_.patches]
    np.testing.assert_array_equal(heights, clf.attention_weights(X)[0])
    assert tick_labels(display) == ["1", "2", "3"]


def test_blue_is_positive_and_open_orange_negative_and_shut():
    def ends(display):
        image = display.plot().ax_.images[0]
        return [
            to_hex(image.cmap(image.norm(value))) for value in (image.norm.vmin, image.norm.vmax)
        ]

    from matplotlib.colors import to_hex

    values, words = np.array([[-0.5], [0.3]]), ["a", "b"]
    expected = [colors.DIVERGING[0], colors.DIVERGING[2]]
    assert ends(plots.GateDisplay(values, words, "layer0.h")) == expected
    assert ends(plots.GateDisplay(values + 0.5, words, "layer0.z")) == expected
    bars = plots.AttributionDisplay(values[:, 0], words, "yes").plot().ax_.patches
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [colors.ORANGE, colors.BLUE]
    display = plots.StagedPredictionDisplay(np.array([[0.4, 0.6]]), ["a"], ["no", "yes"]).plot()
    assert display.ax_.lines[0].get_color() == colors.BLUE  # as bars for this class are


def test_of_two_classes_one_line_of_several_all():
    display = plots.StagedPredictionDisplay.from_estimator(text_model(), TEXTS[0])
    stages = list(inspection.staged_predict_proba(text_model(), TEXTS[:1]))
    np.testing.assert_array_equal(drawn(display), [stage[0, 1] for stage in stages])
    assert display.ax_.get_ylabel() == "probability of yes"
    clf, X, _ = series_model()
    display = plots.StagedPredictionDisplay.from_estimator(clf, X[0])
    stages = list(clf.staged_predict_proba(X[:1]))
    for k in range(3):
        np.testing.assert_array_equal(drawn(display, k), [stage[0, k] for stage in stages])
    styles = {line.get_linestyle() for line in display.ax_.lines}
    assert len(styles) == 3  # told apart in print, too


def test_two_labels_a_sequence_are_two_lines():
    probabilities = np.array([[0.5, 0.5], [0.9, 0.4]])
    display = plots.StagedPredictionDisplay(probabilities, ["a", "b"], [0, 1]).plot()
    assert [line.get_ydata().tolist() for line in display.ax_.lines] == probabilities.T.tolist()


def test_attributions_of_words_are_bars_and_of_series_a_row_per_channel():
    display = plots.AttributionDisplay.from_estimator(text_model(), TEXTS[0]).plot()
    (expected,) = inspection.attributions(text_model(), TEXTS[:1], "integrated_gradients")
    heights = [bar.get_height() for bar in display.ax_.patches]
    np.testing.assert_allclose(heights, expected)
    assert display.ax_.get_ylabel() == "part of the logit"
    clf, X, _ = series_model()
    display = plots.AttributionDisplay.from_estimator(clf, X[0], "gradient_x_input", 2).plot()
    (expected,) = clf.attributions(X[:1], target=2)
    (up, _, feet), (down, _, _) = areas(display)
    np.testing.assert_allclose((up + down) * abs(expected).max() / 0.45, expected.T, atol=1e-9)
    assert feet.tolist() == [1, 0]
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["0", "1"]
    assert display.ax_.get_ylabel() == f"channel, ±{abs(expected).max():.2g} a row"
    assert len(re.findall("<span", display._repr_html_())) == len(X[0])


@pytest.mark.parametrize("target", [None, 0, 1, 2])
def test_the_class_that_is_explained_is_named(target):
    clf, X, _ = series_model()
    display = plots.AttributionDisplay.from_estimator(clf, X[0], "gradient_x_input", target)
    wanted = clf.predict(X[:1])[0] if target is None else target
    np.testing.assert_array_equal(display.attributions, clf.attributions(X[:1], target=wanted)[0])
    assert display.target == wanted
    assert f"<b>for {wanted}:</b>" in display._repr_html_()
    assert display.plot().ax_.get_title() == f"for and against {wanted}"


def areas(display):
    """Twice, for and against the class: heights (n, T), edges of the steps, feet of the n rows."""
    for shown in display.ax_.collections[:2]:
        outlines = np.array([path.vertices[:-1] for path in shown.get_paths()])
        feet = outlines[:, 0, 1]
        yield outlines[:, 1:-1:2, 1] - feet[:, np.newaxis], outlines[0, ::2, 0], feet


def test_channels_are_drawn_together():
    """For each thing that is added, matplotlib goes through all that is in the axes."""

    def n_things(n):
        display = plots.AttributionDisplay(np.ones((5, n)), list("abcde"), "x").plot()
        return sum(map(len, (display.ax_.patches, display.ax_.lines, display.ax_.collections)))

    assert n_things(200) == n_things(2)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_long_series_of_one_sign_stands_on_the_edge(sign):
    values = sign * np.ones(500)
    display = plots.AttributionDisplay(values, [str(t + 1) for t in range(500)], "x").plot()
    assert display.ax_.get_ylim() == pytest.approx(sorted([0, sign * 1.05]))


def test_channels_have_the_names_of_columns():
    frames = [pd.DataFrame({"temp": x[:, 0], "speed": x[:, 1]}) for x in series_model()[1]]
    clf = RecurrentClassifier("rnn", 2, max_iter=1, n_jobs=1, random_state=0)
    model = make_pipeline(SequenceScaler(), clf).fit(frames, [0, 1, 2] * 2)
    display = plots.AttributionDisplay.from_estimator(model, frames[0]).plot()
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["temp", "speed"]


class Swapped(TransformerMixin, BaseEstimator):
    """Swaps the two columns of each frame."""

    def fit(self, frames, y=None):
        self.feature_names_in_ = np.array(frames[0].columns, dtype=object)
        return self

    def transform(self, frames):
        return [frame[frame.columns[::-1]] for frame in frames]


class SwappedArrays(Swapped):
    def transform(self, frames):
        return [frame.to_numpy() for frame in super().transform(frames)]


class NamedArrays(SwappedArrays):
    def get_feature_names_out(self, input_features=None):
        return self.feature_names_in_[::-1]


class NamesWithoutArgument(SwappedArrays):
    def get_feature_names_out(self):  # scikit-learn would give it the names before
        return self.feature_names_in_[::-1]


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([Swapped()], ["hum", "temp"]),
        ([Swapped(), SequenceScaler()], ["hum", "temp"]),
        ([NamedArrays()], ["hum", "temp"]),
        ([make_pipeline(NamedArrays()), "passthrough", SequenceScaler()], ["hum", "temp"]),
        ([SwappedArrays()], ["0", "1"]),
        ([NamesWithoutArgument()], ["0", "1"]),
        ([SwappedArrays(), SequenceScaler()], ["0", "1"]),
    ],
)
def test_channels_have_the_names_of_what_the_classifier_reads(steps, names):
    """Whatever the steps before it do to the columns."""
    frames = [pd.DataFrame({"temp": x[:, 0], "hum": x[:, 1]}) for x in series_model()[1]]
    clf = RecurrentClassifier("rnn", 2, max_iter=1, n_jobs=1, random_state=0)
    model = clone(make_pipeline(*steps, clf)).fit(frames, [0, 1, 2] * 2)
    display = plots.AttributionDisplay.from_estimator(FrozenEstimator(model), frames[0]).plot()
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == names


def test_channels_without_names_have_numbers():
    _, X, y = series_model()
    clf = RecurrentClassifier("rnn", 2, max_iter=1, n_jobs=1, random_state=0)
    model = make_pipeline(SequenceScaler(), clf).fit(X, y)
    assert plots.AttributionDisplay.from_estimator(model, X[0]).features is None


def test_of_many_channels_those_named_stand_at_their_rows():
    names = [f"c{k}" for k in range(30)]
    display = plots.AttributionDisplay(np.ones((3, 30)), ["1", "2", "3"], "a", names).plot()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == [names[29 - int(foot)] for foot in display.ax_.get_yticks()]


def test_names_of_channels_do_not_overlap(pyplot):
    _, axes = pyplot.subplots(3, 1, figsize=(9, 8.5), layout="constrained")
    display = plots.AttributionDisplay(np.ones((3, 20)), ["1", "2", "3"], "a").plot(axes[0])
    display.figure_.canvas.draw()
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert len(boxes) > 5
    assert all(above.y0 > below.y1 for above, below in itertools.pairwise(boxes))


def test_many_channels_show_as_much_against_as_for():
    """Where areas are no higher than a line is wide, no line covers them."""
    from matplotlib.colors import to_rgb

    values = np.random.RandomState(0).normal(size=(30, 100))
    names = [str(t + 1) for t in range(60)]
    display = plots.AttributionDisplay(np.concatenate([values, -values]), names, "a").plot()
    display.figure_.canvas.draw()
    pixels = np.asarray(display.figure_.canvas.buffer_rgba())[..., :3].astype(float)
    counts = [
        (np.abs(pixels - 255 * np.array(to_rgb(color))).max(axis=2) < 8).sum()
        for color in (colors.BLUE, colors.ORANGE)
    ]
    assert min(counts) > 0.8 * max(counts) > 1000


def test_what_is_zero_or_no_number_does_not_set_the_scale():
    for states, limit in ([[[0.1, np.nan], [0.2, -0.3]], 0.3], [[[0.0], [0.0]], 1]):
        display = plots.GateDisplay(np.array(states), ["a", "b"], "layer0.h").plot()
        assert display.ax_.images[0].get_clim() == (-limit, limit)
    display = plots.AttributionDisplay(np.zeros((2, 2)), ["1", "2"], "a").plot()
    assert display.ax_.get_ylabel().endswith("±1 a row")
    display = plots.AttributionDisplay(np.array([0.1, np.nan]), ["a", "b"], "x")
    for show in (str, colored_text, plots.AttributionDisplay._repr_html_):
        with pytest.raises(ValueError, match="An attribution is not finite"):
            show(display)


def colored_text(display):
    return plots.colored(display.words, display.attributions)


def test_of_a_long_series_each_peak_is_seen():
    values = np.zeros(20_000)
    values[[7, 12_345]] = -3.0, 2.0
    display = plots.AttributionDisplay(values, [str(t + 1) for t in range(values.size)], "a").plot()
    (up, edges, _), (down, _, _) = areas(display)
    assert (up.max(), down.min()) == (2, -3)
    assert up.size == down.size <= MOST_COLUMNS
    assert np.diff(edges).max() <= values.size / MOST_COLUMNS
    peak = up.argmax()
    assert edges[peak] < 12_345 < edges[peak + 1]


@pytest.mark.parametrize(("name", "usual"), [("layer0.h", 0.0), ("layer0.f", 0.5)])
@pytest.mark.parametrize("extreme", [-0.9, 0.1, 0.9])
def test_of_a_long_series_each_extreme_state_is_seen(name, usual, extreme):
    values = np.full((20_000, 2), usual)
    values[[7, 12_345], 1] = extreme
    display = plots.GateDisplay(values, [str(t + 1) for t in range(len(values))], name).plot()
    [image] = display.ax_.images
    shown = image.get_array()
    assert shown.shape[1] < 1000
    _, places = np.nonzero(shown != usual)
    assert (shown[shown != usual] == extreme).all()
    place = image.get_extent()[1] * places[1] / shown.shape[1]
    assert place == pytest.approx(12_345, abs=len(values) / shown.shape[1])


@pytest.mark.parametrize(
    "display", ["AttributionDisplay", "GateDisplay", "StagedPredictionDisplay"]
)
def test_a_list_of_one_sequence_is_no_sequence(display):
    (clf, X, _), make = series_model(), getattr(plots, display).from_estimator
    with pytest.raises(
        ValueError, match=r"x must be a single sequence: if you mean x\[0\], pass that"
    ):
        make(clf, X[:1])
    with pytest.raises(TypeError, match=r"expected a string.* mean x\[0\], pass that"):
        make(text_model(), TEXTS[:1])
    if display == "GateDisplay":  # a wrong name has nothing to do with x
        with pytest.raises(ValueError, match="in the trace(?!.*single sequence)"):
            make(clf, X[0][:1], "layer9.h")


@pytest.mark.parametrize("x", ["t", 3.0, [[1.0, np.nan], [1.0, 2.0]]])
def test_only_for_a_list_of_one_is_its_sequence_suggested(x):
    with pytest.raises((TypeError, ValueError), match="(?s)^(X|Expected)(?!.*if you mean)"):
        plots.GateDisplay.from_estimator(series_model()[0], x)


def test_the_loss_curves_are_those_of_the_fit():
    clf, _, _ = series_model(2)
    display = plots.LossCurveDisplay.from_estimator(clf)
    np.testing.assert_array_equal(drawn(display, 0), clf.loss_curve_)
    np.testing.assert_array_equal(drawn(display, 1), clf.validation_loss_curve_)
    assert drawn(display, 2) == min(clf.validation_loss_curve_)
    display = plots.LossCurveDisplay.from_estimator(text_model())
    assert len(display.ax_.lines) == 1
    display = plots.LossCurveDisplay([3, 2, 1], [0.5, 0.4, 0.6], [0.7, 0.8, 0.9]).plot()
    assert display.ax_.lines[2].get_xydata().tolist() == [[3, 0.6]]
    assert display.ax_.lines[2].get_label() == "highest score"
    # Of equal scores, the one with the lowest loss is marked, as fit keeps it.
    losses, scores = [np.nan, 0.5, 0.4, 0.6, 0.3], [np.nan, 0.9, 0.9, 0.9, 0.8]
    display = plots.LossCurveDisplay([3] * 5, losses, scores).plot()
    assert display.ax_.lines[2].get_xydata().tolist() == [[3, 0.4]]


def test_the_epoch_that_fit_keeps_is_marked():
    """By the score, if there is another one than the loss, which falls here."""
    clf, X, y = series_model(2)
    scores = iter([0.5, 0.9, 0.6])
    for scoring, best in (("loss", 3), (lambda *_: next(scores), 2)):
        clf = clone(clf).set_params(scoring=scoring, max_iter=3).fit(X, y, X_val=X, y_val=y)
        mark = plots.LossCurveDisplay.from_estimator(clf).ax_.lines[2]
        assert mark.get_xydata().tolist() == [[best, clf.validation_loss_curve_[best - 1]]]
        assert mark.get_label() == ("its lowest" if scoring == "loss" else "highest score")


def test_gradient_flow_is_the_median_counted_from_the_end():
    clf, X, y = series_model()
    display = plots.GradientFlowDisplay.from_estimator(clf, X, y)
    norms = clf.gradient_flow(X, y)
    for line, name in zip(display.ax_.lines, norms[0], strict=True):
        assert line.get_label() == name
        assert line.get_xdata().tolist() == [-5, -4, -3, -2, -1, 0]
        reverse = name.endswith(".reverse.h")  # it reads the first step last
        last, first = line.get_ydata()[-1], line.get_ydata()[0]
        assert last == pytest.approx(
            np.median([each[name][0 if reverse else -1] for each in norms])
        )
        assert first == norms[5][name][-1 if reverse else 0]


def test_gradient_flow_ends_where_few_sequences_are_as_long():
    norms = [{"layer0.h": np.ones(3)}] * 18 + [{"layer0.h": np.ones(T)} for T in (5, 90)]
    (line,) = plots.GradientFlowDisplay(norms).plot().ax_.lines
    assert line.get_xdata().tolist() == [-4, -3, -2, -1, 0]


@pytest.mark.parametrize("n", NUMBER_OF_WORDS)
def test_any_number_of_words_is_named_without_overlap(n):
    words = [f"word{t}" for t in range(n)]
    display = plots.AttributionDisplay(np.linspace(-1, 1, n), words, "a").plot()
    shown = tick_labels(display)
    assert set(shown) <= set(words)
    assert {words[0], words[-1]} & set(shown)  # the largest
    assert len(shown) >= min(n, 40)
    boxes = [label.get_window_extent() for label in display.ax_.get_xticklabels()]
    assert not any(a.x1 > b.x0 for a, b in zip(boxes, boxes[1:], strict=False))


def test_the_largest_bars_are_named_first(pyplot):
    values = np.random.RandomState(0).normal(size=100)
    _, ax = pyplot.subplots(figsize=(3, 2))
    display = plots.AttributionDisplay(values, [f"w{t}" for t in range(100)], "a").plot(ax=ax)
    named = [int(label[1:]) for label in tick_labels(display)]
    assert 5 < len(named) < 20
    assert np.abs(values).argmax() in named
    assert choose_spaced_steps(np.array([1.0, 5.0, 4.0, 3.0, 2.0, 6.0]), 2) == [1, 3, 5]


@pytest.mark.compiled  # no kernel runs here
@pytest.mark.parametrize(("n", "shown"), [(3, 3), (40, 8), (500, 10), (20000, 4)])
def test_steps_without_words_have_round_numbers(n, shown, pyplot):
    _, ax = pyplot.subplots()
    words = [str(t + 1) for t in range(n)]
    display = plots.StagedPredictionDisplay(np.full((n, 2), 0.5), words, [0, 1]).plot(ax=ax)
    labels = tick_labels(display)
    assert len(labels) == shown
    apart = n // shown
    assert labels == [str(apart * (k + 1)) for k in range(shown)]
    assert [*ax.get_xticks()] == [int(label) - 1 for label in labels]
    assert ax.get_xlabel() == "step"


def test_a_trajectory_is_the_states_seen_from_where_they_differ_most():
    clf, X, y = series_model()
    display = plots.TrajectoryDisplay.from_estimator(clf, X, y, "layer0.h")
    states = np.concatenate([trace["layer0.h"] for trace in clf.trace(X)])
    pca = PCA(2, svd_solver="full").fit(states)
    np.testing.assert_allclose(np.concatenate(display.points), pca.transform(states), atol=1e-9)
    np.testing.assert_allclose(display.shares, pca.explained_variance_ratio_)
    for row, (way, x) in enumerate(zip(display.points, X, strict=True)):
        line, first, last = display.ax_.lines[3 * row : 3 * row + 3]
        assert len(way) == len(x)
        np.testing.assert_array_equal(line.get_xydata(), way)
        np.testing.assert_array_equal(first.get_xydata(), way[:1])
        np.testing.assert_array_equal(last.get_xydata(), way[-1:])
        assert line.get_color() == colors.CLASSES[y[row]]
    markers = {line.get_marker() for line in display.ax_.lines[2:18:3]}
    styles = {line.get_linestyle() for line in display.ax_.lines[0:18:3]}
    assert len(markers) == len(styles) == 3


@pytest.mark.parametrize("n", [2, 10, 11])
def test_up_to_ten_ways_have_their_numbers_at_their_ends(n):
    points = [np.full((2, 2), float(i)) + [[0], [0.5]] for i in range(n)]
    display = plots.TrajectoryDisplay(points, ["a"] * n, [["b", "c"]] * n, [1, 0]).plot()
    ends = {text.get_text(): list(text.xy) for text in display.ax_.texts}
    assert ends == {str(i): [i + 0.5, i + 0.5] for i in range(n) if n <= 10}


def test_a_second_direction_goes_from_the_last_step_back():
    clf, X, _ = series_model()
    display = plots.TrajectoryDisplay.from_estimator(clf, X[:1], name="layer0.reverse.h")
    states = clf.trace(X[:1])[0]["layer0.reverse.h"][::-1]
    expected = PCA(2, svd_solver="full").fit_transform(states)
    np.testing.assert_allclose(display.points[0], expected, atol=1e-9)
    assert display.words == [["5", "4", "3", "2", "1"]]


def test_one_text_has_its_words_beside_its_line_and_its_class_as_color():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plots.TrajectoryDisplay.from_estimator(text_model(), [TEXTS[0]], ["yes", "no"])
    display = plots.TrajectoryDisplay.from_estimator(text_model(), [TEXTS[0]], ["yes"])
    texts = {text.get_text(): text for text in display.ax_.texts}
    assert set(texts) <= set(TEXTS[0].split())
    assert TEXTS[0].split()[-1] in texts
    place = display.points[0][-1]
    np.testing.assert_array_equal(display.ax_.texts[0].xy, place)
    assert display.ax_.lines[0].get_color() == colors.BLUE
    display = plots.TrajectoryDisplay.from_estimator(text_model(), iter(TEXTS))  # readable once
    ends = {text.get_text(): text.xy for text in display.ax_.texts}
    for i, way in enumerate(display.points):
        np.testing.assert_array_equal(ends.pop(str(i)), way[-1])
    assert not ends
    predicted = [*text_model().predict(TEXTS)]
    assert [*display.labels] == predicted


@pytest.mark.compiled  # no kernel runs here
def test_beside_a_long_way_stand_a_few_words_those_of_the_longest_steps():
    way = np.cumsum(np.random.RandomState(0).normal(size=(500, 2)) * 9, axis=0)
    words = [str(t) for t in range(500)]
    display = plots.TrajectoryDisplay([way], ["a"], [words], [1, 0]).plot()
    written = [int(text.get_text()) for text in display.ax_.texts]
    assert len(written) == trajectory.MOST_WORDS
    lengths = np.linalg.norm(np.diff(way, axis=0, prepend=way[:1]), axis=1)
    assert written[0] == 499
    assert np.median(lengths[written]) > np.quantile(lengths, 0.8)
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    boxes.append(display.ax_.get_legend().get_window_extent())
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.compiled  # no kernel runs here
def test_the_search_for_room_for_words_ends(monkeypatch):
    """Where all states are at one point, there is room for one word, however many there are."""
    from matplotlib.axes import Axes

    tries, annotate = [], Axes.annotate

    def counted(*args, **kwargs):
        tries.append(args)
        return annotate(*args, **kwargs)

    monkeypatch.setattr(Axes, "annotate", counted)
    n = 2 * trajectory.MOST_TRIES
    points, words = [np.zeros((n, 2))], [["word"] * n]
    display = plots.TrajectoryDisplay(points, ["yes"], words, [0.9, 0.1]).plot()
    assert len(tries) == trajectory.MOST_TRIES
    assert len(display.ax_.texts) == 1


def test_the_ends_of_a_trajectory_are_named_before_what_is_between():
    points = [np.array([[0, 0], [0.01, 0.01], [1, 1]])]
    words = [["first", "second", "third"]]
    display = plots.TrajectoryDisplay(points, ["yes"], words, [0.9, 0.1]).plot()
    assert [text.get_text() for text in display.ax_.texts] == ["third", "first"]


def test_a_word_at_the_right_edge_stands_to_the_left_of_its_point():
    way = np.column_stack((np.linspace(0, 10, 8), np.sin(np.arange(8))))
    words = [f"w{t}" for t in range(7)] + ["extraordinary"]
    display = plots.TrajectoryDisplay([way], ["yes"], [words], [0.9, 0.1]).plot()
    [last] = [text for text in display.ax_.texts if text.get_text() == "extraordinary"]
    box, [x, _] = last.get_window_extent(), display.ax_.transData.transform(way[-1])
    assert display.ax_.bbox.x0 <= box.x0 < box.x1 < x


def test_words_stay_inside_small_axes(pyplot):
    _, ax = pyplot.subplots(figsize=(3.2, 2.4))
    points, words = [np.array([[0, 0], [2, 1], [0, 2]])], [["low", "right", "high"]]
    display = plots.TrajectoryDisplay(points, ["yes"], words, [0.9, 0.1]).plot(ax=ax)
    assert [text.get_text() for text in display.ax_.texts] == ["high", "low", "right"]
    for text in display.ax_.texts:
        box = text.get_window_extent()
        assert ax.bbox.y0 <= box.y0
        assert box.y1 <= ax.bbox.y1


def test_of_no_sequence_there_is_nothing_to_draw():
    assert plots.GradientFlowDisplay([]).plot().ax_.lines[:] == []


@pytest.mark.parametrize(
    ("display", "x"),
    [
        *((name, [[[1.0]]]) for name in ("AttributionDisplay", "GateDisplay")),
        ("StagedPredictionDisplay", [[[1.0]]]),
        ("LossCurveDisplay", []),
    ],
)
def test_no_display_before_a_fit(display, x):
    """The error has nothing to do with x."""
    with pytest.raises(NotFittedError, match="(?s)^(?!.*single sequence)"):
        getattr(plots, display).from_estimator(RecurrentClassifier(), *x)


def test_a_gate_may_have_any_name():
    display = plots.GateDisplay(np.eye(2), ["not", "bad"], "my own").plot()
    assert display.ax_.get_title() == "my own"


def test_the_median_counts_what_has_vanished():
    norms = [{"layer0.h": np.array([0.0, 1.0])}] * 9 + [{"layer0.h": np.array([0.5, 1.0])}]
    (line,) = plots.GradientFlowDisplay(norms).plot().ax_.lines
    np.testing.assert_array_equal(line.get_xydata(), [[-1, np.nan], [0, 1]])


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda values, words: plots.GateDisplay(values, words, "layer0.f"), [[0.1, 0.2]] * 2),
        (
            lambda values, words: plots.StagedPredictionDisplay(values, words, "ny"),
            [[0.5, 0.5]] * 2,
        ),
        (lambda values, words: plots.AttributionDisplay(values, words, "yes"), [0.5, -0.1]),
    ],
)
def test_arrays_of_ones_own_may_be_lists_with_a_word_each(make, values):
    assert make(values, ["a", "b"]).plot().ax_.get_xticks().tolist() == [0, 1]
    for words in (["a"], ["a", "b", "c"]):
        with pytest.raises(
            ValueError, match=f"is the shape of the values, but words has {len(words)}"
        ):
            make(values, words)


def test_what_can_not_be_printed_is_shown_escaped():
    """Half a character, as in text that was read with errors="surrogateescape"; an SVG file with
    control characters could not be read; some characters turn around what follows.
    """
    words, shown = ["caf\udce9", "\x1b", "\u202ea"], [r"caf\udce9", r"\x1b", r"\u202ea"]
    display = plots.GateDisplay([[0.1], [0.2], [0.3]], words, "layer0.f").plot()
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == shown
    display.figure_.canvas.draw()
    text = plots.AttributionDisplay([1.0, 1.0, 1.0], words, "\x1b")._repr_html_()
    assert re.findall(">([^<>]+)</", text) == [r"for \x1b:", *shown]


def test_a_row_of_a_frame_is_a_sequence():
    """It keeps the names of the columns, without which scikit-learn would warn."""
    X = pd.DataFrame(np.random.RandomState(0).normal(size=(6, 4)), columns=[*"abcd"])
    clf = RecurrentClassifier("rnn", 2, max_iter=1, n_jobs=1, random_state=0).fit(X, [0, 1] * 3)
    display = plots.AttributionDisplay.from_estimator(clf, X.iloc[1])
    np.testing.assert_array_equal(
        display.attributions, clf.attributions(X[1:2], "integrated_gradients")[0]
    )
    with (
        pytest.warns(UserWarning, match="valid feature names"),
        pytest.raises(ValueError, match=r"if you mean x\.iloc\[0\], pass that"),
    ):
        plots.GateDisplay.from_estimator(clf, X[:1])


def test_of_thirty_classes_ten_are_named():
    shares = np.tile(np.arange(1, 31) / 465, (3, 1))
    shares[1, 0] = 0.9
    display = plots.StagedPredictionDisplay(shares, ["a", "b", "c"], range(30)).plot()
    named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert named == ["others", "0", *map(str, range(21, 30))]
    assert len(display.ax_.lines) == 30


def test_a_class_looks_the_same_whatever_the_text():
    colors = []
    for first in (0, 2):  # of twelve classes, ten are named
        shares = np.full((2, 12), 0.01)
        shares[:, first : first + 10] = 0.1
        lines = plots.StagedPredictionDisplay(shares, ["a", "b"], range(12)).plot().ax_.lines
        colors.append({line.get_label(): line.get_color() for line in lines})
    for name in map(str, range(2, 10)):
        assert colors[0][name] == colors[1][name]
    assert len(set(colors[0].values())) == 1 + 6


def test_classes_have_their_colors_in_order():
    points, labels = [np.eye(2)] * 12, [*range(11, -1, -1)]
    display = plots.TrajectoryDisplay(points, labels, [["a", "b"]] * 12, [0.5, 0.5]).plot()
    named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert named == [*map(str, range(12)), "first step"]


def test_only_the_classes_on_show_take_room():
    points, words = [np.eye(2)] * 2, [["a", "b"]] * 2
    few, many = (
        plots.TrajectoryDisplay(points, [2, 4], words, [0.9, 0.1], classes=range(n)).plot()
        for n in (5, 3000)
    )
    assert many.figure_.get_figwidth() == few.figure_.get_figwidth()
    assert [line.get_color() for line in many.ax_.lines] == [
        line.get_color() for line in few.ax_.lines
    ]


@pytest.mark.parametrize("kind", [list, np.array, pd.DataFrame, lambda y: np.array(y, object)])
def test_several_labels_in_any_form(kind):
    y = [[1, 0], [0, 0], [1, 1], [0, 0]]
    clf, X, _ = series_model()
    for display in (
        plots.TrajectoryDisplay.from_estimator(clf, X[:4], kind(y)),
        plots.TrajectoryDisplay([np.eye(2)] * 4, kind(y), [["a", "b"]] * 4, [0.5, 0.5]).plot(),
    ):
        named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert named == ["0, 0", "1, 0", "1, 1", "first step"]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_dates_as_labels_have_the_colors_of_their_classes(unit):
    days = np.array(["2022-01-01", "2020-01-01", "2021-01-01"], dtype=f"datetime64[{unit}]")
    display = plots.TrajectoryDisplay(
        [np.eye(2)] * 3, days, [["a", "b"]] * 3, [0.9, 0.1], classes=np.sort(days)
    ).plot()
    named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert [name[:4] for name in named[:3]] == ["2020", "2021", "2022"]


def test_long_names_leave_room_for_the_lines():
    classes = [f"{k} {'and so on ' * 8}" for k in range(9)]
    display = plots.StagedPredictionDisplay(np.full((3, 9), 1 / 9), ["a", "b", "c"], classes).plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_window_extent().width > 100
    assert display.ax_.get_legend().get_texts()[1].get_text() == "1 and so on a…so on "


def test_a_title_stays_over_its_axes(pyplot):
    figure, axes = pyplot.subplots(2, 2, layout="constrained")
    for ax in axes.flat:
        plots.AttributionDisplay(np.ones(9), ["word"] * 9, "very positive review").plot(ax)
    figure.canvas.draw()
    left, right = (ax.title.get_window_extent() for ax in axes[0])
    assert left.x1 < axes[0, 1].yaxis.label.get_window_extent().x0
    assert right.x1 < figure.bbox.x1


def test_a_title_stays_where_the_style_puts_it(pyplot):
    with pyplot.rc_context({"axes.titlelocation": "left"}):
        display = plots.AttributionDisplay([1.0], ["word"], "a$b").plot()
    assert display.ax_.get_title("left") == r"for and against a\$b"


LONG = ["speaker number nine", "positive"]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("n", [1, 5, 40])
@pytest.mark.parametrize("target", LONG)
def test_long_names_are_not_cut_off(target, n, small, pyplot):
    words, channels = [f"word{t}" for t in range(n)], ["a long name of a channel", "b"]
    numbered, values = [str(t + 1) for t in range(n)], np.random.RandomState(0).normal(size=(n, 2))
    for display in (
        plots.AttributionDisplay(values[:, 0], words, target),
        plots.AttributionDisplay(values, numbered, target),
        plots.AttributionDisplay(values, words, target, channels),
        plots.StagedPredictionDisplay(np.full((n, 2), 0.5), words, ["no", target]),
        plots.GateDisplay(values, words, "layer0.reverse.h"),
    ):
        ax = pyplot.subplots(figsize=(3.2, 2.4), layout="constrained")[1] if small else None
        canvas = display.plot(ax=ax).figure_.canvas
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())
        for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
            assert (edge == pixels[0, 0]).all()


def test_the_legend_of_forty_classes_stays_inside(pyplot):
    n, (figure, ax) = 40, pyplot.subplots()
    ways = plots.TrajectoryDisplay([np.eye(2)] * n, range(n), [["a", "b"]] * n, [0.9, 0.1]).plot(ax)
    figure.canvas.draw()
    assert ways.ax_.get_legend().get_window_extent().y0 > 0


def test_forty_classes_leave_room_for_their_ways():
    n = 40
    ways = plots.TrajectoryDisplay([np.eye(2)] * n, range(n), [["a", "b"]] * n, [0.9, 0.1]).plot()
    ways.figure_.canvas.draw()
    assert ways.ax_.get_window_extent().width > 400


def test_states_that_never_change_are_one_point():
    points, shares = trajectory.project_to_plane(np.ones((3, 4), np.float32))
    assert not points.any()
    assert not shares.any()
    points, shares = trajectory.project_to_plane(np.array([[1.0], [3.0]]))
    assert np.abs(points).tolist() == [[1, 0], [1, 0]]
    assert shares.tolist() == [1, 0]
    assert trajectory.project_to_plane(np.empty((0, 4)))[0].shape == (0, 2)


def test_small_changes_of_large_states_are_seen():
    states = np.array([[0.0, 0], [4, 0], [4, 1], [0, 1]]) * 1e-6
    points, shares = trajectory.project_to_plane(states + 1000)
    assert np.ptp(points, axis=0) == pytest.approx([4e-6, 1e-6], rel=1e-3)
    assert shares == pytest.approx([16 / 17, 1 / 17], rel=1e-3)


@pytest.mark.parametrize("of_a_part", [False, True])
def test_axes_may_be_given(of_a_part, pyplot):
    figure = pyplot.figure(layout="constrained")
    ax = (figure.subfigures(1, 2)[1] if of_a_part else figure).subplots()
    clf, X, y = series_model()
    for make, *data in (
        (plots.TrajectoryDisplay, X[:1], y[:1]),
        (plots.TrajectoryDisplay, X, y),
        (plots.GateDisplay, X[0]),
        (plots.StagedPredictionDisplay, X[0]),
        (plots.AttributionDisplay, X[0]),
        (plots.LossCurveDisplay,),
        (plots.GradientFlowDisplay, X, y),
    ):
        ax.clear()
        display = make.from_estimator(clf, *data, ax=ax)
        assert display.ax_ is ax
        assert display.figure_ is ax.figure
        assert ax.has_data()
    assert len(pyplot.get_fignums()) == 1


@pytest.mark.parametrize("ticks", [[], [1, 2.5]], ids=str)
def test_axes_that_have_ticks_of_their_own(ticks, pyplot):
    ax = pyplot.figure().add_subplot(xticks=ticks)
    plots.LossCurveDisplay([0.7, 0.5, 0.4]).plot(ax)
    assert all(tick == round(tick) for tick in ax.get_xticks())


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    display = plots.AttributionDisplay(np.array([1.0]), ["word"], "a")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        display.plot()
    assert "word" in display._repr_html_()  # text needs no matplotlib


# ------------------------------------------------------------------------------ as text


def test_html_shows_every_word_escaped_and_the_sign_twice():
    words, values = ["<b>", "&", "weak", "none"], np.array([2.0, -1.0, 0.1, 0.0])
    text = plots.AttributionDisplay(values, words, "<class>")._repr_html_()
    spans = re.findall(r'<span style="(.*?)" title="(.*?)">(.*?)</span>', text)
    assert [html.unescape(word) for _, _, word in spans] == words
    assert [float(value) for _, value, _ in spans] == values.tolist()
    assert "&lt;class&gt;" in text
    strong, against, weak, none = (style for style, _, _ in spans)
    assert "#0072b299" in strong and "solid" in strong
    assert "#e69f004c" in against and "dotted" in against
    assert "#0072b208" in weak and "border" not in weak
    assert "00;" not in none and none.endswith("00")


def test_the_terminal_gets_the_same_words():
    words = ["good", "bad", "weak", "so"]
    text = plots.colored(words, [3.0, -3.0, 0.1, 1.2])
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == "good bad weak so"
    good, bad, weak, so = text.split(" ")
    assert good == "\x1b[4;38;5;16;48;5;39mgood\x1b[0m"
    assert bad == "\x1b[38;5;16;48;5;208mbad\x1b[0m"
    assert weak == "weak"
    assert so == "\x1b[4;38;5;16;48;5;110mso\x1b[0m"
    assert plots.colored(["a"], [0.0]) == "a"
    assert plots.colored("abc", [1.0, 0.1, -0.099]).endswith(";146mb\x1b[0m c")
    assert plots.colored([], []) == ""


@pytest.mark.parametrize(
    ("terminal", "variables", "in_color"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_str_has_colors_where_they_are_shown(terminal, variables, in_color, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    words, values = ["good", "bad", "weak"], [3.0, -0.456, 0.1]
    text = str(plots.AttributionDisplay(np.array(values), words, "a"))
    assert text == (plots.colored(words, values) if in_color else "good(+3) bad(-0.46) weak")


@pytest.mark.parametrize("stream", [None, SimpleNamespace(write=len, flush=list)])
def test_str_is_plain_where_nobody_can_tell(stream, monkeypatch):
    """As in a Windows service, or where a library has put its own writer in place of stdout."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", stream)
    assert str(plots.AttributionDisplay(np.array([3.0]), ["good"], "a")) == "good(+3)"


def test_an_empty_text_can_be_shown():
    display = plots.AttributionDisplay.from_estimator(text_model(), "")
    assert str(display) == ""
    assert "<span" not in display._repr_html_()
    for shown in (
        display.plot(),
        plots.GateDisplay.from_estimator(text_model(), ""),
        plots.StagedPredictionDisplay.from_estimator(text_model(), ""),
    ):
        assert tick_labels(shown) == []
    display = plots.TrajectoryDisplay.from_estimator(text_model(), ["", "good bad"])
    assert [way.shape for way in display.points] == [(0, 2), (2, 2)]
    assert not plots.TrajectoryDisplay.from_estimator(text_model(), [""]).ax_.texts


def test_a_step_of_channels_is_their_sum_as_text():
    display = plots.AttributionDisplay(np.array([[1.0, -3.0], [0.5, 0.5]]), ["1", "2"], "a")
    assert re.findall('title="(.*?)"', display._repr_html_()) == ["-2", "+1"]


def test_a_number_that_is_none_tears_no_hole_into_others():
    values = np.ones(150)
    values[70] = np.nan
    display = plots.AttributionDisplay(values, [str(t) for t in range(150)], "yes").plot()
    above, _ = display.ax_.collections
    (path,) = above.get_paths()
    assert np.isfinite(path.vertices).all()
    assert path.contains_points([(69, 0.5), (70, 0.5), (71, 0.5)]).tolist() == [True, False, True]


def test_two_labels_of_an_empty_text_do_not_exclude_each_other():
    display = plots.StagedPredictionDisplay(np.empty((0, 2)), [], ["a", "b"]).plot()
    assert display.ax_.get_ylabel() == "probability"
