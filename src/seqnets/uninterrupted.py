"""Runs what Ctrl-C must not end halfway in a thread of its own, where no signal is handled.

`Thread.start`, `Thread.join` and `ThreadPoolExecutor` take locks in Python code; when interrupted,
they keep these, and the other thread may wait forever. So the calling thread, which may be the main
one, calls only functions written in C.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


def uninterrupted(function: Callable, *args: Any) -> Any:
    """Call the function in another thread; an interrupt ends only the waiting for its result."""
    results: SimpleQueue = SimpleQueue()

    def run(_: _Life) -> None:
        try:
            results.put((function(*args), None))
        except BaseException as error:
            results.put((None, error))

    def start(life: _Life) -> None:
        try:  # not a daemon: the program's end waits for it
            threading.Thread(target=run, args=(life,), daemon=False).start()
        except RuntimeError:
            run(life)
        except MemoryError:  # the thread may have begun, or not
            pass

    life = _Life()
    lost = weakref.ref(life, results.put)  # without memory, a thread may end before it has begun
    try:
        start_new_thread(start, (life,))
    except RuntimeError:  # the system has no more threads for us, or the main thread has ended
        run(life)
    del life
    outcome = results.get()
    if outcome is lost:
        return function(*args)
    result, error = outcome
    del outcome
    try:
        if error is not None:
            raise error
        return result
    finally:
        del error  # else it and this frame would keep each other, and the arguments, alive


class _Life:
    """Held by the threads that are to call a function: gone, unless one of them could."""


def do_jobs(jobs: SimpleQueue, end: Any) -> None:
    """In a thread of its own, call one after the other with a lock, held until it returns."""
    while (job := jobs.get()) is not end:
        lock = threading.RLock()
        with lock:
            _at_work.append(lock)
            job(lock)
            _at_work.remove(lock)
        del job  # else what it refers to would stay while this waits
    jobs.put(end)  # for the next thread


def wait_for(locks: list) -> None:
    """Wait until all are released, and hold none: at the program's end, others may wait, too.

    An interrupt in between may leave us one. We may wait again: an RLock is given to its owner.
    """
    for lock in locks.copy():
        with lock:
            pass


_at_work: list[Any] = []  # locks of all jobs
atexit.register(wait_for, _at_work)  # compiled code may crash if it runs while Python ends
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_at_work.clear)
