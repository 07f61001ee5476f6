"""How the penalty alpha smooths the surface between two classes; and training in parts."""

import warnings

import numpy as np
from sklearn.datasets import make_circles, make_classification, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ALPHAS = [1e-4, 0.03, 0.3]
DATA = {
    "moons": make_moons(n_samples=200, noise=0.2, random_state=0),
    "circles": make_circles(n_samples=200, noise=0.1, factor=0.4, random_state=1),
    "line": make_classification(
        n_samples=200, n_features=2, n_redundant=0, n_clusters_per_class=1, random_state=4
    ),
}


def mesh_over(X):
    """15 x 15 points of the plane, with a margin around X."""
    x, y = np.linspace(X.min(axis=0) - 0.5, X.max(axis=0) + 0.5, 15).T
    return np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])


def surfaces(early_stopping):
    """The test score and the probabilities over the plane, for each data set and alpha."""
    found = {}
    for name, (X, y) in DATA.items():
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=42)
        for alpha in ALPHAS:
            model = make_pipeline(
                StandardScaler(),
                MLPClassifier(
                    alpha=alpha,
                    activation="tanh",
                    hidden_layer_sizes=(10,),
                    batch_size=32,
                    learning_rate_init=0.03,
                    max_iter=60,
                    early_stopping=early_stopping,
                    validation_fraction=0.2,
                    n_iter_no_change=10,
                    random_state=1,
                ),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", category=ConvergenceWarning)
                model.fit(X_train, y_train)
            score = model.score(X_test, y_test)
            print(f"{name}, alpha={alpha:g}: {score:.3f} after {model[-1].n_iter_} epochs")
            surface = model.predict_proba(mesh_over(X))[:, 1].reshape(15, 15)
            found[f"{name}, {alpha:g}"] = {"score": score, "surface": surface}
    return found


def in_parts():
    """The moons chunk by chunk, as if there were too many of them; the score after each pass."""
    X, y = DATA["moons"]
    X = StandardScaler().fit_transform(X)
    mlp = MLPClassifier(hidden_layer_sizes=(10,), learning_rate_init=0.03, random_state=0)
    scores = []
    for _ in range(10):
        for chunk in np.array_split(np.arange(len(X)), 5):
            mlp.partial_fit(X[chunk], y[chunk], classes=[0, 1])
        scores.append(mlp.score(X, y))
    print(f"in parts: {scores[0]:.3f} after one pass, {scores[-1]:.3f} after {len(scores)}")
    return scores


def main():
    return {
        "all data": surfaces(early_stopping=False),
        "early stopping": surfaces(early_stopping=True),
        "in parts": in_parts(),
    }


if __name__ == "__main__":
    main()
