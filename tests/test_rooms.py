"""The modules, or rooms: which may import which, what a kernel may use, how long a file may be."""

from __future__ import annotations

import ast
import graphlib
import itertools
from pathlib import Path

import pytest

from seqnets import cells

SOURCE = Path(cells.__file__).parent
TREES = {path.stem: ast.parse(path.read_text("utf-8")) for path in SOURCE.glob("*.py")}

WAY = ["classifier", "fitting", "training", "network", "layers", "cells", "products", "jit"]
TOP = {"__init__", "__main__", "ahead", "comparison", "pipelines", "rules"}

each_room = pytest.mark.parametrize("room", sorted(TREES))


def imported_modules(tree: ast.AST) -> set[str]:
    """Full names of all modules that are imported anywhere in `tree`."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["seqnets" if node.level else "", node.module]))
            modules.add(module)
            if module == "seqnets":
                modules.discard(module)
                modules |= {f"seqnets.{alias.name}" for alias in node.names}
    return modules


def imported_rooms(tree: ast.AST) -> set[str]:
    """The package's modules among them; a name that is no module comes from `__init__`."""
    parts = [module.split(".") for module in imported_modules(tree)]
    names = {name for package, *rest in parts if package == "seqnets" for name in rest[:1] or [""]}
    return {name if name in TREES else "__init__" for name in names}


def test_imports_point_down():
    """Imports never form a cycle, and each module in `WAY` imports the next one."""
    imports = {room: imported_rooms(tree) for room, tree in TREES.items()}
    graphlib.TopologicalSorter(imports).prepare()  # raises a CycleError, which names the circle
    for room, lower in itertools.pairwise(WAY):
        assert lower in imports[room]


def test_only_the_top_imports_the_classifier():
    assert {room for room in TREES if "classifier" in imported_rooms(TREES[room])} <= TOP


def rooms_below(room: str) -> set[str]:
    """The room and all that it imports, directly or through others."""
    below, new = set(), {room}
    while new:
        below |= new
        new = {other for each in new for other in imported_rooms(TREES[each])} - below
    return below


@pytest.mark.parametrize("room", ["sequences", "labels", "vectorizer", "scaler"])
def test_reading_does_without_the_network(room):
    assert not rooms_below(room) & {"training", "network", "layers", "cells"}


@pytest.mark.parametrize("room", ["training", "inference", "explanation", "attribution"])
def test_training_and_the_network_do_without_scikit_learn(room):
    below = rooms_below(room)
    assert {"network", "threads"} <= below
    modules = {module for each in below for module in imported_modules(TREES[each])}
    assert not {module for module in modules if module.split(".")[0] == "sklearn"}


@each_room
def test_contributors_are_told_of_the_room(room):
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    where = text.partition("## Where things are")[2].partition("## House rules")[0]
    assert room == "__init__" or f"`{room}`" in where


@each_room
def test_room_is_not_too_large(room):
    assert len((SOURCE / f"{room}.py").read_text("utf-8").splitlines()) <= 400


def compiled_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Kernels, and the functions that `by_precision` makes part of kernels."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    names = set()
    for function in functions:
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Name) and decorator.id in ("kernel", "inlined"):
                names.add(function.name)
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "by_precision":
                names |= {argument.id for argument in decorator.args}
    return [function for function in functions if function.name in names]


@each_room
def test_kernels_use_their_own_file_only(room):
    """What becomes one piece of machine code stands in one file, except for these few functions."""
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(TREES[room])
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for function in compiled_functions(TREES[room]):
        used = {
            node.id
            for statement in function.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name)
        }
        products, gates = {"add_product", "product_plus_rows"}, {"sigmoid", "tanh"}
        foreign = (used & imported) - products - gates - {"prefetch", "math", "np"}
        assert not foreign, f"{function.name} uses {foreign}"


def test_kernels_are_found():
    """The search above sees what it should."""
    names = {function.name for function in compiled_functions(TREES["cells"])}
    assert {"lstm_forward", "lstm_step", "flush32", "flush64"} <= names
