"""What the report marks, and what it keeps apart: tests, seeds, chance, sweeps that failed."""

import re
from pathlib import Path

import pytest
from test_report_runs import made, table_of

from fewshot_fer.reports.html.charts import chance_of
from fewshot_fer.reports.html.collect import Run, collect_runs
from fewshot_fer.reports.html.groups import Group, Result, group_results
from fewshot_fer.reports.html.leaderboard import title
from fewshot_fer.reports.html.matrices import heat_maps
from fewshot_fer.reports.html.report import runs_report
from fewshot_fer.reports.html.row_warnings import RowWarnings
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.system.errors import RunError


def test_what_rests_on_more_than_the_support_is_marked(tmp_path: Path) -> None:
    """It may lead its table, with a tag; the best of it is the best that is plain few-shot."""
    made(tmp_path, "plain", skill=0.1)
    made(tmp_path, "knowing", skill=0.9, uses="names of the parts")
    made(tmp_path, "spoilt", skill=0.5, warnings="shared_images:4")
    group = next(
        group
        for group in group_results(collect_runs([tmp_path])[0])
        if group.row["role"] == "validation"
    )
    assert group.results[0].run.name == "knowing"
    assert group.best.run.name == "plain"
    files, screen = runs_report([tmp_path], embeddings=False)
    tags = re.findall(r'<span class="tag more-known"[^>]*>([^<]*)</span>', files["report.html"])
    assert tags == ["uses names of the parts"]
    assert screen.count("uses names of the parts") == 1
    table = table_of(tmp_path)
    assert table.loc[table["run"] == "knowing", "uses"].tolist() == ["", "names of the parts"]


def test_a_test_stands_with_the_run_that_it_tests(tmp_path: Path) -> None:
    """Its row names the run and carries the settings of its training, also those that only it has
    seen changed."""
    trained = made(tmp_path / "in", "trained", "train.lr=0.02", "train.n_way=3")
    away = made(tmp_path / "away", "other", "train.weight_decay=0.1", "seed=7")
    for name, run in (("tested", trained), ("far", away)):
        folder = RunFolder(tmp_path / "in" / name)
        folder.write_config({"run": str(run), "test": {}, "seed": None})
        row = {"role": "test", "protocol": "afew_4w5s", "dataset": "afew"}
        folder.add_result(row | {"accuracy": 0.5, "chance": 0.25, "method": "protonet"})
        folder.write_summary({"run": str(run), "choices": {"paths": "as_trained"}})
    table = table_of(tmp_path / "in").set_index(["run", "role"])
    tested, far = table.loc[("tested", "test")], table.loc[("far", "test")]
    assert (tested["tested_run"], far["tested_run"]) == ("trained", str(away))
    assert (tested["train.lr"], tested["train.n_way"], tested["seed"]) == ("0.02", "3", "0")
    assert (far["train.lr"], far["train.weight_decay"], far["seed"]) == ("0.001", "0.1", "7")
    assert (tested["choices.backbone"], tested["choices.paths"]) == ("conv4", "as_trained")
    assert table.loc[("trained", "train"), "tested_run"] == ""


def test_titles_name_the_shape_that_is_asked() -> None:
    row = {"role": "test", "protocol": "compound_4w0s", "dataset": "rafdb_compound", "n_way": 4}
    assert title_of(row | {"k_shot": 0}).endswith("4-way 0-shot")
    assert title_of(row | {"k_shot": 5}).endswith("4-way 5-shot")
    assert title_of(row | {"k_shot": 0, "role": "train"}).endswith("4 classes")


def title_of(row: dict[str, object]) -> str:
    return title(Group([Result(Run(1, "a", Path("a")), row, {}, RowWarnings([], []))]))


@pytest.mark.parametrize(
    ("settings", "chance"),
    [
        ({"train.n_way": 2, "train.supervised_epochs": 12, "train.epochs": 12}, None),
        ({"train.n_way": 2, "method.name": "classifier"}, None),
        ({"train.n_way": 5, "train.supervised_epochs": 9, "train.epochs": 12}, 0.2),
    ],
)
def test_chance_of_a_run_without_results(settings: dict[str, object], chance: float | None) -> None:
    """Where the last epochs draw no episodes, way and shot stand for nothing."""
    assert chance_of(Run(1, "a", Path("a"), settings=settings), "train") == chance


@pytest.mark.parametrize("elsewhere", ["split=val", "root=/b", "file=/b.csv"])
def test_heat_maps_keep_data_apart(tmp_path: Path, elsewhere: str) -> None:
    """Tests of one name on other images are no further seeds."""
    for number, way in enumerate((3, 4)):
        words = ("test=[csv_5w5s]", f"train.n_way={way}", "test.csv_5w5s.dataset.file=/a.csv")
        made(tmp_path, f"one{number}", *words)
        made(tmp_path, f"two{number}", *words, f"test.csv_5w5s.dataset.{elsewhere}")
    runs = collect_runs([tmp_path])[0]
    for run in runs:
        run.results[1] |= {"role": "test", "protocol": "csv_5w5s", "deviation": None}
    maps = [one for one in heat_maps(group_results(runs)) if "test" in one.title]
    assert [[row[0].runs for row in one.cells if row[0]] for one in maps] == [[1, 1], [1, 1]]


def test_a_sweep_whose_jobs_all_failed_is_named(tmp_path: Path) -> None:
    """Beside runs, and where there is nothing else."""
    failed = tmp_path / "sweeps" / "train_abc"
    failed.mkdir(parents=True)
    (failed / "sweep.csv").write_text("job,seed,error\n0,0,too small\n1,1,too small\n")
    with pytest.raises(RunError, match=r"train_abc/sweep.csv, line 3 failed: too small"):
        collect_runs([tmp_path])
    made(tmp_path, "run")
    lines = [f"train_abc/sweep.csv, line {line} failed: too small" for line in (2, 3)]
    assert collect_runs([tmp_path])[1] == lines
