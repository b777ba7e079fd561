"""Pictures that stand in two data sets of one table, found by `check`."""

import json
import shutil
from pathlib import Path

from conftest import Command, saved_anew


def test_pictures_in_two_sets_are_found(command: Command, demo: Path, tmp_path: Path) -> None:
    """Byte for byte and saved anew; two class names for one picture invalidate a result."""
    faces = demo / "RAF-DB/basic/Image/aligned"
    first, second, third, fourth = sorted(faces.glob("train_*"))[:4]
    labels = dict(
        line.split()
        for line in (demo / "RAF-DB/basic/EmoLabel")
        .glob("*.txt")
        .__next__()
        .read_text()
        .splitlines()
    )
    names = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    own = {
        path: names[int(labels[path.name.replace("_aligned", "")]) - 1]
        for path in (first, second, third, fourth)
    }
    shutil.copy(first, tmp_path / "copy.jpg")
    saved_anew(second, tmp_path / "anew.jpg", 64, 80)
    shutil.copy(third, tmp_path / "renamed.jpg")
    other = next(name for name in names if name != own[third])
    lines = [f"copy.jpg,{own[first]}", f"anew.jpg,{own[second]}", f"renamed.jpg,{other}"]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    outcome = command(
        *("check", "paths=demo", "demo.scale=0.02", "dataset=union", "eval=compound_4w5s"),
        *("dataset.sets=[rafdb_basic,csv]", f"dataset.file={tmp_path / 'list.csv'}", "seed=1"),
        *("train.n_way=2", "train.k_shot=1", "train.n_query=1", "eval.k_shot=1"),
    )
    found = json.loads((outcome.folder / "check.json").read_text())
    of_sets = {
        one["title"].split(" in ")[0]: (one["level"], one["paths"])
        for one in found["findings"]
        if "rafdb_basic and csv of training" in one["title"]
    }
    copies = {tuple(Path(path).name for path in paths) for paths in of_sets["the same pictures"][1]}
    assert copies == {(first.name, "copy.jpg"), (third.name, "renamed.jpg")}
    level, twins = of_sets["near-identical pictures"]
    assert (level, [Path(path).name for path in twins[0]]) == ("note", [second.name, "anew.jpg"])
    named_twice = [one for one in found["findings"] if "two class names" in one["title"]]
    assert [Path(path).name for path in named_twice[0]["paths"][0]] == [third.name, "renamed.jpg"]
    assert outcome.code == 1
    counted = {one["dataset"].split()[0] for one in found["counts"]}
    assert counted == {"rafdb_basic", "csv", "rafdb_compound"}  # each set of the union by itself
