"""Matching Networks: attention over support images, plain or with full context embeddings."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.models.methods.registry import register_method

LEAST = 1e-6  # added to a probability before its logarithm


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
