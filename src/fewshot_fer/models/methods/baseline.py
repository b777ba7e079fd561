"""Baseline and Baseline++: a linear layer or class vectors, fitted to each episode's support."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot_fer.models.methods.prototypes import COSINE_SCALE, fitted_prototypes
from fewshot_fer.models.methods.registry import register_method

LINEAR_STEPS = 100
LINEAR_LR = 0.1  # of gradient descent, relative to the mean squared length of the support
DECAY = 1e-3
COSINE_STEPS = 200
COSINE_LR = 1e-4  # of Adam


@register_method("baseline", normalise="cl2n")
def baseline_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] of a linear layer that is fitted to the support (the Baseline of
    Chen et al., A Closer Look at Few-shot Classification, ICLR 2019).

    With s_i the support, y_i its classes, and N of them, it is W, b after LINEAR_STEPS steps of
    gradient descent from zero on

        1/N sum_i -log softmax(W s_i + b)[y_i] + DECAY / 2 (|W|^2 + |b|^2)

    The paper's batches of four are one batch here. Weights stay in the span of the support, so they
    are kept as coefficients of its images: a step costs products of way x support, whatever the
    number of features.
    """
    way, shot = support.shape[1:3]
    flat = support.flatten(1, 2)
    # 1: the bias, a constant feature
    inner, to_query = flat @ flat.mT + 1.0, query @ flat.mT + 1.0
    target = torch.eye(way, device=flat.device, dtype=flat.dtype).repeat_interleave(shot, dim=0)
    coefficients = flat.new_zeros((len(flat), way * shot, way))
    squared_length = inner.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    step = LINEAR_LR / squared_length
    for _ in range(LINEAR_STEPS):
        wrong = (target - (inner @ coefficients).softmax(dim=-1)) / len(target)
        coefficients = coefficients + step * len(target) * (wrong - DECAY * coefficients)
    return to_query @ coefficients


@register_method("baseline++", normalise="cl2n")
def baseline_plus_plus_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return COSINE_SCALE times the cosine [E, Q, way] to class vectors that are fitted to the
    support (the Baseline++ of Chen et al., A Closer Look at Few-shot Classification, ICLR 2019).

    With s_i the support and y_i its classes, the vectors w_c start as prototypes and go
    COSINE_STEPS steps of Adam down the mean over i of -log softmax_c(cos(s_i, w_c))[y_i]. The fit
    has no scale, as in easyfsl.
    """
    way, shot = support.shape[1:3]
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    with torch.inference_mode(False), torch.enable_grad():
        support = support.clone()
        directions = F.normalize(support.flatten(1, 2), dim=-1)

        def loss(vectors: Tensor) -> Tensor:
            logits = (directions @ F.normalize(vectors, dim=-1).mT).flatten(0, 1)
            each = F.cross_entropy(logits, labels.repeat(len(support)), reduction="none")
            return each.sum() / len(labels)

        fitted = fitted_prototypes(support.mean(dim=2), loss, COSINE_STEPS, COSINE_LR)
    return COSINE_SCALE * F.normalize(query, dim=-1) @ F.normalize(fitted, dim=-1).mT
