"""Threads over the blocks of a batch, and BLAS kept to one thread meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from .uninterrupted import do_jobs, uninterrupted, wait_for
from .workspace import Call, Workspace

# A prediction leaves a workspace no larger than this to the next one: new arrays would take a
# quarter of a short prediction's time. Training never takes one: its products multiply ended rows
# by zero, and NaN left there by another model would stay NaN. Explanations have no such sums.
SPARE_BYTES = 2**20
_spare: dict[np.dtype, Workspace] = {}


class Workers:
    """Runs a function over blocks, each thread with its own workspace of `dtype`.

    With `spare`, it may be one that an earlier call has used.
    """

    def __init__(self, n_threads: int, dtype: np.dtype, spare: bool = False) -> None:
        self.n_threads, self.dtype = n_threads, dtype
        self._spare: dict[Any, Any] = _spare if spare else {}
        self._idle: list[Workspace] = []  # operations on list and dict are atomic
        self._n_begun = 0  # threads; each lives until it gets `_end`
        self._jobs: SimpleQueue = SimpleQueue()
        self._end = weakref.ref(self, self._jobs.put)  # in case Ctrl-C keeps us from leaving

    def map(self, function: Callable[[Workspace, Any], Any], blocks: Iterable) -> list:
        """The results of function(workspace, block), in the order of the blocks.

        The calling thread takes blocks, too. If it only waited, each step would have to wake one
        more thread, and the caller at the end: on two threads, this took up to a quarter longer.
        """
        waiting = deque(enumerate(blocks))
        results: list[Any] = [None] * len(waiting)
        call, locks, errors = Call(), [], []

        def take() -> None:
            while True:
                try:
                    number, block = waiting.popleft()
                except IndexError:
                    return
                results[number] = self._run(function, call, block)

        def help_out(lock: Any) -> None:
            locks.append(lock)
            try:
                take()
            except BaseException as error:
                errors.append(error)

        try:
            with contextlib.suppress(RuntimeError):  # no new threads at the program's end
                for n_others in range(1, min(self.n_threads, len(waiting))):
                    if n_others > self._n_begun:
                        start_new_thread(do_jobs, (self._jobs, self._end))
                        self._n_begun += 1
                    self._jobs.put(help_out)
            take()
            wait_for(locks)  # not for who has not begun: in a forked child, it never would
            if errors:
                raise errors.pop()
        finally:  # after an exception, others end as soon as they can
            waiting.clear()
            call.is_awaited = False
            wait_for(locks)
        return results

    def _run(self, function: Callable, call: Call, block: Any) -> Any:
        try:
            work = self._idle.pop()
        except IndexError:
            work = self._spare.pop(self.dtype, None) or Workspace(self.dtype)
        work.begin(call)
        try:
            return function(work, block)
        finally:
            self._idle.append(work)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._jobs.put(self._end)
        for work in self._idle:
            if work.n_bytes <= SPARE_BYTES:
                self._spare[self.dtype] = work


_lock = threading.Lock()
_controller: Any = None  # made once: it looks through all loaded libraries
_holders: weakref.WeakSet = weakref.WeakSet()
_limit: Any = None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread while any caller is inside: we run threads of our own on blocks.

    The limit belongs to the process, not to a thread, and if several threads set and lift it at
    once, it can stay on for good; so the first to enter sets it, the last to leave lifts it, each
    in a thread of its own.

    If another thread entered `threadpool_limits` before us, it lifts our limit when it leaves. An
    OpenBLAS that was built with OpenMP (Homebrew's, not that of NumPy's wheels) has a limit for
    each thread instead, which this does not reach.
    """
    holder = _Holder()
    try:
        _in_its_own_thread(_enter, holder)
        yield
    finally:
        try:
            _in_its_own_thread(_leave, holder)
        except BaseException:  # perhaps before it began; leaving twice does no harm
            _in_its_own_thread(_leave, holder)
            raise


def _enter(holder: _Holder) -> None:
    global _controller, _limit
    with _lock:
        if holder.has_left:  # it was interrupted before this thread had its turn
            return
        _holders.add(holder)
        if _limit is None:
            _controller = _controller or ThreadpoolController()
            _clear_control()
            _limit = _controller.limit(limits=1, user_api="blas")
            _clear_control()


def _leave(holder: _Holder) -> None:
    global _limit
    with _lock:
        holder.has_left = True
        _holders.discard(holder)
        if not _holders and _limit is not None:
            _clear_control()
            _limit.restore_original_limits()
            _clear_control()
            _limit = None


def _clear_control() -> None:
    """Let any thread change limits: threadpoolctl lets only the last one do so, while it lives.

    That may be our caller, with a limit of its own; and it must not be this thread afterwards.
    """
    for library in _controller.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def _in_its_own_thread(function: Callable, holder: _Holder) -> None:
    """Call the function where no signal, such as Ctrl-C, interrupts it: the main thread gets all.

    So the main thread never holds the lock when it is interrupted. A caller that is interrupted
    while entering leaves at once; its thread then sees `has_left` and does nothing.
    """
    if not sys.is_finalizing():  # when it is, a new thread would never begin, and we would wait
        uninterrupted(function, holder)


def _after_fork() -> None:
    """A child has none of the other threads, which may have been inside or held the lock.

    If they were inside, the child's BLAS stays at one thread until the child enters and leaves,
    too: changing this here, during a fork, could wait for a lock that no thread will release.
    """
    global _lock
    _lock = threading.Lock()
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Holder:
    """A caller that is inside; gone with its frame if Ctrl-C keeps it from leaving properly."""

    has_left = False
