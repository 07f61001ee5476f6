"""Handwritten digits, with a line an epoch and a report at the end."""

import warnings

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import classification_report, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def main():
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype("float32")
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, test_size=0.3)

    mlp = MLPClassifier(
        hidden_layer_sizes=(40,),
        activation="relu",
        max_iter=15,
        alpha=1e-4,
        solver="sgd",
        verbose=10,
        random_state=1,
        learning_rate_init=0.2,
    )
    with warnings.catch_warnings():  # so few epochs keep the program quick
        warnings.simplefilter("ignore", category=ConvergenceWarning)
        mlp.fit(X_train, y_train)

    predicted = mlp.predict(X_test)
    print(f"Training score {mlp.score(X_train, y_train):.3f}")
    print(f"Test score {mlp.score(X_test, y_test):.3f}")
    print(classification_report(y_test, predicted))
    return {
        "training score": mlp.score(X_train, y_train),
        "test score": mlp.score(X_test, y_test),
        "confusion": confusion_matrix(y_test, predicted),
        "losses": mlp.loss_curve_,
    }


if __name__ == "__main__":
    main()
