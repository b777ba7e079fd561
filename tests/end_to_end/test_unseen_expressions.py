"""Expressions that training never saw, of people it never saw, told apart by a few pictures."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import Command, train_in
from films import squares, write_film
from typed_predict import table_of

pytestmark = pytest.mark.slow

LEARNING = (
    "train=pretrain",
    "train.epochs=30",
    "train.batch_size=16",
    "train.least_batches=0",
    "train.lr=4e-3",
    "train.tested=last",
    "backbone.filters=24",
    "backbone.image_size=48",
    "eval.episodes=20",
    "device=cpu",
)
"""Overrides that make some ten seconds of training enough to tell expressions of strangers."""
UNSEEN = ("happily surprised", "sadly angry")


@pytest.fixture(scope="module")
def demo_run(demo: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt something of the embedded data set's basic expressions, from all of
    its photographs and the clips of AFEW's training split."""
    folder = tmp_path_factory.mktemp("demo_run")
    faces = pd.read_csv(demo / "labels.csv")
    stills, clips = faces["dataset"] == "rafdb_basic", faces["dataset"] == "afew"
    taken = faces[(faces["has_face"] == 1) & (stills | (clips & (faces["split"] == "train")))]
    taken = taken[["path", "label"]].assign(group=taken["identity"])
    taken.to_csv(folder / "learnt.csv", index=False)
    listed = ("dataset=csv", f"dataset.file={folder / 'learnt.csv'}", f"dataset.root={demo}")
    return train_in(folder, cache, f"paths.data={demo}", *listed, *LEARNING)


def test_two_expressions_that_training_never_saw(
    command: Command, demo_run: Path, demo: Path, tmp_path: Path
) -> None:
    """Five faces each of two compound expressions, of the embedded data set, tell those of other
    people apart, well above chance."""
    faces = pd.read_csv(demo / "labels.csv")
    faces = faces[(faces["dataset"] == "rafdb_compound") & faces["label"].isin(UNSEEN)]
    enrolled = faces.groupby("label").head(5)
    for row in enrolled.itertuples():
        own = tmp_path / "mine" / str(row.label)
        own.mkdir(parents=True, exist_ok=True)
        shutil.copy(demo / str(row.path), own)
    asked = faces[~faces["identity"].isin(enrolled["identity"])]
    assert asked["label"].value_counts().min() >= 4
    words = ",".join(str(demo / path) for path in asked["path"])
    outcome = command(
        "predict", f"run={demo_run}", f"images={words}", "support=mine", "align=false"
    )
    labels = table_of(outcome)["label"]
    assert (labels.to_numpy() == asked["label"].to_numpy()).mean() >= 0.8


def faces_of(clip: Path) -> list[Path]:
    """Return the frames of a clip that show a face, two or three."""
    return [path for path in sorted(clip.iterdir()) if "noface" not in path.name]


def test_films_of_strangers_come_back_with_their_class(
    command: Command, demo_run: Path, demo: Path, tmp_path: Path
) -> None:
    """From .avi over detection to label: films of actors that neither training nor the support has
    seen, with a frame each of five other clips of every class as support."""
    pytest.importorskip("facenet_pytorch")
    for label in ("Sad", "Surprise"):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number, clip in enumerate(sorted((demo / "AFEW/Train_AFEW" / label).iterdir())[:5]):
            shutil.copy(faces_of(clip)[1], tmp_path / "mine" / label / f"{number}.jpg")
        for clip in sorted((demo / "AFEW/Val_AFEW" / label).iterdir()):
            film = tmp_path / f"films/{label}/{clip.name}.avi"
            write_film(film, squares(faces_of(clip), side=128), rate=5)
    outcome = command("predict", f"run={demo_run}", "images=films", "support=mine")
    assert table_of(outcome)["status"].eq("ok").all()
    clips = pd.read_csv(outcome.folder / "clips.csv")
    truth = [Path(file).parent.name for file in clips["file"]]
    assert len(truth) == 14
    assert (clips["label"] == truth).mean() >= 0.75
