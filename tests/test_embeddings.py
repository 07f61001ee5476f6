"""Pretrained embeddings: from word vectors to the network."""

import numpy as np
import pytest

from seqnets import RecurrentClassifier, SequenceVectorizer, embedding_matrix

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

E = np.random.RandomState(0).normal(size=(9, 3))
X = [[2, 3, 4], [5, 2], [3, 1, 3, 6], [4], [6, 6, 2], []] * 3
Y = np.arange(len(X)) % 2
VOCABULARY = {"the": 2, "film": 3, "good": 4, "bad": 5}
VECTORS = {"film": [1.0, 2.0], "bad": [3.0, 5.0], "other": [9.0, 9.0]}


def make_classifier(**parameters):
    defaults = {"embedding_dim": 3, "embeddings": E, "max_iter": 3, "random_state": 0}
    return RecurrentClassifier("gru", 4, n_jobs=1, **defaults | parameters)


# --------------------------------------------------------------------- in the classifier


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_starts_from_them(dtype):
    clf = make_classifier(learning_rate_init=1e-300, dtype=dtype).fit(X, Y)
    np.testing.assert_array_equal(clf.parameters_["embedding"], E[1:].astype(dtype), strict=True)


def test_only_those_that_fit_saw_are_trained():
    clf = make_classifier(dtype="float64").fit(X, Y)
    same = (clf.parameters_["embedding"] == E[1:]).all(axis=1)
    assert np.flatnonzero(same).tolist() == [6, 7]  # the rows of ids 7 and 8
    start = make_classifier(dtype="float64", train_embeddings=False).fit(X, Y)
    np.testing.assert_array_equal(start.parameters_["embedding"], E[1:])
    assert np.any(start.parameters_["layer0.W_x"] != clf.parameters_["layer0.W_x"])


def test_frozen_ones_are_series_of_their_vectors():
    """The same weights give the same outputs on the vectors themselves, not standardized."""
    settings = {"dtype": "float64", "max_iter": 1, "learning_rate_init": 1e-300, "dropout": 0.0}
    frozen = make_classifier(train_embeddings=False, **settings).fit(X, Y)
    series = RecurrentClassifier("gru", 4, n_jobs=1, random_state=0, pooling="max", **settings)
    S = [E[x] if x else np.zeros((0, 3)) for x in X]
    series.fit(S, Y)
    for name, W in frozen.parameters_.items():
        if name != "embedding":
            series.parameters_[name] = W
    series.input_mean_, series.input_scale_ = np.zeros(3), np.ones(3)
    np.testing.assert_allclose(
        series.decision_function(S), frozen.decision_function(X), rtol=0, atol=1e-12
    )


def test_ids_that_fit_has_not_seen_have_their_own():
    clf = make_classifier().fit(X, Y)
    seven, eight, unknown = clf.decision_function([[7], [8], [1]])
    assert len({seven, eight, unknown}) == 3


def test_ids_beyond_them_are_refused():
    with pytest.raises(ValueError, match=r"X\[1\] holds 9 at step 0; .* 0 to 8, the last row of"):
        make_classifier().fit([[1], [9]], [0, 1])
    clf = make_classifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"X\[0\] holds 9 at step 1; .* from 0 to 8"):
        clf.predict([[1, 9]])


def test_partial_fit_goes_on_with_them():
    clf = make_classifier(learning_rate_init=1e-300)
    clf.partial_fit([[2], [3]], [0, 1], classes=[0, 1]).partial_fit([[7, 8]], [0])
    np.testing.assert_array_equal(clf.parameters_["embedding"], E[1:].astype(np.float32))


@pytest.mark.parametrize("trained", [True, False])
def test_with_a_validation_set_frozen_ones_stay_and_others_learn(trained):
    """Those that only the validation set has stay, too, as nothing is learned about them."""
    clf = make_classifier(train_embeddings=trained, learning_rate_init=0.1)
    clf.fit([[2, 3], [3], [4], [4, 2]], [0, 0, 1, 1], X_val=[[5], [4]], y_val=[0, 1])
    moved = (clf.parameters_["embedding"] != E[1:].astype(np.float32)).any(axis=1)
    assert moved.tolist() == [False, trained, trained, trained, *[False] * 4]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"embeddings": E[:, :2]}, r"shape \(9, 2\).*embedding_dim=3 columns"),
        ({"embeddings": E[:1]}, r"shape \(1, 3\)"),
        ({"embeddings": E[0]}, "Expected 2D array"),
        ({"embeddings": np.where(E > 1, np.nan, E)}, "embeddings contains NaN"),
        ({"embeddings": np.where(E > 1, 1e300, E)}, "embeddings holds numbers beyond 3.4"),
        ({"embeddings": [["a", "b", "c"]] * 3}, "could not convert|dtype"),
        ({"embedding_dim": None}, "embeddings is for token ids only"),
        (
            {"embedding_dim": None, "embeddings": None, "train_embeddings": False},
            "train_embeddings=False is for token ids only",
        ),
    ],
)
def test_embeddings_that_do_not_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_classifier(**parameters).fit(X, Y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_without_vectors_does_not_go_on_with_them(method):
    X, y = [[2, 3], [3, 2, 2]], [0, 1]
    clf = RecurrentClassifier("rnn", 3, embedding_dim=2, warm_start=True, max_iter=1).fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(embeddings=np.ones((9, 2)))
    with pytest.raises(ValueError, match="another network: embeddings changed"):
        getattr(clf, method)(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_vectors_by_word_are_no_matrix():
    clf = make_classifier(embeddings={"a": [1.0, 2.0]})
    with pytest.raises(
        TypeError, match=r"embeddings is a mapping, .* embedding_matrix\(vocabulary"
    ):
        clf.fit(X, Y)


# ----------------------------------------------------------------------- embedding_matrix


def test_rows_stand_at_their_ids():
    matrix = embedding_matrix(VOCABULARY, VECTORS, random_state=0)
    assert matrix.shape == (6, 2)
    assert matrix.dtype == np.float32
    assert matrix[[0, 1, 3, 5]].tolist() == [[0, 0], [2, 3.5], [1, 2], [3, 5]]
    again, other = (embedding_matrix(VOCABULARY, VECTORS, random_state=s) for s in (0, 1))
    np.testing.assert_array_equal(matrix, again)
    assert np.all(matrix[[2, 4]] != other[[2, 4]])


def test_words_without_a_vector_are_drawn_like_the_others():
    vocabulary = {str(i): i for i in range(2, 4002)}
    found = np.random.RandomState(0).normal([5.0, -3.0], [0.1, 2.0], (2000, 2))
    vectors = {str(2 + i): row for i, row in enumerate(found)}
    drawn = embedding_matrix(vocabulary, vectors, random_state=0)[2002:]
    np.testing.assert_allclose(drawn.mean(axis=0), [5.0, -3.0], atol=0.2)
    np.testing.assert_allclose(drawn.std(axis=0), [0.1, 2.0], rtol=0.1)


@pytest.mark.parametrize("header", ["", "3 2\n"], ids=["as GloVe", "as word2vec"])
def test_from_a_file(header, tmp_path):
    path = tmp_path / "vectors.txt"
    lines = [" ".join([word, *map(str, row)]) + " \n" for word, row in VECTORS.items()]
    path.write_text(header + "".join(lines), encoding="utf-8")
    vocabulary = VOCABULARY | {"3": 6}  # as in the header, which is no word's vector
    found = embedding_matrix(vocabulary, path, random_state=0)
    np.testing.assert_array_equal(found, embedding_matrix(vocabulary, VECTORS, random_state=0))


def test_a_file_s_words_with_spaces(tmp_path):
    """GloVe's largest file has some of these."""
    path = tmp_path / "vectors.txt"
    lines = "the 2 3.5", "film 1 2", "film at 9 9", "to infinity 7 7", ". . . 8 8"
    path.write_text("\n".join(lines), encoding="utf-8")
    found = embedding_matrix({"film": 2, "the": 3, "to infinity": 4}, path)
    assert found[2:].tolist() == [[1, 2], [2, 3.5], [7, 7]]


def test_a_file_of_single_numbers(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("\ufefffilm 1.5\nthe 2\n", encoding="utf-8")  # as Windows writes it
    assert embedding_matrix({"film": 2, "the": 3}, path)[2:].tolist() == [[1.5], [2]]


def test_a_line_of_a_file_with_a_number_too_many(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("\nthe 2 3.5\nfilm 1 2 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="vector of 'film' is not 2 finite numbers"):
        embedding_matrix({"film": 2, "the": 3}, path)


def test_few_words_with_a_vector_are_told():
    vocabulary = {f"w{i}": 2 + i for i in range(20)}
    with pytest.warns(UserWarning, match="^Only 1 of 20 words have a vector"):
        embedding_matrix(vocabulary, {"w3": [1.0]})
    matrix = embedding_matrix(vocabulary, {"w3": [1.0], "w4": [2.0]})  # a tenth: no warning
    assert matrix[[5, 6, 1]].tolist() == [[1.0], [2.0], [1.5]]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({"other": [1.0]}, "No word of the vocabulary has a vector"),
        (
            {"film": [1.0, 2.0], "bad": [1.0]},
            r"vector of 'bad' is not 2 finite numbers: \[1.0\]",
        ),
        ({"film": [1.0, np.inf]}, "vector of 'film' is not 2 finite numbers"),
        ({"film": [1.0, 1e39]}, "vector of 'film' is not 2 finite numbers"),
        ({"film": ["1", "b"]}, "vector of 'film' does not hold numbers: .*'b'"),
    ],
)
def test_vectors_that_are_refused(vectors, message):
    with pytest.raises(ValueError, match=message):
        embedding_matrix(VOCABULARY, vectors)


@pytest.mark.parametrize(
    ("vocabulary", "vectors", "message"),
    [
        (
            SequenceVectorizer(),
            VECTORS,
            "vocabulary is of type SequenceVectorizer, .* vocabulary_ of",
        ),
        (["film"], VECTORS, "vocabulary is of type list, expected a mapping"),
        (
            VOCABULARY,
            [[1.0, 2.0]],
            "vectors is of type list, expected the path of a text file or a map",
        ),
    ],
)
def test_what_is_no_mapping(vocabulary, vectors, message):
    with pytest.raises(TypeError, match=message):
        embedding_matrix(vocabulary, vectors)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe 1.0 2.0\n", "is not text in UTF-8"),
        (
            b"film\t1.0\n",
            "has a vector in '.*words', on lines of a word and numbers between spaces",
        ),
    ],
)
def test_a_file_that_is_none(content, message, tmp_path):
    (tmp_path / "words").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        embedding_matrix(VOCABULARY, tmp_path / "words")
    assert str(tmp_path / "words") in str(error.value)


@pytest.mark.parametrize("first", [-1, 0, 1])
def test_a_vocabulary_of_another_vectorizer(first):
    """CountVectorizer's ids begin at 0, where padding is."""
    with pytest.raises(
        ValueError, match=rf"vocabulary\['a'\] is {first}, expected an int from 2 to"
    ):
        embedding_matrix({"a": first, "film": 2}, {"film": [1.0]})


def test_from_texts_to_predictions():
    vectorizer = SequenceVectorizer()
    ids = vectorizer.fit_transform(["the good film", "the bad film", "good", "bad"])
    matrix = embedding_matrix(vectorizer.vocabulary_, VECTORS, random_state=0)
    clf = make_classifier(embedding_dim=2, embeddings=matrix, learning_rate_init=1e-300)
    clf.fit(ids, [1, 0, 1, 0])
    for word in ("film", "bad"):
        row = vectorizer.vocabulary_[word] - 1  # padding, id 0, has no row
        assert clf.parameters_["embedding"][row].tolist() == VECTORS[word]
    unheard, unknown = clf.decision_function(vectorizer.transform(["good unheard", "good so"]))
    assert unheard == unknown


def test_a_masked_vector_is_refused():
    vectors = {"a": np.ma.array([1.0, 2.0], mask=[True, False])}
    with pytest.raises(TypeError, match="The vector of 'a' is a masked array"):
        embedding_matrix({"a": 2}, vectors)
