"""Nearest class mean, with a fixed or a learnt scale, and the baselines fitted to each support."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.methods.registry import register_method

COSINE_SCALE = 10.0  # as Meta-Baseline starts; it changes losses, never which class is first
EUCLIDEAN_SCALE = 5.0
"""At unit length 5 |q - m|^2 = 5 + 5 |m|^2 - 10 <q, m>: as sharp as 10 times the cosine."""
AS_THEY_ARE = (
    "a classifier answers on its embeddings as they are: add train=supervised; or take "
    "train=pretrain with method=protonet"
)
LINEAR_STEPS = 100  # of the Baseline
LINEAR_LR = 0.1  # of gradient descent, relative to the mean squared length of the support
DECAY = 1e-3
COSINE_STEPS = 200  # of Baseline++
COSINE_LR = 1e-4  # of Adam
COSINE_STRIDE = 10  # of those steps at a time


@register_method(
    "classifier", supervised=True, refuses={"l2": AS_THEY_ARE, "cl2n": AS_THEY_ARE}
)  # in episodes: the nearest prototype on its features
@register_method("protonet", learns=True, of_means=True)
def prototype_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D].

    The prototype is the mean of a class's support embeddings (Snell et al., NeurIPS 2017, eq. 1),
    the logit the negative SQUARED Euclidean distance to it, summed over features, without a
    temperature (eq. 2). The differences are formed before they are squared: the shorter way over
    inner products loses digits where distances are small against the embeddings.
    """
    prototypes = support.mean(dim=2)
    return -(query[:, :, None, :] - prototypes[:, None, :, :]).square().sum(dim=-1)


@register_method("simpleshot", normalise="cl2n", learns=True, of_means=True)
def simpleshot_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return COSINE_SCALE times the cosine [E, Q, way] to the class means (Wang et al., SimpleShot,
    arXiv:1911.04623).

    Their rule is argmin over classes c of |q - m_c|, with m_c the mean of a class's support and
    embeddings centred and at unit length (CL2N). There |q - m|^2 = 1 + |m|^2 - 2 <q, m>; the cosine
    leaves out the length of m, as easyfsl does. At one shot both have the same order.
    """
    return COSINE_SCALE * cosine(support, query)


@register_method("cosine", of_means=True)
class CosinePrototypes(nn.Module):
    """Logits t * cos(q, m_c), m_c the mean of class c's support and t a scale that is learnt (Chen
    et al., Meta-Baseline, ICCV 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(COSINE_SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * cosine(support, query)


@register_method("euclidean", of_means=True)
class EuclideanPrototypes(nn.Module):
    """Logits -t * |q - m_c|^2, m_c the mean of class c's support (Snell et al., NeurIPS 2017, eq. 1
    and 2) and t a scale that is learnt, as Meta-Baseline (Chen et al., ICCV 2021) has one.

    It starts at EUCLIDEAN_SCALE, which suits embeddings of unit length; on longer ones the softmax
    is sharper from the first step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(EUCLIDEAN_SCALE))

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        return self.scale * prototype_logits(support, query)


def cosine(support: Tensor, query: Tensor) -> Tensor:
    """Return the cosine [E, Q, way] of each query to the mean of each class's support."""
    prototypes = F.normalize(support.mean(dim=2), dim=-1)
    return F.normalize(query, dim=-1) @ prototypes.mT


def fitted_prototypes(
    start: Tensor, loss: Callable[[Tensor], Tensor], steps: int, lr: float, stride: int
) -> Tensor:
    """Return prototypes [E, way, D] where so many steps of Adam from `start` down a loss lead.

    loss: prototypes -> a sum over episodes, so that none changes another's step; stride: one step
    is taken in the place of so many, that much longer and with averages that forget that much more.
    It is the same path in fewer pieces, as the gradient hardly turns on the way.
    """
    fitted = start.clone().requires_grad_()
    betas = (0.9**stride, 0.999**stride)
    optimiser = torch.optim.Adam([fitted], lr=lr * stride, betas=betas, fused=True)
    for _ in range(steps // stride):
        optimiser.zero_grad()
        loss(fitted).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return fitted.detach()


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
    COSINE_STEPS steps of Adam, COSINE_STRIDE at a time, down the mean over i of -log
    softmax_c(cos(s_i, w_c))[y_i]. The fit has no scale, as in easyfsl.
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

        how = (COSINE_STEPS, COSINE_LR, COSINE_STRIDE)
        fitted = fitted_prototypes(support.mean(dim=2), loss, *how)
    return COSINE_SCALE * F.normalize(query, dim=-1) @ F.normalize(fitted, dim=-1).mT
