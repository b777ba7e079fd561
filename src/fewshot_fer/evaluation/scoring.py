"""Score episodes: each image that they draw is embedded once, then logits, losses and accuracies.

Logits are computed in one of two ways with the same result. One gathers the embeddings of each
episode. The other forms the inner products of all drawn images once and looks up those of each
episode, since distances depend on inner products alone: cheaper where there are many more episodes
than images. Both go in chunks, so that memory does not grow with the episodes.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.metrics import EpisodeScores, score_predictions
from fewshot_fer.models.methods.method import BoundMethod, Method
from fewshot_fer.models.methods.prototypes import prototype_logits
from fewshot_fer.models.network import episode_losses, query_labels
from fewshot_fer.system.device import halve_or_raise, is_out_of_memory

GRAM_BYTES = 1024**3  # largest matrix of inner products: 16,384 images in float32
GRAM_CHUNK = 20_000  # episodes looked up at a time: 65 MB of places at 4-way 5-shot
DIRECT_BYTES = {"cpu": 1024**2, "cuda": 256 * 1024**2}  # a CPU is twice as fast within its cache
STEPPING = 64  # times as many episodes at once for methods that go in steps
CUT_OVER = 50  # multiply-adds of a matrix product in the time of moving one value, on a CPU
BLOCK = 256  # rows of the matrix that are formed at a time
log = logging.getLogger("fewshot_fer")
Places = NDArray[np.int64]
Scoring = Callable[[Places, Places, Places], Tensor]
"""(support [E, way, shot], query [E, Q]), places among the embeddings, and classes [E, way] ->
logits [E, Q, way]."""


def evaluate(
    embedder: Embedder, method: Method, images: FaceImages, episodes: Episodes
) -> EpisodeScores:
    """Score episodes with the embedder's weights; only images that are drawn are embedded."""
    drawn = episodes.images()
    return score_episodes(method, embedder.embed(images, drawn), drawn, episodes)


def score_episodes(
    method: Method, embeddings: Tensor, rows: NDArray[np.int64], episodes: Episodes
) -> EpisodeScores:
    """Score episodes on embeddings [R, D] of the table rows [R] (ascending)."""
    _, n_way, n_query = episodes.query.shape
    labels = query_labels(n_way, n_query, embeddings.device)
    predicted, losses = [], []
    for logits in logits_in_chunks(method, embeddings, rows, episodes):
        predicted.append(logits.argmax(dim=-1).cpu())
        losses.append(episode_losses(logits, labels).cpu())
    return score_predictions(
        episodes.classes,
        episodes.query,
        torch.cat(predicted).numpy(),
        torch.cat(losses).double().numpy(),
        len(episodes.class_names),
    )


def logits_in_chunks(
    method: Method, embeddings: Tensor, rows: NDArray[np.int64], episodes: Episodes
) -> Iterator[Tensor]:
    """Yield logits [e, way * query, way] of all episodes, in order, some at a time.

    embeddings [R, D]: of the table rows [R], ascending. Memory beyond the embeddings stays below
    GRAM_BYTES and a few hundred MB.
    """
    n_episodes, n_way, n_query = episodes.query.shape
    score, chunk = _choose_scoring(method, embeddings, rows, episodes)
    start = 0
    while start < n_episodes:
        batch = slice(start, start + chunk)
        support = np.searchsorted(rows, episodes.support[batch])
        query = np.searchsorted(rows, episodes.query[batch]).reshape(-1, n_way * n_query)
        try:
            with torch.inference_mode():
                logits = score(support, query, episodes.classes[batch])
        except (RuntimeError, MemoryError) as error:
            chunk = halve_or_raise(min(chunk, n_episodes), error, 1, "episodes")
            continue
        yield logits
        start += chunk


def gram_pays(n_images: int, episodes: Episodes, embeddings: Tensor) -> bool:
    """Return whether the matrix fits its bound, and costs less than the direct way.

    Measured with 3,954 images of 1,600 features, 4-way 5-shot, two cores: from 5,000 episodes.
    """
    if n_images**2 * embeddings.element_size() > GRAM_BYTES:
        return False
    return n_images**2 < CUT_OVER * len(episodes) * _rows_moved(episodes)


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


def _choose_scoring(
    method: Method, embeddings: Tensor, rows: NDArray[np.int64], episodes: Episodes
) -> tuple[Scoring, int]:
    """Return the cheaper way to score, and how many episodes go at a time.

    Without memory for the matrix it is the direct one.
    """
    if method.is_prototypes and gram_pays(len(rows), episodes, embeddings):
        try:
            return partial(_score_by_gram, gram_matrix(embeddings)), GRAM_CHUNK
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            log.warning("too little memory for all inner products: episodes are scored one by one")
    bound = method.among(episodes.class_names, embeddings)
    per_episode = _rows_moved(episodes) * embeddings.shape[1] * embeddings.element_size()
    chunk = max(1, DIRECT_BYTES[embeddings.device.type] // per_episode)
    if method.logits is not prototype_logits:
        chunk *= STEPPING  # hundreds of small steps a chunk cost more than leaving the cache
    return partial(_score_directly, bound, embeddings), chunk


def _score_directly(
    method: BoundMethod, embeddings: Tensor, support: Places, query: Places, classes: Places
) -> Tensor:
    own, queries = embeddings[torch.from_numpy(support)], embeddings[torch.from_numpy(query)]
    return method(own, queries, torch.from_numpy(classes).to(embeddings.device))


def _score_by_gram(gram: Tensor, support: Places, query: Places, _classes: Places) -> Tensor:
    places = (torch.from_numpy(each).to(gram.device) for each in (support, query))
    return prototype_logits_from_gram(gram, *places)


def _rows_moved(episodes: Episodes) -> int:
    """Return how many embeddings' worth of memory an episode reads or writes: those gathered, and
    the differences of queries and prototypes, formed and then squared."""
    n_way, k_shot = map(int, episodes.support.shape[1:])
    n_query = int(episodes.query.shape[2])
    return n_way * (k_shot + n_query) + 2 * n_way * n_query * n_way
