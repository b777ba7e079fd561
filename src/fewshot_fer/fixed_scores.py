"""Figures of a fixed support: frame by frame and, where there are clips, clip by clip."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fewshot_fer.answers import make_answers
from fewshot_fer.bootstrap import group_interval
from fewshot_fer.clips import clip_numbers, mean_by_clip, vote_by_majority, vote_by_probability
from fewshot_fer.evaluated import Evaluated
from fewshot_fer.evaluation import Embedder
from fewshot_fer.fixed_role import FixedRole
from fewshot_fer.fixed_support import fixed_log_probabilities
from fewshot_fer.images import FaceImages
from fewshot_fer.metrics import NORMAL_95, confusion_matrix, macro_f1, mean_recall
from fewshot_fer.models import Method
from fewshot_fer.runs import Row
from fewshot_fer.saved_episodes import table_digest


@dataclass(frozen=True)
class Answers:
    """What was answered at one level: to each image, or to each clip.

    level: image, frame, clip or clip_complete; labels [Q]; probabilities [draws, Q, way]; groups
    [Q]: clip, subject or image; lost: the labels of queries that could not be asked, a clip
    without a face for one, and count as wrong.
    """

    level: str
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: NDArray[np.int64]
    lost: tuple[int, ...] = ()

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Class numbers [draws, Q]."""
        given: NDArray[np.int64] = self.probabilities.argmax(axis=2)
        return given


def score_fixed(
    role: FixedRole,
    images: FaceImages,
    support_images: FaceImages,
    embedder: Embedder,
    method: Method,
    epoch: int,
) -> Evaluated:
    """Embed support and queries once, then score every draw of the support."""
    queries = embedder.embed(images, np.arange(len(role.table)))
    drawn = role.support.images()
    embedded = embedder.embed(support_images, drawn)
    supports = [
        embedded[torch.from_numpy(np.searchsorted(drawn, rows))] for rows in role.support.rows
    ]
    frames = [np.exp(fixed_log_probabilities(method, s, queries)) for s in supports]
    answers = _frame_answers(role, np.stack(frames))
    levels = [answers]
    if (role.table["clip"] != "").all():
        clips, _ = clip_numbers(role.table["clip"])
        by_clip = mean_by_clip(queries.double().cpu().numpy(), clips)
        means = torch.from_numpy(by_clip).to(queries)
        embeddings = [np.exp(fixed_log_probabilities(method, s, means)) for s in supports]
        levels += _clip_answers(role, answers, clips, np.stack(embeddings))
    rows = [_row(role, level, epoch) for level in levels]
    return Evaluated(
        rows=rows,
        accuracy=rows[0]["accuracy"],
        loss=rows[0]["loss"],
        half=(rows[0]["ci95_high"] - rows[0]["ci95_low"]) / 2,
        class_names=role.support.class_names,
        confusion=_confusion(answers, role.n_way),
        answers=pd.concat([_answers(role, *pair) for pair in zip(rows, levels, strict=True)]),
        predictions=_predictions(role, answers),
    )


def _frame_answers(role: FixedRole, probabilities: NDArray[np.float64]) -> Answers:
    groups = pd.factorize(role.table["group"])[0].astype(np.int64)
    level = "frame" if (role.table["clip"] != "").all() else "image"
    return Answers(level, role.labels, probabilities, groups)


def _clip_answers(
    role: FixedRole,
    frames: Answers,
    clips: NDArray[np.int64],
    by_embedding: NDArray[np.float64],
) -> list[Answers]:
    """Return the clips' answers by the role's vote, and those with the lost clips as errors."""
    if role.vote == "embedding":
        voted = by_embedding
    else:
        vote = vote_by_majority if role.vote == "majority" else vote_by_probability
        voted = np.stack([vote(draw, clips) for draw in frames.probabilities])
    first = np.unique(clips, return_index=True)[1]
    labels, groups = frames.labels[first], frames.groups[first]
    complete = Answers("clip_complete", labels, voted, groups, _lost_labels(role))
    return [Answers("clip", labels, voted, groups), complete]


def _lost_labels(role: FixedRole) -> tuple[int, ...]:
    """Return the class numbers of the clips that lost every face, in the splits that are asked."""
    splits = set(role.table["split"])
    lost = role.table.attrs.get("lost_clips", {})
    names = list(role.support.class_names)
    return tuple(
        names.index(label)
        for clip, label in lost.items()
        if clip.split("/")[0] in splits and label in names
    )


def _confusion(answers: Answers, n_way: int) -> NDArray[np.int64]:
    """Return counts [way, way] over all draws; lost queries stand in a column of their own."""
    total = np.zeros((n_way, n_way), dtype=np.int64)
    for given in answers.predicted:
        total += confusion_matrix(answers.labels, given, n_way)
    if not answers.lost:
        return total
    lost = len(answers.predicted) * np.bincount(answers.lost, minlength=n_way)
    return np.column_stack([total, lost])


def _row(role: FixedRole, answers: Answers, epoch: int) -> Row:
    """Return the row of results.csv of one level, means over the draws of the support."""
    correct = answers.predicted == answers.labels
    asked = len(answers.labels) + len(answers.lost)
    by_draw = correct.sum(axis=1) / asked
    accuracy = float(by_draw.mean())
    half = NORMAL_95 * np.sqrt(accuracy * (1 - accuracy) / asked)
    low, high = _group_interval(answers, correct)
    confusion = _confusion(answers, role.n_way)
    true = np.take_along_axis(answers.probabilities, answers.labels[None, :, None], axis=2)
    return {
        "role": role.role,
        "dataset": role.dataset,
        "protocol": role.protocol,
        "n_way": role.n_way,
        "k_shot": role.k_shot,
        "n_query": asked,
        "episodes": len(correct),
        "disjoint": "group",
        "accuracy": accuracy,
        "ci95_low": max(0.0, accuracy - half),
        "ci95_high": min(1.0, accuracy + half),
        "uar": mean_recall(confusion),
        "loss": float(-np.log(np.maximum(true, 1e-300)).mean()),
        "chance": 1 / role.n_way,
        "n_images": len(role.table),
        "n_groups": int(role.table["group"].nunique()),
        "epoch": epoch,
        "group_ci95_low": low,
        "group_ci95_high": high,
        "level": answers.level,
        "method": "protonet",
        "episodes_id": _questions_id(role),
        "macro_f1": macro_f1(confusion),
        "deviation": float(by_draw.std(ddof=1)) if len(by_draw) > 1 else 0.0,
        "majority": float(np.bincount((*answers.labels, *answers.lost)).max() / asked),
    }


def _group_interval(answers: Answers, correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the interval over groups of the accuracy averaged over draws; a lost clip is one."""
    right = np.append(correct.mean(axis=0), np.zeros(len(answers.lost)))
    new = answers.groups.max() + 1 + np.arange(len(answers.lost))
    return group_interval(right, np.ones(len(right)), np.append(answers.groups, new))


def _answers(role: FixedRole, row: Row, answers: Answers) -> pd.DataFrame:
    """Return the rows of answers.csv: of images, or of clips by their keys, lost ones not among."""
    table = role.table
    if answers.level.startswith("clip"):
        table = table.drop_duplicates("clip").reset_index(drop=True)
        table = table.assign(path=table["clip"])
    correct = (answers.predicted == answers.labels).mean(axis=0)
    return make_answers(row, table, np.ones(len(correct)), correct)


def _questions_id(role: FixedRole) -> str:
    """Return 16 hex digits that are equal for equal supports and queries."""
    digest = hashlib.sha256(table_digest(role.table).encode())
    digest.update(table_digest(role.support_table).encode())
    digest.update(role.support.rows.tobytes())
    return digest.hexdigest()[:16]


def _predictions(role: FixedRole, answers: Answers) -> pd.DataFrame:
    """Return path, clip, true, predicted and each class's probability, a row a draw and query."""
    names = np.array(role.support.class_names)
    tables = []
    for draw, given in enumerate(answers.predicted):
        shares = answers.probabilities[draw]
        table = role.table[["path", "clip"]].copy()
        table.insert(0, "draw", draw)
        table["true"], table["predicted"] = names[answers.labels], names[given]
        tables.append(table.join(pd.DataFrame(shares, columns=names, index=table.index)))
    whole = pd.concat(tables, ignore_index=True)
    whole.insert(0, "protocol", role.protocol)
    whole.insert(0, "role", role.role)
    return whole
