"""`check data=`: every data set is named that lies in a folder, the right one first."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Command, assert_one_line, draw_pattern
from layouts import plain_pictures, write_layout
from PIL import Image

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.registry import DrawnSet, adapter_names, find_adapter
from fewshot_fer.reports.audit.recognise import Recognised, recognise_folder
from fewshot_fer.reports.audit.recognised_text import next_line
from fewshot_fer.system.errors import DataError

WRITTEN = [name for name in adapter_names() if find_adapter(name).write]
DRAWN = {"rafdb_basic": "RAF-DB/basic", "rafdb_compound": "RAF-DB/compound", "afew": "AFEW"}
"""Of the embedded set, which every drawing has."""


def names(found: Recognised) -> list[str]:
    return [fit.adapter.name for fit in found.fits]


def classes_of(root: Path, *labels: str, side: int = 40, name: str = "face{}.png") -> Path:
    """Write two grey pictures a class into folders of classes."""
    for label in labels:
        (root / label).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (side, side), 40 * number).save(root / label / name.format(number))
    return root


@pytest.mark.parametrize("name", WRITTEN)
def test_every_embedded_layout_is_named(tmp_path: Path, demo: Path, name: str) -> None:
    """Each alone in a folder: it comes first, or another reading of the very same files does."""
    adapter = find_adapter(name)
    assert adapter.write is not None
    (tmp_path / adapter.home).mkdir()
    adapter.write(tmp_path / adapter.home, DrawnSet(demo, 6, plain_pictures))
    found = recognise_folder(tmp_path)
    assert found.fits[0].adapter.home == adapter.home
    own = next(fit for fit in found.sure if fit.adapter.name == name)
    table = adapter.read(tmp_path, DatasetConfig(name))
    assert own.n_images == len(table)
    assert own.classes == table["label"].value_counts().to_dict()
    assert own.splits == table["split"].value_counts().to_dict()


@pytest.mark.parametrize(("name", "place"), DRAWN.items())
def test_the_embedded_set_itself_is_named(
    tmp_path: Path, data: Path, name: str, place: str
) -> None:
    """Each part alone, and in a folder of another name too."""
    (tmp_path / "a" / place).parent.mkdir(parents=True)
    (tmp_path / "a" / place).symlink_to(data / place)
    assert names(recognise_folder(tmp_path / "a"))[0] == name
    (tmp_path / "b").mkdir()
    (tmp_path / "b/from a disk").symlink_to(data / place)
    assert names(recognise_folder(tmp_path / "b"))[0] == name


def test_data_sets_beside_one_another_are_all_named(tmp_path: Path, data: Path) -> None:
    """Also one whose folder has a name that its adapter does not look for."""
    for part in ("RAF-DB", "AFEW"):
        (tmp_path / part).symlink_to(data / part)
    write_layout("dfew", tmp_path)
    write_layout("jaffe", tmp_path).rename(tmp_path / "Japanese women")
    found = recognise_folder(tmp_path)
    assert {*names(found)} == {*DRAWN, "dfew", "jaffe"}
    jaffe = next(fit for fit in found.fits if fit.adapter.name == "jaffe")
    assert jaffe.root == tmp_path / "Japanese women"


def test_a_repacked_rafdb_is_told_from_its_look_alikes(tmp_path: Path) -> None:
    """FER2013, SFEW and others lie in <split>/<class> too: names and sizes of pictures differ."""
    own = tmp_path / "own"
    classes_of(own / "train", *"1234567", side=100, name="train_0000{}_aligned.jpg")
    classes_of(own / "test", *"1234567", side=100, name="test_000{}_aligned.jpg")
    found = recognise_folder(own)
    assert names(found)[0] == "rafdb_basic"
    assert found.fits[0].against == ()
    other = tmp_path / "other"
    spelled = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    classes_of(other / "train", *spelled, side=48, name="im{}.png")
    classes_of(other / "test", *spelled, side=48, name="im{}.png")
    found = recognise_folder(other)
    assert names(found)[0] != "rafdb_basic"
    likeness = next(fit for fit in found.fits if fit.adapter.name == "rafdb_basic")
    assert likeness.against == (
        "names such as angry/im0.png are none of its own",
        "pictures are 48x48, not 100x100",
    )


def test_a_data_set_that_is_nearly_there_is_named_with_its_fault(tmp_path: Path) -> None:
    """Beside another one that is there."""
    write_layout("jaffe", tmp_path)
    broken = write_layout("dfew", tmp_path) / "EmoLabel_DataSplit/test(single-labeled)/set_1.csv"
    broken.write_text("video_name,label\n1,9\n")
    (tmp_path / "MAFW").mkdir()
    found = recognise_folder(tmp_path)
    assert names(found) == ["jaffe"]
    missing = {one.name: one.missing for one in found.near}
    assert "set_1.csv, line 2: the label '9'" in missing["dfew"]
    assert "expected MAFW/split/single" in missing["mafw"]


def test_faces_of_anybody_are_read_where_nothing_else_is_sure(tmp_path: Path) -> None:
    """With as many ways as there are classes, as the line is to be pasted."""
    classes_of(tmp_path / "my faces", "happy", "bored", "angry")
    found = recognise_folder(tmp_path / "my faces")
    assert names(found) == ["folder"]
    words = shlex.split(next_line(found.fits[0]))
    place = tmp_path / "my faces"
    assert words[3:] == [
        *("dataset=folder", "eval=folder_5w5s", "train.n_way=3", "eval.n_way=3"),
        *(f"dataset.root={place}", f"eval.dataset.root={place}"),
    ]


def test_one_folder_is_no_class_among_others(tmp_path: Path) -> None:
    """Any folder of pictures in a folder would be a data set."""
    classes_of(tmp_path, "holiday")
    assert names(recognise_folder(tmp_path)) == []


def test_a_list_of_images_is_read(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        draw_pattern(tmp_path / f"{number}.jpg", number, random)
    rows = [f"{number}.jpg,{'happy' if number % 2 else 'sad'}" for number in range(6)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    (tmp_path / "notes.csv").write_text("date,what\n1,2\n")
    found = recognise_folder(tmp_path)
    assert names(found) == ["csv"]
    assert f"dataset.file={tmp_path / 'list.csv'}" in next_line(found.fits[0])


def _nothing(root: Path) -> Path:
    return root / "nowhere"


def _a_file(root: Path) -> Path:
    (root / "list.csv").write_text("path,label\n")
    return root / "list.csv"


def _empty(root: Path) -> Path:
    (root / "empty").mkdir()
    return root / "empty"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_nothing, "is not there"),
        (_a_file, "is a file: give the folder that it lies in"),
        (_empty, "is empty"),
    ],
)
def test_what_is_no_folder_of_faces(
    tmp_path: Path, make: Callable[[Path], Path], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        recognise_folder(make(tmp_path))


def test_pictures_without_classes_are_one_line(command: Command, tmp_path: Path) -> None:
    classes_of(tmp_path, "album")
    outcome = command("check", f"data={tmp_path / 'album'}")
    assert_one_line(outcome, "put the pictures of each class into a folder of its name")


@pytest.mark.parametrize("word", ["dataset=jaffe", "paths=demo"])
def test_nothing_else_is_checked_at_once(command: Command, tmp_path: Path, word: str) -> None:
    """As every adapter tries the folder, such a word would be without any effect."""
    write_layout("jaffe", tmp_path)
    assert_one_line(command("check", f"data={tmp_path}", word), f"in which {word} has no part")


def test_the_line_on_screen_is_the_next_to_type(command: Command, tmp_path: Path) -> None:
    write_layout("jaffe", tmp_path / "my data")
    outcome = command("check", f"data={tmp_path / 'my data'}")
    assert outcome.code == 0, outcome.err
    assert "holds one data set" in outcome.out
    assert "jaffe" in outcome.out
    written = json.loads((outcome.folder / "check.json").read_text())
    line = written["fits"][0]["next"]
    assert line in outcome.out
    trained = command("train", *shlex.split(line)[3:], *TINY)
    assert trained.code == 0, trained.err
