"""Tasks: a protocol with its images, to train on or to evaluate in episodes or on a fixed support.

A fixed support is scored image by image and, where there are clips, clip by clip.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewshot_fer.data.packed_images import FaceImages, load_images
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.saved import episodes_digest
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.metrics import mean_interval
from fewshot_fer.evaluation.results import (
    EvaluationResult,
    FixedPredictions,
    answer_rows,
    episodic_row,
    fixed_row,
    probability_columns,
    sum_confusion,
)
from fewshot_fer.evaluation.scoring import evaluate
from fewshot_fer.models.methods.method import BoundMethod
from fewshot_fer.system.files import Row

QUERIES = 1024  # queries scored at a time
Classify = Callable[[Tensor], NDArray[np.float64]]
"""Embeddings [Q, D] -> probabilities [draws, Q, way]."""


@dataclass(frozen=True)
class EpisodicTask:
    """A protocol that draws episodes, and its images."""

    protocol: EpisodicProtocol
    images: FaceImages

    def evaluate(self, model: FewShotModel, seed: int, epoch: int = 0) -> EvaluationResult:
        """Score the episodes of a seed and epoch."""
        episodes = self.protocol.draw(seed, epoch)
        scores = evaluate(model.embedder, model.method, self.images, episodes)
        accuracy, low, high = mean_interval(scores.accuracy)
        row = episodic_row(self.protocol, scores, model.epoch) | {
            "method": model.method.name,
            "uses": model.method.uses,
            "episodes_id": episodes_digest(self.protocol.table_digest, episodes),
        }
        return EvaluationResult(
            rows=[row],
            accuracy=accuracy,
            loss=float(scores.loss.mean()),
            half=(high - low) / 2,
            class_names=episodes.class_names,
            confusion=scores.confusion,
            answers=answer_rows(row, self.protocol.table, scores.row_asked, scores.row_correct),
            each=scores.accuracy,
        )


@dataclass(frozen=True)
class FixedTask:
    """A protocol with a fixed support, its images, and those that the support is drawn from."""

    protocol: FixedProtocol
    images: FaceImages
    support_images: FaceImages

    def evaluate(self, model: FewShotModel, seed: int, epoch: int = 0) -> EvaluationResult:
        """Score every query with every draw of the support; `seed` and `epoch` change nothing.

        Support and queries are embedded once. A classifier's own predictions come first, where it
        was trained on these classes; those of the nearest prototype on its features stand beside.
        """
        protocol = self.protocol
        queries = model.embedder.embed(self.images, np.arange(len(protocol.table)))
        levels: list[FixedPredictions] = []
        ways = _ways_to_classify(protocol, self.support_images, model, queries)
        for name, classify in ways.items():
            levels += _levels(protocol, name, classify, queries)
        rows = [fixed_row(protocol, level, model.epoch) for level in levels]
        for row in rows:
            row["episodes_id"] = protocol.episodes_id
            row["uses"] = model.method.uses if row["method"] == model.method.name else ""
        answers = [_answer_rows(protocol, *pair) for pair in zip(rows, levels, strict=True)]
        frames = [level for level in levels if not level.level.startswith("clip")]
        predictions = [_prediction_rows(protocol, level) for level in frames]
        return EvaluationResult(
            rows=rows,
            accuracy=rows[0]["accuracy"],
            loss=rows[0]["loss"],
            half=(rows[0]["ci95_high"] - rows[0]["ci95_low"]) / 2,
            class_names=protocol.support.class_names,
            confusion=sum_confusion(levels[0], protocol.n_way),
            answers=pd.concat(answers),
            predictions=pd.concat(predictions, ignore_index=True),
        )


Task = EpisodicTask | FixedTask


def load_task(
    protocol: EpisodicProtocol | FixedProtocol, image_size: int, device: torch.device
) -> Task:
    """Decode or open the images of a protocol."""
    images = load_images(protocol.table, image_size, device)
    if isinstance(protocol, EpisodicProtocol):
        return EpisodicTask(protocol, images)
    return FixedTask(protocol, images, load_images(protocol.support_table, image_size, device))


@torch.inference_mode()
def fixed_log_probabilities(
    method: BoundMethod, support: Tensor, query: Tensor
) -> NDArray[np.float64]:
    """Return log-probabilities [Q, way] of queries [Q, D] for one support [way, shot, D].

    Queries are independent of one another here, so they go through in chunks.
    """
    made = []
    for start in range(0, len(query), QUERIES):
        logits = method.once(support, query[start : start + QUERIES])
        made.append(torch.log_softmax(logits.double(), dim=1).cpu())
    return torch.cat(made).numpy()


def mean_by_clip(values: NDArray[np.float64], clips: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean [C, D] of the frames' values [N, D]; clips [N]: each frame's number."""
    total = np.zeros((int(clips.max()) + 1, values.shape[1]))
    np.add.at(total, clips, values)
    return total / np.bincount(clips)[:, None]


def vote_by_majority(
    probabilities: NDArray[np.float64], clips: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return [C, way]: each class's share of the frames, ties broken by summed probability.

    The tie-break adds less than a quarter of one frame's share, so it decides nothing else; rows
    sum to slightly more than one.
    """
    given = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    frames = np.bincount(clips)[:, None]
    return mean_by_clip(given, clips) + mean_by_clip(probabilities, clips) / (4 * frames)


def _ways_to_classify(
    protocol: FixedProtocol, support_images: FaceImages, model: FewShotModel, queries: Tensor
) -> dict[str, Classify]:
    """Return name -> classifier: a head, where it was trained on these classes, and the method."""
    embedder, names = model.embedder, protocol.support.class_names
    ways: dict[str, Classify] = {}
    if embedder.head is not None and embedder.head_names == names:
        ways["classifier"] = partial(_classify_by_head, embedder.head)
    supports = _embedded_supports(protocol, support_images, embedder)
    bound = model.method.among(names, queries)
    ways[model.method.name] = lambda some: np.exp(
        [fixed_log_probabilities(bound, support, some) for support in supports]
    )
    return ways


def _embedded_supports(
    protocol: FixedProtocol, support_images: FaceImages, embedder: Embedder
) -> list[Tensor]:
    """Return the embedded support [way, shot, D] of every draw."""
    drawn = protocol.support.images()
    embedded = embedder.embed(support_images, drawn)
    places = np.searchsorted(drawn, protocol.support.rows)
    return [embedded[torch.from_numpy(draw)] for draw in places]


@torch.inference_mode()
def _classify_by_head(head: nn.Module, queries: Tensor) -> NDArray[np.float64]:
    shares = torch.softmax(head(queries).double(), dim=1).cpu().numpy()
    return shares[None]


def _levels(
    protocol: FixedProtocol, name: str, classify: Classify, queries: Tensor
) -> list[FixedPredictions]:
    """Return the predictions of images or frames and, where every image is of a clip, of clips."""
    groups = pd.factorize(protocol.table["group"])[0].astype(np.int64)
    level = "frame" if (protocol.table["clip"] != "").all() else "image"
    frames = FixedPredictions(name, level, protocol.labels, classify(queries), groups)
    if level == "image":
        return [frames]
    clips = pd.factorize(protocol.table["clip"])[0].astype(np.int64)
    if protocol.vote == "embedding":
        means = mean_by_clip(queries.double().cpu().numpy(), clips)
        voted = classify(torch.from_numpy(means).to(queries))
    else:
        vote = vote_by_majority if protocol.vote == "majority" else mean_by_clip
        voted = np.stack([vote(draw, clips) for draw in frames.probabilities])
    first = np.unique(clips, return_index=True)[1]
    of_clips = (frames.labels[first], voted, frames.groups[first])
    complete = FixedPredictions(name, "clip_complete", *of_clips, _lost_labels(protocol))
    return [frames, FixedPredictions(name, "clip", *of_clips), complete]


def _lost_labels(protocol: FixedProtocol) -> tuple[int, ...]:
    """Return the class numbers of the clips that lost every face, in the splits of the queries."""
    splits = set(protocol.table["split"])
    lost = protocol.table.attrs.get("lost_clips", {})
    names = list(protocol.support.class_names)
    return tuple(
        names.index(label)
        for clip, label in lost.items()
        if clip.split("/")[0] in splits and label in names
    )


def _answer_rows(protocol: FixedProtocol, row: Row, predictions: FixedPredictions) -> pd.DataFrame:
    """Return the rows of answers.csv: of images, or of clips by their keys without lost ones."""
    table = protocol.table
    if predictions.level.startswith("clip"):
        table = table.drop_duplicates("clip").reset_index(drop=True)
        table = table.assign(path=table["clip"])
    correct = predictions.correct.mean(axis=0)
    return answer_rows(row, table, np.ones(len(correct)), correct)


def _prediction_rows(protocol: FixedProtocol, predictions: FixedPredictions) -> pd.DataFrame:
    """Return the rows of predictions.csv, one a draw and query, with each class's probability."""
    names = np.array(protocol.support.class_names)
    columns = probability_columns(names)
    tables = []
    for draw, given in enumerate(predictions.predicted):
        shares = predictions.probabilities[draw]
        table = protocol.table[["path", "clip"]].copy()
        table.insert(0, "draw", draw)
        table["true"], table["predicted"] = names[predictions.labels], names[given]
        tables.append(table.join(pd.DataFrame(shares, columns=columns, index=table.index)))
    whole = pd.concat(tables, ignore_index=True)
    whole.insert(0, "method", predictions.method)
    whole.insert(0, "protocol", protocol.title)
    whole.insert(0, "role", protocol.role)
    return whole
