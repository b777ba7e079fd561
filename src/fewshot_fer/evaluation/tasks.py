"""Tasks: a protocol with its images, to train on or to evaluate in episodes or on a fixed support.

A fixed support is scored image by image and, where there are clips, clip by clip.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewshot_fer.data.neutral import all_uses
from fewshot_fer.data.packed_images import FaceImages, load_images
from fewshot_fer.data.same_pictures import Repeats, find_repeats, picture_numbers
from fewshot_fer.data.table import class_sizes, group_keys
from fewshot_fer.episodes.fixed_support import FixedProtocol, leave_out
from fewshot_fer.episodes.leakage import AnyProtocol
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
from fewshot_fer.evaluation.votes import Classify, predictions_by_level
from fewshot_fer.models.methods.method import BoundMethod
from fewshot_fer.system.files import Row

QUERIES = 1024  # queries scored at a time
log = logging.getLogger("fewshot_fer")


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
            "uses": all_uses(self.images.neutral, model.method.uses),
            "episodes_id": episodes_digest(self.protocol.table_digest, episodes),
            "images_id": self.images.pictures,
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
        """Score the queries with every draw of the support; `seed` and `epoch` change nothing.

        Support and queries are embedded once. A classifier's own predictions come first, where it
        was trained on these classes; those of the nearest prototype on its features stand beside,
        and both are scored on the same queries.
        """
        protocol, levels = self.protocol, list[FixedPredictions]()
        queries = model.embedder.embed(self.images, np.arange(len(protocol.table)))
        ways = _ways_to_classify(protocol, self.support_images, model, queries)
        for name, by_draw in ways.items():
            levels += predictions_by_level(protocol, name, by_draw, queries)
        rows = [fixed_row(protocol, level, model.epoch) for level in levels]
        for row in rows:
            row["episodes_id"] = protocol.episodes_id
            row["images_id"] = self.images.pictures + self.support_images.pictures
            own = model.method.uses if row["method"] == model.method.name else ""
            row["uses"] = all_uses(self.images.neutral, own)
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
    pool = protocol.pool
    groups = pool.rows if pool.groups is None else pool.groups
    faces = protocol.table.iloc[pool.rows].assign(group=groups)
    found = find_repeats(picture_numbers(images)[0][pool.rows], faces)
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


def _ways_to_classify(
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
    sizes = class_sizes(protocol.support_table, names)
    bound = model.method.among(names, queries, sizes)
    ways[model.method.name] = [partial(_classify_by_support, bound, each) for each in supports]
    return ways


def _embedded_supports(
    protocol: FixedProtocol, support_images: FaceImages, embedder: Embedder
) -> list[Tensor]:
    """Return the embedded support [way, shot, D] of every draw."""
    embedded = embedder.embed(support_images, drawn := protocol.support.images())
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


def _answer_rows(protocol: FixedProtocol, row: Row, predictions: FixedPredictions) -> pd.DataFrame:
    """Return the rows of answers.csv: of images, or of clips by their keys without lost ones."""
    table = protocol.table
    if predictions.level.startswith("clip"):
        table = table.drop_duplicates(["dataset", "clip"]).reset_index(drop=True)
        table = table.assign(path=table["clip"])
    return answer_rows(row, table, predictions.asked, predictions.right)


def _prediction_rows(protocol: FixedProtocol, predictions: FixedPredictions) -> pd.DataFrame:
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
