"""Loss curves of stochastic learning strategies on two small data sets."""

import warnings

from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

COMMON = {"hidden_layer_sizes": 20, "solver": "sgd", "learning_rate_init": 0.2}
STRATEGIES = {
    "constant": {"learning_rate": "constant", "momentum": 0},
    "momentum": {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": False},
    "Nesterov": {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": True},
    "inverse scaling": {"learning_rate": "invscaling", "power_t": 0.25, "momentum": 0},
    "adaptive": {"learning_rate": "adaptive", "momentum": 0.9},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}


def fit_all(X, y, max_iter):
    """The score and the loss curve of each strategy."""
    X = MinMaxScaler().fit_transform(X).astype("float32")
    found = {}
    for name, strategy in STRATEGIES.items():
        parameters = COMMON | strategy
        mlp = MLPClassifier(activation="relu", random_state=0, max_iter=max_iter, **parameters)
        with warnings.catch_warnings():  # some strategies are slow, which is what is shown
            warnings.simplefilter("ignore", category=ConvergenceWarning)
            mlp.fit(X, y)
        print(f"{name}: score {mlp.score(X, y):.3f}, loss {mlp.loss_:.3f}")
        found[name] = {"score": mlp.score(X, y), "losses": mlp.loss_curve_}
    return found


def main():
    digits, labels = load_digits(return_X_y=True)
    return {
        "iris": fit_all(*load_iris(return_X_y=True), max_iter=40),
        "digits": fit_all(digits[:600], labels[:600], max_iter=15),
    }


if __name__ == "__main__":
    main()
