"""python -m benchmarks.child WHO CELL PATH EPOCHS THREADS: import, read, fit; print the memory."""

from __future__ import annotations

import pickle
import resource
import sys
import warnings
from pathlib import Path

from .epochs import TorchEpochs, classifier, padded


def main(who: str, cell: str, path: str, epochs: str, threads: str) -> None:
    """Fit one side's model."""
    X, y = pickle.loads(Path(path).read_bytes())
    warnings.simplefilter("ignore")  # a few epochs do not converge
    if who == "ours":
        classifier(cell, int(epochs), int(threads)).fit(X, y)
    else:
        import torch

        torch.set_num_threads(int(threads))
        theirs = TorchEpochs(cell, padded(X, y), packed=False, sparse=True, bucketed=True)
        for _ in range(int(epochs)):
            theirs.epoch()
    print(most_memory())


def most_memory() -> int:
    """The most bytes that this process ever held.

    On Linux, this is not `ru_maxrss`, which starts at the value of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    in_bytes = sys.platform == "darwin"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if in_bytes else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
