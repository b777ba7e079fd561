"""Scores of episodes: accuracy with both intervals, confusion, one row of results."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from fewshot_fer.api.inline import show_inline
from fewshot_fer.evaluation.metrics import recalls
from fewshot_fer.evaluation.results import EvaluationResult
from fewshot_fer.runs.plots import confusion_figure
from fewshot_fer.system.text import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Scores:
    """How a method did on episodes. result: as the tables of a run are made from it."""

    result: EvaluationResult

    @property
    def accuracy(self) -> float:
        """The mean accuracy over episodes, 0..1."""
        return self.result.accuracy

    @property
    def uar(self) -> float:
        """The unweighted mean of the classes' recalls, 0..1."""
        return float(self.result.rows[0]["uar"])

    @property
    def chance(self) -> float:
        """What guessing gives: 1 / n_way."""
        return float(self.result.rows[0]["chance"])

    @property
    def per_episode(self) -> NDArray[np.float64]:
        """The accuracy [E] of every episode, 0..1."""
        assert self.result.each is not None
        return self.result.each

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts of queries: a row a true class, a column a predicted one."""
        names = list(self.result.class_names)
        return pd.DataFrame(self.result.confusion, index=names, columns=names)

    @property
    def recall(self) -> pd.Series:
        """The recall of each class, 0..1."""
        return pd.Series(recalls(self.result.confusion), index=list(self.result.class_names))

    def interval(self, over: Literal["groups", "episodes"] = "groups") -> tuple[float, float]:
        """Return the 95 % interval of the accuracy, 0..1.

        over: groups of images (subjects, clips), by a bootstrap, which is honest where episodes
        share images; or episodes taken as independent, as papers print it.
        """
        prefix = "group_" if over == "groups" else ""
        row = self.result.rows[0]
        return float(row[f"{prefix}ci95_low"]), float(row[f"{prefix}ci95_high"])

    def to_frame(self) -> pd.DataFrame:
        """Return one row with the columns of results.csv."""
        return pd.DataFrame(self.result.rows)

    def plot_confusion(self) -> "Figure":
        """Return a figure of the confusion matrix, in percent of the true class."""
        row = self.result.rows[0]
        title = f"{row['protocol']}, {row['method']}"
        return show_inline(confusion_figure(self.result.confusion, self.result.class_names, title))

    def __repr__(self) -> str:
        row = self.result.rows[0]
        low, high = self.interval()
        return (
            f"Scores({row['method']}, {row['n_way']}-way {row['k_shot']}-shot, "
            f"{row['episodes']} episodes: {percent(self.accuracy)}, 95 % over groups "
            f"{percent(low)} to {percent(high)}, chance {percent(self.chance)})"
        )

    def _repr_html_(self) -> str:
        shown = self.to_frame()[["protocol", "method", "uses", "episodes"]].copy()
        for name in ("accuracy", "group_ci95_low", "group_ci95_high", "uar", "chance"):
            shown[name] = [percent(float(row[name])) for row in self.result.rows]
        return str(Markup(shown.to_html(index=False)))
