"""python -m seqnets train, predict and explain: texts, models, labels, and users' mistakes."""

import io
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.fixes import parse_version, sp_version
from test_main import COLUMNS, failure, one_word_decides, write_csv

import seqnets
from seqnets import __main__ as cli
from seqnets import comparison, reading
from seqnets.progress import Progress

MODELS = Path(__file__).parent / "models"
OF_TEXTS = str(MODELS / "texts-1.seqnets")


@pytest.fixture
def quick(monkeypatch):
    """Train in next to no time, for tests where it does not matter how well."""
    small = partial(comparison.make_recurrent, hidden_layer_sizes=2, max_iter=1)
    monkeypatch.setattr(cli, "make_recurrent", small)


@pytest.fixture
def reviews(tmp_path):
    return write_csv(tmp_path / "reviews.csv", one_word_decides(60))


def closed(*_, **__):
    raise BrokenPipeError


def full(*_):
    raise OSError(28, "No space left on device")


def train(path, output, *more):
    """The exit code of the command on a file with our columns."""
    return cli.main(["train", path, *COLUMNS, *more, "--output", str(output)])


def predicted(capsys, *arguments):
    """The labels and their probabilities."""
    assert cli.main(["predict", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    labels, probabilities = zip(*(line.split("\t") for line in out.splitlines()), strict=True)
    return [*labels], np.array(probabilities, dtype=float)


@pytest.mark.compiled
@pytest.mark.filterwarnings("default")
def test_a_model_is_trained_and_labels_other_texts(tmp_path, capsys):
    path = write_csv(tmp_path / "reviews.csv", one_word_decides(300))
    output = str(tmp_path / "model")
    assert train(path, output, "--cell", "gru") == 0
    out, err = capsys.readouterr()
    assert "300 texts, 60 of them held out" in out
    assert "held-out texts: 1.000; of always guessing 'yes', the most common label: 0.500" in out
    assert f"{output}: saved this model, trained on the other 240 texts, not on all" in out
    assert "Traceback" not in err
    assert seqnets.load(output)[-1].cell == "gru"

    rows = one_word_decides(40, seed=1)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(text for text, _ in rows), "utf-8")
    labels, probabilities = predicted(capsys, output, texts)
    assert labels == [verdict for _, verdict in rows]
    assert (probabilities > 0.8).all()


@pytest.mark.filterwarnings("default")
def test_what_is_saved_has_not_seen_the_held_out_texts(quick, tmp_path, capsys):
    rows = [
        (f"{text} word{i} word{i}", verdict)
        for i, (text, verdict) in enumerate(one_word_decides(60))
    ]
    path, output = write_csv(tmp_path / "reviews.csv", rows), str(tmp_path / "model")
    assert train(path, output) == 0
    held_out, model = (
        comparison.make_folds(cli.read_csv(path, "review", "verdict"))[0][1],
        seqnets.load(output),
    )
    assert len(held_out) == 12
    assert not model[0].vocabulary_.keys() & {f"word{i}" for i in held_out}
    assert model[-1].t_ == 48


@pytest.mark.filterwarnings("default")
def test_accuracy_is_held_against_the_most_common_label(quick, tmp_path, capsys):
    """By its share of the held-out texts, which is not that of all; and an LSTM is the default."""
    rows = [(text, "yes" if i < 37 else "no") for i, (text, _) in enumerate(one_word_decides(60))]
    path, output = write_csv(tmp_path / "reviews.csv", rows), str(tmp_path / "model")
    assert train(path, output) == 0
    data = cli.read_csv(path, "review", "verdict")
    share = np.mean(data.labels[comparison.make_folds(data)[0][1]] == "yes")
    assert f"always guessing 'yes', the most common label: {share:.3f}" in capsys.readouterr().out
    assert share != 37 / 60
    assert seqnets.load(output)[-1].cell == "lstm"


@pytest.fixture
def interrupt_ends_the_command():
    """As in a process of `python -m seqnets`."""
    before = signal.signal(signal.SIGINT, cli.exit_on_interrupt)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupt_ends_the_command")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("at", "saved"), [("epoch_begins", False), ("epoch_ends", True)])
def test_an_interrupt_keeps_what_was_learned(at, saved, reviews, tmp_path, capsys, monkeypatch):
    told = getattr(Progress, at)

    def interrupted(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        return told(self, *arguments)

    monkeypatch.setattr(Progress, at, interrupted)
    before, output = signal.getsignal(signal.SIGINT), tmp_path / "model"
    if saved:
        assert train(reviews, output) == 0
        assert seqnets.load(output)[-1].n_iter_ == 1
        message = "warning: Training interrupted by user"
    else:
        with pytest.raises(SystemExit, match="130"):
            train(reviews, output)
        message = "interrupted before the first epoch ended: nothing is saved"
    assert message in capsys.readouterr().err
    assert output.exists() == saved
    assert (signal.getsignal(signal.SIGINT) == before) == saved  # else the command ends


@pytest.mark.usefixtures("interrupt_ends_the_command")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("again", ["fit_rows", "save"])
def test_a_second_interrupt_keeps_it_too(again, quick, reviews, tmp_path, monkeypatch):
    def interrupt_after(place, name):
        function = getattr(place, name)

        def interrupted(*arguments):
            result = function(*arguments)
            signal.raise_signal(signal.SIGINT)
            return result

        monkeypatch.setattr(place, name, interrupted)

    interrupt_after(Progress, "epoch_ends")
    interrupt_after(cli, again)
    before, output = signal.getsignal(signal.SIGINT), tmp_path / "model"
    assert train(reviews, output) == 0
    assert seqnets.load(output)[-1].n_iter_ == 1
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.usefixtures("interrupt_ends_the_command")
def test_a_second_interrupt_ends_at_once(monkeypatch):
    """If Python swallowed the first exit."""
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with pytest.raises(SystemExit, match="130"):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert codes == [130]


@pytest.mark.filterwarnings("default")
def test_progress_is_for_who_looks(quick, reviews, tmp_path, capsys, monkeypatch):
    losses = set()
    for looks in (False, True):
        monkeypatch.setattr(cli, "is_stderr_terminal", lambda looks=looks: looks)
        assert train(reviews, tmp_path / "model") == 0
        losses.add(seqnets.load(tmp_path / "model")[-1].loss_)
        out, err = capsys.readouterr()
        assert ("epoch 1/1: loss" in err) == looks
        assert "epoch" not in out
    assert len(losses) == 1


def test_words_need_no_quotes(capsys):
    model, texts = OF_TEXTS, (["a good film"], ["a", "good", "film"])
    told = []
    for words in texts:
        assert cli.main(["explain", model, *words]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]


def test_a_verdict_is_explained_word_by_word(capsys):
    model, text = OF_TEXTS, "a good film , not bad"
    assert cli.main(["explain", model, text]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    verdict, _, head, *rows = out.splitlines()
    label, probability = verdict.split("\t")
    loaded = seqnets.load(model)
    [proba] = loaded.predict_proba([text])
    assert (label, probability) == (str(loaded.predict([text])[0]), f"{proba.max():.4f}")
    assert head.split() == ["word", "for", label, label, "so", "far"]
    [steps] = seqnets.inspection.words(loaded, [text])
    [moved] = seqnets.inspection.attributions(loaded, [text], "integrated_gradients")
    assert [row.split()[0] for row in rows] == steps
    np.testing.assert_allclose([float(row.split()[1]) for row in rows], moved, atol=6e-4)
    assert rows[-1].split()[2] == probability


def test_the_label_so_far_is_the_verdict_s(tmp_path, capsys):
    """Even after words for which another label was likelier."""
    model, text, path = seqnets.load(OF_TEXTS), "a good film , not bad", str(tmp_path / "model")
    model[-1].parameters_["dense.b"] += 0.5
    seqnets.save(model, path)
    stages = [stage[0, 0] for stage in seqnets.inspection.staged_predict_proba(model, [text])]
    assert stages[0] < 0.5 < stages[-1]
    assert cli.main(["explain", path, text]) == 0
    verdict, _, _, *rows = capsys.readouterr().out.splitlines()
    assert verdict == f"no\t{stages[-1]:.4f}"
    assert [row.split()[2:] for row in rows] == [[f"{p:.4f}", "#" * round(20 * p)] for p in stages]


def test_colors_are_for_terminals(capsys, monkeypatch):
    model = OF_TEXTS
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for terminal, wish, colors in [(True, "", True), (True, "1", False), (False, "", False)]:
        monkeypatch.setenv("NO_COLOR", wish)
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        assert cli.main(["explain", model, "a good film"]) == 0
        assert ("\x1b[" in capsys.readouterr().out) == colors


def test_an_empty_text_has_nothing_to_explain(capsys):
    assert cli.main(["explain", OF_TEXTS, ""]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("n_bytes", [1, 7, 2**15])
@pytest.mark.parametrize("n_lines", [1, 3, 4, 9])
def test_a_label_for_each_line(n_lines, n_bytes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "BYTES_AT_A_TIME", n_bytes)
    lines = ["good", "", "  ", "\u00e9t\u00e9, a bad film"] * 3
    path, name = tmp_path / "texts.txt", OF_TEXTS
    content = b"\xef\xbb\xbf" + "\r\n".join(lines[:n_lines]).encode()
    path.write_bytes(content)
    labels, probabilities = predicted(capsys, name, path)
    model = seqnets.load(name)
    assert labels == [*model.predict(lines[:n_lines])]
    np.testing.assert_allclose(
        probabilities, model.predict_proba(lines[:n_lines]).max(1), atol=1e-4
    )

    for given in ((), ("-",)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        again, same = predicted(capsys, name, *given)
        assert (again, [*same]) == (labels, [*probabilities])


def test_labels_are_printed_as_they_come():
    command = [sys.executable, "-m", "seqnets", "predict", OF_TEXTS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        late = threading.Timer(60, process.kill)  # if it waits for more lines
        late.start()
        for line in (b"good\n", b"a bad film\n"):  # as typed: a label before the next line
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline().startswith(b"no\t0.")
        process.stdout.close()  # as head does
        _, err = process.communicate(b"good\n" * 1000, timeout=60)
        late.cancel()
    assert err == b""
    assert process.returncode == 0


def test_a_last_line_may_be_empty_or_not_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)  # closed, which does not matter for a file
    path = tmp_path / "texts.txt"
    for content, n in [(b"good\n", 1), (b"good", 1), (b"good\n\n", 2), (b"\n", 1)]:
        path.write_bytes(content)
        assert len(predicted(capsys, OF_TEXTS, path)[0]) == n
    path.write_bytes(b"")
    assert cli.main(["predict", OF_TEXTS, str(path)]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("default")
def test_a_csv_file_may_come_from_standard_input(quick, reviews, tmp_path, capsys, monkeypatch):
    def train_and_predict(path, *given):
        for arguments in (
            ["train", path, *COLUMNS, "--output", str(tmp_path / "model")],
            ["predict", OF_TEXTS, *given, "--text", "review"],
        ):
            stdin = io.TextIOWrapper(io.BytesIO(Path(reviews).read_bytes()))
            monkeypatch.setattr(sys, "stdin", stdin)
            assert cli.main(arguments) == 0
            yield capsys.readouterr().out.replace(reviews, "standard input")

    told = [*train_and_predict(reviews, reviews)]
    assert [*train_and_predict("-")] == [*train_and_predict("-", "-")] == told
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n")))
    assert "standard input: no column 'review'" in failure(capsys, "-", *COLUMNS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["", *COLUMNS],
        ["train", "", *COLUMNS, "--output", "model"],
        ["train", "reviews.csv", *COLUMNS, "--output", ""],
        ["predict", ""],
        ["predict", OF_TEXTS, ""],
        ["predict", OF_TEXTS, "", "--text", "review"],
        ["explain", "", "good"],
    ],
)
def test_an_empty_name_names_no_file(arguments, reviews, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "file's name is empty" in failure(capsys, *arguments)


def test_a_model_is_not_written_to_standard_output(reviews, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (["--output", "-"], []):
        line = failure(capsys, "train", reviews, *COLUMNS, *given)
        assert "--output must name a file for the model" in line
    assert os.listdir(tmp_path) == ["reviews.csv"]


@pytest.mark.parametrize("rows", [1, 3, 256])
def test_a_label_for_each_row_of_a_column(rows, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "ROWS_AT_A_TIME", rows)
    texts = ["good", "", "a bad film,\nnot good", "not bad"]
    path = write_csv(tmp_path / "reviews.csv", [(i, text) for i, text in enumerate(texts)])
    model = OF_TEXTS
    labels, probabilities = predicted(capsys, model, path, "--text", "verdict")
    proba = seqnets.load(model).predict_proba(texts)
    assert labels == [*seqnets.load(model).predict(texts)]
    assert predicted(capsys, model, "--text", "verdict", path)[0] == labels
    np.testing.assert_allclose(probabilities, proba.max(axis=1), atol=1e-4)

    assert "no column 'text'; the columns are: review, verdict" in failure(
        capsys, "predict", model, path, "--text", "text"
    )
    assert cli.main(["predict", model, path]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6  # the header is one, and one text has two lines
    assert "--text COLUMN" in err


@pytest.mark.parametrize("name", ["texts.tsv", "texts.TAB", "texts.jsonl"])
def test_lines_of_a_table_are_labeled_with_a_note(name, tmp_path, capsys):
    path = tmp_path / name
    failure(capsys, "predict", OF_TEXTS, str(path))  # in one line
    path.write_bytes(b"text\n")
    assert cli.main(["predict", OF_TEXTS, str(path)]) == 0
    assert "including the first; --text COLUMN" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["trian", "compare", "Train"])
def test_a_command_that_is_none(word, capsys):
    line = failure(capsys, word, "reviews.csv", *COLUMNS)
    assert f"{word!r} is neither a file nor a command" in line
    assert "train, predict, explain" in line


@pytest.mark.parametrize("place", ["none/model", "folder", "reviews.csv", os.devnull])
def test_an_output_that_cannot_be_written_is_told_before_training(
    place, reviews, tmp_path, capsys, monkeypatch
):
    (tmp_path / "folder").mkdir()
    before = Path(reviews).read_bytes()
    monkeypatch.setattr(cli, "fit_rows", lambda *_: pytest.fail("trained"))
    output = str(tmp_path / place)
    assert output in failure(capsys, "train", reviews, *COLUMNS, "--output", output)
    assert Path(reviews).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["folder", "reviews.csv"]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (one_word_decides(20), ["--text", "review", "--label", "review "], "both name 'review'"),
        ([("a", "yes"), ("b", "yes")], COLUMNS, "two classes are needed"),
    ],
)
def test_unusable_training_data(rows, columns, message, tmp_path, capsys):
    path, output = write_csv(tmp_path / "reviews.csv", rows), tmp_path / "model"
    output.write_bytes(b"old")
    line = failure(capsys, "train", path, *columns, "--output", str(output))
    assert f"{path}: " in line
    assert message in line
    assert output.read_bytes() == b"old"


def test_what_training_refuses_is_told_in_a_line(tmp_path, capsys):
    rows = [(f"w{i}", ("yes", "no")[i % 2]) for i in range(20)]  # each word once
    path, output = write_csv(tmp_path / "reviews.csv", rows), tmp_path / "model"
    assert train(path, output) == 2
    err = capsys.readouterr().err
    assert f"seqnets: {path}: column 'review': no word occurs in two texts; is it" in err
    assert not output.exists()


@pytest.mark.filterwarnings("default")
def test_a_save_that_fails_after_training_leaves_the_old_file(
    quick, reviews, tmp_path, capsys, monkeypatch
):
    output = tmp_path / "model"
    output.write_bytes(b"old")

    monkeypatch.setattr(os, "fsync", full)
    assert train(reviews, output) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == f"seqnets: {output}: No space left on device"
    assert output.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["model", "reviews.csv"]


RUN = 'exec "$0" -m seqnets "$@" '
no_stderr = pytest.mark.skipif(
    sp_version < parse_version("1.14"), reason="this SciPy can't be imported without stderr"
)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")
@pytest.mark.parametrize(
    ("command", "redirection", "status", "message"),
    [
        ("predict", "<&-", 2, b"seqnets: standard input is closed: give FILE\n"),
        ("predict", "</dev/null >&-", 0, b""),
        pytest.param("predict", "</dev/null 2>&-", 0, b"", marks=no_stderr),
        ("explain", ">/dev/full", 2, b"seqnets: standard output: No space left on device\n"),
        ("explain", "| true", 0, b""),
        ("explain", ">&-", 0, b""),
    ],
)
def test_streams_that_are_closed_or_full(command, redirection, status, message):
    """One line, or nothing, but no traceback."""
    if "/dev/full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    arguments = [command, OF_TEXTS, *["good"] * (command == "explain")]
    piped = "| true" in redirection
    script = ("set -o pipefail; " * piped) + RUN.replace("exec ", "" if piped else "exec ")
    done = subprocess.run(
        ["bash", "-c", script + redirection, sys.executable, *arguments],
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (status, message)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")
@pytest.mark.parametrize("redirection", [">&-", pytest.param("2>&-", marks=no_stderr)])
def test_a_comparison_whose_output_is_closed(redirection, tmp_path):
    """Its workers are started all the same."""
    path = tmp_path / "reviews.csv"
    rows = [
        f"{word} {i},{label}" for i in range(5) for word, label in (("good", "y"), ("bad", "n"))
    ]
    path.write_text("\n".join(["text,label", *rows]))
    arguments = [str(path), "--text", "text", "--label", "label"]
    done = subprocess.run(
        ["bash", "-c", RUN + redirection, sys.executable, *arguments],
        capture_output=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert (b"tf-idf" in done.stdout) == (redirection == "2>&-")


@pytest.mark.skipif(os.name == "nt", reason="there, arguments are no bytes")
def test_a_text_is_in_utf_8_whatever_the_locale(monkeypatch, capsys):
    model = seqnets.load(OF_TEXTS)
    text, typed = "good ünï", "good ünï".encode().decode("ascii", "surrogateescape")
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("ascii", "surrogateescape"))
    assert cli.main(["explain", OF_TEXTS, typed]) == 0
    proba = model.predict_proba([text]).max()
    assert capsys.readouterr().out.split()[1] == f"{proba:.4f}"
    assert "not text in UTF-8" in failure(capsys, "explain", OF_TEXTS, "caf\udce9")


def test_labels_stay_different_where_the_output_has_no_letters_for_them(tmp_path):
    model = comparison.make_recurrent("rnn", max_iter=40, learning_rate="cosine", n_jobs=1)
    texts = ["good"] * 9 + ["bad"] * 9
    model.fit(texts, ["хорошо"] * 9 + ["плохо"] * 9)
    seqnets.save(model, tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-m", "seqnets", "predict", str(tmp_path / "model")],
        input=b"good\nbad\n",
        capture_output=True,
        timeout=60,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )
    labels = [line.split(b"\t")[0].decode("unicode_escape") for line in done.stdout.splitlines()]
    assert labels == ["хорошо", "плохо"]


@pytest.mark.filterwarnings("default")
def test_a_model_is_saved_though_nobody_listens(quick, reviews, tmp_path, monkeypatch):
    output = tmp_path / "model"
    monkeypatch.setattr(sys.stderr, "write", closed)
    assert train(reviews, output) == 0
    assert output.stat().st_size > 0


@pytest.mark.filterwarnings("default")
def test_an_interrupt_of_the_report_leaves_the_model(quick, reviews, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    output = tmp_path / "model"
    monkeypatch.setattr(Pipeline, "score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(reviews, output)
    assert output.stat().st_size > 0


def test_labels_are_counted_before_training():
    labels = np.array(["yes"] * 3 + ["\x1b[31mno"] * 2 + ["NaN"], dtype=object)
    assert comparison.format_counts(labels) == "yes (3), \\x1b[31mno (2), NaN (1)"
    assert comparison.format_counts(np.array(["word " * 99])) == f"{'word ' * 7}wo... (1)"
    assert comparison.format_counts(np.arange(10).astype(str)).endswith(", 9 (1)")
    assert comparison.format_counts(np.arange(1234).astype(str)).endswith(" and 1,224 more")


def test_a_job_in_the_background_is_not_interrupted():
    """A shell lets it ignore Ctrl-C, which is meant for the job in the foreground."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with comparison.on_interrupt(signal.default_int_handler):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_file_that_fails_is_named(capsys, monkeypatch):
    """Standard output is not blamed for what went wrong elsewhere."""

    def elsewhere(path):
        raise OSError(28, "No space left on device", "/dev/shm/joblib")

    monkeypatch.setattr(cli, "text_classifier", elsewhere)
    monkeypatch.setattr(cli, "write_no_more", lambda: None)
    assert cli.main(["explain", "model", "good"]) == 2
    assert capsys.readouterr().err == "seqnets: /dev/shm/joblib: No space left on device\n"


@pytest.mark.filterwarnings("default")
def test_the_model_is_saved_though_nobody_reads_the_report(quick, reviews, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "print", closed, raising=False)
    monkeypatch.setattr(cli, "print_to_stderr", lambda line: None)
    monkeypatch.setattr(cli, "write_no_more", lambda: None)
    assert train(reviews, tmp_path / "model") == 0
    assert (tmp_path / "model").stat().st_size > 0


@pytest.mark.filterwarnings("default")
def test_a_failed_save_is_told_though_nobody_reads(quick, reviews, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "print", closed, raising=False)
    monkeypatch.setattr(cli, "write_no_more", lambda: None)
    monkeypatch.setattr(os, "fsync", full)
    output = str(tmp_path / "model")
    assert train(reviews, output) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == f"seqnets: {output}: No space left on device"


def test_nothing_is_said_among_the_results(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    comparison.print_to_stderr("a line")
    assert capsys.readouterr().out == ""


def test_what_joins_letters_and_emoji_is_printed():
    """But nothing that turns the direction of the text around it, or can't be seen."""
    joined = "\U0001f468\u200d\U0001f4bb \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u200f"
    assert comparison.one_line(joined) == joined
    assert comparison.one_line("\u202ea\u2066b\u2028c\x85\0") == "\\u202ea\\u2066b c \\x00"
    assert comparison.one_line("yes\u200b no\ufeff") == "yes\\u200b no\\ufeff"
    assert [*map(cli.n_columns, ("e\u0301", "\u200db", "\u2764\ufe0f", "\u6771"))] == [1, 1, 1, 2]


def test_a_text_steers_no_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = "good \x1b]0;title\x07 \u202e東京 film"
    assert cli.main(["explain", OF_TEXTS, os.fsdecode(text.encode())]) == 0
    out, _ = capsys.readouterr()
    assert "\x1b]" not in out
    assert "\x07" not in out
    assert "\u202e" not in out
    *_, word, film = out.splitlines()
    assert word.index("0.") - word.index("[") == film.index("0.") - 2  # 東京 takes four columns


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("none", "none: No such file or directory"),
        ("expected.json", "is not a valid seqnets file: it is not a complete zip file"),
        ("series-1.seqnets", "series-1.seqnets: this Pipeline does not give each text one label"),
    ],
)
def test_unusable_models(model, message, capsys):
    assert message in failure(capsys, "predict", str(MODELS / model))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("vectorizer", "X", "y"),
    [
        (seqnets.SequenceVectorizer(), ["a b", "b"], [[1, 1], [0, 1]]),
        (seqnets.SequenceVectorizer(analyzer=list), [["a", "b"], ["b"]], [0, 1]),
    ],
    ids=["several labels", "lists of words"],
)
def test_models_for_python_alone(vectorizer, X, y, tmp_path, capsys):
    clf = seqnets.RecurrentClassifier("rnn", 2, embedding_dim=2, max_iter=1)
    seqnets.save(make_pipeline(vectorizer, clf).fit(X, y), tmp_path / "model")
    for command in ("predict", "explain"):
        line = failure(capsys, command, str(tmp_path / "model"), "a text")
        assert "this Pipeline does not give each text one label" in line


def test_unusable_texts(tmp_path, capsys, monkeypatch):
    model, path = OF_TEXTS, tmp_path / "texts"
    line = failure(capsys, "predict", model, str(path))
    assert f"{path}: No such file or directory" in line
    path.write_bytes(b"good\nb\xff\n")
    assert f"{path}, line 2: not text in UTF-8: invalid start byte; save it as UTF-8" in failure(
        capsys, "predict", model, str(path)
    )
    for begin, kind in ((b"\xfe\xff", "UTF-16"), (b"PK\3\4", "zip"), (b"\x1f\x8b", "gzip")):
        path.write_bytes(begin + b"a\n")
        for options in ([], ["--text", "a"]):
            line = failure(capsys, "predict", model, str(path), *options)
            assert f"{path}: this is " in line
            assert kind in line
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"b\xff")))
    assert "standard input, line 1: not text" in failure(capsys, "predict", model)
    monkeypatch.setattr(reading, "BYTES_AT_A_TIME", 6)
    path.write_bytes(b"a\nb\nc\nd\n\nb\xff\n")
    assert cli.main(["predict", model, str(path)]) == 2
    out, err = capsys.readouterr()
    assert "line 6: not text" in err
    assert len(out.splitlines()) == 3  # what was read before


@pytest.mark.parametrize("command", ["train", "predict"])
def test_help_is_of_the_command(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert f"python -m seqnets {command}" in capsys.readouterr().out


def test_what_train_needs_is_told_at_once(reviews, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train"])
    assert "train FILE --text COLUMN --label COLUMN --output MODEL [" in capsys.readouterr().err
    line = failure(capsys, "train", reviews)
    assert "name a column with --text and one with --label; the columns are: review, verd" in line
