"""Evaluation: embed each drawn image once, then score any number of episodes on the embeddings."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from fewshot_fer.episodes import Episodes
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores, score_predictions
from fewshot_fer.models import Method
from fewshot_fer.models.episode_loss import query_labels
from fewshot_fer.models.preprocessing import normalise

BATCH = 128  # images a forward; more gains nothing on a CPU
CHUNK_BYTES = 128 * 1024 * 1024  # bound on the differences between queries and prototypes


class Embedder:
    """The embeddings of one state of an encoder's weights; each image is embedded once.

    Embeddings are kept a table at a time, so several tests on one data set share them. Make a new
    Embedder whenever the weights have changed.
    """

    def __init__(
        self,
        encoder: nn.Module,
        dtype: torch.dtype = torch.float32,
        head: nn.Module | None = None,
        head_names: tuple[str, ...] = (),
    ) -> None:
        self.encoder = encoder
        self.head = head  # of a classifier: embeddings [B, D] -> logits over head_names
        self.head_names = head_names
        self.dtype = dtype
        self._known: dict[str, tuple[Tensor, NDArray[np.bool_]]] = {}

    def embed(self, images: FaceImages, rows: NDArray[np.int64]) -> Tensor:
        """Return embeddings [len(rows), D] in eval mode (running batch-norm statistics)."""
        kept, done = self._known.get(images.fingerprint, (None, np.zeros(len(images), dtype=bool)))
        new = rows[~done[rows]]
        if len(new):
            fresh = self._forward(images, new)
            if kept is None:
                kept = fresh.new_zeros((len(images), fresh.shape[1]))
            kept[torch.from_numpy(new)] = fresh
            done[new] = True
            self._known[images.fingerprint] = (kept, done)
        assert kept is not None
        return kept[torch.from_numpy(rows)]

    @torch.inference_mode()
    def _forward(self, images: FaceImages, rows: NDArray[np.int64]) -> Tensor:
        was_training = self.encoder.training
        self.encoder.eval()
        starts = range(0, len(rows), BATCH)
        bar = tqdm(starts, desc="embedding images", leave=False, disable=None, delay=2)
        parts = [
            self.encoder(normalise(images.gather(rows[start : start + BATCH]), self.dtype))
            for start in bar
        ]
        self.encoder.train(was_training)
        return torch.cat(parts)


def evaluate(
    embedder: Embedder, method: Method, images: FaceImages, episodes: Episodes
) -> EpisodeScores:
    """Score episodes with the embedder's weights; only images that are drawn are embedded."""
    drawn = episodes.images()
    return score_episodes(method, embedder.embed(images, drawn), drawn, episodes)


@torch.inference_mode()
def score_episodes(
    method: Method, embeddings: Tensor, rows: NDArray[np.int64], episodes: Episodes
) -> EpisodeScores:
    """Score episodes on embeddings [R, D] of the table rows [R] (ascending).

    Episodes go through the method in chunks, so memory stays bounded for any number of them.
    """
    n_episodes, n_way, n_query = episodes.query.shape
    labels = query_labels(n_way, n_query, embeddings.device)
    per_episode = n_way * n_query * n_way * embeddings.shape[1] * embeddings.element_size()
    chunk = max(1, CHUNK_BYTES // per_episode)
    predicted, losses = [], []
    for start in range(0, n_episodes, chunk):
        part = slice(start, start + chunk)
        support = embeddings[_places(rows, episodes.support[part])]
        query = embeddings[_places(rows, episodes.query[part])].flatten(1, 2)
        logits = method(support, query)
        expected = labels.expand(len(logits), -1)
        loss = F.cross_entropy(logits.flatten(0, 1), expected.flatten(), reduction="none")
        predicted.append(logits.argmax(dim=-1).cpu())
        losses.append(loss.view(len(logits), -1).mean(dim=1).cpu())
    return score_predictions(
        episodes.classes,
        episodes.query,
        torch.cat(predicted).numpy(),
        torch.cat(losses).double().numpy(),
        len(episodes.class_names),
    )


def _places(rows: NDArray[np.int64], drawn: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.searchsorted(rows, drawn))
