"""The notebooks run from top to bottom in a Jupyter kernel; as stored, they have no outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SECONDS = 120  # for one cell
STRICT = """import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")  # at work in the same process"""
SOLUTION = {"jupyter": {"source_hidden": True}, "tags": ["solution"]}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.mark.compiled
@each_notebook
def test_runs_without_a_warning(path):
    """Only where Jupyter's client and kernel are installed, as by `tox -e notebooks`."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute(
        cwd=str(path.parent)
    )


@each_notebook
def test_holds_no_results(path):
    notebook = json.loads(path.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), cell["id"]
        assert cell.get("execution_count") is None, cell["id"]


@each_notebook
def test_has_exercises_with_hidden_solutions(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    places = [k for k, cell in enumerate(cells) if "solution" in cell["metadata"].get("tags", [])]
    assert 3 <= len(places) <= 5
    for k in places:
        question, answer, solution = cells[k - 2 : k + 1]
        assert question["cell_type"] == "markdown"
        assert "".join(answer["source"]) == "# your answer"
        assert solution["metadata"] == SOLUTION
        assert "assert" in "".join(solution["source"])
