"""Baseline: a linear layer that is fitted to each episode's support."""

import torch
from torch import Tensor

STEPS = 100
LR = 0.1  # of gradient descent, relative to the mean squared length of the support
DECAY = 1e-3


def baseline_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] of a linear layer that is fitted to the support (the Baseline of
    Chen et al., A Closer Look at Few-shot Classification, ICLR 2019).

    With s_i the support, y_i its classes, and N of them, it is W, b after STEPS steps of gradient
    descent from zero on

        1/N sum_i -log softmax(W s_i + b)[y_i] + DECAY / 2 (|W|^2 + |b|^2)

    The paper's batches of four are one batch here. Weights stay in the span of the support, so they
    are kept as coefficients of its images: a step costs products of way x support, whatever the
    number of features.
    """
    way, shot = support.shape[1:3]
    flat = support.flatten(1, 2)
    inner, asked = flat @ flat.mT + 1.0, query @ flat.mT + 1.0  # 1: the bias, a constant feature
    target = torch.eye(way, device=flat.device, dtype=flat.dtype).repeat_interleave(shot, dim=0)
    coefficients = flat.new_zeros((len(flat), way * shot, way))
    step = LR / inner.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]  # whatever the lengths
    for _ in range(STEPS):
        wrong = (target - (inner @ coefficients).softmax(dim=-1)) / len(target)
        coefficients = coefficients + step * len(target) * (wrong - DECAY * coefficients)
    return asked @ coefficients
