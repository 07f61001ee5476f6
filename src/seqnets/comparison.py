"""The comparison of `python -m seqnets`: cross-validation, its table, a few texts labeled."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, cpu_count, delayed
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline

from .ahead import warmup
from .classifier import RecurrentClassifier
from .colors import n_columns, padded, printable
from .reading import LabeledTexts, listed, one_spaced, shortened
from .vectorizer import SequenceVectorizer

FOLDS = 5
EMBEDDING_DIM = 64
COMPARED = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru"}
SHOWN_TEXTS = 4
SHOWN_CHARACTERS = 110


class Fold(NamedTuple):
    """What one fold of the cross-validation gave."""

    accuracy: float
    seconds: float
    model: Pipeline
    warnings: list[str]


# Comparing


def make_recurrent(cell: str, **parameters: Any) -> Pipeline:
    """Return the pipeline that this package is for."""
    clf = RecurrentClassifier(cell, embedding_dim=EMBEDDING_DIM, random_state=0, **parameters)
    return make_pipeline(SequenceVectorizer(min_df=2), clf)


def models() -> dict[str, Pipeline]:
    """Return the models to compare, by name; each has one thread, for folds run side by side."""
    words_and_pairs = TfidfVectorizer(ngram_range=(1, 2))
    yardstick = make_pipeline(words_and_pairs, LogisticRegression(max_iter=1000))
    cells = {name: make_recurrent(cell, n_jobs=1) for name, cell in COMPARED.items()}
    return cells | {"tf-idf + logistic regression": yardstick}


def make_folds(data: LabeledTexts) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds: five, or as many as the smallest class has members."""
    members = Counter(data.labels)
    if len(members) < 2:
        raise ValueError(f"at least two classes are needed, found {[*map(shortened, members)]}")
    smallest, count = min(members.items(), key=lambda item: item[1])
    if count < 2:
        raise ValueError(f"class {shortened(smallest)!r} has one text; at least two are needed")
    folds = StratifiedKFold(min(FOLDS, count), shuffle=True, random_state=0)
    return list(folds.split(data.texts, data.labels))


def compile_kernels() -> None:
    """Compile every cell, so that no fold's time includes the compiler's."""
    print_to_stderr("compiling the kernels, which later runs find on disk ...")
    start = time.perf_counter()
    for cell in COMPARED.values():
        warmup(cell=cell, embedding_dim=EMBEDDING_DIM)
    print_to_stderr(f"  ready after {time.perf_counter() - start:.1f} s")


def run_fold(model: Pipeline, data: LabeledTexts, rows: tuple[np.ndarray, np.ndarray]) -> Fold:
    """Train on the fold's first rows, score on its second."""
    train, test = rows
    start = time.perf_counter()
    fitted, told = fit_rows(model, data, train)
    accuracy = fitted.score(data.texts[test], data.labels[test])
    return Fold(accuracy, time.perf_counter() - start, fitted, told)


def fit_rows(model: Pipeline, data: LabeledTexts, rows: np.ndarray) -> tuple[Pipeline, list[str]]:
    """Return the model trained on these rows, and each warning once."""
    with warnings.catch_warnings(record=True) as caught:
        fitted = clone(model).fit(data.texts[rows], data.labels[rows])
    return fitted, list(dict.fromkeys(one_line(warning.message) for warning in caught))


def cross_validate(data: LabeledTexts, splits: list, n_processes: int) -> dict[str, list[Fold]]:
    """Run all folds of all models, some at a time, and report each."""
    candidates = models()
    results: dict[str, list[Fold]] = {name: [] for name in candidates}
    runs = [(name, rows) for name in candidates for rows in splits]
    tasks = (delayed(run_fold)(candidates[name], data, rows) for name, rows in runs)
    with processes_end_too(), Parallel(n_processes, return_as="generator") as parallel:
        # Ignored for 20 ms here, but for good in the folds' processes, which this one ends itself.
        with on_interrupt(signal.SIG_IGN):
            running = parallel(tasks)
        for (name, _), fold in zip(runs, running, strict=True):
            folds = results[name]
            if not folds:
                print_to_stderr(name)
            folds.append(fold)
            progress = f"fold {len(folds)} of {len(splits)}"
            print_to_stderr(f"  {progress}   accuracy {fold.accuracy:.3f}   {fold.seconds:6.1f} s")
            if len(folds) == len(splits):
                for warning in dict.fromkeys(text for fold in folds for text in fold.warnings):
                    print_to_stderr(f"  warning: {warning}")
    return results


@contextlib.contextmanager
def processes_end_too() -> Iterator[None]:
    """If Ctrl-C ends the block, end the folds' processes: without `pgrep`, joblib fails to."""
    try:
        yield
    except SystemExit:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


@contextlib.contextmanager
def on_interrupt(handler: Any) -> Iterator[None]:
    """Let `handler` handle Ctrl-C inside the block."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in a shell's background jobs
        signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_comparison(data: LabeledTexts) -> None:
    """Cross-validate every model, then show what the best cell makes of a few texts."""
    splits = make_folds(data)
    n_processes = min(cpu_count(), len(splits))
    compile_kernels()
    results = cross_validate(data, splits, n_processes)
    largest = Counter(data.labels).most_common(1)[0][1] / len(data.labels)
    print(
        f"\n{data.name}: {len(data.texts):,} texts, {len(set(data.labels))} classes "
        f"(the largest {largest:.3f}).\n{len(splits)}-fold cross-validation: mean accuracy "
        "± standard deviation; seconds to fit and score all folds, "
        f"{n_processes} at a time.\n"
    )
    print_table(results)
    best = max(COMPARED, key=lambda name: np.mean([fold.accuracy for fold in results[name]]))
    print(f"\nTexts the {best} was not trained on; below each the same words, jumbled:\n")
    print_sentences(results[best][-1].model, data, splits[-1][1])


# Showing


def print_table(results: dict[str, list[Fold]]) -> None:
    """Print mean accuracy, its standard deviation over the folds, and all folds' seconds."""
    print(f"{'model':<30}{'accuracy':>13}{'seconds':>10}")
    for name, folds in results.items():
        accuracies = [fold.accuracy for fold in folds]
        seconds = sum(fold.seconds for fold in folds)
        print(f"{name:<30}{np.mean(accuracies):.3f} ± {np.std(accuracies):.3f}{seconds:>10.1f}")


def print_sentences(model: Pipeline, data: LabeledTexts, test: np.ndarray) -> None:
    """Print a few test texts and their jumbled twins, each with the likeliest class."""
    generator = random.Random(0)
    handy = [row for row in test if 6 <= len(data.texts[row].split()) <= 20] or list(test)
    chosen = generator.sample(handy, min(SHOWN_TEXTS, len(handy)))
    names = [one_line(name) for name in model.classes_]
    width = max(map(n_columns, ["label", *names])) + 2
    print(f"{'label':<{width}}{'predicted':<{width + 5}}text")
    for row in chosen:
        words = data.texts[row].split()
        pair = [" ".join(words), " ".join(generator.sample(words, len(words)))]
        for label, text, probabilities in zip(
            [one_line(data.labels[row]), ""], pair, model.predict_proba(pair), strict=True
        ):
            predicted = f"{probabilities.max():.2f} {names[probabilities.argmax()]}"
            shown = one_line(text)[:SHOWN_CHARACTERS]
            print(f"{padded(label, width)}{padded(predicted, width + 5)}{shown}")


def format_counts(labels: np.ndarray) -> str:
    """Return the labels, the most frequent first, and how many texts each has."""
    found = Counter(labels).most_common()
    return one_line(listed([f"{shortened(label)} ({n:,})" for label, n in found]))


def one_line(message: object) -> str:
    """Return the message on one line, with non-printable characters escaped."""
    return printable(one_spaced(str(message)))


def print_to_stderr(line: str) -> None:
    """Report progress on standard error, apart from the results, even if nobody reads it."""
    if sys.stderr is not None:  # print would use standard output for None
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)
