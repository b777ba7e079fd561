"""Results of an evaluation: its rows of results.csv and of answers.csv."""

import re
from collections.abc import Iterable
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

PREDICTION_COLUMNS = ("role", "protocol", "method", "draw", "path", "clip", "true", "predicted")
"""Of predictions.csv, and then a column of probabilities for each class."""
TAKEN = re.compile(rf"(p_)*({'|'.join(PREDICTION_COLUMNS)})")


@dataclass(frozen=True)
class EvaluationResult:
    """Result of an evaluation, in episodes or with a fixed support.

    rows: of results.csv, the headline first; half: of the naive 95 % interval, as a fraction;
    confusion [C, C] over class_names, rows true; answers: as in answers.csv; predictions: a row an
    image, of a fixed support; each [E]: the accuracy of every episode.
    """

    rows: list[Row]
    accuracy: float
    loss: float
    half: float
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    answers: pd.DataFrame
    predictions: pd.DataFrame | None = None
    each: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class FixedPredictions:
    """Predictions with a fixed support at one level: of images, or of clips.

    method: protonet, classifier, ...; level: image, frame, clip or clip_complete; labels [Q];
    probabilities [draws, Q, way]; groups [Q]: clip, subject or image; lost: the labels of queries
    without a prediction, a clip without a face for one, which count as wrong.
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
        return np.asarray(self.probabilities.argmax(axis=2))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each query [draws, Q] was predicted rightly."""
        return np.asarray(self.predicted == self.labels)


def episodic_row(protocol: EpisodicProtocol, scores: EpisodeScores, epoch: int) -> Row:
    """Return the row of results.csv for scores of a protocol that draws episodes."""
    accuracy, low, high = mean_interval(scores.accuracy)
    group_low, group_high = _episodic_group_interval(protocol, scores)
    return {
        **_protocol_columns(protocol),
        "n_query": protocol.shape.n_query,
        "episodes": len(scores.accuracy),
        "accuracy": accuracy,
        "ci95_low": low,
        "ci95_high": high,
        "uar": mean_recall(scores.confusion),
        "loss": float(scores.loss.mean()),
        "disjoint": protocol.pool.disjoint,
        "n_images": len(np.unique(protocol.pool.rows)),
        "n_groups": protocol.pool.n_groups,
        "epoch": epoch,
        "group_ci95_low": group_low,
        "group_ci95_high": group_high,
        "level": "image",
        "macro_f1": macro_f1(scores.confusion),
        "majority": 1 / protocol.n_way,  # an episode has as many queries of every class
    }


def fixed_row(protocol: FixedProtocol, predictions: FixedPredictions, epoch: int) -> Row:
    """Return the row of results.csv of one level, means over the draws of the support."""
    n_query = len(predictions.labels) + len(predictions.lost)
    by_draw = predictions.correct.sum(axis=1) / n_query
    accuracy = float(by_draw.mean())
    half = NORMAL_95 * np.sqrt(accuracy * (1 - accuracy) / n_query)
    low, high = _fixed_group_interval(predictions)
    confusion = sum_confusion(predictions, protocol.n_way)
    true = np.take_along_axis(predictions.probabilities, predictions.labels[None, :, None], axis=2)
    classes = np.bincount((*predictions.labels, *predictions.lost))
    return {
        **_protocol_columns(protocol),
        "n_query": n_query,
        "episodes": len(by_draw),
        "disjoint": "group",
        "accuracy": accuracy,
        "ci95_low": max(0.0, accuracy - half),
        "ci95_high": min(1.0, accuracy + half),
        "uar": mean_recall(confusion),
        "loss": float(-np.log(np.maximum(true, 1e-300)).mean()),
        "n_images": len(protocol.table),
        "n_groups": int(protocol.table["group"].nunique()),
        "epoch": epoch,
        "group_ci95_low": low,
        "group_ci95_high": high,
        "level": predictions.level,
        "method": predictions.method,
        "macro_f1": macro_f1(confusion),
        "deviation": float(by_draw.std(ddof=1)) if len(by_draw) > 1 else 0.0,
        "majority": float(classes.max() / n_query),
    }


def sum_confusion(predictions: FixedPredictions, n_way: int) -> NDArray[np.int64]:
    """Return counts [way, way] over all draws; lost queries stand in a column of their own."""
    total = np.zeros((n_way, n_way), dtype=np.int64)
    for given in predictions.predicted:
        total += confusion_matrix(predictions.labels, given, n_way)
    if not predictions.lost:
        return total
    lost = len(predictions.predicted) * np.bincount(predictions.lost, minlength=n_way)
    return np.column_stack([total, lost])


def probability_columns(class_names: Iterable[str]) -> list[str]:
    """Return the columns of predictions.csv that hold the probabilities of classes: their names.

    A class that is called like another column gets `p_` in front, and so do those that would then
    be called like it.

    >>> probability_columns(["anger", "true", "p_true"])
    ['anger', 'p_true', 'p_p_true']
    """
    return [f"p_{name}" if TAKEN.fullmatch(name) else name for name in class_names]


def answer_rows(
    row: Row, table: pd.DataFrame, asked: NDArray[np.float64], correct: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the rows of answers.csv behind a row of results.csv: images that were a query.

    asked, correct [N]: how often each row of the table was a query, and was predicted rightly.
    """
    answers = table[["path", "group", "label"]].iloc[: len(asked)].copy()
    for column in ("episodes_id", "level", "method", "protocol", "role"):
        answers.insert(0, column, row[column])
    answers["asked"], answers["correct"] = asked, correct
    return answers[answers["asked"] > 0]


def _protocol_columns(protocol: EpisodicProtocol | FixedProtocol) -> Row:
    """Return the columns of a result that name its protocol."""
    return {
        "role": protocol.role,
        "dataset": protocol.dataset,
        "protocol": protocol.title,
        "n_way": protocol.n_way,
        "k_shot": protocol.k_shot,
        "chance": 1 / protocol.n_way,
    }


def _episodic_group_interval(
    protocol: EpisodicProtocol, scores: EpisodeScores
) -> tuple[float, float]:
    """Return the interval over groups; they count even where episodes are image-disjoint."""
    count = len(scores.row_asked)
    groups = pd.factorize(protocol.table["group"])[0][:count]
    classes = pd.factorize(protocol.table["label"])[0][:count] if protocol.pool.nested else None
    return group_interval(scores.row_correct, scores.row_asked, groups, classes)


def _fixed_group_interval(predictions: FixedPredictions) -> tuple[float, float]:
    """Return the interval over groups of the accuracy averaged over draws; a lost clip is one."""
    right = np.append(predictions.correct.mean(axis=0), np.zeros(len(predictions.lost)))
    new = predictions.groups.max() + 1 + np.arange(len(predictions.lost))
    return group_interval(right, np.ones(len(right)), np.append(predictions.groups, new))
