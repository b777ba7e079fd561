"""Who transfers to whom: transfer.csv from the folders of jobs, its matrix and its picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fewshot_fer.reports.transfer import TransferMatrix, read_transfer, transfer_matrices
from fewshot_fer.reports.transfer_picture import FRAME, draw_transfer
from fewshot_fer.reports.transfer_table import transfer_table
from fewshot_fer.runs.find import JobRecord
from fewshot_fer.runs.folder import RESULT_COLUMNS

BASIC = ["anger", "fear", "happiness"]
SETS = {"afew_5w5s": "afew", "ckplus_5w5s": "ckplus"}
FROZEN = {"dataset": "afew", "train": "frozen", "backbone": "face_expression"}
Rows = list[dict[str, str]]


def result(test: str, accuracy: str, **cells: str) -> dict[str, str]:
    """Return a row of results.csv."""
    row = {"role": "test", "dataset": SETS[test], "protocol": test, "method": "cosine"}
    row |= {"level": "image", "accuracy": accuracy, "uar": accuracy, "chance": "0.2"}
    row |= {"ci95_low": "0.1", "ci95_high": "0.9", "trained_on_test": "false"}
    row |= {"n_way": "5", "k_shot": "5", "episodes": "600", "pretrained": "none"}
    return row | cells


def job(
    root: Path,
    number: int,
    overrides: dict[str, str],
    rows: Rows,
    classes: dict[str, list[str]] | None = None,
    bad: dict[str, str] | None = None,
    further: bool = False,
) -> JobRecord:
    """Write the folder of a job that is done; classes: of the source, and of tests."""
    own = root / str(number)
    own.mkdir()
    every = [{column: row.get(column, "") for column in RESULT_COLUMNS} for row in rows]
    pd.DataFrame(every, columns=list(RESULT_COLUMNS)).to_csv(own / "results.csv", index=False)
    source = overrides["dataset"]
    tests = {name: {"dataset": {"adapter": sets}} for name, sets in SETS.items()}
    config = {"dataset": {"adapter": source}, "test": tests}
    (own / "config.yaml").write_text(json.dumps(config))
    known = {"dataset": BASIC} | {f"test.{name}": BASIC for name in SETS} | (classes or {})
    tables: dict[str, Any] = {
        key: {"sets": [SETS.get(key.removeprefix("test."), source)], "classes": own_classes}
        for key, own_classes in known.items()
    }
    (own / "summary.json").write_text(json.dumps({"results": [], "tables": tables}))
    if bad:
        lines = [f"{name},{why},\n" for name, why in bad.items()]
        (own / "bad_tests.csv").write_text("test,reason,data\n" + "".join(lines))
    return JobRecord(number, own, overrides, "", further)


def both(first: str, second: str, **cells: str) -> Rows:
    return [
        result("afew_5w5s", first, **cells),
        result("ckplus_5w5s", second, **cells),
    ]


def cells_of(jobs: list[JobRecord]) -> pd.DataFrame:
    table = transfer_table(jobs)
    assert table is not None
    return table.set_index(["source", "target"])


def test_means_over_seeds_by_hand(tmp_path: Path) -> None:
    """A failed seed is left out of the mean and named; a single seed keeps its very digits."""
    jobs = [
        job(tmp_path, 0, {"dataset": "afew", "seed": "0"}, both("0.5", "0.123456")),
        job(tmp_path, 1, {"dataset": "afew", "seed": "1"}, both("0.7", "0.3", ci95_low="0.3")),
        job(tmp_path, 2, {"dataset": "ckplus", "seed": "0"}, both("0.4125", "0.9")),
        JobRecord(3, tmp_path / "3", {"dataset": "ckplus", "seed": "1"}, "no memory"),
    ]
    table = cells_of(jobs)
    assert len(table) == 4
    mean = table.loc[("afew", "afew_5w5s")]
    assert mean["seeds"] == "2"
    assert float(mean["accuracy"]) == pytest.approx(0.6)
    assert float(mean["accuracy_deviation"]) == pytest.approx(0.1414214, abs=1e-6)
    assert float(mean["ci95_low"]) == pytest.approx(0.2)
    single = table.loc[("ckplus", "afew_5w5s")]
    assert (single["accuracy"], single["accuracy_deviation"]) == ("0.4125", "")
    assert (single["seeds"], single["error"], single["jobs"]) == ("1", "no memory", "2")


def test_classes_of_both_sides_and_the_same_set(tmp_path: Path) -> None:
    classes = {"test.ckplus_5w5s": ["contempt", "fear", "happiness"]}
    jobs = [
        job(tmp_path, 0, {"dataset": "afew"}, both("0.5", "0.4"), classes),
        job(tmp_path, 1, {"dataset": "ckplus"}, both("0.5", "0.4"), {"dataset": ["contempt"]}),
    ]
    table = cells_of(jobs)
    assert table.loc[("afew", "ckplus_5w5s"), "shared_classes"] == "fear; happiness"
    assert table.loc[("afew", "ckplus_5w5s"), "n_shared"] == "2"
    assert table.loc[("ckplus", "afew_5w5s"), "n_shared"] == "0"
    same = table.index[table["same_set"] == "true"].tolist()
    assert same == [("afew", "afew_5w5s"), ("ckplus", "ckplus_5w5s")]


def test_a_source_that_holds_a_part_of_the_target_is_the_same_set(tmp_path: Path) -> None:
    """As the mixed set does; folders are told apart by their places."""
    mixed = job(tmp_path, 0, {"dataset": "mixed"}, both("0.5", "0.4"))
    summary = json.loads((mixed.folder / "summary.json").read_text())
    summary["tables"]["dataset"]["sets"] = ["afew", "rafdb_basic"]
    (mixed.folder / "summary.json").write_text(json.dumps(summary))
    folder = job(tmp_path, 1, {"dataset": "folder"}, both("0.5", "0.4"))
    config = json.loads((folder.folder / "config.yaml").read_text())
    config["dataset"]["root"] = "/one"
    for name, root in zip(SETS, ("/one", "/other"), strict=True):
        config["test"][name]["dataset"] = {"adapter": "folder", "root": root}
    (folder.folder / "config.yaml").write_text(json.dumps(config))
    summary = json.loads((folder.folder / "summary.json").read_text())
    for own in summary["tables"].values():
        own["sets"] = ["folder"]
    (folder.folder / "summary.json").write_text(json.dumps(summary))
    table = cells_of([mixed, folder])
    assert table["same_set"].tolist() == ["true", "false", "true", "false"]


def test_a_cell_without_a_figure_says_why(tmp_path: Path) -> None:
    """A test that was left out, and a source whose job failed before it wrote anything."""
    jobs = [
        job(
            tmp_path,
            0,
            {"dataset": "afew"},
            both("0.5", "0.4")[1:],
            bad={"afew_5w5s": "too small"},
        ),
        JobRecord(1, tmp_path / "1", {"dataset": "ckplus", "test": "[afew_5w5s]"}, "not found"),
        job(tmp_path, 2, {"dataset": "rafdb_basic"}, both("0.5", "0.4")),
    ]
    table = cells_of(jobs)
    assert table.loc[("afew", "afew_5w5s"), ["accuracy", "error"]].tolist() == ["", "too small"]
    assert table.loc[("afew", "ckplus_5w5s"), "accuracy"] == "0.4"  # not the first row of the file
    failed = table.loc["ckplus"]
    assert failed["error"].tolist() == ["not found"] * 2
    assert failed.loc["ckplus_5w5s", "same_set"] == "true"


def test_a_frozen_encoder_has_no_source(tmp_path: Path) -> None:
    """Its job loads some data set as every run does, but nothing is learnt from it."""
    stamps = {"trained_on_test": "true", "warnings": "trained_on_test;shared_images:4;two_names:2"}
    jobs = [
        job(tmp_path, 0, {"dataset": "afew", "seed": "0"}, both("0.5", "0.4", **stamps)),
        job(tmp_path, 1, FROZEN | {"seed": "0"}, both("0.6", "0.3", **stamps), further=True),
    ]
    table = cells_of(jobs)
    honest = ["same_set", "n_shared", "trained_on_test", "warnings"]
    own = table.loc[("frozen face_expression", "afew_5w5s"), honest].tolist()
    assert own == ["false", "", "", "two_names:2"]
    assert table.loc[("afew", "afew_5w5s"), "warnings"] == stamps["warnings"]
    assert table.loc[("afew", "afew_5w5s"), "trained_on_test"] == "true"


def test_other_settings_and_other_methods_stand_apart(tmp_path: Path) -> None:
    """A row of the matrix for each backbone of a source, a matrix for each method."""
    jobs = []
    for number, (source, backbone) in enumerate((s, b) for s in ("afew", "ckplus") for b in "ab"):
        rows = [
            result(test, f"0.{number}{place}", method=method)
            for test in SETS
            for place, method in enumerate(("cosine", "tim"), start=1)
        ]
        jobs.append(job(tmp_path, number, {"dataset": source, "backbone": backbone}, rows))
    table = transfer_table(jobs)
    assert table is not None
    assert len(table) == 4 * 2 * 2
    own, tim = transfer_matrices(table)
    assert own.sources == [(s, f"backbone={b}") for s in ("afew", "ckplus") for b in "ab"]
    assert (own.method, tim.method) == ("cosine", "tim")
    assert [cell.accuracy for cell in own.cells[2]] == [0.21, 0.21]
    assert [cell.accuracy for cell in tim.cells[2]] == [0.22, 0.22]


def test_a_method_that_is_one_row_s_own_is_compared_in_all(tmp_path: Path) -> None:
    """The frozen encoder's own is another than the sources': it stands in both matrices."""
    rows = [
        result(test, a, method=m) for test in SETS for m, a in (("cosine", "0.5"), ("p", "0.4"))
    ]
    jobs = [job(tmp_path, 0, {"dataset": "afew"}, rows)]
    jobs += [job(tmp_path, 1, FROZEN, both("0.6", "0.3", method="p"), further=True)]
    table = transfer_table(jobs)
    assert table is not None
    own, other = transfer_matrices(table)
    assert (own.method, other.method) == ("cosine, p", "p")
    assert [[cell.accuracy for cell in cells] for cells in own.cells] == [[0.5, 0.5], [0.6, 0.3]]
    assert [[cell.accuracy for cell in cells] for cells in other.cells] == [[0.4, 0.4], [0.6, 0.3]]


def test_two_tests_that_are_alike_keep_their_names(tmp_path: Path) -> None:
    """Rows of one protocol in a row: each test its own, in the order of the settings."""
    rows = [result("afew_5w5s", "0.5"), result("afew_5w5s", "0.6")]
    jobs = [job(tmp_path, number, {"dataset": name}, rows) for number, name in enumerate("ab")]
    assert cells_of(jobs)["accuracy"].tolist() == ["0.5", "0.6"] * 2


def test_other_sweeps_have_no_such_table(tmp_path: Path) -> None:
    """One source, or no test: there is no transfer to speak of."""
    jobs = [job(tmp_path, n, {"dataset": "afew", "seed": str(n)}, both("0", "1")) for n in (0, 1)]
    assert transfer_table(jobs) is None
    assert transfer_table([]) is None
    assert read_transfer(tmp_path) == []


def made(tmp_path: Path) -> TransferMatrix:
    jobs = [
        job(tmp_path, 0, {"dataset": "afew"}, both("0.5", "0.15")),
        job(tmp_path, 1, {"dataset": "ckplus"}, both("0.4", "0.9")),
    ]
    table = transfer_table(jobs)
    assert table is not None
    table.to_csv(tmp_path / "transfer.csv", index=False)
    (matrix,) = read_transfer(tmp_path)
    return matrix


def test_a_matrix_read_from_its_file(tmp_path: Path) -> None:
    """Headings with chance; what is above it; which pairs share which classes."""
    matrix = made(tmp_path)
    assert matrix.targets == [(test, "5-way 5-shot", "20.0") for test in SETS]
    above = [[cell.above_chance for cell in cells] for cells in matrix.cells]
    assert above == [pytest.approx([0.375, 0.0]), pytest.approx([0.25, 0.875])]
    assert [[cell.at_chance for cell in cells] for cells in matrix.cells] == [[True] * 2] * 2
    assert matrix.shared == {tuple(BASIC): ["afew, ckplus → afew_5w5s, ckplus_5w5s"]}


@pytest.mark.drawn
def test_the_picture_frames_the_same_set(tmp_path: Path) -> None:
    """Two cells of four, from the upper left to the lower right."""
    draw_transfer(made(tmp_path), tmp_path / "transfer.png")
    with Image.open(tmp_path / "transfer.png") as picture:
        red = np.asarray(picture.convert("RGB")) == tuple(bytes.fromhex(FRAME[1:]))
    y, x = np.nonzero(red.all(axis=2)[: int(0.8 * len(red))])  # the legend is below
    left = x < (x.min() + x.max()) / 2
    assert y[left].max() < y[~left].min()
