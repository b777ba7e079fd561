"""What `check` finds in data that were spoilt on purpose, and that it leaves clean data alone."""

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import draw_pattern, face_table
from PIL import Image

from fewshot_fer import check
from fewshot_fer.audit.leaks import leak_share
from fewshot_fer.audit.looks import look_at_all
from fewshot_fer.audit.official import AFEW_CLIP_COUNTS, MIXED_COUNTS, class_counts
from fewshot_fer.audit.quick import quick_audit
from fewshot_fer.audit.twins import find_twins, stack
from fewshot_fer.config import DatasetConfig
from fewshot_fer.demo import ensure_demo
from fewshot_fer.pool import Shape, build_pool
from fewshot_fer.roles import Role

CLASSES = ("happy", "sad", "angry")
SMALL = ("train.n_way=3", "train.k_shot=2", "train.n_query=2", "eval.n_way=3", "eval.k_shot=2")


@pytest.fixture(scope="session")
def demo(cache: Path) -> Path:
    """A small drawing of the embedded data set, made once."""
    return ensure_demo(cache, 0.02, 0)


@dataclass(frozen=True)
class Checked:
    """Exit code, screen, and check.json, empty where none was written."""

    code: int
    out: str
    err: str
    report: dict[str, Any]

    def finding(self, title: str) -> dict[str, Any]:
        """Return the one finding whose title starts so."""
        found = [one for one in self.report["findings"] if one["title"].startswith(title)]
        assert len(found) == 1, [one["title"] for one in self.report["findings"]]
        return found[0]

    def titles(self, level: str) -> list[str]:
        return [one["title"] for one in self.report["findings"] if one["level"] == level]


Check = Callable[..., Checked]


@pytest.fixture
def typed(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Check:
    """Type `python -m fewshot_fer.check <arguments>` in an empty folder, within this process."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("FEWSHOT_FER_CACHE", str(cache))
    monkeypatch.delenv("FEWSHOT_FER_DATA", raising=False)

    def run(*arguments: str) -> Checked:
        monkeypatch.setattr(sys, "argv", ["fewshot_fer.check", *arguments])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        before = set(Path("outputs").glob("*/*/check.json"))
        code = 0
        try:
            check.main()
        except SystemExit as exit_code:
            code = int(exit_code.code or 0)
        screen = capsys.readouterr()
        made = set(Path("outputs").glob("*/*/check.json")) - before  # a sweep's lie deeper
        report = json.loads(made.pop().read_text()) if made else {}
        return Checked(code, screen.out, screen.err, report)

    return run


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Two data sets, `learn` and `ask`: three classes of six pictures each, all different."""
    for seed, name in enumerate(("learn", "ask")):
        random = np.random.default_rng(seed)
        for number, label in enumerate(CLASSES):
            for image in range(6):
                path = tmp_path / "faces" / name / label / f"{image}.jpg"
                draw_pattern(path, number + 3 * seed, random)
    return tmp_path / "faces"


def folders(faces: Path, *more: str) -> tuple[str, ...]:
    """Return the command line that learns from `learn` and is validated on `ask`."""
    roots = (f"dataset.root={faces / 'learn'}", f"eval.dataset.root={faces / 'ask'}")
    return ("dataset=folder", "eval=folder_5w5s", *roots, *SMALL, *more)


def saved_anew(source: Path, target: Path, side: int, quality: int) -> None:
    """Write a copy of a picture with another size and compression."""
    with Image.open(source) as picture:
        picture.resize((side, side), Image.Resampling.BICUBIC).save(target, quality=quality)


def test_clean_data_pass(typed: Check, faces: Path) -> None:
    """Exit code 0, and a plain word that nothing is wrong: a false alarm would be ignored next."""
    checked = typed(*folders(faces))
    assert checked.code == 0, checked.err
    assert checked.report["spoilt"] is False
    assert checked.report["findings"] == []
    assert "nothing found that would spoil a result" in checked.out
    assert "learn" in checked.out
    assert "folders of classes" in checked.out
    training = checked.report["roles"][0]
    assert (training["role"], training["images"], training["classes"]) == ("training", 18, 3)
    assert training["asked"] == "3-way 2-shot 2-query"
    assert checked.report["config"]["train"]["k_shot"] == 2
    for name in ("learn", "ask"):  # one adapter, two folders: neither hides the other
        assert f"folder {faces / name}, images" in checked.out


def test_published_layouts(typed: Check, data: Path) -> None:
    """RAF-DB and AFEW: recognised, counted against the published figures, which are no fault."""
    small = ("train.k_shot=2", "train.n_query=1", "test.k_shot=2")
    checked = typed(f"paths.data={data}", "test=afew_4w5s", "eval.k_shot=2", *small)
    assert checked.code == 0, checked.err
    assert checked.finding("counts of rafdb_basic differ")["level"] == "note"
    assert "63 images, officially 15339" in checked.finding("counts of rafdb_basic")["detail"]
    assert "42 clips, officially 1156" in checked.finding("counts of afew")["detail"]
    line = next(line for line in checked.out.splitlines() if line.startswith("surprise"))
    assert line.split() == ["surprise", "6", "1290", "3", "329"]
    assert "folders of classes, and of clips" in checked.out
    assert "a list of labels" in checked.out
    # Of 9 frames in 3 clips, 8 are left for 2 shots, 2 of them of the query's clip.
    share = f"{100 * (1 - 6 / 8 * 5 / 7):.1f} % of queries"
    assert share in checked.finding("clips of test afew")["detail"]


def test_mixed_set_and_its_test_images(typed: Check, demo: Path) -> None:
    """Training on all of RAF-DB spoils a test on its test split; the golden counts stand beside."""
    arguments = ("dataset=mixed", "eval=afew_4w5s", "eval.k_shot=2")
    small = ("train.k_shot=2", "train.n_query=1", f"paths.data={demo}")
    checked = typed(*arguments, *small, "test=basic_7w1s")
    assert checked.code == 1, checked.err
    assert checked.titles("spoils") == ["the same files in training and test"]
    assert "officially 16359" in checked.finding("counts of mixed")["detail"]
    assert "fear/01306270" in checked.finding("named clips that are not there")["detail"]
    assert checked.finding("trained on test images")["level"] == "note"
    shared = checked.finding("the same files in training and test")
    assert shared["count"] == len(shared["paths"]) > 3
    assert f"and {shared['count'] - 3} more in check.json" in checked.out
    ids = checked.finding("ids of several clips")
    assert ids["level"] == "note"
    assert ["train/Sad/001703120", "val/Happy/001703120"] in ids["paths"]
    assert typed(*arguments, *small).code == 0


@pytest.mark.usefixtures("demo")
def test_demo_counts_are_no_fault(typed: Check) -> None:
    """The embedded set is smaller by design: its counts are shown without the official ones."""
    checked = typed("experiment=demo", "demo.scale=0.02")
    assert checked.code == 0, checked.err
    assert "official counts are not applicable" in checked.out
    assert {count["official"] for count in checked.report["counts"]} == {None}
    assert not checked.titles("spoils")
    assert not [title for title in checked.titles("note") if "near-identical" in title]


def test_a_copied_file_in_two_roles(typed: Check, faces: Path) -> None:
    """The same bytes under another name: what a re-packed data set may hold."""
    shutil.copy(faces / "learn/sad/0.jpg", faces / "ask/sad/renamed.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 1
    found = checked.finding("the same pictures in training and validation")
    assert found["level"] == "spoils"
    assert found["paths"] == [
        [str(faces / "learn/sad/0.jpg"), str(faces / "ask/sad/renamed.jpg")],
    ]
    assert "SPOILS" in checked.out
    assert "renamed.jpg" in checked.out
    assert "1 thing found that would spoil a result" in checked.out


def test_a_picture_saved_anew_in_two_roles(typed: Check, faces: Path) -> None:
    """Another size, another compression: no hash of the bytes would find it."""
    saved_anew(faces / "learn/happy/3.jpg", faces / "ask/happy/other.jpg", side=90, quality=60)
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert checked.titles("spoils") == ["near-identical pictures in training and validation"]
    assert checked.finding("near-identical")["paths"] == [
        [str(faces / "learn/happy/3.jpg"), str(faces / "ask/happy/other.jpg")],
    ]


def test_the_same_files_in_two_roles(typed: Check, faces: Path) -> None:
    """Learnt and asked from one folder; between validation and test only if that chooses."""
    one = folders(faces, f"eval.dataset.root={faces / 'learn'}")
    checked = typed(*one)
    assert checked.code == 1
    assert checked.finding("the same files in training and validation")["count"] == 18
    tests = ("test=folder_5w5s", f"test.dataset.root={faces / 'ask'}", "test.n_way=3")
    twice = folders(faces, *tests, "test.k_shot=2")
    assert typed(*twice).titles("spoils") == ["the same files in validation and test"]
    checked = typed(*twice, "train.tested=last", "train.patience=0")
    assert checked.code == 0
    assert "validation chooses nothing" in checked.finding("the same files")["detail"]


def test_a_picture_twice_in_one_role(typed: Check, faces: Path) -> None:
    """A repeat within a role can be support and query of one episode: told, not forbidden."""
    shutil.copy(faces / "learn/sad/0.jpg", faces / "learn/angry/same.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 0
    assert checked.finding("the same pictures twice in training")["count"] == 1


def test_a_clip_in_two_roles(typed: Check, faces: Path, tmp_path: Path) -> None:
    """Two lists name one group: a fault where groups are kept apart, else a note."""
    lists = []
    for name in ("learn", "ask"):
        rows = ["path,label,group"]
        for path in sorted((faces / name).rglob("*.jpg")):
            group = "film 7" if path.stem in "01" else f"{name} {path.parent.name} {path.stem}"
            rows.append(f"{path},{path.parent.name},{group}")
        lists.append(tmp_path / f"{name}.csv")
        lists[-1].write_text("\n".join(rows))
    files = (f"dataset.file={lists[0]}", f"eval.dataset.file={lists[1]}")
    arguments = ("dataset=csv", "eval=csv_5w5s", *files, *SMALL)
    checked = typed(*arguments)
    assert checked.code == 1
    found = checked.finding("the same groups in training and validation")
    assert found["level"] == "spoils"
    assert "film 7" in found["detail"]
    assert found["count"] == 6
    assert typed(*arguments, "episodes.disjoint=image").code == 0


def test_a_damaged_picture(typed: Check, faces: Path) -> None:
    """An unreadable file is named and does not hide what else there is."""
    broken = faces / "learn/happy/2.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    shutil.copy(faces / "learn/sad/0.jpg", faces / "ask/sad/renamed.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert checked.finding("unreadable images")["paths"] == [[str(broken)]]
    assert checked.finding("the same pictures in training and validation")
    assert "Traceback" not in checked.err


def test_a_class_that_is_too_small(typed: Check, faces: Path) -> None:
    """Two images where four are asked: a fault, or a note where such classes are to be skipped."""
    for number in range(2, 6):
        (faces / "learn/sad" / f"{number}.jpg").unlink()
    checked = typed(*folders(faces))
    assert checked.code == 1
    assert "'sadness' has 2 images" in checked.finding("training cannot be drawn")["detail"]
    assert checked.report["roles"][0]["asked"] == "cannot be drawn"
    skip = folders(faces, "episodes.skip_small_classes=true", "train.n_way=2")
    checked = typed(*skip)
    assert checked.code == 0
    assert checked.finding("training cannot be drawn")["level"] == "note"
    assert typed(*skip, "train.n_way=3").code == 1


def test_a_fixed_support(typed: Check, data: Path) -> None:
    """A support from the training set is no overlap; one from the queries' own clips is."""
    small = ("train.k_shot=1", "train.n_query=1", "eval.k_shot=2", "eval.support_draws=1")
    fixed = (f"paths.data={data}", *small)
    checked = typed(*fixed, "eval=afew_fixed5")
    assert checked.code == 0, checked.out
    assert checked.report["roles"][1]["asked"] == "every image, 2 support images a class"
    checked = typed(*fixed, "eval=afew_fixed5", "eval.support_split=val")
    assert checked.titles("spoils") == ["the same groups in support and queries of validation afew"]
    assert "of its queries have their own clip" in checked.finding("clips of valid")["detail"]
    checked = typed(*fixed, "eval=afew_fixed5", "eval.k_shot=50")
    assert checked.code == 1
    assert "a fixed support of 50 images" in checked.finding("validation afew cannot")["detail"]


def test_odd_pictures_are_notes(typed: Check, faces: Path) -> None:
    """Grey, tiny and oblong pictures: each listed with its path, none of them a fault."""
    with Image.open(faces / "learn/sad/0.jpg") as picture:
        colour = picture.copy()
    colour.convert("L").save(faces / "learn/sad/0.jpg")
    Image.merge("RGB", [colour.getchannel(0)] * 3).save(faces / "learn/sad/equal.png")
    draw_pattern(faces / "learn/sad/1.jpg", 5, np.random.default_rng(9))
    with Image.open(faces / "learn/sad/1.jpg") as picture:
        picture.resize((20, 20)).save(faces / "learn/sad/1.jpg")
    draw_pattern(faces / "learn/sad/2.jpg", 6, np.random.default_rng(10))
    with Image.open(faces / "learn/sad/2.jpg") as picture:
        picture.crop((0, 0, 40, 36)).save(faces / "learn/sad/2.jpg")
    checked = typed(*folders(faces))
    assert checked.code == 0
    sad = faces / "learn/sad"
    assert checked.finding("grey")["paths"] == [[str(sad / "0.jpg")], [str(sad / "equal.png")]]
    assert checked.finding("images under 32")["paths"] == [[str(sad / "1.jpg")]]
    assert checked.finding("images that are not square")["paths"] == [[str(sad / "2.jpg")]]


def test_a_sweep_remembers_a_fault(typed: Check, faces: Path) -> None:
    """Exit code 1 if any job of a sweep finds a fault, whichever comes last."""
    assert typed(*folders(faces), "-m", "eval.k_shot=50,2").code == 1
    assert typed(*folders(faces), "-m", "eval.k_shot=1,2").code == 0


def test_mistakes_are_one_line(typed: Check, tmp_path: Path) -> None:
    """An error of the user is exit code 2, not 1: nothing was checked."""
    for arguments, culprit in (
        (("dataset=folder", f"dataset.root={tmp_path / 'gone'}"), "gone"),
        (("train.n_wya=3",), "n_wya"),
        (("+typo=1",), "typo"),
        ((f"paths.data={tmp_path / 'gone'}",), "gone"),
    ):
        checked = typed(*arguments)
        assert checked.code == 2
        assert culprit in checked.err
        assert checked.err.count("error: ") == 1
        assert not Path("outputs").exists()


def test_no_false_twins_and_every_copy_found(demo: Path, tmp_path: Path) -> None:
    """Drawn faces are alike in pose and light: none is a twin, and each copy of one is."""
    parts = [
        sorted(map(str, (demo / place).rglob("*.jpg")))
        for place in ("RAF-DB/basic", "RAF-DB/compound", "AFEW/Train_AFEW", "AFEW/Val_AFEW")
    ]
    seen = look_at_all(list(itertools.chain(*parts)))
    thumbnails = [stack([seen[path].thumbnail for path in paths], 32) for paths in parts]
    for left, right in itertools.combinations(thumbnails, 2):
        assert find_twins(left, right) == []
    originals = parts[0][::4]
    copies = [str(tmp_path / f"{number:03}.jpg") for number in range(len(originals))]
    for number, (original, copy) in enumerate(zip(originals, copies, strict=True)):
        side, quality = (64, 90, 100, 150, 200)[number % 5], (60, 75, 95)[number % 3]
        saved_anew(Path(original), Path(copy), side, quality)
    looks = look_at_all(copies)
    made = stack([looks[copy].thumbnail for copy in copies], 32)
    wanted = [(place * 4, place) for place in range(len(originals))]
    assert find_twins(thumbnails[0], made) == wanted


def test_masked_faces_are_no_twins(demo: Path) -> None:
    """Face crops are often black around the face; that they share, and it is not what tells."""
    paths = sorted(map(str, (demo / "RAF-DB").rglob("*.jpg")))
    looks = look_at_all(paths)
    places = (np.arange(32) - 15.5) ** 2
    face = places[:, None] / 14**2 + places / 11**2 <= 1
    masked = stack([looks[path].thumbnail for path in paths], 32) * face
    assert find_twins(masked[::2], masked[1::2]) == []
    assert len(find_twins(masked, masked)) == len(masked)


def test_flat_pictures_are_no_twins() -> None:
    """Pictures that show nothing have nothing to compare: black frames are not called copies."""
    flat = np.stack([np.full((32, 32), level, dtype=np.uint8) for level in (0, 0, 200)])
    assert find_twins(flat, flat) == []
    assert find_twins(flat[:0], flat) == []


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


def test_lost_clips_count_as_clips() -> None:
    """A clip without any face is there all the same: it is in the published counts too."""
    table = face_table({"anger": 2}).assign(split="val", clip="val/Angry/1")
    table.attrs["lost_clips"] = {"val/Angry/2": "anger"}
    counts = class_counts(DatasetConfig(adapter="afew"), table, official=True)
    anger = [count for count in counts if (count.split, count.label) == ("val", "anger")]
    assert [(count.found, count.official) for count in anger] == [(2, 64)]


def quick_role(kind: str, table: pd.DataFrame) -> Role:
    shape = Shape(2, 1, 1)
    return Role(kind, kind, "made", table, shape, 1, build_pool(table, shape))


def test_quick_audit_stamps() -> None:
    """What train stamps on results: shared files and groups, and test images among those learnt."""
    sizes = {"a": 6, "b": 6}
    groups = {"a": ["x", "x", "y", "z", "p", "q"], "b": ["u", "u", "v", "w", "r", "s"]}
    table = face_table(sizes, groups)
    assert quick_audit([quick_role("train", table)]) == []
    other = table.assign(path="other/" + table["path"])
    roles = [quick_role("train", table), quick_role("validation", other)]
    assert quick_audit(roles) == ["shared_groups:10"]
    tested = table.assign(split="test")
    assert quick_audit([quick_role("train", tested), quick_role("test", tested)]) == [
        "trained_on_test",
        "shared_images:12",
        "shared_groups:10",
    ]


def test_quick_audit_is_quick() -> None:
    """It runs before every training: 35,000 images in less than a second."""
    frames = face_table({"a": 10_000, "b": 8_990})
    frames["group"] = [f"clip {row // 50}" for row in range(len(frames))]
    stills = face_table({"a": 10_000, "b": 5_339})
    stills["path"] = "stills/" + stills["path"]
    stills["group"] = stills["path"]
    roles = [quick_role("train", stills), quick_role("test", frames)]
    started = time.perf_counter()
    assert quick_audit(roles) == []
    assert time.perf_counter() - started < 1


def test_help_does_not_import_torch() -> None:
    """torch takes seconds to import: asking for help must not."""
    code = "import sys, fewshot_fer.check; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
