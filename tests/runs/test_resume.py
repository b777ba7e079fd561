"""A run that was stopped, wherever, and resumed, ends as one that never was."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from command_processes import start_command, wait_for
from comparing_runs import differences
from conftest import TINY, Command, assert_one_line, train_in

from fewshot_fer.runs import folder as runs
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.training import loop as experiment

LINE = (*TINY, "train.epochs=3", "test=basic_7w1s", "test.episodes=10", "train.augment.flip=0.5")
FIXED = ("eval=basic_fixed5", "eval.k_shot=2", "eval.support_draws=1")
KINDS = {
    "protonet": ["eval=compound_4w5s", "eval.episodes=10"],
    "classifier": ["method=classifier", *FIXED],
    # With dropout, embeddings that are normalised around a training mean, and averaged weights.
    "pretrain_meta": [
        "train=pretrain_meta",
        "method=feat",
        "train.supervised_epochs=1",
        "train.average=0.5",
        "eval=compound_4w5s",
        "eval.episodes=10",
    ],
    # Images that are changed in all ways, mixed and turned, with a head that tells the turns apart.
    "pretrain": [
        *("train=pretrain", "train.batch_size=16", "train.average=0.5"),
        *("train.augment.mixup=0.4", "train.augment.cutmix=1.0", "train.augment.erase=0.5"),
        *("train.augment.rotate=10", "train.crops=2", "train.rotation_weight=0.5"),
        "eval=compound_4w5s",
        "eval.episodes=10",
    ],
    # With synthetic compounds in both kinds of epochs, and a map that is learnt on them.
    "compounds": [
        *("train=pretrain_meta", "train.supervised_epochs=2", "method=composed"),
        *("train.compounds.share=0.3", "train.compounds.after=0.3", "method.composition=learnt"),
        *("eval=compound_4w5s", "eval.episodes=10"),
    ],
    # With the weights of its last two epochs averaged, the first of them before it is stopped.
    "average_last": [
        *("train=pretrain_meta", "method=relation", "train.supervised_epochs=2"),
        *("train.average_last=0.67", "eval=compound_4w5s", "eval.episodes=10"),
    ],
    # From pretrained weights, which are what a stage keeps and others are pulled to.
    "pretrained": [
        *("train=finetune", "backbone=face_expression", "backbone.accept_size=true"),
        *("train.supervised_epochs=1", "train.layer_decay=0.7", "train.frozen_stages=1"),
        *("train.l2_start=0.1", "train.average_last=0.67"),
        *("eval=compound_4w5s", "eval.episodes=10"),
    ],
    # Of two sets at once, one of which each episode is of.
    "union": [
        *("dataset=union", "dataset.sets=[rafdb_basic,afew]", "dataset.skip_missing=true"),
        *("episodes.within=set", "mix.per_set=50", "eval=compound_4w5s", "eval.episodes=10"),
    ],
}


class Killed(BaseException):
    """In the place of SIGKILL: nothing catches it, and the disk is as it was at that moment."""


def words(data: Path, kind: str) -> list[str]:
    line = [word for word in LINE if kind != "classifier" or not word.startswith("eval.")]
    return [f"paths.data={data}", *line, *KINDS[kind]]


@pytest.fixture(scope="module")
def references() -> dict[str, Path]:
    """kind -> the folder of a run that nobody disturbed, each made when it is first asked for."""
    return {}


@pytest.fixture
def undisturbed(
    request: pytest.FixtureRequest,
    references: dict[str, Path],
    data: Path,
    cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    """A kind of run, and the folder of one that nobody disturbed."""
    kind: str = request.param
    if kind not in references:
        references[kind] = train_in(tmp_path_factory.mktemp(kind), cache, *words(data, kind))
    return kind, references[kind]


def killing(function: Callable[..., None], call: int, after: bool) -> Callable[..., None]:
    """Return the function, dying in front of or behind its n-th call."""
    calls = 0

    def wrapped(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        function(*given)
        if calls == call:
            raise Killed

    return wrapped


def choices_of(run: Path) -> object:
    return json.loads((run / "summary.json").read_text())["choices"]


MOMENTS = {
    "before the first checkpoint": ("save_checkpoint", 1, False),
    "between best.pt and last.pt": ("save_checkpoint", 1, True),
    "between last.pt and metrics.csv": ("save_checkpoint", 2, True),
    "in the middle": ("append_row", 2, True),
    "between two rows of results.csv": ("append_row", 4, True),
    "while supports are added": ("save_checkpoint", -1, True),
}


QUICK = ["in the middle"]
CASES = [
    pytest.param(
        *(kind, moment),
        marks=[] if moment in QUICK and kind != "average_last" else pytest.mark.slow,
    )
    for kind in KINDS
    for moment in (MOMENTS if kind in ("protonet", "classifier") else QUICK)
]
SOME_RUN = pytest.mark.parametrize("undisturbed", ["protonet"], indirect=True)


@pytest.mark.parametrize(("undisturbed", "moment"), CASES, indirect=["undisturbed"])
def test_killed_and_resumed_ends_bit_for_bit_alike(
    command: Command,
    data: Path,
    undisturbed: tuple[str, Path],
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every place where the disk changes."""
    (kind, reference), (name, call, after) = undisturbed, MOMENTS[moment]
    saves = len(load_checkpoint(reference / "last.pt").progress["metrics"])  # type: ignore[index]
    with monkeypatch.context() as patch:
        where = experiment if name == "save_checkpoint" else runs
        at = call if call > 0 else 2 * saves
        patch.setattr(where, name, killing(getattr(where, name), at, after))
        try:
            command("train", *words(data, kind))
        except Killed:
            pass
        else:
            patch.undo()
            pytest.skip("this run saves less often")
    (run,) = Path("outputs/train").iterdir()
    outcome = command("train", f"resume={run}")
    assert outcome.code == 0, outcome.err
    assert not differences(reference, run)
    whole, taken = (choices_of(folder) for folder in (reference, run))
    anew = moment in ("before the first checkpoint", "between best.pt and last.pt")
    assert taken == ({} if anew else whole)  # without a checkpoint only the settings are known
    assert command("train", f"resume={run}").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_says_how_to_go_on(
    data: Path, cache: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The step is finished, the exit code is the shell's own, and the line given works."""
    started = start_command(tmp_path, cache, "train", *words(data, "protonet"), "train.epochs=400")
    wait_for(tmp_path, "outputs/train/*/metrics.csv", started)
    os.kill(started.number, number)
    code, said = started.end()
    assert code == 128 + number
    (run,) = (tmp_path / "outputs/train").iterdir()
    assert f"python -m fewshot_fer.train resume={run}" in said
    assert "Traceback" not in said
    assert load_checkpoint(run / "last.pt").epoch == len(pd.read_csv(run / "metrics.csv"))


@SOME_RUN
def test_what_cannot_be_resumed_is_said(
    command: Command, undisturbed: tuple[str, Path], tmp_path: Path
) -> None:
    """No run, a finished one, other settings beside it, a damaged checkpoint: one line each."""
    _, finished = undisturbed
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.yaml").write_bytes((finished / "config.yaml").read_bytes())
    (tmp_path / "broken/last.pt").write_text("no checkpoint")
    for arguments, said in (
        (["resume=nowhere"], "nowhere is not the folder of a trained run"),
        ([f"resume={finished}"], "is finished"),
        ([f"resume={finished}", "train.epochs=9"], "leave out train.epochs=9"),
        ([f"resume={tmp_path / 'broken'}"], "last.pt is damaged"),
    ):
        outcome = command("train", *arguments)
        assert_one_line(outcome, said)
