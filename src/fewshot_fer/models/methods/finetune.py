"""Fine-tuning of an encoder's last block, and of class vectors, on the support of each episode."""

from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from fewshot_fer.models.backbones.stages import Stages
from fewshot_fer.models.methods.prototypes import COSINE_SCALE
from fewshot_fer.models.methods.registry import AS_MAPS, TRUNK, register_method

STEPS = 20
LR = 1e-3  # of Adam


@register_method("finetune", on=TRUNK, in_all=False, refuses=AS_MAPS)
def finetune_logits(support: Tensor, query: Tensor, stages: Stages) -> Tensor:
    """Return logits [E, Q, way] of an encoder whose last block is fitted to each support.

    support [E, way, shot, D] and query [E, Q, D]: what the last block takes, flattened. Class
    vectors w_c start as the class means, and they and the weights of the block go STEPS steps of
    Adam down the mean over the support of -log softmax_c(COSINE_SCALE cos(f(s_i), w_c))[y_i]: what
    Baseline++ (Chen et al., ICLR 2019) and easyfsl's Finetune do, with a scale and with the block's
    weights as well. Batch norms keep their statistics. Episode by episode: each has a block of its
    own.
    """
    with torch.inference_mode(False), torch.enable_grad():
        pairs = zip(support.clone(), query.clone(), strict=True)
        return torch.stack([_one_episode(own, asked, stages) for own, asked in pairs])


def _one_episode(support: Tensor, query: Tensor, stages: Stages) -> Tensor:
    """Return logits [Q, way] from support [way, shot, D] and query [Q, D]."""
    assert stages.block is not None
    way, shot = support.shape[:2]
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    weights = {
        name: value.detach().clone().requires_grad_()
        for name, value in stages.block.named_parameters()
    }
    embed = partial(_embeddings, stages=stages, weights=weights)
    flat = support.flatten(0, 1)
    with torch.no_grad():
        means = embed(flat).unflatten(0, (way, shot)).mean(dim=1)  # type: ignore[no-untyped-call]
    vectors = means.requires_grad_()
    optimiser = torch.optim.Adam([vectors, *weights.values()], lr=LR, fused=True)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = F.cross_entropy(_cosines(embed(flat), vectors), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        return _cosines(embed(query), vectors)


def _embeddings(taken: Tensor, stages: Stages, weights: dict[str, Tensor]) -> Tensor:
    """Return embeddings [B, D'] of what the block takes [B, C * H * W], with other weights."""
    assert stages.block is not None
    maps = functional_call(stages.block, weights, (taken.unflatten(1, stages.trunk_shape),))  # type: ignore[no-untyped-call]
    embedded: Tensor = stages.tail(maps)
    return embedded


def _cosines(embedded: Tensor, vectors: Tensor) -> Tensor:
    return COSINE_SCALE * F.normalize(embedded, dim=-1) @ F.normalize(vectors, dim=-1).mT
