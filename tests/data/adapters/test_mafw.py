"""MAFW: single and multiple labels, and ids that two orders in the wild read differently."""

import json
from pathlib import Path

import pytest
from layouts import read, write_layout

from fewshot_fer.data.labels import parts_of
from fewshot_fer.data.splits import select_split
from fewshot_fer.system.errors import DataError

ONE_ORDER = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
OTHER_ORDER = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
MORE = ("contempt", "anxiety", "helplessness", "disappointment")
SINGLE = "split/single/no_caption"


def write(root: Path, labels: list[str], lists: str = SINGLE, ending: str = "txt") -> Path:
    """Write MAFW with clips 00001, 00002, ..., each tested by fold 1 or, the even ones, by 2."""
    lines = [f"{number:05}.mp4 {label}" for number, label in enumerate(labels, start=1)]
    for number in range(1, len(labels) + 1):
        clip = root / f"data/frames/{number:05}"
        clip.mkdir(parents=True, exist_ok=True)
        (clip / "1.jpg").touch()
    for fold in (1, 2):
        folder = root / lists / f"set_{fold}"
        folder.mkdir(parents=True)
        own, others = lines[fold - 1 :: 2], lines[2 - fold :: 2]
        (folder / f"test.{ending}").write_text("\n".join(own))
        (folder / f"train.{ending}").write_text("\n".join(others))
    return root


def labels_of(root: Path, name: str = "mafw") -> list[str]:
    return read(name, root).sort_values("clip")["label"].tolist()


def test_the_embedded_layout(tmp_path: Path) -> None:
    """Eleven single classes and, in other lists over the same frames, multiple ones."""
    write_layout("mafw", tmp_path)
    single = read("mafw", tmp_path).drop_duplicates("clip")
    assert single["label"].value_counts().to_dict() == dict.fromkeys((*ONE_ORDER, *MORE), 12)
    multiple = read("mafw_multiple", tmp_path)
    assert {"sadly surprised", "anger anxiety", "neutral"} <= set(multiple["label"])
    assert set(single["split"]) == {f"fold{fold}" for fold in range(1, 6)}


def test_multiple_labels_are_compound_classes(tmp_path: Path) -> None:
    """Named as RAF-DB names them where it has them, their parts known to `composed`."""
    root = tmp_path / "MAFW"
    spelled = ["sadness_surprise", "anger_disgust", "anxiety_helplessness", "neutral"]
    spelled += ["anger_disgust_contempt", "fear_surprise"]
    write(root, spelled, "Train & Test Set/compound/no_caption")
    labels = labels_of(root, "mafw_multiple")
    assert labels[:4] == ["sadly surprised", "angrily disgusted", "anxiety helplessness", "neutral"]
    assert [parts_of(label) for label in labels] == [tuple(name.split("_")) for name in spelled]


def test_names_are_read_as_names(tmp_path: Path) -> None:
    spelled = ["anger", "Happiness", "disappointment", "sad"]
    root = write(tmp_path / "MAFW", spelled, "anno/single/no_caption", "csv")
    assert labels_of(root) == ["anger", "happiness", "disappointment", "sadness"]


@pytest.mark.parametrize("names", [(*ONE_ORDER, *MORE), (*OTHER_ORDER, *MORE)])
@pytest.mark.parametrize("form", ["classes.txt", "labels.csv", "label2idx.json", "classInd.txt"])
def test_ids_are_read_by_a_file_that_says_the_order(
    tmp_path: Path, names: tuple[str, ...], form: str
) -> None:
    """A name a line, an id and a name or the reverse, or a JSON of these."""
    root = write(tmp_path / "MAFW", ["3", "0", "10", "5"])
    (root / form).write_text(
        {
            "classes.txt": "\n".join(names),
            "labels.csv": "\n".join(f"{number},{name}" for number, name in enumerate(names)),
            "label2idx.json": json.dumps({name: number for number, name in enumerate(names)}),
            "classInd.txt": "\n".join(f"{name} {number}" for number, name in enumerate(names)),
        }[form]
    )
    assert labels_of(root) == [names[3], names[0], names[10], names[5]]


def test_ids_alone_are_an_error_that_shows_both_orders(tmp_path: Path) -> None:
    root = write(tmp_path / "MAFW", ["3", "0"])
    told = r"set_1/train.txt, line 1: .*0 anger 1 disgust .* or 0 happiness 1 sadness .*classes.txt"
    with pytest.raises(DataError, match=told):
        read("mafw", root)


def test_an_order_that_lacks_a_class_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "MAFW", ["3", "0"])
    (root / "classes.txt").write_text("\n".join(ONE_ORDER))
    with pytest.raises(DataError, match=r"classes.txt: expected each class once"):
        read("mafw", root)


def test_lists_with_paths_and_numbers_of_frames(tmp_path: Path) -> None:
    """As public code writes them."""
    root = write(tmp_path / "MAFW", ["anger", "fear"])
    (root / SINGLE / "set_1/test.txt").write_text("/data/MAFW/data/faces/00001 47 anger")
    assert labels_of(root) == ["anger", "fear"]


def test_folds(tmp_path: Path) -> None:
    table = read("mafw", write(tmp_path / "MAFW", ["anger", "fear", "fear", "sadness"]))
    assert select_split(table, "fold1/test", tmp_path)["clip"].tolist() == ["00001", "00003"]
    assert select_split(table, "fold1/train", tmp_path)["clip"].tolist() == ["00002", "00004"]


@pytest.mark.parametrize(
    ("name", "label", "told"),
    [
        ("mafw", "bored", r"line 1: 'bored' is not a class of mafw: expected anger"),
        ("mafw", "sadness_surprise", r"'sadness_surprise' is not a class of mafw"),
        ("mafw_multiple", "sadness_bored", r"not a class of mafw_multiple: .* or several"),
        ("mafw", "", r"line 1: '0000.\.mp4' is not a line"),
    ],
)
def test_wrong_lines(tmp_path: Path, name: str, label: str, told: str) -> None:
    lists = SINGLE if name == "mafw" else "split/multiple/no_caption"
    with pytest.raises(DataError, match=told):
        read(name, write(tmp_path / "MAFW", [label, label], lists))


def test_videos_say_how_to_extract(tmp_path: Path) -> None:
    root = write(tmp_path / "MAFW", ["anger", "fear"])
    (root / "data/frames").rename(tmp_path / "aside")
    (root / "data/clips").mkdir()
    (root / "data/clips/00001.mp4").touch()
    line = rf"prepare videos={root / 'data/clips'} out={root / 'data/frames'}"
    with pytest.raises(DataError, match=line):
        read("mafw", tmp_path)


def test_lists_of_the_other_kind_are_not_enough(tmp_path: Path) -> None:
    root = write(tmp_path / "MAFW", ["anger", "fear"])
    with pytest.raises(DataError, match=r"mafw_multiple not found .*compound/no_caption"):
        read("mafw_multiple", root)
