"""Runs that are evaluated relative to neutral faces, from the words typed to results.csv."""

from pathlib import Path

import numpy as np
import pandas as pd
from conftest import TINY, Command, assert_one_line, draw_pattern

NAMES = ("neutral", "happiness", "anger")


def write_list(folder: Path, subjects: int) -> Path:
    """Write a list of two pictures a class and subject, and return its file."""
    random = np.random.default_rng(0)
    lines = ["path,label,group"]
    for subject in range(subjects):
        for number, name in enumerate(NAMES):
            for picture in range(2):
                file = f"{subject}_{name}_{picture}.jpg"
                draw_pattern(folder / file, number, random)
                lines.append(f"{file},{name},{subject}")
    (folder / "list.csv").write_text("\n".join(lines))
    return folder / "list.csv"


def result(folder: Path) -> "pd.Series[str]":
    table = pd.read_csv(folder / "results.csv", keep_default_na=False, dtype=str)
    return table[table["role"] != "train"].iloc[-1]


def test_evaluated_relative_to_neutral_faces(command: Command, tmp_path: Path, data: Path) -> None:
    """The run's own setting holds in its tests unless they are told otherwise; every such row says
    what it knows; the same episodes give other losses. A set without subjects is one line."""
    file = write_list(tmp_path / "faces", 6)
    words = ("eval=csv_5w5s", f"eval.dataset.file={file}", "eval.n_way=3", "eval.k_shot=1")
    trained = command(
        "train", *TINY, "train.epochs=1", f"paths.data={data}", *words, "method.neutral=subject"
    )
    assert trained.code == 0, trained.err
    assert result(trained.folder)["uses"] == "neutral face of the subject"
    asked = ("test=csv_5w5s", f"test.dataset.file={file}", "test.n_way=3", "test.k_shot=1")
    folders = [
        command("test", f"run={trained.folder}", *asked, *more).folder
        for more in ((), ("neutral=none",))
    ]
    as_trained, plain = map(result, folders)
    compared = command("report", f"compare={folders[1]},{folders[0]}").out
    assert "B knows neutral face of the subject" in compared
    assert "A knows" not in compared
    assert (as_trained["uses"], plain["uses"]) == ("neutral face of the subject", "")
    assert as_trained["episodes_id"] == plain["episodes_id"]
    assert as_trained["loss"] != plain["loss"]
    fixed = ("test.kind=fixed", "test.n_way=0", "test.support_split=all")
    assert result(command("test", f"run={trained.folder}", *asked, *fixed).folder)["uses"] != ""
    refused = command("test", f"run={trained.folder}", "test=basic_7w1s", "neutral=subject")
    assert_one_line(refused, "test basic_7w1s cannot be taken relative to neutral faces")
    refused = command("test", f"run={trained.folder}", "test=compound_4w5s")
    assert_one_line(refused, "no class neutral")
    checked = command("check", f"paths.data={data}", "method.neutral=subject")
    assert checked.code == 1
    assert "neutral faces: validation compound" in checked.out
    faces = (f"images={file.parent}/0_anger_0.jpg", "align=false")
    assert "give neutral=" in command("predict", f"run={trained.folder}", *faces).out
    own = f"neutral={file.parent}/0_neutral_0.jpg"
    assert "give neutral=" not in command("predict", f"run={trained.folder}", *faces, own).out
