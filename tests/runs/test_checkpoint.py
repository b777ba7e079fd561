"""Checkpoints come back whole, and a file from a stranger cannot run code."""

import pickle
from pathlib import Path

import pytest
import torch

from fewshot_fer.evaluation.calibration import Calibration, calibration_from
from fewshot_fer.evaluation.support import load_support_set
from fewshot_fer.evaluation.training_statistics import TrainingStatistics, statistics_from
from fewshot_fer.models.preprocessing import KINDS
from fewshot_fer.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fewshot_fer.system.errors import RunError


def checkpoint() -> Checkpoint:
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return Checkpoint(layer.state_dict(), 4, 0.5, ["a", "b"], 84, optimiser.state_dict())


def test_round_trip(tmp_path: Path) -> None:
    """Everything that was saved is loaded, tensors exactly, and no temporary file is left."""
    saved = checkpoint()
    save_checkpoint(tmp_path / "best.pt", saved)
    loaded = load_checkpoint(tmp_path / "best.pt")
    assert (loaded.epoch, loaded.class_names, loaded.image_size) == (4, ["a", "b"], 84)
    assert all(torch.equal(value, loaded.encoder[key]) for key, value in saved.encoder.items())
    assert loaded.optimiser.keys() == saved.optimiser.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_failed_write_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name always holds a whole checkpoint."""
    save_checkpoint(tmp_path / "last.pt", checkpoint())

    def torn(_content: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path / "last.pt", checkpoint())
    assert load_checkpoint(tmp_path / "last.pt").epoch == 4
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    """A pickle that would leave a mark is refused, as plain pickle and as torch file."""
    mark = tmp_path / "mark"
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Payload(mark), protocol=2))
    torch.save({"format": 1, "encoder": Payload(mark)}, tmp_path / "torch.pt")
    for name in ("plain.pt", "torch.pt"):
        with pytest.raises(RunError, match=name):
            load_checkpoint(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    """Empty, foreign and torn files: one error that names the file."""
    (tmp_path / "best.pt").write_bytes(content)
    with pytest.raises(RunError, match=r"best\.pt is damaged or no checkpoint"):
        load_checkpoint(tmp_path / "best.pt")


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    """Wherever it lies in the weights: torch itself would load another number."""
    path = tmp_path / "last.pt"
    kept = checkpoint()
    save_checkpoint(path, kept)
    whole, weights = path.read_bytes(), kept.encoder
    raw = bytes(next(iter(weights.values())).untyped_storage())
    place = whole.index(raw) + len(raw) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(RunError, match=r"last\.pt is damaged"):
        load_checkpoint(path)


def test_foreign_and_missing_checkpoints_are_named(tmp_path: Path) -> None:
    """Another program's checkpoint, a truncated one, and none at all."""
    torch.save({"weights": torch.ones(1)}, tmp_path / "best.pt")
    with pytest.raises(RunError, match="no checkpoint of this version"):
        load_checkpoint(tmp_path / "best.pt")
    save_checkpoint(tmp_path / "last.pt", checkpoint())
    whole = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"last\.pt"):
        load_checkpoint(tmp_path / "last.pt")
    with pytest.raises(RunError, match=r"no checkpoint first\.pt in .*best\.pt"):
        load_checkpoint(tmp_path / "first.pt")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoder", {}),
        ("encoder", {"a": 1}),
        ("encoder", {"a": torch.tensor([1.0, float("nan")])}),
        ("encoder", {1: torch.zeros(1)}),
        ("encoder", {"a": torch.eye(2).to_sparse()}),
        ("head", [1]),
        ("method", {"a": "b"}),
        ("epoch", -1),
        ("epoch", "4"),
        ("image_size", 0),
        ("image_size", True),
        ("val_accuracy", float("nan")),
        ("class_names", []),
        ("class_names", "ab"),
        ("class_names", ["a", 1]),
        ("prior_weight", "8"),
        ("prior_weight", float("inf")),
        ("prior_weight", -1.0),
        ("optimiser", None),
        ("support", [1]),
        ("calibration", "x"),
        ("training_side", 3),
        ("progress", []),
    ],
)
def test_a_damaged_field_is_named(tmp_path: Path, field: str, value: object) -> None:
    """A wrong field never reaches a figure, and ends in no traceback."""
    path = tmp_path / "best.pt"
    torch.save({"format": 1, **vars(checkpoint()), field: value}, path)
    with pytest.raises(RunError, match=rf"best\.pt is damaged: {field} "):
        load_checkpoint(path)


def test_a_number_that_stands_for_billions_is_not_spread_out(tmp_path: Path) -> None:
    """A few bytes can claim any shape: nothing of that size is ever made to look at it."""
    huge = {"a": torch.zeros(1).expand(10**14)}
    torch.save({"format": 1, **vars(checkpoint()), "encoder": huge}, tmp_path / "best.pt")
    assert load_checkpoint(tmp_path / "best.pt").encoder["a"].numel() == 10**14


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mean", torch.tensor([0.0, float("inf")])),
        ("mean", torch.zeros(2, dtype=torch.float64)),
        ("mean", torch.zeros(3)),
        ("mean", torch.tensor(0.0)),
        ("mean", [0.0, 0.0]),
        ("prototypes", {kind: torch.full((1, 2), torch.nan) for kind in KINDS}),
        ("prototypes", {"none": torch.zeros(1, 2)}),
        ("prototypes", {kind: torch.zeros(1, 2, dtype=torch.int64) for kind in KINDS}),
        ("spreads", dict.fromkeys(KINDS, -1.0)),
        ("spreads", dict.fromkeys(KINDS, float("nan"))),
        ("spreads", dict.fromkeys(KINDS, torch.zeros(2))),
        ("prototypes", torch.zeros(1, 2)),
        ("class_names", []),
        ("class_names", 3),
        ("class_names", torch.zeros(1)),
    ],
)
def test_a_damaged_training_side_is_refused(field: str, value: object) -> None:
    """Its mean is subtracted from every embedding: a wrong one would change every answer."""
    kinds = {kind: torch.zeros(1, 2) for kind in KINDS}
    side = TrainingStatistics(("a",), torch.zeros(2), kinds, dict.fromkeys(KINDS, 1.0))
    assert statistics_from(side.content(), "best.pt").class_names == ("a",)
    with pytest.raises(RunError, match=r"best\.pt: .*training images is damaged"):
        statistics_from({**side.content(), field: value}, "best.pt")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", "1"),
        ("temperature", torch.ones(2)),
        ("head_temperature", 0.0),
        ("head_temperature", float("nan")),
        ("head_temperature", torch.ones(2)),
        ("unknown_faces", torch.zeros(2, 3)),
        ("unknown_faces", {1: torch.zeros(2, 3)}),
        ("unknown_faces", {"other": torch.zeros(3)}),
        ("unknown_faces", {"other": torch.full((2, 3), torch.nan)}),
    ],
)
def test_a_damaged_calibration_is_refused(field: str, value: object) -> None:
    """It turns distances into probabilities: tensors where numbers must stand are no exception."""
    whole = Calibration(1.0, 2.0, {"other": torch.zeros(2, 3)}).content()
    assert calibration_from(whole, "best.pt").temperature == 1.0
    with pytest.raises(RunError, match=r"best\.pt: the calibration in it is damaged"):
        calibration_from({**whole, field: value}, "best.pt")


def test_a_format_that_is_no_number(tmp_path: Path) -> None:
    """A tensor in its place has no one answer to whether it is the right one."""
    torch.save({**vars(checkpoint()), "format": torch.ones(2)}, tmp_path / "best.pt")
    with pytest.raises(RunError, match="no checkpoint of this version"):
        load_checkpoint(tmp_path / "best.pt")
    torch.save({"format": torch.ones(2)}, tmp_path / "store.pt")
    with pytest.raises(RunError, match="no stored support of this version"):
        load_support_set(tmp_path / "store.pt")
    mixed = {"scale": torch.ones(2), "mean": [torch.ones(2)]}
    torch.save({"format": 1, **vars(checkpoint()), "preprocessing": mixed}, tmp_path / "best.pt")
    with pytest.raises(RunError, match="prepared in another way"):
        load_checkpoint(tmp_path / "best.pt")
