"""Do the tests notice? One fault at a time is planted in a copy, and a test of its room must fail.

Each is (file, tests, what stands there, what is put in its place).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
CELLS, NETWORK, TRAINING = "test_cells", "test_network", "test_training"
FAULTS = [
    ("cells", CELLS, "* (one - h[row, k] * h[row, k])", "* (one - h[row, k])"),
    ("cells", CELLS, "c[row, k] = a[row, at_f + k]", "c[row, k] = a[row, at_i + k]"),
    ("cells", CELLS, "dc[row, k] += dh[row, k] * o *", "dc[row, k] = dh[row, k] * o *"),
    ("cells", CELLS, "dc[row, k] = flush(dc[row, k] * f)", "dc[row, k] = flush(dc[row, k])"),
    ("cells", CELLS, "h[row, k] = a[row, at_r + k] *", "h[row, k] = a[row, at_z + k] *"),
    ("cells", CELLS, "flush(da[row, at_n + k] * gates[at_r + k])", "flush(da[row, at_n + k])"),
    ("cells", CELLS, "du_n[row, k] * u * (one -", "du_n[row, k] * (one -"),
    ("cells", CELLS, "    du[n_rows:] = 0\n", ""),
    ("cells", CELLS, "    du_n[n_rows:] = 0\n", ""),
    ("cells", CELLS, "flush(dh[row, k] * (one - z))", "flush(dh[row, k])"),
    ("cells", CELLS, "a[row, k] = xW[place, k]", "a[row, k] += xW[place, k]"),
    ("cells", CELLS, "dxW[place, k] += da[row, k]", "dxW[place, k] = da[row, k]"),
    ("activations", CELLS, "[1, 4, 16, 64, 256]", "[1, 4, 16, 64, 64]"),
    ("activations", CELLS, "np.float32(7.9)", "np.float32(4.9)"),
    ("activations", CELLS, "0.33333333333333315", "0.3333333333333"),
    ("cells", NETWORK, "+= m[row, k] * dv[row, k]", "+= dv[row, k]"),
    ("products", "test_products", "before[columns] + total", "total"),
    ("products", "test_products", "rows.size > 0 and start == 0", "rows.size > 0"),
    ("products", "test_products", "X, rows, panel, row,", "X, rows, p, row,"),
    ("products", "test_products", "X, rows, panel, row,", "X, rows, panel, i,"),
    ("products", "test_products", "range(in_tall, in_tiles,", "range(0, in_tiles,"),
    ("products", "test_products", "range(first, last, TILE_ROWS)", "range(0, last, TILE_ROWS)"),
    ("products", "test_products", "at_once = full - full % PANELS", "at_once = full"),
    ("products", "test_products", "panels[n_whole, :, rest:] = 0", "pass"),
    ("products", "test_products", "n_active[t] < R or ", ""),
    ("pooling", "test_pooling", "max(lengths[row], 1))", "max(lengths[row] - 1, 1))"),
    ("pooling", "test_pooling", "new > pooled[row, k] or new", "new >= pooled[row, k] or new"),
    ("pooling", "test_pooling", " or new != new", ""),
    ("pooling", NETWORK, "share * (dshare - mean)", "share * dshare"),
    ("pooling", NETWORK, "total[row, k] *= less", "total[row, k] *= 1"),
    ("layers", NETWORK, 'arrays["dxW"][:] = 0', "pass"),
    ("layers", NETWORK, 'arrays["dc"][:] = 0', "pass"),
    ("layers", NETWORK, "first=stop == T", "first=True"),
    ("layers", NETWORK, " and batch.is_last", ""),
    ("outputs", NETWORK, "            dv[:] = 0\n", "            pass\n"),
    ("layers", NETWORK, "arrays[name][start:stop]", "arrays[name][: stop - start]"),
    ("layers", NETWORK, "dx[steps] = 0", "pass"),
    ("layers", NETWORK, " or dc.any()", ""),
    ("layers", NETWORK, " or dh[start + 1 : stop].any()", ""),
    ("layers", NETWORK, '"b_h", du_n', '"b_h", da[:, -H:]'),
    ("bidirectional", NETWORK, "np.newaxis], 0), left", "np.newaxis], 0), left - (left > 0)"),
    ("bidirectional", NETWORK, "dx += more", "dx[:] = more"),
    ("outputs", NETWORK, "dh[1:] += more", "dh[1:] = more"),
    ("network", NETWORK, 'dpooled *= masks["dense"]', "pass"),
    ("network", NETWORK, 'apply_mask(dx, masks[f"layer{i}"], dx)', "pass"),
    ("network", NETWORK, "dx += self._backward(given", "self._backward(given"),
    ("batches", NETWORK, "range(T % n_steps or n_steps,", "range(n_steps,"),
    ("batches", "test_batches", "runs = t < lengths[b]", "runs = t <= lengths[b]"),
    ("batches", "test_batches", 'part[np.argsort(lengths[part], kind="stable")]', "part"),
    ("batches", "test_batches", "* n // n_batches", "* batch_size"),
    ("training", TRAINING, "weights[batch.rows] / total_weight", "weights[batch.rows]"),
    ("training", TRAINING, "(weights.size / len(minibatches))", "minibatches[0].size"),
    ("training", "test_dropout", "seed = self.random.randint(2**31 - 1)", "seed = 0"),
    ("training", TRAINING, "total[:] = 0", "pass"),
    ("training", "test_divergence", " or not all_finite(moments)", ""),
    ("training", TRAINING, "other in others:", "other in others[1:]:"),
    ("workspace", TRAINING, "self._filled.clear()", "pass"),
    ("workspace", "test_products", "LINE + n_bytes + WIDTH", "LINE + n_bytes"),
    ("initializers", NETWORK, "np.diag(r) < 0, -1.0, 1.0", "np.diag(r) < 0, 1.0, 1.0"),
    ("batches", "test_batches", "found, places[tokens]", "found, tokens"),
    ("training", TRAINING, ">= best_score + tol", ">= best_score - tol"),
    ("optimizers", TRAINING, "share * (W[row, k] - mean[row, k])", "(W[row, k] - mean[row, k])"),
    ("training", TRAINING, 'W.ndim == 2 and name != "embedding"', "W.ndim == 2"),
    ("training", TRAINING, "if not history.loss_curve or", "if"),
    ("data", "test_fitting", "np.minimum(sizes, counts - 1)", "np.minimum(sizes, counts)"),
    ("fitting", "test_validation", "np.random.RandomState(state.seed)", "state.random"),
    (
        "labels",
        "test_labels",
        "order[np.searchsorted(classes, labels, sorter=order)]",
        "np.searchsorted(classes, labels, sorter=order)",
    ),
    ("optimizers", "test_optimizers", "* correction + epsilon)", "* correction)"),
    ("optimizers", "test_optimizers", "momentum * v - step if nesterov", "v - step if nesterov"),
    ("optimizers", "test_optimizers", "max_norm / norm", "max_norm"),
    ("optimizers", "test_partial_fit", "np.insert(m, places, 0,", "np.insert(m, 0 * places, 0,"),
    ("losses", "test_losses", "weight[row] * (math.exp(log_p) -", "(math.exp(log_p) -"),
    ("losses", "test_losses", "min(z, 0.0) -", "min(z, 1.0) -"),
    ("dropout", "test_dropout", "/ dtype.type(1 - p)", "/ dtype.type(1)"),
    ("inference", "test_invariances", "if values.size < tokens.size:", "if True:"),
    ("inference", "test_invariances", "network.architecture.bidirectional", "False"),
    ("attribution", "test_inspection", "(batch.x * dx, batch, seq", "(dx, batch, seq"),
    ("explanation", "test_inspection", "pooled(batch, work).copy()", "pooled(batch, work)"),
    ("attribution", "test_inspection", "blocks(sequences.lengths, 1)", "[np.arange(1)]"),
    ("attribution", "test_inspection", "width * (1 - share))\n", "width * share)\n"),
    ("explanation", "test_inspection", "(part[::-1] if", "(part if"),
    ("inputs", "test_trust", " or not values.flags.owndata", ""),
    (
        "optimizers",
        "test_progress",
        "(m.shape, m.dtype) != (W.shape, W.dtype)",
        "m.dtype != W.dtype",
    ),
]


def run_tests(tests, folder, room=None, old=None, new=None):
    """Run a file of tests in a copy of the project, in which a fault may be planted."""
    for name in ("src", "tests", "benchmarks", "pyproject.toml"):
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
        copy(HERE / name, folder / name)
    if room is not None:
        path = folder / "src" / "seqnets" / f"{room}.py"
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    # As plain Python: to compile all kernels for each fault takes ten times as long.
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider"]
    command += [f"tests/{tests}.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True)


@pytest.mark.parametrize(("room", "tests", "old", "new"), FAULTS)
def test_a_fault_has_its_place(room, tests, old, new):
    source = (HERE / "src" / "seqnets" / f"{room}.py").read_text("utf-8")
    n = source.count(old)
    assert n == 1, f"{room}.py has {n} lines like this one: the fault needs a line of its own"


def test_the_readme_counts_the_faults():
    assert f"({len(FAULTS)} planted faults)" in (HERE / "README.md").read_text("utf-8")


@pytest.mark.long
@pytest.mark.parametrize(("room", "tests", "old", "new"), FAULTS)
def test_a_fault_is_noticed(room, tests, old, new, tmp_path):
    done = run_tests(tests, tmp_path, room, old, new)
    assert done.returncode == 1, done.stdout.decode()  # 1: tests failed


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({tests for _, tests, _, _ in FAULTS}))
def test_without_a_fault_there_is_nothing_to_notice(tests, tmp_path):
    """Else a test that fails in every copy would seem to notice every fault."""
    done = run_tests(tests, tmp_path)
    assert done.returncode == 0, done.stdout.decode()
