"""A run's folder that comes from a stranger, or is damaged, is refused in one line."""

import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import face_table
from fabricated import settings_of

from fewshot_fer.config.schema import EpisodesConfig
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import EpisodicProtocol
from fewshot_fer.episodes.setup import save_drawn
from fewshot_fer.runs.checkpoint import Checkpoint, save_checkpoint
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.runs.folder import METRIC_COLUMNS
from fewshot_fer.runs.resume import Progress, last_progress, restored, settings_to_resume
from fewshot_fer.system.errors import RunError
from fewshot_fer.training.optim import build_optimiser, load_optimiser

EARLIER = Path(__file__).parents[1] / "end_to_end/run_of_0.1"
REPEATED = "a: &a [x, x]\nb: &b [*a, *a]\n"
ROW: dict[str, Any] = dict.fromkeys(METRIC_COLUMNS, 0.5)
SOUND = Progress([ROW], {"epoch": 1}, 1, 0.5, 1.0, {"train": "fast"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (REPEATED, "line 2 repeats a part of the file"),
        ("seed: !!int x\n", "invalid literal"),
        ("seed: " + "[" * 5000, "line 1 lies more than 50 levels deep"),
        ("- " * 5000, "line 1 lies more than 50 levels deep"),
        ("!!python/object/apply:os.system ['touch mark']\n", "could not determine a constructor"),
        ("seed: 1\nseed: 2\n", "duplicate key"),
        ("a" * 1_000_001, "larger than 1,000,000 bytes"),
        ("hello", "holds no settings"),
        ("paths: {demo: true}\n", "cut off|has no value|missing"),
        ("- a", "."),
    ],
)
def test_a_strange_configuration_is_one_line(tmp_path: Path, content: str, expected: str) -> None:
    """No variable is read, nothing runs, nothing grows, and no other error comes through."""
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(RunError, match=rf"config\.yaml is not the configuration.*{expected}"):
        read_run_settings(tmp_path)


@pytest.mark.parametrize(
    "written", ["'${oc.env:HOME}'", '"\\x24{oc.env:HOME}"', "'${seed}'", "'${ [x], {y}'"]
)
def test_a_text_of_a_run_stands_for_itself(tmp_path: Path, written: str) -> None:
    """Folders may be called so, and a stranger's file reads no variable through such a text."""
    content = yaml.safe_load((EARLIER / "config.yaml").read_text(encoding="utf-8"))
    content["paths"]["data"] = "HERE"
    text = yaml.safe_dump(content, sort_keys=False).replace("HERE", written)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert read_run_settings(tmp_path).paths.data == yaml.safe_load(written)


def test_episodes_of_a_run_that_goes_on_stay_in_its_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger's run names any file of yours in episodes.save; resumed, it is left alone."""
    table, shape = face_table({"a": 9, "b": 8}), Shape(2, 2, 1)
    protocol = EpisodicProtocol("test", "x", "made", table, 3, build_pool(table, shape))
    (tmp_path / "run").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    outside = EpisodesConfig(save=str(tmp_path / "run/../mine.txt"))
    save_drawn([protocol], outside, 0, tmp_path / "run")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "lies outside" not in caplog.text
    save_drawn([protocol], EpisodesConfig(save=str(tmp_path / "new.npz")), 0, tmp_path / "run")
    assert not (tmp_path / "new.npz").exists()
    assert "lies outside" in caplog.text
    save_drawn([protocol], EpisodesConfig(save=str(tmp_path / "run/e.npz")), 0, tmp_path / "run")
    save_drawn([protocol], outside, 0)  # of a run that begins: the user's own word
    assert (tmp_path / "run/e.npz").read_bytes()[:2] == b"PK"
    assert (tmp_path / "mine.txt").read_bytes()[:2] == b"PK"


def test_a_bom_does_no_harm(tmp_path: Path) -> None:
    """Some editors of Windows put one in front."""
    content = {"train": {"epochs": 1, "episodes_per_epoch": 1, "n_way": 2, "k_shot": 1}}
    text = yaml.safe_dump(content)
    (tmp_path / "config.yaml").write_text("\ufeff" + text, encoding="utf-8")
    with pytest.raises(RunError, match="has no value"):  # it was read: other keys are missing
        read_run_settings(tmp_path)


def write_last(folder: Path, progress: Any, epoch: int = 1) -> None:  # noqa: ANN401
    kept = Checkpoint({"a": torch.zeros(1)}, epoch, 0.5, ["x"], 32, {}, progress=progress)
    save_checkpoint(folder / "last.pt", kept)


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": [{**ROW, "lr": "x"}]},
        {"metrics": [{"epoch": 1}]},
        {"metrics": [1]},
        {"metrics": [torch.zeros(2)]},
        {"metrics": torch.zeros(1)},
        {"metrics": 1},
        {"metrics": []},
        {"trained": ["x"]},
        {"trained": {1: "x"}},
        {"best_epoch": None},
        {"best_accuracy": "0.5"},
        {"choices": {"train": 1}},
        {"choices": "train"},
        {"more": 1},
    ],
)
def test_how_far_it_had_come_is_checked(tmp_path: Path, change: dict[str, Any]) -> None:
    """Tables are set back to these rows: a wrong one must neither reach a file nor end the tool."""
    write_last(tmp_path, asdict(SOUND))
    reached = last_progress(tmp_path)
    assert reached is not None
    assert reached[1] == SOUND
    write_last(tmp_path, {**asdict(SOUND), **change})
    with pytest.raises(RunError, match=r"last\.pt does not say how far"):
        last_progress(tmp_path)
    write_last(tmp_path, None)
    with pytest.raises(RunError, match=r"last\.pt does not say how far"):
        last_progress(tmp_path)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_another_network_is_one_line(tmp_path: Path, kind: str) -> None:
    """Torch has several errors for weights that do not fit, and none for moments that do not."""
    settings = replace(settings_of("paths.data=/nowhere").train, optimiser=kind)
    states = []
    for size in (3, 4):
        layer = torch.nn.Linear(size, 2)
        optimiser = build_optimiser(layer.parameters(), settings)
        layer(torch.ones(1, size)).sum().backward()
        optimiser.step()
        states.append((layer, optimiser))
    own = copy.deepcopy(states[0][1].state_dict())
    with pytest.raises(RunError, match=r"last\.pt is of another network"), restored(tmp_path):
        states[0][0].load_state_dict(states[1][0].state_dict())
    with pytest.raises(RunError, match=r"last\.pt is of another network"), restored(tmp_path):
        load_optimiser(states[0][1], states[1][1].state_dict())
    load_optimiser(states[0][1], own)
    with pytest.raises(torch.OutOfMemoryError), restored(tmp_path):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_link_in_the_folder_is_refused(tmp_path: Path) -> None:
    """Through one, a table would be written into a file of the user's."""
    run = tmp_path / "run"
    run.mkdir()
    asked = settings_of("paths.data=/nowhere", f"resume={run}")
    (run / "config.yaml").write_text(yaml.safe_dump(asdict(replace(asked, resume=None))))
    assert settings_to_resume(asked, [f"resume={run}"])[1] == run
    (tmp_path / "mine").touch()
    (run / "curves.png").symlink_to(tmp_path / "mine")
    with pytest.raises(RunError, match=r"curves\.png is a link, and a run writes none"):
        settings_to_resume(asked, [f"resume={run}"])


def test_moments_of_a_gpu_are_taken_up_in_this_devices_own_way() -> None:
    """How a step is taken is not what a state says of the device that it was saved on."""
    settings = settings_of("paths.data=/nowhere").train
    layer = torch.nn.Linear(3, 2)
    optimiser = build_optimiser(layer.parameters(), settings)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    saved = copy.deepcopy(optimiser.state_dict())
    own = {key: saved["param_groups"][0][key] for key in ("lr", "fused", "capturable")}
    saved["param_groups"][0] |= {"capturable": True, "lr": torch.tensor(0.5)}
    load_optimiser(optimiser, saved)
    assert {key: optimiser.param_groups[0][key] for key in own} == own
    before = layer.weight.detach().clone()
    optimiser.step()
    assert not torch.equal(layer.weight, before)
