"""RAF-DB's label list: any valid list is read as it was meant, any other is one clear error."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot_fer.data.adapters.label_list import read_label_list
from fewshot_fer.system.errors import DataError

IN_ONE_FILE = settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
NAMES = st.one_of(
    st.integers(0, 99_999).map(lambda number: f"train_{number:05}"),
    st.integers(0, 9_999).map(lambda number: f"test_{number:04}"),
)
LISTS = st.lists(
    st.tuples(NAMES, st.integers(1, 7)), min_size=1, max_size=20, unique_by=lambda line: line[0]
)
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"])
WRONG = [
    "train_00009.jpg 5 6",
    "train_00009.jpg",
    "train_00009.jpg 0",
    "train_00009.jpg 8",
    "train_00009.jpg -1",
    "valid_00009.jpg 5",
    "../train_00009.jpg 5",
    "train_/../../x.jpg 5",
    "train_00009.jpg 5\0",
    "train_00009.jpg 5.0",
    "train_00009.jpg 99999999999999999999",
    "train_00009.jpg,5",
    "train_00009 5",
    "00009.jpg 5",
    "5 train_00009.jpg",
    "train_\\00009.jpg 5",
    "train_...jpg 5",
    "train_00009.jpg \u0665",
    "train_00009.jpg 5" + " " * 10 + "x" * 300,
]


@IN_ONE_FILE
@given(LISTS, st.booleans(), st.data())
def test_line_ends_may_be_mixed(
    tmp_path: Path, lines: list[tuple[str, int]], bom: bool, data: st.DataObject
) -> None:
    """Names, ids, order and line numbers survive lists that were edited on several systems."""
    gap = data.draw(st.sampled_from([" ", "\t", "  "]))
    text = "".join(f"{name}.jpg{gap}{class_id}{data.draw(ENDS)}" for name, class_id in lines)
    file = tmp_path / "list.txt"
    file.write_bytes((("\ufeff" if bom else "") + text).encode())
    read = read_label_list(file, 7)
    assert [(line.name, line.class_id) for line in read] == lines
    assert all(line.name.startswith(f"{line.split}_") for line in read)
    numbered = [text.splitlines()[line.number - 1] for line in read]
    assert numbered == [f"{name}.jpg{gap}{class_id}" for name, class_id in lines]


@IN_ONE_FILE
@given(LISTS, st.sampled_from(WRONG), st.data())
def test_a_corrupted_line_is_always_found(
    tmp_path: Path, lines: list[tuple[str, int]], wrong: str, data: st.DataObject
) -> None:
    """Wherever the wrong line stands, its number and text are reported in one short line."""
    texts = [f"{name}.jpg {class_id}" for name, class_id in lines]
    place = data.draw(st.integers(0, len(texts)))
    texts.insert(place, wrong)
    file = tmp_path / "list.txt"
    file.write_bytes("\r\n".join(texts).encode())
    expected = re.escape(f"{file}, line {place + 1}: {repr(wrong)[:50]}")
    with pytest.raises(DataError, match=expected) as caught:
        read_label_list(file, 7)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(file)) + 250


@IN_ONE_FILE
@given(st.binary(max_size=60))
def test_any_bytes_give_lines_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    """Whatever a file holds, no other exception than DataError leaves the parser."""
    file = tmp_path / "list.txt"
    file.write_bytes(b"train_00001.jpg 5\n" + content)
    try:
        first = read_label_list(file, 7)[0].name
    except DataError as error:
        first = "train_00001" if str(file) in str(error) else "unnamed"
    assert first == "train_00001"


@pytest.mark.parametrize("again", ["train_00001.jpg 3", "Train_00001.JPG 5"])
def test_listed_twice_whatever_the_case(tmp_path: Path, again: str) -> None:
    """Names that lead to one file are one name: which label is right cannot be known."""
    file = tmp_path / "list.txt"
    file.write_text(f"train_00001.jpg 5\ntrain_00002.jpg 1\n{again}")
    with pytest.raises(DataError, match=r"line 3: .* on line 1"):
        read_label_list(file, 7)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\n \n", "is empty"), (b"\xff\xfe\x00\xd8", "cannot be read as text")]
)
def test_a_list_without_a_line_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_label_list(tmp_path / "list.txt", 7)


def test_compound_ids(tmp_path: Path) -> None:
    """The compound subset's ids run to 11; an id that basic lacks is right there alone."""
    file = tmp_path / "list.txt"
    file.write_text("train_00001.jpg 11")
    assert read_label_list(file, 11)[0].class_id == 11
    with pytest.raises(DataError, match=r"1\.\.7"):
        read_label_list(file, 7)
