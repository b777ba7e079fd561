"""What an evaluation gives, whichever kind it was."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot_fer.bootstrap import group_interval
from fewshot_fer.metrics import EpisodeScores, macro_f1, mean_interval, mean_recall
from fewshot_fer.roles import Role
from fewshot_fer.runs import Row


@dataclass(frozen=True)
class Evaluated:
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


def episodic_row(role: Role, scores: EpisodeScores, epoch: int) -> Row:
    """Return the row of results.csv for scores of a role that draws episodes."""
    return {
        "role": role.role,
        "dataset": role.dataset,
        "protocol": role.protocol,
        "n_way": role.shape.n_way,
        "k_shot": role.shape.k_shot,
        "n_query": role.shape.n_query,
        **_score_columns(scores),
        "disjoint": role.pool.disjoint,
        "chance": 1 / role.shape.n_way,
        "n_images": len(np.unique(role.pool.rows)),
        "n_groups": role.pool.n_groups,
        "epoch": epoch,
        **_episodic_interval(role, scores),
        "level": "image",
        "macro_f1": macro_f1(scores.confusion),
        "majority": 1 / role.shape.n_way,  # episodes ask for every class equally often
    }


def _episodic_interval(role: Role, scores: EpisodeScores) -> Row:
    """Return the interval over groups; they count even where episodes are image-disjoint."""
    asked = len(scores.row_asked)
    groups = pd.factorize(role.table["group"])[0][:asked]
    classes = pd.factorize(role.table["label"])[0][:asked] if role.pool.nested else None
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
