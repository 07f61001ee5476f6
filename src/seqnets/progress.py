"""What is recorded and told of training: curves, a line per epoch, scikit-learn's callbacks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class History:
    """What happened in this training, epoch by epoch."""

    loss_curve: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    best_validation_score: float | None = None
    lowest_validation_loss: float = np.inf
    n_before: int = 0  # epochs of earlier trainings
    n_sequences: int = 0  # of each epoch
    guessing_loss: float = np.nan  # of always predicting the classes' frequencies
    keeps_start: bool = False  # no epoch was better than the weights before
    stopped: str = "max_iter"  # or "planned", "converged", "callback", "interrupted"

    @property
    def ended_by_itself(self) -> bool:
        """Whether more epochs would not have helped."""
        return self.stopped in ("converged", "planned")

    @property
    def n_seen(self) -> int:
        """Sequences seen in this training, each once per epoch that has ended."""
        return len(self.loss_curve) * self.n_sequences


def training_attributes(estimator: Any, history: History) -> dict[str, Any]:
    """The attributes that tell how training went, up to now."""
    curve = [*estimator.loss_curve_, *history.loss_curve]
    found = {
        "loss_curve_": curve,
        "n_iter_": len(curve),
        "t_": estimator.t_ + history.n_seen,
        "loss_": curve[-1],
        "best_loss_": min(curve),
        "best_validation_score_": history.best_validation_score,
    }
    if history.validation_scores:
        for name in ("validation_loss_curve", "validation_scores"):
            before = getattr(estimator, f"{name}_") or []
            missing = [np.nan] * (history.n_before - len(before))
            found[f"{name}_"] = [*before, *missing, *getattr(history, name)]
    return found


class Progress:
    """Reports one fit of `estimator` on X, y, and its epochs if it has any."""

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any, max_iter: int) -> None:
        self.estimator, self.max_iter = estimator, max_iter
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._task: Any = None
        if hasattr(estimator, "set_callbacks"):
            self._task = estimator._init_callback_context(max_subtasks=max_iter)
            self._task.call_on_fit_task_begin(**self._data)
        self._begin = time.perf_counter()

    def epoch_begins(self) -> None:
        if self._task is not None:
            self._epoch = self._task.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._data)

    def epoch_ends(self, history: History, parameters: dict[str, np.ndarray]) -> bool:
        """Report an epoch; return True if a callback wants training to stop.

        A callback may look at the model as it is now, with these parameters.
        """
        if self.estimator.verbose:
            self._print_line(history)
        if self._task is None:
            return False
        return self._epoch.call_on_fit_task_end(
            **self._data,
            reconstruction_attributes=lambda: (
                training_attributes(self.estimator, history)
                | {"parameters_": {name: W.copy() for name, W in parameters.items()}}
            ),
        )

    def _print_line(self, history: History) -> None:
        n, seconds = len(history.loss_curve), time.perf_counter() - self._begin
        left, before = self.max_iter - n, history.n_before
        line = f"epoch {before + n}/{before + self.max_iter}: loss {history.loss_curve[-1]:.4f}"
        if history.best_validation_score is not None:
            line += f", validation loss {history.validation_loss_curve[-1]:.4f}"
            if self.estimator.scoring != "loss":
                line += f", score {history.validation_scores[-1]:.4f}"
        more = seconds / n * left
        print(f"{line} ({seconds:.1f} s, at most {more:.0f} s more)", flush=True)

    def fit_ends(self) -> None:
        if self._task is not None:
            self._task.call_on_fit_task_end(**self._data, reconstruction_attributes={})
