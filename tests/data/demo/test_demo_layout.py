"""The drawn set on disk: the layouts of RAF-DB and AFEW to the letter, and who appears where."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from fewshot_fer.data.demo.plan import FOLDERS, NAMED
from fewshot_fer.data.labels import BASIC, COMPOUND


@pytest.fixture(scope="session")
def root(demo: Path) -> Path:
    """The smallest set."""
    return demo


@pytest.fixture(scope="session")
def rows(root: Path) -> list[dict[str, str]]:
    """The rows of labels.csv."""
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def label_lines(root: Path, subset: str) -> list[str]:
    return (
        (root / "RAF-DB" / subset / "EmoLabel/list_patition_label.txt")
        .read_bytes()
        .decode()
        .split("\n")
    )


@pytest.mark.parametrize(("subset", "names"), [("basic", BASIC), ("compound", COMPOUND)])
def test_label_list_is_the_official_format(
    root: Path, rows: list[dict[str, str]], subset: str, names: tuple[str, ...]
) -> None:
    """Protects adapters tried on drawn data only: name, blank, 1-based id, no last newline."""
    lines = label_lines(root, subset)
    assert all(re.fullmatch(r"(train_\d{5}|test_\d{4})\.jpg \d{1,2}", line) for line in lines)
    told = {row["path"]: row["label"] for row in rows if row["dataset"] == f"rafdb_{subset}"}
    assert len(lines) == len(told)
    for line in lines:
        image, number = line.split(" ")
        path = f"RAF-DB/{subset}/Image/aligned/{image.replace('.jpg', '_aligned.jpg')}"
        assert (root / path).is_file()
        assert told[path] == names[int(number) - 1]


def test_subsets_share_file_names(root: Path) -> None:
    """Protects the pitfall that the real sets have: train_00001 exists in basic and in compound."""
    basic, compound = (
        {path.name for path in (root / "RAF-DB" / subset / "Image/aligned").iterdir()}
        for subset in ("basic", "compound")
    )
    assert {"train_00001_aligned.jpg", "test_0001_aligned.jpg"} <= basic & compound


def test_every_picture_is_listed_and_a_small_rgb_jpeg(
    root: Path, rows: list[dict[str, str]]
) -> None:
    """Protects labels.csv as the ground truth, and the size that every loader counts on."""
    assert {row["path"] for row in rows} == {
        path.relative_to(root).as_posix() for path in root.rglob("*.jpg")
    }
    for row in rows:
        with Image.open(root / row["path"]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (100, 100))


def test_smallest_set_still_feeds_episodes(root: Path) -> None:
    """Protects tiny scales: 5-shot episodes need 12 images a class, and 7 clips of AFEW."""
    for subset, names, fewest in (("basic", BASIC, 12), ("compound", COMPOUND, 0)):
        lines = [line.split(" ") for line in label_lines(root, subset)]
        every = Counter(number for _, number in lines)
        train = Counter(number for image, number in lines if image.startswith("train"))
        for number in range(1, len(names) + 1):
            assert every[str(number)] >= 12
            assert train[str(number)] >= fewest
            if subset == "basic":
                assert every[str(number)] - train[str(number)] >= 4
    for split in ("Train_AFEW", "Val_AFEW"):
        assert {folder.name for folder in (root / "AFEW" / split).iterdir()} == set(
            FOLDERS.values()
        )
        for folder in (root / "AFEW" / split).iterdir():
            assert len(list(folder.iterdir())) >= 7


def test_named_and_shared_clips_exist(root: Path) -> None:
    """Protects the mixed training set, which names its clips, and the ids that two splits share."""
    for split, labels in NAMED.items():
        for label, clips in labels.items():
            for clip in clips:
                folder = root / "AFEW" / f"{split.capitalize()}_AFEW" / FOLDERS[label] / clip
                assert (folder / "001.jpg").is_file()
    for clip, one, other in (
        ("001703120", "Train_AFEW/Sad", "Val_AFEW/Happy"),
        ("005153760", "Train_AFEW/Disgust", "Val_AFEW/Surprise"),
    ):
        assert (root / "AFEW" / one / clip).is_dir()
        assert (root / "AFEW" / other / clip).is_dir()


def test_clips_are_numbered_and_one_person_each(rows: list[dict[str, str]]) -> None:
    """Protects clip-wise splits: nine digits, frames from 1, one identity and class per clip."""
    clips: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["dataset"] == "afew":
            clips.setdefault(str(Path(row["path"]).parent), []).append(row)
    for folder, frames in clips.items():
        assert re.fullmatch(r"\d{9}", Path(folder).name)
        assert [int(row["frame"]) for row in frames] == list(range(1, len(frames) + 1))
        assert len({(row["identity"], row["label"], row["clip"]) for row in frames}) == 1


def test_some_clips_lose_the_face(rows: list[dict[str, str]]) -> None:
    """Protects the rule that noface frames never enter an episode: there are some to leave out."""
    lost = [row for row in rows if "noface" in row["path"]]
    assert len(lost) > 3
    assert all(row["has_face"] == "0" and row["action_units"] == "" for row in lost)
    assert all(row["has_face"] == "1" for row in rows if "noface" not in row["path"])


def test_no_person_is_in_two_parts(rows: list[dict[str, str]]) -> None:
    """Protects every test result: train, test, compound and both AFEW splits know other people."""
    parts: dict[str, set[str]] = {}
    for row in rows:
        part = f"{row['dataset']} {row['split']}"
        parts.setdefault(part, set()).add(row["identity"])
    assert len(parts) == 6
    assert sum(map(len, parts.values())) == len(set.union(*parts.values()))


def test_folder_states_its_licence(root: Path) -> None:
    """Protects those who find the pictures later: they may know what they may do with them."""
    assert "CC0" in (root / "README.txt").read_text(encoding="utf-8")
