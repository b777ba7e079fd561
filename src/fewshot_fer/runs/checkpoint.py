"""Checkpoints: weights on disk with what they mean, read without running any code in the file."""

import math
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewshot_fer.models.preprocessing import preprocessing
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.torch_files import read_torch_file, write_torch_file

FORMAT = 1
WEIGHTS = ("encoder", "head", "method", "rotation", "start")
CONTENTS = ("optimiser", "support", "calibration", "training_side", "raw", "progress")


@dataclass(frozen=True)
class Checkpoint:
    """An encoder's weights and what they mean."""

    encoder: dict[str, Tensor]
    epoch: int
    val_accuracy: float
    class_names: list[str]  # of the training set
    image_size: int  # pixels a side
    optimiser: dict[str, Any]
    head: dict[str, Tensor] | None = None  # of a classifier, over class_names
    support: dict[str, Any] | None = None  # a SupportSet; of a finished run
    calibration: dict[str, Any] | None = None  # a Calibration; of a finished run
    method: dict[str, Tensor] | None = None  # weights of a method that has some
    training_side: dict[str, Any] | None = None  # a TrainingStatistics; of a finished run
    prior_weight: float | None = None  # of composed prototypes
    raw: dict[str, Any] | None = None  # the weights behind a moving average
    progress: dict[str, Any] | None = None  # a Progress, to resume from
    rotation: dict[str, Tensor] | None = None  # of the second task; training alone needs it
    start: dict[str, Tensor] | None = None  # the encoder's first weights, which l2_start pulls to
    preprocessing: dict[str, Any] = field(default_factory=preprocessing)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises WriteError."""
    write_torch_file(path, {"format": FORMAT, **vars(checkpoint)})


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint with weights_only=True. Raises RunError naming the file and the fault."""
    if not path.is_file():
        found = ", ".join(sorted(p.name for p in path.parent.glob("*"))[:8]) or "nothing"
        raise RunError(f"no checkpoint {path.name} in {path.parent}; found there: {found}")
    content = read_torch_file(path, "checkpoint of fewshot_fer", device)
    _require_fields(path, content)
    checkpoint = Checkpoint(**content)
    if wrong := next(_wrong_fields(checkpoint), None):
        raise RunError(f"{path} is damaged: {wrong} is not what a checkpoint holds there")
    return checkpoint


def _require_fields(path: Path, content: Any) -> None:  # noqa: ANN401
    """Raise RunError where fields are missing or not known; take the format out."""
    known = Checkpoint.__dataclass_fields__
    needed = {
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING
    }
    found = content.pop("format", None) if isinstance(content, dict) else None
    if type(found) is not int or found != FORMAT:  # a tensor compares elementwise
        raise RunError(f"{path} is no checkpoint of this version of fewshot_fer (format {FORMAT})")
    if lacking := sorted(needed - set(content)):
        raise RunError(f"{path} lacks {', '.join(lacking)}")
    if strange := sorted(map(str, set(content) - set(known))):
        raise RunError(f"{path} is of a later version: it holds {', '.join(strange)}")
    if repr(content.get("preprocessing", preprocessing())) != repr(preprocessing()):
        raise RunError(
            f"{path} was trained on images prepared in another way: {content['preprocessing']}"
        )


def _wrong_fields(checkpoint: Checkpoint) -> Iterator[str]:
    """Yield the names of fields of a wrong type or out of range."""
    for name in WEIGHTS:
        if not _are_weights(getattr(checkpoint, name), needed=name == "encoder"):
            yield name
    for name in CONTENTS:
        value = getattr(checkpoint, name)
        if not (isinstance(value, dict) or (value is None and name != "optimiser")):
            yield name
    names, weight = checkpoint.class_names, checkpoint.prior_weight
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        yield "class_names"
    if not (weight is None or (_is_number(weight) and weight >= 0)):
        yield "prior_weight"
    if not _is_number(checkpoint.val_accuracy):
        yield "val_accuracy"
    for name, least in (("epoch", 0), ("image_size", 1)):
        if type(getattr(checkpoint, name)) is not int or getattr(checkpoint, name) < least:
            yield name


def _are_weights(state: Any, needed: bool) -> bool:  # noqa: ANN401
    """Return whether a state holds tensors alone, and no NaN in them."""
    if state is None:
        return not needed
    if not isinstance(state, dict) or (needed and not state):
        return False
    return all(
        isinstance(name, str) and isinstance(each, Tensor) and _holds_numbers(each)
        for name, each in state.items()
    )


def _holds_numbers(values: Tensor) -> bool:
    if values.layout is not torch.strided:
        return False
    # One number can be made to stand for billions: only what is stored is looked at.
    stored = values.untyped_storage().nbytes()
    if not values.is_floating_point() or values.numel() * values.element_size() > stored:
        return True
    return not bool(torch.isnan(values).any())


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return type(value) in (int, float) and math.isfinite(value)
