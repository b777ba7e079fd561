"""The results of runs as tables and pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fewshot_fer.api.inline import show_inline
from fewshot_fer.api.scores import Scores
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def results(folder: str | Path = "outputs") -> pd.DataFrame:
    """Return every row of every results.csv in a folder and below; `run` is the folder it lies in.

    Raises UserError where there is none, or one that is no table.
    """
    root = Path(folder).expanduser()
    tables = []
    for file in sorted(root.rglob("results.csv")):
        try:
            table = pd.read_csv(file)
        except (ValueError, OSError) as error:
            raise RunError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
        table.insert(0, "run", str(file.parent))
        tables.append(table)
    if not tables:
        raise RunError(f"no results.csv in {root} or below: train a run first, or name its folder")
    return pd.concat(tables, ignore_index=True)


def plot_shots(scores: Mapping[str, Mapping[int, Scores]]) -> "Figure":
    """Return a figure of accuracy against shots, a curve for each name, with intervals over groups.

    scores: name -> k_shot -> scores. Chance is drawn where it is the same for all.
    """
    figure = new_figure(6.4, 4.2, dpi=110)
    axes = figure.subplots()
    for name, of_shots in scores.items():
        shots = sorted(of_shots)
        means = [100 * of_shots[shot].accuracy for shot in shots]
        edges = [of_shots[shot].interval() for shot in shots]
        below = [mean - 100 * low for mean, (low, _) in zip(means, edges, strict=True)]
        above = [100 * high - mean for mean, (_, high) in zip(means, edges, strict=True)]
        axes.errorbar(shots, means, yerr=[below, above], marker="o", capsize=3, label=name)
    chances = {each.chance for of_shots in scores.values() for each in of_shots.values()}
    if len(chances) == 1:
        axes.axhline(100 * chances.pop(), color="grey", linestyle=":", label="chance")
    every = sorted({shot for of_shots in scores.values() for shot in of_shots})
    axes.set(xlabel="k_shot", ylabel="accuracy, %")
    axes.set_xticks(every)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return show_inline(figure)
