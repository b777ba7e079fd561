"""The tables and pictures that a sweep ends in."""

from pathlib import Path

import pandas as pd
import pytest

from fewshot_fer.reports.sweep import draw_sweep, screen_table
from fewshot_fer.reports.sweep_table import mean_over_seeds, sweep_table
from fewshot_fer.runs.find import JobRecord
from fewshot_fer.runs.folder import RESULT_COLUMNS


def record(
    folder: Path, number: int, overrides: dict[str, str], rows: list[dict[str, str]]
) -> JobRecord:
    """Write a job's results.csv with these cells, all others empty."""
    own = folder / str(number)
    own.mkdir()
    frame = pd.DataFrame(
        [{column: row.get(column, "") for column in RESULT_COLUMNS} for row in rows]
    )
    frame.to_csv(own / "results.csv", index=False)
    return JobRecord(number, own, overrides, "")


def test_means_and_names_by_hand(tmp_path: Path) -> None:
    """Mean and deviation over seeds; two tests of a job are told apart by their data set."""
    jobs = []
    for number, accuracies in enumerate(((0.5, 0.2), (0.7, 0.4))):
        rows = [
            {"role": "test", "dataset": name, "accuracy": str(value), "chance": "0.25"}
            for name, value in zip(("afew", "rafdb"), accuracies, strict=True)
        ]
        jobs.append(record(tmp_path, number, {"seed": str(number), "device": "cpu"}, rows))
    table = sweep_table(jobs)
    assert table.columns[:3].tolist() == ["job", "seed", "error"]
    assert table["test.afew.accuracy"].tolist() == ["0.5", "0.7"]
    means = mean_over_seeds(table)
    assert len(means) == 1
    assert means.loc[0, "jobs"] == 2
    assert means.loc[0, "test.afew.accuracy.mean"] == pytest.approx(0.6)
    assert means.loc[0, "test.afew.accuracy.deviation"] == pytest.approx(0.1414214, abs=1e-6)
    assert means.loc[0, "test.rafdb.accuracy.mean"] == pytest.approx(0.3)
    shown = [" ".join(line.split()) for line in screen_table(table, means).splitlines()]
    assert shown == ["jobs test.afew test.rafdb", "2 60.0 ± 14.1 % 30.0 ± 14.1 %"]


def test_two_tests_of_one_protocol_are_both_in_the_table(tmp_path: Path) -> None:
    """Alike in all that names a figure, they stand side by side in the order of results.csv."""
    same = {"role": "test", "dataset": "csv", "protocol": "csv_2w1s", "method": "protonet"}
    rows = [{**same, "accuracy": value, "chance": "0.5"} for value in ("0.5", "0.7")]
    table = sweep_table([record(tmp_path, 0, {"seed": "0"}, rows)])
    assert table["test.csv_2w1s.protonet.accuracy"].tolist() == ["0.5"]
    assert table["test.csv_2w1s.protonet.2.accuracy"].tolist() == ["0.7"]


@pytest.mark.drawn
def test_a_sweep_over_way_and_shot_ends_in_two_pictures(tmp_path: Path) -> None:
    """Each data set gets a heat map and curves; a job that failed leaves its place open."""
    jobs = []
    for number, (way, shot) in enumerate(((2, 1), (2, 5), (3, 1))):
        overrides = {"train.n_way": str(way), "train.k_shot": str(shot)}
        row = {"role": "validation", "accuracy": f"0.{number + 4}", "chance": "0.5"}
        jobs.append(record(tmp_path, number, overrides, [row]))
    failed = {"train.n_way": "3", "train.k_shot": "5"}
    jobs.append(JobRecord(3, tmp_path / "3", failed, "too few images"))
    drawn = draw_sweep(sweep_table(jobs), tmp_path)
    assert [file.name for file in drawn] == ["way_shot_validation.png", "shots_validation.png"]
    assert all(file.stat().st_size > 5_000 for file in drawn)
