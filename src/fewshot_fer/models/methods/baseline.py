"""Baseline: a linear layer that is fitted to each episode's support.

Baseline++: class vectors that are fitted to each episode's support by their cosine.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

LINEAR_STEPS = 100
LINEAR_LR = 0.1  # of gradient descent, relative to the mean squared length of the support
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
    step = (
        LINEAR_LR / inner.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    )  # whatever the lengths
    for _ in range(LINEAR_STEPS):
        wrong = (target - (inner @ coefficients).softmax(dim=-1)) / len(target)
        coefficients = coefficients + step * len(target) * (wrong - DECAY * coefficients)
    return asked @ coefficients


COSINE_STEPS = 200
COSINE_LR = 1e-4  # of Adam
COSINE_SCALE = 10.0  # of the logits that come out; in the fit there is none, as in easyfsl


def baseline_plus_plus_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return SCALE times the cosine [E, Q, way] to class vectors that are fitted to the support
    (the Baseline++ of Chen et al., A Closer Look at Few-shot Classification, ICLR 2019).

    With s_i the support and y_i its classes, the vectors w_c start as prototypes and go STEPS steps
    of Adam down the mean over i of -log softmax_c(cos(s_i, w_c))[y_i].
    """
    fitted = fitted_prototypes(support)
    return COSINE_SCALE * F.normalize(query, dim=-1) @ F.normalize(fitted, dim=-1).mT


def fitted_prototypes(support: Tensor) -> Tensor:
    """Return class vectors [E, way, D] after STEPS steps on the support's cross-entropy."""
    way, shot = support.shape[1:3]
    directions = F.normalize(support.flatten(1, 2), dim=-1)
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    with torch.inference_mode(False), torch.enable_grad():
        directions = directions.clone()
        fitted = support.mean(dim=2).clone().requires_grad_()
        optimiser = torch.optim.Adam([fitted], lr=COSINE_LR, fused=True)
        for _ in range(COSINE_STEPS):
            logits = directions @ F.normalize(fitted, dim=-1).mT
            flat = logits.flatten(0, 1)
            each = F.cross_entropy(flat, labels.repeat(len(support)), reduction="none")
            loss = each.sum() / len(labels)  # summed over episodes: none changes another's step
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return fitted.detach()
