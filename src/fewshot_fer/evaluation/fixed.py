"""Figures of a fixed support: frame by frame and, where there are clips, clip by clip.

One decision a clip from the decisions of its frames.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewshot_fer.data.images import FaceImages
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.results import (
    EvaluationResult,
    FixedPredictions,
    make_answers,
    result_row,
    sum_confusion,
)
from fewshot_fer.models.methods.method import BoundMethod
from fewshot_fer.system.files import Row

QUERIES = 1024  # queries scored at a time


@torch.inference_mode()
def fixed_log_probabilities(
    method: BoundMethod, support: Tensor, query: Tensor
) -> NDArray[np.float64]:
    """Return log-probabilities [Q, way] of queries [Q, D] for one support [way, shot, D].

    Queries are independent of one another here, so they go through in chunks.
    """
    parts = []
    for start in range(0, len(query), QUERIES):
        logits = method.once(support, query[start : start + QUERIES])
        parts.append(torch.log_softmax(logits.double(), dim=1).cpu())
    return torch.cat(parts).numpy()


def clip_numbers(clips: pd.Series) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return each frame's clip as a number, and the clips' names in order of appearance."""
    numbers, names = pd.factorize(clips)
    return numbers.astype(np.int64), tuple(map(str, names))


def mean_by_clip(values: NDArray[np.float64], clips: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean [C, D] of the frames' values [N, D] over each clip."""
    total = np.zeros((int(clips.max()) + 1, values.shape[1]))
    np.add.at(total, clips, values)
    return total / np.bincount(clips)[:, None]


def vote_by_probability(
    probabilities: NDArray[np.float64], clips: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return [C, way]: the mean of the frames' probabilities."""
    return mean_by_clip(probabilities, clips)


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


Classify = Callable[[Tensor], NDArray[np.float64]]
"""Embeddings [Q, D] -> probabilities [draws, Q, way]."""


def score_fixed(
    protocol: FixedProtocol,
    images: FaceImages,
    support_images: FaceImages,
    model: FewShotModel,
) -> EvaluationResult:
    """Embed support and queries once, then answer every query with every draw of the support.

    A classifier's own answers come first, where it was trained on these classes; those of the
    nearest prototype on its features stand beside them.
    """
    embedder, method = model.embedder, model.method
    queries = embedder.embed(images, np.arange(len(protocol.table)))
    ways: dict[str, Classify] = {}
    if embedder.head is not None and embedder.head_names == protocol.support.class_names:
        ways["classifier"] = partial(_answer_by_head, embedder.head)
    supports = _embedded_supports(protocol, support_images, embedder)
    among = method.among(protocol.support.class_names, queries)
    ways[method.name] = partial(_answer_by_support, among, supports)
    levels = [
        level for name, way in ways.items() for level in _levels(protocol, name, way, queries)
    ]
    frames = [level for level in levels if not level.level.startswith("clip")]
    questions = {"episodes_id": protocol.episodes_id}
    rows = [result_row(protocol, level, model.epoch) | questions for level in levels]
    for row in rows:
        row["uses"] = method.uses if row["method"] == method.name else ""
    return EvaluationResult(
        rows=rows,
        accuracy=rows[0]["accuracy"],
        loss=rows[0]["loss"],
        half=(rows[0]["ci95_high"] - rows[0]["ci95_low"]) / 2,
        class_names=protocol.support.class_names,
        confusion=sum_confusion(levels[0], protocol.n_way),
        answers=pd.concat([_answers(protocol, *pair) for pair in zip(rows, levels, strict=True)]),
        predictions=pd.concat(
            [_predictions(protocol, level) for level in frames], ignore_index=True
        ),
    )


def _embedded_supports(
    protocol: FixedProtocol, support_images: FaceImages, embedder: Embedder
) -> list[Tensor]:
    """Return the embedded support [way, shot, D] of every draw."""
    drawn = protocol.support.images()
    embedded = embedder.embed(support_images, drawn)
    places = np.searchsorted(drawn, protocol.support.rows)
    return [embedded[torch.from_numpy(draw)] for draw in places]


def _answer_by_support(
    method: BoundMethod, supports: list[Tensor], queries: Tensor
) -> NDArray[np.float64]:
    return np.exp([fixed_log_probabilities(method, support, queries) for support in supports])


@torch.inference_mode()
def _answer_by_head(head: nn.Module, queries: Tensor) -> NDArray[np.float64]:
    shares = torch.softmax(head(queries).double(), dim=1).cpu().numpy()
    return shares[None]


def _levels(
    protocol: FixedProtocol, name: str, way: Classify, queries: Tensor
) -> list[FixedPredictions]:
    """Return the answers to frames and, where every image is of a clip, to clips."""
    frames = _frame_answers(protocol, name, way(queries))
    if frames.level == "image":
        return [frames]
    clips, _ = clip_numbers(protocol.table["clip"])
    means = torch.from_numpy(mean_by_clip(queries.double().cpu().numpy(), clips)).to(queries)
    return [frames, *_clip_answers(protocol, frames, clips, way(means))]


def _frame_answers(
    protocol: FixedProtocol, method: str, probabilities: NDArray[np.float64]
) -> FixedPredictions:
    groups = pd.factorize(protocol.table["group"])[0].astype(np.int64)
    level = "frame" if (protocol.table["clip"] != "").all() else "image"
    return FixedPredictions(method, level, protocol.labels, probabilities, groups)


def _clip_answers(
    protocol: FixedProtocol,
    frames: FixedPredictions,
    clips: NDArray[np.int64],
    by_embedding: NDArray[np.float64],
) -> list[FixedPredictions]:
    """Return the clips' answers by the protocol's vote, and those with the lost clips as errors."""
    if protocol.vote == "embedding":
        voted = by_embedding
    else:
        vote = vote_by_majority if protocol.vote == "majority" else vote_by_probability
        voted = np.stack([vote(draw, clips) for draw in frames.probabilities])
    first = np.unique(clips, return_index=True)[1]
    labels, groups = frames.labels[first], frames.groups[first]
    complete = FixedPredictions(
        frames.method, "clip_complete", labels, voted, groups, _lost_labels(protocol)
    )
    return [FixedPredictions(frames.method, "clip", labels, voted, groups), complete]


def _lost_labels(protocol: FixedProtocol) -> tuple[int, ...]:
    """Return the class numbers of the clips that lost every face, in the splits that are asked."""
    splits = set(protocol.table["split"])
    lost = protocol.table.attrs.get("lost_clips", {})
    names = list(protocol.support.class_names)
    return tuple(
        names.index(label)
        for clip, label in lost.items()
        if clip.split("/")[0] in splits and label in names
    )


def _answers(protocol: FixedProtocol, row: Row, answers: FixedPredictions) -> pd.DataFrame:
    """Return the rows of answers.csv: of images, or of clips by their keys, lost ones not among."""
    table = protocol.table
    if answers.level.startswith("clip"):
        table = table.drop_duplicates("clip").reset_index(drop=True)
        table = table.assign(path=table["clip"])
    correct = (answers.predicted == answers.labels).mean(axis=0)
    return make_answers(row, table, np.ones(len(correct)), correct)


def _predictions(protocol: FixedProtocol, answers: FixedPredictions) -> pd.DataFrame:
    """Return path, clip, true, predicted and each class's probability, a row a draw and query."""
    names = np.array(protocol.support.class_names)
    tables = []
    for draw, given in enumerate(answers.predicted):
        shares = answers.probabilities[draw]
        table = protocol.table[["path", "clip"]].copy()
        table.insert(0, "draw", draw)
        table["true"], table["predicted"] = names[answers.labels], names[given]
        tables.append(table.join(pd.DataFrame(shares, columns=names, index=table.index)))
    whole = pd.concat(tables, ignore_index=True)
    whole.insert(0, "method", answers.method)
    whole.insert(0, "protocol", protocol.title)
    whole.insert(0, "role", protocol.role)
    return whole
