"""The decorators of compiled code, and their flags."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic, overload

from .cache import emit_pending_warning, keep_on_disk
from .registers import whole_registers
from .uninterrupted import uninterrupted

FLAGS: Any = {
    # Threads run kernels side by side; a kernel touches no Python object.
    "nogil": True,
    # Division by zero gives inf as in NumPy. The default's check for it stops LLVM from
    # vectorizing any loop with a division, the gate functions first of all.
    "error_model": "numpy",
    # A product may fuse with the sum that it goes into. Nothing more: if sums may be reordered
    # ("reassoc"), a kernel from disk can give other bits than the same one freshly compiled.
    "fastmath": {"contract"},
}
REGISTER_OPTIONS = whole_registers()  # for AVX-512; empty for other processors
# Kernels allocate nothing, so they need not count who refers to an array, as Numba does twice for
# each view of one, such as a[t]: this took a tenth of an LSTM's backward pass over series. The
# option is private; a version of Numba without it goes on counting.
with contextlib.suppress(ImportError):
    from numba.core.cpu import CPUTargetOptions

    if hasattr(CPUTargetOptions, "_nrt"):
        FLAGS["_nrt"] = False

if hasattr(os, "register_at_fork"):
    # A fork waits until other threads have compiled: else its child would wait for them forever.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def kernel(function: Callable) -> Callable:
    """Compile `function` with Numba on its first call for each dtype.

    A kernel gets C-contiguous, writable arrays that its caller has allocated and checked, since
    compiled code checks no bounds; for one precision, each is of the same dtype in every call.
    CONTRIBUTING.md has the rules. The machine code is kept on disk, see `cache`.
    """
    return _compiled(function, FLAGS)


def inlined(function: Callable) -> Callable:
    """A kernel that becomes part of its callers, before anything is compiled.

    This takes less time to compile if the kernel is small and there are few calls of it, each of
    which is compiled separately.
    """
    return _compiled(function, FLAGS | {"inline": "always"})


def _compiled(function: Callable, flags: dict[str, Any]) -> Callable:
    compiled = numba.njit(**flags, **REGISTER_OPTIONS)(function)
    keep_on_disk(compiled)
    if hasattr(compiled, "_compile_for_args"):  # else Numba is told to compile nothing
        compiled._compile_for_args = functools.partial(_compile, compiled._compile_for_args)
    return compiled


def _compile(compile_for_args: Callable, *args: Any) -> Any:
    """Numba's own, out of reach of Ctrl-C: after one, one fit in four failed or hung for good.

    An interrupt can leave Numba's type tables half made, or a lock taken.
    """
    in_main_thread = threading.get_ident() == threading.main_thread().ident
    if in_main_thread and not global_compiler_lock.is_locked():
        result = uninterrupted(compile_for_args, *args)
    else:
        result = compile_for_args(*args)
    emit_pending_warning()
    return result


def instructions(typed: Callable, interpreted: Callable) -> Any:
    """Make a function for kernels, which is replaced by the code that Numba gets from `typed`.

    If Numba is told to compile nothing, it is `interpreted`.
    """
    disabled = getattr(numba.config, "DISABLE_JIT", False)  # NUMBA_DISABLE_JIT
    return interpreted if disabled else intrinsic(typed)


def by_precision(single: Callable, double: Callable) -> Callable:
    """Make one scalar function of two: kernels call `single` for float32, else `double`.

    Numba chooses by the argument's type while it compiles; nothing is left to decide in a loop.
    """

    def decorate(function: Callable) -> Callable:
        def choose(x):
            return single if x == numba.float32 else double

        @functools.wraps(function)
        def interpreted(x):
            return (single if isinstance(x, np.float32) else double)(x)

        overload(interpreted, jit_options=FLAGS)(choose)
        return interpreted

    return decorate
