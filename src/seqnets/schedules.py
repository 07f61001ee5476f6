"""Learning rates that change while training goes on.

constant    initial
invscaling  initial / (t + 1)^power_t after t sequences, updated after each epoch
adaptive    divided by 5 whenever training would stop for lack of improvement, until at most 1e-6
cosine      at step s of S: initial * (s + 1) / w in the first w steps, then
            initial * (1 + cos(pi (s - w) / (S - w))) / 2 (Loshchilov & Hutter 2017; the linear
            warm-up of Goyal et al. 2017)
auto        for few series (see `parameters.build_schedule`): as cosine, but it falls in the second
            half of the steps only (as "warmup-stable-decay" of Hu et al. 2024)

The first three are those of scikit-learn's `MLPClassifier`.
"""

from __future__ import annotations

import math

import numpy as np

WARM_UP = 0.05  # share of all steps


class Schedule:
    """What all schedules share; the rate `now` is constant unless a subclass changes it."""

    def __init__(self, initial: float, power_t: float, n_steps: int, n_seen: int) -> None:
        self.initial = self.now = initial
        self.power_t, self.n_steps = power_t, n_steps
        self.epoch_ends(n_seen)

    def next(self) -> float:
        """The rate of the next step."""
        return self.now

    def epoch_ends(self, n_seen: int) -> None:
        """Called after each epoch; `n_seen` sequences have been seen since training began."""

    def should_continue(self) -> bool:
        """Whether training goes on although the loss has stopped improving."""
        return False


class InvScaling(Schedule):
    def epoch_ends(self, n_seen: int) -> None:
        with np.errstate(over="ignore"):  # Python's own power would raise
            self.now = self.initial / float(np.float64(n_seen + 1) ** self.power_t)


class Adaptive(Schedule):
    def should_continue(self) -> bool:
        if self.now <= 1e-6:
            return False
        self.now /= 5
        return True


class Cosine(Schedule):
    held = 0.0  # share of all steps before it begins to fall
    _n_begun = 0

    def should_continue(self) -> bool:
        return True  # planned to the end; before that, the steps are too large to stop

    def next(self) -> float:
        s, warm = self._n_begun, math.ceil(WARM_UP * self.n_steps)
        self._n_begun += 1
        if s < warm:
            return self.initial * (s + 1) / warm
        fall = max(warm, self.held * self.n_steps)
        share = max(0.0, s - fall) / (self.n_steps - fall)
        return self.initial * (1 + math.cos(math.pi * share)) / 2


class HeldCosine(Cosine):
    held = 0.5


SCHEDULES = {
    "constant": Schedule,
    "invscaling": InvScaling,
    "adaptive": Adaptive,
    "cosine": Cosine,
    "auto": HeldCosine,
}
