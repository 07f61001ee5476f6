"""The outputs' probabilities and their cross-entropy, in float64 whatever the network's dtype.

    logits     (B, K)  the network's last layer, z
    log_proba  (n, C)  of the C classes, C = K; logistic with K = 1: C = 2, "no" and "yes"
    target     (n, K)  one-hot rows for softmax, 0 or 1 in every column for logistic
    weight     (n,)    of each sequence in the loss
    loss       (n,)    weight * cross-entropy
    dlogits    (B, K)  d (sum of loss) / d logits, zero in the rows after n

softmax   log p_k = z_k - log(sum_j exp(z_j))          K classes, one of them true
          loss    = -sum_k target_k log p_k            dz_k = p_k - target_k
logistic  log p_k = -log(1 + exp(-z_k))                K independent yes-or-no outputs
          loss    = -sum_k [target_k log p_k + (1 - target_k) log(1 - p_k)]
                                                       dz_k = p_k - target_k

Exponents are never positive, so nothing overflows.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import kernel


@kernel
def largest_and_log_sum(z):
    """The largest z and log(sum_k exp(z_k - largest)): two numbers, since their sum would round."""
    largest, total = np.float64(z[0]), 0.0
    for k in range(1, z.size):
        largest = max(largest, np.float64(z[k]))
    for k in range(z.size):
        total += math.exp(np.float64(z[k]) - largest)
    return largest, math.log(total)


@kernel
def softmax_log_proba(logits, log_proba):
    for row in range(log_proba.shape[0]):
        largest, log_sum = largest_and_log_sum(logits[row])
        for k in range(logits.shape[1]):
            log_proba[row, k] = np.float64(logits[row, k]) - largest - log_sum


@kernel
def softmax_loss(logits, target, weight, loss, dlogits):
    dlogits[:] = 0
    loss[:] = 0
    for row in range(target.shape[0]):
        largest, log_sum = largest_and_log_sum(logits[row])
        for k in range(logits.shape[1]):
            log_p = np.float64(logits[row, k]) - largest - log_sum
            loss[row] -= weight[row] * target[row, k] * log_p
            dlogits[row, k] = weight[row] * (math.exp(log_p) - target[row, k])


@kernel
def log_logistic(z):
    return min(z, 0.0) - math.log1p(math.exp(-abs(z)))


@kernel
def logistic_log_proba(logits, log_proba):
    n_no = log_proba.shape[1] - logits.shape[1]
    for row in range(log_proba.shape[0]):
        for k in range(n_no):
            log_proba[row, k] = log_logistic(-np.float64(logits[row, k]))
        for k in range(logits.shape[1]):
            log_proba[row, n_no + k] = log_logistic(np.float64(logits[row, k]))


@kernel
def logistic_loss(logits, target, weight, loss, dlogits):
    dlogits[:] = 0
    loss[:] = 0
    for row in range(target.shape[0]):
        for k in range(logits.shape[1]):
            z, yes = np.float64(logits[row, k]), target[row, k]
            cross_entropy = -yes * log_logistic(z) - (1.0 - yes) * log_logistic(-z)
            loss[row] += weight[row] * cross_entropy
            dlogits[row, k] = weight[row] * (math.exp(log_logistic(z)) - yes)


LOG_PROBAS = {"softmax": softmax_log_proba, "logistic": logistic_log_proba}
LOSSES = {"softmax": softmax_loss, "logistic": logistic_loss}
