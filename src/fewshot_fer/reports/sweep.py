"""What a sweep leaves when its last job is over: tables, pictures, and the same table on screen.

Pictures of a sweep over shapes: a heat map of way by shot, and accuracy over the shots.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fewshot_fer.reports.sweep_table import SEED, figures, mean_over_seeds, sweep_table
from fewshot_fer.runs.find import UNFINISHED, JobRecord, read_jobs
from fewshot_fer.system.figures import new_figure, save_figure
from fewshot_fer.system.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shapes = tuple[str, str]


def draw_sweep(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw what a sweep.csv has to show into `folder`; return the pictures.

    A figure that was swept over `n_way` and `k_shot` gets a heat map, one over `k_shot` a curve
    for each combination of the other overrides. Mean over seeds, bars of one deviation.
    """
    drawn: list[Path] = []
    means = mean_over_seeds(table)
    if means.empty:
        return drawn
    keys = [key for key in means.columns[: list(means.columns).index("jobs")] if key != SEED]
    for name in figures(table):
        if f"{name}.accuracy.mean" not in means:
            continue
        chances = set(table.loc[table["error"] == "", f"{name}.chance"])
        chance = float(chances.pop()) if len(chances) == 1 else None
        stem = name.replace("/", "_")
        if shapes := _shape_keys(keys):
            drawn.append(folder / f"way_shot_{stem}.png")
            _heat_maps(means, f"{name}.accuracy.mean", shapes, keys, drawn[-1], name)
        if shot := _key_of(keys, "k_shot"):
            drawn.append(folder / f"shots_{stem}.png")
            _curves(means, f"{name}.accuracy", shot, keys, chance, drawn[-1])
    return drawn


def _key_of(keys: Sequence[str], ending: str) -> str | None:
    return next((key for key in keys if key.rsplit(".", 1)[-1] == ending), None)


def _shape_keys(keys: Sequence[str]) -> Shapes | None:
    """Return the overrides of way and shot, of the same episodes: train.* or eval.*."""
    for key in keys:
        prefix, _, ending = key.rpartition(".")
        if ending == "n_way" and f"{prefix}.k_shot" in keys:
            return key, f"{prefix}.k_shot"
    return None


def _heat_maps(
    means: pd.DataFrame, column: str, shapes: Shapes, keys: Sequence[str], file: Path, name: str
) -> None:
    """One map for each combination of the other overrides, all on one scale."""
    others = [key for key in keys if key not in shapes]
    groups = _groups(means, others)
    figure = new_figure(1.2 + 3.6 * len(groups), 3.4, dpi=120)
    values = 100 * means[column]
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (label, group) in zip(panels, groups, strict=True):
        way, shot = shapes
        numbered = group.assign(**{key: pd.to_numeric(group[key]) for key in shapes})
        grid = 100 * numbered.pivot_table(column, way, shot).sort_index(axis=1).sort_index()
        image = axes.imshow(grid, cmap="viridis", vmin=values.min(), vmax=values.max())
        _write_values(axes, grid, values.min(), values.max())
        axes.set(xlabel=shot, ylabel=way, title=label or name)
        axes.set_xticks(range(grid.shape[1]), [str(each) for each in grid.columns])
        axes.set_yticks(range(grid.shape[0]), [str(each) for each in grid.index])
    figure.colorbar(image, ax=list(panels), label=f"{name}, accuracy, %")
    save_figure(figure, file)


def _write_values(axes: "Axes", grid: pd.DataFrame, low: float, high: float) -> None:
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            value = float(grid.to_numpy()[row, column])
            if value == value:
                dark = value < (low + high) / 2
                colour = "white" if dark else "black"
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)


def _curves(
    means: pd.DataFrame,
    name: str,
    shot: str,
    keys: Sequence[str],
    chance: float | None,
    file: Path,
) -> None:
    others = [key for key in keys if key != shot]
    figure = new_figure(6.4, 4.2, dpi=120)
    axes = figure.subplots()
    for label, group in _groups(means, others):
        ordered = group.assign(shots=pd.to_numeric(group[shot])).sort_values("shots")
        bars = 100 * ordered[f"{name}.deviation"].fillna(0.0)
        axes.errorbar(
            ordered["shots"],
            100 * ordered[f"{name}.mean"],
            yerr=bars if bars.any() else None,
            marker="o",
            capsize=3,
            label=label,
        )
    if chance is not None:
        axes.axhline(100 * chance, color="grey", linestyle=":", label="chance")
    axes.set(xlabel=shot, ylabel="accuracy, %", title=name.removesuffix(".accuracy"))
    axes.set_xticks(sorted({int(float(each)) for each in means[shot]}))
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    save_figure(figure, file)


def _groups(means: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows for each combination of these overrides, with a label that says which."""
    if not keys:
        return [("", means)]
    grouped = means.groupby(list(keys), sort=False)
    return [
        (", ".join(f"{key}={group.iloc[0][key]}" for key in keys), group) for _, group in grouped
    ]


def end_sweep(folder: Path, expected: int | None = None, broken: str = "") -> int:
    """Write sweep.csv, sweep_mean.csv and the pictures of a sweep, and print what came out.

    expected: how many jobs it has, None if only their folders can tell; broken: what ended it in
    the midst of its jobs. Returns how many jobs are not done.
    """
    jobs = [_ended(job, broken) for job in read_jobs(folder)]
    total = max(expected or 1, len(jobs))
    if not jobs:
        print(f"none of {total} jobs was begun in {folder}")
        return total
    table = sweep_table(jobs)
    means = mean_over_seeds(table)
    write_text(folder / "sweep.csv", table.to_csv(index=False))
    write_text(folder / "sweep_mean.csv", means.to_csv(index=False, float_format="%.6g"))
    pictures = draw_sweep(table, folder)
    done = sum(not job.error for job in jobs)
    begun = "" if len(jobs) == total else f", {total - len(jobs)} not begun"
    print(f"\n{screen_table(table, means)}\n")
    print(f"{done} of {total} jobs done{begun}, written to {folder / 'sweep.csv'}")
    for picture in pictures:
        print(f"  {picture}")
    return total - done


def _ended(job: JobRecord, broken: str) -> JobRecord:
    """Return a job that was under way when its sweep broke off with that as its error."""
    if not broken or job.error != UNFINISHED:
        return job
    return replace(job, error=f"{UNFINISHED}: {broken}")


def screen_table(table: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return one line a combination: its overrides and its accuracies, mean and deviation in
    percent where there are several seeds; then one line for each job that failed."""
    names = [name for name in figures(table) if f"{name}.accuracy.mean" in means]
    keys = [key for key in table.columns[1 : list(table.columns).index("error")] if key != SEED]
    lines = [[*keys, "jobs", *names]]
    for _, row in means.iterrows() if names else ():
        cells = [str(row[key]) for key in keys] + [str(int(row["jobs"]))]
        lines.append(cells + [_accuracy(row, name) for name in names])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    failed = table[table["error"] != ""]
    text += [
        f"job {job} failed: {error}" for job, error in zip(failed.job, failed.error, strict=True)
    ]
    return "\n".join(text)


def _accuracy(row: pd.Series, name: str) -> str:
    mean, deviation = row[f"{name}.accuracy.mean"], row[f"{name}.accuracy.deviation"]
    if pd.isna(mean):
        return ""
    spread = "" if pd.isna(deviation) else f" ± {100 * deviation:.1f}"
    return f"{100 * mean:.1f}{spread} %"
