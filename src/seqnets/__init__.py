"""Recurrent neural networks for scikit-learn: RNN, LSTM, GRU and minGRU with a compiled core.

`RecurrentClassifier` classifies numeric series and sequences of token ids, into which
`SequenceVectorizer` turns texts. `save` and `load` keep models on disk. `seqnets.inspection` and
`seqnets.plots` show what happens inside a network.

Examples
--------
>>> from sklearn.pipeline import make_pipeline
>>> from seqnets import RecurrentClassifier, SequenceVectorizer
>>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
>>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
>>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
>>> model.predict(["not good", "not bad"])
array(['no', 'yes'], dtype='<U3')
"""

from .ahead import warmup
from .classifier import RecurrentClassifier
from .inspection import trace
from .persistence import load, save
from .scaler import SequenceScaler
from .vectorizer import SequenceVectorizer
from .word_vectors import embedding_matrix

__version__ = "0.1.0"

__all__ = [
    "RecurrentClassifier",
    "SequenceScaler",
    "SequenceVectorizer",
    "__version__",
    "embedding_matrix",
    "load",
    "save",
    "trace",
    "warmup",
]


def __dir__() -> list[str]:
    """Return what tab completion shall offer: not the modules inside."""
    return [*__all__, "inspection", *{"plots"} & globals().keys()]
