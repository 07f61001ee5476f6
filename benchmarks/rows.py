"""All rows by name, and one of them in a fresh process."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from concurrent.futures import ProcessPoolExecutor

from . import epochs, explanations, processes, scaling, steps
from .timing import THREADS, Result, Settings

ROWS = steps.rows() | epochs.rows() | processes.rows() | scaling.rows() | explanations.rows()


def run_row(name: str, settings: Settings) -> list[Result]:
    """Run one row."""
    warnings.simplefilter("ignore")  # one epoch does not converge
    return ROWS[name](name, settings)


def in_fresh_process(name: str, settings: Settings) -> list[Result]:
    """Run the row in a process that knows its number of threads from the start."""
    for variable in THREADS:
        os.environ[variable] = str(settings.threads)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(run_row, name, settings).result()
