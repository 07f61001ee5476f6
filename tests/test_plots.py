"""The displays show the numbers they are given, under the words they belong to."""

import functools
import html
import re
import sys

import numpy as np
import pytest

from seqnets import RecurrentClassifier, SequenceVectorizer, inspection, plots

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TEXTS = ["not good , but not bad either", "good & <b>", "bad , bad $ bad $", "what is it", "good"]
LABELS = ["yes", "yes", "no", "no", "yes"]
NUMBER_OF_WORDS = [1, 5, 40, 500]


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@functools.cache
def text_model():
    from sklearn.pipeline import make_pipeline

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
    display.figure_.canvas.draw()  # nothing that can't be drawn
    return [label.get_text() for label in display.ax_.get_xticklabels()]


def drawn(display, line=0):
    return np.asarray(display.ax_.lines[line].get_ydata(), dtype=float)


def test_words_are_those_of_the_text_and_unknown_ones_in_brackets():
    (words,) = inspection.words(text_model(), ["good things are not bad"])
    assert words == ["good", "[things]", "[are]", "not", "bad"]
    ids = text_model()[0].transform(["not bad"])
    assert inspection.words(text_model()[-1], ids) == [[str(number) for number in ids[0]]]
    clf, X, _ = series_model()
    assert inspection.words(clf, X)[3] == ["1", "2", "3"]


@pytest.mark.parametrize("text", TEXTS)
def test_gates_stand_over_their_words(text):
    display = plots.GateDisplay.from_estimator(text_model(), text, "layer0.f")
    (trace,) = inspection.trace(text_model(), [text])
    image = np.asarray(display.ax_.images[0].get_array())
    assert tick_labels(display) == text.lower().replace("<b>", "< b >").split()
    np.testing.assert_array_equal(np.sort(image, axis=0), np.sort(trace["layer0.f"].T, axis=0))
    assert display.ax_.images[0].get_clim() == (0, 1)


def test_states_are_drawn_around_zero_and_what_is_no_gate_is_refused():
    clf, X, _ = series_model()
    display = plots.GateDisplay.from_estimator(clf, X[0], "layer0.reverse.h")
    low, high = display.ax_.images[0].get_clim()
    assert low == -high < 0
    with pytest.raises(ValueError, match=r"name='layer0.c'.*layer0.r, layer0.z"):
        plots.GateDisplay.from_estimator(clf, X[0], "layer0.c")


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


def test_attributions_of_words_are_bars_and_of_series_a_map():
    display = plots.AttributionDisplay.from_estimator(text_model(), TEXTS[0]).plot()
    (expected,) = inspection.attributions(text_model(), TEXTS[:1], "integrated_gradients")
    heights = [bar.get_height() for bar in display.ax_.patches]
    np.testing.assert_allclose(heights, expected)
    assert display.ax_.get_ylabel() == f"speaks for {text_model().predict(TEXTS[:1])[0]}"
    clf, X, _ = series_model()
    display = plots.AttributionDisplay.from_estimator(clf, X[0], "gradient_x_input", 2).plot()
    (expected,) = clf.attributions(X[:1], target=2)
    np.testing.assert_array_equal(np.asarray(display.ax_.images[0].get_array()), expected.T)
    assert len(re.findall("<span", display._repr_html_())) == len(X[0])


def test_the_loss_curves_are_those_of_the_fit():
    clf, _, _ = series_model(2)
    display = plots.LossCurveDisplay.from_estimator(clf)
    np.testing.assert_array_equal(drawn(display, 0), clf.loss_curve_)
    np.testing.assert_array_equal(drawn(display, 1), clf.validation_loss_curve_)
    assert drawn(display, 2) == min(clf.validation_loss_curve_)
    display = plots.LossCurveDisplay.from_estimator(text_model())
    assert len(display.ax_.lines) == 1


def test_gradient_flow_is_the_median_counted_from_the_end():
    clf, X, y = series_model()
    display = plots.GradientFlowDisplay.from_estimator(clf, X, y)
    norms = clf.gradient_flow(X, y)
    for line, name in zip(display.ax_.lines, norms[0], strict=True):
        assert line.get_label() == name
        assert line.get_xdata().tolist() == [-5, -4, -3, -2, -1, 0]
        last, first = line.get_ydata()[-1], line.get_ydata()[0]
        assert last == pytest.approx(np.median([each[name][-1] for each in norms]))
        assert first == norms[5][name][0]


@pytest.mark.parametrize("n", NUMBER_OF_WORDS)
def test_any_number_of_words_is_named_without_overlap(n):
    words = [f"word{t}" for t in range(n)]
    display = plots.AttributionDisplay(np.linspace(-1, 1, n), words, "a").plot()
    shown = tick_labels(display)
    assert shown[0] == "word0"
    assert set(shown) <= set(words)
    boxes = [label.get_window_extent() for label in display.ax_.get_xticklabels()]
    assert not any(a.x1 > b.x0 for a, b in zip(boxes, boxes[1:], strict=False))


def test_axes_may_be_given(pyplot):
    _, ax = pyplot.subplots()
    clf, X, y = series_model()
    for display in (
        plots.GateDisplay.from_estimator(clf, X[0], ax=ax),
        plots.StagedPredictionDisplay.from_estimator(clf, X[0], ax=ax),
        plots.LossCurveDisplay.from_estimator(clf, ax=ax),
        plots.GradientFlowDisplay.from_estimator(clf, X, y, ax=ax),
        plots.AttributionDisplay.from_estimator(clf, X[0]).plot(ax=ax),
    ):
        assert display.ax_ is ax
        assert display.figure_ is ax.figure
    assert len(pyplot.get_fignums()) == 1


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    display = plots.AttributionDisplay(np.array([1.0]), ["word"], "a")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"seqnets\[plot\]"):
        display.plot()
    assert "word" in display._repr_html_()  # text needs none


# ------------------------------------------------------------------------------ as text


def test_html_shows_every_word_escaped_and_the_sign_twice():
    words, values = ["<b>", "&", "weak", "none"], np.array([2.0, -1.0, 0.1, 0.0])
    text = plots.AttributionDisplay(values, words, "<class>")._repr_html_()
    spans = re.findall(r'<span style="(.*?)" title="(.*?)">(.*?)</span>', text)
    assert [html.unescape(word) for _, _, word in spans] == words
    assert [float(value) for _, value, _ in spans] == values.tolist()
    assert "&lt;class&gt;" in text
    strong, against, weak, none = (style for style, _, _ in spans)
    assert "rgba(0, 114, 178, 0.60)" in strong and "solid" in strong
    assert "rgba(230, 159, 0, 0.30)" in against and "dotted" in against
    assert "0.03" in weak and "border" not in weak
    assert "0.00" in none


def test_the_terminal_gets_the_same_words():
    words = ["good", "bad", "weak", "so"]
    text = plots.colored(words, [3.0, -3.0, 0.1, 1.2])
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == "good bad weak so"
    good, bad, weak, so = text.split(" ")
    assert good == "\x1b[38;5;16;48;5;111mgood\x1b[0m"
    assert bad == "\x1b[4;38;5;16;48;5;214mbad\x1b[0m"
    assert weak == "weak"
    assert so == "\x1b[38;5;16;48;5;153mso\x1b[0m"
    assert str(plots.AttributionDisplay(np.array([3.0, -3.0, 0.1, 1.2]), words, "a")) == text
    assert plots.colored(["a"], [0.0]) == "a"
    assert plots.colored([], []) == ""


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
