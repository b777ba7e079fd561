"""What a sweep leaves when its last job is over: tables, pictures, and the same table on screen."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from fewshot_fer.runs import write_text
from fewshot_fer.sweeps.job import UNFINISHED, JobRecord, read_jobs
from fewshot_fer.sweeps.pictures import draw_sweep
from fewshot_fer.sweeps.table import SEED, figures, mean_over_seeds, sweep_table


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
