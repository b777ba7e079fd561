"""Predictions with a fixed support at each level: of images or frames, and of clips by vote."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.table import group_keys
from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.evaluation.results import FixedPredictions

Classify = Callable[[Tensor], NDArray[np.float64]]
"""Embeddings [Q, D] -> probabilities [Q, way]."""


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
