"""Threads over blocks, and BLAS limited to one thread meanwhile."""

import gc
import itertools
import os
import sys
import threading
import time
import weakref
from _thread import start_new_thread
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import pytest
from helpers import run_python
from numba.core import event
from threadpoolctl import threadpool_info, threadpool_limits

from seqnets import jit, threads, uninterrupted
from seqnets.threads import SPARE_BYTES, Workers, one_blas_thread
from seqnets.workspace import GivenUpError

pytestmark = pytest.mark.usefixtures("two_blas_threads")

each_number = pytest.mark.parametrize("n_threads", [1, 2, 3])
DTYPE = np.dtype(np.float32)
WAIT = 30  # seconds until a deadlock fails


# -------------------------------------------------------------------------------- workers


@each_number
def test_results_come_in_the_order_of_the_blocks(n_threads):
    def run(work, block):
        time.sleep(0.02 if block == 0 else 0)  # the first ends last
        return 10 * block

    with Workers(n_threads, DTYPE) as workers:
        assert workers.map(run, range(6)) == [0, 10, 20, 30, 40, 50]
        assert workers.map(run, (block for block in (3, 1, 2))) == [30, 10, 20]
        assert workers.map(run, zip([4], strict=True)) == [(4,) * 10]  # one block
        assert workers.map(run, []) == []


@each_number
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_exceptions_arrive_and_the_workers_live_on(n_threads, error):
    def run(work, block):
        if block == 2:
            raise error("block 2")
        return block

    with Workers(n_threads, DTYPE) as workers:
        with pytest.raises(error, match="block 2"):
            workers.map(run, range(5))
        assert workers.map(run, [0, 1]) == [0, 1]


def test_the_caller_waits_for_another_thread_s_exception():
    both_run = threading.Barrier(2, timeout=WAIT)

    def run(work, block):
        both_run.wait()
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.05)
            work.check_awaited()
            raise ValueError("the other's")

    with Workers(2, DTYPE) as workers, pytest.raises(ValueError, match="the other's"):
        workers.map(run, range(2))


def test_after_an_exception_no_block_is_begun():
    begun, both_run = [], threading.Barrier(2, timeout=WAIT)

    def run(work, block):
        begun.append(block)
        both_run.wait()
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        while work._call.is_awaited:  # until the main thread has left
            time.sleep(0.001)

    with Workers(2, DTYPE) as workers, pytest.raises(KeyboardInterrupt):
        workers.map(run, range(9))
    assert len(begun) == 2


def test_after_ctrl_c_nobody_waits_for_a_block_s_end():
    """The other thread is told between two kernels that its result is not awaited any more."""
    both_run, given_up = threading.Barrier(2), []

    def run(work, block):
        both_run.wait()
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        try:
            while True:  # a block that takes for ever
                work.check_awaited()
        except GivenUpError:
            given_up.append(block)
            raise

    with pytest.raises(KeyboardInterrupt), Workers(2, DTYPE) as workers:
        workers.map(run, range(2))
    assert len(given_up) == 1


def test_the_calling_thread_takes_blocks_too():
    barrier = threading.Barrier(2, timeout=WAIT)

    def run(work, block):
        barrier.wait()
        return threading.get_ident()

    with Workers(2, DTYPE) as workers:
        found = workers.map(run, range(2))
    assert len(set(found)) == 2
    assert threading.get_ident() in found


def test_threads_run_at_once_each_with_its_own_workspace():
    barrier = threading.Barrier(2, timeout=WAIT)

    def run(work, block):
        barrier.wait()  # breaks unless both threads come
        work.array("x", 3)[:] = block
        barrier.wait()
        assert work.dtype == DTYPE
        return work.array("x", 3).tolist()

    with Workers(2, DTYPE) as workers:
        for _ in range(3):
            assert workers.map(run, [1, 2]) == [[1, 1, 1], [2, 2, 2]]


def test_without_new_threads_the_caller_does_all(monkeypatch):
    """As when the program is about to end, or has reached its limit of threads."""
    with Workers(3, DTYPE) as workers:

        def refuse(*_):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threads, "start_new_thread", refuse)
        assert workers.map(lambda work, block: 10 * block, range(5)) == [0, 10, 20, 30, 40]


@pytest.mark.compiled
def test_a_fit_goes_on_when_the_main_thread_has_ended():
    code = """
import threading, time, warnings
import numpy as np
from seqnets import RecurrentClassifier
warnings.simplefilter("ignore")
X = np.random.RandomState(0).normal(size=(64, 200))
clf = RecurrentClassifier("rnn", 8, max_iter=10, batch_size=64, n_jobs=2, random_state=0)
clf.fit(X, X[:, 0] > 0)
begun = threading.Event()
def fit():
    begun.set()
    clf.set_params(max_iter=60, n_iter_no_change=100).fit(X, X[:, 0] > 0)
    print(clf.n_iter_)
threading.Thread(target=fit).start()
begun.wait()
"""
    assert run_python(code, timeout=4 * WAIT) == "60\n"


def test_one_thread_is_the_callers():
    def run(work, block):
        return threading.get_ident(), work

    with Workers(1, DTYPE) as workers:
        found = workers.map(run, range(4)) + workers.map(run, range(2))
    assert {thread for thread, _ in found} == {threading.get_ident()}
    assert all(work is found[0][1] for _, work in found)  # its arrays are kept


@pytest.mark.parametrize("leave", [True, False], ids=["left", "gone"])
def test_leaving_ends_the_threads(leave):
    """If Ctrl-C comes just before, they end as soon as the workers are gone."""
    all_run = threading.Barrier(3, timeout=WAIT)

    def run(work, block):
        all_run.wait()
        return threading.get_ident()

    workers = Workers(3, DTYPE)
    found = {*workers.map(run, range(3)), *workers.map(run, range(3))}
    assert len(found) == 3
    assert found <= sys._current_frames().keys()
    if leave:
        workers.__exit__()
    else:
        del workers
    deadline = time.monotonic() + WAIT
    while found & sys._current_frames().keys() != {threading.get_ident()}:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_who_has_waited_keeps_no_lock():
    """Others may wait for the same: the program's end, while a user's thread predicts."""
    lock = threading.RLock()
    thread = threading.Thread(target=uninterrupted.wait_for, args=([lock],))
    thread.start()
    thread.join()
    assert lock.acquire(blocking=False)


def test_the_program_s_end_waits_for_a_block():
    """But not for a user's thread that says it need not, nor for one that waits for a block."""
    code = """
import threading, time
import numpy as np
from seqnets.threads import Workers

both_run = threading.Barrier(3)

def run(work, block):
    both_run.wait()
    if threading.current_thread() is daemon:
        threading.Event().wait()
    time.sleep(0.5)
    print("done", flush=True)

def call():
    with Workers(2, np.dtype("float32")) as idle, Workers(2, np.dtype("float32")) as workers:
        idle.map(lambda work, block: time.sleep(0.01), range(2))
        workers.map(run, range(2))

daemon = threading.Thread(target=call, daemon=True)
daemon.start()
both_run.wait()
"""
    assert run_python(code, timeout=WAIT) == "done\n"


def test_ctrl_c_between_any_two_instructions():
    """The interrupt gets through, nothing hangs, and no thread stays."""
    code = """
import _thread, sys, time
import numpy as np
from seqnets.threads import Workers

def maps():
    with Workers(2, np.dtype("float32")) as workers:
        for _ in range(2):
            assert workers.map(lambda work, block: block, range(4)) == [0, 1, 2, 3]

def interrupt(frame, event, argument):
    global n_left
    frame.f_trace_opcodes = True
    n_left -= event == "opcode"
    if n_left == 0:
        raise KeyboardInterrupt  # which ends the tracing
    return interrupt

sys.setswitchinterval(1e-6)  # so that the other thread takes part in most places
n_interrupts = 0
while True:
    n_left = n_interrupts + 1
    sys._getframe().f_trace_opcodes = True  # for Python 3.12
    sys.settrace(interrupt)
    try:
        maps()
        sys.settrace(None)
        break
    except KeyboardInterrupt:
        n_interrupts += 1
assert n_left > 0, "an interrupt got lost"
assert n_interrupts > 300
while _thread._count():
    time.sleep(0.001)
print("all threads have ended")
"""
    assert run_python(code, timeout=2 * WAIT) == "all threads have ended\n"


# ----------------------------------------------------------------------------------- BLAS


def limits():
    return {
        library["filepath"]: library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }


def is_one():
    return all(n == 1 for n in limits().values())


def test_a_thread_that_lingers_keeps_none_from_the_limit(monkeypatch):
    """threadpoolctl would ignore all other limits: 4 % of fits in three threads had wrong bits."""
    left, leave = threading.Event(), threads._leave

    def lingering(holder):
        leave(holder)
        left.set()
        time.sleep(0.3)

    def enter_and_leave():
        with one_blas_thread():
            pass

    monkeypatch.setattr(threads, "_leave", lingering)
    other = threading.Thread(target=enter_and_leave)
    before = limits()
    other.start()
    assert left.wait(WAIT)
    monkeypatch.setattr(threads, "_leave", leave)
    with one_blas_thread():
        assert is_one()
    other.join()
    assert limits() == before


def test_one_blas_thread_and_back():
    before = limits()
    for _ in range(2):
        with one_blas_thread():
            with one_blas_thread():
                assert is_one()
            assert is_one()
        assert limits() == before


def test_a_limit_of_the_callers_own_gives_way():
    """In threadpoolctl 3.8, while the thread that has set a limit lives, no other may change it."""
    outside = limits()
    with threadpool_limits(2, user_api="blas"):
        inside = limits()
        with one_blas_thread():
            assert is_one()
        assert limits() == inside
    assert limits() == outside


def test_other_libraries_keep_their_threads():
    def others():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] != "blas"]

    before = others()
    with one_blas_thread():
        assert others() == before


def test_an_exception_restores():
    before = limits()
    with pytest.raises(RuntimeError, match="inner"), one_blas_thread():
        with pytest.raises(ValueError, match="innermost"), one_blas_thread():
            raise ValueError("innermost")
        assert is_one()
        raise RuntimeError("inner")
    assert limits() == before


def test_where_there_are_no_more_threads(monkeypatch):
    """Because the system limits them; in Python 3.12 also after the main thread has ended."""

    def refused(*_):
        raise RuntimeError("can't start new thread")

    before, places = limits(), [(threading.Thread, "start"), (uninterrupted, "start_new_thread")]
    for place, n_refused in itertools.product(places, ("none", "the second", "the first", "both")):
        with monkeypatch.context() as patch:
            if n_refused in ("the first", "both"):
                patch.setattr(*place, refused)
            with one_blas_thread():
                assert is_one()
                if n_refused == "the first":
                    patch.undo()
                elif n_refused == "the second":
                    patch.setattr(*place, refused)
        assert limits() == before
        with ThreadPoolExecutor(1) as pool:  # another thread's own limit is not ignored
            assert set(pool.submit(under_own_limit).result(WAIT).values()) == {1}
        assert limits() == before


def test_an_error_in_another_thread_keeps_no_argument():
    """Without a cycle of references, which only the garbage collector would end."""

    class Argument:
        pass

    argument = Argument()
    gone = weakref.ref(argument)
    gc.disable()
    try:
        with pytest.raises(TypeError):
            uninterrupted.uninterrupted(len, argument)
        del argument
        deadline = time.monotonic() + WAIT
        while gone() is not None:  # the other thread may not have ended yet
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        gc.enable()


@pytest.mark.parametrize("which", ["the first", "the second"])
def test_a_thread_that_has_no_memory_to_begin(which, monkeypatch):
    """It may end before its first instruction; who waits for its result must learn of it."""

    def dies(function, arguments):
        return start_new_thread(lambda *_: None, arguments)

    def refused(*_):
        raise MemoryError

    def wait():
        go.wait(WAIT)
        results.append(uninterrupted.uninterrupted(is_one))

    results, go = [], threading.Event()
    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    if which == "the first":
        monkeypatch.setattr(uninterrupted, "start_new_thread", dies)
    else:
        monkeypatch.setattr(threading.Thread, "start", refused)
    go.set()
    waiting.join(WAIT)
    assert results == [False]


def under_own_limit():
    with threadpool_limits(1, user_api="blas"):
        return limits()


def test_from_several_threads_at_once():
    before, seen = limits(), []
    barrier = threading.Barrier(4, timeout=WAIT)

    def run(number):
        for turn in range(5):
            barrier.wait()
            with one_blas_thread():
                time.sleep(0.001 * ((number + turn) % 4))  # the first in is not the last out
                seen.append(is_one())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
        assert limits() == before
    assert seen == [True] * 20


def test_the_last_to_leave_restores():
    """Here, this is not the thread that set the limit, and that thread lives on."""
    before, came, go = limits(), threading.Event(), threading.Event()

    def run():
        with one_blas_thread():
            came.set()
            assert go.wait(WAIT)
            return is_one()

    with ThreadPoolExecutor(1) as pool:
        with one_blas_thread():
            last = pool.submit(run)
            assert came.wait(WAIT)
        assert is_one()
        go.set()
        assert last.result(WAIT)
    assert limits() == before


@pytest.fixture
def at(monkeypatch):
    """Do something before or after the n-th time that the main thread starts another or waits."""

    def let(method, n, do, after=False):
        function, n_calls = {"begin": start_new_thread, "wait": SimpleQueue.get}[method], 0

        def interrupted(*arguments):
            nonlocal n_calls
            in_main = threading.current_thread() is threading.main_thread()  # as handlers are
            n_calls += in_main
            now = in_main and n_calls == n
            if now and not after:
                do()
            result = function(*arguments)
            if now and after:
                do()
            return result

        if method == "begin":
            monkeypatch.setattr(uninterrupted, "start_new_thread", interrupted)
        else:
            queue = type("Queue", (SimpleQueue,), {"get": interrupted})
            monkeypatch.setattr(uninterrupted, "SimpleQueue", queue)

    return let


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["begin", "wait"])
@pytest.mark.parametrize("n", [1, 2])
def test_ctrl_c_while_it_enters_or_leaves(at, method, n, after):
    """The interrupt gets through, and no thread is left inside."""

    def interrupt():
        raise KeyboardInterrupt

    before = limits()
    at(method, n, interrupt, after)
    with pytest.raises(KeyboardInterrupt), one_blas_thread():
        assert is_one()
    assert limits() == before
    with one_blas_thread():
        assert is_one()
    assert limits() == before


@pytest.mark.parametrize("n", [1, 2])
def test_a_signal_s_handler_may_enter_while_another_does(at, n):
    def handle():
        with one_blas_thread():
            seen.append(is_one())

    before, seen = limits(), []
    at("wait", n, handle)
    with one_blas_thread():
        assert is_one()
    assert seen == [True]
    assert limits() == before


@pytest.mark.compiled
def test_ctrl_c_while_a_kernel_is_compiled(at, monkeypatch):
    """Numba was left half-way: later compilations failed, or waited forever."""

    class Listener(event.Listener):
        def on_start(self, event):
            compiling.append(threading.current_thread())

        def on_end(self, event):
            pass

    monkeypatch.setattr(jit, "keep_on_disk", lambda compiled: None)  # so that each run compiles it

    @jit.kernel
    def fill(x):
        x[:] = 1

    def interrupt():
        raise KeyboardInterrupt

    compiling, x = [], np.zeros(3)
    at("wait", 1, interrupt)
    with event.install_listener("numba:compile", Listener()):
        with pytest.raises(KeyboardInterrupt):
            fill(x)
        fill(x)
    assert x.tolist() == [1, 1, 1]
    assert threading.main_thread() not in compiling
    assert len(compiling) == 1


def test_who_has_left_enters_no_more():
    """The thread that is to enter may run only after the one that leaves."""
    before, holder = limits(), threads._Holder()
    threads._leave(holder)
    threads._enter(holder)
    assert limits() == before


def test_a_program_ends_with_someone_inside():
    """What was left open is closed at its end, when no thread can be started any more."""
    code = (
        "from seqnets.threads import one_blas_thread\n"
        "inside = one_blas_thread()\n"
        "inside.__enter__()\n"
        "del one_blas_thread\n"
    )
    assert run_python(code, timeout=WAIT) == ""


def test_short_predictions_share_a_workspace_and_long_ones_leave_none():
    dtype = np.dtype(np.float32)
    seen = []
    for size in (10, 10, SPARE_BYTES):
        with Workers(1, dtype, spare=True) as workers:
            workers.map(lambda work, size: seen.append(work.array("a", size)), [size])
    assert np.shares_memory(seen[0], seen[1])
    for spare in (True, False):
        with Workers(1, dtype, spare) as workers:
            workers.map(lambda work, size: seen.append(work.array("a", size)), [10])
    assert not np.shares_memory(seen[3], seen[2])
    assert not any(np.shares_memory(seen[4], array) for array in seen[:4])


FORKS = """
import os, threading
from seqnets import threads

inside, go = threading.Event(), threading.Event()

def hold():
    with threads._lock:
        inside.set()
        go.wait()

threading.Thread(target=hold).start()
inside.wait()
child = os.fork()
if child == 0:
    with threads.one_blas_thread():
        os._exit(7)
go.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

FORKS_BETWEEN_STEPS = """
import os, signal
import numpy as np
from seqnets.threads import Workers

def run(work, block):
    return block

with Workers(2, np.dtype("float32")) as workers:
    workers.map(run, range(2))  # the pool has its thread, which a child lacks
    child = os.fork()
    if child == 0:
        signal.alarm(10)
    results = workers.map(run, range(8))
if child == 0:
    os._exit(sum(results))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX'")
@pytest.mark.parametrize(
    ("code", "exit_code"), [(FORKS, 7), (FORKS_BETWEEN_STEPS, 28)], ids=["lock", "steps"]
)
def test_a_fork_while_there_are_other_threads(code, exit_code):
    assert run_python(code, timeout=WAIT, PYTHONWARNINGS="ignore") == f"{exit_code}\n"
