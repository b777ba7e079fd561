"""FER+: votes become classes as in its code, beside the list of FER2013 or with pictures."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import write_layout

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import DatasetConfig, TrainVerb
from fewshot_fer.data.adapters.ferplus import read_ferplus
from fewshot_fer.data.adapters.vote_list import COLUMNS, class_of_votes
from fewshot_fer.data.decode import read_picture
from fewshot_fer.data.labels import EXPRESSIONS, parts_of
from fewshot_fer.data.load import find_source, load_dataset
from fewshot_fer.system.errors import DataError

MAJORITY, COMPOUND = DatasetConfig("ferplus"), DatasetConfig("ferplus", votes="compound")


def votes_of(**given: int) -> list[int]:
    return [given.get(name, 0) for name in COLUMNS]


@pytest.mark.parametrize(
    ("given_votes", "majority", "compound"),
    [
        ({"surprise": 6, "fear": 4}, "surprise", "fearfully surprised"),
        ({"anger": 4, "disgust": 4, "sadness": 2}, None, "angrily disgusted"),
        ({"anger": 5, "contempt": 4, "neutral": 1}, "anger", "anger contempt"),
        ({"disgust": 4, "contempt": 4}, None, "disgust contempt"),
        ({"surprise": 8, "fear": 2}, "surprise", "surprise"),
        ({"neutral": 6, "sadness": 4}, "neutral", "neutral"),
        ({"neutral": 5, "sadness": 5}, None, None),
        ({"sadness": 4, "fear": 3, "anger": 3}, None, None),
        ({"anger": 4, "unknown": 4, "fear": 2}, None, None),
        ({"fear": 3, **dict.fromkeys(COLUMNS[:3], 1)}, "fear", "fear"),  # single votes are 0
        ({"anger": 5, "fear": 1, "sadness": 1, "NF": 3}, "anger", "anger"),
        ({"NF": 10}, None, None),
        ({"unknown": 6, "anger": 4}, None, None),
        (dict.fromkeys(COLUMNS, 1), None, None),
        ({}, None, None),
    ],
)
def test_votes(given_votes: dict[str, int], majority: str | None, compound: str | None) -> None:
    """The examples of the docs, and the edges of both rules."""
    votes = votes_of(**given_votes)
    assert class_of_votes(votes) == majority
    assert class_of_votes(votes, compound=True) == compound


def majority_in_plain_words(votes: Sequence[int]) -> str | None:
    """As the paper's code counts, with floats and one step after another."""
    raw = np.array(votes, dtype=float)
    raw[raw < 1 + 1e-9] = 0
    if raw.max() <= 0.5 * raw.sum():
        return None
    return [*COLUMNS[:8], None, None][int(raw.argmax())]


@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_majority_is_that_of_the_code(votes: list[int]) -> None:
    """And a compound has two emotions of 30 % each, or the class is the majority's."""
    label = majority_in_plain_words(votes)
    assert class_of_votes(votes) == label
    compound = class_of_votes(votes, compound=True)
    if compound is not None and compound != label:
        raw = np.where(np.array(votes) > 1, votes, 0)
        strong = {name for name, vote in zip(COLUMNS, raw, strict=True) if vote >= 0.3 * raw.sum()}
        assert set(parts_of(compound)) == strong
        assert strong <= {*EXPRESSIONS} - {"neutral"}
    else:
        assert compound == label


def test_the_embedded_layout(tmp_path: Path) -> None:
    """Pictures and pixels are the same faces, with the same classes and splits."""
    home = write_layout("ferplus", tmp_path, people=2)
    write_layout("fer2013", tmp_path, people=2)
    pictures = read_ferplus(tmp_path, MAJORITY)
    assert pictures["label"].nunique() == 8
    assert pictures.groupby("split").size().to_dict() == {"train": 18, "val": 18, "test": 18}
    (home / "data").rename(tmp_path / "aside")
    pixels = read_ferplus(tmp_path, MAJORITY)
    assert all("FER2013/fer2013.csv#row=" in path for path in pixels["path"])
    by_row = pixels.assign(row=pixels["path"].str.rpartition("=")[2].astype(int)).sort_values("row")
    names = pictures["path"].str[-11:-4].astype(int) + 2
    assert names[names.argsort()].tolist() == by_row["row"].tolist()
    for one, other in zip(pictures["path"].iloc[::7], names.iloc[::7], strict=True):
        same = by_row[by_row["row"] == other].iloc[0]
        png = one.replace("FERPlus/data", "aside")
        assert (read_picture(png) == read_picture(same["path"])).all()
        assert pictures.set_index("path")["label"][one] == same["label"]
    compound = read_ferplus(tmp_path, COMPOUND)
    assert (compound["label"] == "fearfully surprised").sum() == 6
    assert len(compound) == len(pixels)


def test_pictures_without_a_name_are_left_out(tmp_path: Path) -> None:
    """They show no face; a remark counts them and those without a majority."""
    write_layout("ferplus", tmp_path, people=2)
    table = read_ferplus(tmp_path, MAJORITY)
    assert table.attrs["remarks"][0].startswith("ferplus: 1 picture(s) left out")  # no majority
    write_layout("fer2013", tmp_path, people=2)
    shutil.rmtree(tmp_path / "FERPlus/data")
    table = read_ferplus(tmp_path, MAJORITY)
    assert table.attrs["remarks"][0].startswith("ferplus: 2 picture(s) left out")  # and no name
    assert not table["path"].str.endswith("#row=3").any()


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15
)
@given(seed=st.integers(0, 1000), upper=st.booleans(), box=st.booleans(), outer=st.booleans())
def test_lists_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, upper: bool, box: bool, outer: bool
) -> None:
    """Of lines, with a box or without as the code writes them, names in any case, other files."""
    root = tmp_path_factory.mktemp("data")
    home = write_layout("ferplus", root, people=1)
    before = read_ferplus(root, MAJORITY)
    for file in (home / "data").glob("*/label.csv"):
        lines = file.read_text().splitlines()
        random.Random(seed).shuffle(lines)
        kept = lines if box else [line.replace('"(0, 0, 48, 48)",', "") for line in lines]
        file.write_text("\r\n".join(kept))
        (file.parent / ".DS_Store").touch()
        (file.parent / "extra.png").touch()
        file.rename(file.with_name("LABEL.CSV") if upper else file)
    after = read_ferplus(root if outer else home / "data", MAJORITY)
    assert after.equals(before)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda text: text.replace(",0,10\n", ",0\n"),
            r"fer2013new\.csv, line 3: .* no line of votes",
        ),
        (lambda text: text.replace("neutral,happiness", "happiness,neutral"), "first line must be"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "28 rows and .* has 29"),
        (
            lambda text: text.replace("\nPublicTest", "\nPrivateTest", 1),
            r"fer2013new\.csv, line 13: a picture of PrivateTest, but of PublicTest",
        ),
    ],
)
def test_lists_that_do_not_fit_are_one_line(tmp_path: Path, damage: object, said: str) -> None:
    """Rows that are shifted against FER2013's would give each picture another one's votes."""
    home = write_layout("ferplus", tmp_path, people=1)
    write_layout("fer2013", tmp_path, people=1)
    shutil.rmtree(home / "data")
    file = home / "fer2013new.csv"
    file.write_text(damage(file.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=said) as error:
        read_ferplus(tmp_path, MAJORITY)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Votes without pictures, as they are published; a listed picture; all of it."""
    with pytest.raises(DataError, match="ferplus not found"):
        read_ferplus(tmp_path, MAJORITY)
    home = write_layout("ferplus", tmp_path, people=1)
    (home / "data/FER2013Train/fer0000002.png").unlink()
    with pytest.raises(DataError, match=r"label\.csv, line 2: fer0000002\.png is not in"):
        read_ferplus(tmp_path, MAJORITY)
    for picture in (home / "data").glob("*/*.png"):
        picture.unlink()
    with pytest.raises(DataError, match=r"put fer2013\.csv beside them"):
        read_ferplus(tmp_path, MAJORITY)


def test_a_box_cuts_its_picture(tmp_path: Path) -> None:
    """Only where it is not all of it, which keeps the name of the file."""
    home = write_layout("ferplus", tmp_path, people=1)
    file = home / "data/FER2013Test/label.csv"
    file.write_text(file.read_text().replace("(0, 0, 48, 48)", "(4, 8, 40, 48)", 1))
    paths = read_ferplus(tmp_path, MAJORITY)["path"]
    assert paths.str.endswith("#xywh=4,8,36,40").sum() == 1
    assert read_picture(paths[paths.str.contains("#")].iloc[0]).shape == (40, 36, 3)


def test_votes_are_chosen_on_the_command_line(tmp_path: Path) -> None:
    """The word reaches the adapter, and the new class can be drawn in an evaluation."""
    write_layout("ferplus", tmp_path, people=2)
    words = ["dataset=ferplus", "dataset.votes=compound", "eval=ferplus_fixed5"]
    chosen = read_settings(compose("train", [*words, f"paths.data={tmp_path}"]), TrainVerb)
    table = load_dataset(chosen.dataset, find_source(chosen.paths, chosen.demo))
    assert {*table["split"]} == {"train"}
    assert (table["label"] == "fearfully surprised").sum() == 2
    assert (chosen.eval.dataset.split, chosen.eval.k_shot) == ("test", 5)
