"""Runs what Ctrl-C must not end halfway in a thread of its own, where no signal is handled."""

from __future__ import annotations

import threading
from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


def uninterrupted(function: Callable, *args: Any) -> Any:
    """Call the function in another thread; an interrupt ends only the waiting for its result.

    `Thread.start` and `Thread.join` take locks in Python code; when interrupted, they keep these,
    and the new thread may wait forever. So the calling thread calls only functions written
    in C.
    """
    results: SimpleQueue = SimpleQueue()

    def run() -> None:
        try:
            results.put((function(*args), None))
        except BaseException as error:
            results.put((None, error))

    def start() -> None:
        try:
            threading.Thread(target=run, daemon=False).start()  # the program's end waits for it
        except RuntimeError:
            run()

    try:
        start_new_thread(start, ())
    except RuntimeError:  # the system has no more threads for us, or the main thread has ended
        run()
    result, error = results.get()
    try:
        if error is not None:
            raise error
        return result
    finally:
        del error  # else it and this frame would keep each other, and the arguments, alive
