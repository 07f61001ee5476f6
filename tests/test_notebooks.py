"""The notebooks run from top to bottom, and what they say is so."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def run(name: str) -> dict:
    """All names that the notebook's code leaves, run as one program."""
    cells = json.loads((NOTEBOOKS / name).read_text("utf-8"))["cells"]
    names: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    return names


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_first_steps(capsys):
    names = run("first_steps.ipynb")
    assert names["bag_score"] <= 0.6
    assert min(names["scores"].values()) >= 0.9
    assert list(names["network"].predict(names["pair"])) == ["cold", "warm"]


def test_notebooks_hold_no_output():
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            assert not cell.get("outputs"), path
