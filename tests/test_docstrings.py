"""Every public docstring has an example, and what examples say is true, in the README, too."""

import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils._param_validation import StrOptions

import seqnets
from seqnets import inspection, plots
from seqnets.parameters import CONSTRAINTS

pytestmark = pytest.mark.compiled

README = Path(__file__).parents[1] / "README.md"
# What examples need not import
NAMES = {name: getattr(seqnets, name) for name in seqnets.__all__ if name != "__version__"}
NAMES |= {"inspection": inspection, "np": np, "plots": plots, "seqnets": seqnets}


def public() -> dict:
    """The public modules, what they export, and the methods of the classes, by name."""
    found = {}
    for module in (seqnets, inspection, plots):
        found[module.__name__] = module
        for thing in (getattr(module, name) for name in module.__all__ if name != "__version__"):
            found[f"{thing.__module__}.{thing.__qualname__}"] = thing
            for name, method in inspect.getmembers(thing, callable):
                ours = str(getattr(method, "__module__", "")).startswith("seqnets.")
                if inspect.isclass(thing) and ours and not name.startswith("_"):
                    found[f"{thing.__module__}.{thing.__qualname__}.{name}"] = method
    return found


PUBLIC = public()


@pytest.fixture(autouse=True)
def a_place_of_its_own(tmp_path, monkeypatch):
    """Where examples may write files and leave figures open."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_is_so(name):
    text = inspect.getdoc(PUBLIC[name])
    test = doctest.DocTestParser().get_doctest(text, dict(NAMES), name, None, None)
    assert test.examples, "no example"
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert not told, "".join(told)


def test_the_documented_options_are_those_that_are_checked():
    documented, checked = {}, {}
    text = inspect.getdoc(seqnets.RecurrentClassifier)
    for name, what in re.findall(r"^(\w+) : (.*?)(?:, default=.*)?$", text, re.M):
        documented[name] = set(re.findall(r'"(\w+)"', what))
    for name in CONSTRAINTS.keys() - {"scoring"}:  # its options are those of scikit-learn
        kinds = [kind for kind in CONSTRAINTS[name] if isinstance(kind, StrOptions)]
        checked[name] = set().union(*(kind.options for kind in kinds))
    assert {name: documented[name] for name in checked} == checked


def test_the_readme_makes_sequences_of_tables():
    readme = README.read_text("utf-8")
    rows, cells = (
        re.search(rf"^- {what}: `(.*?)`", readme, re.M)[1]
        for what in ("one row per step", "one cell per series, one column per channel")
    )
    table = pd.DataFrame({"run": [7, 7, 3, 7], "temp": [1.0, 2, 3, 4], "vibration": [5, 6, 7, 8]})
    found = [x.to_numpy().tolist() for x in eval(rows, {"table": table})]
    assert found == [[[1, 5], [2, 6], [4, 8]], [[3, 7]]]
    labels, events = (
        re.search(rf"`(table\.groupby.*?{end})`", readme)[1]
        for end in (r"first\(\)", r"agg\(list\)")
    )
    table = pd.DataFrame({"run": [7, 7, 3], "event": ["b", "a", "c"], "label": [1, 1, 0]})
    assert eval(labels, {"table": table}).tolist() == [1, 0]
    assert eval(events, {"table": table}).tolist() == [["b", "a"], ["c"]]
    table = pd.DataFrame({"a": [[1, 2], [3]], "b": [[4, 5], [6]]})
    found = [x.tolist() for x in eval(cells, {"table": table, "np": np})]
    assert found == [[[1, 4], [2, 5]], [[3, 6]]]


def test_the_readme_fills_gaps():
    readme = README.read_text("utf-8")
    fill = re.search(r"^- gaps inside a series, in data frames: `(.*?)`", readme, re.M)[1]
    means = re.search(r"^  `means = (.*?)`", readme, re.M)[1]
    X = [
        pd.DataFrame({"a": [np.nan, 1.0, np.nan, 3.0], "b": [np.nan] * 4}),
        pd.DataFrame({"a": [4.0], "b": [6.0]}),
    ]
    filled = eval(fill, {"X": X, "means": eval(means, {"pd": pd, "X_train": X})})
    assert filled[0].to_numpy().tolist() == [[1, 6], [1, 6], [1, 6], [3, 6]]
    assert filled[1].equals(X[1])


def of_readme(begin, **names):
    """The value of the code in the README that begins so, for these names."""
    code = re.search(rf"`({re.escape(begin)}.*?)`", README.read_text("utf-8"))[1]
    return eval(code, {"np": np, **names})


def test_the_readme_makes_series_of_series():
    X = [np.array([1.0, 2.0, 6.0]), np.array([[5.0, 0.0], [5.0, 2.0]])]
    found = of_readme("[x - x.mean", X=X)
    assert [x.tolist() for x in found] == [[-2, -1, 3], [[0, -1], [0, 1]]]
    found = of_readme("[(x - x.mean", X=X)
    np.testing.assert_allclose(found[0], np.array([-2, -1, 3]) / np.sqrt(14 / 3))
    np.testing.assert_array_equal(found[1], [[0, -1], [0, 1]])
    found = of_readme("[np.asarray(x)", X=[range(45), np.arange(40.0).reshape(20, 2)])
    assert [x.tolist() for x in found] == [[[*range(20)], [*range(20, 40)]], [[*range(40)]]]
    X = np.array([[[np.nan, np.nan], [1.0, 2.0]], [[3.0, 4.0], [np.nan, 6.0]]])
    found = of_readme("[x[~np.isnan", X=X)
    np.testing.assert_array_equal(found[0], [[1, 2]])
    np.testing.assert_array_equal(found[1], X[1])
    assert of_readme("X.swapaxes", X=np.zeros((5, 3, 7))).shape == (5, 7, 3)


def test_the_readme_makes_steps_of_rows():
    times = pd.to_datetime(["2026-01-01 10:00", "2026-01-01 10:01", "2026-01-02 00:00"])
    table = pd.DataFrame({"run": [7, 7, 3], "time": times, "event": ["b", "a", "b"]})
    assert of_readme('table.groupby("run")["time"]', table=table).tolist() == [0, 60, 0]
    assert [*of_readme("pd.get_dummies", pd=pd, table=table)][2:] == ["event_a", "event_b"]
    table = pl.DataFrame({"label": [1, 1, 0, 1], "run": [7, 7, 3, 7], "temp": [1.0, 2.0, 3.0, 4.0],
                          "vibration": [5, 6, 7, 8]})  # fmt: skip
    found = [x.to_numpy().tolist() for x in of_readme('table[["run", "temp"', table=table)]
    assert found == [[[1, 5], [2, 6], [4, 8]], [[3, 7]]]


def test_the_readme_cuts_windows():
    windows, labels = re.search(
        r"`(np.lib.stride_tricks.*?)`, with\s+`y = (.*?)`", README.read_text("utf-8"), re.S
    ).groups()
    x = np.arange(520.0).reshape(260, 2)
    names = {"np": np, "x": x, "labels": np.arange(260)}
    found, y = eval(windows, names), eval(labels, names)
    assert y.tolist() == [99, 149, 199, 249]
    np.testing.assert_array_equal(found, [x[end - 99 : end + 1] for end in y])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_readme_puts_numbers_beside_a_series():
    """The label needs both: neither can do without the other."""
    of_sound = re.search(r"`(FunctionTransformer\(.*?\))`", README.read_text("utf-8"))[1]
    random = np.random.RandomState(0)
    loud, old = random.randint(2, size=(2, 60))
    sound = [np.full(random.randint(2, 6), 2.0 * bit - 1) for bit in loud]
    table, y = pd.DataFrame({"sound": sound, "age": old}), loud & old
    clf = seqnets.RecurrentClassifier("gru", 4, learning_rate_init=0.05, random_state=0)
    of_age = FunctionTransformer(lambda table: table[["age"]])
    members = [
        ("sound", make_pipeline(eval(of_sound, {"FunctionTransformer": FunctionTransformer}), clf)),
        ("age", make_pipeline(of_age, LogisticRegression())),
    ]
    stack = StackingClassifier(members, LogisticRegression(C=100), cv=3).fit(table, y)
    assert stack.score(table, y) == 1
    assert max(model.score(table, y) for _, model in stack.named_estimators_.items()) < 1


def test_completion_offers_what_is_public():
    assert {*dir(seqnets)} - {"plots"} == {*seqnets.__all__, "inspection"}
    assert all(hasattr(seqnets, name) for name in dir(seqnets))


def test_nothing_public_is_left_out():
    names = {name.rpartition(".")[2] for name in PUBLIC}
    assert {"RecurrentClassifier", "partial_fit", "load", "words", "from_estimator"} <= names
    assert len(PUBLIC) >= 57


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_readme_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.M)
    first_use, digits, search, growing, pretrained, on_disk, looking = blocks
    names = {}
    exec(first_use, names)
    texts = names["texts"]
    assert names["model"].score(texts, names["labels"]) == 1.0
    same_words = ["good, not bad", "bad, not good"]
    assert f"predict({same_words})".replace("'", '"') in first_use
    assert names["model"].predict(same_words).tolist() == ["yes", "no"]
    of_digits = names.copy()
    exec(digits, of_digits)
    assert of_digits["clf"].score(of_digits["X_test"], of_digits["y_test"]) == pytest.approx(
        float(re.search(r"clf.score\(.*# (.*)", digits)[1]), abs=0.006
    )
    exec(search, names)
    chunks = [(texts[start::9], names["labels"][start::9]) for start in range(9)]
    given = names | {"chunks": [(["so", "not"], ["no", "yes"]), *chunks], "classes": ["no", "yes"]}
    exec(growing, given)
    assert (
        sorted(given["vocabulary"].values()) == given["clf"].token_ids_.tolist() == [2, 3, 4, 5, 6]
    )
    glove = "\n".join(f"{word}{' 0.5' * 100}" for word in ("good", "bad", "not", ",", "unused"))
    Path("glove.txt").write_text(glove, "utf-8")
    given = names.copy()
    exec(pretrained, given)
    np.testing.assert_array_equal(given["vectors"][2:], 0.5)
    given["model"].fit(texts, names["labels"])
    before, proba = names["model"], names["model"].predict_proba(texts)
    exec(on_disk, names)
    assert names["model"] is not before
    np.testing.assert_array_equal(names["model"].predict_proba(texts), proba)
    exec(
        "import matplotlib.pyplot as plt\nfrom seqnets import plots\n" + looking,
        names | {"text": texts[0]},
    )
