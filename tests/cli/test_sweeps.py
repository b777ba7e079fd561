"""A sweep: the words for it, where it lies, and what it does again and what not."""

import json
import signal
import sys
from inspect import signature
from pathlib import Path

import pandas as pd
import pytest
import yaml
from command_processes import start_command, wait_for
from conftest import TINY, Command
from hydra.utils import get_class

from fewshot_fer.cli import sweep as commands
from fewshot_fer.cli.overrides import expand_sweep, expand_tests
from fewshot_fer.cli.sweep import plan_sweep
from fewshot_fer.cli.typed_values import as_list, as_text
from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.config.hydra import compose
from fewshot_fer.system.errors import ConfigError

SWEEP = ("-m", "train.n_way=2,9", "seed=0,1")
SMALL = (*TINY, "train.epochs=1", "threads=1")


def only_sweep(outputs: Path = Path("outputs")) -> Path:
    (found,) = (outputs / "sweeps").iterdir()
    return found


def test_every_job_leaves_a_row_and_is_done_once(command: Command, data: Path) -> None:
    """Jobs that fail stand in the table with their error; a second start runs those alone."""
    line = ("train", *SMALL, f"paths.data={data}", *SWEEP)
    outcome = command(*line)
    assert outcome.code == 1
    assert "n_way=9" in outcome.err
    folder = only_sweep()
    before = (folder / "sweep.csv").read_bytes()
    table = pd.read_csv(folder / "sweep.csv", keep_default_na=False)
    assert table["job"].tolist() == [0, 1, 2, 3]
    assert table["train.n_way"].tolist() == [2, 2, 9, 9]
    assert table["seed"].tolist() == [0, 1] * 2
    assert [bool(error) for error in table["error"]] == [False] * 2 + [True] * 2
    config = yaml.safe_load((folder / "1" / "config.yaml").read_text())
    assert (config["train"]["n_way"], config["seed"]) == (2, 1)
    result = pd.read_csv(folder / "1" / "results.csv").set_index("role")
    assert float(table.loc[1, "validation.accuracy"]) == result.loc["validation", "accuracy"]
    assert float(table.loc[1, "train.loss"]) == result.loc["train", "loss"]
    times = {path: path.stat().st_mtime_ns for path in folder.glob("[01]/*")}
    again = command(*line)
    assert again.code == 1
    assert again.out.count("done before") == 2
    assert {path: path.stat().st_mtime_ns for path in folder.glob("[01]/*")} == times
    assert (folder / "sweep.csv").read_bytes() == before
    assert "± " in again.out  # deviation over the two seeds


@pytest.mark.slow
@pytest.mark.drawn
def test_killed_in_the_middle_it_ends_as_if_never_stopped(
    command: Command, data: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL, the same command once more: the same sweep.csv to the byte."""
    words = [*SMALL, "train.epochs=3", f"paths.data={data}"]
    words += ["-m", "train.n_way=2", "train.k_shot=1,2"]
    whole = tmp_path / "whole"
    whole.mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(whole)
        assert command("train", *words).code == 0
    killed = start_command(tmp_path, cache, "train", *words)
    wait_for(tmp_path, "outputs/sweeps/*/1/last.pt", killed)
    killed.process.kill()
    assert killed.end()[0] == -signal.SIGKILL
    assert not list(Path().glob("outputs/sweeps/*/sweep.csv"))
    again = command("train", *words)
    assert again.code == 0, again.err
    assert "job 0: done before" in again.out
    one, other = (only_sweep(folder) for folder in (whole / "outputs", Path("outputs")))
    assert one.name == other.name
    for name in ("sweep.csv", "sweep_mean.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert (one / "shots_validation.png").stat().st_size > 5_000


def test_words_behind_a_name() -> None:
    """What the command line gives itself counts more than what a sweep's file says."""
    words = expand_sweep(["sweep=way_shot", "train.k_shot=1,2", "device=cpu"])
    assert words[0] == "-m"
    assert words.count("train.k_shot=1,2") == 1
    assert [word for word in words if word.startswith("train.k_shot")] == ["train.k_shot=1,2"]
    assert "train.n_way=2,3,5" in words
    assert expand_sweep(["device=cpu"]) == ["device=cpu"]
    assert expand_sweep(["-m", "sweep=seeds"]).count("-m") == 1
    with pytest.raises(ConfigError, match="backbones, seeds, transfer, way_shot"):
        expand_sweep(["sweep=gone"])


@pytest.mark.parametrize("name", ["way_shot", "backbones", "seeds"])
def test_the_named_sweeps_compose(name: str) -> None:
    """What stands in conf/sweep is words that Hydra knows."""
    words = expand_sweep([f"sweep={name}", "experiment=demo"])
    assert plan_sweep("train", words) is not None


def test_a_folder_by_content() -> None:
    """Equal for the same figures, whoever launches them and wherever they go; else another."""

    def name(*words: str) -> str:
        plan = plan_sweep("train", ["-m", *words])
        assert plan is not None
        return plan.folder.name

    base = name("train.n_way=2,3")
    assert name("train.n_way=2,3", "hydra/launcher=joblib") == base
    assert name("train.n_way=2,3", "paths.outputs=elsewhere") == base
    assert name("train.n_way=2,3", "train.lr=4e-3") == base  # what it is anyway
    assert name("train.n_way=2,4") != base
    assert name("train.n_way=2,3", "train.lr=1e-3") != base
    assert plan_sweep("train", ["train.n_way=2"]) is None
    files = "experiment=demo,study_1_basic_to_compound_4w5s"  # each has epochs of its own
    assert name(files, "train.epochs=60") != name(files)
    assert name(files, "seed=0,1") == name(files, "seed=0,1", "train.n_query=5")


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (["experiment=demo,study_1_basic_to_compound_4w5s", "test.afew_4w5s.episodes=50"], 2),
        (["seed=range(3)", "train.n_way=2,3", "seed=0,1,2,3"], 8),
        (["seed=0,1", "train.n_wya=2"], 2),  # Hydra's to refuse
        (["seed=0,1", "--config-dir", "elsewhere"], 2),
        (["backbone=glob(resnet*)"], None),
    ],
)
def test_every_sweep_has_a_folder_to_end_in(words: list[str], jobs: int | None) -> None:
    """Also where its words say nothing without those that are swept, or nothing at all."""
    plan = plan_sweep("train", ["-m", *words, "paths.outputs=here"])
    assert plan is not None
    assert plan.folder.parent == Path("here/sweeps")
    assert plan.words[-1] == f"hydra.sweep.dir='{plan.folder}'"
    assert plan.jobs == jobs
    other = plan_sweep("train", ["-m", *words, "precision=float64", "paths.outputs=here"])
    assert other is not None
    assert other.folder != plan.folder


def test_other_ways_to_ask_for_a_sweep() -> None:
    assert expand_sweep(["hydra.mode=MULTIRUN", "seed=0,1"]) == ["-m", "seed=0,1"]
    with pytest.raises(
        ConfigError, match=r"hydra.sweep.dir=\$\{paths.outputs\}/x: give the folder"
    ):
        plan_sweep("train", ["-m", "seed=0,1", "hydra.sweep.dir='${paths.outputs}/x'"])
    words = ["run=x", "test=compound_4w5s"]
    assert expand_tests(["-m", *words, "methods=tim,all"])[-1] == "methods=[tim],[all]"
    assert expand_tests([*words, "methods=all"])[-1] == "methods=['all']"
    assert compose("test", [*words, "methods=[all]"]).methods == ["all"]


@pytest.mark.filterwarnings(r"ignore:\s*'hydra/launcher/:UserWarning")
@pytest.mark.parametrize("file", sorted((conf_dir() / "hydra" / "launcher").glob("*.yaml")))
def test_every_launcher_composes(file: Path) -> None:
    """And what its file names is there, with every argument that it is given."""
    pytest.importorskip(f"hydra_plugins.hydra_{file.stem.split('_')[0]}_launcher")
    launcher = compose("train", [f"hydra/launcher={file.stem}"], with_hydra=True).hydra.launcher
    kind = get_class(launcher._target_)
    assert set(launcher) - {"_target_"} <= set(signature(kind).parameters) or any(
        each.kind is each.VAR_KEYWORD for each in signature(kind).parameters.values()
    )


def test_a_launcher_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_is_there", lambda module: False)
    with pytest.raises(ConfigError, match=r'pip install "fewshot_fer\[ray\]"'):
        plan_sweep("train", ["-m", "train.n_way=2,3", "hydra/launcher=ray"])


def test_a_folder_of_other_settings_is_left_alone(command: Command, data: Path) -> None:
    """A folder that the user names may hold another sweep."""
    line = ("train", *SMALL, f"paths.data={data}", "hydra.sweep.dir=mine", "-m")
    assert command(*line, "train.n_way=2,3").code == 0
    before = Path("mine/0/results.csv").read_bytes()
    outcome = command(*line, "train.n_way=3,2")
    assert outcome.code == 2
    assert "other settings" in outcome.err
    assert Path("mine/0/results.csv").read_bytes() == before


def test_tensorboard_is_missed_before_anything_is_loaded(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr(
        "fewshot_fer.training.train_run.setup_training", lambda *_: pytest.fail("too late")
    )
    outcome = command("train", *TINY, f"paths.data={data}", "logger=tensorboard")
    assert outcome.code == 2
    assert "pip install 'fewshot_fer[tensorboard]'" in outcome.err
    assert outcome.made is None


def test_scalars_for_tensorboard(command: Command, data: Path) -> None:
    """logger=tensorboard writes every epoch and every result once, the tables as ever."""
    outcome = command("train", *TINY, f"paths.data={data}", "logger=tensorboard")
    assert outcome.code == 0, outcome.err
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = Path("outputs/train").iterdir()
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    metrics = pd.read_csv(run / "metrics.csv")
    written = events.Scalars("accuracy/val")
    assert [each.step for each in written] == [1, 2]
    assert [each.value for each in written] == pytest.approx(metrics["val_accuracy"].tolist())
    summary = json.loads((run / "summary.json").read_text())
    (validation,) = (row for row in summary["results"] if row["role"] == "validation")
    (tag,) = (
        t
        for t in events.Tags()["scalars"]
        if t.startswith("validation/") and t.endswith("accuracy")
    )
    assert events.Scalars(tag)[0].value == pytest.approx(validation["accuracy"])


def test_words_survive_hydra() -> None:
    """Lists and paths with letters that its grammar does not know are put in quotes."""
    assert as_list("images=a b.jpg,'c,d.jpg'", "images") == "images=['a b.jpg','c,d.jpg']"
    assert as_text("support=내 얼굴", "support") == "support='내 얼굴'"
    assert as_text("support=it's", "support") == r"support='it\'s'"
    for word in ("support=null", "support=", "run=x", "support='a'"):
        assert as_text(word, "support") == word
