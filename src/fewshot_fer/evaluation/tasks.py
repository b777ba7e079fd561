"""Tasks: a protocol with its images, to train on or to evaluate in episodes or on a fixed support.

A fixed support is scored image by image and, where there are clips, clip by clip.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.data.fingerprint import file_digests, pictures_digest
from fewshot_fer.data.neutral import all_uses
from fewshot_fer.data.packed_images import FaceImages, load_images
from fewshot_fer.data.same_pictures import Repeats, find_repeats, picture_numbers
from fewshot_fer.data.table import group_keys
from fewshot_fer.episodes.fixed_support import FixedProtocol, leave_out
from fewshot_fer.episodes.leakage import AnyProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.episodes.saved import episodes_digest
from fewshot_fer.evaluation.clip_embeddings import embed_clips
from fewshot_fer.evaluation.embedder import Embedder, FewShotModel
from fewshot_fer.evaluation.episode_votes import vote_in_episodes, with_vote
from fewshot_fer.evaluation.metrics import EpisodeScores, mean_interval
from fewshot_fer.evaluation.results import (
    EvaluationResult,
    FixedPredictions,
    answer_rows,
    episodic_row,
    fixed_row,
    sum_confusion,
)
from fewshot_fer.evaluation.scoring import evaluate, score_episodes
from fewshot_fer.evaluation.votes import (
    level_answers,
    prediction_rows,
    predictions_by_level,
    ways_to_classify,
)

log = logging.getLogger("fewshot_fer")


@dataclass(frozen=True)
class EpisodicTask:
    """A protocol that draws episodes, and its images."""

    protocol: EpisodicProtocol
    images: FaceImages

    @property
    def frames_vote(self) -> bool:
        """Whether episodes of clips are scored by votes of frames too."""
        of_clips = self.protocol.of_clips
        return of_clips is not None and of_clips.vote != "none"

    def embed(self, embedder: Embedder, rows: NDArray[np.int64]) -> Tensor:
        """Return embeddings [len(rows), D] of what episodes hold the rows of: images or clips."""
        of_clips = self.protocol.of_clips
        if of_clips is None:
            return embedder.embed(self.images, rows)
        return embed_clips(embedder, self.images, of_clips, rows).pooled(of_clips.pooling)

    def evaluate(
        self, model: FewShotModel, seed: int, epoch: int = 0, votes: bool = True
    ) -> EvaluationResult:
        """Score the episodes of a seed and epoch; votes: of clips, by votes of their frames too."""
        episodes, of_clips = self.protocol.draw(seed, epoch), self.protocol.of_clips
        if of_clips is None:
            scores = evaluate(model.embedder, model.method, self.images, episodes)
            return self._result(model, episodes, scores)
        rows = episodes.images()
        clips = embed_clips(model.embedder, self.images, of_clips, rows)
        pooled = clips.pooled(of_clips.pooling)
        result = self._result(model, episodes, score_episodes(model.method, pooled, rows, episodes))
        if not (votes and self.frames_vote):
            return result
        by_vote = vote_in_episodes(model.method, clips, rows, episodes, of_clips.vote)
        return with_vote(result, self._result(model, episodes, by_vote, of_clips.vote))

    def _result(
        self, model: FewShotModel, episodes: Episodes, scores: EpisodeScores, vote: str = ""
    ) -> EvaluationResult:
        """Return the result of scores; vote: how frames decided a clip, "" where they did not."""
        accuracy, low, high = mean_interval(scores.accuracy)
        row = episodic_row(self.protocol, scores, model.epoch) | {
            "method": model.method.name,
            "uses": all_uses(self.images.neutral, model.method.uses),
            "episodes_id": episodes_digest(self.protocol.table_digest, episodes),
            "images_id": self.pictures,
        }
        if vote:
            row |= {"level": "clip_vote", "pooling": vote}
        return EvaluationResult(
            rows=[row],
            accuracy=accuracy,
            loss=float(scores.loss.mean()),
            half=(high - low) / 2,
            class_names=episodes.class_names,
            confusion=scores.confusion,
            answers=answer_rows(
                row, self.protocol.named_table, scores.row_asked, scores.row_correct
            ),
            each=scores.accuracy,
        )

    @cached_property
    def pictures(self) -> str:
        """16 hex digits of the contents of all images that the protocol's were taken from."""
        whole = self.protocol.whole_table
        if whole is self.protocol.table:
            return self.images.pictures
        return pictures_digest(file_digests(whole["path"].tolist()))


@dataclass(frozen=True)
class FixedTask:
    """A protocol with a fixed support, its images, and those that the support is drawn from."""

    protocol: FixedProtocol
    images: FaceImages
    support_images: FaceImages

    def evaluate(
        self, model: FewShotModel, seed: int, epoch: int = 0, votes: bool = True
    ) -> EvaluationResult:
        """Score the queries with every draw of the support; the other arguments change nothing.

        Support and queries are embedded once. A classifier's own predictions come first, where it
        was trained on these classes; those of the nearest prototype on its features stand beside,
        and both are scored on the same queries.
        """
        protocol, levels = self.protocol, list[FixedPredictions]()
        queries = model.embedder.embed(self.images, np.arange(len(protocol.table)))
        ways = ways_to_classify(protocol, self.support_images, model, queries)
        for name, by_draw in ways.items():
            levels += predictions_by_level(protocol, name, by_draw, queries)
        rows = [fixed_row(protocol, level, model.epoch) for level in levels]
        for row in rows:
            row["episodes_id"] = protocol.episodes_id
            row["images_id"] = self.images.pictures + self.support_images.pictures
            own = model.method.uses if row["method"] == model.method.name else ""
            row["uses"] = all_uses(self.images.neutral, own)
        answers = [level_answers(protocol, *pair) for pair in zip(rows, levels, strict=True)]
        frames = [level for level in levels if not level.level.startswith("clip")]
        predictions = [prediction_rows(protocol, level) for level in frames]
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


def load_tasks(
    protocols: Iterable[AnyProtocol], size: int, device: torch.device, relative: bool = False
) -> list[Task]:
    """Decode or open the images of protocols; warn, once, of the same picture under two names.

    With a fixed support, a query that is a picture of the support under another name is not scored.
    relative: evaluations are relative to neutral faces, see `data.neutral`.
    """
    tasks, lines = list[Task](), dict[str, None]()
    for protocol in protocols:
        task, found = _load(protocol, size, device, relative)
        warnings = (*protocol.warnings, *found.stamps)
        tasks.append(replace(task, protocol=replace(task.protocol, warnings=warnings)))
        lines |= dict.fromkeys(found.lines)
    for line in lines:
        log.warning("%s", line)
    return tasks


def _load(
    protocol: AnyProtocol, size: int, device: torch.device, relative: bool
) -> tuple[Any, Repeats]:
    """Return the task of a protocol, and the repeats among its pictures."""
    images = load_images(protocol.table, size, device, relative and protocol.role != "train")
    if isinstance(protocol, FixedProtocol):
        support_images = load_images(protocol.support_table, size, device, relative)
        return _with_support(protocol, images, support_images)
    pool, of_clips = protocol.pool, protocol.of_clips
    own = pool.rows if of_clips is None else of_clips.clips.numbers_of(pool.rows)
    groups = own if pool.groups is None else pool.groups
    faces = protocol.table.iloc[pool.rows].assign(group=groups)
    found = find_repeats(picture_numbers(images)[0][pool.rows], faces, bool(pool.sets))
    if protocol.role == "train" or not protocol.k_shot:
        found = replace(found, apart=[])  # of a training set they are many for a reason
    return EpisodicTask(protocol, images), found


def _with_support(
    protocol: FixedProtocol, images: FaceImages, support_images: FaceImages
) -> tuple[FixedTask, Repeats]:
    numbers, drawn = picture_numbers(images, support_images)
    groups = group_keys(protocol.table).to_numpy() if protocol.disjoint == "group" else numbers
    same = [np.isin(numbers, drawn[rows]) for rows in protocol.support.rows]
    met = np.stack([np.isin(groups, groups[of_draw]) for of_draw in same])
    protocol = leave_out(protocol, met, "clip, subject or picture, under another name,")
    rows = protocol.support.images()
    faces = pd.concat([protocol.table, protocol.support_table.iloc[rows]])
    found = find_repeats(np.append(numbers, drawn[rows]), faces)
    return FixedTask(protocol, images, support_images), replace(found, apart=[])
