"""The kernels' cache: whatever is wrong on disk, a kernel gives its results."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from helpers import SOURCES, run_python
from numba.core.registry import cpu_target

from seqnets import cache
from seqnets.jit import kernel

PACKAGE = Path(cache.__file__).parent
CONTEXT = cpu_target.target_context
POSIX = hasattr(os, "geteuid")

pytestmark = [
    pytest.mark.compiled,
]


@kernel
def double(x, out):
    for i in range(x.size):
        out[i] = 2 * x[i]


@kernel
def copy_next(x, out):
    out[0] = x[x.size]


SIGNATURES = [(numba.types.Array(dtype, 1, "C"),) * 2 for dtype in (numba.float32, numba.float64)]


def run(code: str, *path: Path, **environment: str) -> str:
    """What a new process prints; every warning is printed, too."""
    code = f"import sys, warnings\nwarnings.showwarning = lambda m, *_: print(m)\n{code}"
    return run_python(code, path=path or SOURCES, **{"NUMBA_CACHE_DIR": None} | environment)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory of our own for this process, which has not warned yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(cache, "_warned", False)
    return tmp_path / "kernels"


def a_cache(function=double):
    return cache.KernelCache(function.py_func)


def compiled(signature):
    """What Numba compiles for a signature, in a dispatcher that keeps nothing on disk."""
    new = numba.njit(double.py_func)
    new.compile(signature)
    return new.overloads[signature]


# ------------------------------------------------------------- whatever is wrong on disk

USE = """
import numpy as np
from seqnets.cells import rnn_step

h = np.empty((1, 3), np.float32)
x = np.full((1, 3), 0.3, np.float32)
rnn_step(1, x, h, np.empty((0, 1), np.int64), np.empty((0, 1), np.float32))
print(sum(rnn_step.stats.cache_hits.values()), "hits", h.tobytes().hex())
"""
FIT = """
import numpy as np
from seqnets import RecurrentClassifier

X, y = np.linspace(-1, 1, 40).reshape(8, 5), np.arange(8) % 2
clf = RecurrentClassifier("lstm", 4, max_iter=2, random_state=0, n_jobs=1).fit(X, y)
print(*[weights.tobytes().hex() for weights in clf.parameters_.values()])
"""
LIMITED = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A directory with the kernels of USE, and what USE prints."""
    place = tmp_path_factory.mktemp("filled") / "kernels"
    return place, run(USE, NUMBA_CACHE_DIR=str(place))


def with_kernels(kept, tmp_path):
    return Path(shutil.copytree(kept[0], tmp_path / "kernels"))


def test_a_second_process_finds_the_kernels(kept):
    place, first = kept
    second = run(USE, NUMBA_CACHE_DIR=str(place))
    assert first.startswith("0 hits")
    assert second == first.replace("0 hits", "1 hits", 1)


def test_nothing_can_be_written(kept, tmp_path):
    """Files stand where directories would be needed: that stops an administrator too."""
    package, no_home = tmp_path / "site" / "seqnets", tmp_path / "file"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__pycache__").touch()
    no_home.touch()
    homes = ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME")
    elsewhere = {name: str(no_home / name) for name in homes}
    printed = run(USE, package.parent, PYTHONDONTWRITEBYTECODE="1", **elsewhere)
    assert_one_warning(printed, kept)


def assert_one_warning(printed, kept):
    *warnings, result = printed.splitlines()
    assert [line[:38] for line in warnings] == ["Compiled kernels can't be kept on disk"]
    assert result + "\n" == kept[1]


@pytest.mark.skipif(not POSIX, reason="limits of a process are POSIX'")
def test_a_full_disk(kept, tmp_path):
    printed = run(LIMITED + USE, NUMBA_CACHE_DIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    assert_one_warning(printed, kept)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 20, 40, 5000])
def test_half_a_file_is_replaced(place, size):
    double(np.ones(2), np.ones(2))
    overload = compiled(SIGNATURES[1])
    a_cache().save_overload(SIGNATURES[1], overload)
    (path,) = place.rglob("double-*")
    os.truncate(path, size)
    assert a_cache().load_overload(SIGNATURES[1], CONTEXT) is None
    a_cache().save_overload(SIGNATURES[1], overload)
    assert a_cache().load_overload(SIGNATURES[1], CONTEXT) is not None


def test_a_file_that_another_process_reads_is_as_good(place, monkeypatch):
    """Windows refuses to replace it, so theirs stays."""

    def refused(source, target):
        assert Path(source).parent == target.parent  # else maybe on another disk
        raise PermissionError(13, "Access is denied")

    path, key = a_cache()._place(SIGNATURES[0], CONTEXT.codegen())
    monkeypatch.setattr(os, "replace", refused)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(PermissionError):
        cache.write(path, key, b"new")
    path.write_bytes(b"theirs")
    cache.write(path, key, b"new")
    assert path.read_bytes() == b"theirs"
    assert os.listdir(path.parent) == [path.name]


def test_all_files_are_cut_short(kept, tmp_path):
    place = with_kernels(kept, tmp_path)
    files = [path for path in place.rglob("*") if path.is_file()]
    assert files
    for path in files:
        os.truncate(path, path.stat().st_size // 2)
    assert run(USE, NUMBA_CACHE_DIR=str(place)) == kept[1]
    assert run(USE, NUMBA_CACHE_DIR=str(place)).startswith("1 hits")


def test_another_key_s_file_is_a_miss(place):
    ours = a_cache()
    for signature in SIGNATURES:
        ours.save_overload(signature, compiled(signature))
    single, other = (ours._place(signature, CONTEXT.codegen())[0] for signature in SIGNATURES)
    shutil.copy(single, other)
    assert ours.load_overload(SIGNATURES[0], CONTEXT).signature.args == SIGNATURES[0]
    assert ours.load_overload(SIGNATURES[1], CONTEXT) is None


def test_a_broken_pickle_is_one_warning(place):
    path, key = a_cache()._place(SIGNATURES[0], CONTEXT.codegen())
    cache.write(path, key, b"no pickle")
    with pytest.warns(RuntimeWarning, match="can't be kept on disk") as caught:
        for _ in range(2):
            assert a_cache().load_overload(SIGNATURES[0], CONTEXT) is None
        cache.emit_pending_warning()
    assert [warning.filename for warning in caught] == [__file__]


def test_another_numba_s_context_is_one_warning(place):
    """It may have no `refresh`."""
    with pytest.warns(RuntimeWarning, match="can't be kept on disk.*refresh"):
        assert a_cache().load_overload(SIGNATURES[0], object()) is None
        cache.emit_pending_warning()


# ------------------------------------------------------------------ what others may write


class Plant:
    """Creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


@pytest.mark.skipif(not POSIX, reason="Windows keeps others out by itself")
@pytest.mark.parametrize(
    ("which", "mode", "runs"),
    [
        *(("root", 0o700, True), ("root", 0o755, True), ("root", 0o1777, True)),
        *(("root", 0o777, False), ("root", 0o770, False), ("root", 0o702, False)),
        *(("leaf", 0o700, True), ("leaf", 0o777, False), ("leaf", 0o720, False)),
        *(("file", 0o600, True), ("file", 0o666, False), ("file", 0o620, False)),
    ],
)
def test_what_others_can_write_is_not_unpickled(place, tmp_path, which, mode, runs):
    """The plant is as good as it gets: with the right key and checksum."""
    path, key = a_cache()._place(SIGNATURES[0], CONTEXT.codegen())
    cache.write(path, key, pickle.dumps(Plant(tmp_path / "marker")))
    {"root": place, "leaf": path.parent, "file": path}[which].chmod(mode)
    with pytest.warns(RuntimeWarning, match="can't be kept|others can write") as caught:
        for _ in range(2):
            assert a_cache().load_overload(SIGNATURES[0], CONTEXT) is None
        cache.emit_pending_warning()
    assert (tmp_path / "marker").exists() == runs
    assert ("others can write" in str(caught[0].message)) != runs
    assert len(caught) == 1


@pytest.mark.skipif(not POSIX, reason="Windows keeps others out by itself")
def test_plants_do_not_run(kept, tmp_path):
    place = with_kernels(kept, tmp_path)
    for path in [path for path in place.rglob("*") if path.is_file()]:
        path.write_bytes(pickle.dumps(Plant(tmp_path / "marker")))
    place.chmod(0o777)
    assert_one_warning(run(USE, NUMBA_CACHE_DIR=str(place)), kept)
    assert not (tmp_path / "marker").exists()


@pytest.mark.skipif(not POSIX, reason="Windows keeps others out by itself")
def test_the_owner_is_the_user_or_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for owner in (0, 1000):
        cache.check_permissions(tmp_path, os.stat_result((0o40700, 0, 0, 0, owner, 0, 0, 0, 0, 0)))
    with pytest.raises(OSError, match="belongs to another user"):
        cache.check_permissions(tmp_path, os.stat_result((0o40700, 0, 0, 0, 1001, 0, 0, 0, 0, 0)))


@pytest.mark.skipif(not POSIX, reason="Windows has no such modes")
def test_nobody_else_sees_the_directory(kept):
    place, _ = kept
    for path in (place, *place.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


# ------------------------------------------------------------------------- many processes


def save_often(place, mine, n_rounds, barrier, results):
    """Save one signature n_rounds times, together with another process; count wrong loads."""
    numba.config.CACHE_DIR = place
    ours, overload, wrong = a_cache(), compiled(SIGNATURES[mine]), 0
    path, _ = ours._place(SIGNATURES[mine], CONTEXT.codegen())
    for _ in range(n_rounds):
        path.unlink(missing_ok=True)
        barrier.wait(60)
        ours.save_overload(SIGNATURES[mine], overload)
        barrier.wait(60)
        for signature in SIGNATURES:
            found = ours.load_overload(signature, CONTEXT)
            wrong += found is None or found.signature.args != signature
        barrier.wait(60)
    results.put(wrong)


@pytest.mark.parametrize("n_rounds", [30, pytest.param(3000, marks=pytest.mark.long)])
def test_two_processes_save_two_signatures_at_once(tmp_path, n_rounds):
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    processes = [
        spawn.Process(target=save_often, args=(str(tmp_path), i, n_rounds, barrier, results))
        for i in range(2)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=600) for _ in processes] == [0, 0]
    for process in processes:
        process.join()


@pytest.mark.long
def test_eight_cold_processes_agree(tmp_path):
    code = f"import warnings\nwarnings.simplefilter('ignore')\n{FIT}"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(8)
    ]
    printed = [process.communicate()[0] for process in processes]
    assert len(set(printed)) == 1
    assert len(printed[0]) > 1000  # the weights, every bit


# ---------------------------------------------------------------------- what the key has

COPY_NEXT = """
import numpy as np
from test_cache import copy_next
try:
    copy_next(np.zeros(8)[:4], np.zeros(1))
except IndexError:
    print("caught")
"""


def test_bounds_are_checked_with_a_warm_cache(tmp_path):
    """numba#6845: Numba's own cache forgets which code has the check."""
    place = str(tmp_path / "kernels")
    for check, printed in (("0", ""), ("1", "caught\n"), ("0", "")):
        assert run(COPY_NEXT, NUMBA_CACHE_DIR=place, NUMBA_BOUNDSCHECK=check) == printed


PRODUCT = """
import numpy as np
from seqnets.products import add_product, in_panels
C = np.zeros((4, 2))
add_product(4, np.ones((4, 3)), in_panels(np.ones((3, 2))), C)
print(sum(add_product.stats.cache_hits.values()), C[0, 0])
"""


def test_an_edit_of_any_kernel_s_file_is_noticed(tmp_path):
    """numba#1833: Numba's own cache checks only the caller's file."""
    package = tmp_path / "seqnets"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))

    def product():
        return run(PRODUCT, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "kernels"))

    assert product() == "0 3.0\n"
    for room in ("pooling", "activations"):
        with open(package / f"{room}.py", "a") as file:
            file.write("# edited\n")
        assert product() == "0 3.0\n"
    with open(package / "progress.py", "a") as file:  # it has no kernels
        file.write("# edited\n")
    assert product() == "1 3.0\n"


def test_the_warning_is_at_the_user_s_line(tmp_path):
    """Even though the thread that compiles runs no line of the user's."""
    (tmp_path / "no directory").touch()
    at_the_line = "warnings.showwarning = lambda m, c, file, line, *_: print(file, line, m)\n"
    code = at_the_line + FIT.replace("lstm", "rnn")  # compiles faster
    found = run(code, NUMBA_CACHE_DIR=str(tmp_path / "no directory"))
    # `run` puts two lines before the code.
    [line] = [i for i, text in enumerate(code.splitlines(), 3) if ".fit(X, y)" in text]
    assert found.startswith(f"<string> {line} Compiled kernels can't be kept on disk")


UPGRADE = """
import os
from seqnets import losses
status = os.stat(losses.__file__)
with open(losses.__file__, "a") as file:
    file.write("# edited\\n")
os.utime(losses.__file__, ns=(status.st_atime_ns, status.st_mtime_ns))
"""


def test_code_of_files_replaced_while_they_run_is_kept_as_that_of_the_old_ones(tmp_path):
    """Even if the new ones have the same time, as those of all wheels have when unzipped."""
    package = tmp_path / "seqnets"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    old = (package / "losses.py").read_bytes()

    def product(before=""):
        return run(before + PRODUCT, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "kernels"))

    assert product(UPGRADE) == "0 3.0\n"  # compiled by the old version
    assert product() == "0 3.0\n"
    (package / "losses.py").write_bytes(old)
    assert product() == "1 3.0\n"


def test_no_directory_is_blamed_if_there_is_no_source(monkeypatch, place):
    monkeypatch.delitem(cache._digests, cache.PACKAGE / "jit.py")
    with pytest.warns(RuntimeWarning, match=r"so each .* source file .*jit.py can't be read\.$"):
        a_cache().save_overload(SIGNATURES[0], compiled(SIGNATURES[0]))
        cache.emit_pending_warning()
    assert not [path for path in place.rglob("*") if path.is_file()]


# -------------------------------------------------------------------------------- where

IMPORT = """
written = []
sys.addaudithook(lambda event, arguments: written.append(arguments) if event == "os.mkdir" else 0)
from seqnets import cells
print(written, len(cells.lstm_forward.overloads))
"""


def test_import_touches_no_disk(tmp_path):
    place = tmp_path / "kernels"
    assert run(IMPORT, NUMBA_CACHE_DIR=str(place), PYTHONDONTWRITEBYTECODE="1") == "[] 0\n"
    assert not place.exists()


@pytest.mark.skipif(not POSIX, reason="made for the paths of POSIX")
@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/me/.cache"),
        ("linux", {"XDG_CACHE_HOME": "/var/mine"}, "/var/mine"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache"),
        ("darwin", {"XDG_CACHE_HOME": "/var/mine"}, "/home/me/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/Local"}, "/Local"),
        ("win32", {}, "/home/me/AppData/Local"),
    ],
)
def test_each_system_has_its_place(monkeypatch, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert str(cache.user_cache()) == expected


def test_no_home(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    with pytest.raises(OSError, match="no home directory"):
        cache.user_cache()


# ---------------------------------------------------------- Numba's internals have changed


def test_without_numba_s_internals_nothing_is_cached(monkeypatch):
    import numba.core.serialize

    monkeypatch.delattr(numba.core.serialize, "dumps")
    spec = importlib.util.spec_from_file_location("seqnets.another_cache", cache.__file__)
    another = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(another)
    dispatcher = numba.njit(double.py_func)
    another.keep_on_disk(dispatcher)
    assert not isinstance(dispatcher._cache, another.KernelCache)


def test_internals_that_have_changed_are_one_warning(place, monkeypatch):
    monkeypatch.delattr(cache.CompileResult, "_reduce")
    new, out = kernel(double.py_func), np.empty(2)
    with pytest.warns(RuntimeWarning, match="_reduce") as caught:
        new(np.ones(2), out)
        new(np.ones(2, np.float32), out)
    assert len(caught) == 1
    np.testing.assert_array_equal(out, [2, 2])


def test_closures_are_not_cached():
    factor = 3

    def times(x, out):
        out[0] = factor * x[0]

    assert not isinstance(kernel(times)._cache, cache.KernelCache)
    assert isinstance(double._cache, cache.KernelCache)


RELOAD = """
import importlib
import numpy as np
from pathlib import Path
from seqnets import optimizers
source = Path(optimizers.__file__)
old = source.read_text()
source.write_text(old.replace("total[row, k] += dW", "total[row, k] += 3 * dW"))
importlib.reload(optimizers)
source.write_text(old)
"""
SUM = """
import numpy as np
from seqnets import optimizers
total = np.zeros((1, 1))
optimizers.add_to_rows(np.array([0]), np.ones((1, 1)), total)
print(total[0, 0])
"""


def test_an_edit_tried_by_reload_is_not_kept_as_the_code_of_the_old_file(tmp_path):
    package = tmp_path / "seqnets"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    kernels = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels"), "PYTHONDONTWRITEBYTECODE": "1"}
    assert run(RELOAD + SUM, tmp_path, **kernels).splitlines()[-1] == "3.0"
    assert run(SUM, tmp_path, **kernels) == "1.0\n"
