"""Baseline++: class vectors that are fitted to each episode's support by their cosine."""

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 200
LR = 1e-4  # of Adam
SCALE = 10.0  # of the logits that come out; in the fit there is none, as in easyfsl


def baseline_plus_plus_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return SCALE times the cosine [E, Q, way] to class vectors that are fitted to the support
    (the Baseline++ of Chen et al., A Closer Look at Few-shot Classification, ICLR 2019).

    With s_i the support and y_i its classes, the vectors w_c start as prototypes and go STEPS steps
    of Adam down the mean over i of -log softmax_c(cos(s_i, w_c))[y_i].
    """
    fitted = fitted_prototypes(support)
    return SCALE * F.normalize(query, dim=-1) @ F.normalize(fitted, dim=-1).mT


def fitted_prototypes(support: Tensor) -> Tensor:
    """Return class vectors [E, way, D] after STEPS steps on the support's cross-entropy."""
    way, shot = support.shape[1:3]
    directions = F.normalize(support.flatten(1, 2), dim=-1)
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    with torch.inference_mode(False), torch.enable_grad():
        directions = directions.clone()
        fitted = support.mean(dim=2).clone().requires_grad_()
        optimiser = torch.optim.Adam([fitted], lr=LR, fused=True)
        for _ in range(STEPS):
            logits = directions @ F.normalize(fitted, dim=-1).mT
            flat = logits.flatten(0, 1)
            each = F.cross_entropy(flat, labels.repeat(len(support)), reduction="none")
            loss = each.sum() / len(labels)  # summed over episodes: none changes another's step
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return fitted.detach()
