"""FEAT: prototypes of an episode attend to one another before queries are compared with them."""

import math

from torch import Tensor, nn

from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import register_method

DROPOUT = 0.1  # the paper's 0.5 is for 640 features of a ResNet-12


@register_method("feat", of_means=True)
class Feat(nn.Module):
    """One head of self-attention over an episode's prototypes P, with a residual and layer norm,
    then squared distances (the transformer of Ye et al., FEAT, CVPR 2020):

        P' = norm(P + W_o softmax((W_q P) (W_k P)^T / sqrt(D)) W_v P)

    The loss is that of episodes alone. The paper adds a contrastive term over all of an episode's
    instances to it, which is not here. temperature: distances are divided by it.
    """

    def __init__(self, n_features: int, temperature: float = 64.0) -> None:
        super().__init__()
        self.temperature = temperature
        spread = math.sqrt(1.0 / n_features)
        self.asking, self.answering, self.value = (
            nn.Linear(n_features, n_features, bias=False) for _ in range(3)
        )
        for layer in (self.asking, self.answering, self.value):
            nn.init.normal_(layer.weight, std=spread)
        self.out = nn.Linear(n_features, n_features)
        nn.init.xavier_normal_(self.out.weight)
        self.norm = nn.LayerNorm(n_features)
        self.attention_dropout, self.dropout = nn.Dropout(DROPOUT), nn.Dropout(DROPOUT)

    def adapted(self, prototypes: Tensor) -> Tensor:
        """Return prototypes [E, way, D] after attention to one another."""
        scores = self.asking(prototypes) @ self.answering(prototypes).mT
        attention = (scores / math.sqrt(prototypes.shape[-1])).softmax(dim=-1)
        seen = self.attention_dropout(attention) @ self.value(prototypes)
        moved: Tensor = self.norm(self.dropout(self.out(seen)) + prototypes)
        return moved

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return logits [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        prototypes = self.adapted(support.mean(dim=2))
        return prototype_logits(prototypes[:, :, None], query) / self.temperature
