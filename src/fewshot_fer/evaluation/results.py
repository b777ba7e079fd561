"""Results of an evaluation: its rows of results.csv and of answers.csv."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.data.table import group_keys
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
    repeats_half,
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
    probabilities [draws, Q, way]; groups [Q]: clip, subject or image; scored [draws, Q]: which
    queries count in a draw; lost: the labels of queries without a prediction, a clip without a face
    for one, which count as wrong in every draw.
    """

    method: str
    level: str
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: NDArray[np.int64]
    scored: NDArray[np.bool_]
    lost: tuple[int, ...] = ()

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Class numbers [draws, Q]."""
        return np.asarray(self.probabilities.argmax(axis=2))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each query [draws, Q] was scored, and predicted rightly."""
        return np.asarray((self.predicted == self.labels) & self.scored)

    @property
    def asked(self) -> NDArray[np.float64]:
        """The share of draws [Q] in which each query is scored."""
        asked: NDArray[np.float64] = self.scored.mean(axis=0)
        return asked

    @property
    def right(self) -> NDArray[np.float64]:
        """The share of draws [Q] in which each query is scored and predicted rightly."""
        right: NDArray[np.float64] = self.correct.mean(axis=0)
        return right

    @property
    def n_scored(self) -> NDArray[np.int64]:
        """How many predictions each draw [draws] scores, with those that were lost."""
        count: NDArray[np.int64] = self.scored.sum(axis=1) + len(self.lost)
        return count


def episodic_row(protocol: EpisodicProtocol, scores: EpisodeScores, epoch: int) -> Row:
    """Return the row of results.csv for scores of a protocol that draws episodes."""
    accuracy, low, high = mean_interval(scores.accuracy)
    group_low, group_high = _episodic_group_interval(protocol, scores)
    return {
        **_protocol_columns(protocol),
        "n_query": protocol.shape.n_query,
        "n_left_out": 0,
        "episodes": len(scores.accuracy),
        "accuracy": accuracy,
        "ci95_low": low,
        "ci95_high": high,
        "uar": mean_recall(scores.confusion),
        "loss": float(scores.loss.mean()),
        "disjoint": protocol.disjoint,
        "n_images": len(np.unique(protocol.pool.rows)),
        "n_groups": int(group_keys(protocol.table).iloc[np.unique(protocol.pool.rows)].nunique()),
        "epoch": epoch,
        "group_ci95_low": group_low,
        "group_ci95_high": group_high,
        "level": protocol.shape.unit,
        "unit": protocol.shape.unit,
        "pooling": "" if protocol.of_clips is None else protocol.of_clips.pooling,
        "macro_f1": macro_f1(scores.confusion),
        "majority": 1 / protocol.n_way,  # an episode has as many queries of every class
        **_repeats(protocol.repeats, scores),
    }


def _repeats(repeats: int, scores: EpisodeScores) -> Row:
    if repeats == 1:
        return {}
    return {"repeats": repeats, "repeats_ci95": repeats_half(scores.accuracy, repeats)}


def fixed_row(protocol: FixedProtocol, predictions: FixedPredictions, epoch: int) -> Row:
    """Return the row of results.csv of one level: of all predictions that a draw scores.

    A draw that scores fewer queries counts for less, so that the confusion matrix, answers.csv and
    predictions.csv give the same accuracy.
    """
    n_scored = predictions.n_scored
    by_draw = predictions.correct.sum(axis=1) / n_scored
    accuracy = float(predictions.correct.sum() / n_scored.sum())
    half = NORMAL_95 * np.sqrt(accuracy * (1 - accuracy) / n_scored.mean())
    low, high = _fixed_group_interval(predictions)
    confusion = sum_confusion(predictions, protocol.n_way)
    true = np.take_along_axis(predictions.probabilities, predictions.labels[None, :, None], axis=2)
    return {
        **_protocol_columns(protocol),
        "n_query": len(predictions.labels) + len(predictions.lost),
        "n_left_out": int((~predictions.scored).sum()),
        "episodes": len(by_draw),
        "disjoint": protocol.disjoint,
        "accuracy": accuracy,
        "ci95_low": max(0.0, accuracy - half),
        "ci95_high": min(1.0, accuracy + half),
        "uar": mean_recall(confusion),
        "loss": float(-np.log(np.maximum(true[..., 0][predictions.scored], 1e-300)).mean()),
        "n_images": len(protocol.table),
        "n_groups": int(group_keys(protocol.table).nunique()),
        "epoch": epoch,
        "group_ci95_low": low,
        "group_ci95_high": high,
        "level": predictions.level,
        "unit": "image",
        "pooling": protocol.vote if predictions.level.startswith("clip") else "",
        "method": predictions.method,
        "macro_f1": macro_f1(confusion),
        "deviation": float(by_draw.std(ddof=1)) if len(by_draw) > 1 else 0.0,
        "majority": float(confusion.sum(axis=1).max() / confusion.sum()),
    }


def sum_confusion(predictions: FixedPredictions, n_way: int) -> NDArray[np.int64]:
    """Return counts [way, way] over all draws; lost queries stand in a column of their own."""
    total = np.zeros((n_way, n_way), dtype=np.int64)
    for given, scored in zip(predictions.predicted, predictions.scored, strict=True):
        total += confusion_matrix(predictions.labels[scored], given[scored], n_way)
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
        "warnings": ";".join(protocol.warnings),
    }


def _episodic_group_interval(
    protocol: EpisodicProtocol, scores: EpisodeScores
) -> tuple[float, float]:
    """Return the interval over groups; they count even where episodes are image-disjoint."""
    count = len(scores.row_asked)
    table, nested = protocol.drawn_table, protocol.drawn_from.nested
    groups = pd.factorize(group_keys(table))[0][:count]
    classes = pd.factorize(table["label"])[0][:count] if nested else None
    return group_interval(scores.row_correct, scores.row_asked, groups, classes)


def _fixed_group_interval(predictions: FixedPredictions) -> tuple[float, float]:
    """Return the interval over groups of the accuracy over all draws; a lost clip is a group."""
    lost = np.ones(len(predictions.lost))
    right, asked = np.append(predictions.right, 0 * lost), np.append(predictions.asked, lost)
    new = predictions.groups.max() + 1 + np.arange(len(lost))
    return group_interval(right, asked, np.append(predictions.groups, new))
