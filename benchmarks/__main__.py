"""python -m benchmarks: run the rows, each in a fresh process, and report."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from . import report
from .rows import ROWS, in_fresh_process
from .timing import Result, Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def parse() -> argparse.Namespace:
    """The parsed arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="WORDS", help="rows whose name begins with WORDS")
    parser.add_argument("--quick", action="store_true", help="few pairs, little text: a trial")
    parser.add_argument("--long", action="store_true", help="also a fit of 1,000,000 sequences")
    parser.add_argument("--pairs", type=int, help="pairs of short runs (default 25, quick 3)")
    parser.add_argument("--reviews", type=int, help="IMDB reviews (default 25,000, quick 640)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--output", type=Path, default=HERE / "results", metavar="FOLDER")
    parser.add_argument("--update-readme", action="store_true", help="put the report into README")
    arguments = parser.parse_args()
    if arguments.update_readme and (arguments.only or arguments.quick):
        parser.error("--update-readme needs all rows, not --only or --quick")
    arguments.output = arguments.output.resolve()
    if arguments.update_readme and not arguments.output.is_relative_to(ROOT):
        parser.error(f"--update-readme needs an --output in {ROOT}")
    return arguments


def main() -> int:
    """Run what was asked for; 1 if a row failed."""
    arguments = parse()
    pairs = arguments.pairs or (3 if arguments.quick else 25)
    reviews = arguments.reviews or (640 if arguments.quick else 25_000)
    names = [name for name in ROWS if name.startswith(arguments.only or "")]
    if not names:
        print(f"no row begins with {arguments.only!r}; the rows are:", *ROWS, sep="\n  ")
        return 2
    results: list[Result] = []
    n_failed = 0
    for threads in arguments.threads:
        settings = Settings(threads, pairs, reviews, arguments.quick, arguments.long)
        for name in names:
            start = time.perf_counter()
            try:
                found = in_fresh_process(name, settings)
            except Exception:
                traceback.print_exc()
                n_failed += 1
                continue
            results += found
            print(f"{name}, n_jobs={threads} ({time.perf_counter() - start:.0f} s)")
            for one in found:
                print("   ", report.line(one), flush=True)
            report.write_json(arguments.output, results, settings)
    report.write(arguments.output, results, settings)
    if arguments.update_readme and n_failed:
        print("README.md is left as it was: some rows failed")
    elif arguments.update_readme:
        report.update_readme(arguments.output, ROOT / "README.md", results, settings)
    return min(n_failed, 1)


if __name__ == "__main__":
    sys.exit(main())
