"""Logistic regression that is fitted to each support, all episodes at once."""

import torch
from torch import Tensor

from fewshot_fer.models.methods.registry import register_method
from fewshot_fer.models.methods.ridge import one_hot

PENALTY = 1.0  # of half the squared weights: 1 / C of scikit-learn, whose default it is
STEPS = 500  # at the most
CLOSE = 1e-5  # largest gradient of a coefficient at which an episode is fitted


@register_method("logistic", normalise="cl2n")
def logistic_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] of the multinomial logistic regression with an intercept on support
    [E, way, shot, D], for query [E, Q, D]: scikit-learn's `LogisticRegression`, as Tian et al.
    (Rethinking Few-Shot Image Classification, ECCV 2020) put it on a frozen encoder.

    With x_i the support less its mean and y_i its labels, W and b are where

        sum_i -log softmax(W x_i + b)[y_i] + PENALTY / 2 |W|^2

    is least. W = A^T X lies in the span of the support, so each step costs products of its images
    with each other, whatever the number of features. A step is Newton's with the bound
    (I - 1 1^T / way) / 2 in the place of the Hessian of the softmax (Böhning, 1992), which never
    goes too far, and its matrix is inverted once; Nesterov's momentum makes it fast.
    """
    way, shot = support.shape[1:3]
    flat = support.flatten(1, 2)
    mean = flat.mean(dim=1, keepdim=True)
    centred = flat - mean
    inner, labels = centred @ centred.mT, one_hot(way, shot, flat)
    weights, bias = _fitted(inner, labels)
    return (query - mean) @ centred.mT @ weights + bias


def _fitted(inner: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return coefficients [E, N, way] of the support and biases [E, 1, way].

    inner [E, N, N]: products of its images; labels [N, way].
    """
    unit = torch.eye(len(labels), dtype=inner.dtype, device=inner.device)
    inverse = torch.linalg.inv(inner / 2 + PENALTY * unit)
    weights = inner.new_zeros(len(inner), *labels.shape)
    bias = inner.new_zeros(len(inner), 1, labels.shape[1])
    ahead, ahead_bias, speed = weights, bias, 1.0
    going = torch.ones(len(inner), 1, 1, dtype=torch.bool, device=inner.device)
    for _ in range(STEPS):
        wrong = (inner @ ahead + ahead_bias).softmax(dim=-1) - labels
        slope, slope_bias = wrong + PENALTY * ahead, wrong.mean(dim=1, keepdim=True)
        new = torch.where(going, ahead - inverse @ slope, weights)
        new_bias = torch.where(going, ahead_bias - 2 * slope_bias, bias)
        steepest = torch.maximum(slope.abs().amax(dim=(1, 2)), slope_bias.abs().amax(dim=(1, 2)))
        going = going & (steepest >= CLOSE)[:, None, None]
        if not going.any():
            return new, new_bias
        faster = (1 + (1 + 4 * speed**2) ** 0.5) / 2
        gain = (speed - 1) / faster
        ahead, ahead_bias = new + gain * (new - weights), new_bias + gain * (new_bias - bias)
        weights, bias, speed = new, new_bias, faster
    return weights, bias
