"""What an evaluation gives, whichever kind it was.

What was answered with a fixed support, and the figures that follow.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.episodes.fixed_support import FixedProtocol
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.evaluation.metrics import (
    NORMAL_95,
    EpisodeScores,
    confusion_matrix,
    group_interval,
    macro_f1,
    mean_interval,
    mean_recall,
)
from fewshot_fer.system.files import Row


@dataclass(frozen=True)
class EvaluationResult:
    """rows: of results.csv, the headline first; half: of the naive 95 % interval, as a fraction;
    confusion [C, C] over class_names, rows true; answers: as in answers.csv; predictions: a row an
    image, where images were asked one by one; each [E]: the accuracy of every episode."""

    rows: list[Row]
    accuracy: float
    loss: float
    half: float
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    answers: pd.DataFrame
    predictions: pd.DataFrame | None = None
    each: NDArray[np.float64] | None = None


def episodic_row(protocol: EpisodicProtocol, scores: EpisodeScores, epoch: int) -> Row:
    """Return the row of results.csv for scores of a protocol that draws episodes."""
    return {
        "role": protocol.role,
        "dataset": protocol.dataset,
        "protocol": protocol.title,
        "n_way": protocol.shape.n_way,
        "k_shot": protocol.shape.k_shot,
        "n_query": protocol.shape.n_query,
        **_score_columns(scores),
        "disjoint": protocol.pool.disjoint,
        "chance": 1 / protocol.shape.n_way,
        "n_images": len(np.unique(protocol.pool.rows)),
        "n_groups": protocol.pool.n_groups,
        "epoch": epoch,
        **_episodic_interval(protocol, scores),
        "level": "image",
        "macro_f1": macro_f1(scores.confusion),
        "majority": 1 / protocol.shape.n_way,  # episodes ask for every class equally often
    }


def _episodic_interval(protocol: EpisodicProtocol, scores: EpisodeScores) -> Row:
    """Return the interval over groups; they count even where episodes are image-disjoint."""
    asked = len(scores.row_asked)
    groups = pd.factorize(protocol.table["group"])[0][:asked]
    classes = pd.factorize(protocol.table["label"])[0][:asked] if protocol.pool.nested else None
    low, high = group_interval(scores.row_correct, scores.row_asked, groups, classes)
    return {"group_ci95_low": low, "group_ci95_high": high}


def _score_columns(scores: EpisodeScores) -> Row:
    """Return the columns of a result that come from the scores themselves."""
    accuracy, low, high = mean_interval(scores.accuracy)
    return {
        "episodes": len(scores.accuracy),
        "accuracy": accuracy,
        "ci95_low": low,
        "ci95_high": high,
        "uar": mean_recall(scores.confusion),
        "loss": float(scores.loss.mean()),
    }


@dataclass(frozen=True)
class FixedPredictions:
    """What was answered at one level: to each image, or to each clip.

    method: protonet or classifier; level: image, frame, clip or clip_complete; labels [Q];
    probabilities [draws, Q, way]; groups [Q]: clip, subject or image; lost: the labels of queries
    that could not be asked, a clip without a face for one, and count as wrong.
    """

    method: str
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


def sum_confusion(answers: FixedPredictions, n_way: int) -> NDArray[np.int64]:
    """Return counts [way, way] over all draws; lost queries stand in a column of their own."""
    total = np.zeros((n_way, n_way), dtype=np.int64)
    for given in answers.predicted:
        total += confusion_matrix(answers.labels, given, n_way)
    if not answers.lost:
        return total
    lost = len(answers.predicted) * np.bincount(answers.lost, minlength=n_way)
    return np.column_stack([total, lost])


def result_row(protocol: FixedProtocol, answers: FixedPredictions, epoch: int) -> Row:
    """Return the row of results.csv of one level, means over the draws of the support."""
    correct = answers.predicted == answers.labels
    asked = len(answers.labels) + len(answers.lost)
    by_draw = correct.sum(axis=1) / asked
    accuracy = float(by_draw.mean())
    half = NORMAL_95 * np.sqrt(accuracy * (1 - accuracy) / asked)
    low, high = _group_interval(answers, correct)
    confusion = sum_confusion(answers, protocol.n_way)
    true = np.take_along_axis(answers.probabilities, answers.labels[None, :, None], axis=2)
    return {
        "role": protocol.role,
        "dataset": protocol.dataset,
        "protocol": protocol.title,
        "n_way": protocol.n_way,
        "k_shot": protocol.k_shot,
        "n_query": asked,
        "episodes": len(correct),
        "disjoint": "group",
        "accuracy": accuracy,
        "ci95_low": max(0.0, accuracy - half),
        "ci95_high": min(1.0, accuracy + half),
        "uar": mean_recall(confusion),
        "loss": float(-np.log(np.maximum(true, 1e-300)).mean()),
        "chance": 1 / protocol.n_way,
        "n_images": len(protocol.table),
        "n_groups": int(protocol.table["group"].nunique()),
        "epoch": epoch,
        "group_ci95_low": low,
        "group_ci95_high": high,
        "level": answers.level,
        "method": answers.method,
        "macro_f1": macro_f1(confusion),
        "deviation": float(by_draw.std(ddof=1)) if len(by_draw) > 1 else 0.0,
        "majority": float(np.bincount((*answers.labels, *answers.lost)).max() / asked),
    }


def _group_interval(answers: FixedPredictions, correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the interval over groups of the accuracy averaged over draws; a lost clip is one."""
    right = np.append(correct.mean(axis=0), np.zeros(len(answers.lost)))
    new = answers.groups.max() + 1 + np.arange(len(answers.lost))
    return group_interval(right, np.ones(len(right)), np.append(answers.groups, new))


def make_answers(
    row: Row, table: pd.DataFrame, asked: NDArray[np.float64], correct: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the answers of one row of results.csv; asked, correct [N]: by row of the table."""
    answers = table[["path", "group", "label"]].iloc[: len(asked)].copy()
    for column in ("episodes_id", "level", "method", "protocol", "role"):
        answers.insert(0, column, row[column])
    answers["asked"], answers["correct"] = asked, correct
    return answers[answers["asked"] > 0]
