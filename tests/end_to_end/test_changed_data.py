"""Data that move or change under a run: the same are found again, others are never taken for them.

Pictures are rewritten as archives with constant times leave them: equally large, of the same time.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from comparing_runs import differing_fields
from conftest import TINY, Command, assert_one_line, draw_pattern, train_in

from fewshot_fer.reports.compare import OTHER_PICTURES
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.system.files import Row

CLASSES = ("anger", "fear", "joy")
SHAPE = ("n_way=3", "k_shot=2", "episodes=20")
TEST = ("test=folder_5w5s", *(f"test.{word}" for word in SHAPE))


def write_faces(root: Path, mixed: bool = False) -> Path:
    """Write six uncompressed pictures a class, of one pattern or, mixed, of all of them."""
    random = np.random.default_rng(3)
    for number, name in enumerate(CLASSES):
        for face in range(6):
            path = root / name / f"{face}.bmp"
            draw_pattern(path, 1 + (face % 3 if mixed else number), random)
            os.utime(path, ns=(10**18, 10**18))
    return root


def words(root: Path | str) -> list[str]:
    """Return a line of `train` on faces below a folder."""
    evaluation = [f"eval.{word}" for word in SHAPE if word != "n_way=3"]
    places = [f"{key}dataset.root={root}/{name}" for key, name in PLACES.items()]
    line = [word for word in TINY if not word.startswith("eval.")]
    return [
        *line,
        "dataset=folder",
        "eval=folder_5w5s",
        "eval.n_way=3",
        *evaluation,
        *TEST,
        *places,
    ]


PLACES = {"": "faces", "eval.": "more", "test.": "more"}


@pytest.fixture(scope="module")
def whole(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faces/, more/ and a finished run on them."""
    folder = tmp_path_factory.mktemp("whole")
    write_faces(folder / "data/faces")
    write_faces(folder / "data/more")
    train_in(folder, cache, *words("data"))
    return folder


@pytest.fixture
def beside(whole: Path, tmp_path: Path) -> Path:
    """A copy of all of it, whose run still names the original."""
    return shutil.copytree(whole, tmp_path, dirs_exist_ok=True)


def run_in(folder: Path) -> Path:
    return next((folder / "outputs/train").iterdir())


def test_a_run_goes_on_where_its_data_moved(
    command: Command, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun with relative paths, resumed from another folder: bit for bit the same."""
    shutil.copytree(whole / "data", "data")
    write = RunFolder.add_metrics

    def killed(folder: RunFolder, row: Row) -> None:
        write(folder, row)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "add_metrics", killed)
        assert command("train", *words("data")).code != 0
    run = run_in(tmp_path)
    assert len(pd.read_csv(run / "metrics.csv")) == 1
    moved = tmp_path / "another/disk/data"
    moved.parent.mkdir(parents=True)
    Path("data").rename(moved)
    monkeypatch.chdir(moved)
    assert_one_line(command("train", f"resume={run}"), "faces is not a folder")
    places = [f"{key}dataset.root={name}" for key, name in PLACES.items()]
    face = moved / "more/joy/3.bmp"
    before = face.read_bytes()
    face.write_bytes(before[:-9] + b"\0" * 9)
    assert_one_line(
        command("train", f"resume={run}", *places),
        "eval.dataset, other pictures under the same names; test.folder_5w5s.dataset, other",
    )
    face.write_bytes(before)
    outcome = command("train", f"resume={run}", *places)
    assert outcome.code == 0, outcome.err
    reference = run_in(whole)
    for name in ("best.pt", "last.pt"):
        pair = (load_checkpoint(folder / name) for folder in (reference, run))
        assert differing_fields(*pair) == ["support"]  # the paths of its pictures
    assert (run / "results.csv").read_bytes() == (reference / "results.csv").read_bytes()
    assert str(moved) in (run / "config.yaml").read_text()


def evaluated(command: Command, run: Path, *more: str) -> tuple[Path, pd.Series]:
    """Test a run on more/ in the working folder; return the test's folder and its one row."""
    place = f"test.dataset.root={Path.cwd() / 'data/more'}"
    outcome = command("test", f"run={run}", *TEST, place, *more)
    assert outcome.code == 0, outcome.err
    results = pd.read_csv(outcome.folder / "results.csv", keep_default_na=False)
    return outcome.folder, results.iloc[0]


def test_a_test_is_of_the_pictures_as_they_are(
    command: Command, beside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Classes exchange pictures: no pack, kept embedding or saved episode stands for the old."""
    run = run_in(beside)
    first, old = evaluated(command, run, "episodes.save=e.npz")
    write_faces(beside / "data/more", mixed=True)
    second, new = evaluated(command, run)
    with monkeypatch.context() as fresh:
        fresh.setenv("FEWSHOT_FER_CACHE", str(tmp_path / "fresh"))
        _, right = evaluated(command, run, "keep_embeddings=false")
    pd.testing.assert_series_equal(new, right)
    assert new["accuracy"] < old["accuracy"] - 0.2
    assert new["episodes_id"] == old["episodes_id"]  # the same rows of files of the same names
    assert new["images_id"] != old["images_id"]
    outcome = command("report", f"compare={first},{second}")
    assert OTHER_PICTURES in outcome.out
    outcome = command("report", "runs=outputs/test", "embeddings=false", "pictures=false")
    assert "test folder_3w2s: the files held other pictures" in outcome.err
    place = f"test.dataset.root={beside / 'data/more'}"
    outcome = command("test", f"run={run}", *TEST, place, "episodes.load=e.npz")
    assert_one_line(outcome, "was drawn from other pictures")
    third, _ = evaluated(command, run, "episodes.save=e.npz")
    fourth, again = evaluated(command, run, "episodes.load=e.npz", "seed=5")
    assert again["episodes_id"] == new["episodes_id"]
    outcome = command("report", f"compare={third},{fourth}")
    assert OTHER_PICTURES not in outcome.out


def test_a_test_says_that_the_training_set_changed(command: Command, whole: Path) -> None:
    """Overlap is looked for with other pictures than the run was trained on, or with none."""
    shutil.copytree(whole / "data/more", "data/more")
    run = run_in(whole)
    assert evaluated(command, run)[1]["warnings"] == ""
    faces = {path: path.read_bytes() for path in (whole / "data/faces").rglob("*.bmp")}
    write_faces(whole / "data/faces", mixed=True)
    try:
        assert evaluated(command, run)[1]["warnings"] == "training_changed"
    finally:
        for path, content in faces.items():
            path.write_bytes(content)
    away = (whole / "data/faces").rename(whole / "away")
    place = f"test.dataset.root={Path.cwd() / 'data/more'}"
    fixed = (*TEST, "test.kind=fixed", "test.n_way=0", place)
    outcome = command("test", f"run={run}", *fixed)
    away.rename(whole / "data/faces")
    assert_one_line(outcome, f"cannot be read at {whole / 'data/faces'}: name its place")


def test_a_sweep_does_not_take_old_figures_for_new_data(command: Command, whole: Path) -> None:
    """What was done is skipped while the data are the same, and refused once they are not."""
    shutil.copytree(whole / "data", "data")
    line = ["-m", *words("data"), "train.epochs=1", "seed=3"]
    assert command("train", *line).code == 0
    assert "job 0: done before" in command("train", *line).out
    write_faces(Path("data/more"), mixed=True)
    outcome = command("train", *line)
    assert outcome.code == 2
    assert "eval.dataset, other pictures under the same names" in outcome.err
