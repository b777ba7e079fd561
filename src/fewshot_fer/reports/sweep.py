"""Write the tables and pictures of a sweep once its last job has ended, and print the results.

Pictures: heat maps of way by shot, and accuracy over the shots; of several sources, who transfers
to whom, with a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fewshot_fer.reports.html.report import PAGE, runs_report
from fewshot_fer.reports.sweep_table import (
    BESIDE,
    combination_keys,
    figures,
    mean_over_seeds,
    sweep_table,
)
from fewshot_fer.reports.transfer import transfer_matrices
from fewshot_fer.reports.transfer_picture import PICTURE, draw_transfer
from fewshot_fer.reports.transfer_table import FILE, transfer_table
from fewshot_fer.runs.find import UNFINISHED, JobRecord, read_jobs
from fewshot_fer.system.figures import new_figure, save_figure
from fewshot_fer.system.files import write_text
from fewshot_fer.system.text import percent, text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class SweptFigure:
    """A figure of a sweep, `validation` or `test.afew`, to be drawn.

    means: as from `mean_over_seeds`; keys: the overrides that its rows differ in; chance: None
    where it is not the same in all jobs.
    """

    name: str
    means: pd.DataFrame
    keys: Sequence[str]
    chance: float | None

    def groups(self, drawn: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
        """Return (label, rows) for each combination of the overrides that are not drawn over."""
        others = [key for key in self.keys if key not in drawn]
        if not others:
            return [("", self.means)]
        return [
            (", ".join(f"{key}={rows.iloc[0][key]}" for key in others), rows)
            for _, rows in self.means.groupby(others, sort=False)
        ]


def end_sweep(folder: Path, expected: int | None = None, broken: str = "") -> int:
    """Write sweep.csv, sweep_mean.csv and the pictures of a sweep, and print its results.

    expected: how many jobs it has, None if only their folders can tell; broken: what ended it in
    the midst of its jobs. Returns how many jobs are not done.
    """
    jobs = read_jobs(folder)
    if broken:
        error = f"{UNFINISHED}: {broken}"
        jobs = [replace(job, error=error) if job.error == UNFINISHED else job for job in jobs]
    total = max(expected or 1, len(jobs))
    if not jobs:
        print(f"none of {total} jobs was begun in {folder}")
        return total
    table = sweep_table(jobs)
    means = mean_over_seeds(table)
    write_text(folder / "sweep.csv", table.to_csv(index=False))
    write_text(folder / "sweep_mean.csv", means.to_csv(index=False, float_format="%.6g"))
    pictures = [*draw_sweep(table, folder), *_write_transfer(jobs, folder)]
    done = sum(not job.error for job in jobs)
    begun = "" if len(jobs) == total else f", {total - len(jobs)} not begun"
    print(f"\n{screen_table(table, means)}\n")
    print(f"{done} of {total} jobs done{begun}, written to {folder / 'sweep.csv'}")
    for picture in pictures:
        print(f"  {picture}")
    return total - done


def _write_transfer(jobs: Sequence[JobRecord], folder: Path) -> list[Path]:
    """Write the files on who transfers to whom, where a sweep has several sources; return them."""
    table = transfer_table(jobs)
    if table is None:
        return []
    write_text(folder / FILE, table.to_csv(index=False))
    draw_transfer(transfer_matrices(table)[0], folder / PICTURE)
    written = [folder / FILE, folder / PICTURE]
    if any((job.folder / "results.csv").is_file() for job in jobs):
        # No pictures: the data's licence is not asked about here, and nothing is decoded.
        files, _ = runs_report([folder], embeddings=False, pictures=False)
        write_text(folder / PAGE, files[PAGE])
        written.append(folder / PAGE)
    return written


def screen_table(table: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return one line a combination: its overrides and its accuracies, mean and deviation in
    percent where there are several seeds; then one line for each job that failed."""
    names = [name for name in figures(table) if f"{name}.accuracy.mean" in means]
    keys = combination_keys(table)
    lines = [[*keys, "jobs", *names]]
    for _, row in means.iterrows() if names else ():
        cells = [str(row[key]) for key in keys] + [str(int(row["jobs"]))]
        lines.append(cells + [_accuracy(row, name) for name in names])
    failed = table[table["error"] != ""]
    errors = zip(failed.job, failed.error, strict=True)
    failures = [f"job {job} failed: {error}" for job, error in errors]
    return "\n".join([text_table(lines, left=len(lines[0])), *failures])


def draw_sweep(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the accuracies of a sweep's table into `folder`; return the pictures.

    A figure that was swept over `n_way` and `k_shot` gets a heat map, one over `k_shot` a curve
    for each combination of the other overrides. Mean over seeds, bars of one deviation.
    """
    if BESIDE in table:  # jobs that stand beside the product
        table = table[table[BESIDE] == ""].drop(columns=BESIDE)
    means, keys = mean_over_seeds(table), combination_keys(table)
    drawn: list[Path] = []
    for name in figures(table):
        if f"{name}.accuracy.mean" not in means:
            continue
        chances = set(table.loc[table["error"] == "", f"{name}.chance"])
        figure = SweptFigure(name, means, keys, float(chances.pop()) if len(chances) == 1 else None)
        stem = name.replace("/", "_")
        if shapes := _shape_keys(keys):
            drawn.append(folder / f"way_shot_{stem}.png")
            _draw_heat_maps(figure, shapes, drawn[-1])
        if shot := next((key for key in keys if key.rsplit(".", 1)[-1] == "k_shot"), None):
            drawn.append(folder / f"shots_{stem}.png")
            _draw_curves(figure, shot, drawn[-1])
    return drawn


def _accuracy(row: pd.Series, name: str) -> str:
    mean, deviation = row[f"{name}.accuracy.mean"], row[f"{name}.accuracy.deviation"]
    if pd.isna(mean):
        return ""
    return percent(mean) if pd.isna(deviation) else f"{100 * mean:.1f} ± {percent(deviation)}"


def _shape_keys(keys: Sequence[str]) -> tuple[str, str] | None:
    """Return the overrides of way and shot, of the same episodes: train.* or eval.*."""
    for key in keys:
        prefix, _, ending = key.rpartition(".")
        if ending == "n_way" and f"{prefix}.k_shot" in keys:
            return key, f"{prefix}.k_shot"
    return None


def _draw_heat_maps(swept: SweptFigure, shapes: tuple[str, str], file: Path) -> None:
    """Draw one map for each combination of the other overrides, all on one scale."""
    groups, column = swept.groups(shapes), f"{swept.name}.accuracy.mean"
    low, high = 100 * swept.means[column].min(), 100 * swept.means[column].max()
    figure = new_figure(1.2 + 3.6 * len(groups), 3.4, dpi=120)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (label, group) in zip(panels, groups, strict=True):
        way, shot = shapes
        numbered = group.assign(**{key: pd.to_numeric(group[key]) for key in shapes})
        grid = 100 * numbered.pivot_table(column, way, shot).sort_index(axis=1).sort_index()
        image = axes.imshow(grid, cmap="viridis", vmin=low, vmax=high)
        _write_values(axes, grid, (low + high) / 2)
        axes.set(xlabel=shot, ylabel=way, title=label or swept.name)
        axes.set_xticks(range(grid.shape[1]), [str(each) for each in grid.columns])
        axes.set_yticks(range(grid.shape[0]), [str(each) for each in grid.index])
    figure.colorbar(image, ax=list(panels), label=f"{swept.name}, accuracy, %")
    save_figure(figure, file)


def _write_values(axes: "Axes", grid: pd.DataFrame, middle: float) -> None:
    for (row, column), value in np.ndenumerate(grid.to_numpy(dtype=float)):
        if not np.isnan(value):
            colour = "white" if value < middle else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)


def _draw_curves(swept: SweptFigure, shot: str, file: Path) -> None:
    figure = new_figure(6.4, 4.2, dpi=120)
    axes, accuracy = figure.subplots(), f"{swept.name}.accuracy"
    for label, group in swept.groups([shot]):
        ordered = group.assign(shots=pd.to_numeric(group[shot])).sort_values("shots")
        bars = 100 * ordered[f"{accuracy}.deviation"].fillna(0.0)
        axes.errorbar(
            ordered["shots"],
            100 * ordered[f"{accuracy}.mean"],
            yerr=bars if bars.any() else None,
            marker="o",
            capsize=3,
            label=label,
        )
    if swept.chance is not None:
        axes.axhline(100 * swept.chance, color="grey", linestyle=":", label="chance")
    axes.set(xlabel=shot, ylabel="accuracy, %", title=swept.name)
    axes.set_xticks(sorted({int(float(each)) for each in swept.means[shot]}))
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    save_figure(figure, file)
