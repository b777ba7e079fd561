"""A run that learns another one's logits: from command to tables, and what it says of the other."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from comparing_runs import differences
from conftest import TINY, Command, assert_one_line, train_in

from fewshot_fer.runs.checkpoint import Checkpoint
from fewshot_fer.runs.folder import RunFolder
from fewshot_fer.runs.teacher_facts import TeacherFacts, keep_teacher, read_teacher, teacher_facts
from fewshot_fer.training import loop

LINE = (
    *(*TINY, "train=pretrain", "train.epochs=2", "train.batch_size=16", "train.patience=0"),
    *("eval=compound_4w5s", "eval.episodes=5", "test=basic_7w1s", "test.episodes=5"),
)
LEARNT = ("train.distil=0.5", "train.temperature=2")


@pytest.fixture(scope="module")
def teacher(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a classifier of the seven basic expressions."""
    return train_in(tmp_path_factory.mktemp("teacher"), cache, *LINE, f"paths.data={data}")


class Killed(BaseException):
    """In the place of SIGKILL: nothing catches it."""


def stamps(run: Path) -> list[tuple[object, ...]]:
    table = pd.read_csv(run / "results.csv", keep_default_na=False)
    columns = ["pretrained", "trained_on_test", "uses"]
    return sorted(set(table[columns].itertuples(index=False, name=None)))


def test_born_again_by_two_commands(
    teacher: Path, data: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generation more is a command more. Another encoder learns from the same images, so it
    knows no more than one without a teacher; stopped and resumed it ends alike; a test of it needs
    the teacher no more."""
    gone = shutil.copytree(teacher, "gone")
    line = (*LINE, *LEARNT, "backbone.filters=4", f"paths.data={data}")
    assert "teacher" not in command("check", *line, f"train.teacher={gone}").out
    taught = command("train", *line, f"train.teacher={gone}", "hydra.run.dir=one")
    assert taught.code == 0, taught.err
    alone = command("train", *line[:-4], *line[-2:], "hydra.run.dir=alone")
    assert alone.code == 0, alone.err
    losses = [pd.read_csv(f"{each}/metrics.csv")["train_loss"][0] for each in ("one", "alone")]
    assert losses[0] != losses[1]
    assert stamps(Path("one")) == stamps(Path("alone")) == [("none", False, "")]
    save = loop.save_checkpoint

    def killed(path: Path, checkpoint: Checkpoint) -> None:
        save(path, checkpoint)
        if path.name == "last.pt":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", killed)
        with pytest.raises(Killed):
            command("train", *line, f"train.teacher={gone}", "hydra.run.dir=two")
    moved = shutil.move(gone, "moved")
    assert_one_line(command("train", "resume=two"), "gone")
    assert command("train", "resume=two", f"train.teacher={moved}").code == 0
    assert differences(Path("one"), Path("two")) == ["config.yaml"]  # where the teacher lies
    shutil.rmtree(moved)
    tested = command("test", "run=one", "test=basic_7w1s", "test.episodes=5")
    assert tested.code == 0, tested.err
    assert stamps(tested.folder) == [("none", False, "")]


def test_a_teacher_of_other_images_stands_on_every_result(
    teacher: Path, data: Path, command: Command
) -> None:
    """Of AFEW's frames here, which the teacher never saw: it saw RAF-DB."""
    line = (*LINE, *LEARNT, f"paths.data={data}", f"train.teacher={teacher}", "dataset=afew")
    checked = command("check", *line)
    assert f"known to the teacher: {teacher}: a teacher of other images" in checked.out
    assert command("train", *line, "hydra.run.dir=run").code == 0
    assert stamps(Path("run")) == [("none", False, "a teacher of other images")]
    tested = command("test", "run=run", "test=compound_4w5s", "test.episodes=5")
    assert "known beside the support: a teacher of other images" in tested.out
    assert stamps(tested.folder) == [("none", False, "a teacher of other images")]


@pytest.mark.parametrize(
    ("row", "own", "expected"),
    [
        ({"pretrained": "faces"}, "none", "faces (teacher)"),
        ({"pretrained": "faces"}, "imagenet", "imagenet, faces (teacher)"),
        ({"pretrained": "faces (teacher)"}, "none", "faces (teacher)"),
        ({"pretrained": "imagenet"}, "imagenet", "imagenet"),
        ({"pretrained": "none"}, "faces", "faces"),
        ({"trained_on_test": True}, "none", "unknown (teacher)"),
    ],
)
def test_what_a_teacher_knew_is_said_beside_the_runs_own(
    row: dict[str, object], own: str, expected: str, tmp_path: Path
) -> None:
    """Also of a teacher of a teacher; a student of one that saw test images saw them too, and of
    one that may have may have."""
    run = tmp_path / "teacher"
    run.mkdir()
    (run / "summary.json").write_text(json.dumps({"results": [row]}))
    (run / "data.json").write_text(json.dumps({"dataset": {"names": "1"}}))
    (run / "teacher.json").write_text(
        json.dumps(
            {"run": "its", "pretrained": "none", "trained_on_test": None} | {"other_images": True}
        )
    )
    facts = teacher_facts(str(run), {"dataset": {"names": "1"}})
    assert facts is not None
    assert facts.other_images  # its own teacher did
    folder = RunFolder(tmp_path / "student", {"pretrained": own, "trained_on_test": False})
    keep_teacher(folder, facts)
    folder.add_result({"role": "test", "uses": "names of the parts"})
    assert folder.results[0]["pretrained"] == expected
    assert folder.results[0]["trained_on_test"] is row.get("trained_on_test")
    assert folder.results[0]["uses"] == "names of the parts; a teacher of other images"
    assert read_teacher(folder.folder) == facts


def test_the_images_of_a_teacher_decide_whether_they_are_others(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"results": [{"pretrained": "none"}]}))
    own = {"dataset": {"names": "1"}}
    unknown = teacher_facts(str(tmp_path), own)
    assert unknown is not None
    assert unknown.other_images
    (tmp_path / "data.json").write_text(json.dumps(own))
    same = teacher_facts(str(tmp_path), own)
    assert same == TeacherFacts(str(tmp_path), "none", None, other_images=False)
    assert teacher_facts(None, own) is None


def test_teachers_that_cannot_teach_are_refused(
    teacher: Path, fixed_run: Path, data: Path, command: Command
) -> None:
    """In one line, before anything is written."""
    line = (*LINE, *LEARNT, f"paths.data={data}")
    assert_one_line(command("train", *line, "train.teacher=nowhere"), "nowhere is not the folder")
    assert_one_line(command("train", *line, f"train.teacher={fixed_run}"), "has no classifier")
    other = ("dataset=rafdb_compound", f"train.teacher={teacher}", "eval=basic_7w1s")
    assert_one_line(command("train", *line, *other), "one of the two lacks")
    bad = Path(shutil.copytree(teacher, "bad"))
    torch.save({"format": 1}, bad / "best.pt")
    assert_one_line(command("train", *line, f"train.teacher={bad}"), "best.pt")
    assert not list(Path("outputs").glob("train/*"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train.distil=0.5",), "train.distil=0.5 needs a teacher"),
        (("train.teacher=there",), "train.teacher has no share"),
        (("train=fast", "train.teacher=there", "train.distil=1"), "supervised epochs"),
        (("train.distil=1.5",), "train.distil"),
        (("train.average=0.9", "train.average_last=0.5"), "average in one way only"),
        (("train=fast", "train.average_last=0.5"), "train.patience=0"),
        (("train.frozen_stages=1",), "backbone.weights=none are random"),
        (("train.l2_start=0.1",), "backbone.weights=none are random"),
        (("train.layer_decay=0",), "train.layer_decay"),
        (("backbone.drop_block=0.95",), "backbone.drop_block"),
    ],
)
def test_settings_that_contradict_each_other(
    words: tuple[str, ...], expected: str, command: Command
) -> None:
    assert_one_line(command("train", *words), expected)
