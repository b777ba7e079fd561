"""The parts of the audit one by one: leaks, published counts, stamps."""

import itertools
from pathlib import Path

import pandas as pd
import pytest
from conftest import face_table, touch
from PIL import Image

from fewshot_fer.config.schema import DatasetConfig
from fewshot_fer.data.adapters.csv_list import read_csv_list
from fewshot_fer.data.labels import AFEW_CLIP_COUNTS, MIXED_COUNTS
from fewshot_fer.episodes.leakage import quick_audit
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.reports.audit.counts import class_counts, leak_share, name_findings
from fewshot_fer.reports.audit.images import look_at_all, picture_findings


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("n_way", "k_shot"), [(2, 1), (2, 2), (3, 1)])
def test_leak_share_equals_brute_force(n_way: int, k_shot: int, nested: bool) -> None:
    """The closed form against every episode there is, groups spanning classes or not."""
    groups = {"a": ["x", "x", "y", "z"], "b": ["u", "u", "u", "x"], "c": ["x", "v", "v", "w"]}
    if nested:
        groups = {label: [label + name for name in names] for label, names in groups.items()}
    table = face_table(dict.fromkeys(groups, 4), groups)
    assert leak_share(table, n_way, k_shot) == pytest.approx(_brute(groups, n_way, k_shot))


def _brute(groups: dict[str, list[str]], n_way: int, k_shot: int) -> float:
    """Return the share of queries that meet their group, over every episode with one query."""
    met = total = 0
    for classes in itertools.combinations(groups, n_way):
        supports = [list(itertools.combinations(range(4), k_shot)) for _ in classes]
        for drawn in itertools.product(*supports):
            held = {groups[c][row] for c, rows in zip(classes, drawn, strict=True) for row in rows}
            for own, rows in zip(classes, drawn, strict=True):
                queries = [groups[own][row] for row in range(4) if row not in rows]
                met += sum(group in held for group in queries)
                total += len(queries)
    return met / total


def test_published_counts() -> None:
    """The figures that counts are compared with are those of the publications."""
    assert sum(MIXED_COUNTS.values()) == 16_359
    assert {split: sum(some.values()) for split, some in AFEW_CLIP_COUNTS.items()} == {
        "train": 773,
        "val": 383,
    }
    table = face_table({"anger": 3})
    counts = class_counts(DatasetConfig(adapter="csv"), table, official=True)
    assert [(count.found, count.official) for count in counts] == [(3, None)]


def test_names_that_may_be_meant_otherwise_are_noted(tmp_path: Path) -> None:
    """Two spellings that became one class, one that is a letter from another, two that look alike;
    signs make two classes and no note."""
    names = ["Joy", "Happy", "Suprise", "-1", "1", "bored", "\uff42ored"]
    touch(*(tmp_path / f"{place}.jpg" for place in range(len(names))))
    lines = [f"{place}.jpg,{name}" for place, name in enumerate(names)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    found = name_findings("csv", read_csv_list(tmp_path / "list.csv"))
    assert [finding.detail for finding in found] == [
        "csv: Happy and Joy are both read as happiness",
        "suprise is one letter from surprise, and a class of its own",
        "'bored' and '\uff42ored' are classes of their own",
    ]


def test_lost_clips_count_as_clips() -> None:
    """A clip without any face is there all the same: it is in the published counts too."""
    table = face_table({"anger": 2}).assign(split="val", clip="val/Angry/1")
    table.attrs["lost_clips"] = {"val/Angry/2": "anger"}
    counts = class_counts(DatasetConfig(adapter="afew"), table, official=True)
    anger = [count for count in counts if (count.split, count.label) == ("val", "anger")]
    assert [(count.found, count.official) for count in anger] == [(2, 64)]


def quick_protocol(kind: str, table: pd.DataFrame) -> EpisodicProtocol:
    shape = Shape(2, 1, 1)
    return EpisodicProtocol(kind, kind, "made", table, 1, build_pool(table, shape))


def test_quick_audit_stamps() -> None:
    """What train stamps on results: shared files and groups, and test images among those learnt."""
    sizes = {"a": 6, "b": 6}
    groups = {"a": ["x", "x", "y", "z", "p", "q"], "b": ["u", "u", "v", "w", "r", "s"]}
    table = face_table(sizes, groups)
    training = quick_protocol("train", table)
    assert quick_audit(training, []) == []
    other = quick_protocol("validation", table.assign(path="other/" + table["path"]))
    assert quick_audit(other, [training]) == ["shared_groups:10"]
    strangers = table.assign(dataset="another", path="another/" + table["path"])
    assert quick_audit(quick_protocol("validation", strangers), [training]) == []
    tested = table.assign(split="test")
    on_test, own = quick_protocol("train", tested), quick_protocol("test", tested)
    spoilt = ["trained_on_test", "shared_images:12", "shared_groups:10"]
    assert quick_audit(own, [on_test, other]) == spoilt
    assert quick_audit(quick_protocol("validation", strangers), [on_test]) == []


def test_animations_and_pages_are_counted(tmp_path: Path) -> None:
    """Only their first picture is taken, which a person should know; a camera's preview is none."""
    first, second = Image.new("RGB", (90, 90), "red"), Image.new("RGB", (90, 90), "blue")
    for name in ("moving.gif", "pages.tif", "camera.mpo"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
    first.save(tmp_path / "one.gif")
    looks = look_at_all([str(path) for path in sorted(tmp_path.iterdir())])
    found = {finding.title: finding for finding in picture_findings(looks.values())}
    named = found["images of several frames or pages"].paths
    assert [Path(path).name for (path,) in named] == ["moving.gif", "pages.tif"]
