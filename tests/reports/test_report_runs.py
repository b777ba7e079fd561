"""What a report on any runs gathers: its table, its groups, its commands, and bad folders."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, Command
from fabricated import fabricate_run, settings_of
from PIL import Image

from fewshot_fer.reports.html.collect import Run, collect_runs
from fewshot_fer.reports.html.differences import command as repeating
from fewshot_fer.reports.html.differences import composed, differences
from fewshot_fer.reports.html.embedding_maps import principal_components, t_sne
from fewshot_fer.reports.html.groups import group_results
from fewshot_fer.reports.html.matrices import heat_maps
from fewshot_fer.reports.html.mistakes import read_mistakes
from fewshot_fer.reports.html.report import runs_report
from fewshot_fer.runs.folder import RESULT_COLUMNS

BASE = ("eval=basic_fixed5", "paths.data=/data", "train.epochs=3")


def made(root: Path, name: str, *overrides: str, **facts: object) -> Path:
    return fabricate_run(root / name, settings_of(*BASE, *overrides), **facts)  # type: ignore[arg-type]


def table_of(*roots: Path) -> pd.DataFrame:
    files, _ = runs_report(roots, embeddings=False)
    rows = list(csv.DictReader(files["report.csv"].splitlines()))
    return pd.DataFrame(rows)


def test_real_runs_sweeps_and_tests_end_in_one_table(data: Path, command: Command) -> None:
    """Every row of every results.csv, with what its run changed, as the file has it."""
    where = (*TINY, f"paths.data={data}", "seed=3")
    run = command("train", *where, "test=afew_4w5s", "test.n_way=2", "test.k_shot=2").folder
    command("train", "-m", *where, "train.n_way=2,3")
    command("test", f"run={run}", "test=afew_fixed5", "test.k_shot=1", "test.support_draws=2")
    seen = command("report", "runs=outputs/", "embeddings=false")
    assert seen.code == 0, seen.err
    assert "4 runs, 4 of them finished" in seen.out
    assert "<!doctype html>" in (seen.folder / "report.html").read_text()[:20]
    table = pd.read_csv(seen.folder / "report.csv", dtype=str, keep_default_na=False)
    assert set(RESULT_COLUMNS) <= set(table.columns)
    own = table[table["run"] == f"train/{run.name}"]
    expected = pd.read_csv(run / "results.csv", dtype=str, keep_default_na=False)
    for column in ("role", "protocol", "accuracy", "group_ci95_high", "episodes_id", "warnings"):
        assert own[column].tolist() == expected[column].tolist()
    assert set(own["seed"]) == {"3"}
    swept = table[table["sweep"] != ""]
    assert sorted(set(swept["train.n_way"])) == ["2", "3"]
    assert (table["verb"] == "test").sum() == 3  # frames, clips, clips with the lost ones


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=study_5_resnet50", "backbone.weights=none", "eval.support_draws=2"],
        ["dataset=mixed", "mix.per_class=4", "train=supervised", "method=classifier"],
        ["dataset=folder", "dataset.root=/a b/it's, [odd] \\ 'q'/표정", "eval=compound_7w1s"],
        ["train=classic", "eval=afew_4w5s", "test=[basic_7w1s]", "backbone=resnet18"],
        ["experiment=demo", "test=[]", "train.lr=1e-05", "train.augment.flip=0"],
        ["test=[afew_4w5s,basic_fixed5]", "test.afew_4w5s.n_way=2", "paths.data=a$b%20"],
        ["method=composed", "+method.parts={happily sad:[happiness,sadness],odd:[fear]}"],
        ["dataset=mixed", "~dataset.clips.fear", "dataset.clips.anger=['004108160']"],
        [
            "test=[basic_7w1s]",
            "test.basic_7w1s.dataset.adapter=mixed",
            "+test.basic_7w1s.dataset.clips.anger=['004108160']",
        ],
    ],
)
def test_the_command_leads_to_the_same_settings(tmp_path: Path, overrides: list[str]) -> None:
    """Typed into a shell, it composes exactly config.yaml; with and without a summary."""
    escaped = [word for word in overrides if "[odd]" not in word]
    settings = settings_of("paths.data=/data", *escaped)
    for word in set(overrides) - set(escaped):
        settings.dataset.root = word.partition("=")[2]
    folder = fabricate_run(tmp_path / "run", settings)
    choices = {word.partition("=")[0]: word.partition("=")[2] for word in overrides}
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"choices": choices}))
    for _ in range(2):
        run = collect_runs([folder])[0][0]
        words = shlex.split(str(repeating(run)))
        assert words[:3] == ["python", "-m", "fewshot_fer.train"]
        words = [w.replace("test=", "test=[") + "]" if w.startswith("test=") and "[" not in w else w
                 for w in words]  # fmt: skip
        again = composed("train", tuple(words[3:]))
        assert again is not None
        assert again.settings == run.settings
        (folder / "summary.json").unlink(missing_ok=True)


def test_differences_are_those_from_the_default(tmp_path: Path) -> None:
    made(tmp_path, "run", "train.lr=0.02", "test=[afew_4w5s]", "test.afew_4w5s.n_way=3")
    run = collect_runs([tmp_path])[0][0]
    found = {one.key: (one.default, one.value) for one in differences(run)}
    assert found["train.lr"] == ("0.004", "0.02")
    assert found["test"] == ("none", "afew_4w5s")
    assert found["test.afew_4w5s.n_way"] == ("4", "3")
    assert found["eval.kind"] == ("episodes", "fixed")
    assert "train.k_shot" not in found


def test_only_comparable_results_stand_together(tmp_path: Path) -> None:
    """Other seeds and learning rates do; another split, shape, size or vote does not."""
    made(tmp_path, "a", "seed=1")
    made(tmp_path, "b", "seed=2", "train.lr=0.1")
    made(tmp_path, "c", "eval.dataset.split=all")
    made(tmp_path, "d", n_images=70)
    runs, problems = collect_runs([tmp_path])
    assert problems == []
    together = [
        {result.run.name for result in group.results}
        for group in group_results(runs)
        if group.row["role"] == "validation"
    ]
    assert sorted(map(sorted, together)) == [["a", "b"], ["c"], ["d"]]


def test_warnings_stand_beside_the_rows_they_spoil(tmp_path: Path) -> None:
    """A sound run leads its group, however good the spoilt one looks; other data suffer nothing."""
    made(tmp_path, "sound", skill=0.1)
    made(tmp_path, "spoilt", "dataset.split=all", skill=0.9, warnings="trained_on_test")
    other = ("dataset=afew", "dataset.split=all", "test=[afew_4w5s]")
    made(tmp_path, "other", *other, warnings="shared_images:7")
    groups = group_results(collect_runs([tmp_path])[0])
    group = next(group for group in groups if group.row["role"] == "validation")
    found = {result.run.name: result.warnings.invalidating for result in group.results}
    assert found == {"sound": [], "spoilt": ["trained on test images"], "other": []}
    assert group.best.run.name in ("sound", "other")
    assert group.results[0].run.name == "spoilt"
    page = runs_report([tmp_path], embeddings=False)[0]["report.html"]
    assert page.count('<span class="tag bad">trained on test images</span>') == 1


def test_rows_with_warnings_of_their_own_are_taken_at_their_word(tmp_path: Path) -> None:
    """What a row says concerns it, and what it does not say does not: no data set is guessed at."""
    folder = made(tmp_path, "run", "dataset.split=all", warnings="two_names:2")
    table = pd.read_csv(folder / "results.csv", keep_default_na=False)
    table = table.assign(n_left_out=0, trained_on_test="true")
    table.to_csv(folder / "results.csv", index=False)
    groups = group_results(collect_runs([tmp_path])[0])
    warnings = next(g for g in groups if g.row["role"] == "validation").results[0].warnings
    assert warnings.invalidating == ["2 pictures under two class names"]
    assert warnings.noted == ["trained on test images, of another data set"]


def test_heat_maps_mix_only_shapes_and_seeds(tmp_path: Path) -> None:
    for number, way in enumerate((3, 4, 5)):
        made(tmp_path, f"run{number}", f"train.n_way={way}", f"seed={number}")
    made(tmp_path, "again", "train.n_way=3", "seed=9")
    made(tmp_path, "other", "train.n_way=4", "train.lr=0.5")
    groups = group_results(collect_runs([tmp_path])[0])
    for group in groups:  # as episodes, for which a map is made
        for result in group.results:
            result.row["deviation"] = None
    maps = heat_maps(groups)
    assert [(one.ways, one.shots) for one in maps] == [([3, 4, 5], [5])]
    assert [row[0].runs for row in maps[0].cells if row[0]] == [2, 1, 1]


def test_mistakes_are_the_surest_wrong_answers(tmp_path: Path) -> None:
    """By brute force over the file; a picture of several draws is shown once."""
    folder = made(tmp_path, "run", n_images=50)
    table = pd.read_csv(folder / "predictions.csv")
    table = pd.concat([table, table.assign(draw=1)])
    table.to_csv(folder / "predictions.csv", index=False)
    (found,) = read_mistakes(folder / "predictions.csv").values()
    wrong = table[(table["true"] != table["predicted"]) & (table["draw"] == 0)]
    sure = {row.path: wrong.loc[row.Index, row.predicted] for row in wrong.itertuples()}
    expected = sorted(sure, key=lambda path: -float(np.max(sure[path])))[:8]
    assert [mistake.path for mistake in found] == expected


def test_unfinished_and_damaged_runs_are_named_and_the_rest_goes_on(
    tmp_path: Path, command: Command
) -> None:
    """One line each on screen and in the page; exit code 0, since there is a report."""
    root = tmp_path / "runs"
    made(root, "whole")
    made(root, "unfinished", finished=False)
    broken = {
        "config": ("config.yaml", b"a: [1\n"),
        "bytes": ("config.yaml", b"\xff\xfe\x00"),
        "laughs": ("config.yaml", _laughs()),
        "results": ("results.csv", b"role,protocol\ntrain,x\n"),
        "numbers": ("results.csv", b"role,protocol,accuracy,chance\ntest,x,nan,0.2\n"),
        "summary": ("summary.json", b"{"),
        "matrix": ("confusion_validation_basic_fixed5.csv", b"true,a,b\na,1\n"),
        "metrics": ("metrics.csv", b"\x00\x01,2\n"),
        "predictions": ("predictions.csv", b'role,protocol\n"open'),
        "answers": ("answers.csv", b"role\n"),
    }
    for name, (file, content) in broken.items():
        (made(root, name) / file).write_bytes(content)
    (root / "gone").mkdir()
    (root / "gone" / "metrics.csv").write_text("epoch\n")
    seen = command("report", f"runs={root},{tmp_path / 'nowhere'}")
    assert seen.code == 0, seen.err
    lines = seen.err.splitlines()
    assert all(line.startswith("warning: ") for line in lines)
    page = (seen.folder / "report.html").read_text()
    for name, (file, _) in broken.items():
        assert any(f"{name}: {file}" in line for line in lines), name
        assert f"{name}: {file}" in page.replace("runs/", "")
    assert any("nowhere is not a folder" in line for line in lines)
    assert "epoch 3 of 3" in page
    table = pd.read_csv(seen.folder / "report.csv", keep_default_na=False)
    assert set(table["run"].str.split("/").str[-1]) == {"whole", "unfinished", "gone", *broken}
    assert table.set_index("run").loc["runs/numbers", "accuracy"] == ""


def _laughs() -> bytes:
    """A mapping that names itself nine times at each of nine levels."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 10):
        names = ", ".join(f"k{number}: *a{level - 1}" for number in range(9))
        lines.append(f"a{level}: &a{level} {{{names}}}")
    return "\n".join([*lines, "train: *a9", "dataset: {}"]).encode()


def test_a_folder_that_is_met_twice_counts_once(tmp_path: Path) -> None:
    """Links to folders above would go round for ever, links to runs count them twice."""
    made(tmp_path / "in", "run")
    (tmp_path / "in" / "above").symlink_to(tmp_path / "in")
    (tmp_path / "best").symlink_to(tmp_path / "in" / "run")
    assert len(collect_runs([tmp_path])[0]) == 1
    assert len(collect_runs([tmp_path, tmp_path / "best"])[0]) == 1


def test_maps_keep_neighbours_and_never_change() -> None:
    """Seven clusters in 32 dimensions: nearest neighbours on the map are of the same cluster."""
    random = np.random.default_rng(0)
    clusters = random.integers(0, 7, 120)
    vectors = random.normal(size=(120, 32)) + 5 * random.normal(size=(7, 32))[clusters]
    places = t_sne(vectors)
    distances = ((places[:, None] - places) ** 2).sum(axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (clusters[distances.argmin(axis=1)] == clusters).mean() > 0.95
    assert np.array_equal(places, t_sne(vectors))


@pytest.mark.parametrize("shape", [(3, 32), (9, 3), (9, 1)])
def test_embeddings_that_collapsed_have_a_map(shape: tuple[int, int]) -> None:
    """Equal vectors, few of them, or a single dimension: places are numbers all the same."""
    assert np.isfinite(t_sne(np.zeros(shape))).all()
    places, explained = principal_components(np.zeros(shape))
    assert places.shape == (shape[0], 2)
    assert explained == 0


def test_pictures_that_are_gone_or_no_pictures_leave_a_report(tmp_path: Path) -> None:
    """Paths in a CSV may name anything; nothing but small copies of pictures reaches the page."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(30):
        Image.new("RGB", (200, 150), (8 * number, 90, 90)).save(images / f"{number:05}.jpg")
    (images / "00007.jpg").write_text("no picture")
    made(tmp_path, "run", n_images=60, images=str(images), skill=0.0)
    page = runs_report([tmp_path], embeddings=True)[0]["report.html"]
    assert "data:image/jpeg;base64," in page
    assert "pictures are not there any more" in page
    assert "no map of embeddings" in page
    bare = runs_report([tmp_path], embeddings=False, pictures=False)[0]["report.html"]
    assert "data:image/jpeg" not in bare


def test_a_job_without_a_folder_is_named(tmp_path: Path) -> None:
    """A job that failed stands in its sweep's table alone."""
    made(tmp_path / "sweep", "0")
    table = 'job,seed,error\n0,0,\n1,1,"too small\nfor 5-way"\n'
    (tmp_path / "sweep" / "sweep.csv").write_text(table)
    runs, problems = collect_runs([tmp_path])
    assert problems == ["sweep/sweep.csv, line 3 failed: too small for 5-way"]
    assert runs[0].sweep == "sweep"


def test_short_names_tell_runs_apart(tmp_path: Path) -> None:
    made(tmp_path / "one", "2026-01-01_00-00-00_demo_aaaaaa")
    made(tmp_path / "two", "2026-02-02_00-00-00_demo_aaaaaa")
    made(tmp_path / "two", "2026-02-02_00-00-00_demo_bbbbbb")
    runs: list[Run] = collect_runs([tmp_path])[0]
    assert len({run.short for run in runs}) == 3
    assert "demo_bbbbbb" in {run.short for run in runs}
