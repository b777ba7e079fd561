"""Predictions with a fixed support at each level: of images or frames, and of clips by vote."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewshot_fer.data.packed_images import FaceImages
from fewshot_fer.data.table import class_sizes, group_keys
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.results import FixedPredictions, answer_rows, probability_columns
from fewshot_fer.models.methods.method import BoundMethod
from fewshot_fer.system.files import Row

QUERIES = 1024  # queries scored at a time
Classify = Callable[[Tensor], NDArray[np.float64]]
"""Embeddings [Q, D] -> probabilities [Q, way]."""


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


def ways_to_classify(
    protocol: FixedProtocol, support_images: FaceImages, model: FewShotModel, queries: Tensor
) -> dict[str, list[Classify]]:
    """Return name -> classifiers, one a draw: a head that knows these classes, and the method.

    A head needs no support: it is one draw, unless each draw scores other queries.
    """
    embedder, names = model.embedder, protocol.support.class_names
    ways: dict[str, list[Classify]] = {}
    if embedder.head is not None and embedder.head_names == names:
        draws = len(protocol.scored) if protocol.n_left_out else 1
        ways["classifier"] = [partial(_classify_by_head, embedder.head)] * draws
    supports = _embedded_supports(protocol, support_images, embedder)
    bound = model.method.among(names, queries, class_sizes(protocol.support_table, names))
    ways[model.method.name] = [partial(_classify_by_support, bound, each) for each in supports]
    return ways


def _embedded_supports(
    protocol: FixedProtocol, support_images: FaceImages, embedder: Embedder
) -> list[Tensor]:
    """Return the embedded support [way, shot, D] of every draw."""
    drawn = protocol.support.images()
    embedded = embedder.embed(support_images, drawn)
    places = np.searchsorted(drawn, protocol.support.rows)
    return [embedded[torch.from_numpy(draw)] for draw in places]


def _classify_by_support(
    method: BoundMethod, support: Tensor, queries: Tensor
) -> NDArray[np.float64]:
    return np.exp(fixed_log_probabilities(method, support, queries))


@torch.inference_mode()
def _classify_by_head(head: nn.Module, queries: Tensor) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = torch.softmax(head(queries).double(), dim=1).cpu().numpy()
    return shares


def predictions_by_level(
    protocol: FixedProtocol, name: str, by_draw: Sequence[Classify], queries: Tensor
) -> list[FixedPredictions]:
    """Return the predictions of images or frames and, where every image is of a clip, of clips.

    Frames that are not scored have no vote. A clip without any vote is not scored.
    """
    groups = pd.factorize(group_keys(protocol.table))[0].astype(np.int64)
    level = "frame" if (protocol.table["clip"] != "").all() else "image"
    given, scored = np.stack([of(queries) for of in by_draw]), protocol.scored[: len(by_draw)]
    frames = FixedPredictions(name, level, protocol.labels, given, groups, scored)
    if level == "image":
        return [frames]
    keys = protocol.table["dataset"] + " " + protocol.table["clip"]
    clips = pd.factorize(keys)[0].astype(np.int64)
    voted = np.stack(
        [
            _voted(protocol.vote, classify, (queries, shares), clips, votes_of_clips(own, clips))
            for classify, shares, own in zip(by_draw, given, scored, strict=True)
        ]
    )
    first = np.unique(clips, return_index=True)[1]
    some = np.stack([np.bincount(clips, weights=own) > 0 for own in scored])
    of_clips = (frames.labels[first], voted, groups[first], some)
    complete = FixedPredictions(name, "clip_complete", *of_clips, _lost_labels(protocol))
    return [frames, FixedPredictions(name, "clip", *of_clips), complete]


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


def votes_of_clips(scored: NDArray[np.bool_], clips: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which frames [N] decide their clip: those that are scored.

    Of a clip without any such frame, which is not scored either, all do. clips [N]: as above.
    """
    is_scored = np.bincount(clips, weights=scored) > 0
    return scored | ~is_scored[clips]


def level_answers(protocol: FixedProtocol, row: Row, predictions: FixedPredictions) -> pd.DataFrame:
    """Return the rows of answers.csv: of images, or of clips by their keys without lost ones."""
    table = protocol.table
    if predictions.level.startswith("clip"):
        table = table.drop_duplicates(["dataset", "clip"]).reset_index(drop=True)
        table = table.assign(path=table["clip"])
    return answer_rows(row, table, predictions.asked, predictions.right)


def prediction_rows(protocol: FixedProtocol, predictions: FixedPredictions) -> pd.DataFrame:
    """Return the rows of predictions.csv, one a draw and query that is scored in it."""
    names = np.array(protocol.support.class_names)
    columns = probability_columns(names)
    tables: list[pd.DataFrame] = []
    for draw, given in enumerate(predictions.predicted):
        shares = predictions.probabilities[draw]
        table = protocol.table[["path", "clip"]].copy()
        table.insert(0, "draw", draw)
        table["true"], table["predicted"] = names[predictions.labels], names[given]
        table = table.join(pd.DataFrame(shares, columns=columns, index=table.index))
        tables.append(table[predictions.scored[draw]])
    whole = pd.concat(tables, ignore_index=True)
    whole.insert(0, "method", predictions.method)
    whole.insert(0, "protocol", protocol.title)
    whole.insert(0, "role", protocol.role)
    return whole


def _voted(
    vote: str,
    classify: Classify,
    frames: tuple[Tensor, NDArray[np.float64]],
    clips: NDArray[np.int64],
    voters: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the probabilities [C, way] of clips, by the voters among their frames.

    frames: embeddings [N, D] and probabilities [N, way]; clips, voters [N].
    """
    embeddings, shares = frames
    if vote == "embedding":
        means = mean_by_clip(embeddings.double().cpu().numpy()[voters], clips[voters])
        return classify(torch.from_numpy(means).to(embeddings))
    by = vote_by_majority if vote == "majority" else mean_by_clip
    return by(shares[voters], clips[voters])


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
