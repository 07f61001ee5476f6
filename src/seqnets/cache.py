"""Machine code kept on disk: one file for each kernel and signature, in a directory of the user's.

Numba's own cache shares one index file among the signatures of a function. Processes that write
it at once can leave it pointing at the wrong code, and any problem on disk (a read-only install, a
full disk, half a file) ends the caller's program. Here

- a file's name is a hash of all that its code depends on; it gets the name when it is complete, and
  it is used only if its checksum is right. Anything else is a miss, and the next save mends it;
- the directory's name has the processor, the versions and a hash of all kernels' sources, so that
  an edited callee is noticed;
- a file is unpickled only if nobody else could have written it;
- if anything goes wrong, there is one warning, and the kernel is compiled in memory.

Only this module knows how Numba keeps code. If that is not as expected, nothing is cached.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

from .warn import warn

try:
    from numba.core.caching import NullCache
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps
except ImportError:

    class NullCache:  # type: ignore[no-redef]
        """No dispatcher has one of these, so none is given a `KernelCache`."""


PACKAGE = Path(__file__).parent
SWITCHES = (  # of Numba, which change the code; set by variables NUMBA_BOUNDSCHECK, ...
    "BOUNDSCHECK",
    "DEBUGINFO_DEFAULT",
    "EXTEND_VARIABLE_LIFETIMES",
    "LLVM_REFPRUNE_FLAGS",
    "LLVM_REFPRUNE_PASS",
    "LOOP_VECTORIZE",
    "OPT",
    "SLP_VECTORIZE",
    "USING_SVML",
)

# Rooms without kernels that kernels' code depends on.
USED_BY_KERNELS = "activations", "cache", "jit", "prefetch", "registers"
_sources = {PACKAGE / f"{name}.py" for name in USED_BY_KERNELS}
_digests: dict[Path, bytes] = {}  # of each source as it was imported; empty if it was as two
_warned = False
_pending_warnings: list[str] = []  # warnings, kept for a thread that runs the user's code


def keep_on_disk(compiled: Any) -> None:
    """Let a dispatcher of Numba look for its code on disk, from its first call on.

    A closure's code depends on more than its source, and without JIT there is no code to keep.
    """
    if type(getattr(compiled, "_cache", None)) is NullCache and not compiled.py_func.__closure__:
        compiled._cache = KernelCache(compiled.py_func)


class KernelCache(NullCache):
    """Where a dispatcher looks for its code before it compiles, and saves it afterwards."""

    def __init__(self, function: Callable) -> None:
        self._function = function
        self._source = Path(function.__code__.co_filename)
        if self._source.parent == PACKAGE:
            _sources.add(self._source)
        remember({self._source})

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with suppress_with_warning():
            target_context.refresh()
            code = read(*self._place(sig, target_context.codegen()))
            if code is not None:
                return CompileResult._rebuild(target_context, *pickle.loads(code))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress_with_warning():
            if not data.lifted and not data.library.has_dynamic_globals:
                write(*self._place(sig, data.codegen), dumps(data._reduce()))

    def _place(self, sig: Any, codegen: Any) -> tuple[Path, bytes]:
        """The file of this signature, and its key: all that the code depends on."""
        function = self._function
        switches = [str(getattr(numba.config, switch, None)) for switch in SWITCHES]
        source = hash_of([self._source]), function.__code__.co_firstlineno
        key = repr((function.__module__, function.__qualname__, source, sig, switches)).encode()
        name = f"{function.__name__}-{hashlib.sha256(key).hexdigest()[:32]}"
        return cache_directory(codegen) / name, key


# Whatever happens on disk


@contextlib.contextmanager
def suppress_with_warning() -> Iterator[None]:
    """Whatever fails inside leads to one warning per process."""
    global _warned
    try:
        yield
    except Exception as error:
        if not _warned:
            _warned = True
            another = " Set the variable NUMBA_CACHE_DIR to use another directory."
            _pending_warnings.append(
                "Compiled kernels can't be kept on disk, so each process compiles its own: "
                f"{error}.{another if isinstance(error, OSError) else ''}"
            )


def emit_pending_warning() -> None:
    """Warn of what has failed, in the thread that called a kernel."""
    with contextlib.suppress(IndexError):  # none, or another thread has told it
        warn(_pending_warnings.pop(), RuntimeWarning)


def read(path: Path, key: bytes) -> bytes | None:
    """What was written with this key; None if there is no such file or it is damaged."""
    try:
        if not path.is_file():  # opening a pipe may take forever
            return None
        with path.open("rb") as file:
            check_permissions(path, os.fstat(file.fileno()))
            digest, code = file.read(32), file.read()
    except FileNotFoundError:
        return None
    return code if digest == hashlib.sha256(key + code).digest() else None


def write(path: Path, key: bytes, code: bytes) -> None:
    """All of it or nothing, whoever writes or reads the same file meanwhile."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(hashlib.sha256(key + code).digest() + code)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        # Windows replaces no file that another process is reading; that one is as good.
        is_read = sys.platform == "win32" and isinstance(error, PermissionError) and path.is_file()
        if not is_read:
            raise


# Where it is kept


def cache_directory(codegen: Any) -> Path:
    """The directory of this processor, these versions and these sources, made if need be."""
    given = getattr(numba.config, "CACHE_DIR", None)
    root = Path(given).absolute() if given else user_cache() / "seqnets"
    path = root / directory_name(codegen.magic_tuple(), frozenset(_sources))
    for place in (root, path):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_permissions(place, place.stat())
    return path


def user_cache() -> Path:
    """The user's cache directory, by the convention of each system."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        path = home / "Library" / "Caches"
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME", ""))
        path = path if path.is_absolute() else home / ".cache"
    if not path.is_absolute():
        raise OSError("there is no home directory")
    return path


def directory_name(target: tuple[str, str, str], sources: frozenset[Path]) -> str:
    """The directory's name: versions for people, and a hash of everything for the machine."""
    python = "py{}.{}".format(*sys.version_info)
    versions = sys.version, numba.__version__, llvmlite.__version__, np.__version__
    everything = repr((target, *versions, hash_of(sources)))
    digest = hashlib.sha256(everything.encode()).hexdigest()[:16]
    return f"seqnets-{target[1]}-{python}-numba{numba.__version__}-{digest}"


def remember(sources: set[Path]) -> None:
    """Hash these files while they are being imported: an upgrade may replace them later."""
    for source in sources:
        with contextlib.suppress(OSError):
            digest = hashlib.sha256(source.read_bytes()).digest()
            if _digests.setdefault(source, digest) != digest:
                _digests[source] = b""  # edited and imported again: both versions are in use


remember(_sources)


def hash_of(sources: Iterable[Path]) -> str:
    """A hash of these files, as they were when they were imported."""
    digest = hashlib.sha256()
    for source in sorted(sources):
        if source not in _digests:  # in a zip, or only compiled
            raise LookupError(f"the source file {source} can't be read")
        if not _digests[source]:
            raise LookupError(f"{source} was changed and imported again")
        digest.update(_digests[source])
    return digest.hexdigest()


def check_permissions(path: Path, status: os.stat_result) -> None:
    """Allow only the user and root to write here: whoever can write can run code as the user.

    In a directory with the sticky bit, such as /tmp, nobody can change the files of others.
    """
    if hasattr(os, "geteuid"):  # Windows keeps others out of a user's directories by itself
        if status.st_uid not in (0, os.geteuid()):
            raise OSError(f"{path} belongs to another user")
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            raise OSError(f"others can write to {path}")
