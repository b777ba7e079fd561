"""Methods with weights or attention of their own: FEAT, Matching Networks, Relation Networks."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.methods.registry import register_method

DROPOUT = 0.1  # the paper's 0.5 is for 640 features of a ResNet-12
LEAST = 1e-6  # added to a probability before its logarithm
HIDDEN = 8  # of the last two layers
POOLED = 5  # side of the maps between the two convolutions


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
        # W_q, W_k and W_v; checkpoints know them by these names.
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


@register_method("matching", learns=True)
def matching_logits(support: Tensor, query: Tensor) -> Tensor:
    """Return log-probabilities [E, Q, way]: the attention over support images, by their direction,
    summed over each class (Vinyals et al., NeurIPS 2016, eq. 1 and section 2.1.1).

    p(c | q) = sum over i of class c of softmax_i(<q, s_i / |s_i|>). The query keeps its length,
    which makes the attention as sharp as embeddings are long; in the paper it is a cosine.
    """
    way, shot = support.shape[1:3]
    directions = F.normalize(support.flatten(1, 2), dim=-1)
    attention = (query @ directions.mT).softmax(dim=-1)
    summed: Tensor = attention.view(*attention.shape[:-1], way, shot).sum(dim=-1)
    return (summed + LEAST).log()


@register_method("matching_fce")
class MatchingNetwork(nn.Module):
    """Attention over support images, with full context embeddings: a bidirectional LSTM over the
    support, and over each query an LSTM with attention to that support (Vinyals et al., NeurIPS
    2016, section 2.1.2 and appendix A).

    With g'(x_i) the support's embeddings in a row and f' a query's,

        g(x_i) = g'(x_i) + forth_i + back_i
        h_k = LSTM([f', r_(k-1)], h_(k-1), c_(k-1)) + f'
        r_k = sum_i softmax_i(<h_k, g(x_i)>) g(x_i)

    for as many steps k as there are support images, and the last h_k is the query's embedding. What
    the LSTM reads is [f', r], as in easyfsl; the paper hands r on beside h. For embeddings of
    `n_features`; the weights are learnt in episodes.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.support_reader = nn.LSTM(n_features, n_features, batch_first=True, bidirectional=True)
        self.query_reader = nn.LSTMCell(2 * n_features, n_features)

    def forward(self, support: Tensor, query: Tensor) -> Tensor:
        """Return log-probabilities [E, Q, way] from support [E, way, shot, D], query [E, Q, D]."""
        flat = support.flatten(1, 2)
        forth, back = self.support_reader(flat)[0].chunk(2, dim=-1)
        context = flat + forth + back
        read = self._read_queries(query, context)
        return matching_logits(context.view_as(support), read)

    def _read_queries(self, query: Tensor, context: Tensor) -> Tensor:
        """Return queries [E, Q, D] after as many steps as there are support images."""
        hidden, cell = query, torch.zeros_like(query)
        for _ in range(context.shape[1]):
            attention = (hidden @ context.mT).softmax(dim=-1)
            taken = torch.cat([query, attention @ context], dim=-1)
            state = (hidden.flatten(0, 1), cell.flatten(0, 1))
            new, kept = self.query_reader(taken.flatten(0, 1), state)
            hidden, cell = new.view_as(query) + query, kept.view_as(query)
        return hidden


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
        scores: Tensor = self.relation(torch.cat([left, right], dim=3).flatten(0, 2))
        return scores.view(episodes, queries, way)
