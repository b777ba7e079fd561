"""Relation Networks: a small network learns how well a query and a class go together."""

import math

from torch import Tensor, nn

from fewshot_fer.models.methods.registry import register_method

HIDDEN = 8  # of the last two layers
POOLED = 5  # side of the maps between the two convolutions


@register_method("relation", of_means=True)
class RelationNetwork(nn.Module):
    """Two convolutions and two linear layers over the maps of a prototype and a query, one upon the
    other: r = g(C(f(s), f(q))) (Sung et al., CVPR 2018, eq. 1 and section 3.4).

    channels: of the encoder's maps, which its embeddings [D] are the flattened form of. A prototype
    is the mean of a class's maps, where the paper adds them up. The last layer's sigmoid is left to
    the loss: the logit is the score before it, and the classes compete in a softmax instead of
    being regressed one by one, which is another loss than the paper's (eq. 2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.relation = nn.Sequential(
            nn.Conv2d(2 * channels, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(POOLED),
            nn.Conv2d(channels, channels, kernel_size=3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return scores [E, Q, way] from support [E, way, shot, D] and query [E, Q, D]."""
        prototypes = support.mean(dim=2)
        episodes, way, features = prototypes.shape
        queries = query.shape[1]
        side = math.isqrt(features // self.channels)
        shape = (episodes, queries, way, self.channels, side, side)
        left = prototypes.view(episodes, 1, way, self.channels, side, side).expand(shape)
        right = query.view(episodes, queries, 1, self.channels, side, side).expand(shape)
        pairs = left.new_empty((episodes, queries, way, 2 * self.channels, side, side))
        pairs[..., : self.channels, :, :], pairs[..., self.channels :, :, :] = left, right
        scores: Tensor = self.relation(pairs.flatten(0, 2))
        return scores.view(episodes, queries, way)
