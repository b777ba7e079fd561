"""Groups: whoever and whichever clip a list names, support and query share neither."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import touch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.table import make_table
from fewshot_fer.episodes.leakage import shared_groups

NAMES = st.sampled_from(["", "1", "2", "3", "4"])


def write(folder: Path, *lines: str) -> Path:
    """Write a list of pictures that are there; return it."""
    touch(*(folder / line.split(",")[0] for line in lines[1:]))
    (folder / "list.csv").write_text("\n".join(lines))
    return folder / "list.csv"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=12))
def test_images_that_share_any_name_are_one_group(names: list[tuple[str, str, str]]) -> None:
    """Against the connected components that SciPy finds, whatever is named and whatever not."""
    rows: list[dict[str, object]] = [
        {"path": f"{n:02}", "label": "x", "split": "all", "dataset": "d"}
        | dict(zip(("group", "clip", "person"), each, strict=True))
        for n, each in enumerate(names)
    ]
    groups = make_table(rows, ("group", "clip", "person"))["group"]
    shared = [
        (i, j)
        for i, j in combinations(range(len(names)), 2)
        if any(a and a == b for a, b in zip(names[i], names[j], strict=True))
    ]
    links = np.array(shared, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(links.shape[1]), (links[0], links[1])), shape=(len(names),) * 2)
    wanted = connected_components(graph, directed=False)[1]
    assert (pd.factorize(groups)[0] == pd.factorize(wanted)[0]).all()


@pytest.mark.parametrize(
    "header", ["clip", "group", "subject", "Identity", "video", "person_id", "clip_id"]
)
def test_a_column_of_any_name_makes_the_same_groups(tmp_path: Path, header: str) -> None:
    """A clip is a group, and so is a subject: the same episodes, and so the same figures."""
    lines = [f"{clip}_{n}.jpg,anger,{clip}" for clip in ("007", "7", "b") for n in range(2)]
    table = read_csv_list(write(tmp_path, f"path,label,{header}", *lines))
    assert table["group"].tolist() == ["007", "007", "7", "7", "b", "b"]
    is_clip = header in ("clip", "video", "clip_id")
    assert table["clip"].tolist() == (table["group"].tolist() if is_clip else [""] * 6)


def test_a_shared_clip_joins_subjects_and_says_so(tmp_path: Path) -> None:
    """Two people in one film: what either of them shows is kept on one side."""
    lines = ("a.jpg,x,S1,c1", "b.jpg,x,S2,c1", "c.jpg,x,S2,c2", "d.jpg,x,S3,c3", "e.jpg,x,,c4")
    table = read_csv_list(write(tmp_path, "path,label,subject,clip", *lines))
    assert table["group"].tolist() == ["S1", "S1", "S1", "S3", "c4"]
    assert any("S1 and S2" in remark for remark in table.attrs["remarks"])


def test_clips_numbered_anew_in_each_class_vote_apart(tmp_path: Path) -> None:
    """A clip has one class: clip 1 of two classes is two clips in a vote, and one group."""
    lines = ("a.jpg,joy,1", "b.jpg,fear,1", "c.jpg,fear,2")
    table = read_csv_list(write(tmp_path, "path,label,clip", *lines))
    assert table["clip"].tolist() == ["happiness/1", "fear/1", "2"]
    assert table["group"].tolist() == ["1", "1", "2"]


def test_one_name_in_two_unicode_forms_is_one_group(tmp_path: Path) -> None:
    """Lists that were joined from two systems; blanks and what has no width do not count."""
    lines = ("a.jpg,x,\uac00", "b.jpg,x,\u1100\u1161", "c.jpg,x,\u200b\uac00\u00a0", "d.jpg,x,-1")
    table = read_csv_list(write(tmp_path, "path,label,group", *lines, "e.jpg,x,1"))
    assert table["group"].tolist() == ["\uac00"] * 3 + ["-1", "1"]


def test_a_clip_in_two_lists_is_found_whatever_else_they_name() -> None:
    """One list names subjects and clips, the other clips alone."""
    common = {"label": "x", "split": "all", "dataset": "csv"}
    one = make_table([{**common, "path": "a", "group": "S1", "clip": "c1"}])
    other = make_table([{**common, "path": p, "clip": c} for p, c in (("b", "c1"), ("c", "c2"))])
    assert shared_groups(other, one).tolist() == ["csv c1"]
    assert shared_groups(one, other).tolist() == ["csv S1"]
