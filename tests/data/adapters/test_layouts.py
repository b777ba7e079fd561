"""Folders of classes, of subjects, of splits: which is which follows from what the names are."""

import unicodedata
from itertools import product
from pathlib import Path

import pytest
from conftest import touch

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.folder import read_folder
from fewshot_fer.data.listing import as_on_disk
from fewshot_fer.inference.enrol import list_classes
from fewshot_fer.system.errors import DataError

SUBJECTS = [f"S{number:02}" for number in range(8)]
KNOWN, OTHERS = ["Joy", "Angry", "neutral"], ["bored", "tired", "awake"]


def lay(root: Path, *levels: list[str]) -> Path:
    """Make folders of every choice of one name a level, with a picture in each."""
    touch(*(root.joinpath(*names, "1.jpg") for names in product(*levels)))
    return root


def columns(root: Path, layout: str | None = None) -> tuple[set[str], set[str], set[str]]:
    """Return the labels, the named groups and the splits that are read."""
    table = read_folder(root, DatasetConfig("folder", layout=layout))
    named = table.loc[table["group"] != table["path"], "group"]
    return set(table["label"]), set(named), set(table["split"])


@pytest.mark.parametrize(
    ("levels", "labels", "groups", "splits"),
    [
        ((KNOWN,), {"happiness", "anger", "neutral"}, (), {"all"}),
        ((list("0123456"),), set("0123456"), (), {"all"}),
        ((OTHERS,), set(OTHERS), (), {"all"}),
        ((OTHERS, ["01", "02"]), set(OTHERS), {"01", "02"}, {"all"}),
        ((KNOWN, SUBJECTS), {"happiness", "anger", "neutral"}, SUBJECTS, {"all"}),
        ((SUBJECTS, KNOWN), {"happiness", "anger", "neutral"}, SUBJECTS, {"all"}),
        ((SUBJECTS, [*KNOWN, "bored"]), {"happiness", "anger", "neutral", "bored"}, SUBJECTS, None),
        (
            (["Train_set", "Val-set"], KNOWN),
            {"happiness", "anger", "neutral"},
            (),
            {"train", "val"},
        ),
        ((["1_train", "2_test"], OTHERS), set(OTHERS), (), {"train", "test"}),
        ((["trainset", "dev"], list("012")), set("012"), (), {"train", "val"}),
        ((["fold1", "fold2"], OTHERS), set(OTHERS), (), {"fold1", "fold2"}),
        ((["train", "test"], SUBJECTS, KNOWN), {"happiness", "anger", "neutral"}, SUBJECTS, None),
        ((["train"], KNOWN), {"happiness", "anger", "neutral"}, (), {"train"}),
    ],
)
def test_layouts_are_told_by_their_names(
    tmp_path: Path,
    levels: tuple[list[str], ...],
    labels: set[str],
    groups: list[str],
    splits: set[str] | None,
) -> None:
    """Classes are what expressions are called, whichever folders lie outside."""
    found = columns(lay(tmp_path, *levels))
    assert found[:2] == (labels, set(groups))
    assert splits is None or found[2] == splits


def test_clips_of_one_class_each_are_no_subjects(tmp_path: Path) -> None:
    """AFEW's way with classes of any name: a clip's folder lies in one class."""
    for place, name in enumerate(OTHERS):
        lay(tmp_path / name, [f"{place}{clip}" for clip in range(2)])
    assert columns(tmp_path)[0] == set(OTHERS)


@pytest.mark.parametrize(
    "levels",
    [
        (SUBJECTS, OTHERS),
        (list("0123456"), list("012")),
        (SUBJECTS[:2], OTHERS),
        (["train", "test", "more"], KNOWN),
        (["images"], KNOWN),
        (["Joy", "Fear"], ["sad", "angry"]),
    ],
)
def test_what_the_names_do_not_tell_is_an_error(tmp_path: Path, levels: tuple[list[str]]) -> None:
    """Subjects must not become classes without a word: the error has the words to type."""
    lay(tmp_path, *levels)
    with pytest.raises(DataError, match=r"dataset\.layout=.* class_first .* subject_first"):
        read_folder(tmp_path)
    outer, inner = columns(tmp_path, "class_first")[0], columns(tmp_path, "subject_first")[0]
    assert (len(outer), len(inner)) == tuple(map(len, levels))


def test_folders_of_splits_without_classes_are_no_classes(tmp_path: Path) -> None:
    """Pictures right in train/ and test/ have no class at all."""
    with pytest.raises(DataError, match="no images"):
        read_folder(lay(tmp_path, ["train", "test"]))


def test_what_lies_deeper_belongs_to_its_group(tmp_path: Path) -> None:
    """A subject's clips are the subject's; loops of links are not followed."""
    lay(tmp_path, ["joy", "fear"], ["S1"], ["clip1", "clip2"])
    (tmp_path / "joy/up").symlink_to(tmp_path, target_is_directory=True)
    table = read_folder(tmp_path)
    assert len(table) == 4
    assert set(table["group"]) == {"S1"}


def test_a_support_of_subjects_is_refused(tmp_path: Path) -> None:
    """predict would call every face by the name of a person."""
    with pytest.raises(DataError, match="the classes are the inner ones"):
        list_classes(lay(tmp_path / "a", SUBJECTS, KNOWN))
    assert list(list_classes(lay(tmp_path / "b", KNOWN))) == ["Angry", "Joy", "neutral"]


def test_supports_of_other_systems(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Folders of macOS are found by names that are typed elsewhere; two words for one are said."""
    lay(tmp_path / unicodedata.normalize("NFD", "얼굴"), ["Joy", "Happy"])
    lay(tmp_path / unicodedata.normalize("NFD", "얼굴"), [unicodedata.normalize("NFD", "분노")])
    typed = as_on_disk(tmp_path / "얼굴")
    assert list(list_classes(typed)) == ["Happy", "Joy", "분노"]
    assert "Happy and Joy both mean happiness" in caplog.text
    assert set(read_folder(typed)["label"]) == {"happiness", "분노"}
