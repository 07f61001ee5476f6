"""The displays look as they did: drawn from fixed numbers, they equal the images in `looks`.

To draw new images, which are to be looked at before a commit: python tests/test_looks.py
"""

import re
from pathlib import Path

import numpy as np
import pytest

from seqnets import plots

pytestmark = pytest.mark.compiled  # no kernel runs here

LOOKS = Path(__file__).parent / "looks"
TEXT = """the film is not as bad as it could have been , but then again it is long , loud and
extraordinarily-unremarkable for anyone who has seen the first of them twice . still good fun"""


def words(n):
    return (TEXT.split() * 20)[:n]


def steps(n):
    return [str(t + 1) for t in range(n)]


def numbers(n, *units):
    """(n, *units): between -1 and 1; NumPy promises that this generator stays as it is."""
    return np.random.RandomState(n).uniform(-1, 1, (n, *units))


def shares(n, n_classes):
    odds = np.exp(np.cumsum(numbers(n, n_classes), axis=0))
    return odds / odds.sum(axis=1, keepdims=True)


def hidden(n):
    return plots.GateDisplay(numbers(n, 12), words(n), "layer0.h")


def forget(n):
    return plots.GateDisplay((numbers(n, 12) + 1) / 2, words(n), "layer0.f")


def cell_of_series(n):
    return plots.GateDisplay(2 * numbers(n, 12), steps(n), "layer1.c")


def attention(n):
    return plots.GateDisplay(numbers(n) ** 6 / (numbers(n) ** 6).sum(), words(n), "attention")


def staged(n):
    return plots.StagedPredictionDisplay(shares(n, 2), words(n), ["negative", "positive"])


def staged_of_four(n):
    return plots.StagedPredictionDisplay(shares(n, 4), words(n), ["a", "b", "c", "d"])


def staged_of_thirty(n):
    return plots.StagedPredictionDisplay(shares(n, 30), words(n), [f"class {k}" for k in range(30)])


def attributions(n):
    return plots.AttributionDisplay(numbers(n) ** 5, words(n), "positive")


def attributions_of_series(n):
    return plots.AttributionDisplay(numbers(n, 3) ** 5, steps(n), "positive")


def flow(n):
    fading = np.exp(numbers(n) - 0.1 * np.arange(n))
    return plots.GradientFlowDisplay([{"layer0.h": fading[::-1], "layer0.reverse.h": fading}])


def losses(n):
    epochs = np.arange(1, n + 1)
    return plots.LossCurveDisplay(list(0.7 / epochs**0.5), list(0.7 / epochs**0.5 + epochs / 300))


def way(n, side=1):
    return np.cumsum(numbers(n, 2) + [0.5 * side, 0.2], axis=0)


def trajectory(n):
    classes = ["negative", "positive"]
    return plots.TrajectoryDisplay(
        [way(n)], ["positive"], [words(n)], [0.7, 0.2], "layer0.h", classes
    )


def trajectories(n):
    ways = [way(4 + k, side=k % 3 - 1) for k in range(n)]
    labels = [["no", "so", "yes"][k % 3] for k in range(n)]
    return plots.TrajectoryDisplay(ways, labels, [words(len(way)) for way in ways], [0.7, 0.2])


DRAWN = {
    hidden: ["1", "5", "5 dark", "40 small", "500 small"],
    forget: ["5"],
    cell_of_series: ["40"],
    attention: ["5"],
    staged: ["1", "5", "5 dark", "40 small", "500 small"],
    staged_of_four: ["5"],
    staged_of_thirty: ["5", "40 small"],
    attributions: ["1", "5", "5 dark", "40 small", "500"],
    attributions_of_series: ["5"],
    flow: ["1", "5", "5 dark", "40"],
    losses: ["1", "5", "5 dark"],
    trajectory: ["1", "5", "40", "40 small", "500"],
    trajectories: ["5 dark", "40"],
}
IMAGES = [(make, look) for make, all_looks in DRAWN.items() for look in all_looks]


def name(make, look):
    return f"{make.__name__} {look}.png".replace(" ", "-")


def draw(make, look, path):
    import matplotlib.pyplot as plt

    n, *style = look.split()
    with plt.style.context(["default"] + ["dark_background"] * ("dark" in style)):
        size = {"figsize": (3.2, 2.4), "layout": "constrained"}
        ax = plt.subplots(**size)[1] if "small" in style else None
        figure = make(int(n)).plot(ax=ax).figure_
        figure.savefig(path, dpi=50, pil_kwargs={"optimize": True})
        plt.close(figure)


def made_with(path):
    """The first two numbers of the matplotlib that drew an image; its letters differ by version."""
    from PIL import Image

    with Image.open(path) as image:
        return re.search(r"[0-9]+[.][0-9]+", image.info["Software"])[0]


def test_there_are_no_other_images():
    assert {path.name for path in LOOKS.iterdir()} == {name(*image) for image in IMAGES}


@pytest.mark.parametrize(("make", "look"), IMAGES, ids=[name(*image) for image in IMAGES])
def test_the_display_looks_as_it_did(make, look, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    from matplotlib.testing.compare import compare_images

    matplotlib.use("Agg")
    kept, path = LOOKS / name(make, look), tmp_path / name(make, look)
    draw(make, look, path)
    if made_with(kept) != made_with(path):
        pytest.skip(f"the image is of matplotlib {made_with(kept)}")
    assert compare_images(kept, path, tol=1) is None


if __name__ == "__main__":
    LOOKS.mkdir(exist_ok=True)
    for path in LOOKS.iterdir():
        path.unlink()
    for make, look in IMAGES:
        draw(make, look, LOOKS / name(make, look))
