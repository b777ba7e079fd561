"""Prototype logits from inner products: what makes a million episodes a matter of seconds.

An episode's distances need its images only through their inner products, so once those of all
drawn images are known, an episode costs a few numbers to look up instead of its embeddings.
"""

import torch
from torch import Tensor

BLOCK = 256  # rows of the matrix that are formed at a time


def gram_matrix(embeddings: Tensor) -> Tensor:
    """Return the inner products [R, R] of embeddings [R, D] taken from their common mean.

    Distances do not change when every point moves alike; the numbers that they are differences of
    get smaller, and with them what float32 rounds away.
    """
    centred = embeddings - embeddings.mean(dim=0)
    gram = centred.new_empty((len(centred), len(centred)))
    for start in range(0, len(centred), BLOCK):  # the half below the diagonal, then its mirror
        end = start + BLOCK
        made = torch.mm(centred[start:], centred[start:end].T)  # in one piece, then copied: faster
        gram[start:, start:end] = made
        gram[start:end, end:] = made[BLOCK:].T
    return gram


def prototype_logits_from_gram(gram: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Return the logits [E, Q, way] of `prototype_logits` up to rounding.

    support [E, way, shot], query [E, Q]: rows of the matrix. With p the mean of k support points,

        |q - p|^2 = <q, q> - 2/k sum_s <q, s> + 1/k^2 sum_s sum_t <s, t>

    and the double sum is twice its upper triangle plus its diagonal.
    """
    size, k_shot = len(gram), support.shape[2]
    flat, norms = gram.flatten(), gram.diagonal().contiguous()
    crossed = query[:, :, None, None] * size + support[:, None]
    to_support = flat[crossed].sum(dim=3)
    first, second = torch.triu_indices(k_shot, k_shot, offset=1, device=support.device)
    pairs = flat[support[..., first] * size + support[..., second]].sum(dim=2)
    spread = norms[support].sum(dim=2) + 2 * pairs
    squared = norms[query][..., None] - 2 / k_shot * to_support + spread[:, None] / k_shot**2
    return -squared.clamp_min(0)
