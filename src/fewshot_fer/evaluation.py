"""Evaluation: embed each drawn image once, then score any number of episodes on the embeddings."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.embedding import Embedder
from fewshot_fer.episodes import Episodes
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import EpisodeScores, score_predictions
from fewshot_fer.models.answering import AnsweringMethod
from fewshot_fer.models.episode_loss import episode_losses, query_labels
from fewshot_fer.scoring import logits_in_chunks


def evaluate(
    embedder: Embedder, method: AnsweringMethod, images: FaceImages, episodes: Episodes
) -> EpisodeScores:
    """Score episodes with the embedder's weights; only images that are drawn are embedded."""
    drawn = episodes.images()
    return score_episodes(method, embedder.embed(images, drawn), drawn, episodes)


def score_episodes(
    method: AnsweringMethod, embeddings: Tensor, rows: NDArray[np.int64], episodes: Episodes
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
