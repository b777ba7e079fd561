"""TIM: prototypes fitted to the support and to answers that are sure, and spread over classes."""

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 50
LR = 1e-4
TEMPERATURE = 10.0
CONDITIONAL = 0.1  # weight of being sure of each answer
LEAST = 1e-12


def tim_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return TEMPERATURE times the cosine [E, Q, way] to prototypes after STEPS steps of Adam on
    cross-entropy of the support minus mutual information of the queries and their answers (TIM-GD
    of Boudiaf et al., NeurIPS 2020):

        CE(support) - H(mean of p over the queries) + CONDITIONAL * mean of H(p of a query)

    STEPS, LR and the cosine are easyfsl's. The authors go 1,000 steps, so prototypes move further
    there, at twenty times the cost.
    """
    way, shot = support.shape[1:3]
    own = F.normalize(support.flatten(1, 2), dim=-1)
    asked = F.normalize(query, dim=-1)
    labels = torch.arange(way, device=support.device).repeat_interleave(shot)
    with torch.inference_mode(False), torch.enable_grad():
        own, asked = own.clone(), asked.clone()
        prototypes = support.mean(dim=2).clone().requires_grad_()
        optimiser = torch.optim.Adam([prototypes], lr=LR, fused=True)
        for _ in range(STEPS):
            to_class = TEMPERATURE * F.normalize(prototypes, dim=-1).mT
            loss = _loss(own @ to_class, asked @ to_class, labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return TEMPERATURE * asked @ F.normalize(prototypes.detach(), dim=-1).mT


def _loss(own: Tensor, asked: Tensor, labels: Tensor) -> Tensor:
    """Return the loss summed over episodes, so that none changes another's step.

    own [E, S, way] and asked [E, Q, way]: logits.
    """
    flat = own.flatten(0, 1)
    fitted = F.cross_entropy(flat, labels.repeat(len(own)), reduction="none").sum() / len(labels)
    answers = asked.softmax(dim=-1)
    unsure = -(answers * (answers + LEAST).log()).sum(dim=-1).mean(dim=-1)
    mean = answers.mean(dim=1)
    spread = -(mean * mean.log()).sum(dim=-1)
    return fitted + (CONDITIONAL * unsure - spread).sum()
