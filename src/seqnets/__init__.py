"""Recurrent neural networks for scikit-learn: RNN, LSTM and GRU with a compiled core."""

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
